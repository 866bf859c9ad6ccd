//! Looks for changes that avoid a failure, by running them, within a budget.

use retake_traces::sink::{HashSink, MemorySink};
use retake_traces::story::{self, Line};

use super::deliveries::{Steps, in_words, swapped};
use super::reason::{
    DifferentFailure, Order, Ordering, OtherSeeds, Reason, Verdict, WithoutFaults,
};
use crate::explore::{Case, Scenario, Search};
use crate::fault::Fault;
use crate::outcome::{Outcome, Run};
use crate::strategy::{Hold, StepOf};

/// Runs, and steps in all, that may be spent on changes that could avoid the failure.
const RUNS_MAX: usize = 400;
const STEPS_MAX: u64 = 4_000_000;
/// Steps that other seeds may take whatever was spent before.
const SEED_STEPS_MAX: u64 = 1_000_000;
/// Other seeds, and other schedules of the same seed, that are run.
const SEEDS_MAX: u64 = 100;
const SCHEDULES_MAX: u64 = 60;
/// Passing schedules that are made small: the one with the fewest constraints is shown.
const SCHEDULES_SMALL: usize = 3;
/// So many steps are tried as a bound one after the other, farther ones in leaps.
const BOUNDS_LINEAR: usize = 24;
/// More orders than this are no explanation.
const ORDERS_MAX: usize = 4;
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
    scenario: &'a Scenario,
    case: &'a Case,
    /// The run that is shown.
    shown: &'a Steps,
    runs: usize,
    steps: u64,
    findings: Findings,
}

/// The case with these holds.
fn with_holds(case: &Case, holds: Vec<Hold>) -> Case {
    Case {
        holds: Some(holds),
        ..case.clone()
    }
}

/// The steps by which a hold may be released, the earliest first, and what each leads to.
struct Bounds<'a> {
    /// The case without the hold.
    without: &'a Case,
    step: StepOf,
    /// What the step may wait for. With none of them it is not held.
    until: Vec<StepOf>,
    verdicts: Vec<Option<Verdict>>,
}

impl Bounds<'_> {
    /// Held until the bound of this number, from 1; 0 is without the hold.
    fn case(&self, number: usize) -> Case {
        let mut holds = self.without.holds().to_vec();
        if let Some(until) = number.checked_sub(1) {
            holds.push(Hold {
                step: self.step,
                until: self.until[until],
            });
        }
        with_holds(self.without, holds)
    }
}

impl<'a> Finder<'a> {
    pub(super) fn new(scenario: &'a Scenario, case: &'a Case, shown: &'a Steps) -> Self {
        Self {
            scenario,
            case,
            shown,
            runs: 0,
            steps: 0,
            findings: Findings::default(),
        }
    }

    /// All that can be found.
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

    fn is_spent(&self) -> bool {
        self.runs >= RUNS_MAX || self.steps >= STEPS_MAX
    }

    fn count(&mut self, run: &Run<()>) {
        self.runs += 1;
        self.steps += run.stats.steps;
    }

    /// A changed run may take longer, but not without bound.
    fn limited(&self, candidate: &Case) -> Case {
        let is_limit = self.case.signature.starts_with("step limit");
        let most = self.case.steps.saturating_mul(8).saturating_add(10_000);
        Case {
            step_limit: match is_limit {
                true => candidate.step_limit,
                false => candidate.step_limit.min(most),
            },
            ..candidate.clone()
        }
    }

    fn verdict_of(&self, limited: &Case, run: &Run<()>) -> Verdict {
        if run.passed() {
            Verdict::Passes
        } else if self.case.fails_alike(&run.outcome) {
            Verdict::FailsAlike
        } else if run.outcome == Outcome::StepLimit && limited.step_limit < self.case.step_limit {
            Verdict::Unknown
        } else {
            Verdict::FailsOtherwise(super::first_line(&run.outcome.to_string()))
        }
    }

    fn run(&mut self, candidate: &Case) -> Verdict {
        if self.is_spent() {
            return Verdict::Unknown;
        }
        let limited = self.limited(candidate);
        let run = limited.run(self.scenario);
        self.count(&run);
        self.verdict_of(&limited, &run)
    }

