// The axis: from rows to places along it, and from places to pixels.

import { NONE, firstAtLeast, type Trace } from "../data/trace";

export type AxisKind = "step" | "time";

/** The rows of a trace that are shown, along an axis. */
export class Axis {
  readonly length: number;
  /** The place of each row among those shown; NONE where it is not. */
  private readonly places: Uint32Array | undefined;

  constructor(
    readonly trace: Trace,
    readonly rows: Uint32Array | undefined,
    readonly kind: AxisKind,
    /** Where the first place lies on the axis: aligns two traces. */
    readonly offset = 0,
  ) {
    this.length = rows?.length ?? trace.rows;
    if (rows) {
      this.places = new Uint32Array(trace.rows).fill(NONE);
      for (let place = 0; place < rows.length; place++) this.places[rows[place]] = place;
    }
  }

  rowAt(place: number): number {
    return this.rows ? this.rows[place] : place;
  }

  placeOf(row: number): number {
    return this.places ? this.places[row] : row;
  }

  /** The place of a row, or of the next one that is shown; the last at the end. */
  nearestPlace(row: number): number {
    const exact = this.placeOf(row);
    if (exact !== NONE) return exact;
    const after = firstAtLeast(this.rows as Uint32Array, row, this.length);
    return Math.min(after, this.length - 1);
  }

  /** Where a place lies on the axis: the middle of its row, or its time. */
  at(place: number): number {
    return this.kind === "step" ? place + 0.5 + this.offset : this.trace.time[this.rowAt(place)];
  }

  start(): number {
    if (this.kind === "step") return this.offset;
    return this.length === 0 ? 0 : this.at(0);
  }

  end(): number {
    if (this.kind === "step") return this.length + this.offset;
    return this.length === 0 ? 1 : this.at(this.length - 1);
  }

  /** The first place at or behind a point of the axis. */
  placeAt(point: number): number {
    if (this.kind === "step") {
      return Math.max(0, Math.min(this.length, Math.floor(point - this.offset)));
    }
    if (!this.rows) return this.trace.rowAtTime(point);
    let [low, high] = [0, this.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.trace.time[this.rows[middle]] < point) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** The place that is nearest to a point. */
  closest(point: number): number {
    const after = Math.min(this.placeAt(point), this.length - 1);
    if (this.kind === "step" || after <= 0) return after;
    return point - this.at(after - 1) < this.at(after) - point ? after - 1 : after;
  }
}

/** A height of a row from which on rows carry text, in pixels. */
export const ROW_READABLE = 16;
export const ROW_USUAL = 22;
const ROW_MAX = 48;
/** Nanoseconds to a pixel, at the closest. */
const NS_MIN = 0.05;

/** The part of the axis that is on the screen. */
export class Viewport {
  top = 0;
  /** Pixels to a unit of the axis. */
  scale = 1;
  height = 1;

  constructor(
    public start = 0,
    public end = 1,
    public kind: AxisKind = "step",
  ) {}

  private scaleMin(): number {
    const all = (this.height / Math.max(this.end - this.start, 1e-9)) * 0.94;
    // A short run is not spread over the screen.
    return this.kind === "step" ? Math.min(all, ROW_USUAL) : all;
  }

  private scaleMax(): number {
    return this.kind === "step" ? ROW_MAX : 1 / NS_MIN;
  }

  bottom(): number {
    return this.top + this.height / this.scale;
  }

  y(point: number): number {
    return (point - this.top) * this.scale;
  }

  pointAt(y: number): number {
    return this.top + y / this.scale;
  }

  /** Keep something of the run on the screen. */
  clamp() {
    const least = Math.min(this.scaleMin(), this.scaleMax());
    this.scale = Math.max(least, Math.min(this.scaleMax(), this.scale));
    const shown = this.height / this.scale;
    const margin = shown * 0.03;
    const [low, high] = [this.start - margin, this.end + margin - shown];
    this.top = high < low ? this.start - (shown - (this.end - this.start)) * 0.03 : Math.max(low, Math.min(high, this.top));
  }

  pan(pixels: number) {
    this.top += pixels / this.scale;
    this.clamp();
  }

  zoom(factor: number, y: number) {
    const point = this.pointAt(y);
    this.scale *= factor;
    this.clamp();
    this.top = point - y / this.scale;
    this.clamp();
  }

  fit() {
    this.scale = this.scaleMin();
    this.top = this.start;
    this.clamp();
  }

  center(point: number, share = 0.5) {
    this.top = point - (this.height * share) / this.scale;
    this.clamp();
  }

  /** Move as little as needed to show a point, with some room around. */
  reveal(point: number, room = 60) {
    const margin = Math.min(room, this.height / 3);
    const y = this.y(point);
    if (y < margin) this.pan(y - margin);
    else if (y > this.height - margin) this.pan(y - this.height + margin);
  }

  isReadable(): boolean {
    return this.kind === "step" && this.scale >= ROW_READABLE;
  }
}
