//! Which events of two runs are counterparts, and where a task orders its own otherwise.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::identity::{Event, Identifier};
use crate::entries::{Entries, Entry};
use retake_traces::error::TraceError;
use retake_traces::event::{Occurrence, WholeEvent};
use retake_traces::record::State;

/// Events without a counterpart so far that are kept at one time.
const OPEN_MAX: usize = 1 << 21;
/// Events of tasks of which one run is ahead that are kept at one time.
const AHEAD_MAX: usize = 1 << 23;

/// Events of one name that one side has more of.
#[derive(Clone, Copy, Debug)]
struct Open {
    /// How many more the left side has; below zero, the right one.
    more: i64,
    /// Where the first of them is.
    step: u64,
    now_ns: u64,
}

/// The first place at which a task's events differ.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parting {
    /// How many events of the task are the same before.
    pub(super) place: u64,
    /// What comes then on each side.
    pub(super) next: [Option<EventPlace>; 2],
}

/// An event, and where it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct EventPlace {
    pub(super) id: u64,
    pub(super) step: u64,
}

/// A task as both sides have it.
#[derive(Debug, Default)]
struct TaskPair {
    /// Events that are the same.
    same: u64,
    /// What the side that is ahead has more.
    ahead: VecDeque<EventPlace>,
    ahead_side: usize,
    parted: Option<Parting>,
}

/// What aligning found.
#[derive(Debug, Default)]
pub(super) struct Alignment {
    /// Lines at which both have the same event.
    pub(super) in_place: u64,
    /// Events with a counterpart somewhere else.
    pub(super) moved: u64,
    /// Events with a counterpart at another time.
    pub(super) retimed: u64,
    /// Events without a counterpart, by side.
    pub(super) alone: [u64; 2],
    /// The first event without a counterpart, by side: its step and its id.
    pub(super) first_alone: [Option<EventPlace>; 2],
    /// Tasks that part, by name.
    pub(super) parted: BTreeMap<u64, Parting>,
    /// Of the events at which tasks part: without a counterpart.
    pub(super) is_alone: BTreeSet<u64>,
}

/// Why a part could not be aligned.
pub(super) enum Overflow {
    Trace(TraceError),
    /// Try again with smaller parts.
    Open,
    /// No task's order can be compared in memory.
    Ahead,
}

impl From<TraceError> for Overflow {
    fn from(error: TraceError) -> Self {
        Self::Trace(error)
    }
}

/// One side's events, in order.
pub(super) struct Side<'a> {
    entries: Entries<'a>,
    pub(super) identifier: Identifier,
    /// The state that the last step found: compared by itself, since a step may be the same
    /// and find another one.
    state: Option<Entry>,
}

impl<'a> Side<'a> {
    pub(super) fn new(entries: Entries<'a>, identifier: Identifier) -> Self {
        Self {
            entries,
            identifier,
            state: None,
        }
    }

    /// What comes next and is compared, as which event.
    pub(super) fn next(&mut self) -> Result<Option<(Event, WholeEvent)>, TraceError> {
        while let Some(entry) = self.next_entry()? {
            if let Some(event) = self.identifier.identify(&entry) {
                return Ok(Some((event, entry.event)));
            }
        }
        Ok(None)
    }

    fn next_entry(&mut self) -> Result<Option<Entry>, TraceError> {
        if let Some(state) = self.state.take() {
            return Ok(Some(state));
        }
        let mut next = self.entries.next()?;
        self.state = next.as_mut().and_then(split_state);
        Ok(next)
    }
}

/// The state that a step found, as an event behind it.
fn split_state(entry: &mut Entry) -> Option<Entry> {
    let event = &mut entry.event;
    let (task, text) = (event.task?, event.state.take()?);
    let at_end = false;
    Some(Entry {
        event: WholeEvent {
            occurrence: Occurrence::State(State { task, text, at_end }),
            who: event.who.clone(),
            detail: None,
            cause: None,
            child: None,
            state: None,
            ..*event
        },
        shown: entry.shown,
    })
}

