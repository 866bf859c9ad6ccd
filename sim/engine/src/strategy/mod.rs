//! Scheduling strategies: which of the runnable tasks takes the next step.
//!
//! [`Scheduler`] is the one interface, and [`Strategy`] names strategies as data, for builders,
//! command lines and trace headers. Each strategy is one small file, with its name, its
//! settings and what chooses; to add one, write its file and add it to the list below. No
//! strategy finds every bug soonest, so campaigns rotate them.

mod defer;
mod delays;
mod fifo;
mod hold;
mod pct;
mod pos;
mod random;
mod replay;
mod starve;

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::sync::Arc;

use rand_chacha::ChaCha8Rng;
use retake_traces::did_you_mean;
use retake_traces::schedule::Schedule;

use crate::runnable::Runnable;

pub use defer::Defer;
pub use delays::Delays;
pub use fifo::Fifo;
pub use hold::{Held, Hold, RecordedHolds, Recorder, StepOf};
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

/// A strategy that has a name to write.
trait Named: Sized + Copy {
    /// How it is written, with its settings and their usual values.
    const FORM: &'static str;

    /// Take its settings.
    fn read(settings: &mut Settings<'_>) -> Result<Self, String>;

    /// Its settings.
    fn settings(&self) -> Vec<(&'static str, u64)> {
        Vec::new()
    }

    /// The same for a run of about so many steps.
    fn for_steps(self, steps: u64) -> Self {
        let _ = steps;
        self
    }

    /// What chooses, drawing from `rng`.
    fn scheduler(&self, rng: ChaCha8Rng) -> Box<dyn Scheduler>;
}

/// The name in how a strategy is written.
const fn name_in(form: &'static str) -> &'static str {
    let mut length = 0;
    while length < form.len() && form.as_bytes()[length] != b'[' {
        length += 1;
    }
    form.split_at(length).0
}

/// Settings that were written and not taken yet.
struct Settings<'a>(Vec<(&'a str, u64)>);

impl<'a> Settings<'a> {
    fn parse(text: &'a str) -> Result<Self, String> {
        let settings = text.split(',').filter(|setting| !setting.is_empty());
        let settings = settings.map(|setting| {
            let (key, value) = setting
                .split_once('=')
                .ok_or_else(|| format!("`{setting}` is not of the form name=number"))?;
            let value: u64 = value
                .parse()
                .map_err(|_| format!("`{value}` is not a whole number"))?;
            Ok((key, value))
        });
        settings.collect::<Result<_, String>>().map(Self)
    }

    fn take(&mut self, key: &str, usual: u64, range: RangeInclusive<u64>) -> Result<u64, String> {
        let value = match self.0.iter().position(|(name, _)| *name == key) {
            Some(place) => self.0.remove(place).1,
            None => usual,
        };
        if range.contains(&value) {
            return Ok(value);
        }
        let (start, end) = (range.start(), range.end());
        Err(format!("{key} must be from {start} to {end}"))
    }
}

macro_rules! strategies {
    ($($strategy:ident,)*) => {
        /// A strategy, as data.
        ///
        /// Parses from and prints as its name, with its settings behind a colon: `fifo`,
        /// `pct`, `pct:depth=3,steps=10000`.
        ///
        /// ```
        /// use retake_sim::Strategy;
        /// let strategy: Strategy = "pct:depth=5".parse()?;
        /// assert_eq!(strategy.to_string(), "pct:depth=5,steps=10000");
        /// # Ok::<(), retake_sim::StrategyError>(())
        /// ```
        #[derive(Clone, Debug, PartialEq)]
        pub enum Strategy {
            $(
                #[doc = concat!("`", stringify!($strategy), "`, see there.")]
                $strategy($strategy),
            )*
            /// Follow a recorded schedule to the letter: see [`Exact`].
            Replay(Arc<Schedule>),
            /// First in, first out but for these steps: see [`Deviations`].
            Deviations(Arc<[(u64, u32)]>),
            /// First in, first out but for steps that wait for others: see [`Held`].
            Holds(Arc<[Hold]>),
        }

        $(impl From<$strategy> for Strategy {
            fn from(strategy: $strategy) -> Self {
                Self::$strategy(strategy)
            }
        })*

        /// How the strategies that have a name are written.
        const FORMS: &[&str] = &[$(<$strategy as Named>::FORM,)*];

        impl Strategy {
            /// What chooses, drawing from `rng`.
            #[must_use]
            pub fn scheduler(&self, rng: ChaCha8Rng) -> Box<dyn Scheduler> {
                match self {
                    $(Self::$strategy(it) => it.scheduler(rng),)*
                    Self::Replay(schedule) => Box::new(Exact::new(Arc::clone(schedule))),
                    Self::Deviations(deviations) => {
                        Box::new(Deviations::new(Arc::clone(deviations)))
                    }
                    Self::Holds(holds) => Box::new(Held::new(holds)),
                }
            }

            /// The same for a run of about so many steps, where that is a setting.
            #[must_use]
            pub fn for_steps(self, steps: u64) -> Self {
                match self {
                    $(Self::$strategy(it) => it.for_steps(steps).into(),)*
                    other => other,
                }
            }

            /// Its name, and its settings.
            fn written(&self) -> (&'static str, Vec<(&'static str, u64)>) {
                match self {
                    $(Self::$strategy(it) => {
                        (name_in(<$strategy as Named>::FORM), it.settings())
                    })*
                    Self::Replay(_) => ("replay", Vec::new()),
                    Self::Deviations(_) => ("deviations", Vec::new()),
                    Self::Holds(_) => ("holds", Vec::new()),
                }
            }
        }

        /// The strategy of this name, which takes its settings; none without a name.
        fn named(name: &str, settings: &mut Settings<'_>) -> Option<Result<Strategy, String>> {
            $(if name == name_in(<$strategy as Named>::FORM) {
                return Some(<$strategy as Named>::read(settings).map(Strategy::from));
            })*
            None
        }
    };
}

