//! Steps by number, time, text, and by what led to them.

use super::{MarkKind, Timeline};
use crate::story::Line;
use retake_traces::error::TraceError;
use retake_traces::event::{Occurrence, WholeEvent};
use retake_traces::record::StepKind;

/// Where to search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Towards the end.
    Forward,
    /// Towards the beginning.
    Backward,
}

impl Timeline {
    /// The line of a step; none for step 0 and beyond the last.
    ///
    /// # Errors
    /// If the file cannot be read any more.
    pub fn step(&mut self, step: u64) -> Result<Option<Line>, TraceError> {
        if step == 0 || step > self.steps {
            return Ok(None);
        }
        let segment = self.segments.get(self.segments.of_step(step))?;
        Ok(segment.step(step).cloned().map(Line::from))
    }

    /// All lines of these steps, with what happened during and after each.
    ///
    /// # Errors
    /// If the file cannot be read any more.
    pub fn lines(&mut self, first: u64, last: u64) -> Result<Vec<Line>, TraceError> {
        let mut lines = Vec::new();
        if first == 0 {
            // What came before the first step.
            let end = self.places().partition_point(|place| place.steps == 0);
            for number in 0..end {
                let segment = self.segments.get(number)?;
                let before = segment.events.iter().take_while(|event| event.step == 0);
                lines.extend(before.cloned().map(Line::from));
            }
        }
        let last = last.min(self.steps);
        self.visit(first.max(1) - 1, last, |event| {
            lines.push(Line::from(event.clone()));
        })?;
        Ok(lines)
    }

    /// The last step up to this virtual time, in nanoseconds; 0 before the first step.
    ///
    /// # Errors
    /// If the file cannot be read any more.
    pub fn step_at(&mut self, now_ns: u64) -> Result<u64, TraceError> {
        let after = self
            .places()
            .partition_point(|place| place.now_ns <= now_ns);
        let Some(number) = after.checked_sub(1) else {
            return Ok(0);
        };
        let before = self.places()[number].steps;
        let segment = self.segments.get(number)?;
        let within = segment.events.iter().filter(|event| event.now_ns <= now_ns);
        Ok(within.map(|event| event.step).max().unwrap_or(before))
    }

    /// The nearest line for which `wanted` holds, of a step after this one or before it.
    ///
    /// # Errors
    /// If the file cannot be read any more.
    pub fn find(
        &mut self,
        step: u64,
        direction: Direction,
        mut wanted: impl FnMut(&WholeEvent) -> bool,
    ) -> Result<Option<Line>, TraceError> {
        let count = self.places().len();
        match direction {
            Direction::Forward => {
                for number in self.segments.of_step(step.saturating_add(1))..count {
                    let segment = self.segments.get(number)?;
                    let mut later = segment.events.iter().filter(|event| event.step > step);
                    if let Some(found) = later.find(|event| wanted(event)) {
                        return Ok(Some(found.clone().into()));
                    }
                }
            }
            Direction::Backward => {
                for number in (0..=self.segments.of_step(step.min(self.steps))).rev() {
                    let segment = self.segments.get(number)?;
                    let events = segment.events.iter().rev();
                    let mut earlier = events.filter(|event| event.step < step);
                    if let Some(found) = earlier.find(|event| wanted(event)) {
                        return Ok(Some(found.clone().into()));
                    }
                }
            }
        }
        Ok(None)
    }

    /// The next or previous step of a task.
    ///
    /// # Errors
    /// If the file cannot be read any more.
    pub fn find_step_of(
        &mut self,
        task: u32,
        step: u64,
        direction: Direction,
    ) -> Result<Option<u64>, TraceError> {
        let is_of = |event: &WholeEvent| event.is_step() && event.task == Some(task);
        let mut found = None;
        match direction {
            Direction::Forward => {
                let Some(life) = self
                    .tasks
                    .get(task as usize)
                    .filter(|it| it.last_step > step)
                else {
                    return Ok(None);
                };
                // Checkpoints know of tasks that have started.
                let step = step.max(life.started);
                let (to, entry) = match self.checkpoints.after(step) {
                    Some(after) => (after.step, after.entries.get(&task).copied()),
                    None => (self.steps, None),
                };
                self.visit(step, to, |event| {
                    if found.is_none() && is_of(event) {
                        found = Some(event.step);
                    }
                })?;
                Ok(found.or(entry.map(|entry| entry.next_step)))
            }
            Direction::Backward => {
                let Some(to) = step.min(self.steps + 1).checked_sub(1) else {
                    return Ok(None);
                };
                let (from, entry) = match self.checkpoints.before(to) {
                    Some(before) => (before.step, before.entries.get(&task).copied()),
                    None => (0, None),
                };
                self.visit(from, to, |event| {
                    if is_of(event) {
                        found = Some(event.step);
                    }
                })?;
                let life = self.tasks.get(task as usize);
                let last = match entry {
                    Some(entry) => entry.last_step,
                    None => life.map_or(0, |it| it.last_step),
                };
                Ok(found.or((last > 0 && last <= to).then_some(last)))
            }
        }
    }

