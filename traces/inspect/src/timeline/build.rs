//! One pass over the file.

use std::sync::Arc;

use super::checkpoint::{Checkpoints, Entry, Message, is_queued};
use super::located::LocatedEvents;
use super::segment::{Place, Segments};
use super::{
    LEFT_MAX, LeftMessage, Life, MARKS_MAX, Mark, MarkKind, TaskEnd, TaskEndKind, Timeline,
};
use retake_traces::error::TraceError;
use retake_traces::event::{EventBuilder, Occurrence, WholeEvent};
use retake_traces::fault::Action;
use retake_traces::reader::TraceReader;
use retake_traces::record::{
    Child, ChildNews, End, EndKind, EventKind, OutcomeKind, Step, StepKind, Task, TaskKind,
};

/// What may be kept.
#[derive(Clone, Debug)]
pub(super) struct Limits {
    pub(super) places: usize,
    pub(super) checkpoints: usize,
    /// Entries and messages in all checkpoints: of about 60 bytes.
    pub(super) size: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            places: 1 << 16,
            checkpoints: 1 << 10,
            size: 1 << 19,
        }
    }
}

/// Steps between two calls of `progress`.
const PROGRESS_EVERY: u64 = 1 << 16;

pub(super) fn build(
    mut reader: TraceReader,
    limits: &Limits,
    mut progress: impl FnMut(u64),
) -> Result<Timeline, TraceError> {
    let mut pass = Pass::new(limits);
    let mut end = None;
    let mut events = LocatedEvents::new(&mut reader, EventBuilder::new());
    // What is wrong with the file ends it: what comes before can be looked at.
    let damage = loop {
        let (event, offset) = match events.next() {
            Ok(Some(found)) => found,
            Ok(None) => break None,
            Err(error) if error.is_damage() => break Some(error),
            Err(error) => return Err(error),
        };
        pass.reach(offset, limits.places);
        pass.take(&event, offset);
        if event.is_step() && pass.steps.is_multiple_of(PROGRESS_EVERY) {
            progress(pass.steps);
        }
        if let Occurrence::End(it) = event.occurrence {
            end = Some(it);
        }
    };
    let end = end.unwrap_or_else(|| End {
        outcome: OutcomeKind::CutShort,
        detail: damage
            .as_ref()
            .map_or_else(String::new, ToString::to_string),
        steps: pass.steps,
        now_ns: pass.now_ns,
    });
    let labels: Arc<[Arc<str>]> = pass.tasks.iter().map(|it| Arc::clone(&it.label)).collect();
    Ok(Timeline {
        header: reader.header().clone(),
        end,
        steps: pass.steps,
        tasks: pass.tasks,
        marks: pass.marks,
        more_marks: pass.more_marks,
        last_panic: pass.last_panic,
        left: pass.left,
        checkpoints: pass.checkpoints,
        segments: Segments::new(reader, pass.places, labels, damage.is_some()),
        damage,
    })
}

struct Pass {
    places: Vec<Place>,
    stride: u64,
    blocks: u64,
    checkpoints: Checkpoints,
    tasks: Vec<Life>,
    marks: Vec<Mark>,
    more_marks: bool,
    last_panic: Option<u64>,
    left: Vec<LeftMessage>,
    steps: u64,
    now_ns: u64,
    running: Option<u32>,
    /// The block of the last event.
    block: Option<u64>,
}

impl Pass {
    fn new(limits: &Limits) -> Self {
        Self {
            places: Vec::new(),
            stride: 1,
            blocks: 0,
            checkpoints: Checkpoints::new(limits.checkpoints, limits.size),
            tasks: Vec::new(),
            marks: Vec::new(),
            more_marks: false,
            last_panic: None,
            left: Vec::new(),
            steps: 0,
            now_ns: 0,
            running: None,
            block: None,
        }
    }

    /// An event begins in the block at this place: it is the first of the block, or one
    /// more. Nothing begins in a block that only continues an event; it is no place to start
    /// from.
    fn reach(&mut self, offset: u64, places_max: usize) {
        if self.block.replace(offset) == Some(offset) {
            return;
        }
        let number = self.blocks;
        self.blocks += 1;
        self.checkpoints.block(number, self.steps);
        if !number.is_multiple_of(self.stride) {
            return;
        }
        if self.places.len() == places_max {
            self.stride *= 2;
            let mut place = 0;
            self.places.retain(|_| {
                place += 1;
                place % 2 == 1
            });
            if !number.is_multiple_of(self.stride) {
                return;
            }
        }
        self.places.push(Place {
            offset,
            steps: self.steps,
            now_ns: self.now_ns,
            running: self.running,
        });
    }

