// The page as a whole: what is shown, what is selected, and when to draw.

import { stepOf } from "../data/causes";
import type { Comparison } from "../data/decode";
import { failingRow } from "../data/failing";
import { NO_FILTER, type Filter } from "../data/filter";
import { count, duration, steps } from "../data/format";
import { Kind, NONE, type Trace } from "../data/trace";
import { ROW_USUAL, Viewport } from "../view/axis";
import { Lanes } from "../view/lanes";
import { readPalette, type Palette } from "../view/theme";
import { comparisonNotes } from "./comparison";
import { Details } from "./details";
import { h, replace } from "./dom";
import { helpDialog } from "./help";
import { Keys } from "./keys";
import { Pane } from "./pane";
import { reasonLine } from "./reasons";
import { Sidebar } from "./sidebar";

/** A run up to here is shown row by row at first. */
const READABLE_MAX = 400;
/** Pixels on paper: A4 on its side, less margins. */
const PAPER = { width: 1040, height: 700 };

export class App {
  readonly lanes: Lanes;
  readonly view = new Viewport();
  readonly panes: Pane[];
  readonly keys = new Keys(this);
  filter: Filter = NO_FILTER;
  palette: Palette;
  active: Pane;
  private readonly sidebar: Sidebar;
  private readonly details = new Details(this);
  private readonly dialog = helpDialog();
  private readonly live = h("div.visually-hidden", { role: "status", "aria-live": "polite" });
  private readonly search: HTMLInputElement;
  private readonly found = h("span.found-count", { role: "status" });
  private readonly axisButton: HTMLButtonElement;
  private readonly themeButton: HTMLButtonElement;
  private past: { pane: Pane; row: number }[] = [];
  private isAsked = false;
  private isSplitByHand = false;
  /** Of the strip of names, in pixels, once a person has chosen it. */
  readonly nameHeight: { height: number | undefined } = { height: undefined };
  private searching = 0;
  private matches: Uint32Array = new Uint32Array(0);
  /** Milliseconds that the last frames took to draw. */
  readonly drawn: number[] = [];

  constructor(
    private readonly root: HTMLElement,
    readonly traces: Trace[],
    private readonly comparison: Comparison | undefined,
  ) {
    const all = function* () {
      for (const trace of traces) yield* trace.labels;
    };
    this.lanes = new Lanes(all(), traces.length > 1 ? 16 : 24);
    this.palette = readPalette(document.documentElement);
    this.panes = traces.map((trace, index) => new Pane(this, trace, index));
    this.active = this.panes[0];
    this.part();
    this.sidebar = new Sidebar(this);
    this.search = h("input", {
      type: "search", id: "search", placeholder: "Search", "aria-label": "Search events", spellcheck: false, autocomplete: "off",
      oninput: () => {
        clearTimeout(this.searching);
        this.searching = window.setTimeout(() => this.find(), 120);
      },
      onkeydown: (event: Event) => this.searchKey(event as KeyboardEvent),
    });
    this.axisButton = h("button", { type: "button", onclick: () => this.toggleAxis() });
    this.themeButton = h("button.icon", { type: "button", "aria-label": "Light or dark", title: "Light or dark (l)", onclick: () => this.toggleTheme() }, "◐");
    replace(
      root,
      h("a.skip", { href: "#list-0", onclick: (event: Event) => { event.preventDefault(); this.active.list.element.focus(); } }, "To the list of events"),
      this.header(),
      h("main", { className: traces.length > 1 ? "work compared" : "work" },
        this.sidebar.element,
        h("div.panes", {},
          ...this.panes.map((pane) => pane.element),
          h("p.visually-hidden", { id: "diagram-help" }, "Arrow keys select events, plus and minus zoom, question mark lists all keys. The table of events beside it says the same in words."),
          this.live),
        this.details.element),
      this.tabs(),
      this.dialog,
    );
    document.title = traces.map(({ about }) => `${about.name}: ${about.scenario}`).join(" | ");
    this.showAxis();
    this.listen();
  }

