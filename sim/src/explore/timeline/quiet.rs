//! When a campaign ends because it has seen nearly all timelines.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use super::bound;
use super::discovery::Discovery;

/// The rule by which a campaign ends: a new timeline has become improbable.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct QuietRule {
    probability: f64,
}

/// How a campaign with a [`QuietRule`] has ended.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Quiet {
    /// The probability of a new timeline at which it is quiet, from 0 to 1.
    pub probability: f64,
    /// True if it is quiet, false if it has ended before.
    pub is_quiet: bool,
}

impl QuietRule {
    /// Quiet once the probability that the next seed shows a new timeline is at most this with
    /// 95 % confidence, see [`TimelineFigures::next_new_max`](super::TimelineFigures).
    ///
    /// # Errors
    /// In words, unless `probability` is above 0 and below 1, and so large that it can be known
    /// after 1,048,576 seeds.
    pub fn new(probability: f64) -> Result<Self, String> {
        if !(probability > 0.0 && probability < 1.0) {
            return Err("must be above 0% and below 100%".to_owned());
        }
        if bound::fewest_seeds(probability).is_none() {
            return Err(format!(
                "cannot be known after {} seeds: must be 0.0014% or more",
                bound::SEEDS_MAX
            ));
        }
        Ok(Self { probability })
    }

    /// The probability, from 0 to 1.
    #[must_use]
    pub fn probability(self) -> f64 {
        self.probability
    }

    /// The fewest seeds after which a campaign can be quiet: those of one whose later half has
    /// shown no new timeline.
    #[must_use]
    pub fn fewest_seeds(self) -> u64 {
        bound::fewest_seeds(self.probability).unwrap_or(bound::SEEDS_MAX)
    }
}

/// Follows the seeds of a campaign in the order in which they start, in whatever order they end.
#[derive(Debug)]
pub(in crate::explore) struct QuietWatch {
    rule: QuietRule,
    discovery: Discovery,
    /// Seeds that have started and are not in `discovery`.
    started: VecDeque<u64>,
    /// Those of them that have ended, and their timelines.
    ended: BTreeMap<u64, Option<u64>>,
    is_quiet: bool,
}

impl QuietWatch {
    pub(in crate::explore) fn new(rule: QuietRule) -> Self {
        Self {
            rule,
            discovery: Discovery::default(),
            started: VecDeque::new(),
            ended: BTreeMap::new(),
            is_quiet: false,
        }
    }

    /// A seed starts.
    pub(in crate::explore) fn start(&mut self, seed: u64) {
        self.started.push_back(seed);
    }

    /// A seed has ended, and the campaign goes no further than `last`. Returns the seed with
    /// which the campaign is quiet.
    pub(in crate::explore) fn end(
        &mut self,
        seed: u64,
        timeline: Option<u64>,
        last: u64,
    ) -> Option<u64> {
        self.ended.insert(seed, timeline);
        while let Some(seed) = self.started.front().copied().filter(|it| *it <= last)
            && let Some(timeline) = self.ended.remove(&seed)
            && !self.is_quiet
        {
            self.started.pop_front();
            if let Some(timeline) = timeline {
                self.discovery.add(timeline);
                self.is_quiet = self.discovery.upper() <= self.rule.probability;
            }
            if self.is_quiet {
                return Some(seed);
            }
        }
        None
    }

    /// How the campaign has ended.
    pub(in crate::explore) fn result(&self) -> Quiet {
        Quiet {
            probability: self.rule.probability,
            is_quiet: self.is_quiet,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probability_that_cannot_be_reached_is_refused() {
        for wrong in [0.0, 1.0, -0.1, f64::NAN, 1e-5] {
            assert!(QuietRule::new(wrong).is_err(), "{wrong}");
        }
        assert_eq!(QuietRule::new(0.01).unwrap().fewest_seeds(), 1536);
        assert!(QuietRule::new(1.4e-5).is_ok());
    }

    /// The seed with which it is quiet, if seeds end in an order that differs from theirs by up
    /// to `apart` places.
    fn quiet(apart: usize, last: u64) -> Option<u64> {
        let mut watch = QuietWatch::new(QuietRule::new(0.05).unwrap());
        let seeds: Vec<u64> = (0..1000).collect();
        for block in seeds.chunks(apart) {
            block.iter().for_each(|seed| watch.start(*seed));
            for seed in block.iter().rev() {
                // Each tenth has none.
                let timeline = (seed % 10 != 0).then_some(seed % 7);
                if let Some(seed) = watch.end(*seed, timeline, last) {
                    assert!(watch.result().is_quiet);
                    return Some(seed);
                }
            }
        }
        assert!(!watch.result().is_quiet);
        None
    }

    #[test]
    fn the_order_in_which_seeds_end_makes_no_difference() {
        let alone = quiet(1, u64::MAX).unwrap();
        for apart in [2, 3, 64, 1000] {
            assert_eq!(quiet(apart, u64::MAX), Some(alone), "{apart}");
            // What comes behind the end does not make it quiet.
            assert_eq!(quiet(apart, alone - 1), None);
            assert_eq!(quiet(apart, alone), Some(alone));
        }
    }
}
