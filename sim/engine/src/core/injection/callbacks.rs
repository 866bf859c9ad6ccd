//! Callbacks that go wrong: they panic, fail, are lost or repeated, or take their time.

use std::mem;
use std::task::Waker;

use retake::engine::{Ticket, Turn};
use retake_traces::fault::{Effect, Moment, Target};
use retake_traces::record::StepKind;

use crate::core::Core;
use crate::inject::{ArmedCallback, PendingFault, Send};
use crate::timers::Action;

impl Core {
    /// A callback is about to run: whether it goes wrong instead.
    pub(crate) fn fire_armed(&mut self, slot: u32, part: StepKind) -> Option<Turn> {
        let serial = self.tasks.get(slot)?.serial;
        let is_meant = |armed: &ArmedCallback| {
            let PendingFault { moment, effect, .. } = &self.faults.pending[armed.place];
            armed.serial == serial
                && *moment == Moment::Callback(part)
                && (*effect != Effect::Duplicate || self.faults.copies.contains_key(&serial))
        };
        let found = self.faults.armed.iter().position(is_meant)?;
        let ArmedCallback { place, .. } = self.faults.armed.remove(found);
        if !self.faults.armed.iter().any(|armed| armed.serial == serial)
            && let Some(task) = self.tasks.get_mut(slot)
        {
            task.is_armed = false;
        }
        if self.ends_an_actor(place) {
            self.expect_end(slot);
        }
        self.note_injected(place, serial);
        if self.faults.pending[place].effect == Effect::Duplicate {
            self.faults.due_copy = self.faults.copies.remove(&serial);
        }
        turn(&self.faults.pending[place].effect)
    }

    /// Whether a fault sends this actor's next message once more.
    pub(crate) fn copies_message(&mut self, slot: u32) -> bool {
        let Some(task) = self.tasks.get(slot).filter(|task| task.is_armed) else {
            return false;
        };
        let Some(place) = self.copied_by(task.serial) else {
            return false;
        };
        self.faults.uncloned.insert(place);
        true
    }

    /// The fault that sends this actor's next message once more.
    fn copied_by(&self, serial: u32) -> Option<usize> {
        let mut armed = self.faults.armed.iter();
        let found = armed.find(|armed| {
            let effect = &self.faults.pending[armed.place].effect;
            armed.serial == serial && *effect == Effect::Duplicate
        })?;
        Some(found.place)
    }

    /// Keep what sends it until the message is handled. Gives back what was kept before and
    /// is not needed: dropping it runs code of the user.
    pub(crate) fn keep_copy(&mut self, slot: u32, send: Send) -> Option<Send> {
        let serial = self.tasks.get(slot)?.serial;
        if let Some(place) = self.copied_by(serial) {
            self.faults.uncloned.remove(&place);
        }
        self.faults.copies.insert(serial, send)
    }

    /// An actor is about to start, or resumes its start, as a part of a step.
    pub(crate) fn start_within(&mut self, ticket: &mut Ticket, waker: &Waker) -> Turn {
        let slot = ticket.task.0;
        if let Some(until_ns) = self.faults.slow_starts.get(&slot) {
            if *until_ns > self.now_ns {
                return Turn::Wait;
            }
            self.faults.slow_starts.remove(&slot);
            return Turn::Pass;
        }
        if mem::replace(&mut ticket.resumed, true) {
            return Turn::Pass;
        }
        match self.inject_into_start(slot) {
            Some(Effect::StartLate { by_ns }) => {
                let until_ns = self.now_ns.saturating_add(by_ns);
                self.faults.slow_starts.insert(slot, until_ns);
                self.timers.add(until_ns, Action::Wake(waker.clone()));
                Turn::Wait
            }
            Some(effect) => turn(&effect).unwrap_or(Turn::Pass),
            None => Turn::Pass,
        }
    }

    /// An actor is about to start in a step of its own.
    pub(crate) fn fire_start(&mut self, slot: u32) -> Option<Turn> {
        turn(&self.inject_into_start(slot)?)
    }

    /// The effect of the fault that waits for this actor's start, which is injected now.
    pub(super) fn inject_into_start(&mut self, slot: u32) -> Option<Effect> {
        let task = self.tasks.get(slot)?;
        let (serial, label) = (task.serial, task.label);
        let is_restart = label.parts().1 > 1;
        let found = self.faults.starts.iter().position(|place| {
            let target = &self.faults.pending[*place].fault.target;
            match target {
                // Any actor: a first start is no restart.
                Target::Next => is_restart,
                _ if target.is_drawn() => is_restart && self.is_target(target, slot, *place),
                _ => self.is_meant(label, target),
            }
        })?;
        let place = self.faults.starts.remove(found);
        if self.ends_an_actor(place) {
            // Its supervisor does not hear of it as of a death, but counts it.
            let now_ns = self.now_ns;
            if let Some(tolerance) = self.tolerance_of(slot) {
                tolerance.ends.push_back(now_ns);
            }
        }
        self.note_injected(place, serial);
        Some(self.faults.pending[place].effect.clone())
    }
}

/// What a gate does instead of running a callback, if it does not run it.
fn turn(effect: &Effect) -> Option<Turn> {
    match effect {
        Effect::Panic => Some(Turn::Panic),
        Effect::Fail => Some(Turn::Fail),
        Effect::Lose => Some(Turn::Lose),
        _ => None,
    }
}
