// What avoids a failure, with the steps that it names to go to.

import { NONE } from "../data/trace";
import type { AppContext } from "./context";
import { append, h } from "./dom";

/** A sentence as text and numbers of steps: "(step 3)", "(steps 14 and 11)". */
export function partsOf(sentence: string): (string | number)[] {
  const parts: (string | number)[] = [];
  let end = 0;
  for (const found of sentence.matchAll(/\(steps? \d+(?: and \d+)?/g)) {
    for (const number of found[0].matchAll(/\d+/g)) {
      const at = found.index + number.index;
      parts.push(sentence.slice(end, at), Number(number[0]));
      end = at + number[0].length;
    }
  }
  parts.push(sentence.slice(end));
  return parts.filter((part) => part !== "");
}

export function reasonLine(app: AppContext, side: number, name: string, sentence: string): Node {
  const line = h("span.reason", {}, name);
  const parts = partsOf(sentence).map((part) => {
    if (typeof part === "string") return part;
    const row = app.traces[side].rowAtStep(part);
    if (row === NONE) return String(part);
    const go = () => app.select(app.panes[side], row, { isJump: true });
    return h("button.link-inline", { type: "button", title: `To step ${part}`, onclick: go }, String(part));
  });
  append(line, parts);
  return line;
}
