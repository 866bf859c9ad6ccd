//! Decisions: who is next, and whether the run is at its limits.

use retake_traces::record::Choice;

use super::{Core, Next, ROUNDS_AFTER_EXIT};
use crate::outcome::Outcome;
use crate::task::State;

impl Core {
    /// True when limits forbid another step; then the outcome is set.
    #[inline]
    pub(super) fn must_stop(&mut self) -> bool {
        let steps = self.stats.steps;
        let within = self.now_ns <= self.config.horizon_ns
            && steps < self.config.step_limit
            && !self.may_be_livelock();
        // An outcome that is set already stops every step.
        self.outcome.is_some() || (!within && self.stop_at_limit())
    }

    #[cold]
    fn stop_at_limit(&mut self) -> bool {
        if self.now_ns > self.config.horizon_ns {
            let waiting = self.waiting();
            let busy = self.busy();
            self.finish(Outcome::Horizon { waiting, busy });
        } else if self.stats.steps >= self.config.step_limit {
            let busy = self.busy();
            self.finish(Outcome::StepLimit { busy });
        } else {
            self.look_for_livelock();
        }
        self.is_over()
    }

    /// Choose and wake the next task. Called at quiescence.
    #[inline]
    pub(crate) fn pick(&mut self) -> Next {
        if self.must_stop() {
            return Next::Finished;
        }
        if self.runnable.is_empty() || self.is_paused() {
            return Next::Wait;
        }
        if self.report_ungated() {
            return Next::Finished;
        }
        self.instant_is_new = false;
        let step = self.stats.steps + 1;
        if self.find_free_names() {
            return Next::Again;
        }
        if self.faults.wait_for_steps && self.inject_for_step(step) {
            self.woken_by = None;
            self.rounds = ROUNDS_AFTER_EXIT;
            return Next::Again;
        }
        // A single runnable task is the oldest, and leaves no round behind it.
        let alone = self.runnable.len() == 1 && !self.faults.wait_for_steps;
        let is_choice = self.runnable.len() > 1;
        let oldest = if alone {
            Some(self.runnable.nth(0))
        } else {
            self.runnable.oldest()
        };
        let Some(slot) = self.scheduler.pick(step, &mut self.runnable) else {
            self.finish(Outcome::Diverged {
                reason: self.scheduler.reason(),
            });
            return Next::Finished;
        };
        assert!(
            self.runnable.contains(slot),
            "a scheduler picks a runnable task"
        );
        let choice = if oldest == Some(slot) {
            Choice::Fifo
        } else {
            Choice::Deviation
        };
        self.stats.choices += u64::from(is_choice);
        self.stats.deviations += u64::from(choice == Choice::Deviation);
        self.grant(slot, choice);
        Next::Wait
    }

    /// The choice of a recording.
    pub(crate) fn grant_to(&mut self, slot: u32) {
        self.grant(slot, Choice::Fifo);
    }

    #[inline]
    fn grant(&mut self, slot: u32, choice: Choice) {
        self.stats.picks += 1;
        self.runnable.remove(slot);
        self.granted = Some((slot, choice));
        if let Some(task) = self.tasks.get_mut(slot) {
            task.state = State::Granted;
            if let Some(waker) = &task.waker {
                // A gate's waker is its tokio task's: waking it runs no user code.
                waker.wake_by_ref();
            }
        }
    }

    /// Something waits for a quiescent system: a runnable task, or an exit's hops.
    #[inline]
    pub(crate) fn awaits_quiescence(&self) -> bool {
        self.rounds > 0 || !self.runnable.is_empty()
    }

    pub(crate) fn has_grant(&self) -> bool {
        self.granted.is_some()
    }

    /// Nothing can run: what is woken from now on is woken by time.
    pub(crate) fn forget_waker(&mut self) {
        self.woken_by = None;
    }

    /// A chosen task did not take its step, although nothing else runs: forget it.
    pub(crate) fn reclaim_grant(&mut self) {
        if let Some((slot, _)) = self.granted.take() {
            self.set_state(slot, State::Idle);
        }
    }
}