  private header(): HTMLElement {
    const { about } = this.traces[0];
    const outcome = about.outcome ?? "not to its end";
    const last = this.traces[0];
    const end = last.rows - 1;
    const facts = [
      `seed ${about.seed}`,
      about.strategy,
      about.steps === null ? steps(last.rowOfStep.length) : steps(about.steps),
      duration(end >= 0 ? last.time[end] : 0),
      ...about.faults,
    ];
    const isOne = this.traces.length === 1;
    return h(
      "header.top",
      {},
      h("div.title", {},
        h("h1", {}, about.scenario),
        isOne && h("span.badge", { className: `badge ${outcome === "passed" ? "passed" : "failed"}`, title: about.detail ?? "" }, outcome),
        isOne && h("span.facts-line", {}, facts.join(" · "))),
      h("div.tools", { role: "toolbar", "aria-label": "View" },
        h("button", { type: "button", id: "filter-button", "aria-controls": "sidebar", title: "Filter (s)", onclick: () => this.toggleSidebar() }, "Filter"),
        h("span.search", {}, this.search, this.found,
          h("button.icon", { type: "button", "aria-label": "Found before", title: "The one before (N)", onclick: () => this.findNext(-1) }, "↑"),
          h("button.icon", { type: "button", "aria-label": "Next found", title: "Next (n)", onclick: () => this.findNext(1) }, "↓")),
        this.axisButton,
        h("span.group", {},
          h("button.icon", { type: "button", "aria-label": "Zoom out", title: "Zoom out (-)", onclick: () => this.zoom(1 / 1.6) }, "−"),
          h("button.icon", { type: "button", "aria-label": "Zoom in", title: "Zoom in (+)", onclick: () => this.zoom(1.6) }, "+"),
          h("button", { type: "button", title: "The whole run (0)", onclick: () => this.fit() }, "All")),
        this.jumpButton(),
        this.themeButton,
        h("button.icon", { type: "button", "aria-label": "Keys", title: "Keys (?)", onclick: () => this.help() }, "?")),
      this.notes(),
    );
  }

  private jumpButton(): HTMLElement | false {
    if (this.panes.some((pane) => pane.parting !== NONE)) {
      return h("button.jump.parting", { type: "button", title: "Where they part (d)", onclick: () => this.toParting() }, "Parting");
    }
    const hasTrouble = (trace: Trace) =>
      trace.about.outcome !== "passed" || trace.kind.includes(Kind.Fault) || trace.kind.includes(Kind.Panic);
    if (!this.traces.some(hasTrouble)) return false;
    return h("button.jump", { type: "button", title: "Next fault, panic or failing end (f, F)", onclick: () => this.toSpecial(1) }, "Next fault");
  }

  private notes(): HTMLElement | false {
    const lines: (string | Node)[] = [];
    for (const [at, { about }] of this.traces.entries()) {
      const name = this.traces.length > 1 ? `${about.name}: ` : "";
      // What went wrong first, then what would have avoided it.
      if (about.detail && about.outcome !== "passed") lines.push(h("strong.failure", {}, `${name}${about.outcome}: ${about.detail}`));
      for (const reason of about.reasons ?? []) lines.push(reasonLine(this, at, name, reason));
      for (const note of about.notes) lines.push(name + note);
      if (about.from > 1 || about.to !== null) lines.push(`${name}steps ${count(Math.max(1, about.from))} to ${count(about.to ?? about.steps ?? 0)} of ${about.steps === null ? "an unfinished run" : count(about.steps)}`);
    }
    if (this.comparison) lines.push(...comparisonNotes(this, this.comparison));
    return lines.length > 0 && h("ul.notes", { "aria-label": "Notes" }, ...lines.map((line) => h("li", {}, line)));
  }

  /** On a narrow screen one of three is shown. */
  private tabs(): HTMLElement {
    const names: [string, string][] = [["diagram", "Diagram"], ["list", "List"], ["details", "Details"], ["filter", "Filter"]];
    const buttons = names.map(([key, name]) => h("button", { type: "button", "aria-pressed": String(key === "diagram"), onclick: () => this.showTab(key) }, name));
    buttons.forEach((button, at) => { button.dataset.tab = names[at][0]; });
    this.root.dataset.tab = "diagram";
    return h("nav.tabs", { "aria-label": "Parts of the page" }, ...buttons);
  }

