// Lanes: which task is drawn where. Incarnations of an actor share one (`ledger` and
// `ledger#2`), and families can be folded into one (`pool/worker-1`, `pool/worker-2`).

export interface Member {
  /** The name without the number of an incarnation. */
  name: string;
  labels: string[];
}

export interface Family {
  key: string;
  members: Member[];
}

export interface Lane {
  name: string;
  family: Family;
  members: Member[];
  /** A family that is folded into this lane. */
  isFolded: boolean;
}

/** More lanes than this are folded at first. */
const LANES_AT_FIRST = 24;

/** The name in a label, `ledger` of `ledger#2`: by the rule of `traces/src/label.rs`. */
export function baseOf(label: string): string {
  const hash = label.lastIndexOf("#");
  return hash > 0 && /^[1-9]\d*$/.test(label.slice(hash + 1)) ? label.slice(0, hash) : label;
}

/** `pool/*` of `pool/worker-1`, `client-*` of `client-7`; else the name itself. */
export function familyOf(name: string): string {
  const slash = name.lastIndexOf("/");
  if (slash > 0) return `${name.slice(0, slash)}/*`;
  const number = /^(.*[^\d])\d+$/.exec(name);
  return number ? `${number[1]}*` : name;
}

export class Lanes {
  readonly families: Family[] = [];
  readonly folded = new Set<string>();
  readonly hidden = new Set<string>();
  list: Lane[] = [];
  private laneOfName = new Map<string, number>();

  /** From all labels, in the order of their first appearance. */
  constructor(labels: Iterable<string>, most = LANES_AT_FIRST) {
    const families = new Map<string, Family>();
    const members = new Map<string, Member>();
    const seen = new Set<string>();
    for (const label of labels) {
      if (seen.has(label)) continue;
      seen.add(label);
      const name = baseOf(label);
      const known = members.get(name);
      if (known) {
        known.labels.push(label);
        continue;
      }
      const member = { name, labels: [label] };
      members.set(name, member);
      const key = familyOf(name);
      let family = families.get(key);
      if (!family) {
        family = { key, members: [] };
        families.set(key, family);
        this.families.push(family);
      }
      family.members.push(member);
    }
    this.fold(members.size, most);
    this.update();
  }

  /** Fold the largest families until what is left fits. */
  private fold(lanes: number, most: number) {
    const bySize = [...this.families].sort((a, b) => b.members.length - a.members.length);
    for (const family of bySize) {
      if (lanes <= most || family.members.length < 2) break;
      this.folded.add(family.key);
      lanes -= family.members.length - 1;
    }
  }

  /** After a change of what is folded or hidden. */
  update() {
    this.list = [];
    this.laneOfName.clear();
    for (const family of this.families) {
      const shown = family.members.filter((member) => !this.hidden.has(member.name));
      if (shown.length === 0) continue;
      const isFolded = this.folded.has(family.key) && family.members.length > 1;
      if (isFolded) {
        this.add({ name: family.key, family, members: shown, isFolded });
      } else {
        for (const member of shown) {
          this.add({ name: member.name, family, members: [member], isFolded });
        }
      }
    }
  }

  private add(lane: Lane) {
    for (const member of lane.members) this.laneOfName.set(member.name, this.list.length);
    this.list.push(lane);
  }

  /** The lane of each label, -1 where it is hidden. */
  of(labels: string[]): Int32Array {
    return Int32Array.from(labels, (label) => this.laneOfName.get(baseOf(label)) ?? -1);
  }

  toggleFold(key: string) {
    if (!this.folded.delete(key)) this.folded.add(key);
    this.update();
  }

  setHidden(names: Iterable<string>, hidden: boolean) {
    for (const name of names) {
      if (hidden) this.hidden.add(name);
      else this.hidden.delete(name);
    }
    this.update();
  }

  /** Show these and nothing else. */
  only(names: Iterable<string>) {
    const kept = new Set(names);
    this.hidden.clear();
    for (const family of this.families) {
      for (const member of family.members) if (!kept.has(member.name)) this.hidden.add(member.name);
    }
    this.update();
  }
}

/** Where lanes are, in pixels. */
export class LaneLayout {
  readonly gap: number;
  readonly width: number;

  constructor(
    readonly count: number,
    /** The space that there is. */
    readonly space: number,
    readonly gapMin = 15,
    readonly gapMax = 150,
  ) {
    const even = count === 0 ? 0 : space / count;
    this.gap = Math.max(gapMin, Math.min(gapMax, even));
    this.width = Math.max(space, this.gap * count);
  }

  x(lane: number): number {
    return (lane + 0.5) * this.gap;
  }

  at(x: number): number {
    const lane = Math.floor(x / this.gap);
    return lane >= 0 && lane < this.count ? lane : -1;
  }
}
