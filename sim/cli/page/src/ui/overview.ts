// The whole run as a strip: how much happened when, what went wrong, and which part
// is on the screen.

import { Kind, NONE } from "../data/trace";
import type { PaneContext } from "./context";
import { h } from "./dom";

export class Overview {
  readonly element: HTMLElement;
  private readonly canvas = h("canvas");
  private readonly window = h("div.window");
  private readonly context: CanvasRenderingContext2D;
  private isStale = true;
  private height = 0;

  constructor(private readonly pane: PaneContext) {
    this.element = h("div.overview", { "aria-hidden": "true", title: "The whole run: drag to move" }, this.canvas, this.window);
    this.context = this.canvas.getContext("2d") as CanvasRenderingContext2D;
    const move = (event: PointerEvent) => {
      const { view } = pane.app;
      const y = (event.clientY - this.element.getBoundingClientRect().top) / this.height;
      view.center(view.start + y * (view.end - view.start));
      pane.app.schedule();
    };
    this.element.addEventListener("pointerdown", (event) => {
      this.element.setPointerCapture(event.pointerId);
      move(event);
    });
    this.element.addEventListener("pointermove", (event) => {
      if (event.buttons & 1) move(event);
    });
    this.element.addEventListener("wheel", (event) => {
      event.preventDefault();
      pane.wheel(event);
    }, { passive: false });
  }

  resize() {
    this.height = this.element.clientHeight;
    this.isStale = true;
  }

  /** After a change of rows, colours or what was found. */
  forget() {
    this.isStale = true;
  }

  draw() {
    const { view } = this.pane.app;
    if (this.height === 0) return;
    if (this.isStale) this.paint();
    const share = (point: number) => ((point - view.start) / (view.end - view.start)) * this.height;
    const top = Math.max(0, share(view.top));
    const bottom = Math.min(this.height, share(view.bottom()));
    // Ever so small, it can be seen.
    const height = Math.max(6, bottom - top);
    this.window.style.transform = `translateY(${Math.max(0, Math.min(this.height - height, top - (height - (bottom - top)) / 2))}px)`;
    this.window.style.height = `${height}px`;
  }

  private paint() {
    this.isStale = false;
    const { context, pane } = this;
    const { axis, app, found, parting } = pane;
    const { view, palette } = app;
    const { trace } = axis;
    const ratio = window.devicePixelRatio || 1;
    const width = this.element.clientWidth;
    this.canvas.width = Math.round(width * ratio);
    this.canvas.height = Math.round(this.height * ratio);
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    const lines = Math.floor(this.height);
    const counts = new Uint32Array(lines);
    const colours = new Float32Array(lines * 3);
    const scale = lines / (view.end - view.start);
    let most = 1;
    for (let place = 0; place < axis.length; place++) {
      const kind = trace.kind[axis.rowAt(place)];
      const y = Math.min(lines - 1, Math.max(0, ((axis.at(place) - view.start) * scale) | 0));
      if (++counts[y] > most) most = counts[y];
      const rgb = palette.kindsRgb[kind];
      for (let part = 0; part < 3; part++) colours[y * 3 + part] += rgb[part];
    }
    for (let y = 0; y < lines; y++) {
      const count = counts[y];
      if (count === 0) continue;
      const [r, g, b] = [0, 1, 2].map((part) => Math.round(colours[y * 3 + part] / count));
      context.fillStyle = `rgb(${r} ${g} ${b} / 0.75)`;
      const share = Math.log1p(count) / Math.log1p(most);
      context.fillRect(4, y, Math.max(1, (width - 16) * share), 1);
    }
    const dot = (place: number, colour: string, size: number) => {
      context.fillStyle = colour;
      const y = (axis.at(place) - view.start) * scale;
      context.fillRect(width - 10, y - size / 2, 10, size);
    };
    if (found) {
      for (let place = 0; place < axis.length; place++) {
        if (found[axis.rowAt(place)] === 1) dot(place, palette.found, 1.5);
      }
    }
    for (const place of pane.special) {
      const kind = trace.kind[axis.rowAt(place)];
      if (kind === Kind.End && trace.about.outcome === "passed") continue;
      dot(place, kind === Kind.Fault ? palette.fault : palette.panic, kind === Kind.Fault ? 2 : 4);
    }
    if (parting !== NONE) {
      context.fillStyle = palette.parting;
      context.fillRect(0, (axis.at(axis.nearestPlace(parting)) - view.start) * scale - 1.5, width, 3);
    }
  }
}
