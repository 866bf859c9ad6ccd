// The names above the lanes. A family is folded and unfolded by its name.

import { GUTTER } from "../view/paint";
import { LaneLayout, type Lane } from "../view/lanes";
import { cutMiddle, heightOfAll, planNames, SLANT_DEGREES, type NamePlan } from "../view/names";
import type { PaneContext } from "./context";
import { h } from "./dom";

/** The most that the strip of names takes of the pane's height. */
const SHARE_MAX = 0.6;
const SHARE_AT_FIRST = 0.3;
/** By a key, in pixels. */
const KEY_STEP = 24;
/** Between a name and how many there are of it. */
const TIMES_GAP = 4;

export class Heads {
  readonly element: HTMLElement;
  private readonly names = h("div.head-names");
  private readonly axisName = h("span.axis-name", { "aria-hidden": "true" });
  private readonly handle: HTMLElement;
  private readonly context = document.createElement("canvas").getContext("2d");
  private readonly widths = new Map<string, number>();
  private plan: NamePlan = planNames([], 1, 1);
  private isStale = true;

  constructor(private readonly pane: PaneContext) {
    this.handle = this.createHandle();
    this.element = h("div.heads", { role: "group", "aria-label": "Lanes" }, this.names, this.axisName, this.handle);
  }

  forget() {
    this.isStale = true;
  }

  /** Where lanes are, and how high their names: both depend on how long these are. */
  layOut(space: number): LaneLayout {
    const { app, element } = this.pane;
    const lengths = this.lengths();
    const { height } = app.nameHeight;
    const most = element.clientHeight * (height === undefined ? SHARE_AT_FIRST : SHARE_MAX);
    this.plan = planNames(lengths, space, most, height);
    element.style.setProperty("--heads", `${this.plan.height}px`);
    this.handle.hidden = this.plan.angle === "level";
    this.handle.setAttribute("aria-valuenow", String(this.plan.height));
    this.handle.setAttribute("aria-valuemax", String(Math.round(Math.max(this.plan.height, Math.min(heightOfAll(lengths), element.clientHeight * SHARE_MAX)))));
    return new LaneLayout(lengths.length, space, undefined, this.plan.gapMax);
  }

  draw() {
    if (!this.isStale) return;
    this.isStale = false;
    const { layout, left, app } = this.pane;
    for (const angle of ["level", "slanted", "upright"]) this.names.classList.toggle(angle, this.plan.angle === angle);
    const heads: HTMLElement[] = [];
    app.lanes.list.forEach((lane, at) => {
      const x = GUTTER + layout.x(at) - left;
      if (x < GUTTER || x > layout.space + GUTTER) return;
      heads.push(this.head(lane, x));
    });
    this.names.replaceChildren(...heads);
    this.axisName.textContent = app.view.kind === "time" ? "virtual time" : "step";
  }

  private lengths(): number[] {
    return this.pane.app.lanes.list.map((lane) => {
      const times = timesOf(lane);
      return this.width(lane.name) + (times === "" ? 0 : this.width(times) + TIMES_GAP) + 8;
    });
  }

  /** As wide as the style sheet draws it. */
  private width(text: string): number {
    let width = this.widths.get(text);
    if (width === undefined) {
      if (!this.context) return text.length * 7;
      this.context.font = `12px ${getComputedStyle(document.body).fontFamily}`;
      width = this.context.measureText(text).width;
      this.widths.set(text, width);
    }
    return width;
  }

  private head(lane: Lane, x: number): HTMLElement {
    const { app } = this.pane;
    const incarnations = lane.members.reduce((sum, member) => sum + member.labels.length, 0);
    const isFamily = lane.family.members.length > 1;
    const what = lane.isFolded
      ? `${lane.name}: ${lane.members.length} actors in one lane; unfold`
      : isFamily ? `${lane.name}; fold ${lane.family.key} into one lane` : lane.name;
    const times = timesOf(lane);
    const room = this.plan.lengthMax - 8 - (times === "" ? 0 : this.width(times) + TIMES_GAP);
    const shown = cutMiddle(lane.name, Math.max(room, 12), (text) => this.measure(text));
    const name = h("span.head-name", {}, shown);
    const more = times === "" ? null : h("span.times", {}, times);
    const title = times === "" ? what : `${what} (${incarnations} incarnations)`;
    const turn = { level: "translateX(-50%)", slanted: `translateX(5px) rotate(-${SLANT_DEGREES}deg)`, upright: "translateX(9px) rotate(-90deg)" };
    const style = { left: `${x}px`, transform: turn[this.plan.angle] };
    if (!isFamily) return h("span.head", { style, title }, name, more);
    return h(
      "button.head",
      { type: "button", style, title, "aria-expanded": String(!lane.isFolded), "aria-label": title, onclick: () => app.toggleFold(lane.family.key) },
      name, more,
    );
  }

  /** Parts of names are many and used once: they are not kept. */
  private measure(text: string): number {
    return this.context?.measureText(text).width ?? text.length * 7;
  }

  /** The lower edge of the names: dragged, they are cut less or more. */
  private createHandle(): HTMLElement {
    const { app } = this.pane;
    const handle = h("div.heads-handle", {
      role: "separator", tabIndex: 0, title: "Drag to show more of the names; double-click for all",
      "aria-orientation": "horizontal", "aria-label": "Height of the names", "aria-valuenow": "0", "aria-valuemin": "0", "aria-valuemax": "0",
    });
    const set = (height: number | undefined) => app.setNameHeight(height);
    // Once all is shown, as it was at first.
    const all = () => set(this.plan.height + 1 >= Number(handle.getAttribute("aria-valuemax")) ? undefined : heightOfAll(this.lengths()));
    handle.addEventListener("pointerdown", (event) => handle.setPointerCapture(event.pointerId));
    handle.addEventListener("pointermove", (event) => {
      if (event.buttons & 1) set(event.clientY - this.element.getBoundingClientRect().top);
    });
    handle.addEventListener("dblclick", all);
    handle.addEventListener("keydown", (event) => {
      const by = event.key === "ArrowUp" ? -KEY_STEP : event.key === "ArrowDown" ? KEY_STEP : 0;
      if (by !== 0) set(this.plan.height + by);
      else if (event.key === "Enter") all();
      else return;
      event.preventDefault();
    });
    return handle;
  }
}

/** `×3` of an actor that was started three times, or of three actors in one lane. */
function timesOf(lane: Lane): string {
  const times = lane.isFolded ? lane.members.length : lane.members.reduce((sum, member) => sum + member.labels.length, 0);
  return times > 1 ? `×${times}` : "";
}
