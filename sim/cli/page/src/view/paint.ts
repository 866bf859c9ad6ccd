// One frame of the diagram.

import type { Hop } from "../data/causes";
import { count, duration, niceStep, seconds } from "../data/format";
import { Choice, Kind, NONE } from "../data/trace";
import type { Arrows } from "./arrows";
import { ROW_READABLE, type Axis, type Viewport } from "./axis";
import { Bins } from "./density";
import { draw as drawShape } from "./shapes";
import type { LaneLayout } from "./lanes";
import { KIND_SHAPES, type Palette } from "./theme";

/** Width of the column with numbers, in pixels. */
export const GUTTER = 78;
/** With more rows on the screen, or more than lines of pixels, single steps are not drawn. */
export const SINGLE_MAX = 2500;
const ARROWS_MAX = 4000;
/** A message's name is left out where it has less room than this. */
const NAME_MIN = 24;

export interface Scene {
  axis: Axis;
  view: Viewport;
  arrows: Arrows;
  layout: LaneLayout;
  /** How far lanes are moved to the left. */
  left: number;
  laneOf: Int32Array;
  /** Places of faults, panics and the end. */
  special: number[];
  selected: number;
  hovered: number;
  /** The same event in the other trace. */
  partner: number;
  /** The row at which two traces part. */
  parting: number;
  /** Marks of rows that the other trace does not have. */
  alone: Uint8Array | undefined;
  chain: Hop[];
  found: Uint8Array | undefined;
  palette: Palette;
}

export class Painter {
  private readonly bins = new Bins();
  private image: ImageData | undefined;
  private readonly layer = document.createElement("canvas");
  /** What the layer shows. */
  private kept: (Pick<Scene, "axis" | "laneOf" | "layout" | "left" | "palette"> & { scale: number; from: number }) | undefined;

  constructor(
    private readonly context: CanvasRenderingContext2D,
    private width: number,
    private height: number,
    private ratio: number,
  ) {}

  resize(width: number, height: number, ratio: number) {
    [this.width, this.height, this.ratio] = [width, height, ratio];
  }

  draw(scene: Scene) {
    const { context, width, height, ratio } = this;
    const { axis, view, palette } = scene;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.fillStyle = palette.ground;
    context.fillRect(0, 0, width, height);
    if (axis.length === 0) return;
    const first = axis.placeAt(view.top);
    const end = Math.min(axis.length, axis.placeAt(view.bottom()) + 1);
    const isSingle = end - first <= Math.min(SINGLE_MAX, height * 1.2);
    this.bands(scene, first, end);
    context.save();
    context.beginPath();
    context.rect(GUTTER, 0, width - GUTTER, height);
    context.clip();
    this.lanes(scene);
    if (isSingle) {
      this.activations(scene, first, end);
      this.messages(scene, first, end);
      this.chain(scene);
      this.steps(scene, first, end);
    } else {
      this.density(scene);
      this.chain(scene);
    }
    this.specials(scene, first, end, isSingle);
    context.restore();
    this.ticks(scene, first, end);
  }

  private x(scene: Scene, row: number): number {
    const lane = scene.laneOf[scene.axis.trace.task[row]];
    return lane >= 0 ? GUTTER + scene.layout.x(lane) - scene.left : Number.NaN;
  }

  private y(scene: Scene, place: number): number {
    return scene.view.y(scene.axis.at(place));
  }

  /** Grounds of rows: selected, hovered, the other trace's partner, the parting. */
  private bands(scene: Scene, first: number, end: number) {
    const { context, width } = this;
    const { axis, view, palette } = scene;
    const half = axis.kind === "step" ? Math.max(view.scale / 2, 3) : 3;
    const band = (row: number, colour: string, alpha: number) => {
      if (row === NONE) return;
      const place = axis.placeOf(row);
      if (place === NONE) return;
      const y = this.y(scene, place);
      context.globalAlpha = alpha;
      context.fillStyle = colour;
      context.fillRect(0, y - half, width, 2 * half);
      context.globalAlpha = 1;
    };
    if (view.isReadable()) {
      // A line where virtual time moves on.
      context.fillStyle = palette.faint;
      const { trace } = axis;
      for (let place = Math.max(first, 1); place < end; place++) {
        if (trace.time[axis.rowAt(place)] !== trace.time[axis.rowAt(place - 1)]) {
          context.fillRect(0, Math.round(view.y(place + axis.offset)), width, 1);
        }
      }
    }
    band(scene.hovered, palette.band, 0.6);
    band(scene.partner, palette.parting, 0.16);
    band(scene.selected, palette.accent, palette.isDark ? 0.26 : 0.16);
    if (scene.parting !== NONE) {
      const place = axis.nearestPlace(scene.parting);
      const y = axis.kind === "step" ? view.y(place + axis.offset) : this.y(scene, place);
      context.fillStyle = palette.parting;
      context.fillRect(0, y - 1, width, 2);
    }
  }

