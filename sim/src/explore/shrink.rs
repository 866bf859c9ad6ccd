//! Making a failing case small: faults first, then the load, then deviations.
//!
//! Each step is delta debugging (Zeller, Hildebrandt: "Simplifying and Isolating
//! Failure-Inducing Input", 2002): leave a part out, and if the run still fails in the
//! same way, go on from there. A run that fails tells which deviations applied, and
//! those alone are kept.

use std::future::Future;

use retake_traces::record::{FaultKind, Record};
use retake_traces::schedule::Schedule;
use retake_traces::sink::MemorySink;

use super::{Case, Scenario, boxed};
use crate::fault::{Fault, FaultAction};

/// Runs that a shrinking may take.
const RUNS_MAX: u32 = 2_000;

/// A case that was made small.
#[derive(Clone, Debug)]
pub struct Shrunk {
    /// The small one.
    pub case: Case,
    /// Deviations of the first run.
    pub deviations_before: usize,
    /// Faults of the first run.
    pub faults_before: usize,
    /// Runs that it took.
    pub runs: u32,
}

/// How far a shrinking is.
#[derive(Clone, Copy, Debug)]
pub struct Shrinking {
    /// Runs so far.
    pub runs: u32,
    /// Deviations left.
    pub deviations: usize,
    /// Faults left.
    pub faults: usize,
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

struct Shrinker<F> {
    scenario: Scenario,
    best: Case,
    runs: u32,
    progress: F,
}

/// Make a failing case small. `progress` is told after each run.
///
/// The result is the same whenever it is repeated.
///
/// # Errors
/// If the case does not fail as it did.
pub fn shrink<F, Fut>(
    case: &Case,
    scenario: F,
    progress: impl FnMut(Shrinking),
) -> Result<Shrunk, ShrinkError>
where
    F: Fn() -> Fut + Send + Sync + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    shrink_boxed(case, &boxed(scenario), progress)
}

pub(super) fn shrink_boxed(
    case: &Case,
    scenario: &Scenario,
    progress: impl FnMut(Shrinking),
) -> Result<Shrunk, ShrinkError> {
    let mut shrinker = Shrinker {
        scenario: Scenario::clone(scenario),
        best: case.clone(),
        runs: 0,
        progress,
    };
    shrinker.start(case)?;
    let (deviations_before, faults_before) =
        (shrinker.best.deviations().len(), shrinker.best.faults.len());
    shrinker.shrink();
    Ok(Shrunk {
        case: shrinker.best,
        deviations_before,
        faults_before,
        runs: shrinker.runs,
    })
}

impl<F: FnMut(Shrinking)> Shrinker<F> {
    /// Write the case down by its deviations, and the faults by whom they struck.
    fn start(&mut self, case: &Case) -> Result<(), ShrinkError> {
        let sink = MemorySink::new();
        let run = case.run_into(&self.scenario, sink.clone(), false);
        self.runs += 1;
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
        let records = sink.records();
        let by_deviations = Case {
            deviations: Some(deviations(&records)),
            faults: faults(&records),
            ..self.best.clone()
        };
        // What a strategy ran eagerly has no deviations: such a case stays as it is.
        if !self.accept(by_deviations) {
            self.accept(Case {
                deviations: Some(deviations(&records)),
                ..self.best.clone()
            });
        }
        Ok(())
    }

    /// Run a candidate; keep it if it fails alike.
    fn accept(&mut self, candidate: Case) -> bool {
        if self.runs >= RUNS_MAX {
            return false;
        }
        let sink = MemorySink::new();
        let run = candidate.run_into(&self.scenario, sink.clone(), false);
        self.runs += 1;
        let fails = self.best.fails_alike(&run.outcome);
        if fails {
            let mut candidate = candidate;
            candidate.note(&run);
            if candidate.deviations.is_some() {
                candidate.deviations = Some(deviations(&sink.records()));
            }
            self.best = candidate;
        }
        (self.progress)(Shrinking {
            runs: self.runs,
            deviations: self.best.deviations().len(),
            faults: self.best.faults.len(),
        });
        fails
    }

