// A trace in memory: one row for each event, and what follows from the rows.

import type { About, Columns } from "./decode";

/** What an event is. The numbers are those of `kind.rs`. */
export const Kind = {
  PreStart: 0,
  PostStart: 1,
  Handle: 2,
  Supervision: 3,
  PostStop: 4,
  Task: 5,
  Resume: 6,
  NewTask: 7,
  Fault: 8,
  Panic: 9,
  Log: 10,
  End: 11,
  Unhandled: 12,
  Failed: 13,
  Violated: 14,
} as const;

export const Choice = { Fifo: 0, Deviation: 1, Eager: 2 } as const;

/** No row, no task. */
export const NONE = 0xffffffff;

const TASK_KINDS = ["scenario", "actor", "task"];

export class Trace {
  readonly about: About;
  readonly rows: number;
  /** Steps before the first row. */
  readonly stepBase: number;
  readonly kind: Uint8Array;
  readonly choice: Uint8Array;
  readonly message: Uint16Array;
  readonly task: Uint32Array;
  readonly text: Uint32Array;
  /** The text of what is noted on a row. */
  readonly note: Uint32Array;
  /** Why a row follows from another, as a number of `links`; and how many rows before it that is. */
  readonly link: Uint8Array;
  readonly linkBack: Uint32Array;
  readonly links: string[];
  /** Of two traces: the same event in the other one, or NONE. */
  readonly partner: Uint32Array | undefined;
  /** What happens, by kind. */
  private readonly verbs: string[];
  /** The step of a row, or the last one before it. */
  readonly step: Float64Array;
  /** Virtual time, exact as seconds and nanoseconds; `time` is for drawing. */
  readonly seconds: Uint32Array;
  readonly nanos: Uint32Array;
  readonly time: Float64Array;
  /** The row of each step, by its number less `stepBase` and one. */
  readonly rowOfStep: Uint32Array;
  /** The row that sent a row's message, or NONE. */
  readonly cause: Uint32Array;
  /** The step that sent it, where that is before this page; 0 is none. */
  readonly causeStep: Float64Array;
  /** The row of the same task before and after. Of steps, and before what was never handled. */
  readonly previous: Uint32Array;
  readonly next: Uint32Array;
  /** The row that began the callback which a row continues. */
  readonly begin: Uint32Array;
  /** The row in which a task was started, and its first and last. */
  readonly taskRow: Uint32Array;
  readonly taskLast: Uint32Array;
  readonly taskParent: Uint32Array;
  readonly taskKind: Uint8Array;
  readonly labels: string[];
  /** Effects of row r: `effects[effectsAt[r] .. effectsAt[r + 1]]`, in order. */
  readonly effectsAt: Uint32Array;
  readonly effects: Uint32Array;
  readonly texts: Texts;
  /** Messages that were never handled, by the task in whose mailbox they are. */
  readonly unhandled = new Map<number, number[]>();
  /** What was seen of the states of actors, by task. Only changes are recorded. */
  readonly states: Map<number, Seen[]>;

