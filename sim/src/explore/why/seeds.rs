//! Other schedules of a seed, and other seeds: where no change of a case's own avoids its
//! failure.

use std::time::Duration;

use retake_traces::sink::HashSink;

use super::reason::{Ordering, OtherSeeds, Reason, Verdict};
use super::search::{Finder, ORDERS_MAX, with_holds};
use crate::explore::{Case, Search};
use crate::isolate::now;
use retake_engine::strategy::Hold;

/// Other seeds, and other schedules of the same seed, that are run.
const SEEDS_MAX: u64 = 100;
const SCHEDULES_MAX: u64 = 60;
/// Passing schedules that are made small: the one with the fewest constraints is shown.
const SCHEDULES_SMALL: usize = 3;
/// Steps that other seeds may take whatever was spent before.
const SEED_STEPS_MAX: u64 = 500_000;
/// Real time that they may take, likewise.
const SEED_TIME_MAX: Duration = Duration::from_secs(5);

impl Finder<'_> {
    /// Where it fails first in, first out, and so does each change of what is held back:
    /// other schedules of the same seed, and other seeds.
    pub(super) fn schedules(&mut self) {
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
    pub(super) fn fewest(&mut self, plain: &Case, mut holds: Vec<Hold>) -> Vec<Hold> {
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

    pub(super) fn ordering(&mut self, plain: &Case, holds: &[Hold]) {
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

    pub(super) fn other_seeds(&mut self, schedules: u64, schedules_passed: u64) {
        let mut found = OtherSeeds {
            runs: 0,
            passed: 0,
            example: None,
            schedules,
            schedules_passed,
        };
        // These have a budget of their own: without them a reason may be missing.
        let steps_max = self.steps.saturating_add(SEED_STEPS_MAX);
        let until = now() + SEED_TIME_MAX;
        let seeds = (0..=SEEDS_MAX).filter(|seed| *seed != self.case.config.seed);
        for seed in seeds.take(SEEDS_MAX as usize) {
            if self.steps >= steps_max || (found.runs > 0 && now() >= until) {
                break;
            }
            let strategy = Search::Mix.strategy(seed, self.case.steps);
            let mut other = self.case.with_strategy(strategy);
            other.config.seed = seed;
            let run = self.limited(&other).trial(self.scenario);
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
