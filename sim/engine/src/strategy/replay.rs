//! Following a recorded run: to the letter, or by its deviations alone.

use std::sync::Arc;

use retake_traces::schedule::Schedule;

use super::{NewTask, Scheduler};
use crate::runnable::Runnable;

/// From trace numbers of tasks to slots.
#[derive(Clone, Debug, Default)]
struct Slots {
    /// By serial number.
    slot_of: Vec<u32>,
    /// By slot.
    serial_of: Vec<u32>,
}

impl Slots {
    fn started(&mut self, slot: u32, serial: u32) {
        let grow = |list: &mut Vec<u32>, place: u32, value| {
            let place = place as usize;
            if place >= list.len() {
                list.resize(place + 1, u32::MAX);
            }
            list[place] = value;
        };
        grow(&mut self.slot_of, serial, slot);
        grow(&mut self.serial_of, slot, serial);
    }

    fn runnable(&self, serial: u32, runnable: &Runnable) -> Option<u32> {
        let slot = *self.slot_of.get(serial as usize)?;
        // The slot may have passed on to a later task.
        let current = self.serial_of.get(slot as usize) == Some(&serial);
        (current && runnable.contains(slot)).then_some(slot)
    }
}

/// Follows a recorded schedule to the letter and stops where it cannot.
#[derive(Clone, Debug)]
pub struct Exact {
    schedule: Arc<Schedule>,
    slots: Slots,
    reason: String,
}

impl Exact {
    /// Follows `schedule`.
    #[must_use]
    pub fn new(schedule: Arc<Schedule>) -> Self {
        Self {
            schedule,
            slots: Slots::default(),
            reason: String::new(),
        }
    }
}

impl Scheduler for Exact {
    fn started(&mut self, task: &NewTask<'_>) {
        self.slots.started(task.slot, task.serial);
    }

    fn eager(&mut self, slot: u32, step: u64) -> bool {
        self.schedule.get(step).is_some_and(|choice| {
            choice.eager && self.slots.serial_of.get(slot as usize) == Some(&choice.task)
        })
    }

    fn pick(&mut self, step: u64, runnable: &mut Runnable) -> Option<u32> {
        if step > self.schedule.len() {
            self.reason = format!(
                "the recorded run ends after step {}, but there is more to run",
                self.schedule.len()
            );
            return None;
        }
        // Between its choice and its step, tasks that run eagerly may go before it.
        let Some(task) = self.schedule.next_picked(step) else {
            // The recorded run ended before its last choice took its step.
            return runnable.oldest();
        };
        let slot = self.slots.runnable(task, runnable);
        if slot.is_none() {
            self.reason =
                format!("at step {step} the recorded run chose task {task}, which cannot run now");
        }
        slot
    }

    fn reason(&self) -> String {
        self.reason.clone()
    }
}

/// First in, first out, except at the given steps. Where a deviation does not
/// apply (any more), it is passed over, so a schedule survives edits.
#[derive(Clone, Debug)]
pub struct Deviations {
    /// (step, serial number of the task), by step.
    deviations: Arc<[(u64, u32)]>,
    next: usize,
    slots: Slots,
}

impl Deviations {
    /// Follows `deviations`, which are in the order of their steps.
    #[must_use]
    pub fn new(deviations: Arc<[(u64, u32)]>) -> Self {
        Self {
            deviations,
            next: 0,
            slots: Slots::default(),
        }
    }
}

impl Scheduler for Deviations {
    fn started(&mut self, task: &NewTask<'_>) {
        self.slots.started(task.slot, task.serial);
    }

    fn pick(&mut self, step: u64, runnable: &mut Runnable) -> Option<u32> {
        while self
            .deviations
            .get(self.next)
            .is_some_and(|(at, _)| *at < step)
        {
            self.next += 1;
        }
        let wanted = self.deviations.get(self.next).filter(|(at, _)| *at == step);
        wanted
            .and_then(|(_, serial)| self.slots.runnable(*serial, runnable))
            .or_else(|| runnable.oldest())
    }
}