  constructor({ description, columns }: Columns) {
    const column = <T>(name: string): T => {
      const found = columns.get(name);
      if (!found) throw new Error(`the data of this page lacks the column \`${name}\``);
      return found as T;
    };
    this.about = description.about;
    this.kind = column("kind");
    this.choice = column("choice");
    this.message = column("message");
    this.task = column("task");
    this.text = column("text");
    this.note = column("note");
    this.link = column("link");
    this.linkBack = column("from");
    this.links = description.links;
    this.partner = columns.get("partner") as Uint32Array | undefined;
    this.verbs = description.verbs;
    this.taskKind = column("task_kind");
    this.taskParent = column("task_parent");
    this.texts = new Texts(column("text_block"), column("text_length"));
    const rows = (this.rows = this.kind.length);
    this.stepBase = description.first_step;

    const tasks = column<Uint32Array>("task_label");
    this.labels = Array.from(tasks, (text) => this.texts.get(text));

    this.step = new Float64Array(rows);
    this.seconds = new Uint32Array(rows);
    this.nanos = new Uint32Array(rows);
    this.time = new Float64Array(rows);
    const elapsedS = column<Uint32Array>("elapsed_s");
    const elapsedNs = column<Uint32Array>("elapsed_ns");
    let [step, seconds, nanos] = [this.stepBase, description.first_s, description.first_ns];
    const rowOfStep = new Uint32Array(rows);
    for (let row = 0; row < rows; row++) {
      nanos += elapsedNs[row];
      seconds += elapsedS[row];
      if (nanos >= 1e9) {
        nanos -= 1e9;
        seconds++;
      }
      if (this.kind[row] < Kind.NewTask) rowOfStep[step++ - this.stepBase] = row;
      this.step[row] = step;
      this.seconds[row] = seconds;
      this.nanos[row] = nanos;
      this.time[row] = seconds * 1e9 + nanos;
    }
    this.rowOfStep = rowOfStep.subarray(0, step - this.stepBase);

    this.cause = new Uint32Array(rows).fill(NONE);
    this.causeStep = new Float64Array(rows);
    this.linkCauses(column("cause"));

    this.previous = new Uint32Array(rows).fill(NONE);
    this.next = new Uint32Array(rows).fill(NONE);
    this.begin = new Uint32Array(rows);
    this.taskRow = new Uint32Array(tasks.length).fill(NONE);
    this.taskLast = new Uint32Array(tasks.length).fill(NONE);
    this.linkTasks(tasks.length);

    this.states = statesOf(column("state_row"), column("state_task"), column("state_text"));
    this.effectsAt = new Uint32Array(rows + 1);
    this.effects = this.linkEffects();
  }

  private linkCauses(back: Uint32Array) {
    for (let row = 0; row < this.rows; row++) {
      if (back[row] === 0) continue;
      const isUnhandled = this.kind[row] === Kind.Unhandled;
      // Those count from the step after the last, which may have sent them.
      const step = this.step[row] - back[row] + (isUnhandled ? 1 : 0);
      this.causeStep[row] = step;
      this.cause[row] = this.rowAtStep(step);
      if (!isUnhandled) continue;
      const waiting = this.unhandled.get(this.task[row]);
      if (waiting) waiting.push(row);
      else this.unhandled.set(this.task[row], [row]);
    }
  }

  private linkTasks(tasks: number) {
    const last = new Uint32Array(tasks).fill(NONE);
    for (let row = 0; row < this.rows; row++) {
      this.begin[row] = row;
      const task = this.task[row];
      if (task >= tasks) continue;
      if (this.taskRow[task] === NONE) this.taskRow[task] = row;
      this.taskLast[task] = row;
      if (this.kind[row] === Kind.Unhandled) this.previous[row] = last[task];
      if (this.kind[row] >= Kind.NewTask) continue;
      const before = last[task];
      this.previous[row] = before;
      if (before !== NONE) {
        this.next[before] = row;
        if (this.kind[row] === Kind.Resume) this.begin[row] = this.begin[before];
      }
      last[task] = row;
    }
  }

  private linkEffects(): Uint32Array {
    const at = this.effectsAt;
    let links = 0;
    for (let row = 0; row < this.rows; row++) {
      if (this.cause[row] !== NONE) {
        at[this.cause[row] + 1]++;
        links++;
      }
    }
    for (let row = 0; row < this.rows; row++) at[row + 1] += at[row];
    const free = at.slice(0, this.rows);
    const effects = new Uint32Array(links);
    for (let row = 0; row < this.rows; row++) {
      if (this.cause[row] !== NONE) effects[free[this.cause[row]]++] = row;
    }
    return effects;
  }

  /** The row of a step, or NONE where it is not on this page. */
  rowAtStep(step: number): number {
    const row = this.rowOfStep[step - this.stepBase - 1];
    return row ?? NONE;
  }

  isStep(row: number): boolean {
    return this.kind[row] < Kind.NewTask;
  }

