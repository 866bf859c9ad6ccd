//! Why a case fails: what led to the failure, and what avoids it.
//!
//! Each sentence "passes if" is a [`Reason`], which was found by running it: the case passes
//! with the constraint, and does not when it is released one step later or earlier.

mod bounds;
mod deliveries;
mod reason;
mod search;
mod seeds;
mod slice;

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use retake_inspect::export::mermaid;
use retake_inspect::fold::Passage;
use retake_inspect::notes;
use retake_inspect::story::{self, Line};
use retake_traces::counted;
use retake_traces::header::Header;
use retake_traces::sink::MemorySink;

use self::deliveries::Steps;
use self::search::Finder;
use super::shrink::Limits;
use super::{Case, Scenario};
use crate::isolate::now;
use retake_engine::strategy::StepOf;

pub use self::reason::{
    Delivery, DifferentFailure, Order, Ordering, OtherSeeds, Reason, Verdict, WithoutFaults,
};

/// Steps that may be spent on making a case small before it is explained.
const SHRINK_STEPS_MAX: u64 = 1_000_000;
/// Real time that may be spent on it, and then on changes that could avoid the failure. The
/// limits of runs and steps are reached before, unless runs are slow for their steps.
const SHRINK_TIME_MAX: Duration = Duration::from_secs(10);
const CHANGES_TIME_MAX: Duration = Duration::from_secs(15);

/// Why a case fails.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// The case that is explained: the one that was given, or a smaller one that fails alike
    /// where its schedule was not yet expressed by holds.
    pub case: Case,
    /// How it ended.
    pub outcome: String,
    /// It does not fail any more: there is nothing to explain.
    pub passed: bool,
    /// The calls that led to a panic, see [`Run::calls`](crate::Run::calls).
    pub calls: Vec<String>,
    /// Changes of which each makes it pass.
    pub reasons: Vec<Reason>,
    /// Single changes with which it fails in another way.
    pub different: Vec<DifferentFailure>,
    /// How other seeds end, where no order of the case's own steps avoids the failure, or it
    /// fails first in, first out.
    pub seeds: Option<OtherSeeds>,
    /// Changes that were not tried, since there are too many or the run is too long.
    pub untried: usize,
    /// What led to the failure: the steps that it depends on, with faults, what supervisors
    /// receive, starts and ends.
    pub slice: Vec<Passage>,
    /// The steps of the run.
    pub steps: u64,
    /// Nothing makes it differ from a plain run.
    pub is_plain: bool,
    /// `case` is smaller than the one that was given.
    pub is_smaller: bool,
    /// Single changes were tried, and each was run to its end.
    pub is_thorough: bool,
}

/// Explain a failing case; the smaller it is, the better.
///
/// It costs a bounded number of runs and steps, and is the same whenever it is repeated,
/// unless it is given up after half a minute: then fewer changes have been tried, and it says
/// how many were not.
pub fn explain(case: &Case, scenario: impl Into<Scenario>) -> Explanation {
    explain_boxed(case, &scenario.into())
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}

pub(super) fn explain_boxed(case: &Case, scenario: &Scenario) -> Explanation {
    let small = match case.has_holds() {
        true => None,
        false => {
            let limits = Limits {
                steps: SHRINK_STEPS_MAX,
                until: Some(now() + SHRINK_TIME_MAX),
            };
            super::shrink::shrink_boxed(case, scenario, limits, |_| {}).ok()
        }
    };
    // What a strategy ran eagerly cannot be written as holds.
    let small = small.filter(|small| small.case.has_holds());
    let is_smaller = small.is_some();
    let case = small.map_or_else(|| case.clone(), |small| small.case);
    let sink = MemorySink::new();
    let run = case.run_into(scenario, sink.clone(), false);
    let lines: Vec<Line> = notes::annotate(story::lines(&sink.records()));
    let mut explanation = Explanation {
        outcome: run.outcome.to_string(),
        passed: run.passed(),
        calls: run.calls(),
        reasons: Vec::new(),
        different: Vec::new(),
        seeds: None,
        untried: 0,
        slice: Vec::new(),
        steps: lines.last().map_or(0, |line| line.step),
        is_plain: case.has_holds() && case.size() == 0,
        is_smaller,
        is_thorough: false,
        case,
    };
    let shown = Steps::new(&lines);
    if !run.passed() {
        let mut case = explanation.case.clone();
        case.note(&run);
        let until = now() + CHANGES_TIME_MAX;
        let found = Finder::new(scenario, &case, &shown, until).find();
        explanation.is_thorough = found.tried > 0 && found.untried == 0;
        explanation.reasons = found.reasons;
        explanation.different = found.different;
        explanation.seeds = found.seeds;
        explanation.untried = found.untried;
    }
    let decisive = explanation.decisive(&shown);
    explanation.slice = slice::slice(&lines, &decisive);
    explanation
}

