import { describe, expect, it } from "vitest";
import { NO_FILTER, findAll, messageNames, parseQuery, visibleRows } from "../src/data/filter";
import { Kind } from "../src/data/trace";
import { Lanes } from "../src/view/lanes";
import { traceOf } from "./make";

const { Handle, Task, Log, End, Fault } = Kind;

const trace = traceOf(["scenario", "ledger", "ledger#2", "pool"], [
  { kind: Task, task: 0 },
  { kind: Handle, task: 1, text: "Append(1)", cause: 1 },
  { kind: Log, task: 1, text: "Receipt 1" },
  { kind: Fault, task: 1, text: "killed" },
  { kind: Handle, task: 2, text: "Append(2)", cause: 1 },
  { kind: Handle, task: 3, text: "Checkout { who: ledger }", cause: 1 },
  { kind: Handle, task: 3, text: "Append(2)", cause: 1 },
  { kind: End, text: "passed" },
]);
const lanes = () => new Lanes(trace.labels).of(trace.labels);
const shown = (query: string) => Array.from(visibleRows(trace, { ...NO_FILTER, query }, lanes()) ?? [-1]);

describe("a question", () => {
  it("has fields, quotes and negation", () => {
    expect(parseQuery('actor:ledger -kind:log "two words" plain http://x')).toEqual([
      { field: "actor", word: "ledger", not: false },
      { field: "kind", word: "log", not: true },
      { field: "text", word: "two words", not: false },
      { field: "text", word: "plain", not: false },
      { field: "text", word: "http://x", not: false },
    ]);
    expect(parseQuery('  "" - actor:')).toEqual([
      { field: "text", word: "-", not: false },
      { field: "text", word: "actor:", not: false },
    ]);
  });

  it("finds texts and names whatever their case", () => {
    expect(shown("receipt")).toEqual([2]);
    expect(shown("LEDGER")).toEqual([1, 2, 3, 4, 5]);
  });

  it("finds actors with all their incarnations, messages by name, kinds by word", () => {
    expect(shown("actor:ledger")).toEqual([1, 2, 3, 4]);
    expect(shown("message:append")).toEqual([1, 4, 6]);
    expect(shown("kind:fault")).toEqual([3]);
    expect(shown("message:append -actor:pool")).toEqual([1, 4]);
    expect(shown("nothing-like-it")).toEqual([]);
  });

  it("that is empty leaves all rows, without a list of them", () => {
    expect(shown("")).toEqual([-1]);
  });
});

describe("what is shown", () => {
  it("leaves out kinds and messages", () => {
    const filter = { query: "", kinds: new Set<number>([Kind.Log]), messages: new Set(["Append"]) };
    expect(Array.from(visibleRows(trace, filter, lanes()) ?? [])).toEqual([0, 3, 5, 7]);
  });

  it("leaves out the rows of hidden lanes, and keeps the end", () => {
    const all = new Lanes(trace.labels);
    all.setHidden(["ledger", "scenario"], true);
    expect(Array.from(visibleRows(trace, NO_FILTER, all.of(trace.labels)) ?? [])).toEqual([5, 6, 7]);
  });
});

describe("search", () => {
  it("gives places among the rows that are shown", () => {
    const rows = Uint32Array.from([1, 4, 6]);
    expect(Array.from(findAll(trace, "2", rows))).toEqual([1, 2]);
    expect(Array.from(findAll(trace, "2", undefined))).toEqual([4, 6]);
    expect(findAll(trace, "", undefined)).toHaveLength(0);
  });

  it("counts messages, the most frequent first", () => {
    expect(messageNames(trace)).toEqual([["Append", 3], ["Checkout", 1]]);
  });
});