/// Align two runs in `parts` readings. Each seeks the events without a counterpart whose
/// ids fall into its part, so memory can be traded for time.
pub(super) fn align<'a>(
    open: impl Fn() -> Result<[Side<'a>; 2], TraceError>,
    parts: u64,
) -> Result<Alignment, Overflow> {
    let mut found = Alignment::default();
    for part in 0..parts {
        align_part(&mut open()?, part, parts, &mut found)?;
    }
    Ok(found)
}

fn align_part(
    sides: &mut [Side<'_>; 2],
    part: u64,
    parts: u64,
    found: &mut Alignment,
) -> Result<(), Overflow> {
    let mut open: BTreeMap<u64, Open> = BTreeMap::new();
    let mut tasks: BTreeMap<u64, TaskPair> = BTreeMap::new();
    let mut ahead = 0;
    loop {
        let [left, right] = sides;
        let step_of = |(event, it): (Event, WholeEvent)| (event, it.step, it.now_ns);
        let next = [left.next()?.map(step_of), right.next()?.map(step_of)];
        if let [Some((a, _, a_ns)), Some((b, _, b_ns))] = &next
            && a.id == b.id
            && a.task == b.task
        {
            // By far the most frequent case, and nothing to keep.
            let task = tasks.entry(a.task).or_default();
            if task.ahead.is_empty() {
                task.same += 1;
                if part == 0 {
                    found.in_place += 1;
                    found.retimed += u64::from(a_ns != b_ns);
                }
                continue;
            }
        }
        if next.iter().all(Option::is_none) {
            break;
        }
        let is_in_place = matches!(&next, [Some((a, ..)), Some((b, ..))] if a.id == b.id);
        found.in_place += u64::from(is_in_place && part == 0);
        for (side, next) in next.into_iter().enumerate() {
            let Some((event, step, now_ns)) = next else {
                continue;
            };
            let task = tasks.entry(event.task).or_default();
            if part == 0 && task.parted.is_none() {
                task.take(side, EventPlace { id: event.id, step }, &mut ahead);
                if ahead > AHEAD_MAX {
                    return Err(Overflow::Ahead);
                }
            }
            if event.id % parts != part {
                continue;
            }
            let more = if side == 0 { 1 } else { -1 };
            let entry = open.entry(event.id).or_insert(Open {
                more: 0,
                step,
                now_ns,
            });
            if entry.more.signum() == -more {
                found.moved += u64::from(!is_in_place);
                found.retimed += u64::from(entry.now_ns != now_ns);
            }
            entry.more += more;
            if entry.more == 0 {
                open.remove(&event.id);
            } else if open.len() > OPEN_MAX {
                return Err(Overflow::Open);
            }
        }
    }
    for (id, open) in &open {
        let side = usize::from(open.more < 0);
        found.alone[side] += open.more.unsigned_abs();
        let first = &mut found.first_alone[side];
        if first.is_none_or(|first| open.step < first.step) {
            let step = open.step;
            *first = Some(EventPlace { id: *id, step });
        }
    }
    if part == 0 {
        for (name, mut task) in tasks {
            if task.parted.is_none() && !task.ahead.is_empty() {
                task.part(None);
            }
            if let Some(parted) = task.parted {
                found.parted.insert(name, parted);
            }
        }
    }
    let ids = found.parted.values().flat_map(|parted| parted.next);
    let ids = ids.flatten().map(|next| next.id);
    found
        .is_alone
        .extend(ids.filter(|id| open.contains_key(id)));
    Ok(())
}

impl TaskPair {
    fn take(&mut self, side: usize, event: EventPlace, ahead: &mut usize) {
        if self.ahead.is_empty() || self.ahead_side == side {
            self.ahead_side = side;
            self.ahead.push_back(event);
            *ahead += 1;
            return;
        }
        if self.ahead.front().is_some_and(|first| first.id == event.id) {
            self.ahead.pop_front();
            *ahead -= 1;
            self.same += 1;
            return;
        }
        *ahead -= self.ahead.len();
        self.part(Some(event));
    }

    fn part(&mut self, other: Option<EventPlace>) {
        let mut next = [None; 2];
        next[self.ahead_side] = self.ahead.front().copied();
        next[1 - self.ahead_side] = other;
        self.parted = Some(Parting {
            place: self.same,
            next,
        });
        self.ahead = VecDeque::new();
    }
}
