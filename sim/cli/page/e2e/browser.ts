// Pages as a person meets them: written by `retake view`, opened in Chromium.

import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { deflateSync } from "node:zlib";
import axe from "axe-core";
import { chromium, type Browser, type BrowserContextOptions, type Page } from "playwright-core";
import type { Columns } from "../src/data/decode";
import type { App } from "../src/ui/app";

declare global {
  interface Window {
    retake: App;
    axe: typeof axe;
  }
}

const RETAKE = resolve(process.env.RETAKE ?? "../../../target/release/retake");
const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";
/** Where screenshots go; none are taken without. */
const SHOTS = process.env.SHOTS;

export const folder = mkdtempSync(join(tmpdir(), "retake-view-"));
export const inFolder = (name: string) => join(folder, name);
export const cleanUp = () => rmSync(folder, { recursive: true });

/** Run the command; a run that fails is as good as one that passes. */
export function retake(...args: string[]): string {
  try {
    return execFileSync(RETAKE, args, { cwd: folder, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
  } catch (error) {
    const { status, stderr } = error as { status: number | null; stderr: string };
    if (status === 1) return "";
    throw new Error(`${RETAKE} ${args.join(" ")}: ${stderr || error}`);
  }
}

/** Record a scenario and write its page. */
export function pageOf(name: string, scenario: string, ...more: string[]): string {
  retake("run", scenario, ...more, "--trace", `${name}.retake`);
  retake("view", `${name}.retake`, "--open-nothing");
  return inFolder(`${name}.html`);
}

/** A page with events that no scenario would have. */
export function pageWith(name: string, { description, columns }: Columns): string {
  const parts: Uint8Array[] = [];
  const list = [...columns].map(([column, numbers]) => ({ name: column, width: numbers.BYTES_PER_ELEMENT, length: numbers.length }));
  const text = JSON.stringify({ ...description, columns: list });
  const padded = Buffer.from(text + " ".repeat((4 - (Buffer.byteLength(text) % 4)) % 4));
  const head = Buffer.alloc(12);
  head.write("RTKVIEW1");
  head.writeUInt32LE(padded.length, 8);
  parts.push(head, padded);
  for (const numbers of columns.values()) {
    const bytes = new Uint8Array(Math.ceil(numbers.byteLength / 4) * 4);
    bytes.set(new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength));
    parts.push(bytes);
  }
  const data = deflateSync(Buffer.concat(parts)).toString("base64");
  const template = readFileSync("dist/view.html", "utf8");
  const block = `<script type="application/octet-stream" id="trace-0">${data}</script>`;
  writeFileSync(inFolder(name), template.replace("<!-- retake data -->", () => block));
  return inFolder(name);
}

let browser: Browser | undefined;
export async function start() {
  browser = await chromium.launch({
    executablePath: CHROMIUM,
    args: [
      "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
      "--disable-background-networking", "--disable-component-update", "--disable-sync",
    ],
  });
}
export const stop = () => browser?.close();

export interface Opened {
  page: Page;
  /** What went wrong or out: has to be empty. */
  trouble: string[];
  close: () => Promise<void>;
}

/** Open a page, with all that it says and asks for noted. */
export async function open(path: string, options: BrowserContextOptions = {}): Promise<Opened> {
  if (!browser) throw new Error("the browser was not started");
  const context = await browser.newContext({ viewport: { width: 1400, height: 900 }, colorScheme: "light", ...options });
  const page = await context.newPage();
  // What a key does is drawn in the next frame, which may take its time.
  const press = page.keyboard.press.bind(page.keyboard);
  page.keyboard.press = async (...args) => {
    await press(...args);
    await settled(page);
  };
  const trouble: string[] = [];
  page.on("console", (message) => trouble.push(`${message.type()}: ${message.text()}`));
  page.on("pageerror", (error) => trouble.push(`error: ${error.message}`));
  const url = path.startsWith("http") ? path : `file://${path}`;
  page.on("request", (request) => {
    if (request.url().split("#")[0] !== url) trouble.push(`request: ${request.url()}`);
  });
  await page.goto(url);
  await page.waitForFunction(() => document.readyState !== "loading" && (performance.getEntriesByName("retake-drawn").length > 0 || document.querySelector(".failed") !== null), undefined, { timeout: 15_000 });
  return { page, trouble, close: () => context.close() };
}

/** The frames that were asked for are drawn. */
export const settled = (page: Page) =>
  page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));

export async function shot(page: Page, name: string) {
  if (SHOTS) await page.screenshot({ path: join(SHOTS, `${name}.png`) });
}

/** What a check of accessibility finds, in a line each. */
export async function violations(page: Page): Promise<string[]> {
  await page.evaluate(axe.source);
  const found = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
  return found.violations.flatMap(({ id, nodes }) => nodes.map(({ target, failureSummary }) => `${id}: ${target.join(" ")}: ${failureSummary}`));
}
