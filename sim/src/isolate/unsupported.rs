//! Systems without `fork`: there are no workers, and runs share their process.

use std::time::Duration;

use super::{Launch, Limits, WorkerError};

/// Which process a run takes place in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Where {
    Fresh,
    Elsewhere,
    Shared,
}

/// Worker processes. This system has none.
#[derive(Debug)]
pub struct Workers {
    launch: Launch,
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum Lost {
    Refused(String),
    Ended(String),
    Hangs(Duration),
    NotStarted(String),
}

/// What a run in another process gives.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) answer: Result<Vec<u8>, Lost>,
    pub(crate) printed: String,
    pub(crate) history: Vec<Vec<u8>>,
}

const NONE: &str = "this system cannot fork processes: use the isolation `shared`";

impl Workers {
    /// No worker.
    #[must_use]
    pub fn new(launch: Launch) -> Self {
        Self { launch }
    }

    /// Begin with no further run.
    pub fn stop(&self) {}

    /// # Errors
    /// Always: this system has no workers.
    pub fn check(&self) -> Result<(), WorkerError> {
        Err(WorkerError(NONE.to_owned()))
    }

    /// Why there are no workers.
    #[must_use]
    pub fn error(&self) -> Option<WorkerError> {
        Some(WorkerError(NONE.to_owned()))
    }

    /// Whether addresses differ from process to process.
    #[must_use]
    pub fn is_randomized(&self) -> bool {
        true
    }

    pub(crate) fn timeout(&self) -> Duration {
        self.launch.timeout
    }

    pub(crate) fn run(&self, _: &[u8], _: Where, _: Limits, _: impl FnMut(&[u8])) -> Done {
        Done {
            answer: Err(Lost::Refused(NONE.to_owned())),
            printed: String::new(),
            history: Vec::new(),
        }
    }
}

/// There is no worker to end.
pub fn kill_all() {}