    fn take(&mut self, event: &WholeEvent, offset: u64) {
        self.now_ns = event.now_ns;
        match &event.occurrence {
            Occurrence::Step(step) => self.step(step, event),
            Occurrence::Task(task) => self.started(task),
            Occurrence::Fault(fault) => {
                self.mark(fault.task, MarkKind::Fault(fault.action.clone()));
                if matches!(fault.action, Action::Kill(_)) {
                    self.ended(fault.task, TaskEndKind::Killed);
                }
            }
            Occurrence::Panic(panic) => {
                self.mark(panic.task, MarkKind::Panic);
                self.last_panic = Some(self.steps);
                self.ended(panic.task, TaskEndKind::Panicked);
            }
            Occurrence::Ended(ended) => {
                let how = match ended.how {
                    EndKind::Killed | EndKind::KilledWith(_) => TaskEndKind::Killed,
                    EndKind::NotStarted => TaskEndKind::Gone,
                };
                self.ended(ended.task, how);
            }
            Occurrence::Event(it) => {
                // An actor ends by the error that its callback returns.
                let has_failed = it.kind == EventKind::Failed;
                let running = self.running.filter(|_| has_failed);
                if let Some(task) = running.filter(|task| self.is_actor(*task)) {
                    self.ended(task, TaskEndKind::Failed);
                }
            }
            Occurrence::State(state) => {
                if let Some(life) = self.tasks.get_mut(state.task as usize) {
                    life.end_state = Some(offset);
                }
            }
            Occurrence::Unhandled(message) if self.left.len() < LEFT_MAX => {
                self.left.push(LeftMessage {
                    to: message.task,
                    sent: message.sent,
                    offset,
                });
            }
            // The live ones say nothing about who is where.
            Occurrence::End(_) | Occurrence::Live(_) | Occurrence::Unhandled(_) => {}
        }
    }

    fn is_actor(&self, task: u32) -> bool {
        let life = self.tasks.get(task as usize);
        life.is_some_and(|life| life.kind == TaskKind::Actor)
    }

    /// A supervisor learns that a child is gone.
    fn child(&mut self, child: Child) {
        if child.news != ChildNews::Started {
            self.ended(child.task, TaskEndKind::Gone);
        }
    }

    fn started(&mut self, task: &Task) {
        // Numbers are given in order; a forged one must not reserve memory.
        if task.id as usize != self.tasks.len() {
            return;
        }
        let label: Arc<str> = task.label.to_string().into();
        self.tasks.push(Life {
            id: task.id,
            kind: task.kind,
            label,
            parent: task.parent,
            started: self.steps,
            last_step: 0,
            ended: None,
            last_callback: 0,
            state: 0,
            end_state: None,
        });
    }

    fn ended(&mut self, task: u32, how: TaskEndKind) {
        let step = self.steps;
        if let Some(life) = self.tasks.get_mut(task as usize)
            && life.ended.is_none()
        {
            life.ended = Some(TaskEnd { step, how });
        }
    }

    fn mark(&mut self, task: u32, kind: MarkKind) {
        if self.marks.len() == MARKS_MAX {
            self.more_marks = true;
            return;
        }
        self.marks.push(Mark {
            step: self.steps,
            now_ns: self.now_ns,
            task,
            kind,
        });
    }

    fn step(&mut self, step: &Step, event: &WholeEvent) {
        let Step { task, kind, .. } = *step;
        let (step, changes) = (event.step, event.state.is_some());
        self.steps = step;
        self.running = Some(task);
        if kind == StepKind::Supervision {
            self.mark(task, MarkKind::Supervision);
        }
        if let Some(child) = event.child {
            self.child(child);
        }
        let Some(life) = self.tasks.get_mut(task as usize) else {
            return;
        };
        let entry = Entry {
            last_step: life.last_step,
            state: life.state,
            next_step: step,
            ..Entry::default()
        };
        self.checkpoints
            .step(task, life.last_step.max(life.started), entry);
        if kind != StepKind::Resume {
            let from = life.last_callback.max(life.started);
            self.checkpoints.callback(task, from, step, changes);
            life.last_callback = step;
        }
        if changes {
            life.state = step;
        }
        life.last_step = step;
        // A step after it shows that an end was none, but for those of `post_stop`.
        match &mut life.ended {
            Some(ended) if ended.how == TaskEndKind::Stopped => ended.step = step,
            Some(ended) if ended.how != TaskEndKind::Gone => life.ended = None,
            _ => {}
        }
        if kind == StepKind::PostStop {
            let how = TaskEndKind::Stopped;
            life.ended = Some(TaskEnd { step, how });
        }
        if let Some(sent) = event.cause.filter(|sent| *sent < step) {
            self.checkpoints.message(Message {
                to: task,
                sent,
                handled: step,
                is_queued: is_queued(kind),
            });
        }
    }
}
