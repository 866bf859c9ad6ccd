//! The earliest bound of a constraint that decides how a case ends.

use super::deliveries::{Steps, swapped};
use super::reason::{Order, Verdict};
use super::search::{Finder, with_holds};
use crate::explore::Case;
use retake_engine::strategy::{Hold, StepOf};

/// So many steps are tried as a bound one after the other, farther ones in leaps.
const BOUNDS_LINEAR: usize = 24;

/// The steps by which a hold may be released, the earliest first, and what each leads to.
struct Bounds<'a> {
    /// The case without the hold.
    without: &'a Case,
    step: StepOf,
    /// What the step may wait for. Without any it is not held.
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

impl Finder<'_> {
    /// The earliest bound that decides, of a hold with which the case fails and without which
    /// it ends as `verdict` says.
    pub(super) fn released(
        &mut self,
        without: &Case,
        hold: Hold,
        verdict: Verdict,
    ) -> Option<Order> {
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
    pub(super) fn added(&mut self, without: &Case, hold: Hold) -> Option<Order> {
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
}
