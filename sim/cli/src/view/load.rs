//! A part of a trace file as columns.

use retake_inspect::Line;
use retake_inspect::notes::Notes;
use retake_traces::counted;
use retake_traces::event::Occurrence;
use retake_traces::record::{End, OutcomeKind, Task};
use retake_traces::{Events, TraceError, TraceReader};
use serde_json::{Value, json};

use super::columns::{Columns, Full, Limits};
use super::{Source, ViewError};

/// The steps that are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// The first; 0 and 1 are the beginning.
    pub from: u64,
    /// The last.
    pub to: u64,
}

impl Part {
    /// All of it.
    pub const ALL: Self = Self {
        from: 0,
        to: u64::MAX,
    };
}

/// A part of a trace.
pub(super) struct LoadedPart {
    /// Its events.
    pub(super) columns: Columns,
    /// What concerns the trace as a whole.
    pub(super) about: Value,
    /// Why the part ends too soon.
    pub(super) damage: Option<TraceError>,
}

/// The events of the part. Of a file that is cut short or damaged it is what comes before.
pub(super) fn load(source: &Source, part: Part, limits: Limits) -> Result<LoadedPart, ViewError> {
    let (mut columns, events) = start(source, part, limits)?;
    let header = events.records().header().clone();
    let full = |columns: &Columns| too_large(source, columns, part, limits);
    let (mut notes, mut states) = (Notes::new(), Vec::new());
    let mut end = None;
    let mut damage = None;
    for event in events {
        let event = match event {
            Ok(event) => event,
            Err(error) if error.is_damage() => {
                damage = Some(error);
                break;
            }
            Err(error) => return Err(error.into()),
        };
        if let Occurrence::End(found) = &event.occurrence {
            end = Some(found.clone());
        }
        if event.step > part.to {
            break;
        }
        // What comes before the first step belongs to it.
        if event.step < part.from && part.from > 1 {
            columns.pass(&event);
            continue;
        }
        if event.has_line() {
            notes.add(Line::from(event));
            if let Some(line) = notes.next() {
                columns.add(&line).map_err(|Full| full(&columns))?;
            }
        } else if let Occurrence::State(state) = event.occurrence {
            if states.len() >= limits.events {
                return Err(full(&columns));
            }
            states.push(state);
        }
    }
    for line in notes.finish() {
        columns.add(&line).map_err(|Full| full(&columns))?;
    }
    for state in states {
        let added = columns.add_last_state(&state);
        added.map_err(|Full| full(&columns))?;
    }
    let has_end = end.is_some();
    // What comes after the part is not checked; how it ended is worth a look.
    let end = end.or_else(|| end_of(source));
    if columns.is_empty() {
        if let Some(damage) = damage {
            return Err(damage.into());
        }
        return Err(ViewError::Empty {
            path: source.path.clone(),
            from: part.from,
            steps: end.map_or(columns.step(), |end| end.steps),
        });
    }
    let mut notes = source.notes.clone();
    if !header.layers.story {
        notes.push("recorded without texts and causes: the schedule alone".to_owned());
    } else if !header.layers.causality {
        notes.push("recorded without causes: no arrows".to_owned());
    }
    let has_failed = end
        .as_ref()
        .is_some_and(|end| end.outcome != OutcomeKind::Passed);
    if has_failed && header.reasons.is_empty() {
        notes.extend(source.note_if_unexplained.clone());
    }
    if let Some(damage) = &damage {
        let step = columns.step();
        notes.push(if has_end {
            format!("the trace is damaged behind the run's end: {damage}")
        } else {
            format!("the trace is cut short after step {step}: {damage}")
        });
    }
    let about = json!({
        "name": source.name,
        "notes": notes,
        "program": header.program,
        "scenario": header.scenario,
        // A browser's numbers are not exact up there.
        "seed": header.config.seed.to_string(),
        "strategy": header.config.strategy.to_string(),
        "faults": header.config.faults,
        "versions": header.versions,
        "code": header.code,
        "reasons": header.reasons,
        "decisive": header.decisive,
        "story": header.layers.story,
        "causality": header.layers.causality,
        "states": header.layers.states,
        "outcome": end.as_ref().map(|end| &end.outcome),
        "detail": end.as_ref().map(|end| &end.detail),
        "steps": end.as_ref().map(|end| end.steps),
        "from": part.from,
        "to": (part.to < u64::MAX).then_some(part.to),
    });
    Ok(LoadedPart {
        columns,
        about,
        damage,
    })
}

/// Jump to the part, with the tasks from before.
fn start(
    source: &Source,
    part: Part,
    limits: Limits,
) -> Result<(Columns, Events<TraceReader>), TraceError> {
    let whole = || -> Result<_, TraceError> {
        let events = TraceReader::open(&source.path)?.events();
        Ok((Columns::new(limits, 0, 0), events))
    };
    if part.from <= 1 {
        return whole();
    }
    let Ok((position, events)) = TraceReader::open(&source.path)?.events_around(part.from) else {
        // Its index is damaged; what comes before that may be good.
        return whole();
    };
    let mut columns = Columns::new(limits, position.steps, position.now_ns);
    position
        .tasks
        .iter()
        .for_each(|task: &Task| columns.know(task));
    Ok((columns, events))
}

fn too_large(source: &Source, columns: &Columns, part: Part, limits: Limits) -> ViewError {
    let end = end_of(source);
    let what = match &end {
        Some(end) => format!("{}, too many", counted(end.steps, "step")),
        None => "too many steps".to_owned(),
    };
    let last = columns.step().saturating_sub(1);
    ViewError::TooLarge {
        path: source.path.clone(),
        what,
        limits,
        hint: if last > part.from {
            format!(", for example --from {} --to {last}", part.from.max(1))
        } else {
            String::new()
        },
    }
}

/// How the run ended, if that can be read.
fn end_of(source: &Source) -> Option<End> {
    let (_, mut events) = TraceReader::open(&source.path)
        .ok()?
        .events_around(u64::MAX)
        .ok()?;
    events.find_map(|event| match event.ok()?.occurrence {
        Occurrence::End(end) => Some(end),
        _ => None,
    })
}
