//! Comparing two runs by what caused what, not line by line.
//!
//! Two runs may order independent steps differently and still be the same run: the same
//! tasks did the same things for the same reasons. Events are aligned by what they are
//! (`identity`), each task's events are compared in their order, and what is left without a
//! counterpart is where the runs really part. A difference in the order in which one task
//! took its messages, a race, is the usual reason; the races that an event depends on are
//! those of its own task, of the step that sent its message, and so on.
//!
//! Messages and the starting of tasks are the only ways from task to task that are known,
//! so a dependence by shared memory, or by the answer that an await brings, does not show.
//!
//! Memory is bounded: when too many events wait for their counterparts, the runs are read
//! several times, each time for a part of them. Where even the order within tasks is too
//! far apart to be compared, the result is that of [`compare`](mod@crate::compare).

mod align;
mod identity;
mod outcome;
mod text;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::Serialize;

use crate::compare::{Diff, diff};
use crate::entries::{Entries, Selection};
use crate::story::Line;
use align::{Alignment, EventPlace, Overflow, Side, align};
use identity::{CLEAN, CommonLayers, Identifier, NONE, Survey, Taint, both};
use retake_traces::error::TraceError;
use retake_traces::event::WholeEvent;
use retake_traces::reader::TraceReader;

pub use outcome::{HandledCount, Outcome, OutcomeDifference};

/// Races that a comparison names.
const RACES_MAX: usize = 3;
/// Causes of an event that a comparison names.
const CHAIN_MAX: usize = 4;
/// Into so many parts a comparison is cut at most.
const PARTS_MAX: u64 = 256;

/// How two runs relate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The same records in the same order.
    Identical,
    /// The same events for the same reasons; independent ones stand in another order.
    Reordered,
    /// The same events, but some task took its messages in another order.
    Raced,
    /// One run has events that the other does not have.
    Different,
    /// Too far apart to be aligned in memory; compared line by line.
    ByLine,
}

/// An event without a counterpart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Alone {
    /// The event.
    pub line: Line,
    /// The steps that led to it, the first one first: who sent its message, who sent that
    /// one's, up to the limit of what is named.
    pub causes: Vec<Line>,
    /// Numbers of the races that it depends on, into [`CausalDiff::races`].
    pub races: Vec<usize>,
}

/// An event that both runs have, and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Place {
    /// What happened.
    pub what: String,
    /// The step in the first run.
    pub left: u64,
    /// The step in the second run.
    pub right: u64,
}

/// Two events of one task that the runs order differently.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Race {
    /// The task's name in the first run.
    pub who: String,
    /// Comes first in the first run.
    pub left_first: Place,
    /// Comes first in the second run.
    pub right_first: Place,
}

/// The result of comparing two runs by causality.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CausalDiff {
    /// The names of the two sides.
    pub names: (String, String),
    /// How they relate.
    pub verdict: Verdict,
    /// What a comparison line by line says; its headers are compared in any case.
    pub by_line: Diff,
    /// Texts were compared; if not, one side or both have none.
    pub texts_compared: bool,
    /// Causes were compared; if not, steps are aligned by what and how often.
    pub causes_compared: bool,
    /// Events with a counterpart at another position.
    pub moved: u64,
    /// Events with a counterpart at another virtual time.
    pub retimed: u64,
    /// Events that only the first and only the second run has.
    pub alone: (u64, u64),
    /// The first event that only the first run has.
    pub left: Option<Alone>,
    /// The first event that only the second run has.
    pub right: Option<Alone>,
    /// Tasks that took their messages in another order: how many, and the first ones.
    pub raced_tasks: u64,
    /// The races on which the first differences depend; without those, the first race.
    pub races: Vec<Race>,
    /// How the runs differ in the end.
    pub outcome: Outcome,
}

impl CausalDiff {
    /// True when the runs are the same but for the order of independent steps.
    #[must_use]
    pub fn is_same(&self) -> bool {
        matches!(self.verdict, Verdict::Identical | Verdict::Reordered)
    }
}

