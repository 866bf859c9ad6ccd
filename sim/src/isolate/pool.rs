//! The workers of a campaign.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::client::Client;
use super::link::Killer;
use super::wire::Prefix;
use super::{Done, Launch, Limits, LossReason, Where, WorkerError};

/// Runs that one worker takes in its own process before another one takes its place. What it
/// has run can so be repeated.
const SHARED_RUNS_MAX: usize = 200;

/// Workers that are tried for one run.
const STARTS_MAX: u32 = 3;

/// How much longer than its client a child waits before it ends itself.
const ALARM_AFTER: Duration = Duration::from_secs(10);

/// Worker processes, started as they are needed: as many as there are threads that run
/// something at the same time.
pub struct Workers {
    launch: Launch,
    fresh: Mutex<Vec<Client>>,
    elsewhere: Mutex<Vec<Client>>,
    shared: Mutex<Vec<Client>>,
    /// What ends the workers that run something, by numbers of their own.
    busy: Mutex<BTreeMap<u64, Killer>>,
    is_randomized: AtomicBool,
    error: Mutex<Option<WorkerError>>,
    is_stopped: AtomicBool,
}

impl fmt::Debug for Workers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Workers")
            .field("launch", &self.launch)
            .finish_non_exhaustive()
    }
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
            busy: Mutex::default(),
            is_randomized: AtomicBool::new(false),
            error: Mutex::default(),
            is_stopped: AtomicBool::new(false),
        }
    }

    /// Begin with no further run: each ends at once, as one that was lost.
    pub fn stop(&self) {
        self.is_stopped.store(true, Ordering::SeqCst);
    }

    /// Begin with no further run, and end those that are under way: they do not count.
    pub fn cancel(&self) {
        self.stop();
        for kill in lock(&self.busy).values() {
            kill();
        }
    }

    fn is_stopped(&self) -> bool {
        self.is_stopped.load(Ordering::SeqCst)
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
        let client = self.take(Where::Fresh, true).map_err(WorkerError)?;
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

    fn take(&self, place: Where, prints: bool) -> Result<Client, String> {
        if let Some(client) = lock(self.idle(place)).pop() {
            return Ok(client);
        }
        let client = Client::start(&self.launch, place, prints)?;
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
            if self.is_stopped() {
                return Done::lost(LossReason::Stopped);
            }
            let mut client = match self.take(place, limits.prints) {
                Ok(client) => client,
                Err(what) => return self.fail(what),
            };
            let number = self.add_busy(&client);
            let answer = if self.is_stopped() {
                Err(LossReason::Stopped)
            } else {
                client.ask(&payload, in_child, limits.timeout, &mut parts)
            };
            lock(&self.busy).remove(&number);
            let printed = client.take_output();
            let history = client.history.clone();
            let answer = match answer {
                Err(_) if self.is_stopped() => Err(LossReason::Stopped),
                Err(LossReason::NotStarted(_)) => continue,
                Err(LossReason::Refused(what)) => {
                    return self.fail(format!("a worker process refuses: {what}"));
                }
                Err(lost) => Err(lost),
                Ok(answer) => {
                    if !in_child {
                        client.history.push(request.into());
                    }
                    if client.serves_again(place) && client.history.len() < SHARED_RUNS_MAX {
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

    /// Note that this worker runs something; gives its number.
    fn add_busy(&self, client: &Client) -> u64 {
        let mut busy = lock(&self.busy);
        let number = busy.last_key_value().map_or(0, |(last, _)| last + 1);
        busy.insert(number, client.killer());
        number
    }

    /// A run for which there was no worker.
    fn fail(&self, what: String) -> Done {
        lock(&self.error).get_or_insert(WorkerError(what.clone()));
        Done::lost(LossReason::Refused(what))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
