// Everything about one event.

import { between, mailboxAt, stepOf } from "../data/causes";
import { count, duration, seconds } from "../data/format";
import { layOut } from "../data/state";
import { Choice, Kind, NONE } from "../data/trace";
import { KIND_COLOURS, KIND_SHAPES } from "../view/theme";
import type { AppContext, PaneContext } from "./context";
import { append, h, mark, replace, section } from "./dom";
import { stateSection } from "./stateview";
import { waterfall } from "./waterfall";

export const KIND_NAMES = [
  "start (pre_start)", "start (post_start)", "handles a message", "supervision", "stop (post_stop)",
  "task begins", "resumes after an await", "new task", "injected fault", "panic", "log line", "end of the run",
  "in the mailbox at the end, never handled", "returns an error", "a check fails",
];
const CHOICES = [
  "first in, first out",
  "a deviation: first in, first out would have chosen another (*)",
  "ran at once, without waiting for others (+)",
];
/** Longer lists end with how many more there are. */
const LISTED = 40;

export class Details {
  readonly element = h("section.details", { "aria-label": "Details" });

  constructor(private readonly app: AppContext) {
    this.clear();
  }

  clear() {
    replace(this.element, h("p.hint", {}, "Select a step to see what led to it, what followed, and how long each part took. Press ? for the keys."));
  }

  show(pane: PaneContext, row: number) {
    const { trace } = pane;
    const kind = trace.kind[row];
    const who = trace.who(row);
    const title = h(
      "header.details-head",
      {},
      h("h2", {}, mark(KIND_SHAPES[kind], KIND_COLOURS[kind]), " ", who || "the run"),
      h("button.icon", { type: "button", "aria-label": "Close the details", title: "Close (Esc)", onclick: () => this.app.deselect() }, "×"),
    );
    const text = trace.textOf(row);
    replace(
      this.element,
      title,
      this.facts(pane, row),
      text !== "" && section("Text", h("pre.full", { tabIndex: 0, "aria-label": "Full text" }, layOut(text).join("\n"))),
      this.chain(pane, row),
      stateSection(pane, row),
      this.effects(pane, row),
      this.mailbox(pane, row),
      this.partner(pane),
    );
    this.element.scrollTop = 0;
  }

  private facts({ trace, axis }: PaneContext, row: number): HTMLElement {
    const kind = trace.kind[row];
    const task = trace.task[row];
    const list = h("dl.facts");
    const fact = (name: string, ...value: (Node | string | false)[]) => {
      const dd = h("dd");
      append(dd, value);
      list.append(h("dt", {}, name), dd);
    };
    fact("What", KIND_NAMES[kind]);
    fact(trace.isStep(row) ? "Step" : "After step", count(trace.step[row]));
    fact("Virtual time", `${seconds(trace.seconds[row], trace.nanos[row])} s`);
    const place = axis.placeOf(row);
    if (place !== NONE && place > 0) {
      const since = between(trace, axis.rowAt(place - 1), row);
      if (since > 0) fact("Since the one before", duration(since));
    }
    if (trace.isStep(row)) fact("Choice", h("span", { className: trace.choice[row] === Choice.Deviation ? "deviation" : "" }, CHOICES[trace.choice[row]]));
    if (task !== NONE) {
      const parent = trace.taskParent[task];
      const kindOf = ["scenario", "actor", "task"][trace.taskKind[task]] ?? "task";
      fact("Task", `${kindOf} ${task}${parent !== NONE && parent !== undefined ? `, started by ${trace.label(parent)}` : ""}`);
    }
    return list;
  }

  private link(pane: PaneContext, row: number, ...more: (Node | string)[]): HTMLElement {
    const { trace } = pane;
    return h(
      "button.link",
      { type: "button", onclick: () => this.app.select(pane, row, { isJump: true }) },
      mark(KIND_SHAPES[trace.kind[row]], KIND_COLOURS[trace.kind[row]]),
      h("span.link-step", {}, count(trace.step[row])),
      h("span.link-who", {}, trace.who(row)),
      h("span.link-what", {}, shortened(trace.what(row))),
      ...more,
    );
  }

  private chain(pane: PaneContext, row: number): HTMLElement | false {
    const { trace } = pane;
    const step = stepOf(trace, row);
    if (step === NONE || trace.kind[row] === Kind.Fault) return false;
    const before = trace.causeStep[step];
    if (before > 0 && trace.cause[step] === NONE) {
      return section("How it came about", h("p.hint", {}, `It came from step ${count(before)}, which is before this page.`));
    }
    if (pane.chain.length === 0) return false;
    return section("How it came about", waterfall(pane, pane.chain, (to) => this.app.select(pane, to, { isJump: true })));
  }

  private effects(pane: PaneContext, row: number): HTMLElement | false {
    const { trace } = pane;
    if (!trace.isStep(row)) return false;
    const effects = trace.effectsOf(row);
    const [next, previous] = [trace.next[row], trace.previous[row]];
    const items: HTMLElement[] = [];
    for (const effect of effects.subarray(0, LISTED)) {
      items.push(h("li", {}, this.link(pane, effect, h("span.link-more", {}, waited(duration(between(trace, row, effect)))))));
    }
    if (effects.length > LISTED) items.push(h("li.hint", {}, `and ${count(effects.length - LISTED)} more`));
    const around: HTMLElement[] = [];
    if (previous !== NONE) around.push(h("li", {}, h("span.label", {}, "before"), this.link(pane, previous)));
    if (next !== NONE) around.push(h("li", {}, h("span.label", {}, "after"), this.link(pane, next)));
    return h(
      "div",
      {},
      section(`What followed from it (${count(effects.length)})`, items.length > 0 ? h("ul.links", {}, ...items) : h("p.hint", {}, trace.about.causality ? "No message, and nobody that it woke." : "Causes were not recorded.")),
      around.length > 0 && section(`Steps of ${trace.who(row)}`, h("ul.links", {}, ...around)),
    );
  }

  private mailbox(pane: PaneContext, row: number): HTMLElement | false {
    const { trace } = pane;
    const task = trace.task[row];
    if (task === NONE || trace.taskKind[task] !== 1) return false;
    const waiting = mailboxAt(trace, row);
    const items = waiting.slice(0, LISTED).map((at) => h("li", {}, this.link(pane, at)));
    if (waiting.length > LISTED) items.push(h("li.hint", {}, `and ${waiting.length - LISTED} more`));
    return section(
      `Mailbox after it (${waiting.length}${waiting.length === 200 ? " or more" : ""})`,
      items.length > 0 ? h("ul.links", {}, ...items) : h("p.hint", {}, trace.about.causality ? "Empty." : "Causes were not recorded, so it is not known what waits."),
    );
  }

  private partner(pane: PaneContext): HTMLElement | false {
    const other = this.app.panes.find((it) => it !== pane);
    if (!other) return false;
    return section(
      `In ${other.trace.about.name}`,
      other.partner === NONE
        ? h("p.hint", {}, "It has no such event.")
        : h("ul.links", {}, h("li", {}, this.link(other, other.partner))),
    );
  }
}

function waited(time: string): string {
  return time === "0" ? "at once" : `after ${time}`;
}

function shortened(text: string): string {
  return text.length > 160 ? `${text.slice(0, 160)}…` : text;
}
