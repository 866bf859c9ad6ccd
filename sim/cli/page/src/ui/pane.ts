// One trace on the screen: the names of its lanes, its diagram, its list.

import { chainTo, type Hop } from "../data/causes";
import { Kind, NONE, type Trace } from "../data/trace";
import { findAll, visibleRows } from "../data/filter";
import { Arrows } from "../view/arrows";
import { Axis } from "../view/axis";
import { LaneLayout } from "../view/lanes";
import { GUTTER, Painter } from "../view/paint";
import type { AppContext } from "./context";
import { h } from "./dom";
import { Heads } from "./heads";
import { List } from "./list";
import { Overview } from "./overview";
import { Gestures } from "./gestures";

export class Pane {
  readonly element: HTMLElement;
  readonly diagram: HTMLElement;
  readonly list: List;
  private readonly canvas = h("canvas", { "aria-hidden": "true" });
  private readonly heads: Heads;
  private readonly overview: Overview;
  private readonly painter: Painter;
  private readonly arrows: Arrows;

  axis: Axis;
  laneOf: Int32Array;
  layout = new LaneLayout(1, 1);
  /** How far lanes are moved to the left. */
  left = 0;
  special: number[] = [];
  selected = NONE;
  hovered = NONE;
  partner = NONE;
  parting = NONE;
  /** One mark for each row that the other trace does not have. */
  alone: Uint8Array | undefined;
  chain: Hop[] = [];
  chained = new Set<number>();
  /** One mark for each row that the search has found. */
  found: Uint8Array | undefined;

  constructor(
    readonly app: AppContext,
    readonly trace: Trace,
    readonly index: number,
  ) {
    this.laneOf = app.lanes.of(trace.labels);
    this.axis = new Axis(trace, undefined, app.view.kind);
    this.arrows = new Arrows(trace);
    this.list = new List(this);
    this.overview = new Overview(this);
    this.heads = new Heads(this);
    this.diagram = h(
      "div.diagram",
      {
        tabIndex: 0,
        role: "application",
        "aria-roledescription": "space-time diagram",
        "aria-label": `Diagram of ${trace.about.name}: actors from left to right, steps from top to bottom`,
        "aria-describedby": "diagram-help",
      },
      this.canvas,
    );
    this.painter = new Painter(this.canvas.getContext("2d", { alpha: false }) as CanvasRenderingContext2D, 1, 1, 1);
    new Gestures(this);
    const isCompared = app.traces.length > 1;
    this.element = h(
      "section.pane",
      { "aria-label": trace.about.name },
      isCompared && h("h2.pane-name", {}, h("span.side", {}, index === 0 ? "A" : "B"), " ", trace.about.name, h("span.muted", {}, ` seed ${trace.about.seed}: ${trace.about.outcome ?? "not to its end"}`)),
      h("div.pane-body", {}, this.overview.element, h("div.drawing", {}, this.heads.element, this.diagram), app.splitter(), this.list.element),
    );
    for (const element of [this.diagram, this.list.element]) {
      element.addEventListener("focus", () => app.activate(this));
      element.addEventListener("keydown", (event) => app.keys.press(event as KeyboardEvent));
    }
  }

  /** Which rows and lanes are shown has changed. */
  refilter() {
    const { app, trace } = this;
    this.laneOf = app.lanes.of(trace.labels);
    const rows = visibleRows(trace, app.filter, this.laneOf);
    this.realign(rows, 0);
  }

  realign(rows: Uint32Array | undefined, offset: number) {
    const { trace } = this;
    this.axis = new Axis(trace, rows, this.app.view.kind, offset);
    this.special = [];
    for (let place = 0; place < this.axis.length; place++) {
      const kind = trace.kind[this.axis.rowAt(place)];
      if (kind === Kind.Fault || kind === Kind.Panic || kind === Kind.End) this.special.push(place);
    }
    this.forget();
  }

  forget() {
    this.list.forget();
    this.overview.forget();
    this.heads.forget();
  }

  search(query: string): Uint32Array {
    const places = findAll(this.trace, query, this.axis.rows);
    this.found = undefined;
    if (places.length > 0) {
      this.found = new Uint8Array(this.trace.rows);
      for (const place of places) this.found[this.axis.rowAt(place)] = 1;
    }
    this.overview.forget();
    return places;
  }

