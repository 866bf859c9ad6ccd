import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Kind } from "../src/data/trace";
import { columnsOf } from "../tests/make";
import { cleanUp, inFolder, open, pageOf, pageWith, retake, settled, shot, start, stop, violations } from "./browser";

let failing = "";
let faults = "";
let both = "";
beforeAll(async () => {
  failing = pageOf("failing", "zoo/pool_timeout/buggy", "--seed", "3");
  faults = pageOf("faults", "recovery/worker_crash", "--seed", "7");
  pageOf("three", "zoo/raft/buggy", "--seed", "3");
  pageOf("four", "zoo/raft/buggy", "--seed", "4");
  retake("view", "three.retake", "four.retake", "-o", "both.html", "--open-nothing");
  both = inFolder("both.html");
  await start();
});
afterAll(async () => {
  await stop();
  cleanUp();
});

describe("a failed run", () => {
  it("opens at the step in which a check failed, and asks nobody for anything", async () => {
    const { page, trouble, close } = await open(failing);
    await expect.poll(() => page.locator(".details h2").textContent()).toContain("scenario");
    expect(await page.locator(".badge").textContent()).toBe("violated");
    expect(await page.locator(".list-row.selected .what").textContent()).toContain("resumes");
    expect(await page.title()).toBe("failing.retake: zoo/pool_timeout/buggy");
    expect(trouble).toEqual([]);
    await shot(page, "failing-light");
    await close();
  });

  it("is accessible, light and dark, with everything open", async () => {
    for (const colorScheme of ["light", "dark"] as const) {
      const { page, close } = await open(failing, { colorScheme });
      await page.keyboard.press("s");
      expect(await violations(page)).toEqual([]);
      await shot(page, `filter-${colorScheme}`);
      await page.locator(".list").focus();
      await page.keyboard.press("?");
      expect(await page.locator("dialog").isVisible()).toBe(true);
      expect(await violations(page)).toEqual([]);
      await shot(page, `help-${colorScheme}`);
      await close();
    }
  });

  it("is gone through with the keys alone", async () => {
    const { page, trouble, close } = await open(failing);
    const selected = () => page.locator(".list-row.selected");
    const said = () => page.locator("[aria-live=polite]").textContent();
    await page.keyboard.press("Home");
    expect(await selected().textContent()).toContain("new scenario");
    for (const key of ["ArrowDown", "j"]) await page.keyboard.press(key);
    expect(await selected().textContent()).toContain("pool");
    await page.keyboard.press("/");
    await page.keyboard.type("CheckIn");
    await page.keyboard.press("Enter");
    expect(await selected().textContent()).toContain("CheckIn");
    expect(await page.locator(".found-count").textContent()).toBe("1 / 1");
    await page.locator(".diagram").focus();
    await page.keyboard.press("c");
    expect(await said()).toContain("client#2 resumes");
    await page.keyboard.press("e");
    expect(await said()).toContain("pool handles CheckIn");
    await page.keyboard.press("b");
    expect(await said()).toContain("client#2 resumes");
    await page.keyboard.press("ArrowLeft");
    expect(await said()).toContain("client#2 resumes");
    await page.keyboard.press("t");
    expect(await said()).toBe("Axis: virtual time");
    await page.keyboard.press("Escape");
    expect(await page.locator(".details").isVisible()).toBe(false);
    // The list is one stop, and says what is selected.
    await page.keyboard.press("t");
    await page.locator(".list").focus();
    await page.keyboard.press("End");
    const active = await page.locator(".list").getAttribute("aria-activedescendant");
    expect(await page.locator(`[id="${active}"]`).textContent()).toContain("END");
    expect(trouble).toEqual([]);
    await close();
  });

  it("shows where the keyboard is", async () => {
    const { page, close } = await open(failing);
    const seen: string[] = [];
    for (let at = 0; at < 14; at++) {
      await page.keyboard.press("Tab");
      const [name, outline] = await page.evaluate(() => {
        const element = document.activeElement as HTMLElement;
        return [element.getAttribute("aria-label") ?? element.textContent ?? "", getComputedStyle(element).outlineStyle];
      });
      if (name === "" || name.length > 300) continue;
      seen.push(name);
      expect(outline, name).not.toBe("none");
    }
    expect(new Set(seen).size).toBeGreaterThan(6);
    await close();
  });
});

