//! An observer: raises alerts from what clients were answered, window by window.
//!
//! The code that answers clients notes it in [`Observations`], which costs a lock and no
//! message. The first note after a quiet time wakes the observer; it looks at the
//! figures when the window is over, and not while nothing happens.
//!
//! ```
//! use std::time::Duration;
//! use ractor::Actor;
//! use retake_system::observer::{Observations, Observer, ObserverArguments};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let observations = Observations::new("observer");
//! let arguments = ObserverArguments {
//!     window: Duration::from_millis(20),
//!     ..ObserverArguments::new(&observations, None)
//! };
//! let (observer, _) = Actor::spawn(Some("observer".to_owned()), Observer, arguments).await?;
//! observations.note(false, Duration::from_millis(3));
//! tokio::time::sleep(Duration::from_millis(100)).await;
//! assert_eq!(observations.alerts()[0].to_string(), "ALERT: 0.00 % succeeded, below 90 %");
//! # observer.stop_and_wait(None, None).await?;
//! # Ok(())
//! # }
//! ```

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hdrhistogram::Histogram;
use ractor::{Actor, ActorProcessingErr, ActorRef};

use crate::alerts::{Alert, Figures, Limits, evaluate};
use crate::worker::WorkerMessage;
use retake_otp::Names;
use retake_otp::pool::PoolRef;

/// How long a window is, if nothing else is said.
pub const WINDOW: Duration = Duration::from_secs(10);
/// Longer times are counted as this one.
const TIME_MAX: Duration = Duration::from_secs(3600);

/// What clients were answered. Clones are the same.
#[derive(Clone)]
pub struct Observations(Arc<ObserverState>);

struct ObserverState {
    observer: String,
    noted: Mutex<AnswerCounts>,
}

struct AnswerCounts {
    /// In microseconds.
    times: Histogram<u64>,
    failed: u64,
    /// The alerts of the last window that was not quiet.
    alerts: Vec<Alert>,
    /// Windows with alerts, since the start.
    windows_with_alerts: u64,
}

impl fmt::Debug for Observations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let noted = self.noted();
        write!(f, "Observations({} in this window)", noted.times.len())
    }
}

impl Observations {
    /// None yet, for the observer of this name.
    ///
    /// # Panics
    /// Never: the histogram's bounds are constants.
    #[must_use]
    pub fn new(observer: &str) -> Self {
        let most = TIME_MAX.as_micros() as u64;
        let times = Histogram::new_with_bounds(1, most, 2).expect("the bounds are right");
        Self(Arc::new(ObserverState {
            observer: observer.to_owned(),
            noted: Mutex::new(AnswerCounts {
                times,
                failed: 0,
                alerts: Vec::new(),
                windows_with_alerts: 0,
            }),
        }))
    }

    fn noted(&self) -> MutexGuard<'_, AnswerCounts> {
        let noted = self.0.noted.lock();
        noted.unwrap_or_else(PoisonError::into_inner)
    }

    /// A client was answered, after this time.
    pub fn note(&self, succeeded: bool, time: Duration) {
        let is_first = {
            let mut noted = self.noted();
            let us = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
            noted.times.saturating_record(us);
            noted.failed += u64::from(!succeeded);
            noted.times.len() == 1
        };
        // An observer that is being restarted asks when it is there.
        if is_first && let Some(observer) = Names::find(&self.0.observer) {
            let _ = ActorRef::<ObserverMessage>::cast(&observer, ObserverMessage::WindowBegins);
        }
    }

    /// The alerts of the last window that was not quiet.
    #[must_use]
    pub fn alerts(&self) -> Vec<Alert> {
        self.noted().alerts.clone()
    }

    /// Windows that raised alerts, since the start.
    #[must_use]
    pub fn windows_with_alerts(&self) -> u64 {
        self.noted().windows_with_alerts
    }

    /// Figures of the window, which starts again; none if nothing was noted.
    fn close_window(&self) -> Option<Figures> {
        let mut noted = self.noted();
        let count = noted.times.len();
        if count == 0 {
            return None;
        }
        let p99 = Duration::from_micros(noted.times.value_at_quantile(0.99));
        let success = 1.0 - noted.failed as f64 / count as f64;
        noted.times.reset();
        noted.failed = 0;
        Some(Figures {
            p99: Some(p99),
            success: Some(success),
            ..Figures::default()
        })
    }
}

/// The actor.
#[derive(Clone, Copy, Debug, Default)]
pub struct Observer;

/// What an observer starts with.
#[derive(Clone, Debug)]
pub struct ObserverArguments {
    /// What it looks at.
    pub observations: Observations,
    /// The pool whose queue it looks at.
    pub pool: Option<PoolRef<WorkerMessage>>,
    /// How long it gathers before it looks.
    pub window: Duration,
    /// What is too much.
    pub limits: Limits,
}

impl ObserverArguments {
    /// With windows of 10 s and the usual limits.
    #[must_use]
    pub fn new(observations: &Observations, pool: Option<&PoolRef<WorkerMessage>>) -> Self {
        Self {
            observations: observations.clone(),
            pool: pool.cloned(),
            window: WINDOW,
            limits: Limits::default(),
        }
    }
}

/// What an observer receives.
#[derive(Clone, Copy, Debug)]
pub enum ObserverMessage {
    /// The first client of a window was answered.
    WindowBegins,
    /// From itself: the window is over.
    WindowEnds,
}

#[retake::simulated]
impl Actor for Observer {
    type Msg = ObserverMessage;
    type State = ObserverArguments;
    type Arguments = ObserverArguments;

    async fn pre_start(
        &self,
        myself: ActorRef<ObserverMessage>,
        arguments: ObserverArguments,
    ) -> Result<ObserverArguments, ActorProcessingErr> {
        // What was noted while there was no observer.
        if arguments.observations.noted().times.is_empty() {
            return Ok(arguments);
        }
        myself.cast(ObserverMessage::WindowBegins)?;
        Ok(arguments)
    }

    async fn handle(
        &self,
        myself: ActorRef<ObserverMessage>,
        message: ObserverMessage,
        state: &mut ObserverArguments,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            ObserverMessage::WindowBegins => {
                retake::send_after(&myself, state.window, || ObserverMessage::WindowEnds);
            }
            ObserverMessage::WindowEnds => state.look().await,
        }
        Ok(())
    }
}

impl ObserverArguments {
    async fn look(&self) {
        let Some(mut figures) = self.observations.close_window() else {
            return;
        };
        if let Some(pool) = &self.pool {
            // A pool that is being restarted has no queue.
            let status = pool.status().await.ok();
            figures.queue_depth = status.map(|status| status.waiting as u64);
        }
        let alerts = evaluate(&figures, &self.limits);
        for alert in &alerts {
            retake::event!("{alert}");
        }
        let mut noted = self.observations.noted();
        noted.windows_with_alerts += u64::from(!alerts.is_empty());
        noted.alerts = alerts;
    }
}
