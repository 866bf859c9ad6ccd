// The keys. Letters act only while a diagram or a list has the focus.

import type { AppContext } from "./context";

interface Key {
  keys: string[];
  what: string;
  act: (app: AppContext, event: KeyboardEvent) => void;
}

export const KEYS: Key[] = [
  { keys: ["ArrowDown", "j"], what: "next event", act: (app) => app.move(1) },
  { keys: ["ArrowUp", "k"], what: "event before", act: (app) => app.move(-1) },
  { keys: ["ArrowRight"], what: "next step of the same actor", act: (app) => app.moveInTask(1) },
  { keys: ["ArrowLeft"], what: "step before of the same actor", act: (app) => app.moveInTask(-1) },
  { keys: ["PageDown"], what: "a screen down", act: (app) => app.page(1) },
  { keys: ["PageUp"], what: "a screen up", act: (app) => app.page(-1) },
  { keys: ["Home"], what: "first event", act: (app) => app.moveTo("first") },
  { keys: ["End"], what: "last event", act: (app) => app.moveTo("last") },
  { keys: ["c"], what: "the cause of the selected step", act: (app) => app.toCause() },
  { keys: ["e"], what: "its first effect", act: (app) => app.toEffect() },
  { keys: ["b", "Backspace"], what: "back to what was selected before", act: (app) => app.back() },
  { keys: ["f"], what: "next fault, panic or failing end", act: (app) => app.toSpecial(1) },
  { keys: ["F"], what: "the one before", act: (app) => app.toSpecial(-1) },
  { keys: ["d"], what: "where two traces part", act: (app) => app.toParting() },
  { keys: ["o"], what: "the same event in the other trace", act: (app) => app.toPartner() },
  { keys: ["+", "="], what: "zoom in", act: (app) => app.zoom(1.6) },
  { keys: ["-"], what: "zoom out", act: (app) => app.zoom(1 / 1.6) },
  { keys: ["0"], what: "the whole run", act: (app) => app.fit() },
  { keys: ["Enter", "z"], what: "zoom to the selected step", act: (app) => app.zoomToSelected() },
  { keys: ["[", "]"], what: "move the lanes left, right", act: (app, event) => app.panLanes(event.key === "[" ? -80 : 80) },
  { keys: ["t"], what: "axis: steps or virtual time", act: (app) => app.toggleAxis() },
  { keys: ["/"], what: "search", act: (app) => app.focusSearch() },
  { keys: ["n"], what: "next found", act: (app) => app.findNext(1) },
  { keys: ["N"], what: "the one before", act: (app) => app.findNext(-1) },
  { keys: ["s"], what: "filter: show or hide", act: (app) => app.toggleSidebar() },
  { keys: ["l"], what: "light or dark", act: (app) => app.toggleTheme() },
  { keys: ["?"], what: "these keys", act: (app) => app.help() },
  { keys: ["Escape"], what: "close the details", act: (app) => app.deselect() },
];

export class Keys {
  private readonly byKey = new Map<string, Key>();

  constructor(private readonly app: AppContext) {
    for (const key of KEYS) for (const name of key.keys) this.byKey.set(name, key);
  }

  press(event: KeyboardEvent) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const key = this.byKey.get(event.key);
    if (!key) return;
    event.preventDefault();
    key.act(this.app, event);
  }
}
