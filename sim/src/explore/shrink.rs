//! Making a failing case small: faults first, then the load, then the schedule.
//!
//! The schedule is a list of holds, each a step that waits for another. Each part is made
//! small by delta debugging (Zeller, Hildebrandt: "Simplifying and Isolating
//! Failure-Inducing Input", 2002): leave something out, and if the run still fails in the
//! same way, continue from there. A run that fails shows which holds took effect, and those
//! alone are kept.

use std::fmt;
use std::ops::Range;
use std::time::{Duration, Instant};

use retake_traces::counted;
use retake_traces::event::{Occurrence, events};
use retake_traces::fault::kinds::Load;
use retake_traces::fault::{Action, Fault, Moment, Target};
use retake_traces::record::{Injection, OutcomeKind, Record};
use retake_traces::sink::{HashSink, MemorySink};
use retake_traces::strategy::Strategy;

use super::{Case, FailureKind, Scenario};
use crate::isolate::now;

/// Runs that a shrinking may take.
const RUNS_MAX: u32 = 2_000;
/// Runs of a livelock that a shrinking may take, about.
const LIVELOCK_RUNS: u64 = 5;
/// Steps of a run that does not end, from which on one run is enough.
const ENDLESS_STEPS: u64 = 100_000;

/// A case that was made small. Shown, it tells from what to what.
#[derive(Clone, Debug)]
pub struct Shrunk {
    /// The small one.
    pub case: Case,
    /// Choices of the first run that first in, first out would not have made: a hold is as
    /// many of them as steps are taken meanwhile.
    pub deviations_before: usize,
    /// Those of the small one.
    pub deviations_after: usize,
    /// Holds that tell the schedule of the first run.
    pub holds_before: usize,
    /// Faults of the first run.
    pub faults_before: usize,
    /// Runs that it took.
    pub runs: u32,
    /// Whether it was given up before everything was tried: the runs were too many, or too
    /// long.
    pub gave_up: bool,
}

impl fmt::Display for Shrunk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "from {} held back and {} to {} and {}, by {}",
            counted(self.holds_before, "step"),
            counted(self.faults_before, "fault"),
            self.case.holds().len(),
            self.case.harmful_faults(),
            counted(self.runs, "run")
        )?;
        if self.gave_up {
            f.write_str(" (given up there, its runs are long)")?;
        }
        Ok(())
    }
}

/// How far a shrinking is.
#[derive(Clone, Copy, Debug)]
pub struct ShrinkProgress {
    /// Runs so far.
    pub runs: u32,
    /// Holds left.
    pub holds: usize,
    /// Faults left.
    pub faults: usize,
}

impl fmt::Display for ShrinkProgress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            runs,
            holds,
            faults,
        } = self;
        write!(
            f,
            "{}: {} held back, {}",
            counted(*runs, "run"),
            counted(*holds, "step"),
            counted(*faults, "fault")
        )
    }
}

/// Why a case cannot be shrunk.
#[derive(Debug, thiserror::Error)]
pub enum ShrinkError {
    /// It does not fail any more.
    #[error("the case passes: there is nothing to shrink")]
    Passes,
    /// It fails in another way.
    #[error("the case fails otherwise than it did: `{now}`, not `{then}`")]
    Otherwise {
        /// The signature now.
        now: String,
        /// The one that was kept.
        then: String,
    },
}

/// What a shrinking may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Steps of all its runs.
    pub(super) steps: u64,
    /// Real time.
    pub(super) until: Option<Instant>,
}

impl Limits {
    const NONE: Self = Self {
        steps: u64::MAX,
        until: None,
    };
}

struct Shrinker<F> {
    scenario: Scenario,
    best: Case,
    /// Deviations of its run.
    deviations: usize,
    /// The scenario asks how much of a load to make.
    has_loads: bool,
    runs: u32,
    /// Steps of these runs.
    steps: u64,
    limits: Limits,
    progress: F,
}

/// Make a failing case small. `progress` is called after each run.
///
/// The result is the same whenever it is repeated.
///
/// # Errors
/// If the case does not fail as it did.
pub fn shrink(
    case: &Case,
    scenario: impl Into<Scenario>,
    progress: impl FnMut(ShrinkProgress),
) -> Result<Shrunk, ShrinkError> {
    shrink_boxed(case, &scenario.into(), Limits::NONE, progress)
}

/// The same within about so long in real time: a case that is large still then stays so.
///
/// # Errors
/// If the case does not fail as it did.
pub fn shrink_within(
    case: &Case,
    scenario: impl Into<Scenario>,
    time_max: Duration,
    progress: impl FnMut(ShrinkProgress),
) -> Result<Shrunk, ShrinkError> {
    let limits = Limits {
        until: Some(now() + time_max),
        ..Limits::NONE
    };
    shrink_boxed(case, &scenario.into(), limits, progress)
}

