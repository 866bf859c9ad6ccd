// The state of an actor before and after a step, from what its callbacks found.

import { stepOf } from "./causes";
import { Kind, NONE, type Seen, type Trace } from "./trace";

export interface Change {
  /** The text as the callback found it; undefined where none was seen before. */
  before: string | undefined;
  /** The text as the next callback found it. */
  after: string | undefined;
  /** The callback that found it after; NONE at the end of the run, or where none came. */
  foundBy: number;
  /** No callback came after, nor was the state seen at the end: it may have changed since. */
  isOld: boolean;
}

/** What the callback of a row did to its actor's state. Undefined where nothing is known. */
export function changeAt(trace: Trace, row: number): Change | undefined {
  const task = trace.task[row];
  const seen = trace.states.get(task);
  if (!seen) return undefined;
  const step = ownStep(trace, row);
  if (step === NONE) return undefined;
  const begin = trace.begin[step];
  const foundBy = nextCallback(trace, step);
  const text = (state: Seen | undefined) => (state ? trace.texts.get(state.text) : undefined);
  const before = text(lastUpTo(seen, begin));
  const atEnd = seen[seen.length - 1].row === NONE;
  if (foundBy === NONE && !atEnd) return before === undefined ? undefined : { before, after: before, foundBy, isOld: true };
  const after = text(foundBy === NONE ? seen[seen.length - 1] : lastUpTo(seen, foundBy));
  return before === undefined && after === undefined ? undefined : { before, after, foundBy, isOld: false };
}

/** The last step of the row's own task up to it. */
function ownStep(trace: Trace, row: number): number {
  const step = stepOf(trace, row);
  const task = trace.task[row];
  if (step !== NONE && trace.task[step] === task && trace.isStep(step)) return step;
  for (let at = row; at >= 0 && at >= trace.taskRow[task]; at--) {
    if (trace.task[at] === task && trace.isStep(at)) return at;
  }
  return NONE;
}

function nextCallback(trace: Trace, step: number): number {
  let at = trace.next[step];
  while (at !== NONE && trace.kind[at] === Kind.Resume) at = trace.next[at];
  return at;
}

function lastUpTo(seen: Seen[], row: number): Seen | undefined {
  return seen.findLast((state) => state.row !== NONE && state.row <= row);
}
