import { describe, expect, it } from "vitest";
import { Kind, NONE, type Trace } from "../src/data/trace";
import { Arrows } from "../src/view/arrows";
import { Axis, Viewport } from "../src/view/axis";
import { Bins } from "../src/view/density";
import { LaneLayout, Lanes, baseOf, familyOf } from "../src/view/lanes";
import { cutMiddle, heightOfAll, planNames } from "../src/view/names";
import { timeTick } from "../src/view/paint";
import { traceOf, type Event } from "./make";

const { Handle, Task } = Kind;

describe("lanes", () => {
  const labels = ["scenario", "ledger", "pool/worker-1", "pool/worker-2", "client-0", "ledger#2", "client-1", "a#b"];

  it("gather incarnations, in the order of first appearance", () => {
    const lanes = new Lanes(labels);
    expect(lanes.list.map(({ name }) => name)).toEqual([
      "scenario", "ledger", "pool/worker-1", "pool/worker-2", "client-0", "client-1", "a#b",
    ]);
    expect(Array.from(lanes.of(labels))).toEqual([0, 1, 2, 3, 4, 1, 5, 6]);
  });

  it("know names and families", () => {
    expect([baseOf("ledger#12"), baseOf("a#b"), baseOf("#1")]).toEqual(["ledger", "a#b", "#1"]);
    expect([baseOf("a#2#1"), baseOf("a#02")]).toEqual(["a#2", "a#02"]);
    expect([familyOf("pool/worker-1"), familyOf("client-10"), familyOf("7"), familyOf("ledger")]).toEqual([
      "pool/*", "client-*", "7", "ledger",
    ]);
  });

  it("fold the largest families until the rest fits", () => {
    const many = ["scenario", ...Array.from({ length: 30 }, (_, at) => `client-${at}`), "pool/a", "pool/b"];
    expect(new Lanes(many, 5).list.map(({ name }) => name)).toEqual(["scenario", "client-*", "pool/a", "pool/b"]);
    expect(new Lanes(many, 3).list.map(({ name }) => name)).toEqual(["scenario", "client-*", "pool/*"]);
    // What cannot be folded stays.
    expect(new Lanes(["a", "b", "c"], 1).list).toHaveLength(3);
  });

  it("are hidden, shown alone, folded and unfolded", () => {
    const lanes = new Lanes(labels);
    lanes.toggleFold("pool/*");
    expect(lanes.list.find((lane) => lane.isFolded)?.members).toHaveLength(2);
    lanes.setHidden(["pool/worker-1"], true);
    expect(lanes.of(["pool/worker-1", "pool/worker-2"])[0]).toBe(-1);
    expect(lanes.of(["pool/worker-2"])[0]).toBeGreaterThan(0);
    lanes.only(["ledger"]);
    expect(lanes.list.map(({ name }) => name)).toEqual(["ledger"]);
  });

  it("are spread over the space, but no further than can be read", () => {
    expect(new LaneLayout(4, 400).gap).toBe(100);
    expect(new LaneLayout(2, 4000).gap).toBe(150);
    const narrow = new LaneLayout(100, 300);
    expect([narrow.gap, narrow.width]).toEqual([15, 1500]);
    expect([narrow.at(narrow.x(7)), narrow.at(-1), narrow.at(1501)]).toEqual([7, -1, -1]);
  });
});

