// Mermaid itself, in a browser: it needs a document to draw.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";

const script = createRequire(import.meta.url).resolve("mermaid/dist/mermaid.min.js");

function unescape(text) {
  const named = { lt: "<", gt: ">" };
  return text.replace(/#(\w+);/g, (_, entity) => named[entity] ?? String.fromCodePoint(entity));
}

export async function withMermaid(use) {
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
      "--disable-background-networking", "--disable-component-update", "--disable-sync"],
  });
  try {
    const page = await browser.newPage();
    await page.addScriptTag({ path: script });
    await use(async (text) => {
      const drawn = await page.evaluate(async (text) => {
        mermaid.initialize({ startOnLoad: false });
        const { diagramType } = await mermaid.parse(text);
        const { svg } = await mermaid.render("drawing", text);
        const place = document.createElement("div");
        place.innerHTML = svg;
        const texts = (query) => [...place.querySelectorAll(query)].map((it) => it.textContent);
        return {
          diagramType,
          // Each name is drawn above and below.
          names: texts("text.actor").length / 2,
          messages: texts(".messageText"),
          notes: texts(".noteText").length,
        };
      }, text);
      assert.equal(drawn.diagramType, "sequence");
      const count = (expression) => [...text.matchAll(expression)].length;
      assert.equal(drawn.names, count(/^  participant /gm), "participants");
      // What is drawn is the text, its escapes undone.
      const written = [...text.matchAll(/^  p\d+(?:->>|-x)p\d+: (.*)$/gm)].map((it) => unescape(it[1]));
      assert.deepEqual(drawn.messages, written, "messages");
      assert.ok(drawn.notes >= count(/^  Note /gm), "notes");
      return drawn;
    });
  } finally {
    await browser.close();
  }
}