  private lanes(scene: Scene) {
    const { context } = this;
    const { axis, view, layout, palette, left } = scene;
    const { trace } = axis;
    const firsts = new Float64Array(layout.count).fill(Number.POSITIVE_INFINITY);
    const lasts = new Float64Array(layout.count).fill(Number.NEGATIVE_INFINITY);
    const last = axis.length - 1;
    for (let task = 0; task < trace.labels.length; task++) {
      const lane = scene.laneOf[task];
      if (lane < 0 || trace.taskRow[task] === NONE) continue;
      if (trace.taskRow[task] < firsts[lane]) firsts[lane] = trace.taskRow[task];
      if (trace.taskLast[task] > lasts[lane]) lasts[lane] = trace.taskLast[task];
    }
    context.fillStyle = palette.line;
    for (let lane = 0; lane < layout.count; lane++) {
      if (firsts[lane] > lasts[lane]) continue;
      const x = Math.round(GUTTER + layout.x(lane) - left);
      const from = view.y(axis.at(Math.min(axis.nearestPlace(firsts[lane]), last)));
      const to = view.y(axis.at(Math.min(axis.nearestPlace(lasts[lane]), last)));
      const top = Math.max(0, from);
      const bottom = Math.min(this.height, to);
      if (bottom > top) context.fillRect(x, top, 1, bottom - top);
    }
  }

  /** Bars while an actor is within a callback and awaits. */
  private activations(scene: Scene, first: number, end: number) {
    const { context } = this;
    const { axis, palette } = scene;
    const { trace } = axis;
    context.globalAlpha = palette.isDark ? 0.38 : 0.26;
    for (let place = first; place < end; place++) {
      const row = axis.rowAt(place);
      if (trace.kind[row] >= Kind.NewTask || trace.taskKind[trace.task[row]] !== 1) continue;
      const x = this.x(scene, row);
      if (Number.isNaN(x)) continue;
      const y = this.y(scene, place);
      context.fillStyle = palette.kinds[trace.kind[trace.begin[row]]];
      if (trace.kind[row] === Kind.Resume && trace.previous[row] !== NONE) {
        const before = axis.placeOf(trace.previous[row]);
        const from = before === NONE ? y : Math.max(-10, this.y(scene, before));
        context.fillRect(x - 3, from, 6, y - from);
      }
      const next = trace.next[row];
      if (next !== NONE && trace.kind[next] === Kind.Resume) {
        const after = axis.placeOf(next);
        // Those on the screen draw the bar above themselves.
        if (after !== NONE && after >= end) context.fillRect(x - 3, y, 6, this.height - y + 10);
      }
    }
    context.globalAlpha = 1;
  }

  private messages(scene: Scene, first: number, end: number) {
    const { context, height } = this;
    const { axis, palette, view } = scene;
    const { trace } = axis;
    const firstRow = axis.rowAt(Math.min(first, axis.length - 1));
    const endRow = end > first ? axis.rowAt(end - 1) + 1 : firstRow;
    const handled = scene.arrows.crossing(firstRow, endRow, ARROWS_MAX);
    const space = view.kind === "step" ? view.scale : 8;
    const hasHeads = space >= 5 && handled.length < 600;
    context.strokeStyle = palette.muted;
    context.fillStyle = palette.muted;
    context.lineWidth = 1;
    context.globalAlpha = Math.max(0.14, Math.min(0.75, 60 / Math.max(handled.length, 1)));
    context.beginPath();
    const heads: [number, number, number][] = [];
    for (const row of handled) {
      const [to, from] = [axis.placeOf(row), axis.placeOf(trace.cause[row])];
      if (to === NONE || from === NONE) continue;
      const [x1, y1] = [this.x(scene, trace.cause[row]), this.y(scene, from)];
      const [x2, y2] = [this.x(scene, row), this.y(scene, to)];
      if (Number.isNaN(x1) || Number.isNaN(x2) || y2 < -20 || y1 > height + 20) continue;
      path(context, x1, y1, x2, y2);
      if (hasHeads) heads.push([x2, y2, angle(x1, y1, x2, y2)]);
    }
    context.stroke();
    for (const [x, y, direction] of heads) head(context, x, y, direction, 6);
    context.globalAlpha = 1;
  }