describe("a diagram", () => {
  it("tells about the step that is clicked: cause, effects, time", async () => {
    const { page, trouble, close } = await open(failing);
    await page.keyboard.press("Escape");
    // The second Checkout is handled at step 7.
    const at = await page.evaluate(() => {
      const pane = window.retake.panes[0];
      const row = pane.trace.rowAtStep(7);
      const box = pane.diagram.getBoundingClientRect();
      const x = box.left + 78 + pane.layout.x(pane.laneOf[pane.trace.task[row]]);
      return { x, y: box.top + window.retake.view.y(pane.axis.at(row)) };
    });
    await page.mouse.click(at.x, at.y);
    const details = page.locator(".details");
    expect(await details.textContent()).toContain("Checkout");
    expect(await page.evaluate(() => location.hash)).toBe("#step=7");
    expect(await details.locator(".hop").allTextContents()).toEqual(["4 scenario → client begins3 steps", "7 client → pool Checkout3 steps"]);
    await details.locator(".hop").last().click();
    await page.keyboard.press("Tab");
    await page.locator(".diagram").focus();
    await page.keyboard.press("c");
    expect(await details.textContent()).toContain("What followed from it (1)");
    await details.locator(".link").filter({ hasText: "Checkout" }).first().click();
    expect(await page.evaluate(() => location.hash)).toBe("#step=7");
    expect(trouble).toEqual([]);
    await close();
  });

  it("breaks a request down across actors", async () => {
    const { page, close } = await open(faults);
    await page.evaluate(() => {
      const { trace } = window.retake.panes[0];
      // A governor that resumes after the ledger has answered.
      let row = trace.rowAtStep(2000);
      while (!(trace.kind[row] === 6 && trace.who(row).startsWith("governor/") && window.retake.panes[0].trace.who(trace.previous[row]) === trace.who(row))) row++;
      for (;; row++) {
        window.retake.panes[0].select(row);
        if (trace.who(row).startsWith("governor/") && window.retake.panes[0].chain.length >= 5) break;
      }
      window.retake.select(window.retake.panes[0], row);
    });
    await page.keyboard.press("Enter");
    const hops = await page.locator(".hop").allTextContents();
    expect(hops.length).toBeGreaterThanOrEqual(5);
    expect(hops.join("\n")).toMatch(/client-\d+ → governor\/tenant-\d+ Signal/);
    expect(hops.join("\n")).toMatch(/governor\/tenant-\d+ → ledger Append/);
    expect(hops.join("\n")).toMatch(/ledger → governor\/tenant-\d+ answer/);
    expect(await page.locator(".waterfall p").first().textContent()).toMatch(/µs|ms/);
    await shot(page, "request");
    await close();
  });

  it("marks faults, goes from one to the next, and zooms", async () => {
    const { page, trouble, close } = await open(faults, { colorScheme: "dark" });
    await shot(page, "whole-dark");
    await page.getByRole("button", { name: "Next fault" }).click();
    await settled(page);
    expect(await page.locator(".list-row.selected").textContent()).toContain("FAULT: killed");
    await page.locator(".diagram").focus();
    const scale = () => page.evaluate(() => window.retake.view.scale);
    const before = await scale();
    await page.keyboard.press("+");
    expect(await scale()).toBeGreaterThan(before);
    await page.keyboard.press("Enter");
    expect(await scale()).toBe(22);
    await page.keyboard.press("f");
    expect(await page.locator(".list-row.selected").textContent()).toContain("FAULT: killed");
    await shot(page, "fault-dark");
    await page.mouse.move(400, 500);
    await page.mouse.wheel(0, 220);
    const top = await page.evaluate(() => window.retake.view.top);
    await page.mouse.down();
    await page.mouse.move(400, 400);
    await page.mouse.up();
    expect(await page.evaluate(() => window.retake.view.top)).toBeGreaterThan(top);
    await page.keyboard.down("Control");
    await page.mouse.wheel(0, 400);
    await page.keyboard.up("Control");
    expect(await scale()).toBeLessThan(22);
    expect(trouble).toEqual([]);
    await close();
  });

  it("has the rows of its list beside its own", async () => {
    const { page, close } = await open(faults);
    await page.evaluate(() => window.retake.select(window.retake.panes[0], window.retake.panes[0].trace.rowAtStep(5000)));
    await page.locator(".diagram").focus();
    await page.keyboard.press("Enter");
    const apart = await page.evaluate(() => {
      const pane = window.retake.panes[0];
      const y = pane.diagram.getBoundingClientRect().top + window.retake.view.y(pane.axis.at(pane.axis.placeOf(pane.selected)));
      const row = document.querySelector(".list-row.selected")!.getBoundingClientRect();
      return Math.abs((row.top + row.bottom) / 2 - y);
    });
    expect(apart).toBeLessThan(1.5);
    await close();
  });
});

