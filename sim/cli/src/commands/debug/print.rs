//! `--print`, `--find` and `--break`: questions, and their answers as data.

use retake_inspect::Line;
use retake_inspect::timeline::{
    Condition, Direction, Mark, MarkKind, QueuedMessage, StateAge, StateAt, Timeline, World,
};
use retake_sim::did_you_mean;
use retake_traces::TraceError;
use retake_traces::event::{Occurrence, WholeEvent};
use retake_traces::record::OutcomeKind;
use serde::Serialize;

use super::source::Source;
use super::text::one_line;
use super::{DebugArgs, names};
use crate::status::Error;

/// Steps of a chain of causes that `why` tells.
const CHAIN_MAX: usize = 12;
/// Lines before the step that it tells where no step is known that led to it.
const BEFORE_MAX: u64 = 8;
/// Faults before the step that `why` tells.
const FAULTS_MAX: usize = 5;

/// What `--print` takes.
const WORDS: [&str; 8] = [
    "actors", "state", "mailbox", "why", "faults", "step", "causes", "effects",
];

/// What a person asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Question {
    Actors,
    State(String),
    Mailbox(String),
    Why,
    Faults,
    Step,
    Causes,
    Effects,
    Find(String),
    Break(Condition),
}

impl Question {
    pub(super) fn parse(args: &DebugArgs) -> Result<Vec<Self>, Error> {
        let mut questions = Vec::new();
        let mut words = args.print.iter().flat_map(|it| it.split_whitespace());
        while let Some(word) = words.next() {
            let mut named = |make: fn(String) -> Self| match words.next() {
                Some(name) => Ok(make(name.to_owned())),
                None => Err(Error::Usage(format!(
                    "--print {word} needs the name of an actor, for example `--print {word} ledger`"
                ))),
            };
            questions.push(match word {
                "actors" => Self::Actors,
                "state" => named(Self::State)?,
                "mailbox" => named(Self::Mailbox)?,
                "why" => Self::Why,
                "faults" => Self::Faults,
                "step" => Self::Step,
                "causes" => Self::Causes,
                "effects" => Self::Effects,
                _ => {
                    let near = did_you_mean(word, WORDS);
                    return Err(Error::Usage(format!(
                        "--print {word}: there is no such thing{near}; write actors, state NAME, mailbox NAME, \
                         why, faults, step, causes or effects"
                    )));
                }
            });
        }
        questions.extend(args.find.clone().map(Self::Find));
        questions.extend(args.breaks.iter().cloned().map(Self::Break));
        Ok(questions)
    }
}

/// All answers, and where they were asked for.
#[derive(Debug, Serialize)]
pub(super) struct Answers {
    pub(super) scenario: String,
    pub(super) seed: u64,
    pub(super) strategy: String,
    pub(super) steps: u64,
    pub(super) outcome: OutcomeKind,
    pub(super) notes: Vec<String>,
    /// What avoids the failure, where the trace has it.
    pub(super) reasons: Vec<String>,
    /// The step after which things stood so.
    pub(super) at: u64,
    pub(super) now_ns: u64,
    pub(super) answers: Vec<Answer>,
}

#[derive(Debug, Serialize)]
#[serde(tag = "print", rename_all = "snake_case")]
pub(super) enum Answer {
    Actors {
        actors: Vec<Row>,
        /// Rows that were left out.
        more: usize,
        ended: usize,
    },
    State(ActorState),
    Mailbox {
        actor: String,
        depth: u32,
        messages: Vec<QueuedMessage>,
    },
    Why(Box<Why>),
    Faults {
        marks: Vec<MarkLine>,
        more: usize,
    },
    Step {
        lines: Vec<Line>,
        state: Option<ActorState>,
    },
    Causes {
        lines: Vec<Line>,
    },
    Effects {
        lines: Vec<Line>,
    },
    Find {
        text: String,
        lines: Vec<Line>,
        more: bool,
    },
    Break {
        condition: String,
        lines: Vec<Line>,
        more: bool,
    },
}

/// An actor or task in a list.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    pub(super) actor: String,
    pub(super) mailbox: u32,
    pub(super) last_step: u64,
    /// What it did in that step.
    pub(super) doing: Option<String>,
    /// On one line.
    pub(super) state: Option<String>,
}