/// Compare two trace files by causality.
///
/// # Errors
/// If a file cannot be read or is damaged.
pub fn causal_diff(
    left: impl AsRef<Path>,
    right: impl AsRef<Path>,
) -> Result<CausalDiff, TraceError> {
    let paths = [left.as_ref(), right.as_ref()];
    let by_line = diff(paths[0], paths[1])?;
    let headers = [header(paths[0])?, header(paths[1])?];
    let compared = CommonLayers {
        texts: headers.iter().all(|header| header.layers.story),
        causes: headers.iter().all(|header| header.layers.causality),
        states: headers.iter().all(|header| header.layers.states),
    };
    let mut result = CausalDiff {
        names: (
            paths[0].display().to_string(),
            paths[1].display().to_string(),
        ),
        verdict: Verdict::Identical,
        texts_compared: compared.texts,
        causes_compared: compared.causes,
        moved: 0,
        retimed: 0,
        alone: (0, 0),
        left: None,
        right: None,
        raced_tasks: 0,
        races: Vec::new(),
        outcome: Outcome::default(),
        by_line,
    };
    if result.by_line.is_same() {
        return Ok(result);
    }
    let all = Selection::default();
    let mut surveys = [Survey::default(), Survey::default()];
    for (side, path) in paths.into_iter().enumerate() {
        let (_, mut entries) = Entries::open(path, &all)?;
        while let Some(entry) = entries.next()? {
            surveys[side].add(&entry);
            result.outcome.add(side, &entry.event);
        }
    }
    result.outcome.keep_differences();
    let open = || -> Result<[Side<'_>; 2], TraceError> {
        let side = |this: usize| -> Result<Side<'_>, TraceError> {
            let (_, entries) = Entries::open(paths[this], &all)?;
            let identifier = Identifier::new(&surveys[this], &surveys[1 - this], compared);
            Ok(Side::new(entries, identifier))
        };
        Ok([side(0)?, side(1)?])
    };
    let mut parts = 1;
    let found = loop {
        match align(open, parts) {
            Ok(found) => break found,
            Err(Overflow::Trace(error)) => return Err(error),
            Err(Overflow::Open) if parts < PARTS_MAX => parts *= 4,
            Err(Overflow::Open | Overflow::Ahead) => {
                result.verdict = Verdict::ByLine;
                return Ok(result);
            }
        }
    };
    result.moved = found.moved;
    result.retimed = found.retimed;
    result.alone = (found.alone[0], found.alone[1]);
    let races = races(&found);
    result.raced_tasks = races.len() as u64;
    result.verdict = match (&found.first_alone, found.parted.is_empty()) {
        ([None, None], true) => Verdict::Reordered,
        ([None, None], false) => Verdict::Raced,
        _ => Verdict::Different,
    };
    if result.verdict != Verdict::Reordered {
        tell(&mut result, &found, &races, open()?)?;
    }
    Ok(result)
}

fn header(path: &Path) -> Result<retake_traces::Header, TraceError> {
    Ok(TraceReader::open(path)?.header().clone())
}

/// A race that was found: the task, from which of its events on, and what comes first.
#[derive(Clone, Copy, Debug)]
struct FoundRace {
    task: u64,
    place: u64,
    /// By side.
    first: [EventPlace; 2],
}

/// Where a task parts and both of what comes then is in both runs, in the order of the
/// first run.
fn races(found: &Alignment) -> Vec<FoundRace> {
    let mut races: Vec<FoundRace> = found
        .parted
        .iter()
        .filter_map(|(task, parted)| {
            let first = [parted.next[0]?, parted.next[1]?];
            let is_race = first.iter().all(|next| !found.is_alone.contains(&next.id));
            is_race.then_some(FoundRace {
                task: *task,
                place: parted.place,
                first,
            })
        })
        .collect();
    races.sort_by_key(|race| race.first[0].step.min(race.first[1].step));
    races
}