    /// The steps of a run, with texts and causes.
    fn steps_of(&mut self, candidate: &Case) -> Steps {
        let sink = MemorySink::new();
        let run = self
            .limited(candidate)
            .run_into(self.scenario, sink.clone(), false);
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
        for place in 0..self.case.faults.len() {
            if self.case.faults[place].heals() {
                continue;
            }
            let mut without = self.case.clone();
            let fault = without.faults.remove(place);
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

    /// The earliest bound that decides, of a hold with which the case fails and without which
    /// it ends as `verdict` says.
    fn released(&mut self, without: &Case, hold: Hold, verdict: Verdict) -> Option<Order> {
        let with = with_holds(without, [without.holds(), &[hold]].concat());
        let run = self.steps_of(&with);
        let (mut bounds, end) = Self::bounds(&run, without, hold)?;
        bounds.verdicts[0] = Some(verdict);
        let number = self.first_change(&mut bounds, end, |verdict| *verdict == Verdict::Passes)?;
        let (passes, fails) = (bounds.case(number - 1), bounds.case(number));
        let constraint = (hold.step, bounds.until[number - 1]);
        self.order(constraint, passes, fails)
    }

    /// The earliest bound that decides, of a hold with which the case passes and without
    /// which it does not.
    fn added(&mut self, without: &Case, hold: Hold) -> Option<Order> {
        let with = with_holds(without, [without.holds(), &[hold]].concat());
        let run = self.steps_of(&with);
        let (mut bounds, end) = Self::bounds(&run, without, hold)?;
        let number = self.first_change(&mut bounds, end, |verdict| *verdict != Verdict::Passes)?;
        let (fails, passes) = (bounds.case(number - 1), bounds.case(number));
        let constraint = (bounds.until[number - 1], hold.step);
        self.order(constraint, passes, fails)
    }

    /// What a hold may wait for: the steps of the run from where its own could be taken, up
    /// to the one that it waits for.
    fn bounds<'b>(run: &Steps, without: &'b Case, hold: Hold) -> Option<(Bounds<'b>, usize)> {
        // What it waits for may never come: the other steps end, or all wait.
        let last = run.index_of(hold.until).or(run.len().checked_sub(1))?;
        let first = run.ready_from(hold.step).min(last);
        let others = (first..=last).map(|index| run.of_task(index));
        let mut until: Vec<StepOf> = others.filter(|it| it.0 != hold.step.0).collect();
        if until.last() != Some(&hold.until) {
            until.push(hold.until);
        }
        let end = until.len();
        let verdicts = vec![None; end + 1];
        let bounds = Bounds {
            without,
            step: hold.step,
            until,
            verdicts,
        };
        Some((bounds, end))
    }

    /// The first number at which the verdict stops being what it is without the hold.
    fn first_change(
        &mut self,
        bounds: &mut Bounds<'_>,
        end: usize,
        is_before: impl Fn(&Verdict) -> bool,
    ) -> Option<usize> {
        let mut is = |finder: &mut Self, number: usize| {
            if bounds.verdicts[number].is_none() {
                let verdict = finder.run(&bounds.case(number));
                bounds.verdicts[number] = Some(verdict);
            }
            match &bounds.verdicts[number] {
                None | Some(Verdict::Unknown) => None,
                Some(verdict) => Some(is_before(verdict)),
            }
        };
        let linear = end.min(BOUNDS_LINEAR);
        let mut was_before = is(self, 0)?;
        for number in 1..=linear {
            let is_before = is(self, number)?;
            if was_before && !is_before {
                return Some(number);
            }
            was_before = is_before;
        }
        if !was_before || linear == end {
            return None;
        }
        // Ever farther, and then back to where it changes.
        let (mut before, mut after) = (linear, end.min(2 * linear));
        while is(self, after)? {
            if after == end {
                return None;
            }
            (before, after) = (after, end.min(2 * after));
        }
        while after - before > 1 {
            let middle = before.midpoint(after);
            if is(self, middle)? {
                before = middle;
            } else {
                after = middle;
            }
        }
        Some(after)
    }

    fn order(&mut self, constraint: (StepOf, StepOf), passes: Case, fails: Case) -> Option<Order> {
        let (passing, failing) = (self.steps_of(&passes), self.steps_of(&fails));
        let (first, second) = swapped(&passing, &failing, self.shown, constraint)?;
        // Runs are functions of their cases: these end as they did in the search.
        let verdict = match self.run(&fails) {
            Verdict::Passes => return None,
            verdict => verdict,
        };
        Some(Order {
            first,
            second,
            constraint,
            passes,
            fails,
            verdict,
        })
    }

    /// Where no single change helps: leave out all faults, or release all steps that are
    /// held back, and take back what is not needed.
    fn groups(&mut self) {
        if self.case.strikes() > 1 {
            self.all_faults();
        }
        // Also where a strategy chooses that cannot be written as holds.
        if self.case.holds.is_none() || self.case.holds().len() > 1 {
            self.all_holds();
        }
    }

    fn all_faults(&mut self) {
        let mut passes = self.case.clone();
        passes.faults.retain(Fault::heals);
        if self.run(&passes) != Verdict::Passes {
            return;
        }
        let mut left_out = Vec::new();
        let harmful = self.case.faults.iter().filter(|fault| !fault.heals());
        for fault in harmful {
            let mut with = passes.clone();
            with.faults.push(fault.clone());
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

    /// Where it fails first in, first out, and so does each change of what is held back:
    /// other schedules of the same seed, and other seeds.
    fn schedules(&mut self) {
        let plain = with_holds(self.case, Vec::new());
        let mut best: Option<Vec<Hold>> = None;
        let (mut schedules, mut passed) = (0, 0);
        for number in 0..SCHEDULES_MAX {
            if self.is_spent() || passed as usize >= SCHEDULES_SMALL {
                break;
            }
            let limited = self.limited(&plain);
            let strategy = Search::Mix.strategy(number, self.case.steps);
            let (run, holds) =
                limited.run_scheduled(self.scenario, &strategy, number, HashSink::new(), false);
            self.count(&run);
            schedules += 1;
            if !run.passed() || self.run(&with_holds(&plain, holds.clone())) != Verdict::Passes {
                continue;
            }
            passed += 1;
            let small = self.fewest(&plain, holds);
            if best.as_ref().is_none_or(|best| small.len() < best.len()) {
                best = Some(small);
            }
            if best.as_ref().is_some_and(|best| best.len() <= 1) {
                break;
            }
        }
        if let Some(holds) = best.filter(|holds| (1..=ORDERS_MAX).contains(&holds.len())) {
            self.ordering(&plain, &holds);
        }
        self.other_seeds(schedules, passed);
    }

    /// Of constraints with which a case passes, as few as do.
    fn fewest(&mut self, plain: &Case, mut holds: Vec<Hold>) -> Vec<Hold> {
        let mut piece = holds.len();
        while piece > 0 && !self.is_spent() {
            let mut end = holds.len();
            while end > 0 {
                let start = end.saturating_sub(piece);
                let mut fewer = holds.clone();
                fewer.drain(start..end);
                if self.run(&with_holds(plain, fewer.clone())) == Verdict::Passes {
                    holds = fewer;
                }
                end = start.min(holds.len());
            }
            piece = if piece == 1 { 0 } else { piece.div_ceil(2) };
        }
        holds
    }

    fn ordering(&mut self, plain: &Case, holds: &[Hold]) {
        let mut orders = Vec::new();
        for place in 0..holds.len() {
            let mut others = holds.to_vec();
            let hold = others.remove(place);
            let without = with_holds(plain, others);
            orders.extend(self.added(&without, hold));
        }
        if orders.len() == holds.len() {
            let passes = with_holds(plain, holds.to_vec());
            let ordering = Ordering { orders, passes };
            self.findings.reasons.push(Reason::Ordering(ordering));
        }
    }

    fn other_seeds(&mut self, schedules: u64, schedules_passed: u64) {
        let mut found = OtherSeeds {
            runs: 0,
            passed: 0,
            example: None,
            schedules,
            schedules_passed,
        };
        // These have a budget of their own: without them a reason may be missing.
        let steps_max = self.steps.saturating_add(SEED_STEPS_MAX);
        let seeds = (0..=SEEDS_MAX).filter(|seed| *seed != self.case.seed);
        for seed in seeds.take(SEEDS_MAX as usize) {
            if self.steps >= steps_max {
                break;
            }
            let strategy = Search::Mix.strategy(seed, self.case.steps);
            let other = Case {
                seed,
                strategy: strategy.to_string(),
                holds: None,
                ..self.case.clone()
            };
            let run = self.limited(&other).run(self.scenario);
            self.count(&run);
            found.runs += 1;
            if run.passed() {
                found.passed += 1;
                found.example.get_or_insert(other);
            }
        }
        self.findings.seeds = Some(found);
    }
}
