//! How two runs differ in the end.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;

use retake_traces::event::{Occurrence, WholeEvent};
use retake_traces::record::StepKind;

/// A value in which the runs differ.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OutcomeDifference {
    /// What it is.
    pub what: String,
    /// In the first run.
    pub left: String,
    /// In the second run.
    pub right: String,
}

/// How many messages a task handled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HandledCount {
    /// Its name.
    pub who: String,
    /// In the first run.
    pub left: u64,
    /// In the second run.
    pub right: u64,
}

/// What differs in the end; empty for runs that end alike.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Outcome {
    /// Outcome, steps, virtual time, tasks, faults and panics, where they differ.
    pub differences: Vec<OutcomeDifference>,
    /// Tasks that handled another number of messages, the largest differences first.
    pub handled: Vec<HandledCount>,
    #[serde(skip)]
    sides: [Side; 2],
    #[serde(skip)]
    counts: BTreeMap<Arc<str>, [u64; 2]>,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Side {
    outcome: String,
    steps: u64,
    now_ns: u64,
    tasks: u64,
    faults: Vec<String>,
    panics: Vec<String>,
}

/// Faults and panics that a comparison names.
const TOLD_MAX: usize = 5;

fn add_to(list: &mut Vec<String>, text: impl FnOnce() -> String) {
    if list.len() < TOLD_MAX {
        list.push(text());
    } else if list.len() == TOLD_MAX {
        list.push("…".to_owned());
    }
}

impl Outcome {
    pub(super) fn add(&mut self, number: usize, event: &WholeEvent) {
        let side = &mut self.sides[number];
        (side.steps, side.now_ns) = (event.step, event.now_ns);
        match &event.occurrence {
            Occurrence::Step(step) if step.kind == StepKind::Handle => {
                match self.counts.get_mut(&event.who) {
                    Some(counts) => counts[number] += 1,
                    None => {
                        let mut counts = [0; 2];
                        counts[number] = 1;
                        self.counts.insert(Arc::clone(&event.who), counts);
                    }
                }
            }
            Occurrence::Task(_) => side.tasks += 1,
            Occurrence::Fault(_) => {
                let what = || event.what().trim_start_matches("FAULT: ").to_owned();
                add_to(&mut side.faults, || format!("{} {}", event.who, what()));
            }
            Occurrence::Panic(panic) => {
                let what = || retake_traces::clean::one_line(&panic.message);
                add_to(&mut side.panics, || format!("{}: {}", event.who, what()));
            }
            Occurrence::End(end) => {
                end.outcome.word().clone_into(&mut side.outcome);
                if !end.detail.is_empty() {
                    side.outcome += &format!(": {}", retake_traces::clean::one_line(&end.detail));
                }
            }
            _ => {}
        }
    }

    /// Keep only the entries that differ.
    pub(super) fn keep_differences(&mut self) {
        let sides = std::mem::take(&mut self.sides);
        let list = |list: Vec<String>| {
            if list.is_empty() {
                "none".to_owned()
            } else {
                list.join("; ")
            }
        };
        let rows = sides.map(|side| {
            [
                ("outcome", side.outcome),
                ("steps", side.steps.to_string()),
                (
                    "virtual time",
                    format!("{} s", crate::story::seconds(side.now_ns)),
                ),
                ("tasks", side.tasks.to_string()),
                ("faults", list(side.faults)),
                ("panics", list(side.panics)),
            ]
        });
        let [left, right] = rows;
        for ((what, left), (_, right)) in left.into_iter().zip(right) {
            if left != right {
                self.differences.push(OutcomeDifference {
                    what: what.to_owned(),
                    left,
                    right,
                });
            }
        }
        let counts = std::mem::take(&mut self.counts);
        self.handled = counts
            .into_iter()
            .filter(|(_, [left, right])| left != right)
            .map(|(who, [left, right])| HandledCount {
                who: who.to_string(),
                left,
                right,
            })
            .collect();
        self.handled
            .sort_by_key(|it| std::cmp::Reverse(it.left.abs_diff(it.right)));
    }
}
