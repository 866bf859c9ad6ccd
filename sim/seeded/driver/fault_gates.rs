//! Faults of actors whose callbacks have gates: what the gates ask, and what they are to do.
//!
//! An actor is killed, stopped and drained as ractor does it: its supervisor receives that. Only the
//! gates' crate knows how, so it says with which function.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use super::core::fault::{Effect, Instead, Moment, Target, Termination};
use super::core::step::StepKind;
use super::fault_state::{PANIC, Progress};
use super::kernel::{Kernel, me};
use super::record::Tag;

pub(super) type Carry = extern "C" fn(u32, u32);

/// The function that ends actors; 0 without any.
static CARRY: AtomicUsize = AtomicUsize::new(0);
/// The number of the actor that is ended in the turn that begins, plus 1, and above that how.
static ORDER: AtomicU64 = AtomicU64::new(0);

/// This function ends actors.
pub(super) fn set_carry(carry: Carry) {
    CARRY.store(carry as usize, Ordering::Relaxed);
}

pub(super) fn set_order(serial: u32, order: Termination) {
    ORDER.store((order as u64) << 32 | u64::from(serial) + 1, Ordering::Relaxed);
}

/// End the actor that a fault ends in the turn that begins.
#[inline]
pub(super) fn carry_out() {
    if ORDER.load(Ordering::Relaxed) != 0 {
        carry_out_now();
    }
}

#[cold]
fn carry_out_now() {
    let order = ORDER.swap(0, Ordering::Relaxed);
    let carry = CARRY.load(Ordering::Relaxed);
    if carry == 0 || me().is_none() {
        return;
    }
    // SAFETY: `set_carry` has stored a function of this type.
    let carry = unsafe { std::mem::transmute::<usize, Carry>(carry) };
    carry(order as u32 - 1, (order >> 32) as u32);
}

impl Kernel {
    /// What runs now is an actor with gates. Its number, if any fault is planned.
    pub(super) fn has_gates(&mut self) -> Option<u32> {
        if !self.faults.is_on() {
            return None;
        }
        let serial = self.current;
        self.faults.gated.insert(serial);
        Some(serial)
    }

    /// A callback of the actor that runs now begins: what happens instead.
    pub(super) fn turn_of_callback(&mut self, part: u32) -> Instead {
        let Some(part) = StepKind::ALL.get(part as usize).copied() else {
            return Instead::Nothing;
        };
        if !self.faults.is_on() {
            return Instead::Nothing;
        }
        let serial = self.current;
        let armed = self.faults.planned.iter().position(|it| {
            it.progress == Progress::Armed(serial)
                && it.fault.moment == Moment::Callback(part)
                && it.fault.effect != Effect::Duplicate
        });
        armed.map_or(Instead::Nothing, |place| self.gate_turn(place, serial))
    }

    /// An actor of this name starts, within the step that runs now: what happens instead.
    pub(super) fn turn_of_start(&mut self, name: &str) -> Instead {
        let (step, now_ns) = (self.steps, self.now_ns);
        let due = self.faults.planned.iter().position(|it| {
            let is_meant = match &it.fault.target {
                Target::Named(named) => named == name,
                Target::All(prefix) => name.starts_with(&**prefix),
                Target::Next => true,
                Target::Run | Target::Child | Target::Supervised => false,
            };
            let is_start = it.fault.moment == Moment::Start;
            is_start && is_meant && it.progress == Progress::Waiting && it.has_come(step, now_ns)
        });
        let serial = self.current;
        due.map_or(Instead::Nothing, |place| self.gate_turn(place, serial))
    }

    fn gate_turn(&mut self, place: usize, serial: u32) -> Instead {
        let turn = match self.faults.planned[place].fault.effect {
            Effect::Panic => Instead::Panic,
            Effect::Fail => Instead::Fail,
            Effect::Lose => Instead::Lose,
            _ => return Instead::Nothing,
        };
        self.note_injected(place, serial, "");
        self.faults.find_armed();
        if turn == Instead::Panic {
            self.record.event(Tag::Panic, |fields| {
                fields.number(serial.into()).text(PANIC).text("");
                fields.number(0).number(0);
            });
        }
        turn
    }

    /// Whether the message that the actor that runs now handles is sent to it once more. `is_sent`
    /// says that it is.
    pub(super) fn copies_message(&mut self, is_sent: bool) -> bool {
        let serial = self.current;
        let armed = self.faults.planned.iter().position(|it| {
            it.progress == Progress::Armed(serial) && it.fault.effect == Effect::Duplicate
        });
        if let (Some(place), true) = (armed, is_sent) {
            self.note_injected(place, serial, "");
            self.faults.find_armed();
        }
        armed.is_some()
    }

    /// Have the actor in this slot ended in its next turn.
    pub(super) fn order(&mut self, slot: u32, order: Termination) {
        let serial = self.entities[slot as usize].serial;
        self.faults.orders.insert(serial, order);
        self.faults.is_armed = true;
        self.make_run(slot);
    }
}
