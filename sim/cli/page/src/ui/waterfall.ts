// Where the time of a request went, hop by hop.

import { HOPS_MAX, between, totals, type Hop, type Link } from "../data/causes";
import { count, duration, steps as inSteps } from "../data/format";
import type { PaneContext } from "./context";
import { h } from "./dom";

const WORDS: Record<Link, string> = {
  mailbox: "in the mailbox",
  woken: "for an answer to be taken",
  reply: "for an answer to be taken",
  wait: "awaiting",
  start: "to begin",
};
/** Hops that are shown at once. */
const SHOWN = 12;

export function waterfall(pane: PaneContext, hops: Hop[], select: (row: number) => void): HTMLElement {
  const { trace } = pane;
  const [first, last] = [hops[0].from, hops[hops.length - 1].to];
  const total = between(trace, first, last);
  const steps = trace.step[last] - trace.step[first];
  // Where no time passed, steps are what there is to compare.
  const isTime = total > 0;
  const whole = isTime ? total : Math.max(1, steps);
  const part = (from: number, to: number) => (isTime ? between(trace, from, to) : trace.step[to] - trace.step[from]) / whole;
  const row = ({ link, from, to }: Hop): HTMLElement => {
    const time = between(trace, from, to);
    const bar = h("span.bar", { className: `bar l-${link}`, style: { left: `${part(first, from) * 100}%`, width: `max(2px, ${part(from, to) * 100}%)` } });
    const message = link === "mailbox" ? trace.messageName(to) : link === "reply" || link === "woken" ? "answer" : link === "start" ? "begins" : "resumes";
    const path = link === "wait" ? trace.who(to) : `${trace.who(from)} → ${trace.who(to)}`;
    const elapsed = time > 0 ? duration(time) : steps > 0 && !isTime ? inSteps(trace.step[to] - trace.step[from]) : "0";
    return h(
      "li",
      {},
      h(
        "button.hop",
        { type: "button", title: `${path}: ${message}; ${duration(time)} and ${inSteps(trace.step[to] - trace.step[from])} ${WORDS[link]}`, onclick: () => select(to) },
        h("span.hop-path", {}, h("span.hop-step", {}, count(trace.step[to])), ` ${path} `, h("span.hop-message", {}, message)),
        h("span.hop-time", {}, elapsed),
        h("span.track", {}, bar),
      ),
    );
  };
  const list = h("ol.hops");
  const hidden = Math.max(0, hops.length - SHOWN);
  const show = (from: number) => list.replaceChildren(...hops.slice(from).map(row));
  show(hidden);
  const from = h("button.link-inline", { type: "button", onclick: () => select(first) }, `step ${count(trace.step[first])}`);
  const parts = totals(trace, hops).filter(({ ns, steps }) => (isTime ? ns > 0 : steps > 0));
  return h(
    "div.waterfall",
    {},
    h("p", {}, h("strong", {}, isTime ? duration(total) : "No time"), ` and ${inSteps(steps)} since `, from, ` of ${trace.who(first)}`, hops.length >= HOPS_MAX ? " (its own past is longer)" : ""),
    h("p.legend", {}, ...parts.map(({ link, ns, steps }) => h("span", {}, h("span", { className: `key l-${link}`, "aria-hidden": "true" }), `${isTime ? duration(ns) : inSteps(steps)} ${WORDS[link]}`))),
    hidden > 0 && h("button.small", { type: "button", onclick: (event: Event) => { show(0); (event.currentTarget as Element).remove(); } }, `Show ${hidden} earlier`),
    list,
    hops.some(({ link }) => link === "reply") && h("p.hint", {}, "Dashed: who woke it is not recorded, but inferred from who ran at the time."),
  );
}