  select(row: number) {
    this.selected = row;
    this.chain = row === NONE ? [] : chainTo(this.trace, row);
    this.chained = new Set(this.chain.flatMap(({ from, to }) => [from, to]));
  }

  hover(row: number) {
    if (this.hovered === row) return;
    this.hovered = row;
    this.app.schedule();
  }

  /** Give the diagram what its lanes need, and the list the rest. */
  split() {
    const width = this.element.clientWidth;
    if (width === 0) return;
    const needed = 52 + GUTTER + this.app.lanes.list.length * 100;
    const share = Math.max(30, Math.min(54, (needed / width) * 100));
    this.element.style.setProperty("--share", `${share}%`);
  }

  resize() {
    const { clientWidth } = this.diagram;
    if (clientWidth > 0) {
      this.layout = this.heads.layOut(clientWidth - GUTTER - 6);
    }
    const { clientHeight } = this.diagram;
    if (clientWidth === 0) {
      this.list.resize();
      if (this.list.element.clientHeight > 0) this.app.view.height = this.list.element.clientHeight;
      return;
    }
    const ratio = Math.min(3, window.devicePixelRatio || 1);
    this.canvas.width = Math.round(clientWidth * ratio);
    this.canvas.height = Math.round(clientHeight * ratio);
    this.painter.resize(clientWidth, clientHeight, ratio);
    this.left = Math.max(0, Math.min(this.left, this.layout.width - this.layout.space));
    this.app.view.height = clientHeight;
    this.list.resize();
    this.overview.resize();
    this.heads.forget();
  }

  draw() {
    if (this.diagram.clientWidth > 0) {
      this.heads.draw();
      this.painter.draw({
        axis: this.axis,
        view: this.app.view,
        arrows: this.arrows,
        layout: this.layout,
        left: this.left,
        laneOf: this.laneOf,
        special: this.special,
        selected: this.selected,
        hovered: this.hovered,
        partner: this.partner,
        parting: this.parting,
        alone: this.alone,
        chain: this.chain,
        found: this.found,
        palette: this.app.palette,
      });
    }
    this.overview.draw();
    this.list.draw();
  }

  panLanes(pixels: number) {
    this.left = Math.max(0, Math.min(this.layout.width - this.layout.space, this.left + pixels));
    this.heads.forget();
    this.app.schedule();
  }

  wheel(event: WheelEvent) {
    const unit = event.deltaMode === 1 ? 22 : event.deltaMode === 2 ? this.app.view.height : 1;
    const [dx, dy] = [event.deltaX * unit, event.deltaY * unit];
    if (event.ctrlKey || event.metaKey) {
      const y = event.clientY - this.diagram.getBoundingClientRect().top;
      this.app.zoom(Math.exp(-Math.max(-120, Math.min(120, dy)) * 0.006), y);
    } else if (event.shiftKey) {
      this.panLanes(dx || dy);
    } else {
      if (dx !== 0) this.panLanes(dx);
      if (dy !== 0) this.app.pan(dy);
    }
  }

  /** The row at a point of the diagram: the nearest of its lane, else the nearest. */
  pick(x: number, y: number): number {
    const { axis } = this;
    if (axis.length === 0) return NONE;
    const { view } = this.app;
    const point = view.pointAt(y);
    const closest = axis.closest(point);
    const lane = x < GUTTER ? -1 : this.layout.at(x - GUTTER + this.left);
    const reach = 7;
    if (lane >= 0 && !view.isReadable()) {
      const first = axis.placeAt(view.pointAt(y - reach));
      const last = Math.min(axis.length, axis.placeAt(view.pointAt(y + reach)) + 1);
      let best = NONE;
      let distance = Number.POSITIVE_INFINITY;
      for (let place = first; place < last; place++) {
        const row = axis.rowAt(place);
        if (this.laneOf[this.trace.task[row]] !== lane) continue;
        const off = Math.abs(axis.at(place) - point);
        if (off < distance) [best, distance] = [row, off];
      }
      if (best !== NONE) return best;
    }
    return axis.rowAt(closest);
  }
}
