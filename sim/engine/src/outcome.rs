//! How a run ended, and what it took.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use retake_traces::counted;
use retake_traces::error::TraceError;
use retake_traces::fault::Fault;
use retake_traces::fault::swarm::PlainRun;
pub use retake_traces::record::OutcomeKind;
use serde::{Deserialize, Serialize};

use crate::place::Place;

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Outcome {
    /// The scenario returned.
    Passed,
    /// Code panicked where nobody observed it: in the scenario, in a task, or in
    /// an actor without a supervisor.
    Panicked {
        /// The label of the task.
        task: String,
        /// It was dropped at an await: what it drops has panicked.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        is_dropped: bool,
        /// The panic's message.
        message: String,
        /// Where in the sources it panicked, if its hook was called there.
        place: Option<Place>,
    },
    /// A check failed: `retake::always!`, a monitor, or another of `retake::checks`.
    Violated {
        /// The label of the task that ran.
        task: String,
        /// What is wrong.
        what: String,
        /// The text of the check with places for values, such as `{first} and {second} lead`;
        /// empty where it has none. It tells failures of one check from those of others.
        #[serde(skip)]
        check: String,
        /// It is the count of messages that is wrong, and no task has done it.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        is_count: bool,
    },
    /// Nothing can run and no timer is pending.
    Deadlock {
        /// Who waits, and for whom where it is known.
        waiting: Vec<WaitingTask>,
        /// Labels of tasks that wait in a circle, each for the next; empty without a circle.
        cycle: Vec<String>,
    },
    /// Steps repeat without end while virtual time does not move, and nothing new happens.
    Livelock {
        /// The busiest tasks with their share of the last steps, in percent.
        busy: Vec<(String, u32)>,
        /// The steps of one round, if they repeat in one order.
        repeats: Vec<String>,
    },
    /// Virtual time reached its horizon before the scenario returned.
    Horizon {
        /// Who was waiting inside a callback then.
        waiting: Vec<WaitingTask>,
        /// The busiest tasks with their share of the last steps, in percent.
        busy: Vec<(String, u32)>,
    },
    /// The scenario did not return within the limit of steps.
    StepLimit {
        /// The busiest tasks with their share of the last steps, in percent.
        busy: Vec<(String, u32)>,
    },
    /// Code ran where the scheduler has no hold of it.
    Escaped {
        /// Who, and how.
        what: String,
        /// What to do about it.
        remedy: String,
    },
    /// The process in which the run took place ended, or was ended because it hung.
    Lost {
        /// How it ended.
        how: String,
        /// It did not end in time.
        hangs: bool,
    },
    /// The run could not follow the schedule that it was to replay.
    Diverged {
        /// Where and how.
        reason: String,
    },
}

/// A task that waits inside a callback.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitingTask {
    /// The label of the task.
    pub task: String,
    /// What it was doing, for example the text of the message it handles.
    pub doing: String,
    /// Of a task that is no actor: where in the sources it was spawned.
    pub spawned: Option<Place>,
    /// The labels of actors and tasks that it waits for, where it is known: for an answer, for
    /// their end, or for what they hold, such as a lock or the other end of a channel.
    pub waits_for: Vec<String>,
}

impl Outcome {
    /// The kind of this outcome.
    #[must_use]
    pub fn kind(&self) -> OutcomeKind {
        match self {
            Self::Passed => OutcomeKind::Passed,
            Self::Panicked { .. } => OutcomeKind::Panicked,
            Self::Violated { .. } => OutcomeKind::Violated,
            Self::Deadlock { .. } => OutcomeKind::Deadlock,
            Self::Livelock { .. } => OutcomeKind::Livelock,
            Self::Horizon { .. } => OutcomeKind::Horizon,
            Self::StepLimit { .. } => OutcomeKind::StepLimit,
            Self::Escaped { .. } => OutcomeKind::Escaped,
            Self::Lost { .. } => OutcomeKind::Lost,
            Self::Diverged { .. } => OutcomeKind::Diverged,
        }
    }

    /// One word for this outcome.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.kind().word()
    }

    /// The explanation, without the name; empty when passed.
    #[must_use]
    pub fn detail(&self) -> String {
        match self {
            Self::Passed => String::new(),
            Self::Panicked {
                task,
                is_dropped,
                message,
                place,
            } => {
                let dropped = if *is_dropped {
                    ", dropped at an await"
                } else {
                    ""
                };
                let place = place.as_ref().map(|place| format!(" at {place}"));
                let place = place.unwrap_or_default();
                format!("{task}{dropped}{place}: {message}{}", remedy(message))
            }
            Self::Violated { task, what, .. } => format!("{task}: {what}"),
            Self::Deadlock { waiting, cycle } => {
                let mut text = String::from("nothing can run and no timer is pending");
                if !cycle.is_empty() {
                    let mut circle = cycle.clone();
                    circle.extend(cycle.first().cloned());
                    text.push_str(&format!("\nwait cycle: {}", circle.join(" -> ")));
                }
                text + &list(waiting)
            }
            Self::Livelock { busy, repeats } => {
                let mut text = String::from(
                    "steps repeat while virtual time does not move and nothing new happens",
                ) + &shares(busy);
                if !repeats.is_empty() {
                    text.push_str("\nthese steps repeat:");
                    for step in repeats {
                        text.push_str(&format!("\n  {step}"));
                    }
                }
                text
            }
            Self::Horizon { waiting, busy } => {
                String::from("the scenario did not return before the end of virtual time")
                    + &list(waiting)
                    + &shares(busy)
            }
            Self::StepLimit { busy } => {
                String::from(
                    "the scenario did not return within the limit of steps; raise it if that is expected",
                ) + &shares(busy)
            }
            Self::Escaped { what, remedy } => format!("{what}\n{remedy}"),
            Self::Lost { how, .. } => how.clone(),
            Self::Diverged { reason } => reason.clone(),
        }
    }
}

