import { describe, expect, it } from "vitest";
import { failingRow } from "../src/data/failing";
import { Kind, NONE } from "../src/data/trace";
import { partsOf } from "../src/ui/reasons";
import { traceOf, type Event } from "./make";

const handle = (task: number, text: string): Event => ({ kind: Kind.Handle, task, text });
const ticks = (times: number): Event[] => Array.from({ length: times }, () => handle(1, "Tick"));

function opened(outcome: string, events: Event[], decisive: number[] = []): number {
  const trace = traceOf(["scenario", "client"], events);
  Object.assign(trace.about, { outcome, decisive });
  return failingRow(trace);
}

describe("a failed run opens", () => {
  it("at its panic, however many ticks follow", () => {
    const events = [...ticks(3), { kind: Kind.Panic, task: 1, text: "no" }, ...ticks(500), { kind: Kind.End }];
    expect(opened("panicked", events)).toBe(3);
  });

  it("at the step in which a check failed", () => {
    const check = { kind: Kind.Violated, task: 0, text: "violated: too late" };
    const log = { kind: Kind.Log, task: 0, text: "violated: so it says" };
    const events = [...ticks(9), handle(0, "Get"), check, ...ticks(3), log, { kind: Kind.End }];
    expect(opened("violated", events)).toBe(9);
  });

  it("at the step that decided, where it waits in vain", () => {
    const events = [handle(0, "Close"), ...ticks(20), { kind: Kind.End }];
    expect(opened("deadlock", events, [1])).toBe(0);
    expect(opened("deadlock", events)).toBe(21);
    expect(opened("passed", events, [1])).toBe(NONE);
  });
});

describe("a reason", () => {
  it("names steps to go to", () => {
    expect(partsOf("passes if `a` handles `Set(1)` before `Get` (steps 14 and 11)")).toEqual([
      "passes if `a` handles `Set(1)` before `Get` (steps ", 14, " and ", 11, ")",
    ]);
    expect(partsOf("37 of 100 other seeds pass")).toEqual(["37 of 100 other seeds pass"]);
  });
});
