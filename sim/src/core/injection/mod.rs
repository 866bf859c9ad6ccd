//! Injecting faults: when each is due, into which task, and what it does to the run.
//!
//! Nothing here runs user code. Actors to be killed or stopped and wakers to be woken are
//! handed to the engine.

mod callbacks;
mod lasting;
mod points;
mod supervision;

use ractor::ActorCell;
use retake_traces::record::{Fault as FaultRecord, FaultKind, Record};

use super::Core;
use crate::fault::{CHILD, Fault, FaultAction, NEXT, SUPERVISED, When};
use crate::inject::{Armed, Effect, Pending, nanos};
use crate::timers::Action;

impl Core {
    /// Remember a fault until its time.
    pub(crate) fn plan(&mut self, fault: Fault) {
        let place = self.faults.pending.len();
        match fault.when {
            When::Step(_) => self.faults.wait_for_steps = true,
            When::At(time) => {
                self.timers.add(nanos(time), Action::Fault(place));
            }
        }
        self.faults.awaits_heal |= matches!(fault.action, FaultAction::Heal { .. });
        self.faults.pending.push(Pending {
            fault,
            has_come: false,
            is_over: false,
        });
    }

    /// The time of a fault has come.
    pub(crate) fn inject_at_time(&mut self, place: usize) {
        if self.faults.pending[place].is_over {
            return;
        }
        // What cannot be injected now may be at a step from now on.
        let Fault { target, action, .. } = &self.faults.pending[place].fault;
        let may_wait = target.starts_with('*')
            || matches!(
                action,
                FaultAction::Kill { awaiting: true } | FaultAction::Point
            );
        if may_wait {
            self.faults.pending[place].has_come = true;
            self.faults.wait_for_steps = true;
        } else {
            self.inject(place);
        }
    }

    /// Inject what is due before this step.
    pub(crate) fn inject_for_step(&mut self, step: u64) -> bool {
        let mut injected = false;
        for place in 0..self.faults.pending.len() {
            if self.faults.is_due(place, step) {
                injected |= self.inject(place);
            }
        }
        injected
    }

    /// Whether one of the targets that begin with a star may be this task.
    fn is_target(&self, target: &str, slot: u32, place: usize) -> bool {
        match target {
            NEXT => true,
            CHILD => self.supervisor_serial(slot).is_some(),
            SUPERVISED => {
                self.supervisor_serial(slot).is_some() && self.supervisor_stands(place, slot)
            }
            _ => false,
        }
    }

    fn supervisor_of(&self, slot: u32) -> Option<ActorCell> {
        self.tasks.get(slot)?.cell.as_ref()?.try_get_supervisor()
    }

    /// The latest incarnation of a name that is alive, or all whose labels begin so.
    fn named(&self, target: &str) -> Vec<u32> {
        let prefix = target.strip_suffix('*');
        let mut slots: Vec<(u32, u32)> = self
            .tasks
            .iter()
            .filter(|(_, task)| {
                let is_named = match prefix {
                    Some(prefix) => self.labels.base_text(task.label).starts_with(prefix),
                    None => self.is_called(task.label, target),
                };
                is_named && (task.is_live_actor() || !task.is_actor())
            })
            .map(|(slot, task)| (task.serial, slot))
            .collect();
        slots.sort_unstable();
        let count = if prefix.is_some() { slots.len() } else { 1 };
        let skipped = slots.len().saturating_sub(count);
        slots[skipped..].iter().map(|(_, slot)| *slot).collect()
    }

    fn is_called(&self, label: crate::identity::Label, target: &str) -> bool {
        let base = self.labels.base_text(label);
        base == target || (target.starts_with(base) && self.labels.text(label) == target)
    }

