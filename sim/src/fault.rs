//! Lifecycle faults: kill an actor, make a handler panic, delay a task.
//!
//! A fault is data. Each one that strikes is a record of the trace; one that
//! never found its target is listed in the run's warnings.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A fault asked for: what, to whom, when.
///
/// Parses from and prints as `kill NAME @step 120`, `panic NAME @1.5s` or
/// `delay NAME @2s until 3s`. NAME is a label as traces show it; without an
/// incarnation number it means the one that is alive. `*` means the task that
/// is about to take the step, `*supervised` the first actor with a supervisor that is
/// about to take this step or one after it.
///
/// In files a fault is its text.
///
/// ```
/// use retake_sim::Fault;
/// let fault: Fault = "kill pool/worker-3 @1.5s".parse()?;
/// assert_eq!(fault.to_string(), "kill pool/worker-3 @1500ms");
/// # Ok::<(), retake_sim::FaultError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Fault {
    /// The label of the task that it strikes.
    pub target: String,
    /// What is done.
    pub action: FaultAction,
    /// When.
    pub when: When,
}

/// The target that is the next supervised actor.
pub(crate) const SUPERVISED: &str = "*supervised";

/// What a fault does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultAction {
    /// Kill the actor: what it is doing is dropped at its await point.
    Kill,
    /// The actor's next message handler panics.
    Panic,
    /// The task is not scheduled before this virtual time since the start.
    Delay {
        /// Virtual time since the start of the run.
        until: Duration,
    },
}

/// When a fault strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Just before the step of this number (from 1) is chosen.
    Step(u64),
    /// At this virtual time since the start of the run.
    At(Duration),
}

impl Fault {
    /// Kill the actor of this label. Strikes at the start unless told when.
    #[must_use]
    pub fn kill(target: impl Into<String>) -> Self {
        Self::new(target.into(), FaultAction::Kill)
    }

    /// Make the next message handler of the actor of this label panic.
    #[must_use]
    pub fn panic(target: impl Into<String>) -> Self {
        Self::new(target.into(), FaultAction::Panic)
    }

    /// Keep the task of this label from running until a virtual time since the start.
    #[must_use]
    pub fn delay(target: impl Into<String>, until: Duration) -> Self {
        Self::new(target.into(), FaultAction::Delay { until })
    }

    fn new(target: String, action: FaultAction) -> Self {
        Self {
            target,
            action,
            when: When::Step(1),
        }
    }

    /// Strike just before this step (from 1) is chosen.
    #[must_use]
    pub fn at_step(self, step: u64) -> Self {
        Self {
            when: When::Step(step),
            ..self
        }
    }

    /// Strike at this virtual time since the start of the run.
    #[must_use]
    pub fn at(self, time: Duration) -> Self {
        Self {
            when: When::At(time),
            ..self
        }
    }
}

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

/// Parse a duration such as `1.5s`, `20ms`, `7us` or `3ns`.
///
/// # Errors
/// A sentence about what is wrong with the text.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let split = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .ok_or_else(|| format!("`{text}` lacks a unit: write ns, us, ms, s, m or h"))?;
    let (number, unit) = text.split_at(split);
    let unit_ns: u64 = match unit {
        "ns" => 1,
        "us" | "µs" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" | "min" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => {
            return Err(format!(
                "`{unit}` is no unit of time: write ns, us, ms, s, m or h"
            ));
        }
    };
    let wrong = || format!("`{number}` is not a number");
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let whole: u64 = whole.parse().map_err(|_| wrong())?;
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) || fraction.len() > 9 {
        return Err(wrong());
    }
    let scale = 10_u64.pow(fraction.len() as u32);
    let fraction: u64 = if fraction.is_empty() {
        0
    } else {
        fraction.parse().map_err(|_| wrong())?
    };
    let fraction_ns = u128::from(fraction) * u128::from(unit_ns) / u128::from(scale);
    whole
        .checked_mul(unit_ns)
        .and_then(|ns| ns.checked_add(u64::try_from(fraction_ns).ok()?))
        .map(Duration::from_nanos)
        .ok_or_else(|| format!("`{text}` is too long a time"))
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = match self.action {
            FaultAction::Kill => "kill",
            FaultAction::Panic => "panic",
            FaultAction::Delay { .. } => "delay",
        };
        write!(f, "{verb} {}", self.target)?;
        match self.when {
            When::Step(step) => write!(f, " @step {step}")?,
            When::At(time) => write!(f, " @{}", Exact(time))?,
        }
        if let FaultAction::Delay { until } = self.action {
            write!(f, " until {}", Exact(until))?;
        }
        Ok(())
    }
}

/// A fault's text does not parse.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "fault `{text}`: {problem}; write `kill NAME @step 120`, `panic NAME @1.5s` or `delay NAME @2s until 3s`"
)]
pub struct FaultError {
    text: String,
    problem: String,
}

impl From<Fault> for String {
    fn from(fault: Fault) -> Self {
        fault.to_string()
    }
}

impl TryFrom<String> for Fault {
    type Error = FaultError;

    fn try_from(text: String) -> Result<Self, FaultError> {
        text.parse()
    }
}

impl FromStr for Fault {
    type Err = FaultError;

    fn from_str(text: &str) -> Result<Self, FaultError> {
        let error = |problem: &str| FaultError {
            text: text.to_owned(),
            problem: problem.to_owned(),
        };
        let duration = |text: &str| parse_duration(text).map_err(|problem| error(&problem));
        let (head, tail) = text
            .split_once('@')
            .ok_or_else(|| error("`@` with a step or time is missing"))?;
        let (verb, target) = head
            .trim()
            .split_once(' ')
            .ok_or_else(|| error("the name of the target is missing"))?;
        let (when, until) = match tail.split_once(" until ") {
            Some((when, until)) => (when.trim(), Some(duration(until.trim())?)),
            None => (tail.trim(), None),
        };
        let when = match when.strip_prefix("step") {
            Some(step) => match step.trim().parse() {
                Ok(0) | Err(_) => return Err(error("the step must be a whole number from 1")),
                Ok(step) => When::Step(step),
            },
            None => When::At(duration(when)?),
        };
        let action = match (verb, until) {
            ("kill", None) => FaultAction::Kill,
            ("panic", None) => FaultAction::Panic,
            ("delay", Some(until)) => FaultAction::Delay { until },
            ("delay", None) => return Err(error("a delay needs `until TIME`")),
            ("kill" | "panic", Some(_)) => return Err(error("only a delay has an `until`")),
            _ => return Err(error("there is no such fault")),
        };
        Ok(Self {
            target: target.trim().to_owned(),
            action,
            when,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistaken_fault_says_what_is_wrong() {
        for (text, expected) in [
            ("kill a", "`@` with a step or time is missing"),
            ("kill @3s", "name of the target is missing"),
            ("kill a @3", "lacks a unit"),
            ("kill a @3x", "no unit of time"),
            ("kill a @step 0", "whole number from 1"),
            ("kill a @1s until 2s", "only a delay"),
            ("delay a @1s", "needs `until TIME`"),
            ("freeze a @1s", "no such fault"),
            ("kill a @99999999999h", "too long a time"),
        ] {
            let error = text.parse::<Fault>().unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn a_fault_parses_from_what_it_prints() {
        for fault in [
            Fault::kill("a/b#2").at_step(7),
            Fault::panic("a").at(Duration::from_nanos(1_500_000_001)),
            Fault::delay("a", Duration::from_secs(3)).at(Duration::from_micros(2)),
        ] {
            assert_eq!(fault.to_string().parse(), Ok(fault));
        }
    }
}
