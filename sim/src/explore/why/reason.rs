//! What avoids a failure, as data and as sentences. Each was found by running it.

use std::fmt;

use crate::explore::Case;
use retake_engine::strategy::StepOf;
use retake_traces::fault::Fault;

/// A change after which a failing case passes.
#[derive(Clone, Debug)]
pub enum Reason {
    /// It passes in another order.
    Ordering(Ordering),
    /// It passes without some of its faults.
    Faults(WithoutFaults),
    /// It passes when tasks run first in, first out: this case. Which of their steps decide is
    /// not known, or they are too many to be an explanation.
    ArrivalOrder(Box<Case>),
}

/// Orders in which the case passes. Usually one; where more are needed, each of them is.
#[derive(Clone, Debug)]
pub struct Ordering {
    /// The orders, all of which must be kept.
    pub orders: Vec<Order>,
    /// The case with all of them kept: it passes.
    pub passes: Case,
}

/// One order of two deliveries that decides. Until the second, the two cases run alike.
#[derive(Clone, Debug)]
pub struct Order {
    /// What has to come first.
    pub first: Delivery,
    /// What has to come second; in the failing run it comes first.
    pub second: Delivery,
    /// The constraint: the step of which the turn decides, and the step that it has to be
    /// taken before. They are the deliveries themselves, or what leads to them.
    pub constraint: (StepOf, StepOf),
    /// The case with `constraint` kept, and with all other orders of the ordering. It passes.
    pub passes: Case,
    /// The same, released one step of the schedule later or earlier, so that the constraint is
    /// broken. It does not pass.
    pub fails: Case,
    /// How `fails` ends.
    pub verdict: Verdict,
}

/// A step of a task: where it runs a message, whose message that is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// The label of the task.
    pub who: String,
    /// What it does, in words, for example "handles `Set(1)`".
    pub what: String,
    /// The message, where one is handled, for example "`Set(1)`".
    pub message: Option<String>,
    /// The label of the task that sent the message, where a message is handled.
    pub sender: Option<String>,
    /// The step's number in the failing run that is shown; missing where that run does not
    /// reach it.
    pub step: Option<u64>,
    /// The task and which of its steps, in the run that passes.
    pub task_step: StepOf,
}

/// How a changed case ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It passes.
    Passes,
    /// It fails as the case does.
    FailsAlike,
    /// It fails in another way: the first line of its outcome.
    FailsOtherwise(String),
    /// It was not run to its end: the budget for an explanation is spent.
    Unknown,
}

/// Faults without which the case passes.
#[derive(Clone, Debug)]
pub struct WithoutFaults {
    /// They are left out together: it does not help to leave out a part of them.
    pub faults: Vec<Fault>,
    /// The case without them: it passes.
    pub passes: Case,
}

/// A single change that does not help: the case fails in another way.
#[derive(Clone, Debug)]
pub struct DifferentFailure {
    /// The change, in words.
    pub change: String,
    /// The case with the change.
    pub case: Case,
    /// The first line of its outcome.
    pub outcome: String,
}

/// How other seeds end, with the same faults and a strategy of their own each.
#[derive(Clone, Debug)]
pub struct OtherSeeds {
    /// How many were run.
    pub runs: u64,
    /// How many of them passed.
    pub passed: u64,
    /// One that passes.
    pub example: Option<Case>,
    /// Other schedules of the same seed that were run.
    pub schedules: u64,
    /// How many of these passed.
    pub schedules_passed: u64,
}

impl fmt::Display for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` {}", self.who, self.of_sender(&self.what))
    }
}

impl Delivery {
    /// What it does or handles, and whose message it is.
    fn of_sender(&self, what: &str) -> String {
        match &self.sender {
            Some(sender) => format!("{what} of `{sender}`"),
            None => what.to_owned(),
        }
    }

    fn with_step(&self) -> String {
        match self.step {
            Some(step) => format!("{self} (step {step})"),
            None => self.to_string(),
        }
    }
}

impl fmt::Display for Order {
    /// For example "`counter` handles `Set(1)` of `client#2` before `Get` of `client`
    /// (steps 14 and 11)".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { first, second, .. } = self;
        if first.who != second.who {
            return write!(f, "{} before {}", first.with_step(), second.with_step());
        }
        let message = second.message.as_ref().unwrap_or(&second.what);
        write!(f, "{first} before {}", second.of_sender(message))?;
        match (first.step, second.step) {
            (Some(first), Some(second)) => write!(f, " (steps {first} and {second})"),
            (Some(step), None) => write!(f, " (step {step}; the latter is not reached)"),
            (None, Some(step)) => write!(f, " (step {step}; the former is not reached)"),
            (None, None) => Ok(()),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ordering(ordering) => {
                for (place, order) in ordering.orders.iter().enumerate() {
                    let word = if place == 0 { "passes if " } else { ", and " };
                    write!(f, "{word}{order}")?;
                }
                Ok(())
            }
            Self::ArrivalOrder(_) => f.write_str("passes first in, first out"),
            Self::Faults(without) => {
                let faults = without.faults.iter().map(|fault| format!("`{fault}`"));
                let s = if without.faults.len() == 1 { "" } else { "s" };
                let faults = faults.collect::<Vec<_>>().join(" and ");
                write!(f, "passes without the fault{s} {faults}")
            }
        }
    }
}

impl fmt::Display for DifferentFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            change, outcome, ..
        } = self;
        write!(f, "{change} it fails in another way: {outcome}")
    }
}

impl fmt::Display for OtherSeeds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            runs,
            passed,
            schedules,
            ..
        } = self;
        match &self.example {
            Some(case) => {
                let (seed, strategy) = (case.config.seed, &case.config.strategy);
                let s = if *passed == 1 { "es" } else { "" };
                write!(
                    f,
                    "{passed} of {runs} other seeds pass{s}, for example seed {seed} (strategy {strategy})"
                )?;
                if *schedules > 0 && self.schedules_passed == 0 {
                    write!(
                        f,
                        "; none of {schedules} other schedules of this seed does: it depends on what the \
                         seed draws"
                    )?;
                }
                Ok(())
            }
            None if *runs == 0 => f.write_str("no other seed was run, for want of time"),
            None => {
                let seeds = match runs {
                    1 => "one other seed".to_owned(),
                    runs => format!("all of {runs} other seeds"),
                };
                write!(f, "it fails with {seeds}")?;
                match schedules {
                    0 => Ok(()),
                    1 => f.write_str(" and one other schedule of this one"),
                    schedules => write!(f, " and {schedules} other schedules of this one"),
                }
            }
        }
    }
}
