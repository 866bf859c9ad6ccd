// The dialog with the keys.

import { h } from "./dom";
import { KEYS } from "./keys";

const NAMES: Record<string, string> = {
  ArrowDown: "↓", ArrowUp: "↑", ArrowLeft: "←", ArrowRight: "→", PageDown: "Page ↓", PageUp: "Page ↑", Escape: "Esc",
};

export function helpDialog(): HTMLDialogElement {
  const rows = KEYS.flatMap(({ keys, what }) => [
    h("dt", {}, ...keys.flatMap((key, at) => [at > 0 ? " " : "", h("kbd", {}, NAMES[key] ?? key)])),
    h("dd", {}, what),
  ]);
  const dialog = h(
    "dialog.help",
    { "aria-labelledby": "help-title" },
    h("h2", { id: "help-title" }, "Keys"),
    h("p", {}, "They act while the diagram or the list has the focus. Drag or scroll to pan, pinch or Ctrl-scroll to zoom, Shift-scroll to move the lanes, click to select."),
    h("dl", {}, ...rows),
    h("p", {}, "Filter and search take words, which all have to occur, and actor:NAME, message:NAME, kind:NAME; a minus before one excludes it; quotes keep words together."),
    h("form", { method: "dialog" }, h("button", { type: "submit" }, "Close")),
  );
  return dialog;
}