describe("what is shown", () => {
  it("is chosen by words, kinds, actors and messages", async () => {
    const { page, trouble, close } = await open(faults);
    const counted = page.locator(".counted");
    const shown = async () => Number((await counted.textContent())!.split(" of ")[0].replace(/\D/g, ""));
    await page.keyboard.press("s");
    const all = await shown();
    await page.keyboard.type("kind:fault");
    await expect.poll(shown).toBe(40);
    await page.locator("#filter").fill("");
    await expect.poll(shown).toBe(all);
    await page.getByRole("checkbox", { name: /^log/ }).uncheck();
    // 2,004 events that actors log, and the ends of the 40 that are killed.
    await expect.poll(shown).toBe(all - 2044);
    await page.getByRole("checkbox", { name: /^log/ }).check();
    const lanes = await page.locator(".head").count();
    await page.getByRole("button", { name: "Only ledger", exact: true }).focus();
    await page.keyboard.press("Enter");
    await expect.poll(() => page.locator(".head").count()).toBe(1);
    expect(await shown()).toBeLessThan(all / 2);
    await page.getByRole("button", { name: "all", exact: true }).click();
    await expect.poll(() => page.locator(".head").count()).toBe(lanes);
    await page.getByRole("button", { name: "client-*: lanes of its own" }).click();
    await expect.poll(() => page.evaluate(() => window.retake.lanes.list.length)).toBe(lanes + 19);
    await page.getByRole("checkbox", { name: /^Signal/ }).uncheck();
    await expect.poll(shown).toBeLessThan(all);
    await shot(page, "filtered");
    expect(trouble).toEqual([]);
    await close();
  });

  it("may be nothing", async () => {
    const { page, trouble, close } = await open(failing);
    await page.keyboard.press("s");
    await page.keyboard.type("no such words anywhere");
    await expect.poll(() => page.locator(".counted").textContent()).toContain("0 of ");
    await page.locator(".diagram").focus();
    for (const key of ["ArrowDown", "0", "t", "+", "f", "n", "End", "PageDown"]) await page.keyboard.press(key);
    expect(trouble).toEqual([]);
    await close();
  });
});

describe("colours", () => {
  it("follow the system and the button", async () => {
    const ground = (page: { evaluate: (f: () => string) => Promise<string> }) => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    const { page, close } = await open(failing, { colorScheme: "dark" });
    expect(await ground(page)).toBe("rgb(15, 20, 25)");
    // The canvas as well.
    expect(await page.evaluate(() => Array.from(document.querySelector<HTMLCanvasElement>(".diagram canvas")!.getContext("2d")!.getImageData(200, 2, 1, 1).data.slice(0, 3)))).toEqual([15, 20, 25]);
    await page.getByRole("button", { name: "Light or dark" }).click();
    expect(await ground(page)).toBe("rgb(255, 255, 255)");
    await page.emulateMedia({ colorScheme: "light" });
    await page.keyboard.press("l");
    await page.locator(".diagram").focus();
    await page.keyboard.press("l");
    expect(await ground(page)).toBe("rgb(15, 20, 25)");
    await close();
  });

  it("of paper are light, without what only a screen needs", async () => {
    const { page, close } = await open(failing, { colorScheme: "dark" });
    await page.emulateMedia({ media: "print", colorScheme: "dark" });
    expect(await page.locator(".tools").isVisible()).toBe(false);
    expect((await page.pdf({ format: "A4", landscape: true })).length).toBeGreaterThan(10_000);
    await close();
  });
});

