//! How things stood after a step.

use std::collections::BTreeMap;

use serde::Serialize;

use super::checkpoint::{Message, is_queued};
use super::{TaskEnd, Timeline};
use retake_traces::error::TraceError;
use retake_traces::event::WholeEvent;
use retake_traces::record::StepKind;

/// The tasks after a step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct World {
    /// The step.
    pub step: u64,
    /// Virtual time in nanoseconds.
    pub now_ns: u64,
    /// Tasks that have started and are not known to have ended, in the order of starting.
    pub alive: Vec<TaskAt>,
    /// How many have ended.
    pub ended: usize,
}

/// A task after a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct TaskAt {
    /// Its number, see [`Timeline::tasks`].
    pub task: u32,
    /// Its last step, 0 for none.
    pub last_step: u64,
    /// Messages sent to it whose handling has not started. Not counted are those that were
    /// dropped when it ended, and those that no step sent: timers of ractor's own. Traces of
    /// format versions before 4, and of live processes, have only those handled later.
    pub mailbox: u32,
    /// True when it takes another step later.
    pub steps_again: bool,
}

/// A message in a mailbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct QueuedMessage {
    /// The step that sent it.
    pub sent: u64,
    /// Who sent it.
    pub from: String,
    /// The step that handles it; none if it was still there at the end of the run.
    pub handled: Option<u64>,
    /// Its text, if that was recorded.
    pub text: Option<String>,
}

/// The state of an actor after a step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StateAt {
    /// The state as text.
    pub text: String,
    /// How it is known.
    pub seen: StateAge,
}

/// How the state of an actor is known: states are recorded as callbacks find them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StateAge {
    /// The callback that this step begins found it.
    Next(u64),
    /// It was so at the end of the run.
    AtEnd,
    /// No callback came after, and nothing else was recorded: this is what the callback
    /// of this step found, and it may have changed since.
    Before(u64),
}

impl Timeline {
    /// Steps are numbered up to the last.
    fn clamp(&self, step: u64) -> u64 {
        step.min(self.steps)
    }

    /// The numbers of the segments with the steps after one step up to another, and what
    /// comes with them.
    fn segments_of(&self, after: u64, to: u64) -> std::ops::Range<usize> {
        let end = self.places().partition_point(|place| place.steps <= to);
        self.segments.of_step(after + 1)..end
    }

    /// Visit the events of the steps after `after` up to `to`, in order.
    pub(super) fn visit(
        &mut self,
        after: u64,
        to: u64,
        mut visit: impl FnMut(&WholeEvent),
    ) -> Result<(), TraceError> {
        if after >= to {
            return Ok(());
        }
        for number in self.segments_of(after, to) {
            let segment = self.segments.get(number)?;
            let events = &segment.events;
            let first = events.partition_point(|event| event.step <= after);
            let here = events[first..].iter();
            here.take_while(|event| event.step <= to)
                .for_each(&mut visit);
        }
        Ok(())
    }

    /// Messages that are sent by a step up to this one, and handled by a later one; in the
    /// order of handling.
    fn on_their_way(&mut self, step: u64) -> Result<Vec<Message>, TraceError> {
        let (from, mut messages) = match self.checkpoints.before(step) {
            Some(before) => (before.step, before.messages.clone()),
            None => (0, Vec::new()),
        };
        messages.retain(|message| message.handled > step && message.is_queued);
        if from == step {
            return Ok(messages);
        }
        let (to, rest) = match self.checkpoints.after(step) {
            Some(after) => (after.step, after.messages.clone()),
            None => (self.steps, Vec::new()),
        };
        let mut found = Vec::new();
        self.visit(step, to, |event| {
            if let (Some(it), Some(sent)) = (event.as_step(), event.cause)
                && is_queued(it.kind)
                && sent > from
                && sent <= step
            {
                found.push(Message {
                    to: it.task,
                    sent,
                    handled: event.step,
                    is_queued: true,
                });
            }
        })?;
        let sent_since =
            |message: &Message| message.is_queued && message.sent > from && message.sent <= step;
        messages.extend(found);
        messages.extend(rest.into_iter().filter(sent_since));
        messages.sort_unstable_by_key(|message| message.handled);
        Ok(messages)
    }