    /// Inject, if the target is known without knowing who comes next.
    fn inject(&mut self, place: usize) -> bool {
        let Fault { target, action, .. } = &self.faults.pending[place].fault;
        let (target, action) = (target.clone(), *action);
        match action {
            _ if action.is_about_the_run() => self.inject_into_run(place),
            FaultAction::Point => false,
            _ if action.is_of_a_start() => {
                if !self.faults.starts.contains(&place) {
                    self.faults.starts.push(place);
                }
                false
            }
            FaultAction::Kill { awaiting: true } if target.starts_with('*') => {
                let waiting: Vec<u32> = self
                    .tasks
                    .iter()
                    .filter(|(_, task)| task.suspended && task.is_live_actor())
                    .map(|(slot, _)| slot)
                    .collect();
                let victim = waiting
                    .into_iter()
                    .find(|slot| self.is_target(&target, *slot, place));
                victim.is_some_and(|slot| self.inject_with_siblings(place, slot))
            }
            _ => {
                if self.faults.armed.iter().any(|armed| armed.place == place) {
                    return false;
                }
                if matches!(&*target, NEXT | SUPERVISED | CHILD) {
                    // Not who is chosen: a recorded run has chosen somebody else.
                    let ready: Vec<u32> = self.runnable.in_order().collect();
                    let victim = ready
                        .into_iter()
                        .find(|slot| self.is_target(&target, *slot, place));
                    return victim.is_some_and(|slot| self.inject_with_siblings(place, slot));
                }
                let mut injected = false;
                for slot in self.named(&target) {
                    injected |= self.inject_with_siblings(place, slot);
                }
                injected
            }
        }
    }

    /// Inject into a task, and siblings of it.
    fn inject_with_siblings(&mut self, place: usize, slot: u32) -> bool {
        let siblings = self.faults.pending[place].fault.siblings as usize;
        let mut slots = vec![slot];
        if siblings > 0
            && let Some(supervisor) = self.supervisor_of(slot)
        {
            let is_sibling = |other: u32| {
                let of = self.supervisor_of(other);
                other != slot && of.is_some_and(|it| it.get_id() == supervisor.get_id())
            };
            let others = self.tasks.iter().filter(|(_, task)| task.is_live_actor());
            let others = others.map(|(slot, _)| slot).filter(|it| is_sibling(*it));
            slots.extend(others.take(siblings));
        }
        let mut injected = false;
        for slot in slots {
            injected |= self.inject_into_slot(place, slot);
        }
        injected
    }

    fn inject_into_slot(&mut self, place: usize, slot: u32) -> bool {
        let action = self.faults.pending[place].fault.action;
        let Some(task) = self.tasks.get_mut(slot) else {
            return false;
        };
        let serial = task.serial;
        let kind = match action {
            FaultAction::Kill { awaiting } => {
                let Some(cell) = task.cell.clone() else {
                    return false;
                };
                if awaiting && !task.suspended {
                    return false;
                }
                self.faults.effects.push((cell, Effect::Kill));
                FaultKind::Kill
            }
            FaultAction::Stop | FaultAction::Drain => {
                let Some(cell) = task.cell.clone() else {
                    return false;
                };
                let (effect, kind) = match action {
                    FaultAction::Stop => (Effect::Stop, FaultKind::Stop),
                    _ => (Effect::Drain, FaultKind::Drain),
                };
                self.faults.effects.push((cell, effect));
                kind
            }
            FaultAction::Panic(_) | FaultAction::Fail(_) | FaultAction::Lose => {
                if task.cell.is_some() {
                    task.is_armed = true;
                    self.faults.armed.push(Armed { place, serial });
                }
                return false;
            }
            FaultAction::Delay { until } => {
                let until_ns = nanos(until);
                self.delay(slot, serial, until_ns);
                FaultKind::Delay { until_ns }
            }
            FaultAction::Slow { by, until } => {
                let (by_ns, until_ns) = (nanos(by), nanos(until));
                self.faults.slows.insert(serial, (by_ns, until_ns));
                FaultKind::Slow { by_ns, until_ns }
            }
            FaultAction::Squat { until } => {
                let Some(name) = task.cell.as_ref().and_then(ActorCell::get_name) else {
                    return false;
                };
                let until_ns = nanos(until);
                self.faults.name_conflicts.push((name, until_ns));
                FaultKind::Squat { until_ns }
            }
            _ => return false,
        };
        if action.ends_an_actor() {
            self.expect_end(slot);
        }
        self.note_injected(place, serial, kind);
        true
    }

    /// Note and record that a fault was injected into a task.
    fn note_injected(&mut self, place: usize, serial: u32, kind: FaultKind) {
        self.faults.pending[place].is_over = true;
        self.record_fault(serial, kind);
    }

    fn record_fault(&mut self, serial: u32, kind: FaultKind) {
        self.stats.faults += u64::from(!matches!(kind, FaultKind::Heal { .. }));
        let record = FaultRecord {
            elapsed_ns: self.elapsed_ns(),
            task: serial,
            kind,
        };
        self.write(&Record::Fault(record));
    }
}
