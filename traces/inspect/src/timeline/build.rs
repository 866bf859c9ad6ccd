//! One pass over the file.

use std::sync::Arc;

use super::checkpoint::{Checkpoints, Entry, Message, is_queued};
use super::segment::{Place, Segments};
use super::{
    CUT_SHORT, Ended, HowEnded, LEFT_MAX, Left, Life, MARKS_MAX, Mark, MarkKind, Timeline,
};
use retake_traces::error::TraceError;
use retake_traces::reader::TraceReader;
use retake_traces::record::{
    Child, ChildNews, End, EndKind, EventKind, Record, StepKind, Task, TaskKind,
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
    // What is wrong with the file ends it: what comes before can be looked at.
    let damage = loop {
        let block = reader.at_block();
        let record = match reader.next() {
            Some(Ok(record)) if end.is_none() => record,
            Some(Ok(_)) => break Some(reader.wrong("a record after the run's end")),
            Some(Err(error)) if error.is_damage() => break Some(error),
            Some(Err(error)) => return Err(error),
            None if end.is_none() => break Some(reader.wrong("the run's end is missing")),
            None => break None,
        };
        if let Some(offset) = block {
            pass.block(offset, limits.places);
        }
        pass.take(&record, reader.block_offset());
        if let Record::Step(_) = record
            && pass.steps.is_multiple_of(PROGRESS_EVERY)
        {
            progress(pass.steps);
        }
        if let Record::End(it) = record {
            end = Some(it);
        }
    };
    pass.close_step();
    let end = end.unwrap_or_else(|| End {
        outcome: CUT_SHORT.to_owned(),
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

/// A step whose text, cause and state may follow.
struct Open {
    task: u32,
    kind: StepKind,
    cause: Option<u64>,
    changes: bool,
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
    left: Vec<Left>,
    steps: u64,
    now_ns: u64,
    running: Option<u32>,
    open: Option<Open>,
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
            open: None,
        }
    }

    /// A block begins here.
    fn block(&mut self, offset: u64, places_max: usize) {
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

    fn take(&mut self, record: &Record, block_offset: u64) {
        match record {
            Record::Detail(_) => return,
            Record::Child(child) => return self.child(*child),
            Record::Cause(cause) => {
                if let Some(open) = &mut self.open {
                    open.cause = Some(*cause);
                }
                return;
            }
            // Says nothing about who is where.
            Record::Live(_) => return,
            Record::State(state) if !state.at_end => {
                if let Some(open) = &mut self.open {
                    open.changes |= open.task == state.task;
                }
                return;
            }
            _ => self.close_step(),
        }
        match record {
            Record::Step(step) => {
                self.steps += 1;
                self.now_ns = self.now_ns.saturating_add(step.elapsed_ns);
                self.running = Some(step.task);
                self.open = Some(Open {
                    task: step.task,
                    kind: step.kind,
                    cause: None,
                    changes: false,
                });
                if step.kind == StepKind::Supervision {
                    self.mark(step.task, MarkKind::Supervision);
                }
            }
            Record::Task(task) => self.started(task),
            Record::Fault(fault) => {
                self.now_ns = self.now_ns.saturating_add(fault.elapsed_ns);
                self.mark(fault.task, MarkKind::Fault(fault.action.clone()));
                if matches!(fault.action, retake_traces::fault::Action::Kill(_)) {
                    self.ended(fault.task, HowEnded::Killed);
                }
            }
            Record::Panic(panic) => {
                self.mark(panic.task, MarkKind::Panic);
                self.last_panic = Some(self.steps);
                self.ended(panic.task, HowEnded::Panicked);
            }
            Record::Ended(ended) => {
                let how = match ended.how {
                    EndKind::Killed | EndKind::KilledWith(_) => HowEnded::Killed,
                    EndKind::NotStarted => HowEnded::Gone,
                };
                self.ended(ended.task, how);
            }
            Record::Event(event) => {
                // An actor ends by the error that its callback returns.
                let has_failed = event.kind == EventKind::Failed;
                let running = self.running.filter(|_| has_failed);
                if let Some(task) = running.filter(|task| self.is_actor(*task)) {
                    self.ended(task, HowEnded::Failed);
                }
            }
            Record::State(state) => {
                if let Some(life) = self.tasks.get_mut(state.task as usize) {
                    life.end_state = Some(block_offset);
                }
            }
            Record::Unhandled(message) if self.left.len() < LEFT_MAX => self.left.push(Left {
                to: message.task,
                sent: message.sent,
                offset: block_offset,
            }),
            Record::End(_)
            | Record::Detail(_)
            | Record::Child(_)
            | Record::Cause(_)
            | Record::Live(_)
            | Record::Unhandled(_) => {}
        }
    }

    fn is_actor(&self, task: u32) -> bool {
        let life = self.tasks.get(task as usize);
        life.is_some_and(|life| life.kind == TaskKind::Actor)
    }

    /// A supervisor learns that a child is gone.
    fn child(&mut self, child: Child) {
        if child.news != ChildNews::Started {
            self.ended(child.task, HowEnded::Gone);
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

    fn ended(&mut self, task: u32, how: HowEnded) {
        let step = self.steps;
        if let Some(life) = self.tasks.get_mut(task as usize)
            && life.ended.is_none()
        {
            life.ended = Some(Ended { step, how });
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

    /// Everything that belongs to the last step has been read.
    fn close_step(&mut self) {
        let Some(Open {
            task,
            kind,
            cause,
            changes,
        }) = self.open.take()
        else {
            return;
        };
        let step = self.steps;
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
            Some(ended) if ended.how == HowEnded::Stopped => ended.step = step,
            Some(ended) if ended.how != HowEnded::Gone => life.ended = None,
            _ => {}
        }
        if kind == StepKind::PostStop {
            let how = HowEnded::Stopped;
            life.ended = Some(Ended { step, how });
        }
        if let Some(sent) = cause.filter(|sent| *sent < step) {
            self.checkpoints.message(Message {
                to: task,
                sent,
                handled: step,
                is_queued: is_queued(kind),
            });
        }
    }
}