    /// The tasks after a step.
    ///
    /// # Errors
    /// If the file cannot be read any more.
    pub fn world(&mut self, step: u64) -> Result<World, TraceError> {
        let step = self.clamp(step);
        let mut last_steps: BTreeMap<u32, u64> = BTreeMap::new();
        let mut from = 0;
        if let Some(checkpoint) = self.checkpoints.before(step) {
            from = checkpoint.step;
            let entries = checkpoint.entries.iter();
            last_steps.extend(entries.map(|(task, entry)| (*task, entry.last_step)));
        }
        self.visit(from, step, |event| {
            if let Some(it) = event.as_step() {
                last_steps.insert(it.task, event.step);
            }
        })?;
        let mut mailboxes: BTreeMap<u32, u32> = BTreeMap::new();
        for message in self.on_their_way(step)? {
            *mailboxes.entry(message.to).or_default() += 1;
        }
        for message in self.left.iter().filter(|message| message.sent <= step) {
            *mailboxes.entry(message.to).or_default() += 1;
        }
        let has_ended = |ended: Option<TaskEnd>| ended.is_some_and(|ended| ended.step <= step);
        let mut world = World {
            step,
            now_ns: self.now_ns(step)?,
            alive: Vec::new(),
            ended: 0,
        };
        for life in &self.tasks {
            if life.started > step {
                break;
            }
            if has_ended(life.ended) {
                world.ended += 1;
                continue;
            }
            let last = last_steps.get(&life.id).copied();
            let last_step = last.unwrap_or(if life.last_step <= step {
                life.last_step
            } else {
                0
            });
            world.alive.push(TaskAt {
                task: life.id,
                last_step,
                mailbox: mailboxes.get(&life.id).copied().unwrap_or(0),
                steps_again: life.last_step > step,
            });
        }
        Ok(world)
    }

    /// The messages in a task's mailbox after a step, in the order in which it handles
    /// them; at most `most`. See [`TaskAt::mailbox`] for those that are not known.
    ///
    /// # Errors
    /// If the file cannot be read any more.
    pub fn mailbox(
        &mut self,
        task: u32,
        step: u64,
        most: usize,
    ) -> Result<Vec<QueuedMessage>, TraceError> {
        let step = self.clamp(step);
        let mut messages = self.on_their_way(step)?;
        messages.retain(|message| message.to == task);
        messages.truncate(most);
        let mut queued = Vec::new();
        for message in messages {
            let text = self
                .step(message.handled)?
                .and_then(|line| line.event.detail);
            let from = self.step(message.sent)?;
            queued.push(QueuedMessage {
                sent: message.sent,
                from: from.map_or_else(String::new, |line| line.who.to_string()),
                handled: Some(message.handled),
                text,
            });
        }
        self.add_unhandled(task, step, most, &mut queued)?;
        Ok(queued)
    }

    /// Add the messages of a mailbox that it had until the end, up to `most` in all.
    fn add_unhandled(
        &mut self,
        task: u32,
        step: u64,
        most: usize,
        queued: &mut Vec<QueuedMessage>,
    ) -> Result<(), TraceError> {
        let of_task = |it: &&super::LeftMessage| it.to == task && it.sent <= step;
        let left: Vec<_> = self.left.iter().filter(of_task).copied().collect();
        let mut segment = None;
        // Those of a segment are in the same order there.
        let mut place = 0;
        for message in left.iter().take(most.saturating_sub(queued.len())) {
            let number = self.segments.of_offset(message.offset);
            if segment != Some(number) {
                (segment, place) = (Some(number), 0);
            }
            let there = self.segments.get(number)?;
            let mut rest = there.unhandled().enumerate().skip(place);
            let found = rest.find(|(_, it)| it.task == task && it.sent == message.sent);
            let text = found.map(|(index, it)| {
                place = index + 1;
                it.text.clone()
            });
            let from = self.step(message.sent)?;
            queued.push(QueuedMessage {
                sent: message.sent,
                from: from.map_or_else(String::new, |line| line.who.to_string()),
                handled: None,
                text,
            });
        }
        Ok(())
    }

