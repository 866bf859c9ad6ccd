//! Faults as text.

use std::fmt;
use std::time::Duration;

use retake_traces::record::StepKind;

use super::parse::PARTS;
use super::{Fault, FaultAction, Skew, When};

/// A duration in the largest unit that keeps it whole.
struct Exact(Duration);

impl fmt::Display for Exact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ns = self.0.as_nanos();
        for (unit, size) in [("s", 1_000_000_000), ("ms", 1_000_000), ("us", 1_000)] {
            if ns.is_multiple_of(size) {
                return write!(f, "{}{unit}", ns / size);
            }
        }
        write!(f, "{ns}ns")
    }
}

/// A signed number of nanoseconds, likewise.
struct Signed(i64);

impl fmt::Display for Signed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { '-' } else { '+' };
        write!(
            f,
            "{sign}{}",
            Exact(Duration::from_nanos(self.0.unsigned_abs()))
        )
    }
}

/// What follows the name of a callback's owner; by default handlers are meant.
fn in_part(part: StepKind) -> String {
    let named = PARTS.iter().find(|(_, kind)| *kind == part);
    match named {
        Some((name, kind)) if *kind != StepKind::Handle => format!(" in {name}"),
        _ => String::new(),
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let target = &self.target;
        let mut last = None;
        match self.action {
            FaultAction::Kill { awaiting: false } => write!(f, "kill {target}")?,
            FaultAction::Kill { awaiting: true } => write!(f, "kill {target} in await")?,
            FaultAction::Panic(part) => write!(f, "panic {target}{}", in_part(part))?,
            FaultAction::Fail(part) => write!(f, "fail {target}{}", in_part(part))?,
            FaultAction::Stop => write!(f, "stop {target}")?,
            FaultAction::Drain => write!(f, "drain {target}")?,
            FaultAction::Lose => write!(f, "lose {target}")?,
            FaultAction::Point => write!(f, "point {target}")?,
            FaultAction::Delay { until } => {
                write!(f, "delay {target}")?;
                last = Some(("until", until));
            }
            FaultAction::Slow { by, until } => {
                write!(f, "slow {target} by {}", Exact(by))?;
                last = Some(("until", until));
            }
            FaultAction::SlowStart { by } => {
                write!(f, "slow {target} in pre_start by {}", Exact(by))?;
            }
            FaultAction::Squat { until } => {
                write!(f, "squat {target}")?;
                last = Some(("until", until));
            }
            FaultAction::Pause { until } => {
                write!(f, "pause")?;
                last = Some(("until", until));
            }
            FaultAction::Late { by, until } => {
                write!(f, "late by {}", Exact(by))?;
                last = Some(("until", until));
            }
            FaultAction::Coalesce { to, until } => {
                write!(f, "coalesce by {}", Exact(to))?;
                last = Some(("until", until));
            }
            FaultAction::Clock { skew, until } => {
                match skew {
                    Skew::Step(by) => write!(f, "clock {}", Signed(by))?,
                    Skew::Drift(by) => write!(f, "clock drift {}", Signed(by))?,
                    Skew::Wave { by, period } => {
                        write!(f, "clock wave {} per {}", Exact(by), Exact(period))?;
                    }
                }
                last = until.map(|until| ("until", until));
            }
            FaultAction::Load { times } => write!(f, "load x{times}")?,
            FaultAction::Buggify => write!(f, "buggify")?,
            FaultAction::Heal { within } => {
                write!(f, "heal")?;
                last = within.map(|within| ("within", within));
            }
        }
        match self.siblings {
            0 => {}
            1 => write!(f, " with 1 sibling")?,
            count => write!(f, " with {count} siblings")?,
        }
        match self.when {
            When::Step(step) => write!(f, " @step {step}")?,
            When::At(time) => write!(f, " @{}", Exact(time))?,
        }
        match last {
            Some((word, time)) => write!(f, " {word} {}", Exact(time)),
            None => Ok(()),
        }
    }
}

impl From<Fault> for String {
    fn from(fault: Fault) -> Self {
        fault.to_string()
    }
}