    /// The step of the next or previous mark of a kind.
    ///
    /// # Errors
    /// If the file cannot be read any more.
    pub fn find_mark(
        &mut self,
        step: u64,
        direction: Direction,
        wanted: impl Fn(&MarkKind) -> bool,
    ) -> Result<Option<u64>, TraceError> {
        // Those that are not kept come last.
        let kept_to = match self.marks.last() {
            Some(last) if self.more_marks => last.step,
            _ => u64::MAX,
        };
        let mut kept = self.marks.iter().filter(|mark| wanted(&mark.kind));
        match direction {
            Direction::Forward => {
                if let Some(mark) = kept.find(|mark| mark.step > step) {
                    return Ok(Some(mark.step));
                }
                if kept_to == u64::MAX {
                    return Ok(None);
                }
            }
            Direction::Backward => {
                if step <= kept_to {
                    let found = kept.rev().find(|mark| mark.step < step);
                    return Ok(found.map(|mark| mark.step));
                }
            }
        }
        let from = match direction {
            Direction::Forward => step.max(kept_to),
            Direction::Backward => step,
        };
        let found = self.find(from, direction, |line| {
            mark_of(line).is_some_and(|kind| wanted(&kind))
        })?;
        Ok(found.map(|line| line.step))
    }

    /// The chain of steps that led to a step: the one that sent its message or woke it, the
    /// one that led to that one, and so on, the nearest first. At most `most`.
    ///
    /// # Errors
    /// If the file cannot be read any more.
    pub fn causes(&mut self, step: u64, most: usize) -> Result<Vec<Line>, TraceError> {
        let mut chain: Vec<Line> = Vec::new();
        let mut at = self.cause(step)?;
        while chain.len() < most
            && let Some(line) = at
        {
            let next = self.cause(line.step)?;
            chain.push(line);
            at = next;
        }
        Ok(chain)
    }

    /// The step that led to this one: the one that sent its message, or woke it. Where it is
    /// not known who woke a resumed step (a timer, say), the one that led to the step
    /// before it in the same callback.
    fn cause(&mut self, step: u64) -> Result<Option<Line>, TraceError> {
        let mut at = self.step(step)?;
        while let Some(line) = at {
            if let Some(cause) = line.cause.filter(|cause| *cause < line.step) {
                return self.step(cause);
            }
            at = match line.as_step() {
                Some(it) if it.kind == StepKind::Resume => {
                    let before = self.find_step_of(it.task, line.step, Direction::Backward)?;
                    // There is no step 0.
                    self.step(before.unwrap_or(0))?
                }
                _ => None,
            };
        }
        Ok(None)
    }

    /// The steps that handle the messages that a step sent, in order.
    ///
    /// # Errors
    /// If the file cannot be read any more.
    pub fn effects(&mut self, step: u64) -> Result<Vec<Line>, TraceError> {
        let (to, mut later) = match self.checkpoints.after(step) {
            Some(after) => (after.step, after.messages.clone()),
            None => (self.steps, Vec::new()),
        };
        let mut effects = Vec::new();
        self.visit(step, to, |event| {
            if event.cause == Some(step) && event.is_step() {
                effects.push(Line::from(event.clone()));
            }
        })?;
        later.retain(|message| message.sent == step);
        for message in later {
            effects.extend(self.step(message.handled)?);
        }
        Ok(effects)
    }
}

/// What an event is a mark of.
fn mark_of(event: &WholeEvent) -> Option<MarkKind> {
    match &event.occurrence {
        Occurrence::Fault(fault) => Some(MarkKind::Fault(fault.action.clone())),
        Occurrence::Panic(_) => Some(MarkKind::Panic),
        Occurrence::Step(step) if step.kind == StepKind::Supervision => Some(MarkKind::Supervision),
        _ => None,
    }
}
