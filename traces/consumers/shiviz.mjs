// The rules by which ShiViz reads a log: its own parser expression, and what its model
// of the execution checks.

import assert from "node:assert/strict";

export function checkShiviz(text) {
  const [expression, delimiter, ...rest] = text.split("\n");
  assert.equal(delimiter, "", "one execution needs no delimiter");
  const log = rest.join("\n").trim();
  const names = [...expression.matchAll(/\(\?<(\w+)>/g)].map((match) => match[1]);
  for (const name of ["host", "clock", "event"]) {
    assert.ok(names.includes(name), `the parser has no group ${name}`);
  }
  const events = [...log.matchAll(new RegExp(expression, "gm"))].map(({ groups }) => ({
    host: groups.host,
    clock: JSON.parse(groups.clock),
    event: groups.event,
  }));
  assert.ok(events.length > 0, "the parser captures no event");
  assert.equal(events.length * 2, log.split("\n").length, "the parser passes over lines");

  // Own counts from 1 without a gap.
  const hosts = new Map();
  for (const event of events) {
    const own = hosts.get(event.host) ?? hosts.set(event.host, []).get(event.host);
    own.push(event);
  }
  for (const [host, own] of hosts) {
    own.sort((a, b) => a.clock[host] - b.clock[host]);
    own.forEach((event, place) => {
      assert.equal(event.clock[host], place + 1, `the clock of ${host} has a gap`);
    });
  }
  // Parents: what became known since the task's event before, less what the others
  // of these know already.
  for (const [host, own] of hosts) {
    const known = {};
    for (const event of own) {
      known[host] = event.clock[host];
      const candidates = [];
      for (const [other, time] of Object.entries(event.clock)) {
        if (known[other] !== undefined && known[other] >= time) continue;
        known[other] = time;
        assert.ok(hosts.has(other), `an unknown host ${other}`);
        assert.ok(time >= 1 && time <= hosts.get(other).length, `no event ${time} of ${other}`);
        candidates.push(hosts.get(other)[time - 1]);
      }
      const knows = (other, parent) => other !== parent && other.clock[parent.host] >= parent.clock[parent.host];
      event.parents = candidates.filter((parent) => !candidates.some((other) => knows(other, parent)));
    }
  }
  // The clocks are those that follow from the parents, and there is no circle.
  const done = new Map();
  const clockOf = (event) => {
    if (done.has(event)) {
      assert.notEqual(done.get(event), "open", "the log is intransitive");
      return done.get(event);
    }
    done.set(event, "open");
    const clock = {};
    const own = hosts.get(event.host);
    const before = own[event.clock[event.host] - 2];
    for (const parent of before ? [before, ...event.parents] : event.parents) {
      for (const [host, time] of Object.entries(clockOf(parent))) {
        clock[host] = Math.max(clock[host] ?? 0, time);
      }
    }
    clock[event.host] = event.clock[event.host];
    assert.deepEqual(clock, event.clock, `an impermissible clock: ${event.event}`);
    done.set(event, clock);
    return clock;
  };
  for (const event of events) clockOf(event);
  return events.reduce((sum, event) => sum + event.parents.length, 0);
}