describe("names above lanes", () => {
  /** As if each letter were seven pixels wide. */
  const measure = (text: string) => Array.from(text).length * 7;

  it("are level where all fit, slanted where the last one ends within, else upright", () => {
    expect(planNames([60, 80, 90], 600, 300)).toMatchObject({ angle: "level", height: 30 });
    const slanted = planNames([60, 420, 420], 600, 300);
    expect(slanted.angle).toBe("slanted");
    const layout = new LaneLayout(3, 600, undefined, slanted.gapMax);
    expect(layout.x(2) + slanted.lengthMax * Math.cos((52 * Math.PI) / 180)).toBeLessThanOrEqual(600);
    expect(planNames(Array(20).fill(420), 400, 300).angle).toBe("upright");
    expect(planNames([], 100, 100).angle).toBe("level");
  });

  it("take the height that a person gives them, but no more than they need or there is", () => {
    const lengths = Array(8).fill(420);
    const atFirst = planNames(lengths, 500, 400);
    expect(atFirst.lengthMax).toBeLessThan(200);
    expect(planNames(lengths, 500, 600, 250)).toMatchObject({ height: 250 });
    expect(planNames(lengths, 500, 300, 5_000).height).toBe(300);
    const all = planNames(lengths, 100, 600, heightOfAll(lengths));
    expect(all.angle).toBe("upright");
    expect(all.lengthMax).toBeGreaterThanOrEqual(420);
    expect(planNames(lengths, 500, 600, 0).height).toBeGreaterThan(40);
  });

  it("lose their middle where they are too long, so that they still differ", () => {
    expect(cutMiddle("ledger", 70, measure)).toBe("ledger");
    const cut = (name: string) => cutMiddle(name, 105, measure);
    expect(cut("dispatcher-for-customers-1")).toBe("dispatc…omers-1");
    expect(cut("dispatcher-for-customers-2")).toBe("dispatc…omers-2");
    expect(cut("😀".repeat(30))).toBe(`${"😀".repeat(7)}…${"😀".repeat(7)}`);
    expect(cutMiddle("ledger", 0, measure)).toBe("…");
  });
});

describe("ticks of time", () => {
  it("have the decimals that they need, and count from a millisecond when they are fine", () => {
    expect([0, 5e7, 2e9].map((ns) => timeTick(ns, 5e7))).toEqual(["0.00 s", "0.05 s", "2.00 s"]);
    expect(timeTick(93e6, 1e6)).toBe("0.093 s");
    expect(timeTick(93_002_000, 1e3)).toBe("0.093002 s");
    expect([93e6, 93_000_500, 93_012_500].map((ns) => timeTick(ns, 500))).toEqual(["0.093 s", "+500 ns", "+12.5 µs"]);
  });
});

/** Steps of two tasks in turn; each handles what the one before sent. */
function ladder(length: number): Trace {
  return traceOf(["scenario", "a", "b"], Array.from({ length }, (_, at): Event =>
    at === 0 ? { kind: Task, task: 0 } : { kind: Handle, task: 1 + (at % 2), cause: at, ns: at % 10 === 0 ? 1000 : 0 }));
}

describe("an axis", () => {
  const trace = ladder(100);

  it("of steps places rows one after another, moved by an offset", () => {
    const axis = new Axis(trace, undefined, "step", 5);
    expect([axis.start(), axis.end(), axis.at(3)]).toEqual([5, 105, 8.5]);
    expect([axis.placeAt(8.5), axis.placeAt(-9), axis.placeAt(999)]).toEqual([3, 0, 100]);
  });

  it("of a filtered trace has places for its rows alone", () => {
    const axis = new Axis(trace, Uint32Array.from([10, 20, 30]), "step");
    expect([axis.rowAt(1), axis.placeOf(20), axis.placeOf(21)]).toEqual([20, 1, NONE]);
    expect([axis.nearestPlace(21), axis.nearestPlace(99)]).toEqual([2, 2]);
  });

  it("of time finds rows by their time", () => {
    for (const rows of [undefined, Uint32Array.from(Array.from({ length: 100 }, (_, at) => at))]) {
      const axis = new Axis(trace, rows, "time");
      expect([axis.placeAt(0), axis.placeAt(1), axis.placeAt(1000), axis.placeAt(1e9)]).toEqual([0, 10, 10, 100]);
      expect(axis.closest(1400)).toBe(19);
      expect(axis.end()).toBe(9000);
    }
  });

  it("may be empty", () => {
    for (const kind of ["step", "time"] as const) {
      const axis = new Axis(trace, new Uint32Array(0), kind);
      expect(axis.length).toBe(0);
      expect(axis.end()).toBeGreaterThanOrEqual(axis.start());
    }
  });
});

