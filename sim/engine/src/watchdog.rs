//! Which step a simulation is in, for those who wait for it.
//!
//! A step that never ends cannot say so itself: nothing else runs on its thread. So the
//! simulation notes where it is before each step, and other threads look.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::identity::LabelId;
use retake_traces::Label;

/// Looks at a simulation within the time that a step may take.
const LOOKS: u32 = 4;

static RUNNING: Mutex<Vec<Arc<Progress>>> = Mutex::new(Vec::new());

/// Where a simulation of this process is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InProgress {
    /// Its seed.
    pub seed: u64,
    /// Its strategy, in the form that it parses from.
    pub strategy: String,
    /// Steps that have started.
    pub step: u64,
    /// The label of the task that took the last of them; empty before the first.
    pub task: String,
    /// Whether that step still runs.
    pub is_in_step: bool,
}

impl fmt::Display for InProgress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.step, self.is_in_step) {
            (0, _) => f.write_str("before the first step"),
            (step, true) => write!(f, "in step {step} of `{}`", self.task),
            (step, false) => write!(f, "outside the gates, after step {step} of `{}`", self.task),
        }
    }
}

/// The simulations that run in this process now, in the order of their beginning. What
/// waits for one, with a time limit, can say in which step it hangs: two looks that give the
/// same have seen one step.
#[must_use]
pub fn in_progress() -> Vec<InProgress> {
    lock(&RUNNING).iter().map(|it| it.look()).collect()
}

/// Written by a simulation before and after each step.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    seed: u64,
    strategy: String,
    step: AtomicU64,
    /// Of the label of the task: the number of the base, and of the incarnation.
    task: AtomicU64,
    is_in_step: AtomicBool,
    /// Bases of labels by number.
    labels: Mutex<BTreeMap<u32, String>>,
}

impl Progress {
    pub(crate) fn new(seed: u64, strategy: String) -> Arc<Self> {
        Arc::new(Self {
            seed,
            strategy,
            ..Self::default()
        })
    }

    /// A task of this label exists, the first one of its base with this text.
    pub(crate) fn started(&self, label: LabelId, text: &str) {
        let (base, number) = label.parts();
        if number == 1 {
            lock(&self.labels).insert(base, text.to_owned());
        }
    }

    #[inline]
    pub(crate) fn begin(&self, step: u64, label: LabelId) {
        let (base, number) = label.parts();
        self.task
            .store(u64::from(base) << 32 | u64::from(number), Ordering::Relaxed);
        self.step.store(step, Ordering::Relaxed);
        self.is_in_step.store(true, Ordering::Relaxed);
    }

    #[inline]
    pub(crate) fn end(&self) {
        self.is_in_step.store(false, Ordering::Relaxed);
    }

    fn look(&self) -> InProgress {
        let task = self.task.load(Ordering::Relaxed);
        let base = lock(&self.labels).get(&((task >> 32) as u32)).cloned();
        // No task has run yet where there is no base.
        let number = (task & u64::from(u32::MAX)) as u32;
        let task = base.map_or_else(String::new, |base| Label::new(base, number).to_string());
        InProgress {
            seed: self.seed,
            strategy: self.strategy.clone(),
            step: self.step.load(Ordering::Relaxed),
            task,
            is_in_step: self.is_in_step.load(Ordering::Relaxed),
        }
    }

    /// Be seen by [`in_progress`] until what is given back is dropped.
    pub(crate) fn show(self: &Arc<Self>) -> ListEntry {
        lock(&RUNNING).push(Arc::clone(self));
        ListEntry(Arc::clone(self))
    }

    /// Wait until the other end is dropped, and say once what takes so long if a step does.
    #[allow(
        clippy::print_stderr,
        reason = "a user who waits for a run that hangs sees nothing else"
    )]
    pub(crate) fn watch(&self, ended: &Receiver<()>, most: Duration) {
        let mut seen = self.look();
        let mut looks = 0;
        while !most.is_zero() && looks < LOOKS {
            match ended.recv_timeout(most / LOOKS) {
                Err(RecvTimeoutError::Timeout) => {}
                Ok(()) | Err(RecvTimeoutError::Disconnected) => return,
            }
            let now = self.look();
            looks = if now == seen { looks + 1 } else { 0 };
            seen = now;
        }
        if !most.is_zero() {
            eprintln!(
                "retake: the simulation has been {seen} for {} s (seed {}, strategy {}); \
                 does that code loop without an await, or block the thread?",
                most.as_secs_f64(),
                seen.seed,
                seen.strategy
            );
        }
    }
}

/// Takes a simulation off the list when it is dropped.
pub(crate) struct ListEntry(Arc<Progress>);

impl Drop for ListEntry {
    fn drop(&mut self) {
        lock(&RUNNING).retain(|other| !Arc::ptr_eq(other, &self.0));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
