// Where a failed run is looked at first.

import { Kind, NONE, type Trace } from "./trace";

/**
 * The row that a failed run is to be understood from, or NONE of a run that passed or has no
 * end: its last panic, the step in which a check failed, the last step that decided how it
 * ends, or its end.
 */
export function failingRow(trace: Trace): number {
  const { outcome, decisive } = trace.about;
  if (outcome === null || outcome === "passed") return NONE;
  for (let row = trace.rows - 1; row >= 0; row--) {
    const kind = trace.kind[row];
    if (kind === Kind.Panic && outcome === "panicked") return row;
    if (kind === Kind.Violated) {
      const step = trace.rowAtStep(trace.step[row]);
      return step === NONE ? row : step;
    }
    // Of other outcomes nothing is searched for.
    if (outcome !== "panicked" && outcome !== "violated") break;
  }
  for (const step of [...(decisive ?? [])].reverse()) {
    const row = trace.rowAtStep(step);
    if (row !== NONE) return row;
  }
  for (let row = trace.rows - 1; row >= 0 && row > trace.rows - 200; row--) {
    if (trace.kind[row] === Kind.Panic) return row;
  }
  return trace.kind[trace.rows - 1] === Kind.End ? trace.rows - 1 : NONE;
}
