// The names above the lanes. A family is folded and unfolded by its name.

import { GUTTER } from "../view/paint";
import type { Lane } from "../view/lanes";
import type { Pane } from "./pane";
import { h } from "./dom";

/** Names are level from this width of a lane on. */
const LEVEL = 84;
/** Longer names are cut, in pixels. */
const NAME_MAX = 170;

export class Heads {
  readonly element = h("div.heads", { role: "group", "aria-label": "Lanes" });
  private isStale = true;

  constructor(private readonly pane: Pane) {}

  forget() {
    this.isStale = true;
  }

  /** As high as the longest name, level or at an angle. */
  resize() {
    const { layout, app, element } = this.pane;
    const isLevel = layout.gap >= LEVEL;
    const longest = app.lanes.list.reduce((most, lane) => Math.max(most, lane.name.length + (lane.isFolded ? 5 : 0)), 0);
    const height = isLevel ? 30 : Math.round(Math.min(NAME_MAX, this.pane.element.clientWidth * 0.3, longest * 7) * 0.79 + 18);
    element.style.setProperty("--heads", `${height}px`);
  }

  draw() {
    if (!this.isStale) return;
    this.isStale = false;
    const { layout, left, app } = this.pane;
    const isLevel = layout.gap >= LEVEL;
    this.element.classList.toggle("level", isLevel);
    const heads: HTMLElement[] = [];
    app.lanes.list.forEach((lane, at) => {
      const x = GUTTER + layout.x(at) - left;
      if (x < GUTTER || x > layout.space + GUTTER + 40) return;
      heads.push(this.head(lane, x, isLevel));
    });
    this.element.replaceChildren(...heads);
  }

  private head(lane: Lane, x: number, isLevel: boolean): HTMLElement {
    const { app, layout } = this.pane;
    const incarnations = lane.members.reduce((sum, member) => sum + member.labels.length, 0);
    const isFamily = lane.family.members.length > 1;
    const what = lane.isFolded
      ? `${lane.name}: ${lane.members.length} actors in one lane; unfold`
      : isFamily ? `${lane.name}; fold ${lane.family.key} into one lane` : lane.name;
    const times = lane.isFolded ? lane.members.length : incarnations;
    const name = h("span.head-name", {}, lane.name);
    const more = times > 1 ? h("span.times", {}, `×${times}`) : null;
    const title = times > 1 ? `${what} (${incarnations} incarnations)` : what;
    const longest = Math.min(NAME_MAX, this.pane.element.clientWidth * 0.3 + 20);
    const style = isLevel ? { left: `${x}px`, maxWidth: `${layout.gap - 6}px` } : { left: `${x}px`, maxWidth: `${longest}px` };
    if (!isFamily) return h("span.head", { style, title }, name, more);
    return h(
      "button.head",
      { type: "button", style, title, "aria-expanded": String(!lane.isFolded), "aria-label": title, onclick: () => app.toggleFold(lane.family.key) },
      name, more,
    );
  }
}
