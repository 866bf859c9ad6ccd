//! Looks for changes that avoid a failure, by running them, within a budget.

use std::time::Instant;

use retake_inspect::story::{self, Line};
use retake_traces::sink::MemorySink;

use super::deliveries::{Steps, in_words};
use super::reason::{DifferentFailure, Ordering, OtherSeeds, Reason, Verdict, WithoutFaults};
use crate::explore::{Case, FailureKind, Scenario};
use crate::isolate::now;
use retake_engine::outcome::{Outcome, OutcomeKind, Run};
use retake_engine::strategy::{Hold, Strategy};

/// Runs, and steps in all, that may be spent on changes that could avoid the failure.
const RUNS_MAX: usize = 400;
const STEPS_MAX: u64 = 2_000_000;
/// More orders than this are no explanation.
pub(super) const ORDERS_MAX: usize = 4;
/// Changes that lead to another failure, as far as they are reported.
const DIFFERENT_MAX: usize = 3;

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Findings {
    pub(super) reasons: Vec<Reason>,
    pub(super) different: Vec<DifferentFailure>,
    pub(super) seeds: Option<OtherSeeds>,
    /// Changes that were not tried.
    pub(super) untried: usize,
    /// Single changes that were tried.
    pub(super) tried: usize,
}

pub(super) struct Finder<'a> {
    pub(super) scenario: &'a Scenario,
    pub(super) case: &'a Case,
    /// The run that is shown.
    pub(super) shown: &'a Steps,
    runs: usize,
    pub(super) steps: u64,
    steps_max: u64,
    until: Instant,
    pub(super) findings: Findings,
}

/// The case with these holds.
pub(super) fn with_holds(case: &Case, holds: Vec<Hold>) -> Case {
    case.with_strategy(Strategy::Holds(holds.into()))
}

impl<'a> Finder<'a> {
    pub(super) fn new(
        scenario: &'a Scenario,
        case: &'a Case,
        shown: &'a Steps,
        until: Instant,
    ) -> Self {
        Self {
            scenario,
            case,
            shown,
            runs: 0,
            steps: 0,
            steps_max: super::super::shrink::steps_max(case, STEPS_MAX),
            until,
            findings: Findings::default(),
        }
    }

    /// Everything that can be found.
    pub(super) fn find(mut self) -> Findings {
        self.faults();
        self.holds();
        if self.findings.reasons.is_empty() {
            self.groups();
        }
        if self.findings.reasons.is_empty() {
            self.schedules();
        }
        self.findings
    }

    pub(super) fn is_spent(&self) -> bool {
        self.runs >= RUNS_MAX || self.steps >= self.steps_max || now() >= self.until
    }

    pub(super) fn count(&mut self, run: &Run<()>) {
        self.runs += 1;
        self.steps += run.stats.steps;
    }

    /// A changed run may take longer, but not without bound.
    pub(super) fn limited(&self, candidate: &Case) -> Case {
        let most = self.case.steps.saturating_mul(8).saturating_add(10_000);
        let mut limited = candidate.clone();
        if self.case.failure != Some(FailureKind::Ended(OutcomeKind::StepLimit)) {
            limited.config.step_limit = limited.config.step_limit.min(most);
        }
        limited
    }

    fn verdict_of(&self, limited: &Case, run: &Run<()>) -> Verdict {
        if run.passed() {
            Verdict::Passes
        } else if self.case.fails_alike(&run.outcome) {
            Verdict::FailsAlike
        } else if matches!(run.outcome, Outcome::StepLimit { .. })
            && limited.config.step_limit < self.case.config.step_limit
        {
            Verdict::Unknown
        } else {
            Verdict::FailsOtherwise(super::first_line(&run.outcome.to_string()))
        }
    }

    pub(super) fn run(&mut self, candidate: &Case) -> Verdict {
        if self.is_spent() {
            return Verdict::Unknown;
        }
        let limited = self.limited(candidate);
        let run = limited.trial(self.scenario);
        self.count(&run);
        self.verdict_of(&limited, &run)
    }

    /// The steps of a run, with texts and causes.
    pub(super) fn steps_of(&mut self, candidate: &Case) -> Steps {
        let sink = MemorySink::new();
        let run = self
            .limited(candidate)
            .trial_into(self.scenario, sink.clone());
        self.count(&run);
        let lines: Vec<Line> = story::lines(&sink.records());
        Steps::new(&lines)
    }

