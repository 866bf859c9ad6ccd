//! Alerts: what somebody should look at, from figures of a run, live or simulated.
//!
//! ```
//! use std::time::Duration;
//! use retake_system::alerts::{Figures, Limits, Severity, evaluate};
//!
//! let figures = Figures {
//!     p99: Some(Duration::from_millis(800)),
//!     queue_depth: Some(300),
//!     ..Figures::default() // nothing else was measured
//! };
//! let alerts = evaluate(&figures, &Limits::default());
//! assert_eq!(alerts[0].severity, Severity::Alert);
//! assert_eq!(alerts[0].to_string(), "ALERT: p99 is 800 ms, above 500 ms");
//! assert_eq!(alerts[1].to_string(), "WARNING: 300 clients waited for a worker, above 200");
//! ```
//!
//! [`observer`](crate::observer) is the actor that evaluates them window by window.

use std::fmt;
use std::time::Duration;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It may become a problem.
    Warning,
    /// It is one.
    Alert,
}

/// Figures of a run. What was not measured is left out, and raises nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Figures {
    /// 99 % of requests were answered within this time.
    pub p99: Option<Duration>,
    /// Share of requests that succeeded, from 0 to 1.
    pub success: Option<f64>,
    /// Growth of memory, in megabytes a second.
    pub memory_growth: Option<f64>,
    /// Clients that waited for a worker, at most.
    pub queue_depth: Option<u64>,
}

/// Limits beyond which there is an alert.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// Alert above this.
    pub p99: Duration,
    /// Alert below this.
    pub success: f64,
    /// Alert above this.
    pub memory_growth: f64,
    /// Warning above this.
    pub queue_depth: u64,
}

impl Default for Limits {
    /// 500 ms, 90 %, 1 MB/s and 200 clients.
    fn default() -> Self {
        Self {
            p99: Duration::from_millis(500),
            success: 0.9,
            memory_growth: 1.0,
            queue_depth: 200,
        }
    }
}

/// Something to look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alert {
    /// How bad it is.
    pub severity: Severity,
    /// What was measured, and the limit.
    pub what: String,
}

impl fmt::Display for Alert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Warning => "WARNING",
            Severity::Alert => "ALERT",
        };
        write!(f, "{severity}: {}", self.what)
    }
}

/// Compare figures with limits; the worst first.
#[must_use]
pub fn evaluate(figures: &Figures, limits: &Limits) -> Vec<Alert> {
    let alert = |what| Alert {
        severity: Severity::Alert,
        what,
    };
    let p99 = figures.p99.filter(|p99| *p99 > limits.p99);
    let success = figures.success.filter(|success| *success < limits.success);
    let growth = figures
        .memory_growth
        .filter(|growth| *growth > limits.memory_growth);
    let depth = figures
        .queue_depth
        .filter(|depth| *depth > limits.queue_depth);
    let alerts = [
        p99.map(|p99| {
            let limit = rounded(limits.p99, DIGITS);
            // As exact as needed to see that it is above.
            let is_above = |digits| round_ns(p99, digits) > round_ns(limits.p99, DIGITS);
            let digits = (DIGITS..DIGITS_MAX).find(|digits| is_above(*digits));
            let p99 = rounded(p99, digits.unwrap_or(DIGITS_MAX));
            alert(format!("p99 is {p99}, above {limit}"))
        }),
        success.map(|success| {
            let (share, limit) = (success * 100.0, limits.success * 100.0);
            alert(format!("{share:.2} % succeeded, below {limit:.0} %"))
        }),
        growth.map(|growth| {
            let limit = limits.memory_growth;
            alert(format!(
                "memory grows by {growth:.2} MB/s, above {limit:.2} MB/s"
            ))
        }),
        depth.map(|depth| Alert {
            severity: Severity::Warning,
            what: format!(
                "{depth} clients waited for a worker, above {}",
                limits.queue_depth
            ),
        }),
    ];
    alerts.into_iter().flatten().collect()
}

/// Significant digits of a time, unless more are needed.
const DIGITS: usize = 3;
/// Nanoseconds of hours have no more.
const DIGITS_MAX: usize = 14;

/// Nanoseconds, rounded to so many significant digits.
fn round_ns(time: Duration, digits: usize) -> f64 {
    let ns = time.as_nanos() as f64;
    format!("{ns:.*e}", digits - 1).parse().unwrap_or(ns)
}

/// A time with so many significant digits, in the unit that suits it: `2.08 s`, `501 ms`.
fn rounded(time: Duration, digits: usize) -> String {
    // Rounded before a unit is chosen: 999.6 ms are 1.00 s.
    let ns = round_ns(time, digits);
    let units = [("s", 1e9), ("ms", 1e6), ("µs", 1e3)];
    let unit = units.into_iter().find(|(_, size)| ns >= *size);
    let Some((unit, size)) = unit else {
        return format!("{ns:.0} ns");
    };
    let value = ns / size;
    let whole = (value as u64).to_string().len();
    format!("{value:.*} {unit}", digits.saturating_sub(whole))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_three_significant_digits_and_a_unit() {
        for (ns, text) in [
            (0, "0 ns"),
            (999, "999 ns"),
            (1_234, "1.23 µs"),
            (12_345_678, "12.3 ms"),
            (500_000_000, "500 ms"),
            (999_600_000, "1.00 s"),
            (2_082_471_935, "2.08 s"),
            (61_000_000_000, "61.0 s"),
            (7_200_000_000_000, "7200 s"),
        ] {
            assert_eq!(rounded(Duration::from_nanos(ns), DIGITS), text);
        }
    }

    #[test]
    fn a_time_just_above_its_limit_is_shown_above_it() {
        let figures = Figures {
            p99: Some(Duration::from_nanos(500_000_400)),
            ..Figures::default()
        };
        let alerts = evaluate(&figures, &Limits::default());
        assert_eq!(alerts[0].what, "p99 is 500.0004 ms, above 500 ms");
    }

    #[test]
    fn figures_at_their_limits_are_fine_and_beyond_them_are_not() {
        let at = Figures {
            p99: Some(Duration::from_millis(500)),
            success: Some(0.9),
            memory_growth: Some(1.0),
            queue_depth: Some(200),
        };
        assert_eq!(evaluate(&at, &Limits::default()), []);
        assert_eq!(evaluate(&Figures::default(), &Limits::default()), []);
        let beyond = Figures {
            p99: Some(Duration::from_millis(501)),
            success: Some(0.899),
            memory_growth: Some(1.5),
            queue_depth: Some(201),
        };
        let alerts = evaluate(&beyond, &Limits::default());
        let texts: Vec<String> = alerts.iter().map(ToString::to_string).collect();
        assert_eq!(
            texts,
            [
                "ALERT: p99 is 501 ms, above 500 ms",
                "ALERT: 89.90 % succeeded, below 90 %",
                "ALERT: memory grows by 1.50 MB/s, above 1.00 MB/s",
                "WARNING: 201 clients waited for a worker, above 200",
            ]
        );
    }
}
