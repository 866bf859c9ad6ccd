// Which messages cross the screen.

import { NONE, type Trace } from "../data/trace";

const BLOCK = 256;

/** Finds messages by where they are sent and handled. */
export class Arrows {
  /** For each block of sending rows, the last row at which one of its messages is handled. */
  private readonly last: Uint32Array;

  constructor(readonly trace: Trace) {
    this.last = new Uint32Array(Math.ceil(trace.rows / BLOCK));
    for (let row = 0; row < trace.rows; row++) {
      const cause = trace.cause[row];
      // Rows rise, so the last one stays.
      if (cause !== NONE) this.last[Math.floor(cause / BLOCK)] = row;
    }
  }

  /**
   * The rows that handle a message which is sent before `end` and handled from `first`
   * on: those of which something lies between. At most `most`.
   */
  crossing(first: number, end: number, most: number): number[] {
    const { trace } = this;
    const found: number[] = [];
    for (let row = first; row < end && found.length < most; row++) {
      if (trace.cause[row] !== NONE) found.push(row);
    }
    // Sent on the screen or above it, handled below.
    const lastBlock = Math.min(this.last.length - 1, Math.floor((end - 1) / BLOCK));
    for (let block = 0; block <= lastBlock && found.length < most; block++) {
      if (this.last[block] < end) continue;
      const stop = Math.min(end, (block + 1) * BLOCK);
      for (let cause = block * BLOCK; cause < stop; cause++) {
        for (let at = trace.effectsAt[cause]; at < trace.effectsAt[cause + 1]; at++) {
          if (trace.effects[at] >= end && found.length < most) found.push(trace.effects[at]);
        }
      }
    }
    return found;
  }
}
