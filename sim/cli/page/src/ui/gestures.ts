// Pointers on a diagram: drag to pan, pinch to zoom, click to select.

import { NONE } from "../data/trace";
import type { PaneContext } from "./context";

/** A pointer that moves less than this has clicked. */
const CLICK = 5;

export class Gestures {
  private readonly pointers = new Map<number, { x: number; y: number }>();
  private moved = 0;

  constructor(private readonly pane: PaneContext) {
    const { diagram } = pane;
    diagram.addEventListener("wheel", (event) => {
      event.preventDefault();
      pane.wheel(event);
    }, { passive: false });
    diagram.addEventListener("pointerdown", (event) => this.down(event));
    diagram.addEventListener("pointermove", (event) => this.move(event));
    diagram.addEventListener("pointerup", (event) => this.up(event));
    diagram.addEventListener("pointercancel", (event) => this.pointers.delete(event.pointerId));
    diagram.addEventListener("pointerleave", () => pane.hover(NONE));
    diagram.addEventListener("dblclick", (event) => pane.app.zoom(2.5, this.at(event).y));
  }

  private at(event: { clientX: number; clientY: number }): { x: number; y: number } {
    const box = this.pane.diagram.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  }

  private down(event: PointerEvent) {
    if (event.button !== 0) return;
    this.pane.diagram.setPointerCapture(event.pointerId);
    if (this.pointers.size === 0) this.moved = 0;
    this.pointers.set(event.pointerId, this.at(event));
  }

  private move(event: PointerEvent) {
    const { pane } = this;
    const now = this.at(event);
    const before = this.pointers.get(event.pointerId);
    if (!before) {
      if (event.pointerType === "mouse") pane.hover(pane.pick(now.x, now.y));
      return;
    }
    const other = [...this.pointers].find(([id]) => id !== event.pointerId)?.[1];
    this.pointers.set(event.pointerId, now);
    this.moved += Math.abs(now.x - before.x) + Math.abs(now.y - before.y);
    if (other) {
      const distance = (a: { x: number; y: number }) => Math.hypot(a.x - other.x, a.y - other.y);
      const [was, is] = [distance(before), distance(now)];
      if (was > 10 && is > 10) pane.app.zoom(is / was, (now.y + other.y) / 2);
      pane.app.pan((before.y - now.y) / 2);
    } else if (this.moved > CLICK) {
      pane.diagram.classList.add("dragged");
      pane.app.pan(before.y - now.y);
      if (pane.layout.width > pane.layout.space) pane.panLanes(before.x - now.x);
    }
  }

  private up(event: PointerEvent) {
    const { pane } = this;
    const was = this.pointers.delete(event.pointerId);
    pane.diagram.classList.remove("dragged");
    if (!was || this.pointers.size > 0 || this.moved > CLICK) return;
    const { x, y } = this.at(event);
    pane.app.activate(pane);
    pane.app.select(pane, pane.pick(x, y));
  }
}
