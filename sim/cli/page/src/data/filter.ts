// Which rows are shown.

import { Kind, NONE, type Trace } from "./trace";

/** A part of a question: all parts have to hold. */
export interface Term {
  field: "text" | "actor" | "message" | "kind";
  word: string;
  not: boolean;
}

const FIELDS: Record<string, Term["field"]> = {
  text: "text", actor: "actor", who: "actor", message: "message", msg: "message", kind: "kind",
};

/** The words of kinds that a question may use. */
export const KIND_WORDS: [string, number[]][] = [
  ["start", [Kind.PreStart, Kind.PostStart]],
  ["handle", [Kind.Handle]],
  ["resume", [Kind.Resume]],
  ["supervision", [Kind.Supervision]],
  ["stop", [Kind.PostStop]],
  ["task", [Kind.Task]],
  ["new", [Kind.NewTask]],
  ["fault", [Kind.Fault]],
  ["panic", [Kind.Panic]],
  ["log", [Kind.Log]],
  ["failure", [Kind.Failed, Kind.Violated]],
  ["end", [Kind.End]],
  ["unhandled", [Kind.Unhandled]],
];

/** `actor:ledger -kind:log "Append(" word`. */
export function parseQuery(query: string): Term[] {
  const terms: Term[] = [];
  for (const [, minus, name, quoted, plain] of query.matchAll(
    /(-?)(?:([a-z]+):)?(?:"([^"]*)"?|(\S+))/giu,
  )) {
    const field = name === undefined ? "text" : FIELDS[name.toLowerCase()];
    let word = quoted ?? plain ?? "";
    // `http://x` asks for no field.
    if (field === undefined) word = `${name}:${word}`;
    if (word !== "") terms.push({ field: field ?? "text", word, not: minus === "-" });
  }
  return terms;
}

/** True for the rows for which a term holds. */
function test(trace: Trace, { field, word, not }: Term): (row: number) => boolean {
  const lower = word.toLowerCase();
  const holds = ((): ((row: number) => boolean) => {
    switch (field) {
      case "kind": {
        const kinds = new Uint8Array(16);
        for (const [name, numbers] of KIND_WORDS) {
          if (name.startsWith(lower)) for (const kind of numbers) kinds[kind] = 1;
        }
        return (row) => kinds[trace.kind[row]] === 1;
      }
      case "actor": {
        const tasks = Uint8Array.from(trace.labels, (label) => (isAbout(label, lower) ? 1 : 0));
        return (row) => tasks[trace.task[row]] === 1;
      }
      case "message": {
        const names = new Map<number, boolean>();
        return (row) => {
          const kind = trace.kind[row];
          if (kind !== Kind.Handle && kind !== Kind.Supervision && kind !== Kind.Unhandled) return false;
          const text = trace.text[row];
          if (text === 0) return trace.messageName(row).toLowerCase().includes(lower);
          let known = names.get(text);
          if (known === undefined) {
            known = trace.messageName(row).toLowerCase().includes(lower);
            names.set(text, known);
          }
          return known;
        };
      }
      case "text": {
        const texts = trace.texts.containing(word);
        const tasks = Uint8Array.from(trace.labels, (it) => (it.toLowerCase().includes(lower) ? 1 : 0));
        return (row) => texts[trace.text[row]] === 1 || tasks[trace.task[row]] === 1;
      }
    }
  })();
  return not ? (row) => !holds(row) : holds;
}

/** `ledger` is about `ledger`, `ledger#2` and everything that has it in its name. */
function isAbout(label: string, lower: string): boolean {
  return label.toLowerCase().includes(lower);
}

export interface Filter {
  query: string;
  /** Numbers of kinds that are left out. */
  kinds: ReadonlySet<number>;
  /** Names of messages that are left out. */
  messages: ReadonlySet<string>;
}

export const NO_FILTER: Filter = { query: "", kinds: new Set(), messages: new Set() };

/**
 * The rows that are shown, in order; `undefined` stands for all of them.
 * `lanes` gives the lane of each task, below zero where it is hidden.
 */
export function visibleRows(trace: Trace, filter: Filter, lanes: Int32Array): Uint32Array | undefined {
  const tests = parseQuery(filter.query).map((term) => test(trace, term));
  const hidesLanes = lanes.some((lane) => lane < 0);
  if (tests.length === 0 && filter.kinds.size === 0 && filter.messages.size === 0 && !hidesLanes) {
    return undefined;
  }
  if (filter.messages.size > 0) {
    tests.push((row) => {
      const name = trace.messageName(row);
      return name === "" || !filter.messages.has(name);
    });
  }
  const kinds = new Uint8Array(16);
  for (const kind of filter.kinds) kinds[kind] = 1;
  const rows = new Uint32Array(trace.rows);
  let count = 0;
  rows: for (let row = 0; row < trace.rows; row++) {
    if (kinds[trace.kind[row]] === 1) continue;
    const task = trace.task[row];
    if (task !== NONE && lanes[task] < 0) continue;
    for (const holds of tests) if (!holds(row)) continue rows;
    rows[count++] = row;
  }
  return rows.slice(0, count);
}

/** The places, among the visible rows, of those that a question finds. */
export function findAll(trace: Trace, query: string, rows: Uint32Array | undefined): Uint32Array {
  const tests = parseQuery(query).map((term) => test(trace, term));
  const length = rows?.length ?? trace.rows;
  const found = new Uint32Array(length);
  if (tests.length === 0) return found.slice(0, 0);
  let count = 0;
  places: for (let place = 0; place < length; place++) {
    const row = rows ? rows[place] : place;
    for (const holds of tests) if (!holds(row)) continue places;
    found[count++] = place;
  }
  return found.slice(0, count);
}

/** How often each message is handled, the most frequent first. */
export function messageNames(trace: Trace): [string, number][] {
  const counts = new Map<string, number>();
  const byText = new Map<number, string>();
  for (let row = 0; row < trace.rows; row++) {
    const kind = trace.kind[row];
    if (kind !== Kind.Handle && kind !== Kind.Supervision) continue;
    const text = trace.text[row];
    let name = text === 0 ? undefined : byText.get(text);
    if (name === undefined) {
      name = trace.messageName(row);
      if (text !== 0) byText.set(text, name);
    }
    if (name !== "") counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return [...counts].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1));
}