  /** The hops that led to the selected row. */
  private chain(scene: Scene) {
    const { context } = this;
    const { axis, palette } = scene;
    if (scene.chain.length === 0) return;
    context.strokeStyle = palette.accent;
    context.fillStyle = palette.accent;
    context.lineWidth = 2;
    for (const { link, from, to } of scene.chain) {
      const [a, b] = [axis.placeOf(from), axis.placeOf(to)];
      if (a === NONE || b === NONE) continue;
      const [x1, y1] = [this.x(scene, from), this.y(scene, a)];
      const [x2, y2] = [this.x(scene, to), this.y(scene, b)];
      if (Number.isNaN(x1) || Number.isNaN(x2) || y2 < -20 || y1 > this.height + 20) continue;
      context.setLineDash(link === "mailbox" || link === "woken" ? [] : link === "wait" ? [2, 3] : [5, 3]);
      context.beginPath();
      if (link === "wait") {
        context.moveTo(x1, y1);
        context.lineTo(x2, y2);
      } else {
        path(context, x1, y1, x2, y2);
      }
      context.stroke();
      context.setLineDash([]);
      if (link !== "wait") head(context, x2, y2, angle(x1, y1, x2, y2), 8);
    }
  }

  private steps(scene: Scene, first: number, end: number) {
    const { context } = this;
    const { axis, view, palette, layout } = scene;
    const { trace } = axis;
    const space = view.kind === "step" ? view.scale : Math.min(14, this.height / Math.max(end - first, 1) * 3);
    const size = Math.max(1.2, Math.min(5.5, space * 0.3));
    const hasNames = view.isReadable() && layout.gap >= 78;
    for (let place = first; place < end; place++) {
      const row = axis.rowAt(place);
      const kind = trace.kind[row];
      if (kind === Kind.Fault || kind === Kind.Panic || kind === Kind.End) continue;
      const x = this.x(scene, row);
      if (Number.isNaN(x)) continue;
      const y = this.y(scene, place);
      context.fillStyle = context.strokeStyle = palette.kinds[kind];
      if (size < 2.4) {
        if (kind !== Kind.Log) context.fillRect(x - 3, y - size / 2, 6, Math.max(1, size));
        continue;
      }
      drawShape(context, KIND_SHAPES[kind], x, y, size, palette.ground);
      if (scene.alone?.[row] === 1) {
        context.strokeStyle = palette.parting;
        context.lineWidth = 1.5;
        context.beginPath();
        context.arc(x, y, size + 3, 0, 2 * Math.PI);
        context.stroke();
      }
      if (hasNames) this.name(scene, row, x, y);
    }
  }

  /** The message's name beside its step. */
  private name(scene: Scene, row: number, x: number, y: number) {
    const { context } = this;
    const { palette, layout } = scene;
    const name = scene.axis.trace.messageName(row);
    if (name === "") return;
    context.font = "11px system-ui, sans-serif";
    context.textBaseline = "middle";
    context.lineWidth = 3;
    context.strokeStyle = palette.ground;
    context.fillStyle = palette.text;
    // The last lane's ends with the diagram.
    const room = Math.min(layout.gap - 20, this.width - x - 14);
    if (room < NAME_MIN) return;
    const text = shorten(context, name, room);
    context.strokeText(text, x + 11, y + 0.5);
    context.fillText(text, x + 11, y + 0.5);
  }

