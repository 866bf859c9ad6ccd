use bincode::{Decode, Encode};
use retake_core::fault::{Effect, Moment, Skew};
use retake_core::time::{Exact, Seconds, nanos, parse_duration};
use serde::Serialize;

use super::{Kind, until};
use crate::fault::recipe::{Dice, Recipe};
use crate::fault::words::{Tail, Words};
use crate::fault::{Fault, Target};

/// The wall clock is wrong; monotonic time never is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct Clock {
    /// How.
    pub skew: Skew,
    /// Until this time, in nanoseconds of virtual time since the start of the run; without
    /// it, to the end of the run.
    pub until_ns: Option<u64>,
}

impl Kind for Clock {
    const VERB: &'static str = "clock";
    const FORM: &'static str = "clock +TIME|-TIME|drift TIME|wave TIME per TIME @WHEN [until TIME]";
    const RECIPES: &'static [Recipe] = &[Recipe::usual("clock", draw)];

    fn parse(words: &mut Words<'_>) -> Result<Self, String> {
        let until_ns = words.last("until").map(nanos);
        let rest = words.take_rest();
        let skew = if let Some(by) = rest.strip_prefix("drift ") {
            Skew::Drift(signed(by.trim())?)
        } else if let Some(wave) = rest.strip_prefix("wave ") {
            let (by, period) = wave
                .split_once(" per ")
                .ok_or("`per TIME` is missing after the time of the wave")?;
            Skew::Wave {
                by_ns: nanos(parse_duration(by.trim())?),
                period_ns: nanos(parse_duration(period.trim())?),
            }
        } else {
            Skew::Step(signed(rest)?)
        };
        Ok(Self { skew, until_ns })
    }

    fn tail(&self) -> Tail {
        let tail = Tail::new(match self.skew {
            Skew::Step(by) => format!(" {}{}", sign(by), Exact(by.unsigned_abs())),
            Skew::Drift(by) => format!(" drift {}{}", sign(by), Exact(by.unsigned_abs())),
            Skew::Wave { by_ns, period_ns } => {
                format!(" wave {} per {}", Exact(by_ns), Exact(period_ns))
            }
        });
        match self.until_ns {
            Some(until_ns) => tail.until(until_ns),
            None => tail,
        }
    }

    fn moment(&self) -> Moment {
        Moment::Run
    }

    fn effect(&self) -> Effect {
        let Self { skew, until_ns } = *self;
        Effect::WallClock { skew, until_ns }
    }

    fn describe(&self) -> String {
        let signed = |ns: i64| format!("{}{} s", sign(ns), Seconds(ns.unsigned_abs()));
        let how = match self.skew {
            Skew::Step(by) => format!("is off by {}", signed(by)),
            Skew::Drift(by) => format!("drifts by {} each second", signed(by)),
            Skew::Wave { by_ns, period_ns } => {
                format!("swings by {} s in {} s", Seconds(by_ns), Seconds(period_ns))
            }
        };
        match self.until_ns {
            Some(until_ns) => format!("the wall clock {how} {}", until(until_ns)),
            None => format!("the wall clock {how}"),
        }
    }
}

fn sign(ns: i64) -> char {
    if ns < 0 { '-' } else { '+' }
}

fn signed(text: &str) -> Result<i64, String> {
    let (sign, time) = match text.strip_prefix('-') {
        Some(time) => (-1, time),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let ns = parse_duration(time)?.as_nanos();
    let ns = i64::try_from(ns).map_err(|_| format!("`{text}` is too long a time"))?;
    Ok(sign * ns)
}

fn draw(dice: &mut Dice<'_>) -> Vec<Fault> {
    let sign = if dice.coin { -1 } else { 1 };
    let skew = match dice.below(3) {
        0 => Skew::Step(sign * 1_000_000_000 * (1 << dice.below(12))),
        1 => Skew::Drift(sign * 1_000_000 * (1 << dice.below(9))),
        _ => Skew::Wave {
            by_ns: dice.until_ns,
            period_ns: 4 * dice.until_ns,
        },
    };
    let until_ns = None;
    vec![Fault::new(Target::Run, Clock { skew, until_ns }).at_step(dice.at)]
}
