// The state of an actor, and what a step changed in it.

import { diffLines, foldUnchanged, layOut, type DiffLine } from "../data/state";
import { changeAt } from "../data/states";
import { NONE } from "../data/trace";
import { count } from "../data/format";
import type { PaneContext } from "./context";
import { h, section } from "./dom";

export function stateSection(pane: PaneContext, row: number): HTMLElement | false {
  const { trace } = pane;
  const task = trace.task[row];
  if (task === NONE || trace.taskKind[task] !== 1) return false;
  if (!trace.about.states) {
    return section("State", h("p.hint", {}, "States were not recorded; `run … --states` records them."));
  }
  const change = changeAt(trace, row);
  if (!change || change.after === undefined) {
    return section("State", h("p.hint", {}, "Nothing was seen of it yet, or it has no `Debug` form."));
  }
  const { before, after, foundBy, isOld } = change;
  const isChanged = before !== undefined && before !== after;
  const lines = isChanged ? diffLines(layOut(before), layOut(after)) : layOut(after).map((text): DiffLine => ({ mark: " ", text }));
  const found = isOld
    ? "as its last callback found it; it may have changed since"
    : foundBy === NONE ? "as it was at the end" : `as step ${count(trace.step[foundBy])} found it`;
  const changed = before === undefined ? "" : isChanged ? "changed; " : isOld ? "" : "unchanged; ";
  return section(
    "State after it",
    h("p.hint", {}, changed + found),
    h("div.state", { tabIndex: 0, role: "group", "aria-label": "State" }, ...foldUnchanged(lines).flatMap(({ isFolded, lines }) =>
      isFolded ? [folded(lines)] : lines.map(stateLine))),
  );
}

function stateLine({ mark, text }: DiffLine): HTMLElement {
  const className = mark === "+" ? "plus" : mark === "-" ? "minus" : "";
  return h(mark === "+" ? "ins" : mark === "-" ? "del" : "div", { className: `line ${className}` }, `${mark} ${text}`);
}

/** Lines that are far from any change, until somebody wants to see them. */
function folded(lines: DiffLine[]): HTMLElement {
  return h("button.folded", {
    type: "button",
    onclick: (event: Event) => (event.currentTarget as Element).replaceWith(...lines.map(stateLine)),
  }, `⋯ ${lines.length} lines`);
}