  /** Bars instead of steps. What was painted is kept while it is only moved. */
  private density(scene: Scene) {
    const { context, width, height, ratio } = this;
    const { axis, view, layout, palette, left, laneOf } = scene;
    const scale = view.scale * ratio;
    const w = Math.max(1, Math.round((width - GUTTER) * ratio));
    const shown = Math.max(1, Math.round(height * ratio));
    const kept = this.kept;
    const isAlike =
      kept?.axis === axis && kept.laneOf === laneOf && kept.scale === scale && kept.layout === layout &&
      kept.left === left && kept.palette === palette && this.layer.width === w;
    const moved = kept ? Math.round((view.top - kept.from) * scale) : 0;
    let top = moved;
    if (!isAlike || moved < 0 || moved + shown > this.layer.height) {
      // Where it is moved, some more is painted, for the frames to come.
      const margin = isAlike ? Math.round(shown / 2) : 0;
      const from = view.top - margin / scale;
      const h = shown + 2 * margin;
      if (this.image?.width !== w || this.image.height !== h) {
        this.image = context.createImageData(w, h);
        [this.layer.width, this.layer.height] = [w, h];
      }
      this.bins.fill(axis, from, scale, h, laneOf, layout.count, palette.kindsRgb);
      this.bins.paint(this.image, (lane) => layout.x(lane) - left, Math.min(layout.gap * 0.82, 72), ratio);
      this.layer.getContext("2d")?.putImageData(this.image, 0, 0);
      this.kept = { axis, laneOf, scale, layout, left, palette, from };
      top = margin;
    }
    context.drawImage(this.layer, 0, top, w, shown, GUTTER, 0, w / ratio, shown / ratio);
  }

  /** Faults, panics and the end, whatever the scale. */
  private specials(scene: Scene, first: number, end: number, isSingle: boolean) {
    const { context, width } = this;
    const { axis, palette, view } = scene;
    const { trace } = axis;
    let lastY = Number.NEGATIVE_INFINITY;
    const low = lowerBound(scene.special, first);
    for (let at = low; at < scene.special.length && scene.special[at] < end; at++) {
      const place = scene.special[at];
      const row = axis.rowAt(place);
      const kind = trace.kind[row];
      const y = this.y(scene, place);
      if (kind === Kind.End) {
        const hasPassed = trace.about.outcome === "passed";
        context.fillStyle = hasPassed ? palette.kinds[Kind.PostStart] : palette.panic;
        context.fillRect(GUTTER, y - 1.5, width - GUTTER, 3);
        continue;
      }
      // Of those on one line of pixels, one is enough.
      if (!isSingle && y - lastY < 2 && kind !== Kind.Panic) continue;
      lastY = y;
      const x = this.x(scene, row);
      if (Number.isNaN(x)) continue;
      const colour = kind === Kind.Panic ? palette.panic : palette.fault;
      const readable = view.isReadable();
      context.fillStyle = context.strokeStyle = colour;
      context.globalAlpha = 0.16;
      context.beginPath();
      context.arc(x, y, readable ? 11 : 8, 0, 2 * Math.PI);
      context.fill();
      context.globalAlpha = 1;
      drawShape(context, KIND_SHAPES[kind], x, y, readable ? 7 : 5, palette.ground);
    }
  }

