// How two runs relate, in words with steps to go to.

import type { Comparison } from "../data/decode";
import { count, steps } from "../data/format";
import { NONE } from "../data/trace";
import type { AppContext } from "./context";
import { append, h } from "./dom";

const VERDICTS: Record<Comparison["verdict"], string> = {
  identical: "",
  reordered: "The same events for the same reasons: independent ones stand in another order.",
  raced: "The same events, but some actor took its messages in another order.",
  different: "One has events that the other does not have.",
  by_line: "They are too far apart to be aligned event by event.",
};
const SIDES = ["A", "B"];

export function comparisonNotes(app: AppContext, comparison: Comparison): (string | Node)[] {
  const lines: (string | Node)[] = [];
  const step = (side: number, number: number) => stepLink(app, side, number);
  const same = steps(comparison.same_steps);
  if (!comparison.parts) lines.push(`The runs are the same: ${same}.`);
  else if (app.panes[0].parting === NONE) lines.push(`They share ${same}; where they part is not on this page.`);
  else lines.push(`They share ${same} and part there. ${VERDICTS[comparison.verdict]}`);
  comparison.alone_first.forEach((first, side) => {
    if (first === null) return;
    const number = comparison.alone[side];
    lines.push(line(`Only ${SIDES[side]} has ${number === 1 ? "one event" : `${count(number)} events`}, the first at `, step(side, first)));
  });
  for (const { who, events } of comparison.races) {
    const [one, two] = events;
    lines.push(line(`${who}: ${short(one.what)} `, step(0, one.left), ` before ${short(two.what)} `, step(0, two.left), "; the other way round at ", step(1, two.right), " and ", step(1, one.right)));
  }
  if (!comparison.story_compared) lines.push("Only one has texts and causes: schedules were compared.");
  for (const { field, left, right } of comparison.header) {
    if (field !== "code" && field !== "versions") lines.push(`${field}: ${left || "none"} | ${right || "none"}`);
  }
  return lines;
}

function line(...parts: (string | Node)[]): Node {
  const element = h("span");
  append(element, parts);
  return element;
}

function stepLink(app: AppContext, side: number, number: number): Node {
  const pane = app.panes[side];
  const row = pane.trace.rowAtStep(number);
  const name = `${SIDES[side]} ${count(number)}`;
  if (row === NONE) return h("span", {}, name);
  return h("button.link-inline", { type: "button", onclick: () => app.select(pane, row, { isJump: true }) }, name);
}

function short(text: string): string {
  return text.length > 50 ? `${text.slice(0, 50)}…` : text;
}
