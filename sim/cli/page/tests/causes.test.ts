import { describe, expect, it } from "vitest";
import { chainTo, mailboxAt, noteOf, totals, wakerOf } from "../src/data/causes";
import { Kind, NONE } from "../src/data/trace";
import { traceOf, type Event } from "./make";

const { Handle, Resume, NewTask, Task, Fault, Log, Unhandled } = Kind;

const LABELS = ["scenario", "Client", "server", "ledger"];
/** A client asks a server, which writes to a ledger, which takes 5 µs. */
const EVENTS: Event[] = [
  { kind: Task, task: 0 },
  { kind: NewTask, task: 1 },
  { kind: Task, task: 1 }, // 2, step 2
  { kind: Resume, task: 1, ns: 100 }, // 3, step 3: asks
  { kind: Handle, task: 2, text: "Ask", cause: 3, ns: 10 }, // 4, step 4
  { kind: Resume, task: 1 }, // 5, step 5: something else
  { kind: Handle, task: 3, text: "Append", cause: 4 }, // 6, step 6
  { kind: Resume, task: 3, ns: 5_000 }, // 7, step 7: answers
  { kind: Resume, task: 2 }, // 8, step 8: answers
  { kind: Resume, task: 1 }, // 9, step 9
];

describe("who woke a step", () => {
  const trace = traceOf(LABELS, EVENTS);

  it("is the addressee's last step at the same time", () => {
    expect(wakerOf(trace, 8)).toBe(7);
  });

  it("is nobody when time has passed since: a timer", () => {
    expect(wakerOf(trace, 7)).toBe(NONE);
    expect(wakerOf(trace, 3)).toBe(NONE);
  });

  it("is another step that followed, where the addressee passed the answer on", () => {
    const forwarded = traceOf(LABELS, [
      { kind: Task, task: 1 },
      { kind: Handle, task: 2, text: "Ask", cause: 1 },
      { kind: Handle, task: 3, text: "Forwarded", cause: 2, ns: 7 },
      { kind: Resume, task: 1 },
    ]);
    expect(wakerOf(forwarded, 3)).toBe(2);
  });

  it("is not one that ran at the time but followed from something else", () => {
    const other = traceOf(LABELS, [
      { kind: Task, task: 1 },
      { kind: Task, task: 0, ns: 9 },
      { kind: Handle, task: 3, text: "Other", cause: 2 },
      { kind: Resume, task: 1 },
    ]);
    expect(wakerOf(other, 3)).toBe(NONE);
  });
});

describe("the note of a step that resumes", () => {
  const { Task, Handle, PostStop, Resume } = Kind;

  it("names who answered or woke it and what it sends", () => {
    const trace = traceOf(["client", "pool", "worker"], [
      { kind: Task, task: 0 },
      { kind: Handle, task: 1, cause: 1, text: "Get(reply)" },
      { kind: Handle, task: 2, cause: 2, text: "Run(1)" },
      { kind: Resume, task: 1, cause: 3 },
      { kind: Resume, task: 0, cause: 4 },
      { kind: Handle, task: 2, cause: 5, text: "Stop" },
      { kind: Handle, task: 1, cause: 5, text: "Put(1)" },
      { kind: Handle, task: 1, cause: 5, text: "Put(2)" },
      { kind: PostStop, task: 2 },
      { kind: Resume, task: 1, cause: 9 },
    ]);
    expect(noteOf(trace, 3)).toBe("answered by worker; answers client");
    expect(noteOf(trace, 4)).toBe("answered by pool; sends Stop to worker, Put to pool and 1 more");
    expect(noteOf(trace, 9)).toBe("woken by the end of worker");
    expect(noteOf(trace, 1)).toBe("");
  });
});