  showTab(key: string) {
    this.root.dataset.tab = key;
    for (const button of this.root.querySelectorAll<HTMLElement>(".tabs button")) {
      button.setAttribute("aria-pressed", String(button.dataset.tab === key));
    }
    this.resize();
    // A part that was hidden had no height to show the selected event in.
    for (const pane of this.panes) {
      const { selected, axis, list } = pane;
      if (selected === NONE || axis.length === 0) continue;
      if (this.view.isReadable()) this.view.reveal(axis.at(axis.nearestPlace(selected)));
      list.reveal(axis.nearestPlace(selected));
    }
  }

  /** Between diagram and list. */
  splitter(): HTMLElement {
    const set = (share: number) => {
      this.isSplitByHand = true;
      const kept = Math.max(20, Math.min(85, share));
      for (const pane of this.panes) pane.element.style.setProperty("--share", `${kept}%`);
      for (const it of this.root.querySelectorAll(".splitter")) it.setAttribute("aria-valuenow", String(Math.round(kept)));
      this.resize();
    };
    const splitter = h("div.splitter", { role: "separator", tabIndex: 0, "aria-orientation": "vertical", "aria-label": "Width of the diagram", "aria-valuenow": "54", "aria-valuemin": "20", "aria-valuemax": "85" });
    splitter.addEventListener("pointerdown", (event) => splitter.setPointerCapture(event.pointerId));
    splitter.addEventListener("pointermove", (event) => {
      if (!(event.buttons & 1)) return;
      const box = (splitter.parentElement as HTMLElement).getBoundingClientRect();
      set(((event.clientX - box.left) / box.width) * 100);
    });
    splitter.addEventListener("keydown", (event) => {
      const by = event.key === "ArrowLeft" ? -4 : event.key === "ArrowRight" ? 4 : 0;
      if (by !== 0) set(Number(splitter.getAttribute("aria-valuenow")) + by);
    });
    return splitter;
  }

  /** How high the names above the lanes are, in all panes; undefined for as it was at first. */
  setNameHeight(height: number | undefined) {
    const pane = this.active;
    const isSelectedShown = pane.selected !== NONE && this.isOnScreen(pane, pane.selected);
    this.nameHeight.height = height;
    this.resize();
    if (isSelectedShown) this.view.reveal(pane.axis.at(pane.axis.placeOf(pane.selected)));
    this.schedule();
  }

