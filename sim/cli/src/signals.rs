//! Ctrl-C and SIGTERM.
//!
//! In commands that run for long the first one ends them in good order, with what they have
//! found; the second one ends them at once.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use retake_sim::isolate::{self, Workers};

use crate::status::{Error, Status};

/// Ready on the first signal to end.
pub async fn stop_requested() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = tokio::signal::ctrl_c() => {}
            }
            return;
        }
    }
    // Without signals it serves until it is killed.
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Whether this command was asked to stop.
#[derive(Clone, Debug, Default)]
pub struct Interrupt {
    is_asked: Arc<AtomicBool>,
    /// There is nothing to end in good order any more.
    ends_at_once: Arc<AtomicBool>,
    /// Runs in these are ended at once.
    cancelled: Arc<Mutex<Vec<Weak<Workers>>>>,
}

/// Signals that come within this time are one request: `timeout` sends one to the process and
/// one to its group.
const SAME_REQUEST: Duration = Duration::from_millis(500);

/// How long to wait before looking again whether to stop.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

impl Interrupt {
    /// Listen from now on. Where the system has no signals, Ctrl-C ends the process as ever.
    #[must_use]
    pub fn listen() -> Self {
        let interrupt = Self::default();
        #[cfg(unix)]
        {
            use signal_hook::consts::{SIGINT, SIGTERM};
            if let Ok(mut signals) = signal_hook::iterator::Signals::new([SIGINT, SIGTERM]) {
                let heard = interrupt.clone();
                #[allow(
                    clippy::disallowed_methods,
                    reason = "waits for signals, outside any simulation"
                )]
                std::thread::spawn(move || {
                    let mut first = None;
                    for _ in signals.forever() {
                        heard.is_asked.store(true, Ordering::SeqCst);
                        let ends_at_once = heard.ends_at_once.load(Ordering::SeqCst);
                        let now = Instant::now();
                        let first = *first.get_or_insert(now);
                        if ends_at_once || now - first > SAME_REQUEST {
                            isolate::kill_all();
                            std::process::exit(Status::Interrupted.code().into());
                        }
                        if first == now {
                            eprintln!("stopping; once more ends at once");
                            heard.cancel();
                        }
                    }
                });
            }
        }
        interrupt
    }

    /// Whether it was asked to.
    #[must_use]
    pub fn is_asked(&self) -> bool {
        self.is_asked.load(Ordering::SeqCst)
    }

    /// An error once it was asked, for a command that has nothing to show of a part of a run.
    pub(crate) fn check(&self) -> Result<(), Error> {
        if self.is_asked() {
            return Err(Error::Interrupted);
        }
        Ok(())
    }

    /// The runs are over: from now on the first signal ends the process, as where none is
    /// listened to. An error if it was asked before.
    pub(crate) fn end_at_once(&self) -> Result<(), Error> {
        self.ends_at_once.store(true, Ordering::SeqCst);
        self.check()
    }

    /// Resolves once it is asked.
    pub async fn asked(&self) {
        while !self.is_asked() {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// What becomes true when it is asked, for code that knows no commands.
    #[must_use]
    pub fn flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.is_asked)
    }

    /// End the runs of these workers at once when it is asked.
    pub fn cancels(&self, workers: &Arc<Workers>) {
        let cancelled = self.cancelled.lock();
        let mut cancelled = cancelled.unwrap_or_else(PoisonError::into_inner);
        cancelled.push(Arc::downgrade(workers));
        drop(cancelled);
        if self.is_asked() {
            workers.cancel();
        }
    }

    #[cfg(unix)]
    fn cancel(&self) {
        let cancelled = self.cancelled.lock();
        let cancelled = cancelled.unwrap_or_else(PoisonError::into_inner);
        for workers in cancelled.iter().filter_map(Weak::upgrade) {
            workers.cancel();
        }
    }

    /// Have these workers begin with no further run once it is asked. Call it now and then.
    pub(crate) fn pass_on(&self, workers: &Weak<Workers>) {
        if self.is_asked()
            && let Some(workers) = workers.upgrade()
        {
            workers.stop();
        }
    }
}
