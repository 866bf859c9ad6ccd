//! A part of a trace file as columns.

use retake_traces::counted;
use retake_traces::record::{End, Record, Task};
use retake_traces::{TraceError, TraceReader};
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
pub(super) struct Loaded {
    /// Its events.
    pub(super) columns: Columns,
    /// What concerns the trace as a whole.
    pub(super) about: Value,
    /// Why the part ends too soon.
    pub(super) damage: Option<TraceError>,
}

/// The events of the part. Of a file that is cut short or damaged it is what comes before.
pub(super) fn load(source: &Source, part: Part, limits: Limits) -> Result<Loaded, ViewError> {
    let mut reader = TraceReader::open(&source.path)?;
    let header = reader.header().clone();
    let mut columns = start(&mut reader, source, part, limits)?;
    let mut end = None;
    let mut damage = None;
    for record in &mut reader {
        let record = match record {
            Ok(record) => record,
            Err(error) if error.is_damage() => {
                damage = Some(error);
                break;
            }
            Err(error) => return Err(error.into()),
        };
        let step = columns.step() + u64::from(matches!(record, Record::Step(_)));
        if let Record::End(found) = &record {
            end = Some(found.clone());
        }
        if step > part.to {
            break;
        }
        // What comes before the first step belongs to it.
        if step < part.from && part.from > 1 {
            columns.pass(&record);
            continue;
        }
        columns
            .add(&record)
            .map_err(|Full| too_large(source, &columns, part, limits))?;
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
    let has_failed = end.as_ref().is_some_and(|end| end.outcome != "passed");
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
    Ok(Loaded {
        columns,
        about,
        damage,
    })
}

/// Jump to the part, with the tasks from before.
fn start(
    reader: &mut TraceReader,
    source: &Source,
    part: Part,
    limits: Limits,
) -> Result<Columns, TraceError> {
    if part.from <= 1 {
        return Ok(Columns::new(limits, 0, 0));
    }
    let Ok(position) = reader.seek_to_step(part.from) else {
        // Its index is damaged; what comes before that may be good.
        *reader = TraceReader::open(&source.path)?;
        return Ok(Columns::new(limits, 0, 0));
    };
    let mut columns = Columns::new(limits, position.steps, position.now_ns);
    position
        .tasks
        .iter()
        .for_each(|task: &Task| columns.know(task));
    Ok(columns)
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
    let mut reader = TraceReader::open(&source.path).ok()?;
    reader.seek_to_step(u64::MAX).ok()?;
    reader.find_map(|record| match record {
        Ok(Record::End(end)) => Some(end),
        _ => None,
    })
}
