import { describe, expect, it } from "vitest";
import { chainTo, mailboxAt, totals } from "../src/data/causes";
import { Kind, NONE } from "../src/data/trace";
import { traceOf, type Event } from "./make";

const { Handle, Resume, NewTask, Task, Fault, Log, Unhandled } = Kind;

const LABELS = ["scenario", "Client", "server", "ledger"];
/** A client asks a server, which writes to a ledger, which takes 5 µs. */
const EVENTS: Event[] = [
  { kind: Task, task: 0 },
  { kind: NewTask, task: 1 },
  { kind: Task, task: 1, link: ["start", 0] }, // 2, step 2
  { kind: Resume, task: 1, ns: 100, link: ["wait", 2] }, // 3, step 3: asks
  { kind: Handle, task: 2, text: "Ask", cause: 3, ns: 10, link: ["mailbox", 3] }, // 4, step 4
  { kind: Handle, task: 3, text: "Append", cause: 4, link: ["mailbox", 4] }, // 5, step 5
  { kind: Resume, task: 3, ns: 5_000, link: ["wait", 5] }, // 6, step 6: answers
  { kind: Resume, task: 2, cause: 6, link: ["woken", 6] }, // 7, step 7: answers
  { kind: Resume, task: 1, cause: 7, link: ["woken", 7] }, // 8, step 8
];

describe("the chain of a step", () => {
  const trace = traceOf(LABELS, EVENTS);

  it("goes from the answer back to the request", () => {
    const hops = chainTo(trace, 8);
    expect(hops.map(({ link, from, to }) => [link, from, to])).toEqual([
      ["mailbox", 3, 4],
      ["mailbox", 4, 5],
      ["wait", 5, 6],
      ["woken", 6, 7],
      ["woken", 7, 8],
    ]);
  });

  it("adds up to the whole time, by what it was spent on", () => {
    const sums = totals(trace, chainTo(trace, 8));
    expect(sums.map(({ link, ns }) => [link, ns])).toEqual([["wait", 5_000], ["mailbox", 10], ["woken", 0]]);
    expect(sums.reduce((sum, { steps }) => sum + steps, 0)).toBe(trace.step[8] - trace.step[3]);
  });

  it("passes a timer that waited once, back to who set it", () => {
    const timed = traceOf(["scenario", "Client", "server", "Timer"], [
      { kind: Task, task: 1 },
      { kind: Handle, task: 2, text: "Ask", cause: 1, link: ["mailbox", 0] },
      { kind: NewTask, task: 3 },
      { kind: Task, task: 3, link: ["start", 1] },
      { kind: Resume, task: 3, ns: 1_000, link: ["wait", 3] },
      { kind: Handle, task: 2, text: "Timeout", cause: 4, link: ["mailbox", 4] },
    ], [NONE, NONE, NONE, 2]);
    expect(chainTo(timed, 5).map(({ link }) => link)).toEqual(["mailbox", "start", "wait", "mailbox"]);
  });

  it("of a log line is that of the step that wrote it, and a fault has none", () => {
    const told = traceOf(LABELS, [
      { kind: Task, task: 1 },
      { kind: Handle, task: 2, text: "Ask", cause: 1, link: ["mailbox", 0] },
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
      { kind: Unhandled, task: 2, text: "Three", cause: 3, link: ["mailbox", 2] },
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
