// How a step came about: back from cause to cause, and where the time went.

import { Kind, NONE, type Trace } from "./trace";

/** Why one step follows from another. */
export type Link =
  /** A message, from the step that sent it to the one that handles it. */
  | "mailbox"
  /** An answer, or whatever else woke it, from the step that is recorded to have done so. */
  | "woken"
  /** The same where that is not recorded: it is inferred, see `wakerOf`. */
  | "reply"
  /** An await without a message that is known: a timer, a file, another task. */
  | "wait"
  /** The start of a task, from the step that started it. */
  | "start";

export interface Hop {
  link: Link;
  /** Rows. */
  from: number;
  to: number;
}

/** Hops of a chain, at most. */
export const HOPS_MAX = 500;
/** Rows looked at to find who sent an answer, at most. */
const LOOKED_AT_MAX = 20_000;

/** The step that a row belongs to: itself, or the last step before. A message in a mailbox stands for itself. */
export function stepOf(trace: Trace, row: number): number {
  return trace.isStep(row) || trace.kind[row] === Kind.Unhandled ? row : trace.rowAtStep(trace.step[row]);
}

/** What a step follows from by what is recorded: its message, or its own task's past. */
function parentOf(trace: Trace, row: number): number {
  if (trace.cause[row] !== NONE) return trace.cause[row];
  if (trace.kind[row] === Kind.Resume) return trace.previous[row];
  return startedBy(trace, row);
}

/** The step within which the task of a first step was started. */
function startedBy(trace: Trace, row: number): number {
  const task = trace.task[row];
  if (trace.previous[row] !== NONE) return NONE;
  const started = trace.taskRow[task];
  if (started === undefined || started === NONE || trace.kind[started] !== Kind.NewTask) return NONE;
  return trace.rowAtStep(trace.step[started]);
}

function isAtOnce(trace: Trace, a: number, b: number): boolean {
  return trace.seconds[a] === trace.seconds[b] && trace.nanos[a] === trace.nanos[b];
}

/**
 * Who most likely woke a step that resumes after an await.
 *
 * Virtual time stands still while anything can run, so the waker ran at the same time.
 * It is a step that followed from what the task did before it awaited: the last one of
 * an actor that it sent a message to, or else the last one of all.
 */
export function wakerOf(trace: Trace, row: number): number {
  const asked = trace.previous[row];
  if (trace.kind[row] !== Kind.Resume || asked === NONE) return NONE;
  let waker = NONE;
  for (const handled of trace.effectsOf(asked)) {
    for (let at = handled; at < row; at = trace.next[at]) {
      if (trace.begin[at] !== handled) break;
      if (isAtOnce(trace, at, row) && (waker === NONE || at > waker)) waker = at;
    }
  }
  if (waker !== NONE) return waker;
  let looked = 0;
  for (let at = row - 1; at > asked && isAtOnce(trace, at, row); at--) {
    if (!trace.isStep(at) || trace.task[at] === trace.task[row]) continue;
    let back = at;
    while (back !== NONE && back > asked && looked++ < LOOKED_AT_MAX) back = parentOf(trace, back);
    if (back === asked) return at;
    if (looked >= LOOKED_AT_MAX) break;
  }
  return NONE;
}

/** What led to a step directly. */
export function hopTo(trace: Trace, row: number): Hop | undefined {
  const hop = (link: Link, from: number) => (from === NONE ? undefined : { link, from, to: row });
  const cause = trace.cause[row];
  if (trace.kind[row] === Kind.Resume) {
    // A step that woke its own task tells no more than that it went on.
    if (cause !== NONE && cause !== trace.previous[row]) return hop("woken", cause);
    const waker = wakerOf(trace, row);
    return waker === NONE ? hop("wait", trace.previous[row]) : hop("reply", waker);
  }
  if (cause === NONE) return hop("start", startedBy(trace, row));
  const kind = trace.kind[row];
  if (kind === Kind.Handle || kind === Kind.Supervision || kind === Kind.Unhandled) return hop("mailbox", cause);
  return hop(kind === Kind.PostStop ? "woken" : "start", cause);
}

/** Messages of one step that are named in its note. */
const NAMED_MAX = 2;

/** The task that sent the message which this step handles, or handles on. */
function askedBy(trace: Trace, row: number): number {
  const begin = trace.begin[row];
  if (begin === NONE || trace.kind[begin] !== Kind.Handle || trace.cause[begin] === NONE) return NONE;
  return trace.task[trace.cause[begin]];
}