/// What to do about a panic that comes of the simulation, if this is one.
fn remedy(message: &str) -> &'static str {
    // What tokio's sockets, signals and processes say on a runtime without their driver.
    if message.contains("but IO is disabled") {
        return "\na simulation has no sockets of the system: use those of `retake_sim::net` (feature \
                `net`), also below axum and hyper; docs/own.md shows a server";
    }
    ""
}

/// Who took the last steps.
fn shares(busy: &[(String, u32)]) -> String {
    if busy.is_empty() {
        return String::new();
    }
    let mut text = String::from("\nshare of the last steps:");
    for (task, share) in busy {
        text.push_str(&format!("\n  {task} {share} %"));
    }
    text
}

fn list(waiting: &[WaitingTask]) -> String {
    let mut text = String::new();
    for wait in waiting {
        text.push_str(&format!("\n  {} waits in {}", wait.task, wait.doing));
        let is_known = !wait.waits_for.is_empty();
        if let Some(place) = &wait.spawned {
            let comma = if is_known { "," } else { "" };
            text.push_str(&format!(", spawned at {place}{comma}"));
        }
        if is_known {
            text.push_str(&format!(" for {}", wait.waits_for.join(", ")));
        }
    }
    text
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Passed => f.write_str("passed"),
            other => write!(f, "{}: {}", other.name(), other.detail()),
        }
    }
}

/// How often state machines met events in states: by machine, by state, by event. What may
/// be met and was not has a 0.
pub type Coverage = BTreeMap<String, BTreeMap<String, BTreeMap<String, u64>>>;

/// What became of the messages of a run, see `Sim::conservation`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Messages {
    /// Sent to any actor.
    pub sent: u64,
    /// Of these so many by tasks that no gate guards, such as ractor's output ports.
    pub ungated: u64,
    /// Of these a handler took so many.
    pub handled: u64,
    /// Not taken by the mailbox: its actor had ended.
    pub refused: u64,
    /// Lost in the mailbox of an actor that ended.
    pub lost: u64,
    /// The step that sent the first of these.
    pub first_lost: Option<u64>,
    /// In a mailbox still, at the end of the run.
    pub queued: u64,
}

/// What a run took. All of it is the same whenever the run is repeated.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stats {
    /// Steps taken.
    pub steps: u64,
    /// Steps chosen at quiescence; the others ran eagerly.
    pub picks: u64,
    /// Steps chosen among two runnable tasks or more: without any, every seed gives the same
    /// schedule.
    pub choices: u64,
    /// Chosen steps that first in, first out would not have chosen.
    pub deviations: u64,
    /// Largest number of tasks that were runnable at one time.
    pub runnable_max: usize,
    /// Actors started.
    pub actors: u64,
    /// Other tasks started, the scenario included.
    pub tasks: u64,
    /// Faults that were injected.
    pub faults: u64,
    /// Times at which the scenario asked how much of a load to make.
    pub loads: u64,
    /// Packets that went from one simulated host to another.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub packets: u64,
    /// Times at which nothing was runnable and virtual time moved on.
    pub idles: u64,
    /// Virtual time at the end.
    pub virtual_time: Duration,
    /// Largest number of tokio tasks alive that no gate guards: ractor's timers,
    /// output ports and helpers, or tasks spawned without `retake::spawn`.
    pub ungated_max: usize,
    /// How many such tasks were seen in all.
    pub ungated: u64,
    /// Where the first of them came from.
    pub first_ungated: Option<UngatedTask>,
}

/// So that runs without a network say nothing of packets.
#[allow(clippy::trivially_copy_pass_by_ref, reason = "as serde asks")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// Where a tokio task that no gate guards came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UngatedTask {
    /// The label of the task that spawned it, or that ran last before it was seen.
    pub task: String,
    /// The step.
    pub step: u64,
}

impl fmt::Display for UngatedTask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "step {} of `{}`", self.step, self.task)
    }
}

impl Stats {
    /// What a plain run says about others of its scenario, for faults that are drawn.
    #[must_use]
    pub fn plain(&self) -> PlainRun {
        PlainRun {
            steps: self.steps,
            time: self.virtual_time,
            packets: self.packets,
        }
    }