    /// The state of an actor after a step; none if no state of it is recorded up to then.
    ///
    /// # Errors
    /// If the file cannot be read any more.
    pub fn state(&mut self, task: u32, step: u64) -> Result<Option<StateAt>, TraceError> {
        let step = self.clamp(step);
        let Some(life) = self.tasks.get(task as usize).cloned() else {
            return Ok(None);
        };
        if life.started > step || !self.header.layers.states {
            return Ok(None);
        }
        // The callback after the step has found it.
        let (next, changes) = self.next_callback(task, step)?;
        if next > 0 && changes {
            let text = self.recorded_state(task, next)?;
            let seen = StateAge::Next(next);
            return Ok(text.map(|text| StateAt { text, seen }));
        }
        if next == 0
            && let Some(offset) = life.end_state
        {
            let text = self.state_at_end(task, offset)?;
            let seen = StateAge::AtEnd;
            return Ok(text.map(|text| StateAt { text, seen }));
        }
        // Otherwise it is still the one recorded last.
        let last = self.last_recorded(task, step)?;
        if last == 0 {
            return Ok(None);
        }
        let seen = match next {
            0 => StateAge::Before(last),
            next => StateAge::Next(next),
        };
        let text = self.recorded_state(task, last)?;
        Ok(text.map(|text| StateAt { text, seen }))
    }

    /// The first step after this one that begins a callback of the task, 0 for none, and
    /// whether it has recorded a state.
    pub(super) fn next_callback(
        &mut self,
        task: u32,
        step: u64,
    ) -> Result<(u64, bool), TraceError> {
        let (to, entry) = match self.checkpoints.after(step) {
            Some(after) => (after.step, after.entries.get(&task).copied()),
            None => (self.steps, None),
        };
        let mut found = (0, false);
        self.visit(step, to, |event| {
            if let Some(it) = event.as_step()
                && it.task == task
                && it.kind != StepKind::Resume
                && found.0 == 0
            {
                found = (event.step, event.state.is_some());
            }
        })?;
        if let (0, Some(entry)) = (found.0, entry) {
            found = (entry.next_callback, entry.changes);
        }
        Ok(found)
    }

    /// The last step up to this one that has recorded a state of the task, 0 for none.
    fn last_recorded(&mut self, task: u32, step: u64) -> Result<u64, TraceError> {
        let final_state = self.tasks.get(task as usize).map_or(0, |life| life.state);
        if final_state <= step {
            return Ok(final_state);
        }
        let (from, mut last) = match self.checkpoints.before(step) {
            Some(before) => {
                let entry = before.entries.get(&task);
                (before.step, entry.map_or(0, |entry| entry.state))
            }
            None => (0, 0),
        };
        self.visit(from, step, |event| {
            if event.state.is_some() && event.task == Some(task) {
                last = event.step;
            }
        })?;
        Ok(last)
    }

    pub(super) fn recorded_state(
        &mut self,
        task: u32,
        step: u64,
    ) -> Result<Option<String>, TraceError> {
        let segment = self.segments.get(self.segments.of_step(step))?;
        let found = segment.step(step).filter(|event| event.task == Some(task));
        Ok(found.and_then(|event| event.state.clone()))
    }

    pub(super) fn state_at_end(
        &mut self,
        task: u32,
        offset: u64,
    ) -> Result<Option<String>, TraceError> {
        let segment = self.segments.get(self.segments.of_offset(offset))?;
        let found = segment.end_states.iter().find(|state| state.task == task);
        Ok(found.map(|state| state.text.clone()))
    }

    /// Virtual time of a step, in nanoseconds.
    ///
    /// # Errors
    /// If the file cannot be read any more.
    pub fn now_ns(&mut self, step: u64) -> Result<u64, TraceError> {
        Ok(self.step(step)?.map_or(0, |line| line.now_ns))
    }
}
