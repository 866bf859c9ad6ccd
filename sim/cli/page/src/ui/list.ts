// The events as a table of which only the rows on the screen exist. It is what those
// who cannot see the diagram use, and it stands beside it, row by row, when zoomed in.

import { count, seconds } from "../data/format";
import { Choice, Kind, NONE } from "../data/trace";
import { KIND_COLOURS, KIND_SHAPES } from "../view/theme";
import type { PaneContext } from "./context";
import { h } from "./dom";

const ROW_HEIGHT = 22;

interface Row {
  element: HTMLElement;
  place: number;
  step: HTMLElement;
  time: HTMLElement;
  mark: HTMLElement;
  who: HTMLElement;
  verb: HTMLElement;
  text: HTMLElement;
}

export class List {
  readonly element: HTMLElement;
  private readonly body: HTMLElement;
  private readonly rows: Row[] = [];
  /** The first place, where rows do not stand beside the diagram's. */
  private top = 0;
  private height = 0;
  private lastViewTop = Number.NaN;

  constructor(private readonly pane: PaneContext) {
    this.body = h("div.list-body", { role: "rowgroup" });
    const heading = (name: string) => h("span", { role: "columnheader" }, name);
    this.element = h(
      "div.list",
      {
        role: "grid",
        id: `list-${pane.index}`,
        tabIndex: 0,
        "aria-label": `Events of ${pane.trace.about.name}`,
        "aria-colcount": "4",
        "aria-readonly": "true",
      },
      h("div.list-head", { role: "rowgroup" },
        h("div.list-row", { role: "row", "aria-rowindex": "1" }, heading("Step"), heading("Time (s)"), heading("Who"), heading("What"))),
      this.body,
    );
    this.body.addEventListener("click", (event) => {
      const row = this.rowOf(event.target);
      if (row) pane.app.select(pane, pane.axis.rowAt(row.place));
    });
    this.body.addEventListener("pointermove", (event) => {
      const row = this.rowOf(event.target);
      pane.hover(row ? pane.axis.rowAt(row.place) : NONE);
      if (row) this.showCut(row);
    });
    this.body.addEventListener("pointerleave", () => pane.hover(NONE));
    this.body.addEventListener("wheel", (event) => {
      event.preventDefault();
      if (event.ctrlKey || pane.app.view.isReadable()) pane.wheel(event);
      else this.scroll(event.deltaMode === 1 ? event.deltaY : event.deltaY / ROW_HEIGHT);
    }, { passive: false });
    let touched = 0;
    this.body.addEventListener("touchstart", (event) => { touched = event.touches[0].clientY; }, { passive: true });
    this.body.addEventListener("touchmove", (event) => {
      const y = event.touches[0].clientY;
      event.preventDefault();
      if (pane.app.view.isReadable()) pane.app.pan(touched - y);
      else this.scroll((touched - y) / ROW_HEIGHT);
      touched = y;
    }, { passive: false });
  }

  private rowOf(target: EventTarget | null): Row | undefined {
    const element = (target as Element | null)?.closest(".list-row");
    return this.rows.find((row) => row.element === element);
  }

  /** What a row had to cut is its title. */
  private showCut({ element, who, text }: Row) {
    const isCut = (part: HTMLElement) => part.scrollWidth > part.clientWidth + 1;
    const parts = [isCut(who) ? who.textContent : "", isCut(text.parentElement as HTMLElement) ? text.parentElement?.textContent : ""];
    element.title = parts.filter((part) => part).join(": ");
  }

  private scroll(rows: number) {
    this.top = Math.max(0, Math.min(this.pane.axis.length - 3, this.top + rows));
    this.pane.app.schedule();
  }

  resize() {
    this.height = this.body.clientHeight;
  }

  /** Show a place, where rows do not stand beside the diagram's. */
  reveal(place: number) {
    const shown = Math.max(3, Math.floor(this.height / ROW_HEIGHT));
    if (place < this.top + 1 || place > this.top + shown - 2) this.top = Math.max(0, place - shown * 0.4);
    this.lastViewTop = this.pane.app.view.top;
  }

