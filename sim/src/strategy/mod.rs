//! Scheduling strategies: which of the runnable tasks takes the next step.
//!
//! [`Scheduler`] is the one interface, each strategy one small file, and
//! [`Strategy`] names them as data, for builders, command lines and trace
//! headers. No strategy finds every bug soonest, so campaigns rotate them.

mod defer;
mod fifo;
mod hold;
mod pct;
mod pos;
mod random;
mod replay;
mod starve;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use rand_chacha::ChaCha8Rng;
use retake_traces::schedule::Schedule;

use crate::runnable::Runnable;
use retake_traces::did_you_mean;

pub use defer::Defer;
pub use fifo::Fifo;
pub use hold::{Held, Hold, StepOf};
pub(crate) use hold::{Recorded, Recorder};
pub use pct::Pct;
pub use pos::Pos;
pub use random::Random;
pub use replay::{Deviations, Exact};
pub use starve::Starve;

/// Decides which runnable task takes the next step.
///
/// Its decisions must be a function of what it is shown and of its own random
/// stream. Tasks are named by their slot, a small number that is reused after
/// the task has ended.
pub trait Scheduler {
    /// A task came into existence in this slot; `serial` is its number in traces.
    fn started(&mut self, slot: u32, serial: u32) {
        let _ = (slot, serial);
    }

    /// A task could run now. True runs it at once, before the system is
    /// quiescent; false makes it runnable.
    fn eager(&mut self, slot: u32, step: u64) -> bool {
        let _ = (slot, step);
        false
    }

    /// A task became runnable. Of those that did between two picks the order is not a
    /// function of the seed: it must not decide anything.
    fn arrived(&mut self, slot: u32) {
        let _ = slot;
    }

    /// Choose the task for step number `step` (from 1) among the runnable, of
    /// which there is at least one. `None` if the strategy cannot continue, which
    /// ends the run as diverged.
    fn pick(&mut self, step: u64, runnable: &mut Runnable) -> Option<u32>;

    /// Why the last pick was `None`.
    fn reason(&self) -> String {
        String::new()
    }
}

/// The name of a strategy with its parameters.
///
/// Parses from and prints as `fifo`, `random`, `pct`, `pct:depth=3,steps=10000`, `pos`,
/// `starve:steps=100`, `defer` or `defer:percent=10`.
///
/// ```
/// use retake_sim::Strategy;
/// let strategy: Strategy = "pct:depth=5".parse()?;
/// assert_eq!(strategy.to_string(), "pct:depth=5,steps=10000");
/// # Ok::<(), retake_sim::StrategyError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Strategy {
    /// First in, first out: see [`Fifo`].
    Fifo,
    /// Each runnable task with equal probability: see [`Random`].
    #[default]
    Random,
    /// Probabilistic concurrency testing: see [`Pct`].
    Pct {
        /// Number of ordering constraints that the sought bug needs, at least 1.
        depth: u32,
        /// Expected number of steps of a run, at least 1.
        steps: u64,
    },
    /// Each step draws a priority, the highest runs: see [`Pos`].
    Pos,
    /// One task at a time runs only when no other can: see [`Starve`].
    Starve {
        /// Steps for which a task starves on average, at least 1.
        steps: u64,
    },
    /// Run at once unless a coin defers: see [`Defer`].
    Defer {
        /// Probability of deferring, in percent, 0 to 100.
        percent: u32,
    },
    /// Follow a recorded schedule to the letter: see [`Exact`].
    Replay(Arc<Schedule>),
    /// First in, first out but for these steps: see [`Deviations`].
    Deviations(Arc<[(u64, u32)]>),
    /// First in, first out but for steps that wait for others: see [`Held`].
    Holds(Arc<[Hold]>),
}

const DEFAULT_PCT_DEPTH: u32 = 3;
const DEFAULT_PCT_STEPS: u64 = 10_000;
const DEFAULT_STARVE_STEPS: u64 = 100;
const DEFAULT_DEFER_PERCENT: u32 = 10;

impl Strategy {
    /// The scheduler of this name, drawing from `rng`.
    #[must_use]
    pub fn scheduler(&self, rng: ChaCha8Rng) -> Box<dyn Scheduler> {
        match self {
            Self::Fifo => Box::new(Fifo),
            Self::Random => Box::new(Random::new(rng)),
            Self::Pct { depth, steps } => Box::new(Pct::new(*depth, *steps, rng)),
            Self::Pos => Box::new(Pos::new(rng)),
            Self::Starve { steps } => Box::new(Starve::new(*steps, rng)),
            Self::Defer { percent } => Box::new(Defer::new(*percent, rng)),
            Self::Replay(schedule) => Box::new(Exact::new(Arc::clone(schedule))),
            Self::Deviations(deviations) => Box::new(Deviations::new(Arc::clone(deviations))),
            Self::Holds(holds) => Box::new(Held::new(holds)),
        }
    }
}

