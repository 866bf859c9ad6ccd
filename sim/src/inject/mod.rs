//! What faults do to a run: when each is injected, into which task, and what lasts.
//!
//! A second part of the core: nothing here runs user code. Actors to be killed or stopped
//! and wakers to be woken are handed to the engine.

mod callbacks;
mod lasting;
mod points;
mod supervision;

use std::collections::{BTreeMap, VecDeque};
use std::task::Waker;
use std::time::Duration;

use ractor::ActorCell;
use rand_chacha::ChaCha8Rng;
use retake_traces::record::{Fault as FaultRecord, FaultKind, Record};

use crate::core::Core;
use crate::fault::{CHILD, Fault, FaultAction, NEXT, SUPERVISED, Skew, When};
use crate::timers::Action;

/// What the engine does to an actor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    Kill,
    Stop,
    Drain,
}

/// A fault asked for, and what became of it.
#[derive(Debug)]
struct Pending {
    fault: Fault,
    /// Its time has come, and it is injected as soon as possible.
    has_come: bool,
    is_over: bool,
}

/// A callback that is to go wrong when it runs.
#[derive(Debug)]
struct Armed {
    place: usize,
    serial: u32,
}

/// How many ends of children a supervisor survives.
#[derive(Debug)]
struct Tolerance {
    intensity: u32,
    period_ns: u64,
    /// When children ended, within the period.
    ends: VecDeque<u64>,
    /// Injected, and not seen by a supervisor yet.
    expected: u32,
}

/// A wall clock that is wrong.
#[derive(Clone, Copy, Debug)]
struct WrongClock {
    skew: Skew,
    since_ns: u64,
    until_ns: u64,
}

/// All about the faults of a run.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    pending: Vec<Pending>,
    /// Some fault waits for a step.
    pub(crate) wait_for_steps: bool,
    /// Until when tasks are delayed, by serial.
    delays: BTreeMap<u32, u64>,
    /// By how much each step of a task is, and until when, by serial.
    slows: BTreeMap<u32, (u64, u64)>,
    armed: Vec<Armed>,
    /// Faults that wait for an actor to start.
    starts: Vec<usize>,
    /// Actors that start late, by slot.
    slow_starts: BTreeMap<u32, u64>,
    pub(crate) paused_until_ns: u64,
    late: (u64, u64),
    coalesce: (u64, u64),
    clock: Option<WrongClock>,
    load: Option<u32>,
    /// A heal was asked for and has not come.
    awaits_heal: bool,
    heal_wakers: Vec<Waker>,
    /// To be woken by the engine.
    pub(crate) wakes: Vec<Waker>,
    /// Actors into which the engine has to inject.
    pub(crate) effects: Vec<(ActorCell, Effect)>,
    /// Names to be taken when they are free, and until when.
    name_conflicts: Vec<(String, u64)>,
    /// Names that are free now: the engine takes them.
    pub(crate) free_names: Vec<(String, u64)>,
    tolerances: BTreeMap<u32, Tolerance>,
    jitter: Option<Box<ChaCha8Rng>>,
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// How the event begins that tells the name of a point.
pub(crate) const POINT: &str = "misbehaves at ";

impl Faults {
    /// Some fault may let an actor start otherwise than it would.
    pub(crate) fn await_starts(&self) -> bool {
        !self.starts.is_empty() || !self.slow_starts.is_empty()
    }

    pub(crate) fn has_delays(&self) -> bool {
        !self.delays.is_empty() || !self.slows.is_empty()
    }

    fn is_due(&self, place: usize, step: u64) -> bool {
        let pending = &self.pending[place];
        // Eager steps may have passed the exact number.
        let has_come = matches!(pending.fault.when, When::Step(at) if at <= step);
        (has_come || pending.has_come) && !pending.is_over
    }
}

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

    /// Faults that were not injected.
    pub(crate) fn not_injected(&self) -> Vec<String> {
        let pending = self.faults.pending.iter().filter(|pending| {
            !pending.is_over && !matches!(pending.fault.action, FaultAction::Heal { .. })
        });
        pending
            .map(|pending| {
                let why = match pending.fault.action {
                    FaultAction::Point => "that place was not reached from then on",
                    FaultAction::Panic(_) | FaultAction::Fail(_) | FaultAction::Lose => {
                        "no such callback ran from then on"
                    }
                    _ if pending.fault.target == SUPERVISED => {
                        "no supervised actor ran whose supervisor could stand it"
                    }
                    _ => "no such task was alive then",
                };
                format!("fault `{}` was not injected: {why}", pending.fault)
            })
            .collect()
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
