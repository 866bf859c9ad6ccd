// The page: take the data out of it, and show it.

import "./style.css";
import { parse, unpack, type Comparison } from "./data/decode";
import { Trace } from "./data/trace";
import { App } from "./ui/app";

/** The content of a data element, which is then let go. */
function take(id: string): string | undefined {
  const element = document.getElementById(id);
  const text = element?.textContent ?? undefined;
  element?.remove();
  return text;
}

async function start(root: HTMLElement) {
  const traces: Trace[] = [];
  for (let number = 0; ; number++) {
    const text = take(`trace-${number}`);
    if (text === undefined) break;
    traces.push(new Trace(parse(await unpack(text))));
  }
  if (traces.length === 0) throw new Error("this page has no data: `retake view FILE` writes one that has");
  const comparison = take("comparison");
  const known = comparison && (JSON.parse(new TextDecoder().decode(await unpack(comparison))) as Comparison);
  performance.mark("retake-decoded");
  const app = new App(root, traces, known || undefined);
  app.start();
  Object.assign(window, { retake: app });
}

const root = document.getElementById("app") as HTMLElement;
start(root).catch((error: unknown) => {
  const text = document.createElement("p");
  text.className = "boot failed";
  text.setAttribute("role", "alert");
  text.textContent = `This page cannot be shown: ${error instanceof Error ? error.message : String(error)}`;
  root.replaceChildren(text);
});