describe("a viewport", () => {
  const viewport = (end: number) => {
    const view = new Viewport(0, end);
    view.height = 800;
    view.fit();
    return view;
  };

  it("keeps what lies under the pointer when it zooms", () => {
    const view = viewport(1e6);
    view.zoom(50, 300);
    const point = view.pointAt(300);
    view.zoom(20, 300);
    expect(view.pointAt(300)).toBeCloseTo(point, 6);
  });

  it("never leaves the run, and never spreads a short one", () => {
    const view = viewport(1000);
    view.zoom(1e-9, 10);
    expect(view.top).toBeLessThanOrEqual(0);
    expect(view.bottom()).toBeGreaterThanOrEqual(1000);
    view.zoom(10, 10);
    view.pan(1e12);
    expect(view.bottom()).toBeLessThan(1000 * 1.05);
    view.pan(-1e12);
    expect(view.top).toBeGreaterThan(-1000 * 0.05);
    expect(viewport(5).scale).toBe(22);
  });

  it("moves no further than needed to show something", () => {
    const view = viewport(10_000);
    view.scale = 20;
    view.center(5000);
    const top = view.top;
    view.reveal(5000);
    expect(view.top).toBe(top);
    view.reveal(8000);
    expect(view.y(8000)).toBeCloseTo(740, 6);
  });
});

describe("messages on the screen", () => {
  it("are those handled there, and those that pass through", () => {
    const events = Array.from({ length: 2000 }, (): Event => ({ kind: Task, task: 0 }));
    events[1500] = { kind: Handle, task: 1, cause: 11 };
    events[700] = { kind: Handle, task: 1, cause: 611 };
    events[650] = { kind: Handle, task: 1, cause: 620 };
    const arrows = new Arrows(traceOf(["scenario", "a"], events));
    expect(arrows.crossing(600, 660, 99)).toEqual([650, 1500, 700]);
    expect(arrows.crossing(1400, 1450, 99)).toEqual([1500]);
    expect(arrows.crossing(1501, 1600, 99)).toEqual([]);
    expect(arrows.crossing(600, 660, 2)).toHaveLength(2);
  });
});

describe("density", () => {
  const trace = ladder(100_000);
  const lanes = new Lanes(trace.labels);
  const laneOf = lanes.of(trace.labels);
  const colours = Array.from({ length: 12 }, (_, kind): [number, number, number] => [kind, 100, 200]);

  const filled = (rows?: Uint32Array) => {
    const bins = new Bins();
    bins.fill(new Axis(trace, rows, "step"), 0, 1000 / (rows?.length ?? trace.rows), 1000, laneOf, 3, colours);
    return bins;
  };

  it("counts every row of a lane once", () => {
    const { counts } = filled();
    const sum = (lane: number) => counts.subarray(lane * 1000, (lane + 1) * 1000).reduce((a, b) => a + b, 0);
    expect([sum(0), sum(1), sum(2)]).toEqual([1, 49_999, 50_000]);
  });

  it("counts none of the rows that are filtered out", () => {
    const rows = Uint32Array.from(Array.from({ length: 50_000 }, (_, at) => 2 * at));
    const { counts } = filled(rows);
    expect(counts.subarray(2000, 3000).reduce((a, b) => a + b, 0)).toBe(0);
  });

  it("paints bars at their lanes, the wider the more", () => {
    const bins = filled();
    const image = { width: 300, height: 1000, data: new Uint8ClampedArray(300 * 1000 * 4) } as unknown as ImageData;
    bins.paint(image, (lane) => 25 + lane * 50, 40, 2);
    const pixels = new Uint32Array(image.data.buffer);
    const width = (lane: number, y: number) => pixels.subarray(y * 300 + lane * 100, y * 300 + lane * 100 + 100).filter((it) => it !== 0).length;
    expect(width(1, 500)).toBeGreaterThan(60);
    expect(width(0, 500)).toBe(0);
    // Its colour: kind, 100, 200, opaque.
    expect(pixels[500 * 300 + 150]).toBe(((255 << 24) | (200 << 16) | (100 << 8) | Handle) >>> 0);
  });
});
