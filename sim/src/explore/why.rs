//! Why a case fails: what led to the failure, and the single change that avoids it.

use std::collections::BTreeSet;
use std::fmt;
use std::future::Future;

use retake_traces::export::mermaid;
use retake_traces::record::Record;
use retake_traces::sink::MemorySink;
use retake_traces::story::{self, Line};

use super::{Case, Scenario, boxed};
use crate::strategy::{Hold, StepOf};

/// Lines that an explanation has at most.
const LINES_MAX: usize = 30;

/// Why a case fails.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// How it ended.
    pub outcome: String,
    /// Changes of which each makes it pass.
    pub changes: Vec<String>,
    /// What led to the failure: the last steps that it can depend on.
    pub slice: Vec<Line>,
    /// Steps that the failure can depend on and that were left out, the earliest.
    pub left_out: usize,
    /// The steps of the run.
    pub steps: u64,
    /// Nothing makes it differ from a plain run.
    pub is_plain: bool,
}

/// Explain a failing case; the smaller it is, the better.
pub fn explain<F, Fut>(case: &Case, scenario: F) -> Explanation
where
    F: Fn() -> Fut + Send + Sync + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    explain_boxed(case, &boxed(scenario))
}

/// The lines of a run, with texts and causes.
fn lines_of(case: &Case, scenario: &Scenario) -> (String, bool, Vec<Line>) {
    let sink = MemorySink::new();
    let run = case.run_into(scenario, sink.clone(), false);
    let records = sink.records();
    (
        run.outcome.to_string(),
        run.passed(),
        story::lines(&records),
    )
}

pub(super) fn explain_boxed(case: &Case, scenario: &Scenario) -> Explanation {
    let (outcome, _, lines) = lines_of(case, scenario);
    let mut changes = Vec::new();
    for place in 0..case.faults.len() {
        let mut without = case.clone();
        let fault = without.faults.remove(place);
        if without.run(scenario).passed() {
            changes.push(format!("passes without the fault `{fault}`"));
        }
    }
    for place in 0..case.holds().len() {
        let mut holds = case.holds().to_vec();
        let Hold { step, until } = holds.remove(place);
        let without = Case {
            holds: Some(holds),
            ..case.clone()
        };
        let (_, passed, others) = lines_of(&without, scenario);
        if passed {
            // The one that is held may not have come to its step.
            let held = in_words(&lines, step).or_else(|| in_words(&others, step));
            let until = in_words(&lines, until);
            let unknown = || "a step that does not come".to_owned();
            changes.push(format!(
                "passes if {} before {}",
                held.unwrap_or_else(unknown),
                until.unwrap_or_else(unknown)
            ));
        }
    }
    let slice = slice(&lines, case.holds());
    let left_out = slice.len().saturating_sub(LINES_MAX);
    Explanation {
        outcome,
        changes,
        steps: lines.last().map_or(0, |line| line.step),
        is_plain: case.holds.is_some() && case.size() == 0,
        slice: slice.into_iter().skip(left_out).collect(),
        left_out,
    }
}

fn is_step(line: &Line) -> bool {
    matches!(line.record, Record::Step(_))
}

/// The line of a step of a task, if it was taken.
fn line_of(lines: &[Line], (task, number): StepOf) -> Option<&Line> {
    let of_task = |line: &&Line| matches!(line.record, Record::Step(step) if step.task == task);
    let place = (number as usize).checked_sub(1)?;
    lines.iter().filter(of_task).nth(place)
}

/// What a step of a task was, if it was taken.
fn in_words(lines: &[Line], step: StepOf) -> Option<String> {
    let line = line_of(lines, step)?;
    let what = line.what();
    let what = what.strip_prefix("handles ").map_or_else(
        || what.clone(),
        |message| format!("handles `{}`", shorten(message)),
    );
    Some(format!("`{}` {what} (step {})", line.who, line.step))
}

/// A message as short as its sense allows.
fn shorten(message: &str) -> String {
    const MOST: usize = 60;
    if message.chars().count() <= MOST {
        return message.to_owned();
    }
    let mut short: String = message.chars().take(MOST).collect();
    short.push('…');
    short
}

/// The steps that the last one can depend on: those before it of the same task, the one
/// that sent its message or its reply, that spawned it or woke it, and so on. So can those
/// that the schedule holds back, and what they wait for. A dependence by memory that tasks
/// share does not show otherwise.
fn slice(lines: &[Line], holds: &[Hold]) -> Vec<Line> {
    let mut wanted: BTreeSet<u64> = BTreeSet::new();
    let mut tasks: BTreeSet<&str> = BTreeSet::new();
    let steps: Vec<&Line> = lines.iter().filter(|line| is_step(line)).collect();
    let held = holds.iter().flat_map(|hold| [hold.step, hold.until]);
    wanted.extend(held.filter_map(|step| Some(line_of(lines, step)?.step)));
    let panicked = lines.iter().rev().find_map(|line| match line.record {
        Record::Panic(_) => Some(line.step),
        _ => None,
    });
    let last = panicked.or_else(|| steps.last().map(|line| line.step));
    wanted.extend(last);
    // From the end to the beginning: a task that matters, mattered up to there.
    for line in steps.iter().rev() {
        let matters = wanted.contains(&line.step) || tasks.contains(&*line.who);
        if matters && last.is_some_and(|last| line.step <= last) {
            wanted.insert(line.step);
            wanted.extend(line.cause);
            tasks.insert(&line.who);
        }
    }
    // Of a short run all is told, for the sake of what memory it shares.
    let is_short = steps.len() <= LINES_MAX;
    lines
        .iter()
        .filter(|line| match &line.record {
            Record::Step(_) | Record::Event(_) | Record::Panic(_) => {
                is_short || wanted.contains(&line.step)
            }
            Record::Fault(_) | Record::End(_) => true,
            _ => false,
        })
        .cloned()
        .collect()
}

impl Explanation {
    /// As text, with lines of at most `width` characters; 0 means no limit.
    #[must_use]
    pub fn to_text(&self, width: usize) -> String {
        let mut text = String::new();
        let mut line = |line: &str| {
            text.push_str(line);
            text.push('\n');
        };
        line(&self.outcome);
        for change in &self.changes {
            line(change);
        }
        if self.changes.is_empty() {
            line(if self.is_plain {
                "it fails first in, first out, without any fault"
            } else {
                "no single change of the schedule or the faults avoids it"
            });
        }
        line("what led to it:");
        if self.left_out > 0 {
            line(&format!("  ({} earlier lines left out)", self.left_out));
        }
        for told in &self.slice {
            line(&told.to_text(width));
        }
        text.truncate(text.trim_end().len());
        text
    }

    /// As a Mermaid sequence diagram of who sent what to whom.
    #[must_use]
    pub fn to_mermaid(&self) -> String {
        mermaid::diagram(&self.slice)
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_text(0))
    }
}
