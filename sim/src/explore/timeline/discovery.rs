//! What is known of timelines after each seed, in the order of the seeds.

use std::collections::BTreeMap;

use super::TimelineFigures;
use super::bound;

/// Timelines one after the other.
#[derive(Clone, Debug)]
pub(super) struct Discovery {
    /// How often each timeline was seen.
    counts: BTreeMap<u64, u64>,
    /// Distinct timelines after no seed, one seed, and so on.
    distinct: Vec<u64>,
    /// The least of the upper bounds so far.
    upper: f64,
}

impl Default for Discovery {
    fn default() -> Self {
        Self {
            counts: BTreeMap::new(),
            distinct: vec![0],
            upper: 1.0,
        }
    }
}

impl Discovery {
    /// Seeds so far.
    pub(super) fn seeds(&self) -> u64 {
        self.distinct.len() as u64 - 1
    }

    fn distinct_after(&self, seeds: u64) -> u64 {
        let seeds = usize::try_from(seeds).ok();
        let known = seeds.and_then(|seeds| self.distinct.get(seeds));
        known.copied().unwrap_or_default()
    }

    /// Add the timeline of the next seed. Those behind the last check are left out.
    pub(super) fn add(&mut self, timeline: u64) {
        if self.seeds() >= bound::SEEDS_MAX {
            return;
        }
        *self.counts.entry(timeline).or_default() += 1;
        self.distinct.push(self.counts.len() as u64);
        let seeds = self.seeds();
        if bound::is_check(seeds) {
            let half = seeds / 2;
            let new = self.distinct_after(seeds) - self.distinct_after(half);
            // The probability only falls, so an earlier bound holds as well.
            self.upper = self.upper.min(bound::upper(new, half));
        }
    }

    /// The upper bound of the probability that the next seed shows a new timeline: 1 before
    /// the first check, and the same from one check to the next.
    pub(super) fn upper(&self) -> f64 {
        self.upper
    }

    pub(super) fn figures(&self) -> TimelineFigures {
        let seen = |times: u64| self.counts.values().filter(|it| **it == times).count() as u64;
        let (seeds, once, twice) = (self.seeds(), seen(1), seen(2));
        let powers = (0..u64::BITS).map(|power| 1 << power);
        let points = powers.take_while(|point| *point < seeds).chain([seeds]);
        TimelineFigures {
            seeds,
            distinct: self.distinct_after(seeds),
            once,
            twice,
            next_new: once as f64 / seeds.max(1) as f64,
            next_new_max: self.upper,
            unseen_min: chao1(seeds, once, twice),
            curve: points
                .filter(|point| *point > 0)
                .map(|point| (point, self.distinct_after(point)))
                .collect(),
        }
    }
}

/// The lower estimate of how many kinds were not seen, of which so many were seen once and twice.
fn chao1(seeds: u64, once: u64, twice: u64) -> f64 {
    let (n, once) = (seeds.max(1) as f64, once as f64);
    let pairs = match twice {
        0 => (once * once - once) / 2.0,
        twice => once * once / (2.0 * twice as f64),
    };
    (n - 1.0) / n * pairs
}

#[cfg(test)]
mod tests {
    use super::*;
    use retake_engine::rng::{below, stream};

    /// So many draws from equally likely kinds.
    fn uniform(kinds: usize, draws: u64, seed: u64) -> Discovery {
        let mut rng = stream(seed, "uniform");
        let mut discovery = Discovery::default();
        for _ in 0..draws {
            discovery.add(below(&mut rng, kinds) as u64);
        }
        discovery
    }

    fn within(estimate: f64, truth: f64, factor: f64) -> bool {
        estimate <= truth * factor && estimate >= truth / factor
    }

    #[test]
    fn one_kind_alone_is_soon_known_to_be_all() {
        let mut discovery = Discovery::default();
        for _ in 0..1536 {
            discovery.add(7);
        }
        let figures = discovery.figures();
        assert_eq!((figures.distinct, figures.once, figures.twice), (1, 0, 0));
        assert_eq!(figures.next_new.to_bits(), 0.0_f64.to_bits());
        assert_eq!(figures.unseen_min.to_bits(), 0.0_f64.to_bits());
        assert!(figures.next_new_max <= 0.01, "{figures:?}");
        assert_eq!(figures.curve.first(), Some(&(1, 1)));
        assert_eq!(figures.curve.last(), Some(&(1536, 1)));
        assert_eq!(figures.curve.len(), 12);
    }

    #[test]
    fn kinds_that_are_all_different_stay_unknown() {
        let mut discovery = Discovery::default();
        for kind in 0..1000 {
            discovery.add(kind);
        }
        let figures = discovery.figures();
        assert_eq!((figures.once, figures.twice), (1000, 0));
        assert_eq!(figures.next_new.to_bits(), 1.0_f64.to_bits());
        assert_eq!(figures.next_new_max.to_bits(), 1.0_f64.to_bits());
        assert!((figures.unseen_min - 0.999 * 499_500.0).abs() < 1e-6);
    }

    #[test]
    fn estimates_of_equally_likely_kinds_are_near_the_truth() {
        let (mut estimates, mut truths) = (0.0, 0.0);
        for seed in 0..20 {
            let kinds = 300;
            let discovery = uniform(kinds, 600, seed);
            let figures = discovery.figures();
            let unseen = kinds as u64 - figures.distinct;
            let truth = unseen as f64 / kinds as f64;
            assert!(within(figures.next_new, truth, 2.0), "{figures:?}");
            assert!(figures.next_new_max >= truth, "{figures:?}");
            estimates += figures.unseen_min;
            truths += unseen as f64;
        }
        // All are equally likely, so the lower estimate is one of the number itself.
        assert!(within(estimates, truths, 1.1), "{estimates} {truths}");
    }

    /// After each check of each of many campaigns.
    #[test]
    fn the_bound_holds_after_all_checks_at_once() {
        let mut wrong = 0;
        for seed in 0..200 {
            let kinds = 1 + seed as usize % 100;
            let mut rng = stream(seed, "kinds");
            let mut discovery = Discovery::default();
            let is_wrong = (0..1000).any(|_| {
                discovery.add(below(&mut rng, kinds) as u64);
                let known = discovery.counts.len() as f64;
                1.0 - known / kinds as f64 > discovery.upper()
            });
            wrong += u32::from(is_wrong);
        }
        assert!(wrong <= 10, "{wrong} of 200");
    }

    #[test]
    fn no_seed_has_no_figures() {
        let figures = Discovery::default().figures();
        assert_eq!(figures.curve, []);
        assert_eq!(figures.next_new_max.to_bits(), 1.0_f64.to_bits());
    }
}