impl Explanation {
    /// Add what is known to the header of a trace of [`Explanation::case`].
    pub fn note_in(&self, header: &mut Header) {
        header.reasons = self.sentences();
        header.decisive = self.decisive_steps();
    }

    /// The numbers of the steps that the reasons name, without those that are not reached.
    #[must_use]
    pub fn decisive_steps(&self) -> Vec<u64> {
        let orders = self.reasons.iter().filter_map(|reason| match reason {
            Reason::Ordering(ordering) => Some(&ordering.orders),
            Reason::Faults(_) | Reason::ArrivalOrder(_) => None,
        });
        let named = orders.flatten();
        let named = named.flat_map(|order| [order.first.step, order.second.step]);
        let steps: BTreeSet<u64> = named.flatten().collect();
        steps.into_iter().collect()
    }

    /// The steps that the reasons name, and those that the schedule holds back.
    fn decisive(&self, shown: &Steps) -> BTreeSet<u64> {
        let held = self.case.holds().iter();
        let held = held.flat_map(|hold| [hold.step, hold.until]);
        // Of one that is not reached, the last one of its task that is.
        let reached = |(task, number): StepOf| {
            let numbers = (1..=number).rev();
            let mut reached = numbers.filter_map(|number| shown.index_of((task, number)));
            Some(shown.line(reached.next()?).step)
        };
        let held = held.filter_map(reached);
        held.chain(self.decisive_steps()).collect()
    }

    /// What avoids the failure, one sentence each; at least one for a case that fails.
    #[must_use]
    pub fn sentences(&self) -> Vec<String> {
        let mut sentences: Vec<String> = self.reasons.iter().map(ToString::to_string).collect();
        if self.is_smaller && !sentences.is_empty() {
            let note = "numbers of steps are those of a smaller run that fails alike".to_owned();
            sentences.push(note);
        }
        if self.is_plain {
            sentences.push("it fails first in, first out, without any fault".to_owned());
        }
        sentences.extend(self.seeds.iter().map(ToString::to_string));
        if self.untried > 0 {
            sentences.push(format!(
                "{} of the schedule and the faults not tried, for want of time",
                counted(self.untried, "change")
            ));
        } else if self.reasons.is_empty() && self.is_thorough {
            sentences.push("no single change of the schedule or the faults avoids it".to_owned());
        }
        sentences.extend(self.different.iter().map(ToString::to_string));
        sentences
    }

    /// The lines of the slice, without those that were left out or are repetitions.
    #[must_use]
    pub fn lines(&self) -> Vec<&Line> {
        self.slice.iter().flat_map(Passage::lines).collect()
    }

    /// As text, with lines of at most `width` characters; 0 means no limit.
    #[must_use]
    pub fn to_text(&self, width: usize) -> String {
        let mut lines: Vec<String> = self.outcome.lines().map(str::to_owned).collect();
        if self.passed {
            lines.push("nothing failed: there is nothing to explain".to_owned());
            return lines.join("\n");
        }
        lines.extend(self.calls.iter().map(|call| format!("  {call}")));
        for sentence in self.sentences() {
            lines.extend(wrapped(&sentence, width));
        }
        lines.push("what led to it:".to_owned());
        let passages = self.slice.iter().enumerate();
        lines.extend(passages.map(|(place, passage)| match passage {
            Passage::LeftOut(count) if place == 0 => format!("  ({count} earlier lines left out)"),
            passage => passage.to_text(width),
        }));
        lines.join("\n").trim_end().to_owned()
    }

    /// As a Mermaid sequence diagram of who sent what to whom.
    #[must_use]
    pub fn to_mermaid(&self) -> String {
        mermaid::diagram_with(&self.sentences(), self.lines())
    }
}

/// Broken at spaces, with further lines indented.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let last = lines.last().map_or(0, |line| line.chars().count());
        let is_full = width > 0 && last + 1 + word.chars().count() > width;
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if !is_full => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(format!("  {word}")),
        }
    }
    lines
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_text(0))
    }
}