    /// What to know of the tasks that no gate guards, if there were any.
    #[must_use]
    pub fn ungated_warning(&self) -> Option<String> {
        let first = self.first_ungated.as_ref()?;
        Some(format!(
            "{} tokio task{} ran outside the gates, where no schedule is explored; the first came from \
             {first}. ractor's own timers and helpers are such tasks, and so is what `tokio::spawn` \
             starts, and an actor without `#[retake::simulated]`; use `retake::spawn` and \
             `retake::send_after` to have them scheduled and traced",
            self.ungated,
            if self.ungated == 1 { "" } else { "s" }
        ))
    }
}

/// The result of one run.
#[derive(Debug)]
pub struct Run<T> {
    /// The seed it ran from.
    pub seed: u64,
    /// The strategy, in the form that it parses from.
    pub strategy: String,
    /// How it ended.
    pub outcome: Outcome,
    /// What the scenario returned, if it did.
    pub output: Option<T>,
    /// What it took.
    pub stats: Stats,
    /// Hash over the schedule layer: who ran, when, with which message, which
    /// faults were injected, how it ended. Two runs with the same hash ran the same.
    pub event_hash: u64,
    /// Goals (`retake::sometimes!`) that were seen, and whether they were reached.
    pub goals: BTreeMap<&'static str, bool>,
    /// What state machines met (`retake::covered`).
    pub coverage: Coverage,
    /// What became of messages, if they were counted.
    pub messages: Option<Messages>,
    /// Things to know that do not fail the run.
    pub warnings: Vec<String>,
    /// Faults that were planned and not injected. The warnings say why.
    pub not_injected: Vec<Fault>,
    /// Frames of the user's code at the panic that ended the run, innermost first, or at a
    /// deadlock what each task awaits, if `RUST_BACKTRACE` asks for them. See
    /// [`calls`](Self::calls).
    pub backtrace: Vec<String>,
    /// Why the trace is not complete, if it is not.
    pub trace_error: Option<TraceError>,
}

impl<T> Run<T> {
    /// True if the scenario returned and its trace, if any, is complete.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.outcome == Outcome::Passed && self.trace_error.is_none()
    }

    /// The calls of the user's code that led to the panic which ended the run, one a line,
    /// innermost first, or at a deadlock what each task awaits and where; or a line that says
    /// how to have them listed. Empty if the run ended otherwise.
    ///
    /// They depend on `RUST_BACKTRACE` and on how the program was built, and are no part of a
    /// trace.
    #[must_use]
    pub fn calls(&self) -> Vec<String> {
        let wanted = match &self.outcome {
            Outcome::Panicked { place: Some(_), .. } => "the calls of your own code",
            Outcome::Deadlock { .. } => "what the tasks await, and where",
            _ => return Vec::new(),
        };
        if !self.backtrace.is_empty() {
            return self.backtrace.clone();
        }
        vec![if crate::panics::wants_calls() {
            "note: no call of your own code is in the backtrace: build with debug information \
             (`debug = \"line-tables-only\"` in the profile)"
                .to_owned()
        } else {
            format!("note: run with `RUST_BACKTRACE=1` to list {wanted}")
        }]
    }

    /// The scenario's output.
    ///
    /// # Panics
    /// If the run did not pass; the message says how it ended and how to repeat it.
    #[track_caller]
    pub fn expect_passed(self) -> T {
        let passed = self.passed();
        match self.output {
            Some(output) if passed => output,
            _ => panic!(
                "{}",
                Run {
                    output: None::<()>,
                    ..self.without_output()
                }
            ),
        }
    }

    /// The same without what the scenario gave.
    #[must_use]
    pub fn without_output(self) -> Run<()> {
        let mut run = self.map(drop);
        run.output = None;
        run
    }

    /// The same with this made of what the scenario gave.
    pub(crate) fn map<U>(self, make: impl FnOnce(T) -> U) -> Run<U> {
        Run {
            seed: self.seed,
            strategy: self.strategy,
            outcome: self.outcome,
            output: self.output.map(make),
            stats: self.stats,
            event_hash: self.event_hash,
            goals: self.goals,
            coverage: self.coverage,
            messages: self.messages,
            warnings: self.warnings,
            not_injected: self.not_injected,
            backtrace: self.backtrace,
            trace_error: self.trace_error,
        }
    }
}

impl<T> fmt::Display for Run<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.outcome)?;
        writeln!(
            f,
            "seed {}, strategy {}, event hash {:016x}",
            self.seed, self.strategy, self.event_hash
        )?;
        write!(
            f,
            "{} in {:?} of virtual time, {}, {}",
            counted(self.stats.steps, "step"),
            self.stats.virtual_time,
            counted(self.stats.actors, "actor"),
            counted(self.stats.faults, "fault")
        )?;
        for call in self.calls() {
            write!(f, "\n  {call}")?;
        }
        for warning in &self.warnings {
            write!(f, "\nwarning: {warning}")?;
        }
        if let Some(error) = &self.trace_error {
            write!(f, "\ntrace: {error}")?;
        }
        Ok(())
    }
}
