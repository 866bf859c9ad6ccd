//! What a figure is judged by.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The unit of a figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Nanoseconds; shown as is fit.
    Nanoseconds,
    /// Operations in a second.
    PerSecond,
    /// Hundredths.
    Percent,
    /// A number of things.
    Count,
    /// Bytes.
    Bytes,
    /// Megabytes in a second.
    MegabytesPerSecond,
    /// One figure over another.
    Ratio,
}

impl Unit {
    /// A figure of this unit, for people.
    #[must_use]
    pub fn show(self, value: f64) -> String {
        match self {
            Self::Nanoseconds if value >= NEVER_NS => "never".to_owned(),
            Self::Nanoseconds => crate::report::human_ns(value.max(0.0).round() as u64),
            Self::PerSecond if value >= 10_000.0 => format!("{:.1} k/s", value / 1e3),
            Self::PerSecond => format!("{value:.0} /s"),
            Self::Percent => format!("{value:.2} %"),
            Self::Count => format!("{value:.0}"),
            Self::Bytes if value >= 1e6 => format!("{:.1} MB", value / 1e6),
            Self::Bytes => format!("{value:.0} B"),
            Self::MegabytesPerSecond => format!("{value:.3} MB/s"),
            Self::Ratio => format!("{value:.2}x"),
        }
    }
}

/// Nanoseconds that stand for "not within the run": a file of results has no infinity.
pub const NEVER_NS: f64 = 1e18;

/// A bound.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// At most this.
    AtMost(f64),
    /// At least this.
    AtLeast(f64),
    /// From the first to the second.
    Within(f64, f64),
}

impl Target {
    /// True if the figure is as it should be. What is no number is not.
    #[must_use]
    pub fn is_met(self, value: f64) -> bool {
        match self {
            Self::AtMost(most) => value <= most,
            Self::AtLeast(least) => value >= least,
            Self::Within(least, most) => (least..=most).contains(&value),
        }
    }

    /// The bound, for people.
    #[must_use]
    pub fn show(self, unit: Unit) -> String {
        match self {
            Self::AtMost(most) => format!("<= {}", unit.show(most)),
            Self::AtLeast(least) => format!(">= {}", unit.show(least)),
            Self::Within(least, most) => format!("{} to {}", unit.show(least), unit.show(most)),
        }
    }
}

/// How a row ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// All targets are met.
    Pass,
    /// All targets are met; somebody should look at it.
    Warning,
    /// All targets are met; somebody should look at it at once.
    Alert,
    /// A target is not met, or it did not come to its end.
    Fail,
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Pass => "PASS",
            Self::Warning => "WARNING",
            Self::Alert => "ALERT",
            Self::Fail => "FAIL",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_did_not_come_is_said_to_be_never() {
        assert_eq!(Unit::Nanoseconds.show(NEVER_NS), "never");
        assert!(!Target::AtMost(30e9).is_met(NEVER_NS));
    }

    #[test]
    fn bounds_are_inclusive_and_what_is_no_number_meets_none() {
        for (target, good, bad) in [
            (Target::AtMost(5.0), 5.0, 5.1),
            (Target::AtLeast(5.0), 5.0, 4.9),
            (Target::Within(1.0, 2.0), 2.0, 2.1),
        ] {
            assert!(target.is_met(good) && !target.is_met(bad));
            assert!(!target.is_met(f64::NAN));
        }
    }
}
