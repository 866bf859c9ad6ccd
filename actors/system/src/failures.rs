//! Fault injection: a part of the system refuses, hangs or returns invalid data for
//! a while, always or at a rate.
//!
//! Inside a simulation the rate's coin is part of the seed. This is for failures
//! that the code itself has to deal with; killing actors, delaying them and
//! panicking in them is the simulator's business.
//!
//! ```
//! use std::time::Duration;
//! use retake_system::ledger::{Draft, Ledger, LedgerArguments, LedgerRef, ReceiptKind};
//! use retake_system::{Failure, FailureKind, Failures, Service};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let failures = Failures::default();
//! let arguments = LedgerArguments { failures: failures.clone(), ..LedgerArguments::default() };
//! ractor::Actor::spawn(Some("ledger".to_owned()), Ledger, arguments).await?;
//! let (service, kind) = (Service::Ledger, FailureKind::QuotaExceeded);
//! failures.inject(Failure { service, kind, rate: 1.0, duration: Duration::from_secs(60) })?;
//!
//! let kind = ReceiptKind::Attempt { action: "scale".to_owned() };
//! let draft = Draft { tenant: "acme".to_owned(), kind, payload: String::new(), signal: None, key: None };
//! let refused = LedgerRef::new("ledger").append(draft.clone()).await.unwrap_err();
//! assert_eq!(refused.to_string(), "the ledger refuses: quota exceeded");
//! failures.heal();
//! assert_eq!(LedgerRef::new("ledger").append(draft).await?.id, 1);
//! # Ok(())
//! # }
//! ```

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rand_distr::{Bernoulli, Distribution as _};

/// Which part fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// Appending to the ledger.
    Ledger,
    /// A worker's work.
    Worker,
    /// Requests of HTTP clients.
    Ingress,
    /// The ledger's wall clock: it cannot be read, or (corrupt) is an hour slow.
    Clock,
    /// The return of a worker to its pool, which is lost whatever the kind.
    CheckIn,
}

/// How it fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// It is not there: a worker dies, the ledger refuses.
    Unavailable,
    /// It does not answer.
    Timeout,
    /// It refuses, because too much was asked of it.
    QuotaExceeded,
    /// It refuses, because it may not.
    PermissionDenied,
    /// What it was to do is damaged: a worker has done a part, the ledger refuses.
    Corrupt,
    /// It does what it should, this much later.
    Slow(Duration),
}

impl fmt::Display for FailureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Slow(time) => return write!(f, "slow by {time:?}"),
            Self::Unavailable => "unavailable",
            Self::Timeout => "timeout",
            Self::QuotaExceeded => "quota exceeded",
            Self::PermissionDenied => "permission denied",
            Self::Corrupt => "corrupt",
        })
    }
}

/// A failure to inject.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Failure {
    /// Which part fails.
    pub service: Service,
    /// How it fails.
    pub kind: FailureKind,
    /// Share of the requests that fail, from 0 to 1.
    pub rate: f64,
    /// For so long from now on.
    pub duration: Duration,
}

/// A rate that is no probability.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error("the rate {0} is not between 0 and 1")]
pub struct RateError(f64);

/// The failures of one system. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Failures(Arc<Mutex<Vec<Active>>>);

#[derive(Clone, Copy, Debug)]
struct Active {
    failure: Failure,
    coin: Bernoulli,
    from: retake::Instant,
    until: retake::Instant,
}

impl Failures {
    fn active(&self) -> MutexGuard<'_, Vec<Active>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Inject a failure, in addition to those that are active.
    ///
    /// # Errors
    /// If its rate is not between 0 and 1.
    pub fn inject(&self, failure: Failure) -> Result<(), RateError> {
        self.inject_after(Duration::ZERO, failure)
    }

    /// Inject a failure that begins after a time.
    ///
    /// # Errors
    /// If its rate is not between 0 and 1.
    pub fn inject_after(&self, time: Duration, failure: Failure) -> Result<(), RateError> {
        let coin = Bernoulli::new(failure.rate).map_err(|_| RateError(failure.rate))?;
        let from = retake::now() + time;
        self.active().push(Active {
            failure,
            coin,
            from,
            until: from + failure.duration,
        });
        Ok(())
    }

    /// End all failures.
    pub fn heal(&self) {
        self.active().clear();
    }

    /// How this request to a service fails, if it does.
    pub fn injected(&self, service: Service) -> Option<FailureKind> {
        let mut active = self.active();
        if active.is_empty() {
            return None;
        }
        let now = retake::now();
        active.retain(|active| active.until > now);
        let of_service = active
            .iter()
            .filter(|active| active.failure.service == service && active.from <= now);
        let injected = of_service
            .filter(|active| active.coin.sample(&mut retake::rng()))
            .map(|active| active.failure.kind)
            .next();
        if let Some(kind) = injected {
            retake::event!("injected failure of {service:?}: {kind}");
        }
        injected
    }
}
