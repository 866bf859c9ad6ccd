import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { KIND_WORDS } from "../src/data/filter";
import { Kind } from "../src/data/trace";
import { KIND_NAMES } from "../src/ui/details";
import { KIND_COLOURS, KIND_SHAPES } from "../src/view/theme";
import { traceOf } from "./make";

const style = readFileSync("src/style.css", "utf8");

describe("each kind of event", () => {
  it.each(Object.entries(Kind))("%s has its words, its shape and its colours", (_, kind) => {
    expect(traceOf(["a"], [{ kind, task: 0, text: "x" }]).what(0)).not.toMatch(/undefined/);
    expect(KIND_NAMES[kind]).toBeTruthy();
    expect(KIND_WORDS.filter(([, kinds]) => kinds.includes(kind))).toHaveLength(1);
    const [shape, colour] = [KIND_SHAPES[kind], KIND_COLOURS[kind]];
    // In the list, where the plain mark is the square; and light, dark, and dark by choice.
    expect(shape === "square" || style.includes(`.s-${shape} `) || style.includes(`.s-${shape},`)).toBe(true);
    expect(style).toContain(`.c-${colour} {`);
    expect(style.split(`--kind-${colour}: #`)).toHaveLength(4);
  });
});