strategies! {
    Fifo,
    Random,
    Pct,
    Pos,
    Starve,
    Defer,
    Delays,
}

impl Strategy {
    /// First in, first out: see [`Fifo`].
    #[must_use]
    pub const fn fifo() -> Self {
        Self::Fifo(Fifo)
    }

    /// Each runnable task with equal probability: see [`Random`].
    #[must_use]
    pub const fn random() -> Self {
        Self::Random(Random)
    }
}

impl Default for Strategy {
    fn default() -> Self {
        Self::random()
    }
}

impl fmt::Display for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, settings) = self.written();
        f.write_str(name)?;
        for (place, (key, value)) in settings.iter().enumerate() {
            let sign = if place == 0 { ':' } else { ',' };
            write!(f, "{sign}{key}={value}")?;
        }
        Ok(())
    }
}

/// A strategy's text does not parse.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("strategy `{text}`: {problem}; write {}", forms())]
pub struct StrategyError {
    text: String,
    problem: String,
}

/// How all strategies are written, as a part of a sentence.
fn forms() -> String {
    match FORMS {
        [forms @ .., last] => format!("{} or {last}", forms.join(", ")),
        [] => String::new(),
    }
}

impl FromStr for Strategy {
    type Err = StrategyError;

    fn from_str(text: &str) -> Result<Self, StrategyError> {
        parse(text).map_err(|problem| StrategyError {
            text: text.to_owned(),
            problem,
        })
    }
}

fn parse(text: &str) -> Result<Strategy, String> {
    let (name, rest) = text.split_once(':').unwrap_or((text, ""));
    let mut settings = Settings::parse(rest)?;
    let Some(strategy) = named(name, &mut settings) else {
        if matches!(name, "replay" | "deviations" | "holds") {
            let problem = format!("`{name}` needs a recorded run; use `retake replay FILE`");
            return Err(problem);
        }
        let names: Vec<&str> = FORMS.iter().map(|form| name_in(form)).collect();
        let near = did_you_mean(name, names.iter().copied().chain(["mix"]));
        let names = names.join(", ");
        return Err(format!(
            "there is no such strategy{near}; there are {names}, and mix for campaigns"
        ));
    };
    let strategy = strategy?;
    let Some((key, _)) = settings.0.first() else {
        return Ok(strategy);
    };
    let (_, known) = strategy.written();
    let near = did_you_mean(key, known.iter().map(|(key, _)| *key));
    Err(format!("`{name}` has no setting `{key}`{near}"))
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
    fn how_a_strategy_is_written_gives_its_usual_settings() {
        for form in FORMS {
            let name = name_in(form);
            let written = form.replace(['[', ']'], "");
            let usual: Strategy = name.parse().unwrap();
            assert_eq!(written.parse(), Ok(usual), "{form}");
        }
    }

    #[test]
    fn a_strategy_parses_from_what_it_prints() {
        let pct = Pct {
            depth: 2,
            steps: 77,
        };
        for strategy in [
            Strategy::fifo(),
            Strategy::random(),
            pct.into(),
            Pos.into(),
            Starve { steps: 9 }.into(),
            Defer { percent: 25 }.into(),
            Delays { count: 3, steps: 4 }.into(),
        ] {
            assert_eq!(strategy.to_string().parse(), Ok(strategy));
        }
    }
}
