//! Failures on purpose as text, for command lines and files: what, how, how often, when.
//!
//! ```text
//! SERVICE:KIND[,rate=SHARE][,at=TIME][,for=TIME]
//! ```
//!
//! | service | what fails |
//! |---|---|
//! | `ledger` | appending to the ledger |
//! | `worker` | a worker's work |
//! | `ingress` | requests of HTTP clients |
//! | `clock` | the ledger's wall clock |
//! | `check-in` | the return of a worker to its pool, which is lost whatever the kind |
//!
//! A kind is `unavailable`, `timeout`, `quota`, `denied`, `corrupt`, or `slow=TIME`. A
//! time is a number with `us`, `ms` or `s`. Without more, everything fails from the start
//! to the end.
//!
//! ```
//! use std::time::Duration;
//! use retake_system::{FailureKind, PlannedFailure, Service};
//!
//! let planned: PlannedFailure = "worker:slow=50ms,rate=0.1,at=20s,for=10s".parse()?;
//! assert_eq!(planned.failure.service, Service::Worker);
//! assert_eq!(planned.failure.kind, FailureKind::Slow(Duration::from_millis(50)));
//! assert_eq!(planned.after, Duration::from_secs(20));
//! assert_eq!(planned.to_string(), "worker:slow=50ms,rate=0.1,at=20s,for=10s");
//! # Ok::<(), retake_system::PlanError>(())
//! ```

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::failures::{Failure, FailureKind, Failures, RateError, Service};

/// A failure, and when it begins.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PlannedFailure {
    /// What fails, how, how often and for how long.
    pub failure: Failure,
    /// From its planning to its beginning.
    pub after: Duration,
}

/// A text that is no planned failure.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// There is no kind.
    #[error("`{0}` is no failure: write SERVICE:KIND, for example `ledger:slow=5ms`")]
    NoKind(String),
    /// There is no such service.
    #[error("`{0}` cannot fail: ledger, worker, ingress, clock and check-in can")]
    Service(String),
    /// There is no such kind.
    #[error("`{0}` is no kind: write unavailable, timeout, quota, denied, corrupt or slow=TIME")]
    Kind(String),
    /// An option that there is not.
    #[error("`{0}` is no option: write rate=SHARE, at=TIME or for=TIME")]
    Option(String),
    /// A time that is not valid.
    #[error("`{0}` is no time: write a number with us, ms or s, at most 1000000s")]
    Time(String),
    /// A rate that is not valid.
    #[error("`{0}` is no rate: write a number from 0 to 1")]
    Rate(String),
}

/// As long as no run takes.
const FOR_EVER: Duration = Duration::from_secs(1_000_000);

const SERVICES: [(&str, Service); 5] = [
    ("ledger", Service::Ledger),
    ("worker", Service::Worker),
    ("ingress", Service::Ingress),
    ("clock", Service::Clock),
    ("check-in", Service::CheckIn),
];

const KINDS: [(&str, FailureKind); 5] = [
    ("unavailable", FailureKind::Unavailable),
    ("timeout", FailureKind::Timeout),
    ("quota", FailureKind::QuotaExceeded),
    ("denied", FailureKind::PermissionDenied),
    ("corrupt", FailureKind::Corrupt),
];

impl PlannedFailure {
    /// The words for services and kinds, to suggest one in place of a mistyped one.
    pub fn words() -> impl Iterator<Item = &'static str> {
        let services = SERVICES.iter().map(|(word, _)| *word);
        let kinds = KINDS.iter().map(|(word, _)| *word);
        services
            .chain(kinds)
            .chain(["slow=TIME", "rate", "at", "for"])
    }

    /// Inject it, counted from now.
    ///
    /// # Errors
    /// If its rate is not between 0 and 1.
    pub fn inject(&self, failures: &Failures) -> Result<(), RateError> {
        failures.inject_after(self.after, self.failure)
    }

    /// When it ends, counted as its beginning is; none if it stays.
    #[must_use]
    pub fn end(&self) -> Option<Duration> {
        (self.failure.duration < FOR_EVER).then(|| self.after + self.failure.duration)
    }
}