/// What a second reading looks for on one side.
#[derive(Debug, Default)]
struct SideFindings {
    /// The first event that the other side does not have.
    alone: Option<(WholeEvent, Taint)>,
    /// By event id.
    places: BTreeMap<u64, WholeEvent>,
}

/// Read both sides once more for the lines and what they depend on.
fn tell(
    result: &mut CausalDiff,
    found: &Alignment,
    races: &[FoundRace],
    sides: [Side<'_>; 2],
) -> Result<(), TraceError> {
    let ids: BTreeSet<u64> = races
        .iter()
        .flat_map(|race| race.first.map(|next| next.id))
        .collect();
    let mut told = [SideFindings::default(), SideFindings::default()];
    for (side, mut reading) in sides.into_iter().enumerate() {
        for (number, race) in races.iter().enumerate() {
            let number = u32::try_from(number).unwrap_or(NONE);
            let identifier = &mut reading.identifier;
            identifier.races.insert(race.task, (race.place, number));
        }
        while let Some((event, whole)) = reading.next()? {
            if ids.contains(&event.id) {
                let places = &mut told[side].places;
                places.entry(event.id).or_insert_with(|| whole.clone());
            }
            let is_first = |first: &EventPlace| first.id == event.id && first.step == whole.step;
            if found.first_alone[side].as_ref().is_some_and(is_first) {
                told[side].alone = Some((whole, event.taint));
            }
        }
    }
    // The races that matter, or else the first.
    let mut taint = CLEAN;
    for (_, of_side) in told.iter().filter_map(|told| told.alone.as_ref()) {
        taint = both(taint, *of_side);
    }
    let mut numbers: Vec<u32> = taint.into_iter().filter(|number| *number != NONE).collect();
    if numbers.is_empty() && result.verdict == Verdict::Raced {
        numbers = (0..races.len().min(RACES_MAX) as u32).collect();
    }
    let mut known: Vec<u32> = Vec::new();
    for number in numbers {
        let race = races.get(number as usize);
        if let Some(race) = race.and_then(|race| told_race(race, &told)) {
            result.races.push(race);
            known.push(number);
        }
    }
    let mut alone = told.map(|told| told.alone);
    let paths = [result.names.0.clone(), result.names.1.clone()];
    for (side, slot) in [&mut result.left, &mut result.right]
        .into_iter()
        .enumerate()
    {
        if let Some((event, taint)) = alone[side].take() {
            let races = taint
                .iter()
                .filter_map(|number| known.iter().position(|it| it == number));
            *slot = Some(Alone {
                causes: causes(&paths[side], &event)?,
                races: races.collect(),
                line: Line::from(event),
            });
        }
    }
    Ok(())
}

fn told_race(race: &FoundRace, told: &[SideFindings; 2]) -> Option<Race> {
    let place = |id: u64| -> Option<Place> {
        let (left, right) = (told[0].places.get(&id)?, told[1].places.get(&id)?);
        Some(Place {
            what: left.what(),
            left: left.step,
            right: right.step,
        })
    };
    Some(Race {
        who: told[0].places.get(&race.first[0].id)?.who.to_string(),
        left_first: place(race.first[0].id)?,
        right_first: place(race.first[1].id)?,
    })
}

/// The steps that led to this one, the nearest ones, the first one first.
fn causes(path: &str, event: &WholeEvent) -> Result<Vec<Line>, TraceError> {
    let mut causes: Vec<Line> = Vec::new();
    let mut step = event.cause;
    while let Some(number) = step.filter(|_| causes.len() < CHAIN_MAX) {
        let only = Selection {
            from: number,
            to: number,
            actors: Vec::new(),
        };
        let (_, mut entries) = Entries::open(Path::new(path), &only)?;
        let mut found = None;
        while let Some(entry) = entries.next()? {
            if entry.event.is_step() && entry.event.step == number {
                found = Some(entry.event);
            }
        }
        // A sender comes before, unless the file was made up.
        step = found
            .as_ref()
            .and_then(|event| event.cause)
            .filter(|cause| *cause < number);
        causes.extend(found.map(Line::from));
    }
    causes.reverse();
    Ok(causes)
}
