//! Why a task resumes after an await, and what it sends then.
//!
//! A step names the step that woke its task or sent its message. [`Notes`] reads the lines of
//! a story in order and turns these numbers into words, kept in [`Line::note`]:
//! `answered by pool; sends Run to pool/worker-1`. A note says only what the trace shows, so
//! it needs a trace with causes, and a step whose messages are handled much later, or that
//! wakes nobody, has a shorter one or none.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use crate::export::json::variant;
use crate::story::Line;
use retake_traces::event::Occurrence;
use retake_traces::record::{Choice, Step, StepKind};

/// Lines that wait until it is known what their steps send.
const WINDOW: usize = 10_000;
/// The most text of these lines, in bytes.
const WINDOW_BYTES: usize = 16 << 20;
/// Earlier steps that are known.
const PAST: usize = 1 << 16;
/// Messages of one step that are named, and tasks that it answers.
const NAMED_MAX: usize = 2;

/// An earlier step.
#[derive(Clone, Debug)]
struct Past {
    task: u32,
    who: Arc<str>,
    /// The task that sent the message which the step handles, or handles on.
    asked_by: Option<u32>,
    /// The last step of an actor that stops or of a task that panics.
    is_last: bool,
}

/// What is known of a task.
#[derive(Clone, Copy, Debug, Default)]
struct TaskNotes {
    /// Virtual time of its last step, in nanoseconds.
    ran_ns: u64,
    asked_by: Option<u32>,
}

/// What the step of a line does to others.
#[derive(Clone, Debug, Default)]
struct Effects {
    answers: Names,
    sends: Names,
}

/// The first few of them, and how many there are more.
#[derive(Clone, Debug, Default)]
struct Names {
    names: Vec<String>,
    more: usize,
}

/// Adds notes to the lines of a story.
#[derive(Clone, Debug, Default)]
pub struct Notes {
    tasks: BTreeMap<u32, TaskNotes>,
    past: VecDeque<Past>,
    /// The number of the first of these.
    first: u64,
    /// Lines that may get more, with what their steps send.
    waiting: VecDeque<(Line, Effects)>,
    bytes: usize,
    /// A step has named its cause, so those that name none have none.
    has_causes: bool,
    /// Since this time, in nanoseconds, nothing has happened that ends a wait without being
    /// named as its cause: a fault, or a step that ran at once.
    instant_ns: u64,
    is_certain: bool,
}

/// The same lines with notes.
#[must_use]
pub fn annotate(lines: Vec<Line>) -> Vec<Line> {
    let mut notes = Notes::new();
    let mut annotated = Vec::with_capacity(lines.len());
    for line in lines {
        notes.add(line);
        annotated.extend(notes.next());
    }
    annotated.extend(notes.finish());
    annotated
}

impl Notes {
    /// For lines from the first on, or from any later one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Take the next line.
    pub fn add(&mut self, mut line: Line) {
        if line.now_ns != self.instant_ns {
            self.instant_ns = line.now_ns;
            self.is_certain = true;
        }
        match &line.occurrence {
            Occurrence::Step(step) => {
                let step = *step;
                self.is_certain &= step.choice != Choice::Eager;
                self.step(&mut line, &step);
            }
            Occurrence::Fault(_) => self.is_certain = false,
            Occurrence::Panic(_) => {
                if let Some(last) = self.past.back_mut() {
                    last.is_last = true;
                }
            }
            Occurrence::Unhandled(message) => {
                let name = format!("{} to {}", variant(&message.text), line.who);
                if let Some(effects) = self.effects_of(message.sent) {
                    effects.sends.add(name);
                }
            }
            _ => {}
        }
        self.bytes += size(&line);
        self.waiting.push_back((line, Effects::default()));
    }

