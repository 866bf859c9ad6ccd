// What is shown: by question, kind, actor and message.

import { KIND_WORDS, messageNames } from "../data/filter";
import { count } from "../data/format";
import { NONE } from "../data/trace";
import { KIND_COLOURS, KIND_SHAPES } from "../view/theme";
import type { AppContext } from "./context";
import { h, mark, replace } from "./dom";

/** Longer lists are cut. */
const LISTED = 200;

export class Sidebar {
  readonly element: HTMLElement;
  readonly query: HTMLInputElement;
  private readonly counted = h("p.counted", { role: "status" });
  private readonly actors = h("div.tree");
  private readonly names: [string, number][];
  private readonly taskCounts: Map<string, number>;
  private timer = 0;

  constructor(private readonly app: AppContext) {
    this.query = h("input", {
      type: "search", id: "filter", placeholder: "append actor:ledger", spellcheck: false, autocomplete: "off",
      oninput: () => {
        clearTimeout(this.timer);
        this.timer = window.setTimeout(() => app.setFilter({ query: this.query.value }), 120);
      },
    });
    this.names = this.countNames();
    this.taskCounts = this.countTasks();
    this.element = h(
      "section.sidebar",
      { id: "sidebar", "aria-label": "Filter" },
      h("div.field", {}, h("label", { htmlFor: "filter" }, "Show only events with"), this.query),
      this.counted,
      h("section", {}, h("h2", {}, "Kinds"), this.kinds()),
      h("section", {}, h("h2", {}, "Actors ", h("button.small", { type: "button", onclick: () => app.showAll() }, "all")), this.actors),
      this.messages(),
    );
    this.update();
  }

  private countNames(): [string, number][] {
    const sums = new Map<string, number>();
    for (const trace of this.app.traces) {
      for (const [name, times] of messageNames(trace)) sums.set(name, (sums.get(name) ?? 0) + times);
    }
    return [...sums].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1));
  }

  private countTasks(): Map<string, number> {
    const sums = new Map<string, number>();
    for (const trace of this.app.traces) {
      const counts = new Uint32Array(trace.labels.length);
      for (let row = 0; row < trace.rows; row++) if (trace.task[row] !== NONE) counts[trace.task[row]]++;
      trace.labels.forEach((label, task) => sums.set(label, (sums.get(label) ?? 0) + counts[task]));
    }
    return sums;
  }

  private kinds(): HTMLElement {
    const { app } = this;
    const present = new Set<number>();
    const counts = new Uint32Array(16);
    for (const trace of app.traces) for (const kind of trace.kind) counts[kind]++;
    counts.forEach((times, kind) => times > 0 && present.add(kind));
    const boxes = KIND_WORDS.filter(([, kinds]) => kinds.some((kind) => present.has(kind))).map(([word, kinds]) => {
      const times = kinds.reduce((sum, kind) => sum + counts[kind], 0);
      return check(word, true, (isShown) => {
        const hidden = new Set(app.filter.kinds);
        for (const kind of kinds) if (isShown) hidden.delete(kind); else hidden.add(kind);
        app.setFilter({ kinds: hidden });
      }, mark(KIND_SHAPES[kinds[0]], KIND_COLOURS[kinds[0]]), times);
    });
    return h("div.checks", {}, ...boxes);
  }

  private messages(): HTMLElement | null {
    const { app, names } = this;
    if (names.length === 0) return null;
    const boxes = names.slice(0, LISTED).map(([name, times]) =>
      check(name, true, (isShown) => {
        const hidden = new Set(app.filter.messages);
        if (isShown) hidden.delete(name); else hidden.add(name);
        app.setFilter({ messages: hidden });
      }, null, times),
    );
    if (names.length > LISTED) boxes.push(h("p.hint", {}, `and ${names.length - LISTED} more: use message:NAME above`));
    return h("section", {}, h("h2", {}, "Messages"), h("div.checks", {}, ...boxes));
  }

  /** After a change of what is shown. */
  update() {
    const { app } = this;
    const shown = app.panes.reduce((sum, pane) => sum + pane.axis.length, 0);
    const all = app.traces.reduce((sum, trace) => sum + trace.rows, 0);
    this.counted.textContent = shown === all ? `${count(all)} events` : `${count(shown)} of ${count(all)} events`;
    const { lanes } = app;
    const focused = document.activeElement instanceof HTMLElement ? document.activeElement.dataset.key : undefined;
    const items = lanes.families.slice(0, LISTED).map((family) => {
      const names = family.members.map(({ name }) => name);
      const shownNames = names.filter((name) => !lanes.hidden.has(name));
      const labels = family.members.flatMap((member) => member.labels);
      const times = labels.reduce((sum, label) => sum + (this.taskCounts.get(label) ?? 0), 0);
      const isOne = family.members.length === 1;
      const box = this.actor(isOne ? names[0] : family.key, names, times, shownNames.length === names.length ? true : shownNames.length === 0 ? false : undefined);
      if (isOne) return h("div.actor", {}, box);
      const isFolded = lanes.folded.has(family.key);
      const fold = h("button.fold", {
        type: "button", "aria-expanded": String(!isFolded), "aria-label": `${family.key}: lanes of its own`,
        title: isFolded ? "Give each a lane" : "One lane for all", onclick: () => app.toggleFold(family.key),
      }, isFolded ? "▸" : "▾");
      fold.dataset.key = `fold ${family.key}`;
      const members = isFolded ? [] : family.members.slice(0, LISTED).map((member) =>
        this.actor(member.name, [member.name], member.labels.reduce((sum, label) => sum + (this.taskCounts.get(label) ?? 0), 0), !lanes.hidden.has(member.name)));
      return h("div.actor", {}, fold, box, h("div.members", {}, ...members));
    });
    if (lanes.families.length > LISTED) items.push(h("p.hint", {}, `and ${lanes.families.length - LISTED} more`));
    replace(this.actors, ...items);
    if (focused) for (const element of this.actors.querySelectorAll<HTMLElement>("[data-key]")) if (element.dataset.key === focused) element.focus();
  }

  /** `isShown` is undefined when only some are. */
  private actor(name: string, names: string[], times: number, isShown: boolean | undefined): HTMLElement {
    const { app } = this;
    const box = check(name, isShown === true, (shown) => app.setHidden(names, !shown), null, times);
    const input = box.querySelector("input") as HTMLInputElement;
    input.indeterminate = isShown === undefined;
    input.dataset.key = `show ${name}`;
    const only = h("button.only", { type: "button", "aria-label": `Only ${name}`, onclick: () => app.only(names) }, "only");
    only.dataset.key = `only ${name}`;
    return h("div.actor-line", {}, box, only);
  }
}

function check(name: string, isChecked: boolean, set: (isChecked: boolean) => void, sign: HTMLElement | null, times: number): HTMLElement {
  const input = h("input", { type: "checkbox", checked: isChecked, onchange: () => set(input.checked) });
  return h("label.check", { title: name }, input, sign, h("span.check-name", {}, name), h("span.times", {}, count(times)));
}
