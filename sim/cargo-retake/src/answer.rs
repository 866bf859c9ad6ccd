//! What a child's events say: how its run went, and the records of its trace.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use retake_core::label;
use retake_sim::{Place, Stats};
use retake_traces::fault::kinds::{BreakService, Point};
use retake_traces::fault::{Action, Fault};
use retake_traces::record::{Choice, Injection, OutcomeKind, Step, TaskKind};
use retake_traces::strategy::Hold;

use crate::records::Recorder;
use retake_seeded::child::{self, Event, TextKind};

/// What the events of one run say together.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    /// The version of the tokio that has answered; none if no seeded one is linked.
    pub(crate) tokio: Option<String>,
    /// A runtime was built.
    pub(crate) has_runtime: bool,
    /// Ordering constraints that make the same schedule.
    pub(crate) holds: Vec<Hold>,
    /// What may keep a run from being repeated, each text once.
    pub(crate) notes: Vec<String>,
    pub(crate) stats: Stats,
    /// A hash over the order of steps.
    pub(crate) hash: u64,
    pub(crate) tasks: Vec<KnownTask>,
    pub(crate) panics: Vec<PanicSeen>,
    pub(crate) ended: Option<(OutcomeKind, String)>,
    /// What tasks waited for at the end, if it was a standstill.
    pub(crate) awaits: Vec<Awaits>,
    /// Places of the faults that had an effect, in the list of those that were asked for.
    pub(crate) injected: BTreeSet<usize>,
    /// Who took the last steps, the latest last.
    pub(crate) recent: Vec<u32>,
}

#[derive(Debug)]
pub(crate) struct KnownTask {
    pub(crate) label: String,
    pub(crate) spawned: Option<Place>,
    pub(crate) role: Role,
    pub(crate) has_ended: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Task,
    /// A thread that blocks on a future.
    Main,
    /// Another thread.
    Thread,
}

#[derive(Debug)]
pub(crate) struct PanicSeen {
    pub(crate) task: u32,
    pub(crate) message: String,
    pub(crate) place: Option<Place>,
}

/// What a task waited for at the end.
#[derive(Debug)]
pub(crate) struct Awaits {
    pub(crate) task: u32,
    /// In words: `a Mutex`.
    pub(crate) what: String,
    /// Where in the sources, if the run was asked for it; empty otherwise.
    pub(crate) place: String,
    /// The task that it waited for.
    pub(crate) of: Option<u32>,
}

/// Steps by which it is known who is busy at the end.
const RECENT_STEPS: usize = 1000;

impl Answer {
    /// Read what the events say, and have their records made.
    ///
    /// `test` is the name of the test: its thread has none of its own yet when it starts.
    pub(crate) fn read(
        events: &[Event],
        test: &str,
        faults: &[Fault],
        recorder: &mut Recorder<'_>,
    ) -> Self {
        // A thread is announced before it blocks on a future.
        let mains = events.iter().rev().filter_map(|event| match event {
            Event::Main { task, .. } => Some((*task, event)),
            _ => None,
        });
        // And an actor before it says its name.
        let names = events.iter().rev().filter_map(|event| match event {
            Event::Text {
                kind: TextKind::Name,
                task,
                text,
            } => Some((*task, &**text)),
            _ => None,
        });
        let mut reading = Reader {
            answer: Self::default(),
            recorder,
            mains: mains.collect(),
            names: names.collect(),
            test,
            faults,
        };
        for event in events {
            reading.take(event);
        }
        reading.recorder.close_step();
        let mut answer = reading.answer;
        answer.stats.picks = answer.stats.steps;
        answer
    }
}

struct Reader<'a, 's> {
    answer: Answer,
    /// The first future that each thread blocks on.
    mains: BTreeMap<u32, &'a Event>,
    /// The names that actors say.
    names: BTreeMap<u32, &'a str>,
    test: &'a str,
    faults: &'a [Fault],
    recorder: &'a mut Recorder<'s>,
}