/**
 * Of a step that resumes after an await: who answered or woke its task, and what it sends, in
 * the words of a story's lines. Empty where nothing of it is recorded.
 */
export function noteOf(trace: Trace, row: number): string {
  if (trace.kind[row] !== Kind.Resume) return "";
  const parts: string[] = [];
  const cause = trace.cause[row];
  if (cause !== NONE && cause !== trace.previous[row]) {
    const verb = askedBy(trace, cause) === trace.task[row] ? "answered by"
      : trace.kind[cause] === Kind.PostStop ? "woken by the end of" : "woken by";
    parts.push(`${verb} ${trace.who(cause)}`);
  }
  const answers: string[] = [], sends: string[] = [];
  for (const effect of trace.effectsOf(row)) {
    const kind = trace.kind[effect];
    if (kind === Kind.Handle || kind === Kind.Unhandled) sends.push(`${trace.messageName(effect)} to ${trace.who(effect)}`);
    else if (kind === Kind.Resume && askedBy(trace, row) === trace.task[effect]) answers.push(trace.who(effect));
  }
  for (const [verb, names] of [["answers", answers], ["sends", sends]] as const) {
    if (names.length === 0) continue;
    const more = names.length > NAMED_MAX ? ` and ${names.length - NAMED_MAX} more` : "";
    parts.push(`${verb} ${names.slice(0, NAMED_MAX).join(", ")}${more}`);
  }
  return parts.join("; ");
}

/**
 * A request begins with a step of a task that is no actor: a client, which has a past
 * of other requests. A task that waited once and is over, a timer, is no such origin.
 */
function isOrigin(trace: Trace, row: number): boolean {
  if (trace.taskKind[trace.task[row]] === 1 || trace.kind[row] !== Kind.Resume) return false;
  return trace.previous[row] !== trace.begin[row] || trace.next[row] !== NONE;
}

/** The hops that led to a row, the earliest first. */
export function chainTo(trace: Trace, row: number): Hop[] {
  const hops: Hop[] = [];
  // A fault strikes from outside.
  if (trace.kind[row] === Kind.Fault) return hops;
  let at = stepOf(trace, row);
  while (at !== NONE && hops.length < HOPS_MAX) {
    if (hops.length > 0 && isOrigin(trace, at)) break;
    const hop = hopTo(trace, at);
    if (!hop) break;
    hops.push(hop);
    at = hop.from;
  }
  return hops.reverse();
}

/** Nanoseconds from one row to a later one. */
export function between(trace: Trace, from: number, to: number): number {
  return (trace.seconds[to] - trace.seconds[from]) * 1e9 + (trace.nanos[to] - trace.nanos[from]);
}

/** Where the time of a chain went, by kind of hop. */
export function totals(trace: Trace, hops: Hop[]): { link: Link; ns: number; steps: number }[] {
  const sums = new Map<Link, { link: Link; ns: number; steps: number }>();
  for (const { link, from, to } of hops) {
    const sum = sums.get(link) ?? { link, ns: 0, steps: 0 };
    sum.ns += between(trace, from, to);
    sum.steps += trace.step[to] - trace.step[from];
    sums.set(link, sum);
  }
  return [...sums.values()].sort((a, b) => b.ns - a.ns || b.steps - a.steps);
}

/** Messages sent to the actor of a row up to then and handled later or never, in their order. */
export function mailboxAt(trace: Trace, row: number, most = 200): number[] {
  const waiting: number[] = [];
  const step = stepOf(trace, row);
  if (step === NONE) return waiting;
  const task = trace.task[row];
  const isSent = (at: number) => trace.causeStep[at] <= trace.step[step];
  let at = trace.task[step] === task ? trace.next[step] : firstAfter(trace, task, step);
  while (at !== NONE && waiting.length < most) {
    if (trace.kind[at] === Kind.Handle && trace.causeStep[at] > 0) {
      // A mailbox is first in, first out: whatever is behind it was sent later.
      if (!isSent(at)) return waiting;
      waiting.push(at);
    }
    at = trace.next[at];
  }
  const never = (trace.unhandled.get(task) ?? []).filter(isSent);
  return waiting.concat(never.slice(0, most - waiting.length));
}

function firstAfter(trace: Trace, task: number, row: number): number {
  for (let at = row + 1; at < trace.rows; at++) {
    if (trace.task[at] === task && trace.isStep(at)) return at;
  }
  return NONE;
}