  start() {
    document.documentElement.dataset.ready = "yes";
    this.resize();
    this.refilter();
    const pane = this.active;
    const fromHash = Number(/^#step=(\d+)/.exec(location.hash)?.[1] ?? 0);
    const atHash = fromHash > 0 ? pane.trace.rowAtStep(fromHash) : NONE;
    const isShort = pane.axis.length <= READABLE_MAX;
    this.fit();
    const readable = () => {
      this.view.scale = ROW_USUAL;
      this.view.top = this.view.start;
      this.view.clamp();
    };
    if (atHash !== NONE) {
      readable();
      this.select(pane, atHash);
    } else if (pane.parting !== NONE) {
      readable();
      this.toParting();
    } else if (this.failing(pane) !== NONE) {
      readable();
      this.select(pane, this.failing(pane));
    } else if (isShort) {
      readable();
    }
    this.draw();
    pane.diagram.focus({ preventScroll: true });
    performance.mark("retake-drawn");
  }

  /** Where a failed run is looked at first. */
  private failing({ trace }: Pane): number {
    return failingRow(trace);
  }

  private listen() {
    new ResizeObserver(() => this.resize()).observe(this.root);
    const dark = matchMedia("(prefers-color-scheme: dark)");
    dark.addEventListener("change", () => this.recolour());
    this.listenToPrinter();
    addEventListener("hashchange", () => {
      const step = Number(/^#step=(\d+)/.exec(location.hash)?.[1] ?? 0);
      const row = this.active.trace.rowAtStep(step);
      if (step > 0 && row !== NONE && row !== this.active.selected) this.select(this.active, row);
    });
  }

  /** Paper is light, and what is on the screen keeps its proportions. */
  private listenToPrinter() {
    let theme: string | undefined;
    const panes = this.root.querySelector(".panes") as HTMLElement;
    addEventListener("beforeprint", () => {
      theme = document.documentElement.dataset.theme;
      document.documentElement.dataset.theme = "light";
      const { clientWidth, clientHeight } = panes;
      const above = (this.root.querySelector(".top") as HTMLElement).clientHeight;
      // Title, reasons and diagram are one page; details follow on the next.
      const zoom = Math.min(1, PAPER.width / clientWidth, Math.max(0.4, (PAPER.height - above) / clientHeight));
      Object.assign(panes.style, { width: `${clientWidth}px`, height: `${clientHeight}px`, zoom: String(zoom) });
      this.recolour();
      this.draw();
    });
    addEventListener("afterprint", () => {
      if (theme) document.documentElement.dataset.theme = theme;
      else delete document.documentElement.dataset.theme;
      Object.assign(panes.style, { width: "", height: "", zoom: "" });
      this.recolour();
    });
  }

  private recolour() {
    this.palette = readPalette(document.documentElement);
    for (const pane of this.panes) pane.forget();
    this.schedule();
  }

  resize() {
    if (!this.isSplitByHand) for (const pane of this.panes) pane.split();
    for (const pane of this.panes) pane.resize();
    this.view.clamp();
    // A canvas that was given a size is black until it is drawn: not in the next frame, but now.
    this.draw();
  }

  schedule() {
    if (this.isAsked) return;
    this.isAsked = true;
    requestAnimationFrame(() => this.draw());
  }

  private draw() {
    this.isAsked = false;
    const begun = performance.now();
    for (const pane of this.panes) pane.draw();
    this.drawn.push(performance.now() - begun);
    if (this.drawn.length > 600) this.drawn.splice(0, 300);
  }

  activate(pane: Pane) {
    this.active = pane;
  }

  // What is shown.

  private part() {
    const rows = this.comparison?.parting;
    if (!rows || this.panes.length < 2) return;
    this.panes.forEach((pane, at) => {
      pane.parting = rows[at];
      pane.alone = pane.trace.partner && Uint8Array.from(pane.trace.partner, (row) => (row === NONE ? 1 : 0));
    });
  }

  private refilter() {
    for (const pane of this.panes) pane.refilter();
    const [one, two] = this.panes;
    if (two && one.parting !== NONE && this.view.kind === "step" && two.axis.length > 0) {
      const offset = one.axis.nearestPlace(one.parting) - two.axis.nearestPlace(two.parting);
      if (offset !== 0) two.realign(two.axis.rows, offset);
    }
    this.extent();
    this.sidebar?.update();
    if (this.search?.value) this.find();
    this.resize();
  }

  private extent() {
    const { view } = this;
    const axes = this.panes.map((pane) => pane.axis).filter((axis) => axis.length > 0);
    view.start = Math.min(...axes.map((axis) => axis.start()));
    view.end = Math.max(...axes.map((axis) => axis.end()));
    if (!Number.isFinite(view.start)) [view.start, view.end] = [0, 1];
    if (view.end <= view.start) view.end = view.start + 1;
    view.clamp();
  }

  /** Keep what is in the middle of the screen there, whatever a change does to places. */
  private keeping(change: () => void) {
    const pane = this.active;
    const y = this.view.height / 2;
    const isSelectedShown = pane.selected !== NONE && this.isOnScreen(pane, pane.selected);
    const middle = pane.axis.length > 0 ? pane.axis.rowAt(pane.axis.closest(this.view.pointAt(y))) : NONE;
    const row = isSelectedShown ? pane.selected : middle;
    change();
    if (row !== NONE && pane.axis.length > 0) this.view.center(pane.axis.at(pane.axis.nearestPlace(row)));
    this.schedule();
  }

  private isOnScreen(pane: Pane, row: number): boolean {
    const place = pane.axis.placeOf(row);
    if (place === NONE) return false;
    const y = this.view.y(pane.axis.at(place));
    return y >= 0 && y <= this.view.height;
  }

  setFilter(part: Partial<Filter>) {
    this.filter = { ...this.filter, ...part };
    this.keeping(() => this.refilter());
  }

  toggleFold(key: string) {
    this.lanes.toggleFold(key);
    this.keeping(() => this.refilter());
  }

  setHidden(names: string[], isHidden: boolean) {
    this.lanes.setHidden(names, isHidden);
    this.keeping(() => this.refilter());
  }

  only(names: string[]) {
    this.lanes.only(names);
    this.keeping(() => this.refilter());
  }

  showAll() {
    this.lanes.hidden.clear();
    this.lanes.update();
    this.keeping(() => this.refilter());
  }

  toggleSidebar() {
    const isOpen = this.root.classList.toggle("filtering");
    this.root.querySelector("#filter-button")?.setAttribute("aria-expanded", String(isOpen));
    this.resize();
    if (isOpen) this.sidebar.query.focus();
    else this.active.diagram.focus({ preventScroll: true });
  }

  toggleAxis() {
    const { view } = this;
    const share = (view.bottom() - view.top) / (view.end - view.start);
    this.keeping(() => {
      view.kind = view.kind === "step" ? "time" : "step";
      this.refilter();
      view.scale = view.height / Math.max(1e-9, (view.end - view.start) * Math.min(1, share));
      view.clamp();
    });
    if (share > 0.9) view.fit();
    this.showAxis();
    this.say(view.kind === "step" ? "Axis: steps" : "Axis: virtual time");
  }

  private showAxis() {
    const isTime = this.view.kind === "time";
    replace(this.axisButton, h("span", { className: isTime ? "" : "on" }, "Steps"), " / ", h("span", { className: isTime ? "on" : "" }, "Time"));
    this.axisButton.setAttribute("aria-label", `Steps / Time: the axis is ${isTime ? "virtual time" : "steps"}`);
    this.axisButton.title = "Axis: steps or virtual time (t)";
  }

  toggleTheme() {
    document.documentElement.dataset.theme = this.palette.isDark ? "light" : "dark";
    this.recolour();
  }

  help() {
    this.dialog.showModal();
  }

  // Where the screen is.

  pan(pixels: number) {
    this.view.pan(pixels);
    this.schedule();
  }

  zoom(factor: number, y?: number) {
    const pane = this.active;
    const isSelectedShown = pane.selected !== NONE && this.isOnScreen(pane, pane.selected);
    const at = y ?? (isSelectedShown ? this.view.y(pane.axis.at(pane.axis.placeOf(pane.selected))) : this.view.height / 2);
    this.view.zoom(factor, at);
    this.schedule();
  }

  page(by: number) {
    this.pan(by * this.view.height * 0.9);
  }

  panLanes(pixels: number) {
    for (const pane of this.panes) pane.panLanes(pixels);
  }

  fit() {
    this.view.fit();
    this.schedule();
  }

  zoomToSelected() {
    const pane = this.active;
    if (pane.selected === NONE || pane.axis.length === 0) return;
    this.view.scale = this.view.kind === "step" ? ROW_USUAL : this.view.scale * 8;
    this.view.clamp();
    this.view.center(pane.axis.at(pane.axis.nearestPlace(pane.selected)));
    this.schedule();
  }

  // What is selected.

  select(pane: Pane, row: number, { isJump = false } = {}) {
    if (row === NONE) return;
    this.active = pane;
    if (isJump && pane.selected !== NONE && pane.selected !== row) {
      this.past.push({ pane, row: pane.selected });
      if (this.past.length > 200) this.past.shift();
    }
    pane.select(row);
    this.meet(pane, row);
    const place = pane.axis.nearestPlace(row);
    if (pane.axis.length > 0) {
      if (this.view.isReadable() || isJump || !this.isOnScreen(pane, row)) this.view.reveal(pane.axis.at(place));
      pane.list.reveal(place);
    }
    this.root.classList.add("detailed");
    this.details.show(pane, row);
    const { trace } = pane;
    const step = trace.step[row];
    if (this.panes.length === 1) history.replaceState(null, "", `#step=${step}`);
    this.say(`${trace.isStep(row) ? `Step ${count(step)}` : `After step ${count(step)}`}: ${trace.who(row)} ${trace.what(row).slice(0, 200)}`);
    this.resize();
  }

  /** Select the same event in the other trace. */
  private meet(pane: Pane, row: number) {
    const other = this.panes.find((it) => it !== pane);
    if (!other) return;
    pane.partner = NONE;
    other.partner = pane.trace.partner?.[row] ?? NONE;
    other.select(NONE);
  }

  deselect() {
    this.past = [];
    for (const pane of this.panes) {
      pane.select(NONE);
      pane.partner = NONE;
    }
    this.root.classList.remove("detailed");
    this.details.clear();
    this.active.diagram.focus({ preventScroll: true });
    this.resize();
  }

  move(by: number) {
    const { axis, selected } = this.active;
    if (axis.length === 0) return;
    const from = selected === NONE ? axis.closest(this.view.pointAt(this.view.height / 3)) - by : axis.nearestPlace(selected);
    this.select(this.active, axis.rowAt(Math.max(0, Math.min(axis.length - 1, from + by))));
  }

  moveTo(where: "first" | "last") {
    const { axis } = this.active;
    if (axis.length === 0) return;
    this.select(this.active, axis.rowAt(where === "first" ? 0 : axis.length - 1), { isJump: true });
  }

  moveInTask(by: number) {
    const { trace, selected } = this.active;
    if (selected === NONE) return this.move(by);
    const step = stepOf(trace, selected);
    if (step === NONE) return;
    const to = by > 0 ? trace.next[step] : step === selected ? trace.previous[step] : step;
    if (to === NONE) this.say(by > 0 ? "Its last step" : "Its first step");
    else this.select(this.active, to);
  }

  toCause() {
    const { chain } = this.active;
    if (chain.length === 0) return this.say("No cause is known");
    this.select(this.active, chain[chain.length - 1].from, { isJump: true });
  }

  toEffect() {
    const { trace, selected } = this.active;
    const effects = selected === NONE ? [] : trace.effectsOf(selected);
    if (effects.length === 0) return this.say("Nothing is known to have followed from it");
    const handled = Array.from(effects).find((row) => trace.kind[row] === Kind.Handle);
    this.select(this.active, handled ?? effects[0], { isJump: true });
  }

  back() {
    const last = this.past.pop();
    if (last) this.select(last.pane, last.row);
  }

  private isTrouble(pane: Pane, place: number): boolean {
    const { trace, axis } = pane;
    return trace.kind[axis.rowAt(place)] !== Kind.End || trace.about.outcome !== "passed";
  }

  toSpecial(by: 1 | -1) {
    const pane = this.active;
    const { axis, special } = pane;
    const troubles = special.filter((place) => this.isTrouble(pane, place));
    if (troubles.length === 0) return this.say("No fault, no panic");
    const from = pane.selected === NONE ? (by > 0 ? -1 : axis.length) : axis.nearestPlace(pane.selected);
    const next = by > 0 ? troubles.find((place) => place > from) : troubles.findLast((place) => place < from);
    this.select(pane, axis.rowAt(next ?? (by > 0 ? troubles[0] : troubles[troubles.length - 1])), { isJump: true });
  }

  toParting() {
    const pane = this.active;
    if (pane.parting === NONE || pane.axis.length === 0) return;
    this.select(pane, pane.parting);
    this.view.center(pane.axis.at(pane.axis.nearestPlace(pane.parting)), 0.4);
    this.schedule();
  }

  toPartner() {
    const other = this.panes.find((pane) => pane !== this.active);
    if (other && other.partner !== NONE) this.select(other, other.partner);
  }

  // Search.

  focusSearch() {
    this.search.focus();
    this.search.select();
  }

  private searchKey(event: KeyboardEvent) {
    if (event.key === "Enter") {
      this.find();
      this.findNext(event.shiftKey ? -1 : 1);
      event.preventDefault();
    } else if (event.key === "Escape") {
      this.search.value = "";
      this.find();
      this.active.diagram.focus({ preventScroll: true });
    }
  }

  private find() {
    clearTimeout(this.searching);
    const query = this.search.value.trim();
    for (const pane of this.panes) {
      const places = pane.search(query);
      if (pane === this.active) this.matches = places;
    }
    this.found.textContent = query === "" ? "" : count(this.matches.length);
    this.schedule();
  }

  findNext(by: 1 | -1) {
    const { matches, active } = this;
    if (matches.length === 0) return;
    const from = active.selected === NONE ? (by > 0 ? -1 : active.axis.length) : active.axis.nearestPlace(active.selected);
    const after = matches.findIndex((place) => place > from);
    const before = matches.findLastIndex((place) => place < from);
    const at = by > 0 ? (after < 0 ? 0 : after) : before < 0 ? matches.length - 1 : before;
    this.select(active, active.axis.rowAt(matches[at]));
    this.found.textContent = `${count(at + 1)} / ${count(matches.length)}`;
  }

  private say(text: string) {
    this.live.textContent = text;
  }
}
