import { describe, expect, it } from "vitest";
import { changeAt } from "../src/data/states";
import { Kind, NONE } from "../src/data/trace";
import { traceOf } from "./make";

const { Handle, Resume, Task, Log } = Kind;

describe("the state of an actor", () => {
  const trace = (atEnd: boolean) =>
    traceOf(["scenario", "counter", "other"], [
      { kind: Task, task: 0 },
      { kind: Handle, task: 1, text: "Add(1)" }, // found 0
      { kind: Handle, task: 2, text: "x" },
      { kind: Resume, task: 1 },
      { kind: Log, task: 1, text: "added" },
      { kind: Handle, task: 1, text: "Get" }, // found 1
      { kind: Handle, task: 1, text: "Add(2)" }, // found the same
    ], [], [
      { row: 1, task: 1, text: "0" },
      { row: 5, task: 1, text: "1" },
      ...(atEnd ? [{ row: NONE, task: 1, text: "3" }] : []),
    ]);

  it("after a step is what the next callback finds", () => {
    const all = trace(true);
    for (const row of [1, 3, 4]) expect(changeAt(all, row)).toEqual({ before: "0", after: "1", foundBy: 5, isOld: false });
  });

  it("that no callback changed is still the one before", () => {
    expect(changeAt(trace(true), 5)).toEqual({ before: "1", after: "1", foundBy: 6, isOld: false });
  });

  it("after the last callback is what was seen at the end, or may be old", () => {
    expect(changeAt(trace(true), 6)).toEqual({ before: "1", after: "3", foundBy: NONE, isOld: false });
    expect(changeAt(trace(false), 6)).toEqual({ before: "1", after: "1", foundBy: NONE, isOld: true });
  });

  it("is not known where nothing was seen", () => {
    expect(changeAt(trace(true), 2)).toBeUndefined();
    expect(changeAt(trace(true), 0)).toBeUndefined();
  });
});
