// Reads the exports in a folder as the programs do that they are for, and checks that
// each check can fail.
//
//     node check.mjs FOLDER
//
// The folder holds NAME.perfetto, NAME.mermaid, NAME.shiviz and NAME.jsonl of one or more
// runs. OTLP is read by the official types in the tests of the crate.

import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import Ajv from "ajv/dist/2020.js";
import { withMermaid } from "./mermaid.mjs";
import { checkShiviz } from "./shiviz.mjs";

const here = import.meta.dirname;
const folder = process.argv[2];
if (!folder) {
  console.error("usage: node check.mjs FOLDER");
  process.exit(2);
}

const ajv = new Ajv({ allErrors: false, strictTypes: false, strictRequired: false });
const schema = (file) => ajv.compile(JSON.parse(fs.readFileSync(path.join(here, file))));
const isTrace = schema("trace-events.schema.json");
const isRecord = schema("../../docs/schemas/retake-export.schema.json");

function valid(check, value) {
  assert.ok(check(value), JSON.stringify(check.errors?.[0]) + " in " + JSON.stringify(value)?.slice(0, 300));
}

function checkPerfetto(text) {
  const trace = JSON.parse(text);
  valid(isTrace, trace);
  const events = trace.traceEvents;
  const named = new Set(events.filter((it) => it.name === "thread_name").map((it) => it.tid));
  const slices = events.filter((it) => it.ph === "X");
  for (const slice of slices) assert.ok(named.has(slice.tid), `thread ${slice.tid} has no name`);
  const starts = new Map(events.filter((it) => it.ph === "s").map((it) => [it.id, it]));
  const ends = events.filter((it) => it.ph === "f");
  assert.equal(starts.size, ends.length, "arrows have two ends");
  const at = new Set(slices.map((it) => `${it.tid} ${it.ts}`));
  for (const end of ends) {
    const start = starts.get(end.id);
    assert.ok(start && start.ts < end.ts, `arrow ${end.id} goes forward`);
    for (const event of [start, end]) {
      assert.ok(at.has(`${event.tid} ${event.ts}`), `arrow ${end.id} ends at a slice`);
    }
  }
  return `${slices.length} slices, ${ends.length} arrows`;
}

function checkJsonl(text) {
  const records = text.trimEnd().split("\n").map((line) => JSON.parse(line));
  for (const record of records) valid(isRecord, record);
  assert.equal(records[0].record, "run");
  assert.equal(records.at(-1).record, "end");
  return `${records.length} records`;
}

// Each is refused when it is damaged in a way that is its own.
const damage = {
  perfetto: (text) => text.replace(/,\{"ph":"f".*\n/, ""),
  jsonl: (text) => text.replace('"kind":"task"', '"kind":"turn"'),
  shiviz: (text) => text.replace(/^(\S+ \{.*?":)2\b/m, "$17"),
  mermaid: (text) => text.replace(/^  p0?\d*->>|^  Note over /m, "  Nota over "),
};

async function refused(check, text, name) {
  try {
    await check(text);
  } catch {
    return;
  }
  throw new Error(`${name}: a damaged export is taken for a good one`);
}

await withMermaid(async (checkMermaid) => {
  const checks = {
    perfetto: checkPerfetto,
    jsonl: checkJsonl,
    shiviz: (text) => `${checkShiviz(text)} arrows`,
    mermaid: async (text) => `${(await checkMermaid(text)).messages.length} messages`,
  };
  const seen = new Set();
  for (const file of fs.readdirSync(folder).sort()) {
    const format = path.extname(file).slice(1);
    if (!checks[format]) continue;
    seen.add(format);
    const text = fs.readFileSync(path.join(folder, file), "utf8");
    console.log(`${file}: ${await checks[format](text)}`);
    await refused(checks[format], damage[format](text), file);
  }
  assert.deepEqual([...seen].sort(), Object.keys(checks).sort(), "an export of each format");
});
