// Elements. Text only ever becomes text: nothing here takes markup.

type Child = Node | string | null | undefined | false;
type Props = Record<string, unknown>;

/** `h("button.small", { onclick, "aria-label": "Close" }, "×")`. */
export function h<K extends keyof HTMLElementTagNameMap>(
  name: K | `${K}.${string}`,
  props: Props = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const [tag, ...classes] = name.split(".");
  const element = document.createElement(tag) as HTMLElementTagNameMap[K];
  if (classes.length > 0) element.className = classes.join(" ");
  for (const [key, value] of Object.entries(props)) {
    if (value === undefined || value === null || value === false) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value as EventListener);
    else if (key === "style") Object.assign(element.style, value);
    else if (key in element && !key.startsWith("aria")) Object.assign(element, { [key]: value });
    else element.setAttribute(key, value === true ? "" : String(value));
  }
  append(element, children);
  return element;
}

export function append(element: Element, children: Child[]) {
  for (const child of children) {
    if (child !== null && child !== undefined && child !== false) element.append(child);
  }
}

export function replace(element: Element, ...children: Child[]) {
  element.replaceChildren();
  append(element, children);
}

/** The mark of a kind, in its shape and colour. */
export function mark(shape: string, colour: string): HTMLElement {
  return h("span", { className: `mark s-${shape} c-${colour}`, "aria-hidden": "true" });
}

/** A part of the details, under its title. */
export function section(title: string, ...children: (Node | false)[]): HTMLElement {
  const element = h("section", {}, h("h3", {}, title));
  append(element, children);
  return element;
}
