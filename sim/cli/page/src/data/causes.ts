// How a step came about: back from cause to cause, and where the time went.

import { Kind, NONE, type Trace } from "./trace";

/** Why one step follows from another: the names in `links.rs`, which finds them. */
export type Link = "mailbox" | "woken" | "reply" | "wait" | "start";

export interface Hop {
  link: Link;
  /** Rows. */
  from: number;
  to: number;
}

/** Hops of a chain, at most. */
export const HOPS_MAX = 500;

/** The step that a row belongs to: itself, or the last step before. A message in a mailbox stands for itself. */
export function stepOf(trace: Trace, row: number): number {
  return trace.isStep(row) || trace.kind[row] === Kind.Unhandled ? row : trace.rowAtStep(trace.step[row]);
}

/** What led to a step directly. */
export function hopTo(trace: Trace, row: number): Hop | undefined {
  const link = trace.links[trace.link[row]];
  return link ? { link: link as Link, from: row - trace.linkBack[row], to: row } : undefined;
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
