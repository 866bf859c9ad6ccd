//! Fault injection: a part of the system refuses, hangs or returns invalid data for
//! a while, always or at a rate.
//!
//! This is for failures that the code itself has to deal with; killing actors, delaying them
//! and panicking in them is the simulator's business. Inside a simulation the parts ask it by
//! [`retake::service`], under the names of [`Service`]: `break ledger quota rate 10% @20s`. In
//! a live process, where nothing else injects faults, [`Failures`] has those that are planned.
//!
//! ```
//! use std::time::Duration;
//! use retake::{ServiceFailure, Share};
//! use retake_system::ledger::{Draft, Ledger, LedgerArguments, LedgerRef, ReceiptKind};
//! use retake_system::{Failures, PlannedFailure, Service};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let failures = Failures::default();
//! let arguments = LedgerArguments { failures: failures.clone(), ..LedgerArguments::default() };
//! ractor::Actor::spawn(Some("ledger".to_owned()), Ledger, arguments).await?;
//! failures.plan(PlannedFailure {
//!     service: Service::Ledger,
//!     failure: ServiceFailure::QuotaExceeded,
//!     share: Share::ALL,
//!     after: Duration::ZERO,
//!     until: None,
//! });
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

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rand_distr::{Distribution as _, StandardUniform};
use retake::{ServiceFailure, Share};

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
    /// The return of a worker to its pool, which is lost whatever the failure.
    CheckIn,
}

impl Service {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Ledger,
        Self::Worker,
        Self::Ingress,
        Self::Clock,
        Self::CheckIn,
    ];

    /// The name that faults have for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ledger => "ledger",
            Self::Worker => "worker",
            Self::Ingress => "ingress",
            Self::Clock => "clock",
            Self::CheckIn => "check-in",
        }
    }

    /// The service of this name.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|service| service.name() == name)
    }
}

/// A failure of a live process, and when it begins and ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlannedFailure {
    /// Which part fails.
    pub service: Service,
    /// How it fails.
    pub failure: ServiceFailure,
    /// How many of its requests fail.
    pub share: Share,
    /// From its planning to its beginning.
    pub after: Duration,
    /// From its planning to its end; without it, to the end of the process.
    pub until: Option<Duration>,
}

/// The failures of one live system. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Failures(Arc<Mutex<Vec<Active>>>);

#[derive(Clone, Copy, Debug)]
struct Active {
    planned: PlannedFailure,
    since: retake::Instant,
}

impl Active {
    /// Whether it affects a request of now.
    fn affects_one(&self) -> bool {
        let PlannedFailure {
            share,
            after,
            until,
            ..
        } = self.planned;
        let time = self.since.elapsed();
        if time < after || until.is_some_and(|until| time >= until) {
            return false;
        }
        // A coin is drawn only where it decides: draws of live processes are recorded.
        share.is_all() || share.has(StandardUniform.sample(&mut retake::rng()))
    }
}

impl Failures {
    fn active(&self) -> MutexGuard<'_, Vec<Active>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Plan a failure, counted from now, in addition to those that are planned.
    pub fn plan(&self, planned: PlannedFailure) {
        let since = retake::now();
        self.active().push(Active { planned, since });
    }

    /// End all failures that were planned here.
    pub fn heal(&self) {
        self.active().clear();
    }

    /// How this request of a service fails, if it does.
    pub fn injected(&self, service: Service) -> Option<ServiceFailure> {
        let planned = {
            let active = self.active();
            let mut of_service = active.iter().filter(|it| it.planned.service == service);
            let found = of_service.find(|it| it.affects_one());
            found.map(|it| it.planned.failure)
        };
        let injected = planned.or_else(|| retake::service(service.name()));
        if let Some(failure) = injected {
            retake::event!("injected failure of {service:?}: {failure}");
        }
        injected
    }
}
