// From an element of the page to columns of numbers. The other side is
// `sim/cli/src/view/encode.rs`, which documents the bytes.

export interface About {
  name: string;
  notes: string[];
  program: string;
  scenario: string;
  seed: string;
  strategy: string;
  faults: string[];
  versions: [string, string][];
  code: string;
  story: boolean;
  causality: boolean;
  states?: boolean;
  /** What avoids the failure, in sentences, and the steps that they name. */
  reasons?: string[];
  decisive?: number[];
  outcome: string | null;
  detail: string | null;
  steps: number | null;
  from: number;
  to: number | null;
}

export interface Description {
  about: About;
  /** What happens, by kind; and names of links, by number. */
  verbs: string[];
  links: string[];
  first_step: number;
  first_s: number;
  first_ns: number;
  columns: { name: string; width: 1 | 2 | 4; length: number }[];
}

export interface Comparison {
  header: { field: string; left: string; right: string }[];
  story_compared: boolean;
  same_steps: number;
  parts: boolean;
  /** The rows at which they part, where these are on the page. */
  parting: [number, number] | null;
  /** How they relate by what caused what, as `retake diff` has it. */
  verdict: "identical" | "reordered" | "raced" | "different" | "by_line";
  moved: number;
  /** Events without a counterpart, and the step of the first of them, by side. */
  alone: [number, number];
  alone_first: [number | null, number | null];
  /** Two events that one task took in another order. */
  races: { who: string; events: RacedEvent[] }[];
}

export interface RacedEvent {
  what: string;
  left: number;
  right: number;
}

export type Column = Uint8Array | Uint16Array | Uint32Array;

export interface Columns {
  description: Description;
  columns: Map<string, Column>;
}

type FromBase64 = { fromBase64?: (text: string) => Uint8Array<ArrayBuffer> };

function fromBase64(text: string): Uint8Array<ArrayBuffer> {
  const native = (Uint8Array as unknown as FromBase64).fromBase64;
  if (native) return native.call(Uint8Array, text);
  const letters = atob(text);
  const bytes = new Uint8Array(letters.length);
  for (let i = 0; i < letters.length; i++) bytes[i] = letters.charCodeAt(i);
  return bytes;
}

/** Base64 of zlib of something. */
export async function unpack(text: string): Promise<ArrayBuffer> {
  const packed = new Blob([fromBase64(text.trim())]).stream();
  return new Response(packed.pipeThrough(new DecompressionStream("deflate"))).arrayBuffer();
}

export function parse(buffer: ArrayBuffer): Columns {
  const bytes = new Uint8Array(buffer);
  const text = new TextDecoder();
  if (text.decode(bytes.subarray(0, 8)) !== "RTKVIEW1") {
    throw new Error("the data of this page is not as `retake view` writes it");
  }
  const length = new DataView(buffer).getUint32(8, true);
  const description = JSON.parse(text.decode(bytes.subarray(12, 12 + length))) as Description;
  const columns = new Map<string, Column>();
  let place = 12 + length;
  for (const { name, width, length } of description.columns) {
    const end = place + width * length;
    if (end > bytes.length) throw new Error(`the data of this page ends within \`${name}\``);
    // Typed arrays take the machine's order of bytes; every browser's is little-endian.
    const Kind = width === 1 ? Uint8Array : width === 2 ? Uint16Array : Uint32Array;
    columns.set(name, new Kind(buffer, place, length));
    place = Math.ceil(end / 4) * 4;
  }
  return { description, columns };
}