    /// The first line that gets no more.
    #[allow(
        clippy::should_implement_trait,
        reason = "lines come only after others were added"
    )]
    pub fn next(&mut self) -> Option<Line> {
        let is_full = self.waiting.len() > WINDOW || self.bytes > WINDOW_BYTES;
        is_full.then(|| self.leave()).flatten()
    }

    /// The lines that are left.
    pub fn finish(mut self) -> impl Iterator<Item = Line> {
        std::iter::from_fn(move || self.leave())
    }

    fn leave(&mut self) -> Option<Line> {
        let (mut line, effects) = self.waiting.pop_front()?;
        self.bytes -= size(&line);
        let parts = [
            line.note.take(),
            effects.answers.text("answers"),
            effects.sends.text("sends"),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        line.note = (!parts.is_empty()).then(|| parts.join("; "));
        Some(line)
    }

    fn past(&self, step: u64) -> Option<&Past> {
        let index = step.checked_sub(self.first)?;
        self.past.get(usize::try_from(index).ok()?)
    }

    fn step(&mut self, line: &mut Line, step: &Step) {
        let Step {
            task,
            kind,
            message,
            ..
        } = *step;
        let known = self.tasks.get(&task).copied();
        self.has_causes |= line.cause.is_some();
        let cause = line.cause.and_then(|cause| self.past(cause)).cloned();
        let is_answer = cause.as_ref().and_then(|cause| cause.asked_by) == Some(task);
        if let Some(effects) = line.cause.and_then(|cause| self.effects_of(cause)) {
            match kind {
                StepKind::Handle => {
                    let number = format!("message {message}");
                    let name = line.detail.as_deref().map_or(&*number, variant);
                    effects.sends.add(format!("{name} to {}", line.who));
                }
                StepKind::Resume if is_answer => effects.answers.add(line.who.to_string()),
                _ => {}
            }
        }
        if kind == StepKind::Resume {
            let before_ns = known.map(|known| known.ran_ns);
            line.note = self.why(line, task, cause.as_ref(), before_ns);
        }
        let asked_by = match kind {
            StepKind::Resume => known.and_then(|known| known.asked_by),
            StepKind::Handle => cause.as_ref().map(|cause| cause.task),
            _ => None,
        };
        let ran_ns = line.now_ns;
        self.tasks.insert(task, TaskNotes { ran_ns, asked_by });
        if self.past.is_empty() {
            self.first = line.step;
        }
        self.past.push_back(Past {
            task,
            who: Arc::clone(&line.who),
            asked_by,
            is_last: kind == StepKind::PostStop,
        });
        if self.past.len() > PAST {
            self.past.pop_front();
            self.first += 1;
        }
    }

    /// What ended a wait.
    fn why(
        &self,
        line: &Line,
        task: u32,
        cause: Option<&Past>,
        before_ns: Option<u64>,
    ) -> Option<String> {
        if let Some(cause) = cause {
            let who = &cause.who;
            return Some(if cause.asked_by == Some(task) {
                format!("answered by {who}")
            } else if cause.is_last {
                format!("woken by the end of {who}")
            } else {
                format!("woken by {who}")
            });
        }
        let is_time = line.cause.is_none()
            && self.has_causes
            && self.is_certain
            && before_ns.is_some_and(|before_ns| before_ns < line.now_ns);
        is_time.then(|| "woken by time".to_owned())
    }

    /// Of a step that resumes, where more is to be said of what it does.
    fn effects_of(&mut self, step: u64) -> Option<&mut Effects> {
        // Lines of one step follow each other.
        let index = self.waiting.partition_point(|(line, _)| line.step < step);
        let waiting = self.waiting.range_mut(index..);
        let mut of_step = waiting.take_while(|(line, _)| line.step == step);
        let step = of_step.find(|(line, _)| line.is_step());
        step.filter(|it| it.0.kind() == Some(StepKind::Resume))
            .map(|(_, effects)| effects)
    }
}

impl Names {
    fn add(&mut self, name: String) {
        if self.names.len() < NAMED_MAX {
            self.names.push(name);
        } else {
            self.more += 1;
        }
    }

    fn text(&self, verb: &str) -> Option<String> {
        let names = self.names.join(", ");
        match self.more {
            _ if names.is_empty() => None,
            0 => Some(format!("{verb} {names}")),
            more => Some(format!("{verb} {names} and {more} more")),
        }
    }
}

fn size(line: &Line) -> usize {
    let text = match &line.occurrence {
        Occurrence::Event(event) => event.text.len(),
        Occurrence::Unhandled(message) => message.text.len(),
        _ => 0,
    };
    text + line.detail.as_ref().map_or(0, String::len)
}

#[cfg(test)]
mod tests {
    use super::*;
    use retake_traces::event::WholeEvent;
    use retake_traces::fault::kinds::Kill;
    use retake_traces::record::{Injection, Panic};

    const MS: u64 = 1_000_000;

    fn step(number: u64, ms: u64, task: u32, kind: StepKind, cause: Option<u64>) -> Line {
        Line::from(WholeEvent {
            step: number,
            now_ns: ms * MS,
            task: Some(task),
            who: ["client", "pool", "worker"][task as usize].into(),
            occurrence: Occurrence::Step(Step {
                elapsed_ns: 0,
                task,
                kind,
                message: 0,
                choice: Choice::Fifo,
            }),
            detail: (kind == StepKind::Handle).then(|| format!("Order({number})")),
            cause,
            child: None,
            state: None,
        })
    }

