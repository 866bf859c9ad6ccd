import { describe, expect, it } from "vitest";
import { count, duration, niceStep, seconds, steps } from "../src/data/format";
import { diffLines, foldUnchanged, layOut } from "../src/data/state";

describe("numbers for people", () => {
  it("keep all that is exact", () => {
    expect(seconds(31_535_999, 1)).toBe("31535999.000000001");
    expect([count(0), count(1234567), steps(1), steps(1000)]).toEqual(["0", "1 234 567", "1 step", "1 000 steps"]);
  });

  it("have a unit that fits", () => {
    expect([0, 7, 7_508, 28_310, 100_000_000, 96_155_000_000].map(duration)).toEqual([
      "0", "7 ns", "7.508 µs", "28.31 µs", "100 ms", "96.16 s",
    ]);
    expect(duration(999.9e9)).toBe("999.9 s");
  });

  it("step by one, two or five", () => {
    expect([0.03, 0.1, 1, 3, 21, 0].map(niceStep)).toEqual([0.05, 0.1, 1, 5, 50, 1]);
  });
});

describe("a state", () => {
  it("is laid out where it is long, and kept where it is short", () => {
    expect(layOut("Count(3)")).toEqual(["Count(3)"]);
    expect(layOut('State { name: "a, {b}", waiting: [Waiting { client: 1, since: 20 }, Waiting { client: 2, since: 30 }], open: {} }')).toEqual([
      "State {",
      '  name: "a, {b}",',
      "  waiting: [",
      "    Waiting { client: 1, since: 20 },",
      "    Waiting { client: 2, since: 30 }",
      "  ],",
      "  open: {}",
      "}",
    ]);
  });

  it("is laid out whatever its brackets", () => {
    for (const text of ["}}}", "((((", '"open', "a".repeat(90) + "{", "{" + "x,".repeat(50)]) {
      expect(layOut(text).join("").replaceAll(" ", "")).toBe(text.replaceAll(" ", ""));
    }
  });

  it("is compared line by line", () => {
    const diff = diffLines(["A {", "  x: 1,", "  y: 2,", "}"], ["A {", "  x: 1,", "  z: 0,", "  y: 3,", "}"]);
    expect(diff.map(({ mark, text }) => mark + text)).toEqual([" A {", "   x: 1,", "-  y: 2,", "+  z: 0,", "+  y: 3,", " }"]);
    expect(diffLines([], ["a"])).toEqual([{ mark: "+", text: "a" }]);
    expect(diffLines(["a"], ["a"])).toEqual([{ mark: " ", text: "a" }]);
  });

  it("shows what is near a change, and folds the rest", () => {
    const before = Array.from({ length: 30 }, (_, at) => `line ${at}`);
    const after = before.map((line, at) => (at === 10 ? "changed" : line));
    const runs = foldUnchanged(diffLines(before, after));
    expect(runs.map(({ isFolded, lines }) => [isFolded, lines.length])).toEqual([[true, 7], [false, 8], [true, 16]]);
    expect(foldUnchanged(diffLines(before, before)).map(({ isFolded }) => isFolded)).toEqual([false]);
    expect(foldUnchanged([])).toEqual([]);
  });

  it("gives both sides whole when compared, however long", () => {
    const long = (seed: number) => Array.from({ length: 2000 }, (_, at) => `${(at * seed) % 97}`);
    for (const [a, b] of [[long(3), long(5)], [long(3).slice(0, 300), long(7).slice(0, 200)]]) {
      const diff = diffLines(a, b);
      expect(diff.filter(({ mark }) => mark !== "+").map(({ text }) => text)).toEqual(a);
      expect(diff.filter(({ mark }) => mark !== "-").map(({ text }) => text)).toEqual(b);
    }
  });
});