fn time(text: &str) -> Result<Duration, PlanError> {
    let wrong = || PlanError::Time(text.to_owned());
    // `s` ends the others as well.
    let units = [("us", 1e-6), ("ms", 1e-3), ("s", 1.0)];
    let found = units
        .iter()
        .find_map(|(unit, seconds)| Some((text.strip_suffix(unit)?, seconds)));
    let (number, unit) = found.ok_or_else(wrong)?;
    let number: f64 = number.parse().map_err(|_| wrong())?;
    let time = Duration::try_from_secs_f64(number * unit).map_err(|_| wrong())?;
    if time > FOR_EVER {
        Err(wrong())
    } else {
        Ok(time)
    }
}

fn kind(text: &str) -> Result<FailureKind, PlanError> {
    if let Some(slow) = text.strip_prefix("slow=") {
        return Ok(FailureKind::Slow(time(slow)?));
    }
    let found = KINDS.iter().find(|(word, _)| *word == text);
    found
        .map(|(_, kind)| *kind)
        .ok_or_else(|| PlanError::Kind(text.to_owned()))
}

impl FromStr for PlannedFailure {
    type Err = PlanError;

    fn from_str(text: &str) -> Result<Self, PlanError> {
        let no_kind = || PlanError::NoKind(text.to_owned());
        let (service, rest) = text.split_once(':').ok_or_else(no_kind)?;
        let found = SERVICES.iter().find(|(word, _)| *word == service);
        let (_, service) = found.ok_or_else(|| PlanError::Service(service.to_owned()))?;
        let mut parts = rest.split(',');
        let mut planned = Self {
            failure: Failure {
                service: *service,
                kind: kind(parts.next().unwrap_or_default())?,
                rate: 1.0,
                duration: FOR_EVER,
            },
            after: Duration::ZERO,
        };
        for part in parts {
            match part.split_once('=') {
                Some(("rate", rate)) => {
                    let number = rate.parse().ok().filter(|rate| (0.0..=1.0).contains(rate));
                    planned.failure.rate =
                        number.ok_or_else(|| PlanError::Rate(rate.to_owned()))?;
                }
                Some(("at", at)) => planned.after = time(at)?,
                Some(("for", duration)) => planned.failure.duration = time(duration)?,
                _ => return Err(PlanError::Option(part.to_owned())),
            }
        }
        Ok(planned)
    }
}

impl fmt::Display for PlannedFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Failure {
            service,
            kind,
            rate,
            duration,
        } = self.failure;
        let word = SERVICES.iter().find(|(_, it)| *it == service);
        f.write_str(word.map_or("?", |(word, _)| word))?;
        match kind {
            FailureKind::Slow(time) => write!(f, ":slow={time:?}")?,
            kind => {
                let word = KINDS.iter().find(|(_, it)| *it == kind);
                write!(f, ":{}", word.map_or("?", |(word, _)| word))?;
            }
        }
        if rate < 1.0 {
            write!(f, ",rate={rate}")?;
        }
        if !self.after.is_zero() {
            write!(f, ",at={:?}", self.after)?;
        }
        if duration < FOR_EVER {
            write!(f, ",for={duration:?}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        for text in [
            "ledger:unavailable",
            "worker:timeout,rate=0.25",
            "ingress:quota,at=1.5s,for=20ms",
            "clock:corrupt",
            "check-in:denied,rate=0.01",
            "ledger:slow=250ms,for=10s",
        ] {
            let planned: PlannedFailure = text.parse().unwrap();
            assert_eq!(planned.to_string(), text);
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, what) in [
            ("ledger", "write SERVICE:KIND"),
            ("disk:timeout", "`disk` cannot fail"),
            ("ledger:", "`` is no kind"),
            ("ledger:slow", "`slow` is no kind"),
            ("ledger:slow=5", "`5` is no time"),
            ("ledger:slow=-5ms", "`-5ms` is no time"),
            ("ledger:slow=infs", "`infs` is no time"),
            ("ledger:slow=1e9s", "`1e9s` is no time"),
            ("ledger:timeout,rate=2", "`2` is no rate"),
            ("ledger:timeout,rate=NaN", "`NaN` is no rate"),
            ("ledger:timeout,when=2s", "`when=2s` is no option"),
        ] {
            let error = text.parse::<PlannedFailure>().unwrap_err().to_string();
            assert!(error.contains(what), "{text}: {error}");
        }
    }
}
