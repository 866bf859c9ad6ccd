//! Injecting faults: when each is due, into which task, and what it does to the run.
//!
//! Nothing here runs user code. Actors to be killed or stopped and wakers to be woken are
//! handed to the engine.

mod callbacks;
mod lasting;
mod missed;
#[cfg(feature = "net")]
mod packets;
mod points;
mod requests;
mod supervision;

use std::time::Duration;

use ractor::ActorCell;
use retake_traces::fault::{Action, Effect, Fault, Moment, Target, When};
use retake_traces::label::is_meant;
use retake_traces::record::{Injection, Record};
use retake_traces::time::nanos;

use super::Core;
use crate::inject::{ArmedCallback, PendingFault};
use crate::injector::{RunView, TaskView};
use crate::task::Task;
use crate::timers;

impl Core {
    /// Remember a fault until its time.
    pub(crate) fn plan(&mut self, fault: Fault) {
        let place = self.faults.pending.len();
        let moment = fault.action.moment();
        match fault.when {
            // The request asks when it is made.
            _ if moment == Moment::Request => self.faults.has_requests = true,
            _ if moment == Moment::Packet => self.faults.has_packets = true,
            When::Step(_) => self.faults.wait_for_steps = true,
            When::At(time) => {
                self.timers.add(nanos(time), timers::Action::Fault(place));
            }
        }
        self.faults.has_places |= moment == Moment::Place;
        self.faults.awaits_heal |= fault.heals();
        self.faults.pending.push(PendingFault {
            moment,
            effect: fault.action.effect(),
            fault,
            has_come: false,
            is_over: false,
        });
    }

    /// What an injector sees.
    pub(crate) fn run_view(&self) -> RunView {
        let mut tasks: Vec<_> = self.tasks.iter().collect();
        tasks.sort_unstable_by_key(|(_, task)| task.serial);
        let alive = tasks
            .into_iter()
            .filter(|(_, task)| task.is_live_actor() || !task.is_actor());
        let label = |task: &Task| self.labels.text(task.label);
        let seen = alive.map(|(slot, task)| TaskView {
            label: label(task),
            is_actor: task.is_actor(),
            is_runnable: self.runnable.contains(slot),
            supervisor: self.supervisor(slot).map(label),
        });
        RunView {
            step: self.stats.steps + 1,
            now: Duration::from_nanos(self.now_ns),
            tasks: seen.collect(),
        }
    }

