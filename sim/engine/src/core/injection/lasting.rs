//! Faults that last: delays, pauses, late timers, wrong clocks; and their end.

use std::mem;
use std::time::Duration;

use retake_traces::fault::Effect;
use retake_traces::fault::kinds::Heal;

use crate::core::{Buggify, Core};
use crate::inject::WrongClock;
use crate::outcome::Outcome;
use crate::task::State;
use crate::timers::Action;

impl Core {
    pub(super) fn delay(&mut self, slot: u32, serial: u32, until_ns: u64) {
        self.faults.delays.insert(serial, until_ns);
        self.timers.add(until_ns, Action::Release { slot, serial });
        let is_runnable = self
            .tasks
            .get(slot)
            .is_some_and(|task| task.state == State::Runnable);
        if is_runnable && until_ns > self.now_ns {
            self.runnable.remove(slot);
            self.set_state(slot, State::Delayed);
        }
    }

    /// Whether a task that could run now has to wait.
    pub(crate) fn is_delayed(&mut self, slot: u32) -> bool {
        let Some(serial) = self.tasks.get(slot).map(|task| task.serial) else {
            return false;
        };
        let now_ns = self.now_ns;
        if self
            .faults
            .delays
            .get(&serial)
            .is_some_and(|until_ns| *until_ns > now_ns)
        {
            return true;
        }
        match self.faults.slows.get(&serial) {
            Some((by_ns, until_ns)) if *until_ns > now_ns && *by_ns > 0 => {
                let until_ns = now_ns.saturating_add(*by_ns);
                self.delay(slot, serial, until_ns);
                true
            }
            _ => false,
        }
    }

    /// A delay is over.
    pub(crate) fn release(&mut self, slot: u32, serial: u32) {
        let waits = self
            .tasks
            .get(slot)
            .is_some_and(|task| task.serial == serial && task.state == State::Delayed);
        let over = self
            .faults
            .delays
            .get(&serial)
            .is_none_or(|until_ns| *until_ns <= self.now_ns);
        if over {
            self.faults.delays.remove(&serial);
        }
        if waits && over {
            self.make_runnable(slot);
        }
    }

    /// Nothing may run now.
    pub(crate) fn is_paused(&self) -> bool {
        self.now_ns < self.faults.paused_until_ns
    }

    pub(super) fn inject_into_run(&mut self, place: usize) -> bool {
        match self.faults.pending[place].effect {
            Effect::Pause { until_ns } => {
                self.faults.paused_until_ns = until_ns;
                // Of no task: time has to stop there.
                let (slot, serial) = (u32::MAX, u32::MAX);
                self.timers.add(until_ns, Action::Release { slot, serial });
            }
            Effect::LateTimers { by_ns, until_ns } => self.faults.late = (by_ns, until_ns),
            Effect::CoalescedTimers { to_ns, until_ns } => {
                self.faults.coalesce = (to_ns, until_ns);
            }
            Effect::WallClock { skew, until_ns } => {
                self.faults.clock = Some(WrongClock {
                    skew,
                    since_ns: self.now_ns,
                    until_ns: until_ns.unwrap_or(u64::MAX),
                });
                self.set_wall_clock();
            }
            Effect::Load { times } => self.faults.load = Some(times),
            Effect::LimitLoad { most } => self.faults.load_max = Some(most),
            Effect::Buggify => self.buggify = Some(Buggify::new(self.seed())),
            Effect::Heal { .. } => {
                self.heal();
                return true;
            }
            _ => return false,
        }
        self.note_injected(place, 0);
        true
    }

    /// Nanoseconds by which the wall clock is ahead.
    pub(crate) fn wall_offset_ns(&self) -> i64 {
        self.faults.wall_offset_ns(self.now_ns)
    }

    /// The deadline of a timer that is set to this one.
    pub(crate) fn late_deadline(&mut self, deadline_ns: u64) -> u64 {
        let seed = self.seed();
        self.faults.late_deadline(deadline_ns, self.now_ns, seed)
    }

    /// Let interposed clocks know.
    pub(crate) fn set_wall_clock(&self) {
        crate::interpose::set_wall_offset_ns(self.wall_offset_ns());
    }

    pub(crate) fn has_wrong_clock(&self) -> bool {
        self.faults.clock.is_some()
    }

    /// How much of a load to make.
    pub(crate) fn load(&mut self, full: u32) -> u32 {
        self.stats.loads += 1;
        let full = full.saturating_mul(self.faults.load.unwrap_or(1));
        full.min(self.faults.load_max.unwrap_or(u32::MAX)).max(1)
    }

    /// Nothing can run, and somebody waits for the end of chaos: it has come.
    pub(crate) fn heal_if_awaited(&mut self) -> bool {
        let is_awaited = self.faults.awaits_heal && !self.faults.heal_wakers.is_empty();
        if is_awaited {
            self.heal();
        }
        is_awaited
    }

    pub(super) fn heal(&mut self) {
        let mut within_ns = None;
        for pending in &mut self.faults.pending {
            if let (Effect::Heal { within_ns: it }, false) = (&pending.effect, pending.is_over) {
                within_ns = within_ns.or(*it);
            }
            pending.is_over = true;
        }
        self.record_fault(0, Heal { within_ns }.into());
        if let Some(within_ns) = within_ns {
            let at_ns = self.now_ns.saturating_add(within_ns);
            let within = Duration::from_nanos(within_ns);
            self.timers.add(at_ns, Action::Liveness(within));
        }
        self.buggify = None;
        let delays = mem::take(&mut self.faults.delays);
        let faults = &mut self.faults;
        faults.slows.clear();
        faults.armed.clear();
        faults.starts.clear();
        faults.lasting.clear();
        faults.name_conflicts.clear();
        faults.paused_until_ns = 0;
        (faults.late, faults.coalesce) = ((0, 0), (0, 0));
        (faults.clock, faults.load) = (None, None);
        (faults.awaits_heal, faults.wait_for_steps) = (false, false);
        let woken = mem::take(&mut faults.heal_wakers);
        faults.wakes.extend(woken);
        self.set_wall_clock();
        let delayed: Vec<u32> = self
            .tasks
            .iter()
            .filter(|(_, task)| task.state == State::Delayed && delays.contains_key(&task.serial))
            .map(|(slot, _)| slot)
            .collect();
        for slot in delayed {
            self.make_runnable(slot);
        }
    }

    /// The time after the end of chaos is over.
    pub(crate) fn liveness_ends(&mut self, within: Duration) {
        self.finish(Outcome::Violated {
            task: "scenario".to_owned(),
            what: format!("not live: it has not returned within {within:?} after the last fault"),
            check: String::new(),
            is_count: false,
        });
    }
}