describe("long names of actors", () => {
  const NAMES = [
    "scenario", "ledger",
    ...["north", "south"].map((place) => `warehouse-${place}/replenishment-coordinator-for-perishable-goods`),
    ...["payments", "refunds", "invoices"].map((what) => `gateway-adapter-with-idempotency-and-retry-policy-for-${what}`),
  ];
  const longNames = () => {
    const created = NAMES.slice(1).map((_, at) => ({ kind: Kind.NewTask, task: at + 1 }));
    const handled = Array.from({ length: 60 }, (_, at) => ({ kind: Kind.Handle, task: 1 + (at % (NAMES.length - 1)), text: `Reserve(${at})`, cause: at + 1, ns: 1_000 }));
    const columns = columnsOf(NAMES, [{ kind: Kind.Task, task: 0 }, ...created, ...handled, { kind: Kind.Panic, task: 3, text: "no stock" }, { kind: Kind.End, text: "panicked" }]);
    Object.assign(columns.description.about, { outcome: "panicked", detail: "warehouse-south: no stock", reasons: ["passes if `ledger` is first (step 3)"] });
    return pageWith("long.html", columns);
  };

  it("end within the diagram at every width, and are shown in full when asked for", async () => {
    for (const width of [1280, 800]) {
      for (const colorScheme of ["light", "dark"] as const) {
        const { page, trouble, close } = await open(longNames(), { viewport: { width, height: 900 }, colorScheme });
        const heads = () => page.evaluate(() => {
          const strip = document.querySelector(".heads")!.getBoundingClientRect();
          return Array.from(document.querySelectorAll<HTMLElement>(".head"), (head) => {
            const { left, right, top, bottom } = head.getBoundingClientRect();
            const isWithin = left >= strip.left && right <= strip.right + 1 && top >= strip.top - 1 && bottom <= strip.bottom + 1;
            return { text: head.querySelector(".head-name")!.textContent, title: head.title, isWithin };
          });
        });
        await shot(page, `long-${width}-${colorScheme}`);
        const before = await heads();
        expect(before).toHaveLength(NAMES.length);
        expect(before.filter(({ isWithin }) => !isWithin)).toEqual([]);
        expect(before.map(({ title }) => title.split(";")[0])).toEqual(NAMES);
        expect(before[3].text).toMatch(/^wareh.*….*goods$/);
        await page.getByRole("separator", { name: "Height of the names" }).focus();
        await page.keyboard.press("Enter");
        const after = await heads();
        expect(after.map(({ text }) => text)).toEqual(NAMES);
        expect(after.filter(({ isWithin }) => !isWithin)).toEqual([]);
        // The failure stays on the screen.
        expect(await page.locator('.list-row.selected').isVisible()).toBe(true);
        await shot(page, `long-all-${width}-${colorScheme}`);
        expect(await violations(page)).toEqual([]);
        await page.keyboard.press("Enter");
        expect(await heads()).toEqual(before);
        // What the list cuts is its title.
        await page.locator(".list-row .who", { hasText: "warehouse-south" }).first().hover();
        expect(await page.locator(".list-row[title*='for-perishable-goods']").count()).toBeGreaterThan(0);
        expect(trouble).toEqual([]);
        await close();
      }
    }
  });

  it("are printed with the failure first, on one page before the details", async () => {
    const { page, close } = await open(longNames(), { viewport: { width: 1280, height: 900 } });
    expect(await page.locator(".notes li").first().textContent()).toBe("panicked: warehouse-south: no stock");
    const pdf = (await page.pdf({ preferCSSPageSize: true })).toString("latin1");
    expect(pdf.match(/\/Type\s*\/Page\b/g)).toHaveLength(2);
    await close();
  });
});

describe("a narrow screen", () => {
  it("shows one part at a time, and nothing overflows", async () => {
    const { page, trouble, close } = await open(faults, { viewport: { width: 390, height: 800 }, hasTouch: true, isMobile: true });
    const overflow = () => page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    expect(await overflow()).toBe(0);
    await page.evaluate(() => window.retake.select(window.retake.panes[0], window.retake.panes[0].trace.rowAtStep(1103)));
    await shot(page, "narrow-diagram");
    for (const name of ["List", "Details", "Filter"]) {
      await page.getByRole("navigation").getByRole("button", { name }).tap();
      expect(await overflow()).toBe(0);
      await shot(page, `narrow-${name.toLowerCase()}`);
      expect(await violations(page)).toEqual([]);
    }
    await page.getByRole("navigation").getByRole("button", { name: "List" }).tap();
    await expect.poll(() => page.locator(".list-row.selected").isVisible()).toBe(true);
    expect(trouble).toEqual([]);
    await close();
  });
});