    fn other(step: u64, ms: u64, occurrence: Occurrence) -> Line {
        let mut line = self::step(step, ms, 0, StepKind::Task, None);
        line.event.occurrence = occurrence;
        line
    }

    fn notes(lines: Vec<Line>) -> Vec<Option<String>> {
        annotate(lines).into_iter().map(|line| line.note).collect()
    }

    #[test]
    fn a_wait_is_ended_by_an_answer_another_step_or_time() {
        use StepKind::{Handle, Resume, Task};
        let lines = vec![
            step(1, 0, 0, Task, None),
            step(2, 0, 1, Handle, Some(1)),
            // The pool waits for its worker, and answers later.
            step(3, 0, 2, Handle, Some(2)),
            step(4, 0, 1, Resume, Some(3)),
            step(5, 0, 0, Resume, Some(4)),
            // A lock, of somebody who serves nobody.
            step(6, 0, 2, Resume, Some(5)),
            step(7, 9, 0, Resume, None),
            step(8, 9, 1, Handle, Some(7)),
        ];
        let notes = notes(lines);
        let note = |step: usize| notes[step - 1].as_deref().unwrap_or_default();
        assert_eq!(note(4), "answered by worker; answers client");
        assert_eq!(note(5), "answered by pool");
        assert_eq!(note(6), "woken by client");
        assert_eq!(note(7), "woken by time; sends Order to pool");
        assert!([1, 2, 3, 8].iter().all(|step| note(*step).is_empty()));
    }

    #[test]
    fn what_the_trace_does_not_show_is_not_said() {
        use StepKind::{Handle, Resume, Task};
        let start = || {
            vec![
                step(1, 0, 0, Task, None),
                step(2, 0, 1, Handle, Some(1)),
                step(3, 9, 1, Resume, None),
            ]
        };
        let without_causes: Vec<Line> = start()
            .into_iter()
            .map(|mut line| {
                line.event.cause = None;
                line
            })
            .collect();
        assert_eq!(notes(without_causes)[2], None);
        let mut fault = start();
        let action = Kill { awaiting: false }.into();
        let injected = Occurrence::Fault(Injection {
            elapsed_ns: 0,
            task: 2,
            action,
        });
        fault.insert(2, other(2, 9, injected));
        assert_eq!(notes(fault)[3], None);
        let mut yields = start();
        yields[2].event.now_ns = 0;
        assert_eq!(notes(yields)[2], None);
        // From the middle of a trace.
        let unknown = vec![step(70, 9, 0, Resume, Some(3))];
        assert_eq!(notes(unknown)[0], None);
    }

    #[test]
    fn the_end_of_a_task_ends_a_wait_and_many_messages_are_counted() {
        use StepKind::{Handle, PostStop, Resume, Task};
        let panic = Occurrence::Panic(Panic {
            task: 1,
            message: "no".to_owned(),
        });
        let lines = vec![
            step(1, 0, 0, Task, None),
            step(2, 0, 1, Task, Some(1)),
            other(2, 0, panic),
            step(3, 0, 0, Resume, Some(2)),
            step(4, 0, 2, Handle, Some(3)),
            step(5, 0, 2, Handle, Some(3)),
            step(6, 0, 2, Handle, Some(3)),
            step(7, 0, 2, PostStop, Some(3)),
            step(8, 0, 0, Resume, Some(7)),
        ];
        let notes = notes(lines);
        let note = notes[3].as_deref();
        let sends = "sends Order to worker, Order to worker and 1 more";
        assert_eq!(note, Some(&*format!("woken by the end of pool; {sends}")));
        assert_eq!(notes[8].as_deref(), Some("woken by the end of worker"));
    }

    #[test]
    fn a_long_story_loses_no_line_and_keeps_few() {
        let count = 3 * WINDOW as u64;
        let mut notes = Notes::new();
        let mut steps = Vec::new();
        for number in 1..=count {
            notes.add(step(number, number, 0, StepKind::Resume, None));
            steps.extend(notes.next().map(|line| line.step));
            assert!(notes.waiting.len() <= WINDOW);
        }
        steps.extend(notes.finish().map(|line| line.step));
        assert_eq!(steps, (1..=count).collect::<Vec<u64>>());
    }
}