    /// The time of a fault has come.
    pub(crate) fn inject_at_time(&mut self, place: usize) {
        if self.faults.pending[place].is_over {
            return;
        }
        // What cannot be injected now may be at a step from now on.
        let pending = &self.faults.pending[place];
        let may_wait = pending.fault.target.is_drawn()
            || matches!(pending.moment, Moment::Await | Moment::Place);
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

    /// Whether one of the targets that are drawn may be this task.
    fn is_target(&self, target: &Target, slot: u32, place: usize) -> bool {
        match target {
            Target::Next => true,
            Target::Child => self.supervisor_serial(slot).is_some(),
            Target::Supervised => {
                self.supervisor_serial(slot).is_some() && self.supervisor_survives(place, slot)
            }
            Target::Run | Target::Named(_) | Target::All(_) => false,
        }
    }

    fn supervisor_of(&self, slot: u32) -> Option<ActorCell> {
        self.tasks.get(slot)?.cell.as_ref()?.try_get_supervisor()
    }

    /// The latest incarnation of a name that is alive, or all whose labels begin so.
    fn named(&self, target: &Target) -> Vec<u32> {
        let mut slots: Vec<(u32, u32)> = self
            .tasks
            .iter()
            .filter(|(_, task)| {
                self.is_meant(task.label, target) && (task.is_live_actor() || !task.is_actor())
            })
            .map(|(slot, task)| (task.serial, slot))
            .collect();
        slots.sort_unstable();
        let count = match target {
            Target::All(_) => slots.len(),
            _ => 1,
        };
        let skipped = slots.len().saturating_sub(count);
        slots[skipped..].iter().map(|(_, slot)| *slot).collect()
    }

    /// Whether a target names this label.
    fn is_meant(&self, label: crate::identity::LabelId, target: &Target) -> bool {
        let base = self.labels.base_text(label);
        match target {
            Target::Named(name) => is_meant(base, label.parts().1, name),
            Target::All(prefix) => base.starts_with(&**prefix),
            Target::Run | Target::Next | Target::Child | Target::Supervised => false,
        }
    }

    /// Inject, if the target is known without knowing who comes next.
    fn inject(&mut self, place: usize) -> bool {
        let PendingFault { fault, moment, .. } = &self.faults.pending[place];
        let (target, moment) = (fault.target.clone(), *moment);
        match moment {
            Moment::Run => self.inject_into_run(place),
            // The place asks when it is reached, and the request when it is made.
            Moment::Place | Moment::Request | Moment::Packet => false,
            Moment::Start => {
                if !self.faults.starts.contains(&place) {
                    self.faults.starts.push(place);
                }
                false
            }
            Moment::Await if target.is_drawn() => {
                let waiting = self.tasks.iter();
                let waiting = waiting.filter(|(_, task)| task.suspended && task.is_live_actor());
                let waiting: Vec<u32> = waiting.map(|(slot, _)| slot).collect();
                self.inject_into_first(place, &target, &waiting)
            }
            Moment::Task | Moment::Await | Moment::Callback(_) => {
                if self.faults.armed.iter().any(|armed| armed.place == place) {
                    return false;
                }
                if target.is_drawn() {
                    // Not the one that is chosen: a recorded run has chosen another one.
                    let ready: Vec<u32> = self.runnable.in_order().collect();
                    return self.inject_into_first(place, &target, &ready);
                }
                let mut injected = false;
                for slot in self.named(&target) {
                    injected |= self.inject_with_siblings(place, slot);
                }
                injected
            }
        }
    }

    /// Inject into the first of these tasks that the target may be.
    fn inject_into_first(&mut self, place: usize, target: &Target, slots: &[u32]) -> bool {
        let mut slots = slots.iter().copied();
        let victim = slots.find(|slot| self.is_target(target, *slot, place));
        victim.is_some_and(|slot| self.inject_with_siblings(place, slot))
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
        let PendingFault { moment, effect, .. } = &self.faults.pending[place];
        let (moment, effect) = (*moment, effect.clone());
        let Some(task) = self.tasks.get_mut(slot) else {
            return false;
        };
        let serial = task.serial;
        if let Moment::Callback(_) = moment {
            if task.cell.is_some() {
                task.is_armed = true;
                self.faults.armed.push(ArmedCallback { place, serial });
            }
            return false;
        }
        if moment == Moment::Await && !task.suspended {
            return false;
        }
        match effect {
            Effect::Kill | Effect::Stop | Effect::Drain => {
                let Some(cell) = task.cell.clone() else {
                    return false;
                };
                self.faults.effects.push((cell, effect));
            }
            Effect::Delay { until_ns } => self.delay(slot, serial, until_ns),
            Effect::Slow { by_ns, until_ns } => {
                self.faults.slows.insert(serial, (by_ns, until_ns));
            }
            Effect::TakeName { until_ns } => {
                let Some(name) = task.cell.as_ref().and_then(ActorCell::get_name) else {
                    return false;
                };
                self.faults.name_conflicts.push((name, until_ns));
            }
            // Of callbacks and starts, or of the whole run.
            _ => return false,
        }
        if self.ends_an_actor(place) {
            self.expect_end(slot);
        }
        self.note_injected(place, serial);
        true
    }

    fn ends_an_actor(&self, place: usize) -> bool {
        self.faults.pending[place].fault.action.ends_an_actor()
    }

    /// Note and record that a fault was injected into a task.
    fn note_injected(&mut self, place: usize, serial: u32) {
        let pending = &mut self.faults.pending[place];
        pending.is_over = true;
        let action = pending.fault.action.clone();
        self.record_fault(serial, action);
    }

    fn record_fault(&mut self, serial: u32, action: Action) {
        self.stats.faults += u64::from(!matches!(action, Action::Heal(_)));
        let record = Injection {
            elapsed_ns: self.elapsed_ns(),
            task: serial,
            action,
        };
        self.write(&Record::Fault(record));
    }
}