impl fmt::Display for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fifo => f.write_str("fifo"),
            Self::Random => f.write_str("random"),
            Self::Pct { depth, steps } => write!(f, "pct:depth={depth},steps={steps}"),
            Self::Pos => f.write_str("pos"),
            Self::Starve { steps } => write!(f, "starve:steps={steps}"),
            Self::Defer { percent } => write!(f, "defer:percent={percent}"),
            Self::Replay(_) => f.write_str("replay"),
            Self::Deviations(_) => f.write_str("deviations"),
            Self::Holds(_) => f.write_str("holds"),
        }
    }
}

/// A strategy's text does not parse.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "strategy `{text}`: {problem}; write fifo, random, pct[:depth=3,steps=10000], pos, starve[:steps=100] or defer[:percent=10]"
)]
pub struct StrategyError {
    text: String,
    problem: String,
}

/// The strategies that have a name to write.
const NAMES: [&str; 6] = ["fifo", "random", "pct", "pos", "starve", "defer"];

impl FromStr for Strategy {
    type Err = StrategyError;

    fn from_str(text: &str) -> Result<Self, StrategyError> {
        let error = |problem: String| StrategyError {
            text: text.to_owned(),
            problem,
        };
        let (name, rest) = text.split_once(':').unwrap_or((text, ""));
        let mut settings = Vec::new();
        for setting in rest.split(',').filter(|setting| !setting.is_empty()) {
            let (key, value) = setting
                .split_once('=')
                .ok_or_else(|| error(format!("`{setting}` is not of the form name=number")))?;
            let value: u64 = value
                .parse()
                .map_err(|_| error(format!("`{value}` is not a whole number")))?;
            settings.push((key, value));
        }
        let mut take = |key: &str, default: u64, range: std::ops::RangeInclusive<u64>| {
            let value = match settings.iter().position(|(name, _)| *name == key) {
                Some(place) => settings.remove(place).1,
                None => default,
            };
            if range.contains(&value) {
                Ok(value)
            } else {
                Err(error(format!(
                    "{key} must be from {} to {}",
                    range.start(),
                    range.end()
                )))
            }
        };
        let strategy = match name {
            "fifo" => Self::Fifo,
            "random" => Self::Random,
            "pct" => Self::Pct {
                depth: take("depth", DEFAULT_PCT_DEPTH.into(), 1..=1_000)? as u32,
                steps: take("steps", DEFAULT_PCT_STEPS, 1..=u64::MAX)?,
            },
            "pos" => Self::Pos,
            "starve" => Self::Starve {
                steps: take("steps", DEFAULT_STARVE_STEPS, 1..=1_000_000_000)?,
            },
            "defer" => Self::Defer {
                percent: take("percent", DEFAULT_DEFER_PERCENT.into(), 0..=100)? as u32,
            },
            "replay" | "deviations" | "holds" => {
                return Err(error(format!(
                    "`{name}` needs a recorded run; use `retake replay FILE`"
                )));
            }
            _ => {
                let near = did_you_mean(name, NAMES.into_iter().chain(["mix"]));
                return Err(error(format!(
                    "there is no such strategy{near}; there are {}, and mix for campaigns",
                    NAMES.join(", ")
                )));
            }
        };
        match settings.first() {
            Some((key, _)) => {
                let near = did_you_mean(key, ["depth", "steps", "percent"]);
                Err(error(format!("`{name}` has no setting `{key}`{near}")))
            }
            None => Ok(strategy),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistaken_strategy_says_what_is_wrong() {
        for (text, expected) in [
            ("rnadom", "no such strategy: did you mean `random`?"),
            ("pct:dpth=3", "no setting `dpth`: did you mean `depth`?"),
            ("pct:depth", "not of the form name=number"),
            ("pct:depth=x", "not a whole number"),
            ("pct:depth=0", "depth must be from 1 to 1000"),
            ("defer:percent=101", "percent must be from 0 to 100"),
            ("fifo:depth=3", "`fifo` has no setting `depth`"),
            ("replay", "needs a recorded run"),
        ] {
            let error = text.parse::<Strategy>().unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn a_strategy_parses_from_what_it_prints() {
        for strategy in [
            Strategy::Fifo,
            Strategy::Random,
            Strategy::Pct {
                depth: 2,
                steps: 77,
            },
            Strategy::Pos,
            Strategy::Starve { steps: 9 },
            Strategy::Defer { percent: 25 },
        ] {
            assert_eq!(strategy.to_string().parse(), Ok(strategy));
        }
    }
}
