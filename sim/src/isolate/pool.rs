//! The workers of a campaign.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::client::Client;
pub(crate) use super::client::Lost;
use super::wire::Prefix;
use super::{Launch, Limits, WorkerError};

/// Runs that one worker takes in its own process before another one takes its place. What it
/// has run can so be repeated.
const SHARED_RUNS_MAX: usize = 200;

/// Workers that are tried for one run.
const STARTS_MAX: u32 = 3;

/// How much longer than its client a child waits before it ends itself.
const ALARM_AFTER: Duration = Duration::from_secs(10);

/// Which process a run takes place in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Where {
    /// In a new one.
    Fresh,
    /// In a new one of a worker with another environment.
    Elsewhere,
    /// In one with other runs.
    Shared,
}

/// Worker processes, started as they are needed: as many as there are threads that run
/// something at the same time.
#[derive(Debug)]
pub struct Workers {
    launch: Launch,
    fresh: Mutex<Vec<Client>>,
    elsewhere: Mutex<Vec<Client>>,
    shared: Mutex<Vec<Client>>,
    is_randomized: AtomicBool,
    error: Mutex<Option<WorkerError>>,
    is_stopped: AtomicBool,
}

/// What a run in another process gives.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) answer: Result<Vec<u8>, Lost>,
    /// What it printed, where that is kept.
    pub(crate) printed: String,
    /// What the same process had run before, oldest first.
    pub(crate) history: Vec<Vec<u8>>,
}

impl Workers {
    /// No worker yet.
    #[must_use]
    pub fn new(launch: Launch) -> Self {
        Self {
            launch,
            fresh: Mutex::default(),
            elsewhere: Mutex::default(),
            shared: Mutex::default(),
            is_randomized: AtomicBool::new(false),
            error: Mutex::default(),
            is_stopped: AtomicBool::new(false),
        }
    }

    /// Begin with no further run: each ends at once, as one that was lost.
    pub fn stop(&self) {
        self.is_stopped.store(true, Ordering::Relaxed);
    }

    /// A run that takes longer than this hangs.
    pub(crate) fn timeout(&self) -> Duration {
        self.launch.timeout
    }

    /// Start one worker, to know whether that works here.
    ///
    /// # Errors
    /// In words: why it does not.
    pub fn check(&self) -> Result<(), WorkerError> {
        let client = self.take(Where::Fresh).map_err(WorkerError)?;
        lock(&self.fresh).push(client);
        Ok(())
    }

    /// The first reason for which there was no worker for a run.
    #[must_use]
    pub fn error(&self) -> Option<WorkerError> {
        lock(&self.error).clone()
    }

    /// True if the system refuses to make addresses the same in each process. A program whose
    /// behaviour depends on them may then differ from worker to worker.
    #[must_use]
    pub fn is_randomized(&self) -> bool {
        self.is_randomized.load(Ordering::Relaxed)
    }

    fn idle(&self, place: Where) -> &Mutex<Vec<Client>> {
        match place {
            Where::Fresh => &self.fresh,
            Where::Elsewhere => &self.elsewhere,
            Where::Shared => &self.shared,
        }
    }

    fn take(&self, place: Where) -> Result<Client, String> {
        if let Some(client) = lock(self.idle(place)).pop() {
            return Ok(client);
        }
        let client = Client::start(&self.launch, place == Where::Elsewhere)?;
        if client.is_randomized() {
            self.is_randomized.store(true, Ordering::Relaxed);
        }
        Ok(client)
    }

    /// Run a request. `parts` takes what comes before the answer.
    pub(crate) fn run(
        &self,
        request: &[u8],
        place: Where,
        limits: Limits,
        mut parts: impl FnMut(&[u8]),
    ) -> Done {
        if self.is_stopped.load(Ordering::Relaxed) {
            return Done {
                answer: Err(Lost::Refused("no further run is wanted".to_owned())),
                printed: String::new(),
                history: Vec::new(),
            };
        }
        let alarm = limits.timeout.saturating_add(ALARM_AFTER).as_secs();
        let memory = self.launch.memory_limit_mb.unwrap_or(0);
        let prefix = Prefix {
            alarm_s: u32::try_from(alarm).unwrap_or(u32::MAX),
            memory_mb: u32::try_from(memory).unwrap_or(u32::MAX),
            prints: limits.prints,
        };
        let payload = [&prefix.to_bytes()[..], request].concat();
        let in_child = place != Where::Shared;
        // A worker that ends before it begins with a run does not count against the run.
        for _ in 0..STARTS_MAX {
            let mut client = match self.take(place) {
                Ok(client) => client,
                Err(what) => return self.fail(what),
            };
            let answer = client.ask(&payload, in_child, limits.timeout, &mut parts);
            let printed = client.take_output();
            let history = client.history.clone();
            let answer = match answer {
                Err(Lost::NotStarted(_)) => continue,
                Err(Lost::Refused(what)) => {
                    return self.fail(format!("a worker process refuses: {what}"));
                }
                Err(lost) => Err(lost),
                Ok(answer) => {
                    if !in_child {
                        client.history.push(request.to_vec());
                    }
                    if client.history.len() < SHARED_RUNS_MAX {
                        lock(self.idle(place)).push(client);
                    }
                    Ok(answer)
                }
            };
            return Done {
                answer,
                printed,
                history,
            };
        }
        self.fail("worker processes end before they run anything".to_owned())
    }

    /// A run for which there was no worker.
    fn fail(&self, what: String) -> Done {
        lock(&self.error).get_or_insert(WorkerError(what.clone()));
        Done {
            answer: Err(Lost::Refused(what)),
            printed: String::new(),
            history: Vec::new(),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
