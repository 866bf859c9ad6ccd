// The state of an actor as text, laid out and compared line by line.

const OPEN = "([{";
const CLOSE = ")]}";
/** Longer than this, brackets are spread over lines. */
const WIDTH = 48;

/** Lay out a text as Rust's `{:?}` gives it in the way of `{:#?}`, short parts in one line. */
export function layOut(text: string): string[] {
  if (text.includes("\n")) return text.split("\n");
  const lines: string[] = [];
  let line = "";
  let depth = 0;
  const end = () => {
    if (line.trim() !== "") lines.push(line);
    line = "  ".repeat(depth);
  };
  for (let at = 0; at < text.length; at++) {
    const letter = text[at];
    if (letter === '"') {
      const close = endOfString(text, at);
      line += text.slice(at, close);
      at = close - 1;
    } else if (OPEN.includes(letter)) {
      const close = closing(text, at);
      if (close - at <= WIDTH) {
        line += text.slice(at, close);
        at = close - 1;
        continue;
      }
      line += letter;
      depth++;
      end();
      while (text[at + 1] === " ") at++;
    } else if (CLOSE.includes(letter) && depth > 0) {
      depth--;
      end();
      line += letter;
    } else if (letter === "," && depth > 0) {
      line += letter;
      end();
      while (text[at + 1] === " ") at++;
    } else {
      line += letter;
    }
  }
  depth = 0;
  end();
  return lines.map((it) => it.trimEnd());
}

function endOfString(text: string, start: number): number {
  for (let at = start + 1; at < text.length; at++) {
    if (text[at] === "\\") at++;
    else if (text[at] === '"') return at + 1;
  }
  return text.length;
}

/** Behind the bracket that closes the one at `start`. */
function closing(text: string, start: number): number {
  let depth = 0;
  for (let at = start; at < text.length; at++) {
    const letter = text[at];
    if (letter === '"') at = endOfString(text, at) - 1;
    else if (OPEN.includes(letter)) depth++;
    else if (CLOSE.includes(letter) && --depth === 0) return at + 1;
  }
  return text.length;
}

export interface DiffLine {
  mark: " " | "-" | "+";
  text: string;
}

/** Unchanged lines that are shown around changed ones. */
const AROUND = 3;

/** The lines in runs: those that are shown, and unchanged ones further from any change. */
export function foldUnchanged(lines: DiffLine[]): { isFolded: boolean; lines: DiffLine[] }[] {
  const near = new Uint8Array(lines.length);
  lines.forEach(({ mark }, at) => {
    if (mark !== " ") near.fill(1, Math.max(0, at - AROUND), at + AROUND + 1);
  });
  // Without a change everything is shown.
  if (!near.includes(1)) return lines.length > 0 ? [{ isFolded: false, lines }] : [];
  const runs: { isFolded: boolean; lines: DiffLine[] }[] = [];
  lines.forEach((line, at) => {
    const isFolded = near[at] === 0;
    const last = runs[runs.length - 1];
    if (last?.isFolded === isFolded) last.lines.push(line);
    else runs.push({ isFolded, lines: [line] });
  });
  // A fold takes a line itself.
  return runs.map((run) => ({ ...run, isFolded: run.isFolded && run.lines.length > 2 }));
}

/** Lines that are compared one by one, at most; beyond, the middle is replaced as a whole. */
const COMPARED_MAX = 600;

/** The lines of both, with what was taken away and what was added. */
export function diffLines(before: string[], after: string[]): DiffLine[] {
  let start = 0;
  while (start < before.length && start < after.length && before[start] === after[start]) start++;
  let [endA, endB] = [before.length, after.length];
  while (endA > start && endB > start && before[endA - 1] === after[endB - 1]) {
    endA--;
    endB--;
  }
  const a = before.slice(start, endA);
  const b = after.slice(start, endB);
  const same = (text: string): DiffLine => ({ mark: " ", text });
  return [
    ...before.slice(0, start).map(same),
    ...(a.length > COMPARED_MAX || b.length > COMPARED_MAX ? replaced(a, b) : compared(a, b)),
    ...before.slice(endA).map(same),
  ];
}

function replaced(a: string[], b: string[]): DiffLine[] {
  return [
    ...a.map((text): DiffLine => ({ mark: "-", text })),
    ...b.map((text): DiffLine => ({ mark: "+", text })),
  ];
}

/** By the longest common subsequence. */
function compared(a: string[], b: string[]): DiffLine[] {
  const width = b.length + 1;
  const longest = new Uint16Array((a.length + 1) * width);
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) {
      longest[i * width + j] =
        a[i] === b[j]
          ? longest[(i + 1) * width + j + 1] + 1
          : Math.max(longest[(i + 1) * width + j], longest[i * width + j + 1]);
    }
  }
  const lines: DiffLine[] = [];
  let [i, j] = [0, 0];
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) {
      lines.push({ mark: " ", text: a[i++] });
      j++;
    } else if (
      j >= b.length ||
      (i < a.length && longest[(i + 1) * width + j] >= longest[i * width + j + 1])
    ) {
      lines.push({ mark: "-", text: a[i++] });
    } else {
      lines.push({ mark: "+", text: b[j++] });
    }
  }
  return lines;
}
