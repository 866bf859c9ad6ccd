// Many rows to a pixel: how much each lane did, as a bar whose width tells how many
// steps and whose colour tells of which kinds.

import type { Axis } from "./axis";
import type { Rgb } from "./theme";

/** Counts for each lane and line of pixels. */
export class Bins {
  counts = new Uint32Array(0);
  private red = new Float32Array(0);
  private green = new Float32Array(0);
  private blue = new Float32Array(0);
  most = 0;

  constructor(
    public lanes = 0,
    public height = 0,
  ) {}

  private reset(lanes: number, height: number) {
    this.lanes = lanes;
    this.height = height;
    this.most = 0;
    const size = lanes * height;
    if (this.counts.length < size) {
      this.counts = new Uint32Array(size);
      this.red = new Float32Array(size);
      this.green = new Float32Array(size);
      this.blue = new Float32Array(size);
      return;
    }
    this.counts.fill(0, 0, size);
    this.red.fill(0, 0, size);
    this.green.fill(0, 0, size);
    this.blue.fill(0, 0, size);
  }

  /** Count the rows of `height` lines of pixels from a point on, `scale` lines to a unit. */
  fill(axis: Axis, from: number, scale: number, height: number, laneOf: Int32Array, lanes: number, colours: Rgb[]) {
    this.reset(lanes, height);
    const { trace, rows, kind, offset } = axis;
    const first = axis.placeAt(from);
    const last = Math.min(axis.length, axis.placeAt(from + height / scale) + 1);
    const isStep = kind === "step";
    const { counts, red, green, blue } = this;
    for (let place = first; place < last; place++) {
      const row = rows ? rows[place] : place;
      const lane = laneOf[trace.task[row]];
      // No task, or a hidden one.
      if (!(lane >= 0)) continue;
      const point = isStep ? place + 0.5 + offset : trace.time[row];
      const y = ((point - from) * scale) | 0;
      if (y < 0 || y >= height) continue;
      const bin = lane * height + y;
      const count = ++counts[bin];
      if (count > this.most) this.most = count;
      const colour = colours[trace.kind[row]];
      red[bin] += colour[0];
      green[bin] += colour[1];
      blue[bin] += colour[2];
    }
  }

  /** Paint the bars into an image of device pixels. Ground stays transparent. */
  paint(image: ImageData, x: (lane: number) => number, widthMax: number, ratio: number) {
    const pixels = new Uint32Array(image.data.buffer);
    pixels.fill(0);
    const scale = Math.sqrt(Math.max(this.most, 1));
    const least = Math.max(2, Math.round(2 * ratio));
    for (let lane = 0; lane < this.lanes; lane++) {
      const middle = x(lane) * ratio;
      if (middle < -widthMax * ratio || middle > image.width + widthMax * ratio) continue;
      for (let y = 0; y < this.height; y++) {
        const bin = lane * this.height + y;
        const count = this.counts[bin];
        if (count === 0) continue;
        const share = Math.sqrt(count) / scale;
        const width = Math.max(least, Math.round(widthMax * ratio * share));
        // Little-endian: red comes first.
        const colour =
          (255 << 24) |
          ((this.blue[bin] / count) << 16) |
          ((this.green[bin] / count) << 8) |
          (this.red[bin] / count);
        const left = Math.max(0, Math.round(middle - width / 2));
        const right = Math.min(image.width, left + width);
        if (left < right) pixels.fill(colour, y * image.width + left, y * image.width + right);
      }
    }
  }
}