describe("the chain of a step", () => {
  // Without the step between, the client's last step is the one that asked.
  const trace = traceOf(LABELS, EVENTS.filter((_, at) => at !== 5));

  it("goes from the answer back to the request", () => {
    const hops = chainTo(trace, 8);
    expect(hops.map(({ link, from, to }) => [link, from, to])).toEqual([
      ["mailbox", 3, 4],
      ["mailbox", 4, 5],
      ["wait", 5, 6],
      ["reply", 6, 7],
      ["reply", 7, 8],
    ]);
  });

  it("takes who is recorded to have woken a step before who is inferred", () => {
    const told = EVENTS.map((it, at) => (at === 9 ? { ...it, cause: 8 } : it));
    expect(chainTo(traceOf(LABELS, told), 9).at(-1)).toEqual({ link: "woken", from: 8, to: 9 });
  });

  it("adds up to the whole time, by what it was spent on", () => {
    const sums = totals(trace, chainTo(trace, 8));
    expect(sums.map(({ link, ns }) => [link, ns])).toEqual([["wait", 5_000], ["mailbox", 10], ["reply", 0]]);
    expect(sums.reduce((sum, { steps }) => sum + steps, 0)).toBe(trace.step[8] - trace.step[3]);
  });

  it("passes a timer that waited once, back to who set it", () => {
    const timed = traceOf(["scenario", "Client", "server", "Timer"], [
      { kind: Task, task: 1 },
      { kind: Handle, task: 2, text: "Ask", cause: 1 },
      { kind: NewTask, task: 3 },
      { kind: Task, task: 3 },
      { kind: Resume, task: 3, ns: 1_000 },
      { kind: Handle, task: 2, text: "Timeout", cause: 4 },
    ], [NONE, NONE, NONE, 2]);
    expect(chainTo(timed, 5).map(({ link }) => link)).toEqual(["mailbox", "start", "wait", "mailbox"]);
  });

  it("of a log line is that of the step that wrote it, and a fault has none", () => {
    const told = traceOf(LABELS, [
      { kind: Task, task: 1 },
      { kind: Handle, task: 2, text: "Ask", cause: 1 },
      { kind: Log, task: 2, text: "asked" },
      { kind: Fault, task: 2, text: "killed" },
    ]);
    expect(chainTo(told, 2)).toEqual(chainTo(told, 1));
    expect(chainTo(told, 1)).toHaveLength(1);
    expect(chainTo(told, 3)).toEqual([]);
  });
});

describe("a mailbox", () => {
  const trace = traceOf(LABELS, [
    { kind: Task, task: 1 }, // sends two
    { kind: Task, task: 0 }, // sends one
    { kind: Handle, task: 2, text: "One", cause: 1 },
    { kind: Resume, task: 1 }, // sends another
    { kind: Handle, task: 2, text: "Two", cause: 1 },
    { kind: Handle, task: 2, text: "Three", cause: 2 },
    { kind: Handle, task: 2, text: "Four", cause: 4 },
  ]);

  it("has what was sent before and is handled later, in order", () => {
    expect(mailboxAt(trace, 2)).toEqual([4, 5]);
    expect(mailboxAt(trace, 4)).toEqual([5, 6]);
    expect(mailboxAt(trace, 6)).toEqual([]);
  });

  it("keeps what is never handled, which leads to whoever sent it", () => {
    const stuck = traceOf(LABELS, [
      { kind: Task, task: 1 }, // sends two
      { kind: Handle, task: 2, text: "One", cause: 1 },
      { kind: Resume, task: 1 }, // sends another
      { kind: Unhandled, task: 2, text: "Two", cause: 1 },
      { kind: Unhandled, task: 2, text: "Three", cause: 3 },
    ]);
    expect(mailboxAt(stuck, 1)).toEqual([3]);
    expect(mailboxAt(stuck, 4)).toEqual([3, 4]);
    expect(mailboxAt(stuck, 4, 1)).toEqual([3]);
    expect(chainTo(stuck, 4).at(-1)).toEqual({ link: "mailbox", from: 2, to: 4 });
    expect(Array.from(stuck.effectsOf(0))).toEqual([1, 3]);
    expect([stuck.what(3), stuck.messageName(3)]).toEqual(["never handled: Two", "Two"]);
    expect(stuck.previous[3]).toBe(1);
  });
});
