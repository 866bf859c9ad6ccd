// Numbers for people.

/** Exact virtual time, with all nine decimals. */
export function seconds(s: number, ns: number): string {
  return `${s}.${String(ns).padStart(9, "0")}`;
}

const UNITS: [string, number][] = [["s", 1e9], ["ms", 1e6], ["µs", 1e3], ["ns", 1]];

/** A length of time with about four digits: `7.508 µs`. */
export function duration(ns: number): string {
  if (ns === 0) return "0";
  for (const [unit, size] of UNITS) {
    const value = ns / size;
    if (value < 1 && unit !== "ns") continue;
    const digits = value >= 1000 ? 0 : value >= 100 ? 1 : value >= 10 ? 2 : 3;
    return `${trim(value.toFixed(digits))} ${unit}`;
  }
  return `${ns} ns`;
}

function trim(text: string): string {
  return text.includes(".") ? text.replace(/\.?0+$/, "") : text;
}

/** Digits in groups of three. */
export function count(number: number): string {
  return String(number).replace(/\B(?=(\d{3})+(?!\d))/g, " ");
}

/** `1 step`, `2 steps`. */
export function steps(number: number): string {
  return number === 1 ? "1 step" : `${count(number)} steps`;
}

/** The next of 1, 2, 5, 10, 20, … at or above a number. */
export function niceStep(least: number): number {
  if (!(least > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(least));
  for (const factor of [1, 2, 5, 10]) {
    // Powers below one are not exact.
    if (factor * power >= least * (1 - 1e-9)) return factor * power;
  }
  return 10 * power;
}
