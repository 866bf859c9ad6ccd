//! What faults do to tasks: they end, panic, or do not run for a time.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use super::core::fault::{Effect, Moment, Termination};
use super::core::step::StepKind;
use super::fault_gates;
use super::fault_state::{PANIC, Progress};
use super::kernel::{Kernel, me, with};
use super::record::Tag;
use super::state::What;
use super::waits;

/// The address of the header of the task that is cancelled in the turn that begins; 0 for none.
static CANCELLED: AtomicUsize = AtomicUsize::new(0);
/// tokio's number of the task that panics when it is polled next, plus 1; 0 for none.
static PANICS: AtomicU64 = AtomicU64::new(0);

/// Cancel the task whose turn begins, if a fault kills it, or end its actor.
#[inline]
pub(crate) fn cancels() {
    fault_gates::carry_out();
    if CANCELLED.load(Ordering::Relaxed) != 0 {
        let header = CANCELLED.swap(0, Ordering::Relaxed);
        // SAFETY: it was found in the choice that has led to this turn, so it has not ended.
        unsafe { waits::cancel(header) };
    }
}

/// The future of this task is polled: it panics instead, if a fault lets it.
#[inline]
pub(crate) fn panics(id: u64) {
    if PANICS.load(Ordering::Relaxed) == id.wrapping_add(1) {
        panic_now();
    }
}

#[cold]
fn panic_now() {
    PANICS.store(0, Ordering::Relaxed);
    if me().is_none() {
        return;
    }
    with(|kernel| {
        let serial = kernel.current;
        kernel.record.event(Tag::Panic, |fields| {
            fields.number(serial.into()).text(PANIC).text("");
            fields.number(0).number(0);
        });
    });
    std::panic::resume_unwind(Box::new(PANIC.to_owned()));
}

impl Kernel {
    /// Whether what is in this slot can have this happen to it.
    pub(super) fn can_affect(&self, effect: &Effect, slot: u32) -> bool {
        let entity = &self.entities[slot as usize];
        match (entity.what, effect) {
            (What::Nothing, _) => false,
            (_, Effect::Delay { .. } | Effect::Slow { .. }) => true,
            (What::Task { .. }, Effect::Kill | Effect::Panic) => {
                let is_killed = self.faults.kills.contains(&entity.serial);
                entity.header != 0 && !is_killed && !self.is_ordered(entity.serial)
            }
            (What::Task { .. }, Effect::Stop | Effect::Drain) => {
                self.faults.gated.contains(&entity.serial) && !self.is_ordered(entity.serial)
            }
            (What::Task { .. }, Effect::Fail | Effect::Lose | Effect::Duplicate) => {
                self.faults.gated.contains(&entity.serial)
            }
            _ => false,
        }
    }

    fn is_ordered(&self, serial: u32) -> bool {
        self.faults.orders.contains_key(&serial)
    }

    pub(super) fn inject_into_slot(&mut self, place: usize, slot: u32) -> bool {
        let fault = &self.faults.planned[place].fault;
        let (moment, effect) = (fault.moment, fault.effect.clone());
        let serial = self.entities[slot as usize].serial;
        if moment == Moment::Await && !self.awaits_something(slot) {
            return false;
        }
        match effect {
            Effect::Kill if self.faults.gated.contains(&serial) => self.order(slot, Termination::Kill),
            Effect::Kill => self.kill(slot),
            Effect::Stop => self.order(slot, Termination::Stop),
            Effect::Drain => self.order(slot, Termination::Drain),
            Effect::Delay { until_ns } => self.delay(slot, until_ns),
            Effect::Slow { by_ns, until_ns } => {
                self.faults.slows.insert(serial, (by_ns, until_ns));
                self.faults.has_delays = true;
            }
            Effect::Panic | Effect::Fail | Effect::Lose | Effect::Duplicate => {
                self.faults.planned[place].progress = Progress::Armed(serial);
                self.faults.is_armed = true;
                return false;
            }
            _ => return false,
        }
        self.note_injected(place, serial, "");
        true
    }

    /// Whether it has run, and cannot run now.
    fn awaits_something(&self, slot: u32) -> bool {
        let entity = &self.entities[slot as usize];
        let can_run = self.runnable.contains(slot) || entity.is_waiting;
        entity.steps > 0 && !can_run && !self.faults.held.contains(&slot)
    }

    /// Cancel a task, as its handle does: in its next turn it is dropped where it waits.
    fn kill(&mut self, slot: u32) {
        let serial = self.entities[slot as usize].serial;
        self.faults.kills.insert(serial);
        self.faults.is_armed = true;
        self.make_run(slot);
    }

