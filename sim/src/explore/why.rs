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
const LINES_MAX: usize = 40;

/// How many of them are the last ones, whatever else there is to tell, and how many are
/// there for the faults and the steps held back, with what is around them.
const LAST_LINES: usize = 12;
const KEY_LINES: usize = 12;

/// Runs, and steps in all, that may be spent on changes that could avoid the failure.
const RUNS_MAX: usize = 200;
const STEPS_MAX: u64 = 5_000_000;

/// What the story says of a callback that returned an error begins so.
const FAILED: &str = "failed: ";

/// Why a case fails.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// How it ended.
    pub outcome: String,
    /// Changes of which each makes it pass.
    pub changes: Vec<String>,
    /// Changes that were not tried, since there are too many or the run is too long.
    pub untried: usize,
    /// What led to the failure: of the steps that it can depend on the last, the first, and
    /// those around faults and steps that were held back.
    pub slice: Vec<Line>,
    /// Lines that were left out of it: before which of its lines, and how many.
    pub gaps: Vec<(usize, usize)>,
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
    let steps = lines.last().map_or(0, |line| line.step);
    let most = RUNS_MAX.min(usize::try_from(STEPS_MAX / steps.max(1)).unwrap_or(usize::MAX));
    let mut changes = Vec::new();
    let faults = (0..case.faults.len()).filter(|place| !case.faults[*place].heals());
    for place in faults.take(most) {
        let mut without = case.clone();
        let fault = without.faults.remove(place);
        if without.run(scenario).passed() {
            changes.push(format!("passes without the fault `{fault}`"));
        }
    }
    let most_holds = most.saturating_sub(case.strikes());
    for place in (0..case.holds().len()).take(most_holds) {
        let mut holds = case.holds().to_vec();
        let Hold { step, until } = holds.remove(place);
        let without = Case {
            holds: Some(holds),
            ..case.clone()
        };
        let (_, passed, others) = lines_of(&without, scenario);
        if passed {
            // The one that is held may not have come to its step. Where it did, in the other
            // run, the step has a number that would mislead here.
            let told = |line: &Line| format!("{} (step {})", in_words(line), line.step);
            let held = line_of(&lines, step)
                .map(told)
                .or_else(|| line_of(&others, step).map(in_words));
            let until = line_of(&lines, until).map(told);
            let unknown = || "a step that does not come".to_owned();
            changes.push(format!(
                "passes if {} before {}",
                held.unwrap_or_else(unknown),
                until.unwrap_or_else(unknown)
            ));
        }
    }
    let (slice, gaps) = abridge(slice(&lines, case.holds()), &lines, case.holds());
    Explanation {
        outcome,
        changes,
        untried: case.size().saturating_sub(most),
        steps,
        is_plain: case.holds.is_some() && case.size() == 0,
        slice,
        gaps,
    }
}

/// Not more lines than one reads, and the numbers of those that are missing. What decides is
/// seldom among the last ones: a system that waits in vain goes on for long.
fn abridge(slice: Vec<Line>, lines: &[Line], holds: &[Hold]) -> (Vec<Line>, Vec<(usize, usize)>) {
    let count = slice.len();
    if count <= LINES_MAX {
        return (slice, Vec::new());
    }
    let held: BTreeSet<u64> = holds
        .iter()
        .flat_map(|hold| [hold.step, hold.until])
        .filter_map(|step| Some(line_of(lines, step)?.step))
        .collect();
    let is_key = |line: &Line| match line.record {
        Record::Fault(_) => true,
        Record::Event(_) | Record::Panic(_) => tells_failure(line),
        Record::Step(_) => held.contains(&line.step),
        _ => false,
    };
    let mut told: BTreeSet<usize> = BTreeSet::new();
    for place in (0..count).filter(|place| is_key(&slice[*place])) {
        let around = [place, place.saturating_sub(1), (place + 1).min(count - 1)];
        if told.union(&around.into()).count() > KEY_LINES {
            break;
        }
        told.extend(around);
    }
    told.extend(count - LAST_LINES..count);
    // The rest of the room: one line of the beginning for two further ones of the end.
    let mut first = 0..count;
    let mut last = (0..count).rev();
    for turn in 0.. {
        if told.len() >= LINES_MAX {
            break;
        }
        let next = if turn % 3 == 0 {
            first.find(|place| !told.contains(place))
        } else {
            last.find(|place| !told.contains(place))
        };
        told.extend(next);
    }
    let mut gaps = Vec::new();
    let mut expected = 0;
    for (number, place) in told.iter().enumerate() {
        if *place > expected {
            gaps.push((number, place - expected));
        }
        expected = place + 1;
    }
    let slice = slice.into_iter().enumerate();
    let slice = slice.filter_map(|(place, line)| told.contains(&place).then_some(line));
    (slice.collect(), gaps)
}

fn is_step(line: &Line) -> bool {
    matches!(line.record, Record::Step(_))
}

/// Whether a callback failed or panicked here.
fn tells_failure(line: &Line) -> bool {
    match &line.record {
        Record::Event(text) => text.starts_with(FAILED),
        Record::Panic(_) => true,
        _ => false,
    }
}

/// The line of a step of a task, if it was taken.
fn line_of(lines: &[Line], (task, number): StepOf) -> Option<&Line> {
    let of_task = |line: &&Line| matches!(line.record, Record::Step(step) if step.task == task);
    let place = (number as usize).checked_sub(1)?;
    lines.iter().filter(of_task).nth(place)
}

/// What a step was.
fn in_words(line: &Line) -> String {
    let what = line.what();
    let what = what.strip_prefix("handles ").map_or_else(
        || what.clone(),
        |message| format!("handles `{}`", shorten(message)),
    );
    format!("`{}` {what}", line.who)
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
    // A callback that failed may have taken with it what is missed later.
    let failed = lines.iter().filter(|line| tells_failure(line));
    wanted.extend(failed.map(|line| line.step));
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
        if self.untried > 0 {
            line(&format!(
                "{} changes of the schedule and the faults were not tried, for want of time",
                self.untried
            ));
        } else if self.changes.is_empty() {
            line(if self.is_plain {
                "it fails first in, first out, without any fault"
            } else {
                "no single change of the schedule or the faults avoids it"
            });
        }
        line("what led to it:");
        let mut gaps = self.gaps.iter().peekable();
        for (number, told) in self.slice.iter().enumerate() {
            if let Some((_, count)) = gaps.next_if(|(before, _)| *before == number) {
                let earlier = if number == 0 { "earlier " } else { "" };
                line(&format!("  ({count} {earlier}lines left out)"));
            }
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
