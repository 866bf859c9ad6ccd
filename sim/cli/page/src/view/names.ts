// Names above the lanes: at which angle they are, how far lanes may be apart so that the
// last name ends within the diagram, and how a name is cut that is too long.

/** Level beneath each other's lanes, at an angle, or upright where there is no room for that. */
export type Angle = "level" | "slanted" | "upright";

export interface NamePlan {
  angle: Angle;
  /** Pixels that a name may take along its direction. */
  lengthMax: number;
  /** Height of the strip of names. */
  height: number;
  /** Lanes are no further apart than this. */
  gapMax: number;
}

/** Names at an angle rise by this much to a pixel of their length, and run to the right. */
export const SLANT_DEGREES = 52;
const RISE = Math.sin((SLANT_DEGREES * Math.PI) / 180);
const RUN = Math.cos((SLANT_DEGREES * Math.PI) / 180);

const LEVEL_HEIGHT = 30;
/** Room below and above a name, and for its own height, in pixels. */
const MARGIN = 18;
/** Longer names are cut until somebody makes the strip higher. */
const LENGTH_AT_FIRST = 170;
const LENGTH_MIN = 48;
/** Lanes are drawn closer than this only below upright names. */
const SLANTED_GAP_MIN = 20;
export const GAP_MAX = 150;

/**
 * From the lengths of the names in pixels and the width of the lanes. `height` is what a
 * person has chosen for the strip, `heightMax` what the page can spare.
 */
export function planNames(lengths: number[], space: number, heightMax: number, height?: number): NamePlan {
  const lanes = Math.max(1, lengths.length);
  const even = Math.min(GAP_MAX, space / lanes);
  const longest = Math.max(0, ...lengths);
  if (longest <= even - 6) return { angle: "level", lengthMax: even - 6, height: LEVEL_HEIGHT, gapMax: GAP_MAX };
  const wanted = height ?? Math.min(longest, LENGTH_AT_FIRST) * RISE + MARGIN;
  const least = LENGTH_MIN * RISE + MARGIN;
  const shown = Math.round(Math.max(least, Math.min(wanted, heightMax, longest + MARGIN)));
  const slanted = Math.min(longest, (shown - MARGIN) / RISE);
  let gapMax = even;
  lengths.forEach((length, lane) => {
    const run = RUN * Math.min(length, slanted) + 8;
    gapMax = Math.min(gapMax, (space - run) / (lane + 0.5));
  });
  if (gapMax >= Math.max(SLANTED_GAP_MIN, even * 0.6)) return { angle: "slanted", lengthMax: slanted, height: shown, gapMax };
  return { angle: "upright", lengthMax: shown - MARGIN + 6, height: shown, gapMax: GAP_MAX };
}

/** The height at which no name is cut. */
export function heightOfAll(lengths: number[]): number {
  return Math.ceil(Math.max(0, ...lengths) + MARGIN);
}

/**
 * A text that is no wider than `width`. What is left out is its middle: names often differ
 * at their end.
 */
export function cutMiddle(text: string, width: number, measure: (text: string) => number): string {
  if (measure(text) <= width) return text;
  // By characters, so that none is cut in two.
  const letters = Array.from(text);
  const cut = (kept: number) => {
    const end = Math.floor(kept / 2);
    return `${letters.slice(0, kept - end).join("")}…${letters.slice(letters.length - end).join("")}`;
  };
  let [low, high] = [0, letters.length - 1];
  while (low < high) {
    const middle = (low + high + 1) >>> 1;
    if (measure(cut(middle)) <= width) low = middle;
    else high = middle - 1;
  }
  return low === 0 ? "…" : cut(low);
}
