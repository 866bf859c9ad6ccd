// Colours for the canvas, taken from the style sheet, which has them for everything.

export type Rgb = [number, number, number];

export interface Palette {
  isDark: boolean;
  ground: string;
  line: string;
  faint: string;
  text: string;
  muted: string;
  accent: string;
  band: string;
  fault: string;
  panic: string;
  parting: string;
  found: string;
  /** By number of kind. */
  kinds: string[];
  kindsRgb: Rgb[];
}

/** The name of the colour of each kind. */
export const KIND_COLOURS = [
  "start", "start", "handle", "supervision", "stop", "task", "resume",
  "new", "fault", "panic", "log", "end", "unhandled", "log", "log",
];

/** The shape of each kind. Colour alone tells nothing to some. */
export type Shape = "triangle" | "disc" | "ring" | "diamond" | "square" | "pill" | "plus" | "bolt" | "cross" | "dash" | "bar" | "empty";
export const KIND_SHAPES: Shape[] = [
  "triangle", "triangle", "disc", "diamond", "square", "pill", "ring",
  "plus", "bolt", "cross", "dash", "bar", "empty", "dash", "dash",
];

export function rgb(colour: string): Rgb {
  const number = Number.parseInt(colour.slice(1), 16);
  return [(number >> 16) & 255, (number >> 8) & 255, number & 255];
}

export function readPalette(root: Element): Palette {
  const style = getComputedStyle(root);
  const get = (name: string) => style.getPropertyValue(`--${name}`).trim();
  const kinds = KIND_COLOURS.map((name) => get(`kind-${name}`));
  return {
    isDark: get("dark") === "1",
    ground: get("ground"),
    line: get("line"),
    faint: get("faint"),
    text: get("text"),
    muted: get("muted"),
    accent: get("accent"),
    band: get("band"),
    fault: get("kind-fault"),
    panic: get("kind-panic"),
    parting: get("parting"),
    found: get("found"),
    kinds,
    kindsRgb: kinds.map(rgb),
  };
}