  effectsOf(row: number): Uint32Array {
    return this.effects.subarray(this.effectsAt[row], this.effectsAt[row + 1]);
  }

  label(task: number): string {
    if (task === NONE) return "";
    return this.labels[task] ?? `task ${task}`;
  }

  who(row: number): string {
    return this.label(this.task[row]);
  }

  /** The text of the message, log line, fault, panic or end; may be empty. */
  textOf(row: number): string {
    return this.texts.get(this.text[row]);
  }

  /** What a story's line adds: who answered or woke the task, and what it sends. */
  noteOf(row: number): string {
    return this.texts.get(this.note[row]);
  }

  /** What happened, as `retake show` says it. */
  what(row: number): string {
    const kind = this.kind[row];
    const text = this.textOf(row);
    if (kind === Kind.NewTask) {
      const task = this.task[row];
      const parent = this.taskParent[task];
      const by = parent === NONE || parent === undefined ? "" : `, by ${this.label(parent)}`;
      return `new ${TASK_KINDS[this.taskKind[task]] ?? "task"}${by}`;
    }
    if (kind === Kind.Handle && text === "") return `handles message ${this.message[row]}`;
    return text === "" ? this.verbs[kind] : `${this.verbs[kind]} ${text}`;
  }

  /** The name of the message: its text up to its first field. */
  messageName(row: number): string {
    const kind = this.kind[row];
    if (kind !== Kind.Handle && kind !== Kind.Supervision && kind !== Kind.Unhandled) return "";
    const text = this.textOf(row);
    if (text === "") return kind === Kind.Handle ? `message ${this.message[row]}` : "";
    return nameIn(text);
  }

  /** The first row at or after a time, in nanoseconds. */
  rowAtTime(time: number): number {
    return firstAtLeast(this.time, time, this.rows);
  }
}

/** A state, and the callback that found it; at the end of the run that is NONE. */
export interface Seen {
  row: number;
  text: number;
}

function statesOf(rows: Uint32Array, tasks: Uint32Array, texts: Uint32Array): Map<number, Seen[]> {
  const states = new Map<number, Seen[]>();
  for (let at = 0; at < rows.length; at++) {
    const seen = { row: rows[at], text: texts[at] };
    const known = states.get(tasks[at]);
    if (known) known.push(seen);
    else states.set(tasks[at], [seen]);
  }
  return states;
}

/** `Set` of `Set { value: 1 }` or `Set(1)`. */
export function nameIn(text: string): string {
  const name = /^[\p{L}\p{N}_:]+/u.exec(text);
  return name ? name[0] : text.slice(0, 24);
}

/** The first place at which sorted numbers are at least `least`. */
export function firstAtLeast(sorted: ArrayLike<number>, least: number, length: number): number {
  let [low, high] = [0, length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (sorted[middle] < least) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Texts by number. The block is decoded when the first is asked for. */
export class Texts {
  private readonly ends: Float64Array;
  private all: string | undefined;
  private lower: string[] | undefined;

  constructor(
    private readonly block: Uint8Array,
    lengths: Uint32Array,
  ) {
    this.ends = new Float64Array(lengths.length);
    let end = 0;
    for (let i = 0; i < lengths.length; i++) this.ends[i] = end += lengths[i];
  }

  get length(): number {
    return this.ends.length;
  }

  get(number: number): string {
    // A mark of byte order is a letter like others here: the lengths count it.
    this.all ??= new TextDecoder("utf-8", { ignoreBOM: true }).decode(this.block);
    return this.all.slice(number === 0 ? 0 : this.ends[number - 1], this.ends[number]);
  }

  /** Which texts contain a word, as one mark for each, regardless of case. */
  containing(word: string): Uint8Array {
    this.lower ??= Array.from(this.ends, (_, number) => this.get(number).toLowerCase());
    const wanted = word.toLowerCase();
    return Uint8Array.from(this.lower, (text) => (text.includes(wanted) ? 1 : 0));
  }
}
