// Small traces for tests, told event by event.

import type { About, Columns } from "../src/data/decode";
import type { Link } from "../src/data/causes";
import { Trace } from "../src/data/trace";

export interface Event {
  kind: number;
  task?: number;
  text?: string;
  /** The number of the step that sent the message. */
  cause?: number;
  /** What led to it, and the row from which that leads. */
  link?: [Link, number];
  /** What is noted on its line. */
  note?: string;
  /** Nanoseconds since the event before. */
  ns?: number;
  choice?: number;
  message?: number;
}

/** A state, and the row of the callback that found it. */
export interface State {
  row: number;
  task: number;
  text: string;
}

export const ABOUT: About = {
  name: "a.retake", notes: [], program: "retake", scenario: "test", seed: "1", strategy: "random", faults: [],
  versions: [], code: "", story: true, causality: true, outcome: "passed", detail: "", steps: 1, from: 0, to: null,
};

/** As `kind.rs` and `links.rs` have them. */
const VERBS = [
  "starts", "started", "handles", "supervises", "stops", "begins", "resumes",
  "new", "FAULT:", "PANIC:", "|", "END:", "never handled:", "|", "|",
];
const LINKS = ["", "mailbox", "woken", "reply", "wait", "start"];

/** Tasks by label; the first is the scenario, those with a capital letter are tasks, others actors. */
export function columnsOf(labels: string[], events: Event[], parents: number[] = [], states: State[] = []): Columns {
  const texts = [""];
  const number = (text: string) => {
    let at = texts.indexOf(text);
    if (at < 0) at = texts.push(text) - 1;
    return at;
  };
  const labelTexts = labels.map(number);
  const none = 0xffffffff;
  let step = 0;
  const back = events.map(({ kind, cause }) => {
    if (kind < 7) step++;
    // One that was never handled counts from the step after the last.
    return cause === undefined ? 0 : step + (kind === 12 ? 1 : 0) - cause;
  });
  const columns = new Map<string, Uint8Array | Uint16Array | Uint32Array>([
    ["kind", Uint8Array.from(events, ({ kind }) => kind)],
    ["choice", Uint8Array.from(events, ({ choice }) => choice ?? 0)],
    ["message", Uint16Array.from(events, ({ message }) => message ?? 0)],
    ["task", Uint32Array.from(events, ({ task }) => task ?? none)],
    ["elapsed_s", Uint32Array.from(events, ({ ns }) => Math.floor((ns ?? 0) / 1e9))],
    ["elapsed_ns", Uint32Array.from(events, ({ ns }) => (ns ?? 0) % 1e9)],
    ["text", Uint32Array.from(events, ({ text }) => number(text ?? ""))],
    ["note", Uint32Array.from(events, ({ note }) => number(note ?? ""))],
    ["cause", Uint32Array.from(back)],
    ["link", Uint8Array.from(events, ({ link }) => LINKS.indexOf(link?.[0] ?? ""))],
    ["from", Uint32Array.from(events, ({ link }, row) => (link ? row - link[1] : 0))],
    ["task_label", Uint32Array.from(labelTexts)],
    ["task_kind", Uint8Array.from(labels, (label, at) => (at === 0 ? 0 : /^[A-Z]/.test(label) ? 2 : 1))],
    ["task_parent", Uint32Array.from(labels, (_, at) => parents[at] ?? none)],
    ["state_row", Uint32Array.from(states, ({ row }) => row)],
    ["state_task", Uint32Array.from(states, ({ task }) => task)],
    ["state_text", Uint32Array.from(states, ({ text }) => number(text))],
    ["text_length", Uint32Array.from(texts, (text) => text.length)],
    ["text_block", new TextEncoder().encode(texts.join(""))],
  ]);
  return {
    description: { about: { ...ABOUT, steps: step }, verbs: VERBS, links: LINKS, first_step: 0, first_s: 0, first_ns: 0, columns: [] },
    columns,
  };
}

export function traceOf(labels: string[], events: Event[], parents: number[] = [], states: State[] = []): Trace {
  return new Trace(columnsOf(labels, events, parents, states));
}