/// Steps that may be spent on a case, at most so many. One that does not end is explained by its
/// loop, which is the same in every schedule that has it, and its runs are long.
pub(super) fn steps_max(case: &Case, most: u64) -> u64 {
    use OutcomeKind::{Horizon, Livelock, StepLimit};
    let Some(FailureKind::Ended(ended)) = case.failure else {
        return most;
    };
    match ended {
        Livelock | StepLimit | Horizon if case.steps >= ENDLESS_STEPS => most.min(case.steps),
        Livelock => most.min(case.steps.saturating_mul(LIVELOCK_RUNS)),
        _ => most,
    }
}

pub(super) fn shrink_boxed(
    case: &Case,
    scenario: &Scenario,
    mut limits: Limits,
    progress: impl FnMut(ShrinkProgress),
) -> Result<Shrunk, ShrinkError> {
    limits.steps = steps_max(case, limits.steps);
    let mut shrinker = Shrinker {
        scenario: Scenario::clone(scenario),
        best: case.clone(),
        deviations: 0,
        has_loads: false,
        runs: 0,
        steps: 0,
        limits,
        progress,
    };
    shrinker.start(case)?;
    let deviations_before = shrinker.deviations;
    let (holds_before, faults_before) =
        (shrinker.best.holds().len(), shrinker.best.harmful_faults());
    shrinker.shrink();
    let gave_up = shrinker.is_spent();
    Ok(Shrunk {
        case: shrinker.best,
        deviations_before,
        deviations_after: shrinker.deviations,
        holds_before,
        faults_before,
        runs: shrinker.runs,
        gave_up,
    })
}

impl<F: FnMut(ShrinkProgress)> Shrinker<F> {
    /// Write the case down by its holds, and the faults by the tasks that they hit.
    fn start(&mut self, case: &Case) -> Result<(), ShrinkError> {
        let sink = MemorySink::new();
        let (run, holds) = case.run_recorded(&self.scenario, sink.clone(), true);
        self.runs += 1;
        self.steps += run.stats.steps;
        if run.passed() {
            return Err(ShrinkError::Passes);
        }
        if !case.fails_alike(&run.outcome) {
            return Err(ShrinkError::Otherwise {
                now: super::signature(&run.outcome),
                then: case.signature.clone(),
            });
        }
        self.best.note(&run);
        self.deviations = run.stats.deviations as usize;
        self.has_loads = run.stats.loads > 0;
        let by_holds = self.best.with_strategy(Strategy::holds(&holds));
        let mut injected = faults(&sink.records());
        // A run that failed before its heal waits for that still.
        if !injected.iter().any(Fault::heals) {
            injected.extend(
                case.config
                    .faults
                    .iter()
                    .filter(|fault| fault.heals())
                    .cloned(),
            );
        }
        // What a strategy ran eagerly cannot be expressed by holds: such a case may stay as it is.
        let mut planned = by_holds.clone();
        (planned.config.faults, planned.config.only_planned_faults) = (injected, true);
        if !self.accept(planned) {
            self.accept(by_holds);
        }
        Ok(())
    }

    /// Whether nothing more is to be tried.
    fn is_spent(&self) -> bool {
        let Limits { steps, until } = self.limits;
        self.runs >= RUNS_MAX || self.steps >= steps || until.is_some_and(|it| now() >= it)
    }

    /// Run a candidate; keep it if it fails alike and is no larger.
    fn accept(&mut self, mut candidate: Case) -> bool {
        if self.is_spent() {
            return false;
        }
        let (run, holds) = candidate.run_recorded(&self.scenario, HashSink::new(), false);
        self.runs += 1;
        self.steps += run.stats.steps;
        let mut is_better = self.best.fails_alike(&run.outcome);
        if is_better {
            candidate.note(&run);
            if candidate.has_holds() && !candidate.is_lost() {
                // Those that took effect. A process that was lost has not sent them.
                candidate.config.strategy = Strategy::holds(&holds);
            }
            is_better = !self.best.has_holds() || candidate.size() <= self.best.size();
        }
        if is_better {
            self.deviations = run.stats.deviations as usize;
            self.best = candidate;
        }
        (self.progress)(ShrinkProgress {
            runs: self.runs,
            holds: self.best.holds().len(),
            faults: self.best.harmful_faults(),
        });
        is_better
    }