    fn shrink(&mut self) {
        if self.best.buggify {
            self.accept(Case {
                buggify: false,
                ..self.best.clone()
            });
        }
        loop {
            let before = self.best.clone();
            self.shrink_faults();
            self.shrink_workload();
            self.shrink_deviations();
            if self.best == before || self.runs >= RUNS_MAX {
                break;
            }
        }
    }

    fn shrink_faults(&mut self) {
        let mut place = self.best.faults.len();
        while place > 0 {
            place -= 1;
            if place < self.best.faults.len() {
                let mut candidate = self.best.clone();
                candidate.faults.remove(place);
                self.accept(candidate);
            }
        }
    }

    fn shrink_workload(&mut self) {
        for most in [1, 2, 4, 8, 16, 32, 64] {
            if self.best.workload.is_none_or(|best| most < best)
                && self.accept(Case {
                    workload: Some(most),
                    ..self.best.clone()
                })
            {
                break;
            }
        }
    }

    /// Leave out pieces, halves first, then smaller ones; the last ones first, for what
    /// comes after a deviation that is left out may not fit any more.
    fn shrink_deviations(&mut self) {
        if self.best.deviations.is_none() {
            return;
        }
        let mut piece = self.best.deviations().len().div_ceil(2);
        while piece > 0 {
            let mut end = self.best.deviations().len();
            while end > 0 {
                let start = end.saturating_sub(piece);
                let all = self.best.deviations();
                let rest: Vec<(u64, u32)> =
                    all[..start].iter().chain(&all[end..]).copied().collect();
                self.accept(Case {
                    deviations: Some(rest),
                    ..self.best.clone()
                });
                // What is left may have become shorter still.
                end = start.min(self.best.deviations().len());
            }
            piece = if piece == 1 { 0 } else { piece.div_ceil(2) };
        }
        self.shift_deviations();
    }

    /// Try each deviation earlier or later by a step, where that makes another needless.
    fn shift_deviations(&mut self) {
        for place in 0..self.best.deviations().len() {
            let size = self.best.deviations().len();
            if place >= size || size > 16 {
                return;
            }
            for without in 0..size {
                if without == place || self.best.deviations().len() < size {
                    continue;
                }
                for shift in [-1_i64, 1, -2, 2] {
                    let mut deviations = self.best.deviations().to_vec();
                    deviations[place].0 = deviations[place].0.saturating_add_signed(shift).max(1);
                    deviations.remove(without);
                    deviations.sort_unstable();
                    if self.accept(Case {
                        deviations: Some(deviations),
                        ..self.best.clone()
                    }) {
                        break;
                    }
                }
            }
        }
    }
}

fn deviations(records: &[Record]) -> Vec<(u64, u32)> {
    let schedule = Schedule::read(records.iter().cloned().map(Ok));
    schedule.map_or_else(|_| Vec::new(), |schedule| schedule.deviations().to_vec())
}

/// The faults that struck, by the names of those whom they struck.
fn faults(records: &[Record]) -> Vec<Fault> {
    let mut labels = Vec::new();
    let mut steps = 0;
    let mut faults = Vec::new();
    for record in records {
        match record {
            Record::Task(task) => labels.push(task.label.clone()),
            Record::Step(_) => steps += 1,
            Record::Fault(fault) => {
                let Some(target) = labels.get(fault.task as usize) else {
                    continue;
                };
                let action = match fault.kind {
                    FaultKind::Kill => FaultAction::Kill,
                    FaultKind::Panic => FaultAction::Panic,
                    FaultKind::Delay { until_ns } => FaultAction::Delay {
                        until: std::time::Duration::from_nanos(until_ns),
                    },
                };
                let fault = Fault {
                    target: target.clone(),
                    action,
                    when: crate::When::Step(steps + 1),
                };
                faults.push(fault);
            }
            _ => {}
        }
    }
    faults
}
