//! Callbacks that go wrong: they panic, fail, are lost or take their time.

use std::mem;
use std::task::Waker;

use retake::engine::{Ticket, Turn};
use retake_traces::record::{FaultKind, StepKind};

use crate::core::Core;
use crate::fault::FaultAction;
use crate::inject::{Armed, nanos};
use crate::timers::Action;

impl Core {
    /// A callback is about to run: whether it goes wrong instead.
    pub(crate) fn fire_armed(&mut self, slot: u32, part: StepKind) -> Option<Turn> {
        let serial = self.tasks.get(slot)?.serial;
        let is_meant = |armed: &Armed| {
            let action = self.faults.pending[armed.place].fault.action;
            let is_part = match action {
                FaultAction::Panic(it) | FaultAction::Fail(it) => it == part,
                FaultAction::Lose => part == StepKind::Handle,
                _ => false,
            };
            armed.serial == serial && is_part
        };
        let found = self.faults.armed.iter().position(is_meant)?;
        let Armed { place, .. } = self.faults.armed.remove(found);
        if !self.faults.armed.iter().any(|armed| armed.serial == serial)
            && let Some(task) = self.tasks.get_mut(slot)
        {
            task.is_armed = false;
        }
        let action = self.faults.pending[place].fault.action;
        if action.ends_an_actor() {
            self.expect_end(slot);
        }
        let (kind, turn) = how(action)?;
        self.note_injected(place, serial, kind);
        Some(turn)
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
            Some(FaultAction::SlowStart { by }) => {
                let until_ns = self.now_ns.saturating_add(nanos(by));
                self.faults.slow_starts.insert(slot, until_ns);
                self.timers.add(until_ns, Action::Wake(waker.clone()));
                Turn::Wait
            }
            Some(action) => how(action).map_or(Turn::Pass, |(_, turn)| turn),
            None => Turn::Pass,
        }
    }

    /// An actor is about to start in a step of its own.
    pub(crate) fn fire_start(&mut self, slot: u32) -> Option<Turn> {
        let action = self.inject_into_start(slot)?;
        Some(how(action)?.1)
    }

    /// The fault that waits for this actor's start, which is injected now.
    pub(super) fn inject_into_start(&mut self, slot: u32) -> Option<FaultAction> {
        let task = self.tasks.get(slot)?;
        let (serial, label) = (task.serial, task.label);
        let is_restart = self.labels.text(label).contains('#');
        let found = self.faults.starts.iter().position(|place| {
            let target = &self.faults.pending[*place].fault.target;
            match target.strip_suffix('*') {
                // Any actor: a first start is no restart.
                Some("") => is_restart,
                Some(prefix) => self.labels.base_text(label).starts_with(prefix),
                None if target.starts_with('*') => {
                    is_restart && self.is_target(target, slot, *place)
                }
                None => self.is_called(label, target),
            }
        })?;
        let place = self.faults.starts.remove(found);
        let action = self.faults.pending[place].fault.action;
        let kind = match action {
            FaultAction::SlowStart { by } => FaultKind::SlowStart { by_ns: nanos(by) },
            _ => how(action)?.0,
        };
        if action.ends_an_actor() {
            // Its supervisor does not hear of it as of a death, but counts it.
            let now_ns = self.now_ns;
            if let Some(tolerance) = self.tolerance_of(slot) {
                tolerance.ends.push_back(now_ns);
            }
        }
        self.note_injected(place, serial, kind);
        Some(action)
    }
}

/// How a callback goes wrong.
fn how(action: FaultAction) -> Option<(FaultKind, Turn)> {
    Some(match action {
        FaultAction::Panic(StepKind::Handle) => (FaultKind::Panic, Turn::Panic),
        FaultAction::Panic(part) => (FaultKind::PanicIn { part }, Turn::Panic),
        FaultAction::Fail(part) => (FaultKind::Fail { part }, Turn::Fail),
        FaultAction::Lose => (FaultKind::Lose, Turn::Lose),
        _ => return None,
    })
}