    fn shrink(&mut self) {
        loop {
            let before = self.best.clone();
            self.shrink_faults();
            self.shrink_load();
            self.shrink_holds();
            if self.best == before || self.is_spent() {
                break;
            }
        }
    }

    /// The heal stays as long as any fault is injected: without it a scenario that waits until it
    /// is healed would look at once, in the middle of what is going wrong.
    fn shrink_faults(&mut self) {
        self.shrink_parts(Case::harmful_faults, |case, left_out| {
            let mut place = 0;
            case.config.faults.retain(|fault| {
                let is_left_out = fault.is_harmful() && left_out.contains(&place);
                place += usize::from(fault.is_harmful());
                !is_left_out
            });
        });
        if self.best.harmful_faults() == 0 && !self.best.config.faults.is_empty() {
            let mut without = self.best.clone();
            without.config.faults.clear();
            self.accept(without);
        }
    }

    /// Limit what the scenario does, if it does so by `retake::workload`.
    fn shrink_load(&mut self) {
        let limit = |fault: &Fault| match fault.action {
            Action::Load(Load::AtMost(most)) => Some(most),
            _ => None,
        };
        if !self.has_loads {
            return;
        }
        let best = self.best.config.faults.iter().find_map(limit);
        for most in [1, 2, 4, 8, 16, 32, 64] {
            if best.is_some_and(|best| most >= best) {
                break;
            }
            let mut candidate = self.best.clone();
            candidate
                .config
                .faults
                .retain(|fault| limit(fault).is_none());
            let limited = Fault::new(Target::Run, Load::AtMost(most));
            candidate.config.faults.insert(0, limited);
            if self.accept(candidate) {
                break;
            }
        }
    }

    fn shrink_holds(&mut self) {
        self.shrink_parts(
            |case| case.holds().len(),
            |case, left_out| {
                let mut holds = case.holds().to_vec();
                holds.drain(left_out);
                case.config.strategy = Strategy::Holds(holds.into());
            },
        );
    }

    /// Leave out pieces, all of it first, then halves and smaller ones, the last ones first.
    fn shrink_parts(
        &mut self,
        count: impl Fn(&Case) -> usize,
        leave_out: impl Fn(&mut Case, Range<usize>),
    ) {
        let mut piece = count(&self.best);
        while piece > 0 && !self.is_spent() {
            let mut end = count(&self.best);
            while end > 0 && !self.is_spent() {
                let start = end.saturating_sub(piece);
                let mut candidate = self.best.clone();
                leave_out(&mut candidate, start..end);
                self.accept(candidate);
                // What is left may have become shorter still.
                end = start.min(count(&self.best));
            }
            piece = if piece == 1 { 0 } else { piece.div_ceil(2) };
        }
    }
}

/// The faults that were injected, by the names of the tasks that they affected.
fn faults(records: &[Record]) -> Vec<Fault> {
    let faults = events(records).filter_map(|event| {
        let Occurrence::Fault(Injection { action, .. }) = event.occurrence else {
            return None;
        };
        if matches!(action, Action::Buggify(_)) {
            // Each place at which it let something misbehave is recorded too.
            return None;
        }
        let target = match action.has_target() {
            true => Target::Named(event.who.to_string()),
            false => Target::Run,
        };
        let moment = action.moment();
        let fault = Fault::new(target, action);
        Some(match moment {
            // Packets go between steps.
            Moment::Packet => fault.at(Duration::from_nanos(event.now_ns)),
            // Within the last step.
            Moment::Place | Moment::Request | Moment::Start => fault.at_step(event.step.max(1)),
            // Before the next one.
            _ => fault.at_step(event.step + 1),
        })
    });
    faults.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explore::Explorer;

    async fn three_tell() {
        let tasks: Vec<_> = (0..3).map(|_| retake::spawn(async {})).collect();
        for task in tasks {
            task.await.expect("it does not fail");
        }
        retake::never!("told");
    }

    #[test]
    fn what_takes_too_many_steps_is_given_up_and_fails_still() {
        let scenario = Scenario::from(three_tell);
        let campaign = Explorer::new("three").seeds(5..6).run(three_tell);
        let case = &campaign.failures[0].case;
        let all = shrink_boxed(case, &scenario, Limits::NONE, |_| {}).expect("it fails");
        assert!(!all.gave_up && all.runs > 1, "{all}");
        let few = Limits {
            steps: 1,
            until: None,
        };
        let some = shrink_boxed(case, &scenario, few, |_| {}).expect("it fails");
        assert!(some.gave_up && some.runs == 1, "{some}");
        assert!(
            some.to_string()
                .ends_with("(given up there, its runs are long)")
        );
        assert!(!some.case.run(&scenario).passed());
    }
}
