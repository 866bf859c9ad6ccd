//! What happens where no gate guards: tasks, panics, and the ends of actors.

use std::cell::RefMut;

use tokio::runtime::RuntimeMetrics;

use super::Engine;
use crate::outcome::Outcome;
use crate::task::SpawnInfo;

impl Engine {
    #[inline]
    pub(super) fn alive_tasks(&self) -> usize {
        let metrics = self.metrics.borrow();
        metrics.as_ref().map_or(0, RuntimeMetrics::num_alive_tasks)
    }

    /// Tell of actors that have ended since the last step.
    pub(super) fn note_ends(&self) {
        if !self.ends.borrow().any() {
            return;
        }
        let (ended, waits) = self.ends.borrow_mut().take();
        drop(waits);
        let mut core = self.core.borrow_mut();
        for (slot, serial) in ended {
            core.actor_ended(slot, serial);
        }
    }

    /// What is known of the spawning of this task.
    pub(super) fn spawned(&self, slot: u32) -> RefMut<'_, SpawnInfo> {
        RefMut::map(self.core.borrow_mut(), |core| core.spawned(slot))
    }

    /// Code that no gate guards has panicked: tokio would keep that to itself.
    pub(super) fn note_stray_panics(&self) {
        if !crate::panics::any() || self.core.borrow().in_step() {
            return;
        }
        let seen = crate::panics::take();
        let mut core = self.core.borrow_mut();
        core.strayed(seen);
        if core.is_over() {
            drop(core);
            self.finish_main();
        }
    }

    /// Compare tokio's count of tasks with the known ones.
    pub(super) fn note_ungated(&self) {
        let alive = self.alive_tasks();
        let mut core = self.core.borrow_mut();
        // The sentinel is a task as well, and so is what a fault has take a name.
        let own = 1 + crate::name_conflict::alive();
        let mut known = core.tasks.alive() + own;
        if alive != known + self.ungated.get() {
            let swept = core.tasks.sweep();
            known = core.tasks.alive() + own;
            drop(core);
            drop(swept);
        } else {
            return;
        }
        let ungated = alive.saturating_sub(known);
        self.ungated.set(ungated);
        let mut core = self.core.borrow_mut();
        core.stats.ungated_max = core.stats.ungated_max.max(ungated);
        core.found_ungated(ungated);
        if core.is_over() {
            drop(core);
            self.finish_main();
        }
    }

    pub(super) fn escaped(&self, what: &str, remedy: &str) {
        let mut core = self.core.borrow_mut();
        if core.in_step() || core.is_over() || core.mode.is_standstill() {
            return;
        }
        core.finish(Outcome::Escaped {
            what: what.to_owned(),
            remedy: remedy.to_owned(),
        });
        drop(core);
        self.finish_main();
    }
}

/// Remember that the step has spawned tasks that no gate guards: they have lower ids than
/// one that is spawned now.
#[cold]
pub(super) fn note_spawner(step: u64) {
    #[allow(
        clippy::disallowed_methods,
        reason = "it is over before anything is picked, and runs no code"
    )]
    let next = tokio::spawn(std::future::ready(()));
    crate::causes::spawned_before(next.id(), step);
}
