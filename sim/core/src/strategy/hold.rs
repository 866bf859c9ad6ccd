//! Ordering constraints: a schedule as what has to wait for what.
//!
//! First in, first out, but for steps that are held back until another step has been
//! taken. Any schedule can be expressed so; unlike choices at numbered steps, a hold keeps its
//! meaning when others are left out, and a task that starves for a thousand steps is one
//! hold. After the idea of delay-bounded scheduling (Emmi, Qadeer, Rakamarić, POPL 2011).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::Scheduler;
use crate::runnable::Runnable;
use crate::task::NewTask;

/// A step of a task: the task's number in traces, and which of its steps, from 1.
pub type StepOf = (u32, u32);

/// An ordering constraint: one step waits for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "bincode", derive(bincode::Encode, bincode::Decode))]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
pub struct Hold {
    /// This one is not taken ...
    pub step: StepOf,
    /// ... before this one.
    pub until: StepOf,
}

/// Which step each task takes next.
#[derive(Clone, Debug, Default)]
struct Steps {
    /// Number of the task by slot.
    tasks: Vec<u32>,
    /// Steps taken by number of the task.
    taken: BTreeMap<u32, u32>,
}

impl Steps {
    fn started(&mut self, slot: u32, task: u32) {
        let place = slot as usize;
        if place >= self.tasks.len() {
            self.tasks.resize(place + 1, u32::MAX);
        }
        self.tasks[place] = task;
    }

    fn next(&self, slot: u32) -> StepOf {
        let task = self.tasks.get(slot as usize).copied().unwrap_or(u32::MAX);
        (task, self.taken.get(&task).copied().unwrap_or_default() + 1)
    }

    fn take(&mut self, slot: u32) {
        let (task, number) = self.next(slot);
        self.taken.insert(task, number);
    }

    fn has_taken(&self, (task, number): StepOf) -> bool {
        self.taken.get(&task).is_some_and(|taken| *taken >= number)
    }
}

/// Keeps to holds, see the module documentation. When everything is held, the oldest goes.
#[derive(Clone, Debug)]
pub struct HoldKeeper {
    holds: BTreeMap<StepOf, StepOf>,
    steps: Steps,
}

impl HoldKeeper {
    /// Keeps to these.
    #[must_use]
    pub fn new(holds: &[Hold]) -> Self {
        Self {
            holds: holds.iter().map(|hold| (hold.step, hold.until)).collect(),
            steps: Steps::default(),
        }
    }
}

impl Scheduler for HoldKeeper {
    fn started(&mut self, task: &NewTask<'_>) {
        self.steps.started(task.slot, task.serial);
    }

    fn pick(&mut self, _step: u64, runnable: &mut Runnable) -> Option<u32> {
        let free = runnable.in_order().find(|slot| {
            let until = self.holds.get(&self.steps.next(*slot));
            until.is_none_or(|until| self.steps.has_taken(*until))
        });
        let slot = free.or_else(|| runnable.oldest())?;
        self.steps.take(slot);
        Some(slot)
    }
}

/// The schedule that a [`Recorder`] saw, as holds. A clone shows the same schedule.
#[derive(Clone, Debug, Default)]
pub struct RecordedHolds(Arc<Mutex<BTreeMap<StepOf, StepOf>>>);

impl RecordedHolds {
    /// Holds that make the same schedule.
    #[must_use]
    pub fn holds(&self) -> Vec<Hold> {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let holds = seen.iter();
        holds
            .map(|(step, until)| Hold {
                step: *step,
                until: *until,
            })
            .collect()
    }
}

/// Lets another scheduler choose, and tells its schedule by holds: a step is held until
/// the last one by which it is overtaken.
pub struct Recorder {
    inner: Box<dyn Scheduler>,
    steps: Steps,
    recorded: RecordedHolds,
}

impl Recorder {
    /// Records into `recorded` what `inner` chooses.
    #[must_use]
    pub fn new(inner: Box<dyn Scheduler>, recorded: &RecordedHolds) -> Self {
        Self {
            inner,
            steps: Steps::default(),
            recorded: recorded.clone(),
        }
    }
}

impl std::fmt::Debug for Recorder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recorder").finish_non_exhaustive()
    }
}

impl Scheduler for Recorder {
    fn started(&mut self, task: &NewTask<'_>) {
        self.steps.started(task.slot, task.serial);
        self.inner.started(task);
    }

    fn eager(&mut self, slot: u32, step: u64) -> bool {
        let is_eager = self.inner.eager(slot, step);
        if is_eager {
            self.steps.take(slot);
        }
        is_eager
    }

    fn yielded(&mut self, slot: u32) {
        self.inner.yielded(slot);
    }

    fn arrived(&mut self, slot: u32) {
        self.inner.arrived(slot);
    }

    fn counts_messages(&self) -> bool {
        self.inner.counts_messages()
    }

    fn messages_wait(&mut self, slot: u32, count: u32) {
        self.inner.messages_wait(slot, count);
    }

    fn pick(&mut self, step: u64, runnable: &mut Runnable) -> Option<u32> {
        let chosen = self.inner.pick(step, runnable)?;
        let until = self.steps.next(chosen);
        let mut recorded = self
            .recorded
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        for overtaken in runnable.in_order().take_while(|slot| *slot != chosen) {
            recorded.insert(self.steps.next(overtaken), until);
        }
        self.steps.take(chosen);
        Some(chosen)
    }

    fn reason(&self) -> String {
        self.inner.reason()
    }
}
