//! What supervisors survive: faults that are drawn stay within it.

use std::collections::VecDeque;

use crate::core::Core;
use crate::inject::Tolerance;
use crate::task::Task;

impl Core {
    /// A supervisor says how many ends of children it survives within how long.
    pub(crate) fn tolerates(&mut self, slot: u32, intensity: u32, period_ns: u64) {
        if let Some(task) = self.tasks.get(slot) {
            let tolerance = Tolerance {
                intensity,
                period_ns,
                ends: VecDeque::new(),
                expected: 0,
            };
            self.faults.tolerances.insert(task.serial, tolerance);
        }
    }

    /// A task's supervisor. One that starts is not linked to it yet: it is the actor in whose
    /// step it starts.
    pub(super) fn supervisor(&self, child: u32) -> Option<&Task> {
        let slot = match self.supervisor_of(child) {
            Some(supervisor) => self.tasks.slot_of_actor(supervisor.get_id().pid())?,
            None => self.current_slot().filter(|current| *current != child)?,
        };
        self.tasks.get(slot).filter(|task| task.is_actor())
    }

    /// The number of a task's supervisor.
    pub(super) fn supervisor_serial(&self, child: u32) -> Option<u32> {
        Some(self.supervisor(child)?.serial)
    }

    pub(super) fn tolerance_of(&mut self, child: u32) -> Option<&mut Tolerance> {
        let serial = self.supervisor_serial(child)?;
        self.faults.tolerances.get_mut(&serial)
    }

    /// Whether the supervisor of this task survives what the fault does.
    pub(super) fn supervisor_survives(&self, place: usize, child: u32) -> bool {
        let fault = &self.faults.pending[place].fault;
        if !fault.action.ends_an_actor() {
            return true;
        }
        let serial = self.supervisor_serial(child);
        let tolerance = serial.and_then(|serial| self.faults.tolerances.get(&serial));
        let Some(tolerance) = tolerance else {
            return true;
        };
        let since_ns = self.now_ns.saturating_sub(tolerance.period_ns);
        let recent = tolerance.ends.iter().filter(|at| **at >= since_ns).count();
        let armed = self.faults.armed.len();
        recent + armed + tolerance.expected as usize + 1 + fault.siblings as usize
            <= tolerance.intensity as usize
    }

    pub(super) fn expect_end(&mut self, child: u32) {
        if let Some(tolerance) = self.tolerance_of(child) {
            tolerance.expected += 1;
        }
    }

    /// A supervisor hears that a child has ended.
    pub(crate) fn heard_of_end(&mut self, supervisor: u32) {
        let Some(serial) = self.tasks.get(supervisor).map(|task| task.serial) else {
            return;
        };
        let now_ns = self.now_ns;
        if let Some(tolerance) = self.faults.tolerances.get_mut(&serial) {
            tolerance.expected = tolerance.expected.saturating_sub(1);
            tolerance.ends.push_back(now_ns);
            let since_ns = now_ns.saturating_sub(tolerance.period_ns);
            while tolerance.ends.front().is_some_and(|at| *at < since_ns) {
                tolerance.ends.pop_front();
            }
        }
    }
}
