//! Timelines: in which orders actors handled their messages, and how many of these orders a
//! campaign has not seen.
//!
//! Two schedules of one timeline differ only by the order in which different actors took their
//! turns, by times and by values in messages. So a campaign sees fewer timelines than schedules,
//! and can know when it has seen nearly all.

mod bound;
mod discovery;
mod quiet;
mod sink;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use self::discovery::Discovery;
pub(super) use self::quiet::QuietWatch;
pub use self::quiet::{Quiet, QuietRule};
pub(super) use self::sink::{TimelineSink, TimelineSlot};

/// The timelines of a campaign's seeds.
///
/// The timeline of a run is for each actor, by its label, the order in which it handled messages:
/// the variant of each, and who sent it, by its label without the number of the incarnation.
/// Events of children count as messages without a sender. What plain tasks do is not in it, nor
/// is what messages have in them.
///
/// Timelines are kept of the 1,048,576 lowest seeds, so parts of a campaign can be put together.
/// A run that has handled no message has none, nor has one whose process was lost. As JSON it has
/// the [figures](TimelineFigures) and, as `runs`, the timeline of each seed in one text,
/// `SEED:HASH SEED:HASH …` with the hash in hexadecimal digits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "SavedTimelines")]
pub struct Timelines {
    /// The hash of each seed's timeline.
    runs: BTreeMap<u64, u64>,
}

/// What the timelines of a campaign say about those that it has not seen.
///
/// It takes seeds for independent draws, which they are but for what a seed may mean to the
/// program itself.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct TimelineFigures {
    /// Seeds that have a timeline.
    pub seeds: u64,
    /// Distinct timelines.
    pub distinct: u64,
    /// Timelines that exactly one seed has shown.
    pub once: u64,
    /// Timelines that exactly two seeds have shown.
    pub twice: u64,
    /// The estimate of the probability, from 0 to 1, that the next seed shows a new timeline:
    /// `once / seeds` (I. J. Good, "The population frequencies of species and the estimation of
    /// population parameters", Biometrika 40, 1953, after A. M. Turing).
    pub next_new: f64,
    /// The upper bound of this probability, with 95 % confidence wherever the campaign ends; 1
    /// with fewer than 64 seeds.
    ///
    /// It is computed after 64, 80, 96, 112, 128, 160, … seeds from how many timelines the later
    /// half of them has shown first, as by C. J. Clopper and E. S. Pearson, Biometrika 26, 1934,
    /// and holds after all of these counts at once. The least bound so far counts.
    pub next_new_max: f64,
    /// The estimate of how many timelines were not seen, which is a lower one since rare timelines
    /// need not be equally likely: `(seeds - 1) / seeds · once² / (2 twice)`, with
    /// `once (once - 1) / 2` as the second factor where none was seen twice (A. Chao, "Nonparametric
    /// estimation of the number of classes in a population", Scandinavian Journal of Statistics 11,
    /// 1984).
    pub unseen_min: f64,
    /// Distinct timelines after 1, 2, 4, 8, … and all seeds, in the order of the seeds: pairs of
    /// a number of seeds and a number of timelines.
    pub curve: Vec<(u64, u64)>,
}

impl Timelines {
    /// Add the timeline of a seed.
    pub(super) fn add(&mut self, seed: u64, timeline: u64) {
        self.runs.insert(seed, timeline);
        while self.runs.len() as u64 > bound::SEEDS_MAX {
            self.runs.pop_last();
        }
    }

    /// Add those of another part of the campaign.
    pub(super) fn merge(&mut self, other: Self) {
        for (seed, timeline) in other.runs {
            self.add(seed, timeline);
        }
    }

    /// True if no seed has a timeline.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// What they say.
    #[must_use]
    pub fn figures(&self) -> TimelineFigures {
        let mut discovery = Discovery::default();
        for timeline in self.runs.values() {
            discovery.add(*timeline);
        }
        discovery.figures()
    }
}

/// Timelines as JSON.
#[derive(Serialize)]
struct ShownTimelines {
    #[serde(flatten)]
    figures: TimelineFigures,
    runs: String,
}

/// What is read of that: the rest derives from it.
#[derive(Deserialize)]
struct SavedTimelines {
    runs: String,
}

impl Serialize for Timelines {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let runs = self.runs.iter();
        let runs: Vec<String> = runs.map(|(seed, it)| format!("{seed}:{it:016x}")).collect();
        let shown = ShownTimelines {
            figures: self.figures(),
            runs: runs.join(" "),
        };
        shown.serialize(serializer)
    }
}

impl TryFrom<SavedTimelines> for Timelines {
    type Error = String;

    fn try_from(saved: SavedTimelines) -> Result<Self, String> {
        let mut timelines = Self::default();
        for run in saved.runs.split_whitespace() {
            let numbers = run.split_once(':').and_then(|(seed, timeline)| {
                let timeline = u64::from_str_radix(timeline, 16).ok()?;
                Some((seed.parse().ok()?, timeline))
            });
            let (seed, timeline) =
                numbers.ok_or_else(|| format!("`{run}` is no seed with its timeline"))?;
            timelines.add(seed, timeline);
        }
        Ok(timelines)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timelines(runs: impl IntoIterator<Item = (u64, u64)>) -> Timelines {
        let mut all = Timelines::default();
        for (seed, timeline) in runs {
            all.add(seed, timeline);
        }
        all
    }

    #[test]
    fn parts_put_together_are_the_whole_in_any_order() {
        let run = |seed: u64| (seed, seed * seed % 17);
        let whole = timelines((0..200).map(run));
        let part = |number| timelines((number..200).step_by(3).map(run));
        for order in [[0, 1, 2], [2, 0, 1]] {
            let mut all = Timelines::default();
            for number in order {
                all.merge(part(number));
            }
            assert_eq!(all, whole);
            assert_eq!(all.figures(), whole.figures());
        }
    }

    #[test]
    fn as_json_they_have_their_figures_and_are_read_again() {
        let all = timelines([(3, 7), (4, u64::MAX), (8, 7)]);
        let json = serde_json::to_value(&all).unwrap();
        let third = 1.0 / 3.0;
        let shown = serde_json::json!({
            "seeds": 3,
            "distinct": 2,
            "once": 1,
            "twice": 1,
            "next_new": third,
            "next_new_max": 1.0,
            "unseen_min": third,
            "curve": [[1, 1], [2, 2], [3, 2]],
            "runs": "3:0000000000000007 4:ffffffffffffffff 8:0000000000000007",
        });
        assert_eq!(json, shown);
        assert_eq!(serde_json::from_value::<Timelines>(json).unwrap(), all);
        for wrong in ["3", "3:", "x:1", "3:g", "3:11111111111111111"] {
            let text = serde_json::json!({ "runs": wrong });
            let error = serde_json::from_value::<Timelines>(text).unwrap_err();
            let what = format!("`{wrong}` is no seed with its timeline");
            assert!(error.to_string().contains(&what), "{error}");
        }
    }
}