impl Reader<'_, '_> {
    fn take(&mut self, event: &Event) {
        let answer = &mut self.answer;
        match event {
            Event::Hello { tokio } => answer.tokio = Some(tokio.clone()),
            Event::Runtime { .. } => answer.has_runtime = true,
            Event::Main { .. } => {}
            Event::Task { .. } => self.task(event),
            Event::Step {
                task,
                elapsed_ns,
                kind,
                deviates,
            } => {
                answer.stats.steps += 1;
                answer.stats.deviations += u64::from(*deviates);
                answer.stats.virtual_time += Duration::from_nanos(*elapsed_ns);
                if answer.recent.len() >= 2 * RECENT_STEPS {
                    answer.recent.drain(..RECENT_STEPS);
                }
                answer.recent.push(*task);
                self.recorder.open_step(Step {
                    elapsed_ns: *elapsed_ns,
                    task: *task,
                    kind: *kind,
                    message: 0,
                    choice: if *deviates {
                        Choice::Deviation
                    } else {
                        Choice::Fifo
                    },
                });
            }
            Event::Message { type_name } => self.recorder.message(type_name),
            Event::Text { kind, task, text } => match kind {
                TextKind::Name => {}
                TextKind::Message => self.recorder.message_text(text),
                TextKind::State => self.recorder.state(*task, text),
                TextKind::Line => self.recorder.line(text),
            },
            Event::Cause { step } => self.recorder.cause(*step),
            Event::Panic {
                task,
                message,
                file,
                line,
                column,
            } => {
                let place = (!file.is_empty()).then(|| Place {
                    file: file.clone(),
                    line: *line,
                    column: *column,
                });
                self.recorder.panic(*task, message, place.as_ref());
                answer.panics.push(PanicSeen {
                    task: *task,
                    message: message.clone(),
                    place,
                });
            }
            Event::Fault { .. } => self.fault(event),
            Event::TaskEnded { task } => {
                if let Some(task) = answer.tasks.get_mut(*task as usize) {
                    task.has_ended = true;
                }
            }
            Event::Awaits {
                task,
                what,
                place,
                of,
            } => answer.awaits.push(Awaits {
                task: *task,
                what: what.clone(),
                place: place.clone(),
                of: *of,
            }),
            Event::Hold(hold) => answer.holds.push(*hold),
            Event::Note { text } => {
                if !answer.notes.contains(text) {
                    answer.notes.push(text.clone());
                }
            }
            Event::Ended { outcome, text } => answer.ended = Some((*outcome, text.clone())),
            Event::Stats {
                steps,
                deviations,
                hash,
                now_ns,
            } => {
                answer.stats.steps = *steps;
                answer.stats.deviations = *deviations;
                answer.stats.virtual_time = Duration::from_nanos(*now_ns);
                answer.hash = *hash;
            }
        }
    }

    fn fault(&mut self, event: &Event) {
        let Event::Fault {
            task,
            elapsed_ns,
            place,
            name,
        } = event
        else {
            return;
        };
        let place = usize::try_from(*place).unwrap_or(usize::MAX);
        let Some(fault) = self.faults.get(place) else {
            return;
        };
        let answer = &mut self.answer;
        answer.injected.insert(place);
        answer.stats.faults += u64::from(!fault.heals());
        answer.stats.virtual_time += Duration::from_nanos(*elapsed_ns);
        // What affects the whole run is of the test.
        let is_of_run = !fault.action.has_target() && *task == 0;
        let test = answer.tasks.iter().position(|it| it.role == Role::Main);
        let task = match test.and_then(|test| u32::try_from(test).ok()) {
            Some(test) if is_of_run => test,
            _ => *task,
        };
        let injected = Injection {
            elapsed_ns: *elapsed_ns,
            task,
            action: named(&fault.action, name),
        };
        self.recorder.fault(injected, fault.action.moment());
    }

    fn task(&mut self, event: &Event) {
        let Event::Task {
            serial,
            kind,
            parent,
            type_name,
            file,
            line,
            name,
        } = event
        else {
            return;
        };
        // The copy is no place in the user's sources.
        let is_known = label::is_place(file);
        let main = self.mains.get(serial).and_then(|event| match event {
            Event::Main { type_name, .. } => Some(&**type_name),
            _ => None,
        });
        // The harness starts one thread, for the test.
        let is_harness = !self.test.is_empty();
        let is_test = match is_harness {
            true => *serial == 1,
            false => main.is_some() && !self.answer.has_test(),
        };
        let (label, of_record) = match kind {
            child::TaskKind::Thread if is_test && is_harness => {
                (label::of_thread(self.test, main), TaskKind::Scenario)
            }
            child::TaskKind::Thread if *serial == 0 => {
                let of_record = if is_test {
                    TaskKind::Scenario
                } else {
                    TaskKind::Task
                };
                ("main".to_owned(), of_record)
            }
            child::TaskKind::Thread => (label::of_thread(name, main), TaskKind::Task),
            child::TaskKind::Task if self.names.contains_key(serial) => {
                (self.names[serial].to_owned(), TaskKind::Task)
            }
            child::TaskKind::Task => (
                label::of_spawn(name, type_name, file, *line),
                TaskKind::Task,
            ),
        };
        let is_main = main.is_some() || is_test;
        let label = self.recorder.task(*serial, of_record, label, *parent);
        // A damaged number must not reserve memory.
        if *serial as usize == self.answer.tasks.len() {
            self.answer.stats.tasks += 1;
            self.answer.tasks.push(KnownTask {
                label,
                spawned: is_known.then(|| Place {
                    file: file.clone(),
                    line: *line,
                    column: 1,
                }),
                role: match kind {
                    child::TaskKind::Task => Role::Task,
                    child::TaskKind::Thread if is_main => Role::Main,
                    child::TaskKind::Thread => Role::Thread,
                },
                has_ended: false,
            });
        }
    }
}

/// The action of a fault with the name of what it affected, where it names nothing itself.
fn named(action: &Action, name: &str) -> Action {
    match action {
        Action::Buggify(_) if !name.is_empty() => Point {
            place: name.to_owned(),
        }
        .into(),
        Action::BreakService(broken) if !name.is_empty() => BreakService {
            service: Some(name.to_owned()),
            ..broken.clone()
        }
        .into(),
        action => action.clone(),
    }
}

#[cfg(test)]
pub(crate) mod tests;
