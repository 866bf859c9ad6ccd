//! Actors and other tasks: their places, numbers and labels.

use ractor::{ActorCell, ActorStatus};
use retake::engine::TaskId;
use retake_traces::record::{Record, Task, TaskKind};
use tokio::task::AbortHandle;

use super::{SCENARIO, Slot, State, Who};
use crate::identity::clean;

impl State {
    pub(crate) fn start_actor(&mut self, cell: &ActorCell, type_name: &'static str) -> u32 {
        self.sweep();
        let slot = self.add(Who::Actor(cell.clone(), type_name));
        self.by_actor.insert(cell.get_id().pid(), slot);
        self.started += 1;
        slot
    }

    pub(crate) fn start_task(&mut self, name: &str) -> u32 {
        self.add(Who::Task(name.to_owned()))
    }

    pub(crate) fn actor(&self, pid: u64) -> Option<u32> {
        self.by_actor.get(&pid).copied()
    }

    pub(super) fn add(&mut self, who: Who) -> u32 {
        let slot = Slot::new(who);
        let place = match self.free.pop() {
            Some(place) => {
                self.slots[place as usize] = Some(slot);
                place
            }
            None => {
                self.slots.push(Some(slot));
                (self.slots.len() - 1) as u32
            }
        };
        // What is started outside any step is given its number when it runs.
        if self.running.is_some() && crate::recorder::in_step() {
            self.name(place);
        }
        place
    }

    /// See [`retake::engine::Engine::within`].
    pub(crate) fn within(&mut self, actor: Option<TaskId>) -> Option<TaskId> {
        std::mem::replace(&mut self.within, actor)
    }

    /// Give a task its number and label, and write them down.
    pub(super) fn name(&mut self, place: u32) {
        let parent = self.within.map(|actor| actor.0).or(self.running);
        let parent = parent.filter(|parent| *parent != place);
        let parent = parent.and_then(|running| self.slot(running));
        let parent = parent.and_then(|parent| Some((parent.serial?, parent.label?)));
        let Some(slot) = self.slots.get_mut(place as usize).and_then(Option::as_mut) else {
            return;
        };
        if slot.serial.is_some() {
            return;
        }
        let (kind, label) = match &slot.who {
            Who::Scenario => (TaskKind::Scenario, self.labels.of_task("scenario")),
            Who::Task(name) => (TaskKind::Task, self.labels.of_task(name)),
            Who::Actor(cell, type_name) => {
                let name = cell.get_name();
                let above = parent.map(|(_, label)| label);
                let label = self.labels.of_actor(name.as_deref(), type_name, above);
                (TaskKind::Actor, label)
            }
        };
        let serial = self.recorded.tasks;
        self.recorded.tasks += 1;
        slot.serial = Some(serial);
        slot.label = Some(label);
        let label = self.labels.label(label);
        let parent = parent.map(|(serial, _)| serial);
        let task = Task {
            id: serial,
            kind,
            label,
            parent,
        };
        self.write(&Record::Task(task));
    }

    pub(super) fn slot(&self, place: u32) -> Option<&Slot> {
        self.slots.get(place as usize)?.as_ref()
    }

    pub(super) fn slot_mut(&mut self, place: u32) -> Option<&mut Slot> {
        self.slots.get_mut(place as usize)?.as_mut()
    }

    /// A task is gone; to be dropped outside.
    pub(crate) fn remove(&mut self, place: u32) -> Option<Slot> {
        if place == SCENARIO {
            return None;
        }
        let slot = self.slots.get_mut(place as usize)?.take()?;
        if let Who::Actor(cell, _) = &slot.who {
            self.by_actor.remove(&cell.get_id().pid());
        }
        // Its place is not another's while it has the turn.
        if self.running != Some(place) {
            self.free.push(place);
        }
        Some(slot)
    }

    /// Of actors that were killed nobody tells that they have ended: look, now and then.
    pub(super) fn sweep(&mut self) {
        if self.started <= self.slots.len() / 2 + 64 {
            return;
        }
        self.started = 0;
        for place in 0..self.slots.len() as u32 {
            let has_ended = self.slot(place).is_some_and(|slot| {
                matches!(&slot.who, Who::Actor(cell, _) if cell.get_status() == ActorStatus::Stopped)
                    && !slot.queued
                    && self.running != Some(place)
            });
            if has_ended {
                // An actor's waker and cell are dropped here: its task is gone already.
                drop(self.remove(place));
            }
        }
    }

    pub(crate) fn set_text(&mut self, place: u32, text: String) {
        let text = clean(text, |pid| {
            let label = self.slot(self.actor(pid)?)?.label?;
            Some(self.labels.text(label))
        });
        if let Some(slot) = self.slot_mut(place) {
            slot.text = Some(text);
        }
    }

    pub(crate) fn set_handle(&mut self, place: u32, handle: AbortHandle) {
        if let Some(slot) = self.slot_mut(place) {
            slot.handle = Some(handle);
        }
    }

    pub(crate) fn set_input(&mut self, place: u32, name: &str, bytes: Vec<u8>) {
        if let Some(slot) = self.slot_mut(place) {
            slot.input = Some((name.to_owned(), bytes));
        }
    }

    pub(crate) fn label_of(&self, pid: u64) -> Option<String> {
        let label = self.slot(self.actor(pid)?)?.label?;
        Some(self.labels.text(label))
    }
}