    fn fails_otherwise(&mut self, change: String, case: Case, verdict: Verdict) {
        if let Verdict::FailsOtherwise(outcome) = verdict
            && self.findings.different.len() < DIFFERENT_MAX
        {
            let different = DifferentFailure {
                change,
                case,
                outcome,
            };
            self.findings.different.push(different);
        }
    }

    /// Leave out each fault.
    fn faults(&mut self) {
        for place in 0..self.case.config.faults.len() {
            if !self.case.config.faults[place].is_harmful() {
                continue;
            }
            let mut without = self.case.clone();
            let fault = without.config.faults.remove(place);
            match self.run(&without) {
                Verdict::Passes => self.findings.reasons.push(Reason::Faults(WithoutFaults {
                    faults: vec![fault],
                    passes: without,
                })),
                Verdict::Unknown => {
                    self.findings.untried += 1;
                    continue;
                }
                verdict => {
                    let change = format!("without the fault `{fault}`");
                    self.fails_otherwise(change, without, verdict);
                }
            }
            self.findings.tried += 1;
        }
    }

    /// Release each step that is held back.
    fn holds(&mut self) {
        for place in 0..self.case.holds().len() {
            let mut holds = self.case.holds().to_vec();
            let hold = holds.remove(place);
            let without = with_holds(self.case, holds);
            match self.run(&without) {
                Verdict::Unknown => {
                    self.findings.untried += 1;
                    continue;
                }
                verdict => {
                    match self.released(&without, hold, verdict.clone()) {
                        Some(order) => {
                            let passes = order.passes.clone();
                            let ordering = Ordering {
                                orders: vec![order],
                                passes,
                            };
                            self.findings.reasons.push(Reason::Ordering(ordering));
                        }
                        None => {
                            let held = in_words(self.shown, hold.step);
                            let change = held.map_or_else(
                                || "if no step is held back".to_owned(),
                                |held| format!("if {held} without waiting"),
                            );
                            self.fails_otherwise(change, without, verdict);
                        }
                    };
                }
            }
            self.findings.tried += 1;
        }
    }

    /// Where no single change helps: leave out all faults, or release all steps that are
    /// held back, and take back what is not needed.
    fn groups(&mut self) {
        if self.case.harmful_faults() > 1 {
            self.all_faults();
        }
        // Also where a strategy chooses that cannot be written as holds.
        if !self.case.has_holds() || self.case.holds().len() > 1 {
            self.all_holds();
        }
    }

    fn all_faults(&mut self) {
        let mut passes = self.case.clone();
        passes.config.faults.retain(|fault| !fault.is_harmful());
        if self.run(&passes) != Verdict::Passes {
            return;
        }
        let mut left_out = Vec::new();
        let harmful = self
            .case
            .config
            .faults
            .iter()
            .filter(|fault| fault.is_harmful());
        for fault in harmful {
            let mut with = passes.clone();
            with.config.faults.push(fault.clone());
            match self.run(&with) {
                Verdict::Passes => passes = with,
                _ => left_out.push(fault.clone()),
            }
        }
        let faults = WithoutFaults {
            faults: left_out,
            passes,
        };
        self.findings.reasons.push(Reason::Faults(faults));
    }

    fn all_holds(&mut self) {
        let mut passes = with_holds(self.case, Vec::new());
        if self.run(&passes) != Verdict::Passes {
            return;
        }
        let mut released = Vec::new();
        for hold in self.case.holds() {
            let with = with_holds(&passes, [passes.holds(), &[*hold]].concat());
            match self.run(&with) {
                Verdict::Passes => passes = with,
                _ => released.push(*hold),
            }
        }
        let mut orders = Vec::new();
        for hold in released {
            orders.extend(self.released(&passes, hold, Verdict::Passes));
        }
        let reason = if (1..=ORDERS_MAX).contains(&orders.len()) {
            Reason::Ordering(Ordering { orders, passes })
        } else {
            Reason::ArrivalOrder(Box::new(with_holds(self.case, Vec::new())))
        };
        self.findings.reasons.push(reason);
    }
}