  private ticks(scene: Scene, first: number, end: number) {
    const { context, height } = this;
    const { axis, view, palette, found } = scene;
    const { trace } = axis;
    context.font = "11px ui-monospace, 'DejaVu Sans Mono', monospace";
    context.textBaseline = "middle";
    context.textAlign = "right";
    context.fillStyle = palette.line;
    context.fillRect(GUTTER - 1, 0, 1, height);
    context.fillStyle = palette.muted;
    if (view.isReadable()) {
      for (let place = first; place < end; place++) {
        const row = axis.rowAt(place);
        const y = this.y(scene, place);
        if (found?.[row]) {
          context.fillStyle = palette.found;
          context.fillRect(0, y - view.scale / 2, 4, view.scale);
          context.fillStyle = palette.muted;
        }
        if (!trace.isStep(row)) continue;
        context.fillText(count(trace.step[row]), GUTTER - 15, y);
        if (trace.choice[row] === Choice.Fifo) continue;
        context.fillStyle = palette.fault;
        context.fillText(trace.choice[row] === Choice.Deviation ? "*" : "+", GUTTER - 7, y + 1);
        context.fillStyle = palette.muted;
      }
    } else if (axis.kind === "step") {
      const every = Math.max(1, niceStep((ROW_READABLE * 3.2) / view.scale));
      // Round numbers of steps, which lie unevenly where rows are left out.
      const step = (place: number) => trace.step[axis.rowAt(Math.min(place, axis.length - 1))];
      let lastY = Number.NEGATIVE_INFINITY;
      const [low, high] = [step(first), step(Math.max(first, end - 1))];
      const between = Math.max(every, niceStep((high - low) / 24));
      for (let at = Math.ceil(low / between) * between; at <= high; at += between) {
        const row = trace.rowAtStep(at);
        if (row === NONE) continue;
        const y = this.y(scene, axis.nearestPlace(row));
        if (y - lastY < 16) continue;
        lastY = y;
        context.fillText(count(at), GUTTER - 8, y);
        context.fillRect(GUTTER - 5, y, 4, 1);
      }
    } else {
      const every = niceStep(56 / view.scale);
      const isFine = every < MILLISECOND / 1e3;
      // Fine ticks count from the millisecond before, which is named at the top.
      if (isFine && view.top > 0) context.fillText(timeTick(Math.floor(view.top / MILLISECOND) * MILLISECOND, MILLISECOND), GUTTER - 8, 9);
      for (let point = Math.ceil(view.top / every) * every; point <= view.bottom(); point += every) {
        if (point < 0) continue;
        const y = view.y(point);
        if (isFine && y < 20) continue;
        context.fillText(timeTick(point, every), GUTTER - 8, y);
        context.fillRect(GUTTER - 5, y, 4, 1);
      }
    }
    context.textAlign = "left";
  }
}

const MILLISECOND = 1e6;

/**
 * A time with as many decimals as its ticks need; where these are closer than a microsecond,
 * the time since the last whole millisecond: `0.093 s`, then `+12.5 µs`.
 */
export function timeTick(ns: number, every: number): string {
  if (every < MILLISECOND / 1e3) {
    const rest = Math.round(ns % MILLISECOND * 1e3) / 1e3;
    if (rest > 0 && rest < MILLISECOND) return `+${duration(rest)}`;
    every = MILLISECOND;
  }
  const whole = Math.floor(ns / 1e9);
  const rest = seconds(whole, Math.round(ns - whole * 1e9));
  const decimals = Math.max(0, 9 - Math.floor(Math.log10(Math.max(1, every)) + 1e-9));
  const text = decimals === 0 ? rest.split(".")[0] : rest.slice(0, rest.length - (9 - Math.min(9, decimals)));
  return `${text} s`;
}

/** A message: a straight line, or a bow when it stays in its lane. */
function path(context: CanvasRenderingContext2D, x1: number, y1: number, x2: number, y2: number) {
  context.moveTo(x1, y1);
  if (Math.abs(x1 - x2) < 1) {
    const bow = Math.min(22, 8 + Math.abs(y2 - y1) * 0.12);
    context.bezierCurveTo(x1 + bow, y1 + 2, x2 + bow, y2 - 2, x2, y2);
  } else {
    context.lineTo(x2, y2);
  }
}

function angle(x1: number, y1: number, x2: number, y2: number): number {
  return Math.abs(x1 - x2) < 1 ? 0.8 * Math.PI : Math.atan2(y2 - y1, x2 - x1);
}

/** The head of an arrow, just before the shape of its step. */
function head(context: CanvasRenderingContext2D, x: number, y: number, direction: number, size: number) {
  const [tipX, tipY] = [x - Math.cos(direction) * 6, y - Math.sin(direction) * 6];
  context.beginPath();
  context.moveTo(tipX, tipY);
  context.lineTo(tipX - Math.cos(direction - 0.4) * size, tipY - Math.sin(direction - 0.4) * size);
  context.lineTo(tipX - Math.cos(direction + 0.4) * size, tipY - Math.sin(direction + 0.4) * size);
  context.closePath();
  context.fill();
}

export function shorten(context: CanvasRenderingContext2D, text: string, width: number): string {
  if (context.measureText(text).width <= width) return text;
  let [low, high] = [0, text.length];
  while (low < high) {
    const middle = (low + high + 1) >>> 1;
    if (context.measureText(`${text.slice(0, middle)}…`).width <= width) low = middle;
    else high = middle - 1;
  }
  return `${text.slice(0, low)}…`;
}

function lowerBound(sorted: number[], least: number): number {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (sorted[middle] < least) low = middle + 1;
    else high = middle;
  }
  return low;
}
