//! Beginnings and ends of actors, for the story and for causes.

use std::num::NonZeroU64;

use ractor::SupervisionEvent;
use retake::engine::{StepEnd, StepKind};
use retake_traces::record::{ActorEnd, Child, ChildNews, EndKind, Record};

use super::{Core, Mode};

impl Core {
    /// The number of the actor in this slot, if its end has to be recorded.
    pub(crate) fn watches_ends(&self, slot: u32) -> Option<u32> {
        let wanted = (self.layers.story || self.layers.causality) && self.mode.is_recorded();
        let task = self.tasks.get(slot).filter(|_| wanted && !self.is_over());
        task.map(|task| task.serial)
    }

    /// A step of an actor is over.
    pub(super) fn note_life(&mut self, slot: u32, part: StepKind, end: &StepEnd) {
        let is_last = match end {
            StepEnd::Panicked(_) | StepEnd::Failed(_) => true,
            StepEnd::Returned => part == StepKind::PostStop,
            StepEnd::Pending => false,
        };
        let step = NonZeroU64::new(self.stats.steps);
        let supervisor = match part {
            StepKind::PostStart => self
                .tasks
                .get(slot)
                .and_then(|task| task.cell.as_ref()?.try_get_supervisor())
                .and_then(|cell| self.tasks.slot_of_actor(cell.get_id().pid()))
                .and_then(|slot| Some((slot, self.tasks.get(slot)?.serial))),
            _ => None,
        };
        let Some(task) = self.tasks.get_mut(slot) else {
            return;
        };
        let about = task.about.get_or_insert_default();
        about.is_over |= is_last;
        if part == StepKind::PostStart {
            about.started_at = step;
            about.supervisor = supervisor;
        }
    }

    /// ractor says that the actor in this slot has ended.
    pub(crate) fn actor_ended(&mut self, slot: u32, serial: u32) {
        if self.is_over() || !matches!(self.mode, Mode::Steps) {
            return;
        }
        let Some(task) = self.tasks.get(slot).filter(|task| task.serial == serial) else {
            return;
        };
        let about = task.about.as_ref();
        let supervisor = about.and_then(|about| about.supervisor);
        let supervisor = supervisor.and_then(|(slot, serial)| {
            let task = self.tasks.get(slot);
            task.filter(|task| task.serial == serial)
        });
        let is_over = about.is_some_and(|about| about.is_over);
        let how = match supervisor {
            Some(supervisor) if !supervisor.is_live_actor() => {
                EndKind::KilledWith(self.labels.label(supervisor.label))
            }
            _ if about.is_none_or(|about| about.started_at.is_none()) => EndKind::NotStarted,
            _ => EndKind::Killed,
        };
        let pid = task.cell.as_ref().map(|cell| cell.get_id().pid());
        let step = self.woken_by.map_or(0, |(_, step)| step.get());
        if let (Some(pid), true) = (pid, step > 0) {
            self.ended_by.insert(pid, step);
        }
        // Of an end in a callback the step of that tells.
        if self.layers.story && !is_over {
            self.write(&Record::Ended(ActorEnd { task: serial, how }));
            if self.layers.causality && step > 0 {
                self.write(&Record::Cause(step));
            }
        }
    }

    /// A supervisor is about to hear of a child: keep what, for the story.
    pub(crate) fn news_of_child(&mut self, supervisor: u32, event: &SupervisionEvent) {
        if !self.layers.story {
            return;
        }
        let (child, news) = match event {
            SupervisionEvent::ActorStarted(child) => (child, ChildNews::Started),
            SupervisionEvent::ActorTerminated(child, _, None) => (child, ChildNews::Stopped),
            SupervisionEvent::ActorTerminated(child, ..) => (child, ChildNews::Ended),
            SupervisionEvent::ActorFailed(child, _) => (child, ChildNews::Failed),
            _ => return,
        };
        let slot = self.tasks.slot_of_actor(child.get_id().pid());
        let child = slot.and_then(|slot| self.tasks.get(slot));
        let child = child.map(|child| Child {
            task: child.serial,
            news,
        });
        if let Some(task) = self.tasks.get_mut(supervisor) {
            task.about.get_or_insert_default().child = child;
        }
    }

    /// A supervisor is about to hear of a child: keep which step caused it, since a busy
    /// supervisor hears of it later.
    pub(crate) fn caused_by_child(&mut self, supervisor: u32, event: &SupervisionEvent) {
        if !self.layers.causality {
            return;
        }
        let cause = match event {
            SupervisionEvent::ActorStarted(child) => {
                let slot = self.tasks.slot_of_actor(child.get_id().pid());
                let task = slot.and_then(|slot| self.tasks.get(slot));
                task.and_then(|task| task.about.as_ref()?.started_at)
            }
            SupervisionEvent::ActorTerminated(child, ..)
            | SupervisionEvent::ActorFailed(child, _) => self
                .ended_by
                .remove(&child.get_id().pid())
                .and_then(NonZeroU64::new),
            _ => None,
        };
        if let Some(task) = self.tasks.get_mut(supervisor) {
            task.about.get_or_insert_default().cause = cause;
        }
    }
}
