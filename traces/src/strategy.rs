//! Strategies as data: which of the runnable tasks takes the next step.
//!
//! A [`Strategy`] is what a run, a saved case and the header of a trace name. It parses and
//! prints here and nowhere else, by the list of `retake_core`, which also has what chooses by it.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::sync::Arc;

use bincode::de::Decoder;
use bincode::enc::Encoder;
use bincode::error::{DecodeError, EncodeError};
use bincode::{Decode, Encode};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::near::did_you_mean;
use crate::schedule::Schedule;

pub use retake_core::strategy::{Hold, StepOf};

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

/// A strategy's name, and its settings with their usual values.
type Form = (&'static str, &'static [(&'static str, u64)]);

macro_rules! as_data {
    ($(
        $(#[$doc:meta])*
        $name:literal $variant:ident
        $({ $($(#[$setting_doc:meta])* $setting:ident: u64 = $usual:literal in $range:expr,)* })?
        => $make:expr;
    )*) => {
        /// A strategy, as data.
        ///
        /// Parses from and prints as its name, with its settings behind a colon: `fifo`,
        /// `pct`, `pct:depth=3,steps=10000`. Those of recorded runs and of user code have
        /// more than a name, so they print and do not parse.
        ///
        /// ```
        /// use retake_traces::Strategy;
        /// let strategy: Strategy = "pct:depth=5".parse()?;
        /// assert_eq!(strategy.to_string(), "pct:depth=5,steps=10000");
        /// # Ok::<(), retake_traces::StrategyError>(())
        /// ```
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        pub enum Strategy {
            /// Follow a recorded schedule to the letter, and stop where that cannot be done.
            Replay(Arc<Schedule>),
            /// First in, first out but for these steps: number of the step, and the task that
            /// takes it. Those that do not apply are passed over.
            Deviations(Arc<[(u64, u32)]>),
            /// First in, first out but for steps that wait for others.
            Holds(Arc<[Hold]>),
            /// What a live process did: no simulator chose.
            Live,
            /// A scheduler of the user's code, of this name.
            Custom(String),
            $(
                $(#[$doc])*
                $variant $({ $($(#[$setting_doc])* $setting: u64,)* })?,
            )*
        }

        /// How the strategies that parse are written.
        const FORMS: &[Form] = &[$(($name, &[$($((stringify!($setting), $usual),)*)?]),)*];

        impl Strategy {
            /// Its name, and its settings.
            fn written(&self) -> (&str, Vec<(&'static str, u64)>) {
                match self {
                    $(Self::$variant $({ $($setting),* })? => {
                        ($name, vec![$($((stringify!($setting), *$setting)),*)?])
                    })*
                    Self::Replay(_) => ("replay", Vec::new()),
                    Self::Deviations(_) => ("deviations", Vec::new()),
                    Self::Holds(_) => ("holds", Vec::new()),
                    Self::Live => ("live", Vec::new()),
                    Self::Custom(name) => (name, Vec::new()),
                }
            }
        }

        /// The strategy of this name, which takes its settings; none without such a name.
        #[allow(unused_variables, reason = "some have no settings")]
        fn named(name: &str, settings: &mut Settings<'_>) -> Option<Result<Strategy, String>> {
            let mut make = || {
                Ok(match name {
                    $($name => Strategy::$variant $({
                        $($setting: settings.take(stringify!($setting), $usual, $range)?,)*
                    })?,)*
                    _ => return Ok(None),
                }.into())
            };
            make().transpose()
        }
    };
}

retake_core::strategies!(as_data);

impl Strategy {
    /// First in, first out but for these.
    #[must_use]
    pub fn holds(holds: &[Hold]) -> Self {
        Self::Holds(Arc::from(holds))
    }

    /// The same for a run of about so many steps, where that is a setting.
    #[must_use]
    pub fn for_steps(self, steps: u64) -> Self {
        match self {
            Self::Pct { depth, .. } => Self::Pct { depth, steps },
            Self::Delays { count, .. } => Self::Delays { count, steps },
            other => other,
        }
    }
}

impl fmt::Display for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Self::Holds(holds) = self {
            let count = crate::counted(holds.len(), "hold");
            return write!(f, "fifo with {count}");
        }
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

/// How all strategies are written, as a part of a sentence: `fifo, pos or defer[:percent=10]`.
#[must_use]
pub fn forms() -> String {
    let form = |(name, settings): &Form| {
        let settings: Vec<String> = settings
            .iter()
            .map(|(key, usual)| format!("{key}={usual}"))
            .collect();
        match settings.is_empty() {
            true => (*name).to_owned(),
            false => format!("{name}[:{}]", settings.join(",")),
        }
    };
    let forms: Vec<String> = FORMS.iter().map(form).collect();
    match &forms[..] {
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
        if matches!(name, "replay" | "deviations" | "holds" | "live") {
            let problem = format!("`{name}` needs a recorded run; use `retake replay FILE`");
            return Err(problem);
        }
        let names: Vec<&str> = FORMS.iter().map(|(name, _)| *name).collect();
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

/// In traces: those that parse as their texts, so that a list that grows changes no file.
#[derive(Encode, Decode)]
enum InTrace {
    Text(String),
    Custom(String),
    Live,
    Holds(Arc<[Hold]>),
    Replay(Arc<Schedule>),
    Deviations(Arc<[(u64, u32)]>),
}

impl Encode for Strategy {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        let stored = match self.clone() {
            Self::Custom(name) => InTrace::Custom(name),
            Self::Live => InTrace::Live,
            Self::Holds(holds) => InTrace::Holds(holds),
            Self::Replay(schedule) => InTrace::Replay(schedule),
            Self::Deviations(deviations) => InTrace::Deviations(deviations),
            named => InTrace::Text(named.to_string()),
        };
        stored.encode(encoder)
    }
}

impl<Context> Decode<Context> for Strategy {
    fn decode<D: Decoder<Context = Context>>(decoder: &mut D) -> Result<Self, DecodeError> {
        Ok(match InTrace::decode(decoder)? {
            // One of a later version is shown by its name.
            InTrace::Text(text) => text.parse().unwrap_or(Self::Custom(text)),
            InTrace::Custom(name) => Self::Custom(name),
            InTrace::Live => Self::Live,
            InTrace::Holds(holds) => Self::Holds(holds),
            InTrace::Replay(schedule) => Self::Replay(schedule),
            InTrace::Deviations(deviations) => Self::Deviations(deviations),
        })
    }
}

bincode::impl_borrow_decode!(Strategy);

/// In files: the text, or `{"holds": […]}`.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum InFile<T, H> {
    Text(T),
    Holds(HoldsInFile<H>),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct HoldsInFile<H> {
    holds: H,
}

impl Serialize for Strategy {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let in_file = match self {
            Self::Holds(holds) => InFile::Holds(HoldsInFile { holds: &**holds }),
            other => InFile::Text(other.to_string()),
        };
        in_file.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Strategy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match InFile::<String, Vec<Hold>>::deserialize(deserializer)? {
            InFile::Text(text) => text.parse().map_err(serde::de::Error::custom),
            InFile::Holds(HoldsInFile { holds }) => Ok(Self::Holds(holds.into())),
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
            ("x", "write fifo, random, pct[:depth=3,steps=10000], pos"),
        ] {
            let error = text.parse::<Strategy>().unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    fn all() -> Vec<Strategy> {
        let usual = FORMS.iter().map(|(name, _)| name.parse().unwrap());
        let others = [
            Strategy::Pct {
                depth: 2,
                steps: 77,
            },
            Strategy::Starve { steps: 9 },
            Strategy::Defer { percent: 25 },
            Strategy::Delays { count: 3, steps: 4 },
        ];
        usual.chain(others).collect()
    }

    #[test]
    fn a_strategy_parses_from_what_it_prints() {
        for strategy in all() {
            assert_eq!(strategy.to_string().parse(), Ok(strategy));
        }
    }

    #[test]
    fn a_strategy_survives_a_file() {
        let hold = Hold {
            step: (1, 2),
            until: (3, 4),
        };
        for strategy in all().into_iter().chain([Strategy::holds(&[hold])]) {
            let text = serde_json::to_string(&strategy).unwrap();
            assert_eq!(serde_json::from_str::<Strategy>(&text).unwrap(), strategy);
        }
        let wrong = serde_json::from_str::<Strategy>("\"rnadom\"").unwrap_err();
        assert!(wrong.to_string().contains("did you mean `random`?"));
    }
}
