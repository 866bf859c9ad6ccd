import { describe, expect, it } from "vitest";
import { parse } from "../src/data/decode";
import { Kind, NONE, Trace } from "../src/data/trace";
import { columnsOf, traceOf } from "./make";

const { Handle, Resume, NewTask, Task, End, Log } = Kind;

/** A client asks a server, which answers after a while. */
const ask = () =>
  traceOf(["scenario", "Client", "server"], [
    { kind: Task, task: 0 },
    { kind: NewTask, task: 1 },
    { kind: NewTask, task: 2 },
    { kind: Task, task: 1 },
    { kind: Handle, task: 2, text: "Get(reply)", cause: 2 },
    { kind: Log, task: 2, text: "working" },
    { kind: Resume, task: 2, ns: 1_500_000_000 },
    { kind: Resume, task: 1 },
    { kind: End, text: "passed after 5 steps", ns: 7 },
  ], [NONE, 0, 0]);

describe("a trace", () => {
  it("counts steps and adds up time to the nanosecond", () => {
    const trace = ask();
    expect(Array.from(trace.step)).toEqual([1, 1, 1, 2, 3, 3, 4, 5, 5]);
    expect([trace.seconds[8], trace.nanos[8]]).toEqual([1, 500_000_007]);
    expect(trace.rowAtStep(3)).toBe(4);
    expect(trace.rowAtStep(6)).toBe(NONE);
    expect(trace.rowAtStep(0)).toBe(NONE);
  });

  it("carries nanoseconds over into seconds", () => {
    const trace = traceOf(["scenario"], [
      { kind: Task, task: 0, ns: 999_999_999 },
      { kind: Resume, task: 0, ns: 2 },
      { kind: Resume, task: 0, ns: 8_999_999_999 },
    ]);
    expect(Array.from(trace.seconds)).toEqual([0, 1, 10]);
    expect(Array.from(trace.nanos)).toEqual([999_999_999, 1, 0]);
  });

  it("links causes, effects and the steps of a task", () => {
    const trace = ask();
    expect(trace.cause[4]).toBe(3);
    expect(Array.from(trace.effectsOf(3))).toEqual([4]);
    expect(Array.from(trace.effectsOf(4))).toEqual([]);
    expect([trace.previous[7], trace.next[3]]).toEqual([3, 7]);
    expect(trace.begin[6]).toBe(4);
  });

  it("keeps the number of a cause that is before the page", () => {
    const columns = columnsOf(["scenario", "server"], [{ kind: Handle, task: 1, cause: 1 }, { kind: Handle, task: 1, cause: 1 }]);
    columns.description.first_step = 100;
    (columns.columns.get("cause") as Uint32Array).set([40, 1]);
    const trace = new Trace(columns);
    expect([trace.causeStep[0], trace.cause[0]]).toEqual([61, NONE]);
    expect([trace.causeStep[1], trace.cause[1]]).toEqual([101, 0]);
  });

  it("says what happened in the words of `retake show`", () => {
    const trace = ask();
    expect(trace.what(2)).toBe("new actor, by scenario");
    expect(trace.what(4)).toBe("handles Get(reply)");
    expect(trace.what(5)).toBe("| working");
    expect(trace.what(6)).toBe("resumes");
    expect(trace.messageName(4)).toBe("Get");
  });

  it("names what a damaged page refers to, and does not fail", () => {
    const trace = traceOf(["scenario"], [{ kind: Handle, task: 9, message: 3 }]);
    expect(trace.who(0)).toBe("task 9");
    expect(trace.what(0)).toBe("handles message 3");
  });

  it("finds texts beyond the basic plane at their places", () => {
    const trace = traceOf(["scenario", "é𝄞"], [
      { kind: Log, task: 1, text: "\ufeff𝄞𝄞 first" },
      { kind: Log, task: 1, text: "second" },
    ]);
    expect(trace.who(0)).toBe("é𝄞");
    expect(trace.textOf(0)).toBe("\ufeff𝄞𝄞 first");
    expect(trace.textOf(1)).toBe("second");
  });
});

describe("the bytes of a page", () => {
  it("are refused when they are of another kind or too short", () => {
    expect(() => parse(new TextEncoder().encode("NOTAPAGE....").buffer as ArrayBuffer)).toThrow(/retake view/);
    const description = JSON.stringify({ columns: [{ name: "kind", width: 4, length: 9 }] }).padEnd(64);
    const bytes = new Uint8Array(12 + 64 + 8);
    bytes.set(new TextEncoder().encode("RTKVIEW1"));
    new DataView(bytes.buffer).setUint32(8, 64, true);
    bytes.set(new TextEncoder().encode(description), 12);
    expect(() => parse(bytes.buffer)).toThrow(/ends within `kind`/);
  });
});
