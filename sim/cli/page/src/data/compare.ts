// Two traces: where they part, and which events of one are also in the other.

import type { Comparison } from "./decode";
import { Kind, NONE, type Trace } from "./trace";

/** True when two rows tell the same, given the names and texts of their traces. */
export function isSameRow(a: Trace, rowA: number, b: Trace, rowB: number): boolean {
  return (
    a.kind[rowA] === b.kind[rowB] &&
    a.choice[rowA] === b.choice[rowB] &&
    a.message[rowA] === b.message[rowB] &&
    a.seconds[rowA] === b.seconds[rowB] &&
    a.nanos[rowA] === b.nanos[rowB] &&
    a.causeStep[rowA] === b.causeStep[rowB] &&
    a.who(rowA) === b.who(rowB) &&
    a.textOf(rowA) === b.textOf(rowB)
  );
}

/**
 * The rows at which two traces part: the first that differ behind the last step that
 * both have. `undefined` when they do not part, or not on this page.
 */
export function parting(a: Trace, b: Trace, known: Pick<Comparison, "story_compared" | "same_steps" | "parts">): [number, number] | undefined {
  if (!known.parts) return undefined;
  if (!known.story_compared) {
    const rows: [number, number] = [a.rowAtStep(known.same_steps + 1), b.rowAtStep(known.same_steps + 1)];
    return rows.includes(NONE) ? undefined : rows;
  }
  // From the last common step on, row by row.
  let rowA = known.same_steps === 0 ? 0 : a.rowAtStep(known.same_steps);
  let rowB = known.same_steps === 0 ? 0 : b.rowAtStep(known.same_steps);
  if (rowA === NONE || rowB === NONE) return undefined;
  while (rowA < a.rows && rowB < b.rows && isSameRow(a, rowA, b, rowB)) {
    rowA++;
    rowB++;
  }
  if (rowA === a.rows && rowB === b.rows) return undefined;
  return [Math.min(rowA, a.rows - 1), Math.min(rowB, b.rows - 1)];
}

/** Rows of one trace by the group that they belong to. */
interface Side {
  group: Uint32Array;
  /** How many of the group came before. */
  nth: Uint32Array;
  /** Rows of group g: `rows[at[g] .. at[g + 1]]`. */
  at: Uint32Array;
  rows: Uint32Array;
}

/**
 * Finds the same event in the other trace: the n-th of its task with this kind and
 * this text. Behind the parting the schedules differ, and such events are what they
 * still share.
 */
export class Counterparts {
  private readonly sides: Side[];

  constructor(traces: Trace[]) {
    const groups = new Map<number, number>();
    const names = new Map<string, number>();
    const number = (name: string) => {
      let known = names.get(name);
      if (known === undefined) {
        known = names.size;
        names.set(name, known);
      }
      return known;
    };
    const grouped = traces.map((trace) => {
      // Whatever is equal in both has one number.
      const labels = trace.labels.map(number);
      const texts = Array.from({ length: trace.texts.length }, (_, at) => number(trace.texts.get(at)));
      const group = new Uint32Array(trace.rows);
      for (let row = 0; row < trace.rows; row++) {
        const kind = trace.kind[row];
        // The end has one partner, whatever it says.
        const who = kind === Kind.End ? 0 : (labels[trace.task[row]] ?? 0);
        const text = kind === Kind.End ? 0 : texts[trace.text[row]];
        const key = (who * 16 + kind) * 2 ** 24 + text;
        let known = groups.get(key);
        if (known === undefined) {
          known = groups.size;
          groups.set(key, known);
        }
        group[row] = known;
      }
      return group;
    });
    this.sides = grouped.map((group) => sideOf(group, groups.size));
  }

  /** The row of the other trace that is as this row of trace `side`. */
  find(side: number, row: number): number {
    const { group, nth } = this.sides[side];
    const { at, rows } = this.sides[1 - side];
    const place = at[group[row]] + nth[row];
    return place < at[group[row] + 1] ? rows[place] : NONE;
  }

  /** One mark for each row of trace `side` that the other trace does not have. */
  alone(side: number): Uint8Array {
    const { group } = this.sides[side];
    return Uint8Array.from(group, (_, row) => (this.find(side, row) === NONE ? 1 : 0));
  }
}

function sideOf(group: Uint32Array, groups: number): Side {
  const at = new Uint32Array(groups + 1);
  for (const number of group) at[number + 1]++;
  for (let number = 0; number < groups; number++) at[number + 1] += at[number];
  const free = at.slice(0, groups);
  const nth = new Uint32Array(group.length);
  const rows = new Uint32Array(group.length);
  for (let row = 0; row < group.length; row++) {
    const place = free[group[row]]++;
    nth[row] = place - at[group[row]];
    rows[place] = row;
  }
  return { group, nth, at, rows };
}