  draw() {
    const { pane, height } = this;
    const { axis, app } = pane;
    const { view } = app;
    if (height === 0) return;
    const isAligned = view.isReadable();
    if (!isAligned && view.top !== this.lastViewTop) {
      // The diagram was moved: begin with what it begins with.
      this.lastViewTop = view.top;
      this.top = axis.placeAt(view.top);
    }
    this.element.classList.toggle("aligned", isAligned);
    const rowHeight = isAligned ? view.scale : ROW_HEIGHT;
    const first = isAligned ? axis.placeAt(view.top) : Math.floor(this.top);
    const shown = Math.ceil(height / rowHeight) + 1;
    this.element.setAttribute("aria-rowcount", String(axis.length + 1));
    this.grow(shown);
    let active = "";
    for (let at = 0; at < this.rows.length; at++) {
      const place = first + ((at - (first % this.rows.length) + this.rows.length) % this.rows.length);
      const row = this.rows[at];
      if (place >= axis.length || place >= first + shown) {
        row.element.hidden = true;
        row.place = -1;
        continue;
      }
      const y = isAligned ? view.y(place + axis.offset) : (place - this.top) * rowHeight;
      if (row.place !== place || row.element.hidden) this.fill(row, place);
      row.element.style.transform = `translateY(${y.toFixed(2)}px)`;
      row.element.style.height = `${rowHeight}px`;
      row.element.style.lineHeight = `${rowHeight}px`;
      const number = axis.rowAt(place);
      const isSelected = number === pane.selected;
      if (isSelected) active = row.element.id;
      row.element.classList.toggle("selected", isSelected);
      row.element.setAttribute("aria-selected", String(isSelected));
      row.element.classList.toggle("hovered", number === pane.hovered);
      row.element.classList.toggle("found", pane.found?.[number] === 1);
      row.element.classList.toggle("partner", number === pane.partner);
      row.element.classList.toggle("alone", pane.alone?.[number] === 1);
      row.element.classList.toggle("parts", number === pane.parting);
      row.element.classList.toggle("chained", pane.chained.has(number));
    }
    if (active) this.element.setAttribute("aria-activedescendant", active);
    else this.element.removeAttribute("aria-activedescendant");
  }

  /** After what places mean has changed. */
  forget() {
    for (const row of this.rows) row.place = -1;
    this.lastViewTop = Number.NaN;
  }

  private grow(length: number) {
    if (this.rows.length >= length) return;
    while (this.rows.length < length) {
      const cell = (name: string, ...children: HTMLElement[]) => h("span", { className: name, role: "gridcell" }, ...children);
      const [mark, who, verb, text] = [h("span.mark"), h("span.who"), h("span.verb"), h("span.text")];
      mark.setAttribute("aria-hidden", "true");
      const step = cell("step");
      const time = cell("time");
      const element = h("div.list-row", { role: "row" }, step, time, cell("by", mark, who), cell("what", verb, text));
      this.body.append(element);
      this.rows.push({ element, place: -1, step, time, mark, who, verb, text });
    }
    this.forget();
  }

  private fill(row: Row, place: number) {
    const { trace, axis, index } = this.pane;
    const number = axis.rowAt(place);
    const kind = trace.kind[number];
    row.place = place;
    row.element.hidden = false;
    row.element.id = `row-${index}-${place}`;
    row.element.setAttribute("aria-rowindex", String(place + 2));
    row.element.dataset.kind = KIND_COLOURS[kind];
    const choice = trace.choice[number];
    const star = choice === Choice.Deviation ? "*" : choice === Choice.Eager ? "+" : "";
    row.step.textContent = trace.isStep(number) ? `${count(trace.step[number])}${star}` : "";
    row.time.textContent = seconds(trace.seconds[number], trace.nanos[number]);
    row.mark.className = `mark s-${KIND_SHAPES[kind]} c-${KIND_COLOURS[kind]}`;
    row.who.textContent = trace.who(number);
    const what = trace.what(number);
    const text = trace.textOf(number);
    const verb = kind === Kind.NewTask || text === "" ? what : what.slice(0, what.length - text.length);
    const note = verb === what ? trace.noteOf(number) : "";
    row.verb.textContent = note === "" ? verb : `${verb}, `;
    // What a row cannot show need not be laid out.
    row.text.textContent = text.length > 400 ? `${text.slice(0, 400)}…` : verb === what ? note : text;
  }
}