    /// It has a turn as soon as it is chosen, whether or not it has something to do.
    pub(super) fn make_run(&mut self, slot: u32) {
        let entity = &self.entities[slot as usize];
        let What::Task { runtime } = entity.what else {
            return;
        };
        let (serial, header) = (entity.serial, entity.header);
        // It ends now, whatever it was to wait for.
        self.faults.delays.remove(&serial);
        self.faults.slows.remove(&serial);
        if self.faults.held.remove(&slot) {
            self.let_run(slot);
        } else if self.is_polled(slot) {
            self.make_ready(runtime, slot, header);
        }
    }

    /// Something may happen to what has this slot, whose turn is next.
    #[cold]
    pub(super) fn fire(&mut self, slot: u32) {
        let entity = &self.entities[slot as usize];
        let (serial, what, header) = (entity.serial, entity.what, entity.header);
        let What::Task { .. } = what else { return };
        let id = self.abouts[slot as usize].id;
        if self.faults.kills.remove(&serial) {
            CANCELLED.store(header, Ordering::Relaxed);
        } else if let Some(order) = self.faults.orders.remove(&serial) {
            fault_gates::set_order(serial, order);
        } else if !self.faults.gated.contains(&serial) {
            let mut planned = self.faults.planned.iter();
            let armed = planned.position(|it| {
                // Callbacks are those of actors with gates.
                it.progress == Progress::Armed(serial)
                    && it.fault.moment == Moment::Callback(StepKind::Handle)
            });
            if let Some(place) = armed {
                self.note_injected(place, serial, "");
                PANICS.store(id.wrapping_add(1), Ordering::Relaxed);
            }
        }
        self.faults.find_armed();
    }

    /// It does not run before this time.
    fn delay(&mut self, slot: u32, until_ns: u64) {
        let serial = self.entities[slot as usize].serial;
        let faults = &mut self.faults;
        faults.has_delays = true;
        faults.delays.insert(serial, until_ns);
        faults.releases.insert((until_ns, slot, serial));
        if until_ns > self.now_ns && self.runnable.contains(slot) {
            self.runnable.remove(slot);
            self.hold(slot);
        }
    }

    /// It could run, and is not among those that can.
    fn hold(&mut self, slot: u32) {
        if let What::Task { runtime } = self.entities[slot as usize].what {
            self.runtimes[runtime as usize].ready -= 1;
        }
        self.faults.held.insert(slot);
    }

    /// Whether what can run now has to wait because of a fault.
    #[cold]
    pub(super) fn is_held_back(&mut self, slot: u32) -> bool {
        let (serial, now_ns) = (self.entities[slot as usize].serial, self.now_ns);
        let delayed = self.faults.delays.get(&serial);
        if delayed.is_some_and(|until_ns| *until_ns > now_ns) {
            self.hold(slot);
            return true;
        }
        match self.faults.slows.get(&serial) {
            Some((by_ns, until_ns)) if *until_ns > now_ns && *by_ns > 0 => {
                let until_ns = now_ns.saturating_add(*by_ns);
                self.delay(slot, until_ns);
                self.hold(slot);
                self.faults.plan_next();
                true
            }
            _ => false,
        }
    }

    /// A delay of what had this slot is over.
    pub(super) fn release(&mut self, slot: u32, serial: u32) {
        if self.entities[slot as usize].serial != serial {
            return;
        }
        let delayed = self.faults.delays.get(&serial);
        if delayed.is_some_and(|until_ns| *until_ns > self.now_ns) {
            return;
        }
        self.faults.delays.remove(&serial);
        if self.faults.held.remove(&slot) {
            self.let_run(slot);
        }
    }

    /// It can run from now on, unless its runtime cannot.
    pub(super) fn let_run(&mut self, slot: u32) {
        if let What::Task { runtime } = self.entities[slot as usize].what {
            if !self.is_polled(slot) {
                self.entities[slot as usize].is_waiting = true;
                return;
            }
            let it = &mut self.runtimes[runtime as usize];
            if !it.is_active {
                it.waiting.push(slot);
                self.entities[slot as usize].is_waiting = true;
                return;
            }
            it.ready += 1;
        }
        self.insert_now(slot);
    }

    /// What had this slot has ended, or waits for its runtime again.
    pub(super) fn forget_held(&mut self, slot: u32) {
        if self.faults.has_delays {
            self.faults.held.remove(&slot);
        }
    }
}