describe("two traces", () => {
  it("stand side by side, with where they part on the screen", async () => {
    const { page, trouble, close } = await open(both, { viewport: { width: 1600, height: 900 } });
    expect(await page.locator(".notes").textContent()).toContain("They share 1 step and part there.");
    const parts = page.locator(".list-row.parts");
    expect(await parts.count()).toBe(2);
    const tops = await parts.evaluateAll((rows) => rows.map((row) => row.getBoundingClientRect().top));
    expect(tops[0]).toBeCloseTo(tops[1], 0);
    expect(await parts.allTextContents()).toEqual([expect.stringContaining("server-1"), expect.stringContaining("server-3")]);
    // The same event comes later in the other.
    expect(await page.locator(".list-row.partner").textContent()).toContain("server-1");
    await page.keyboard.press("o");
    expect(await page.locator(".pane").nth(1).locator(".list-row.selected").textContent()).toContain("server-1");
    // What only one has is said, and a step away; and marked.
    await page.locator(".notes").getByRole("button", { name: "B 18" }).first().click();
    expect(await page.locator(".details dd").nth(1).textContent()).toBe("18");
    expect(await page.locator(".notes").textContent()).toContain("the other way round");
    const alone = await page.evaluate(() => {
      const pane = window.retake.panes[1];
      const row = pane.alone!.indexOf(1);
      window.retake.select(pane, row, { isJump: true });
      return pane.trace.what(row);
    });
    await settled(page);
    expect(await page.locator(".list-row.selected.alone").textContent()).toContain(alone.slice(0, 20));
    await page.locator(".pane").first().locator(".diagram").focus();
    await page.keyboard.press("d");
    await page.keyboard.press("t");
    await page.keyboard.press("t");
    const again = await parts.evaluateAll((rows) => rows.map((row) => row.getBoundingClientRect().top));
    expect(again[0]).toBeCloseTo(again[1], 0);
    expect(await violations(page)).toEqual([]);
    expect(trouble).toEqual([]);
    await shot(page, "both");
    await close();
  });
});

describe("hostile texts", () => {
  const evil = `</script><script>window.hacked=1</script><img src=x onerror="window.hacked=1">{{x}}\u2028\u0000`;

  it("stay texts wherever they are shown", async () => {
    const columns = columnsOf([evil, `${evil}#2`], [
      { kind: Kind.Task, task: 0 },
      { kind: Kind.NewTask, task: 1 },
      { kind: Kind.Handle, task: 1, text: `${evil}(${evil})`, cause: 1 },
      { kind: Kind.Log, task: 1, text: evil },
      { kind: Kind.Panic, task: 1, text: evil },
      { kind: Kind.End, text: evil },
    ]);
    Object.assign(columns.description.about, { name: evil, scenario: evil, outcome: evil, detail: evil, seed: evil, strategy: evil, faults: [evil], notes: [evil] });
    const { page, trouble, close } = await open(pageWith("evil.html", columns));
    await page.keyboard.press("s");
    await page.locator(".diagram").focus();
    for (const key of ["Home", "ArrowDown", "ArrowDown", "ArrowDown", "ArrowDown", "ArrowDown", "c", "e"]) await page.keyboard.press(key);
    await page.locator(".search input").fill(evil);
    await page.keyboard.press("Enter");
    expect(await page.evaluate(() => (window as unknown as { hacked?: number }).hacked)).toBeUndefined();
    expect(await page.locator("img").count()).toBe(0);
    expect(await page.locator(".list-body .list-row").first().textContent()).toContain("<img src=x");
    expect(trouble).toEqual([]);
    await close();
  });

  it("could not run even as markup", async () => {
    const { page, close } = await open(failing);
    const ran = await page.evaluate(async () => {
      document.body.insertAdjacentHTML("beforeend", `<img src="data:," onerror="window.hacked=1">`);
      const script = document.createElement("script");
      script.textContent = "window.hacked=1";
      document.body.append(script);
      await new Promise((done) => setTimeout(done, 200));
      return (window as unknown as { hacked?: number }).hacked;
    });
    expect(ran).toBeUndefined();
    await close();
  });

  it("a page without data says so", async () => {
    const { page, close } = await open(`${process.cwd()}/dist/view.html`);
    expect(await page.locator("[role=alert]").textContent()).toContain("has no data");
    await close();
  });
});