/// The state of an actor, and the one before the step.
#[derive(Debug, Serialize)]
pub(super) struct ActorState {
    pub(super) actor: String,
    pub(super) state: Option<StateAt>,
    /// The state before the step, where it was another.
    pub(super) before: Option<String>,
    /// Why it is missing, or what to know about it.
    pub(super) note: Option<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct Why {
    pub(super) step: Option<Line>,
    /// The earliest first.
    pub(super) chain: Vec<Line>,
    /// The lines before, where there is no such chain.
    pub(super) before: Vec<Line>,
    pub(super) during: Vec<Line>,
    pub(super) state: Option<ActorState>,
    /// The last faults up to the step.
    pub(super) faults: Vec<MarkLine>,
    pub(super) end: String,
}

/// A fault, panic or supervision event as a line.
#[derive(Debug, Serialize)]
pub(super) struct MarkLine {
    pub(super) step: u64,
    pub(super) now_ns: u64,
    pub(super) who: String,
    pub(super) what: String,
}

impl Answers {
    pub(super) fn gather(
        source: &mut Source,
        at: u64,
        questions: &[Question],
        most: usize,
    ) -> Result<Self, Error> {
        let timeline = &mut source.timeline;
        let answers = questions
            .iter()
            .map(|question| answer(timeline, at, question, most))
            .collect::<Result<_, _>>()?;
        let header = timeline.header().clone();
        Ok(Self {
            scenario: header.scenario,
            seed: header.config.seed,
            strategy: header.config.strategy.to_string(),
            steps: timeline.steps(),
            outcome: timeline.end().outcome,
            notes: source.notes.clone(),
            reasons: header.reasons,
            at,
            now_ns: timeline.now_ns(at)?,
            answers,
        })
    }
}

fn answer(
    timeline: &mut Timeline,
    at: u64,
    question: &Question,
    most: usize,
) -> Result<Answer, Error> {
    Ok(match question {
        Question::Actors => {
            let world = timeline.world(at)?;
            let (actors, more) = rows(timeline, &world, most)?;
            Answer::Actors {
                actors,
                more,
                ended: world.ended,
            }
        }
        Question::State(name) => {
            let task = find_task(timeline, name, at)?;
            Answer::State(actor_state(timeline, task, at)?)
        }
        Question::Mailbox(name) => {
            let task = find_task(timeline, name, at)?;
            let world = timeline.world(at)?;
            let found = world.alive.iter().find(|it| it.task == task);
            Answer::Mailbox {
                actor: label(timeline, task),
                depth: found.map_or(0, |it| it.mailbox),
                messages: timeline.mailbox(task, at, most)?,
            }
        }
        Question::Why => Answer::Why(Box::new(why(timeline, at)?)),
        Question::Faults => {
            let marks = timeline.marks();
            let more = marks.len().saturating_sub(most);
            let marks: Vec<Mark> = marks.iter().take(most).cloned().collect();
            Answer::Faults {
                marks: mark_lines(timeline, &marks)?,
                more,
            }
        }
        Question::Step => Answer::Step {
            lines: timeline.lines(at, at)?,
            state: state_of_step(timeline, at)?,
        },
        Question::Causes => Answer::Causes {
            lines: timeline.causes(at, most)?,
        },
        Question::Effects => {
            let mut lines = timeline.effects(at)?;
            lines.truncate(most);
            Answer::Effects { lines }
        }
        Question::Find(text) => {
            let (lines, more) = find_all(timeline, text, most)?;
            let text = text.clone();
            Answer::Find { text, lines, more }
        }
        Question::Break(condition) => {
            if let Some(name) = &condition.actor {
                find_task(timeline, name, at)?;
            }
            let (lines, more) = hits(timeline, condition, most)?;
            let condition = condition.to_string();
            Answer::Break {
                condition,
                lines,
                more,
            }
        }
    })
}

fn find_task(timeline: &Timeline, name: &str, at: u64) -> Result<u32, Error> {
    names::find_task(timeline, name, at).map_err(Error::Usage)
}

pub(super) fn label(timeline: &Timeline, task: u32) -> String {
    let life = timeline.tasks().get(task as usize);
    life.map_or_else(|| format!("task {task}"), |life| life.label.to_string())
}

/// The living as rows, with how many were left out.
fn rows(
    timeline: &mut Timeline,
    world: &World,
    most: usize,
) -> Result<(Vec<Row>, usize), TraceError> {
    let mut rows = Vec::new();
    for at in world.alive.iter().take(most) {
        let doing = timeline.step(at.last_step)?.map(|line| line.what());
        let state = timeline.state(at.task, world.step)?;
        rows.push(Row {
            actor: label(timeline, at.task),
            mailbox: at.mailbox,
            last_step: at.last_step,
            doing,
            state: state.map(|state| one_line(&state.text)),
        });
    }
    let more = world.alive.len() - rows.len();
    Ok((rows, more))
}

/// The state of an actor after a step, and before it.
pub(super) fn actor_state(
    timeline: &mut Timeline,
    task: u32,
    step: u64,
) -> Result<ActorState, TraceError> {
    let state = timeline.state(task, step)?;
    let before = match step.checked_sub(1) {
        Some(before) => timeline.state(task, before)?.map(|state| state.text),
        None => None,
    };
    let life = timeline.tasks().get(task as usize).cloned();
    let ended = life.as_ref().and_then(|life| life.ended);
    let ended = ended.filter(|ended| ended.step <= step);
    let note = match (&state, ended) {
        (_, Some(ended)) => Some(format!(
            "it ended at step {}: {}",
            ended.step,
            ended.how.name()
        )),
        (None, _) if !timeline.header().layers.states => {
            Some("states were not recorded: record the trace with --states".to_owned())
        }
        (None, _) if life.is_some_and(|life| life.started > step) => {
            Some("it has not started yet".to_owned())
        }
        (None, _) => Some("none is recorded: its state may have no `Debug` form".to_owned()),
        (Some(state), None) => match state.seen {
            StateAge::Before(seen) => Some(format!(
                "as step {seen} found it: no callback came after, so it may have changed since"
            )),
            StateAge::Next(_) | StateAge::AtEnd => None,
        },
    };
    let after = state.as_ref().map(|state| &state.text);
    Ok(ActorState {
        actor: label(timeline, task),
        before: before.filter(|before| after != Some(before)),
        state,
        note,
    })
}

/// The state of the actor whose step it is.
fn state_of_step(timeline: &mut Timeline, step: u64) -> Result<Option<ActorState>, TraceError> {
    let line = timeline.step(step)?;
    match line.as_ref().and_then(|line| line.as_step()) {
        Some(it) if timeline.header().layers.states => {
            let state = actor_state(timeline, it.task, step)?;
            Ok(state.state.is_some().then_some(state))
        }
        _ => Ok(None),
    }
}

fn why(timeline: &mut Timeline, at: u64) -> Result<Why, TraceError> {
    let step = timeline.step(at)?;
    let mut chain = timeline.causes(at, CHAIN_MAX)?;
    chain.reverse();
    let before = match at {
        2.. if chain.is_empty() => timeline.lines(at.saturating_sub(BEFORE_MAX).max(1), at - 1)?,
        _ => Vec::new(),
    };
    let mut during = timeline.lines(at, at)?;
    during.retain(|line| !line.is_step() && !matches!(line.occurrence, Occurrence::End(_)));
    let is_fault = |kind: &MarkKind| matches!(kind, MarkKind::Fault(_) | MarkKind::Panic);
    let marks = timeline.marks().iter().rev();
    let mut faults: Vec<Mark> = marks
        .filter(|mark| mark.step <= at && is_fault(&mark.kind))
        .take(FAULTS_MAX)
        .cloned()
        .collect();
    faults.reverse();
    let end = timeline.end();
    let end = match end.detail.as_str() {
        detail if end.outcome == OutcomeKind::CutShort => format!("is {}: {detail}", end.outcome),
        "" => end.outcome.to_string(),
        detail => format!("{}: {detail}", end.outcome),
    };
    Ok(Why {
        step,
        chain,
        before,
        during,
        state: state_of_step(timeline, at)?,
        faults: mark_lines(timeline, &faults)?,
        end,
    })
}

pub(super) fn mark_lines(
    timeline: &mut Timeline,
    marks: &[Mark],
) -> Result<Vec<MarkLine>, TraceError> {
    let mut lines = Vec::new();
    for mark in marks {
        let what = match &mark.kind {
            MarkKind::Fault(action) => format!("FAULT: {}", action.describe()),
            MarkKind::Panic => {
                let panics = timeline.lines(mark.step, mark.step)?;
                let is_panic = |line: &&Line| matches!(line.occurrence, Occurrence::Panic(_));
                let panic = panics.iter().find(is_panic);
                panic.map_or_else(|| "PANIC".to_owned(), |line| line.what())
            }
            MarkKind::Supervision => {
                let line = timeline.step(mark.step)?;
                line.map_or_else(String::new, |line| line.what())
            }
        };
        lines.push(MarkLine {
            step: mark.step,
            now_ns: mark.now_ns,
            who: label(timeline, mark.task),
            what,
        });
    }
    Ok(lines)
}

/// Whether a line has a text in it; the text is in small letters.
pub(super) fn has_text(line: &WholeEvent, lower: &str) -> bool {
    line.who.to_lowercase().contains(lower) || line.what().to_lowercase().contains(lower)
}

/// Lines with a text, and whether there are more.
fn find_all(
    timeline: &mut Timeline,
    text: &str,
    most: usize,
) -> Result<(Vec<Line>, bool), TraceError> {
    let lower = text.to_lowercase();
    let mut lines = Vec::new();
    let mut more = false;
    // Not one by one: a step may have several.
    timeline.find(0, Direction::Forward, |event| {
        if has_text(event, &lower) {
            more = lines.len() == most;
            if !more {
                lines.push(Line::from(event.clone()));
            }
        }
        more
    })?;
    Ok((lines, more))
}

/// The steps at which a condition holds, and whether there are more.
fn hits(
    timeline: &mut Timeline,
    condition: &Condition,
    most: usize,
) -> Result<(Vec<Line>, bool), TraceError> {
    let mut lines = Vec::new();
    let mut at = 0;
    while let Some(hit) = timeline.find_hit(at, Direction::Forward, condition)? {
        if lines.len() == most {
            return Ok((lines, true));
        }
        lines.extend(timeline.step(hit)?);
        at = hit;
    }
    Ok((lines, false))
}
