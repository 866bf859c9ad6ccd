// What the parts of the page use of the page as a whole and of a pane. They know these
// interfaces instead of the classes, which know the parts.

import type { Hop } from "../data/causes";
import type { Filter } from "../data/filter";
import type { Trace } from "../data/trace";
import type { Axis, Viewport } from "../view/axis";
import type { LaneLayout, Lanes } from "../view/lanes";
import type { Palette } from "../view/theme";

export interface AppContext {
  readonly traces: Trace[];
  readonly panes: PaneContext[];
  readonly lanes: Lanes;
  readonly view: Viewport;
  readonly keys: { press(event: KeyboardEvent): void };
  readonly filter: Filter;
  readonly palette: Palette;
  /** Of the strip of names, in pixels, once a person has chosen it. */
  readonly nameHeight: { height: number | undefined };

  activate(pane: PaneContext): void;
  schedule(): void;
  splitter(): HTMLElement;
  setNameHeight(height: number | undefined): void;

  setFilter(part: Partial<Filter>): void;
  toggleFold(key: string): void;
  setHidden(names: string[], isHidden: boolean): void;
  only(names: string[]): void;
  showAll(): void;

  toggleSidebar(): void;
  toggleAxis(): void;
  toggleTheme(): void;
  help(): void;
  focusSearch(): void;
  findNext(by: 1 | -1): void;

  pan(pixels: number): void;
  panLanes(pixels: number): void;
  page(by: number): void;
  zoom(factor: number, y?: number): void;
  zoomToSelected(): void;
  fit(): void;

  select(pane: PaneContext, row: number, how?: { isJump?: boolean }): void;
  deselect(): void;
  move(by: number): void;
  moveTo(where: "first" | "last"): void;
  moveInTask(by: number): void;
  toCause(): void;
  toEffect(): void;
  back(): void;
  toSpecial(by: 1 | -1): void;
  toParting(): void;
  toPartner(): void;
}

export interface PaneContext {
  readonly app: AppContext;
  readonly trace: Trace;
  readonly index: number;
  readonly element: HTMLElement;
  readonly diagram: HTMLElement;
  readonly axis: Axis;
  readonly layout: LaneLayout;
  /** How far lanes are moved to the left, in pixels. */
  readonly left: number;
  /** Places of faults, panics and the end. */
  readonly special: number[];
  readonly selected: number;
  readonly hovered: number;
  readonly partner: number;
  readonly parting: number;
  /** One mark for each row that the other trace does not have. */
  readonly alone: Uint8Array | undefined;
  readonly chain: Hop[];
  readonly chained: Set<number>;
  /** One mark for each row that the search has found. */
  readonly found: Uint8Array | undefined;

  hover(row: number): void;
  panLanes(pixels: number): void;
  wheel(event: WheelEvent): void;
  pick(x: number, y: number): number;
}
