//! What a child's events say: how its run went, and the records of its trace.

use std::collections::BTreeMap;
use std::time::Duration;

use retake_sim::{Outcome, Place, Stats, Waiting};
use retake_traces::record::{Choice, OutcomeKind, Step, TaskKind};
use retake_traces::strategy::Hold;

use crate::labels;
use crate::process::Exit;
use crate::records::Recorder;
use retake_seeded::child::{self, Event};

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
    tasks: Vec<KnownTask>,
    panics: Vec<PanicSeen>,
    ended: Option<(OutcomeKind, String)>,
    /// Who took the last steps, the latest last.
    recent: Vec<u32>,
}

#[derive(Debug)]
struct KnownTask {
    label: String,
    spawned: Option<Place>,
    role: Role,
    has_ended: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Task,
    /// A thread that blocks on a future.
    Main,
    /// Another thread.
    Thread,
}

#[derive(Debug)]
struct PanicSeen {
    task: u32,
    message: String,
    place: Option<Place>,
}

/// Steps by which it is known who is busy at the end.
const RECENT_STEPS: usize = 1000;
/// Tasks that are listed as busy.
const BUSY_MAX: usize = 5;

impl Answer {
    /// Read what the events say, and have their records made.
    ///
    /// `test` is the name of the test: its thread has none of its own yet when it starts.
    pub(crate) fn read(events: &[Event], test: &str, recorder: &mut Recorder<'_>) -> Self {
        // A thread is announced before it blocks on a future.
        let mains = events.iter().rev().filter_map(|event| match event {
            Event::Main { task, .. } => Some((*task, event)),
            _ => None,
        });
        let mut reading = Reading {
            answer: Self::default(),
            recorder,
            mains: mains.collect(),
            test,
        };
        for event in events {
            reading.take(event);
        }
        reading.recorder.close_step();
        let mut answer = reading.answer;
        answer.stats.picks = answer.stats.steps;
        answer
    }

    /// How the run ended, by its events and by how its process did.
    pub(crate) fn outcome(&self, exit: &Exit, printed: &str) -> Outcome {
        if let Some((kind, text)) = &self.ended {
            return self.ended_by_driver(*kind, text);
        }
        match exit {
            Exit::Code(0) => Outcome::Passed,
            Exit::TimedOut(limit) => Outcome::Lost {
                how: format!("it did not end within {limit:?} of real time: it hangs"),
                hangs: true,
            },
            Exit::Signal(signal) => Outcome::Lost {
                how: format!("its process ended: {}", signal_in_words(*signal)),
                hangs: false,
            },
            Exit::Interrupted => Outcome::Lost {
                how: "it was interrupted".to_owned(),
                hangs: false,
            },
            Exit::Code(code) => self.failed(*code, printed),
        }
    }

    fn label(&self, task: u32) -> String {
        let known = self.tasks.get(task as usize);
        known.map_or_else(|| format!("task {task}"), |task| task.label.clone())
    }

    /// The process has said that the test fails.
    fn failed(&self, code: i32, printed: &str) -> Outcome {
        if let Some(panic) = self.decisive_panic() {
            return Outcome::Panicked {
                task: self.label(panic.task),
                is_dropped: false,
                message: panic.message.clone(),
                place: panic.place.clone(),
            };
        }
        let what = said_by_harness(printed)
            .unwrap_or_else(|| format!("its process ended with exit code {code}"));
        Outcome::Violated {
            task: self.test(),
            what,
            check: String::new(),
            is_count: false,
        }
    }

    fn has_test(&self) -> bool {
        self.tasks.iter().any(|task| task.role == Role::Main)
    }

    /// The label of the body of the test.
    fn test(&self) -> String {
        let main = self.tasks.iter().find(|task| task.role == Role::Main);
        main.map_or_else(|| "test".to_owned(), |task| task.label.clone())
    }

    /// The panic that fails the test: the last one, unless that only reports another one, of
    /// a task that was joined.
    fn decisive_panic(&self) -> Option<&PanicSeen> {
        let (last, earlier) = self.panics.split_last()?;
        if !last.message.contains("JoinError::Panic(") {
            return Some(last);
        }
        // It quotes the message of the other one.
        let is_reported = |it: &&PanicSeen| {
            let quoted = format!("{:?}", it.message);
            it.task != last.task && last.message.contains(quoted.trim_matches('"'))
        };
        Some(earlier.iter().rev().find(is_reported).unwrap_or(last))
    }

    fn ended_by_driver(&self, kind: OutcomeKind, text: &str) -> Outcome {
        match kind {
            OutcomeKind::Deadlock => Outcome::Deadlock {
                waiting: self.waiting(),
                cycle: Vec::new(),
            },
            OutcomeKind::Livelock => Outcome::Livelock {
                busy: self.busy(),
                repeats: Vec::new(),
            },
            OutcomeKind::Horizon => Outcome::Horizon {
                waiting: self.waiting(),
                busy: self.busy(),
            },
            OutcomeKind::StepLimit => Outcome::StepLimit { busy: self.busy() },
            OutcomeKind::Diverged => Outcome::Diverged {
                reason: text.to_owned(),
            },
            OutcomeKind::Escaped => Outcome::Escaped {
                what: text.to_owned(),
                remedy: "see docs/cargo-retake.md, \"Limits\"".to_owned(),
            },
            kind => Outcome::Lost {
                how: format!("{kind}: {text}"),
                hangs: false,
            },
        }
    }

    /// The tasks that have not ended, and where they were spawned. Other threads only wait for
    /// them.
    fn waiting(&self) -> Vec<Waiting> {
        let tasks = self.tasks.iter();
        let alive = tasks.filter(|it| !it.has_ended && it.role != Role::Thread);
        alive
            .map(|task| Waiting {
                task: task.label.clone(),
                doing: "an await".to_owned(),
                spawned: task.spawned.clone(),
                waits_for: Vec::new(),
            })
            .collect()
    }

    /// The tasks that took most of the last steps, with their share in percent.
    fn busy(&self) -> Vec<(String, u32)> {
        let mut counts: BTreeMap<u32, usize> = BTreeMap::new();
        for task in &self.recent {
            *counts.entry(*task).or_default() += 1;
        }
        let share = |count: usize| (count * 100 / self.recent.len().max(1)) as u32;
        let mut busy: Vec<(u32, usize)> = counts.into_iter().collect();
        busy.sort_by_key(|(task, count)| (std::cmp::Reverse(*count), *task));
        busy.truncate(BUSY_MAX);
        busy.into_iter()
            .map(|(task, count)| (self.label(task), share(count)))
            .collect()
    }
}

/// What Rust's test harness says of a test that fails without a panic.
fn said_by_harness(printed: &str) -> Option<String> {
    let mut lines = printed.lines().map(str::trim);
    let said = lines.find(|line| {
        line.starts_with("Error: ") || line.starts_with("note: test did not panic as expected")
    })?;
    Some(match said.strip_prefix("Error: ") {
        Some(error) => format!("the test returns an error: {error}"),
        None => "the test did not panic, as `#[should_panic]` expects".to_owned(),
    })
}

fn signal_in_words(signal: i32) -> String {
    let name = match signal {
        4 => " (illegal instruction)",
        6 => " (abort)",
        7 | 10 => " (bus error)",
        8 => " (arithmetic error)",
        9 => " (killed)",
        11 => " (segmentation fault, or stack overflow)",
        _ => "",
    };
    format!("signal {signal}{name}")
}

struct Reading<'a, 's> {
    answer: Answer,
    /// The first future that each thread blocks on.
    mains: BTreeMap<u32, &'a Event>,
    test: &'a str,
    recorder: &'a mut Recorder<'s>,
}

impl Reading<'_, '_> {
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
            Event::TaskEnded { task } => {
                if let Some(task) = answer.tasks.get_mut(*task as usize) {
                    task.has_ended = true;
                }
            }
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
        let main = self.mains.get(serial).and_then(|event| match event {
            Event::Main { type_name, .. } => Some(&**type_name),
            _ => None,
        });
        let is_test = main.is_some() && !self.answer.has_test();
        let (label, of_record) = match kind {
            child::TaskKind::Thread if is_test => {
                (labels::of_thread(self.test, main), TaskKind::Scenario)
            }
            child::TaskKind::Thread if *serial == 0 => ("main".to_owned(), TaskKind::Task),
            child::TaskKind::Thread => (labels::of_thread(name, main), TaskKind::Task),
            child::TaskKind::Task if !name.is_empty() => (name.clone(), TaskKind::Task),
            child::TaskKind::Task => (labels::of_task(type_name, file, *line), TaskKind::Task),
        };
        let is_main = main.is_some();
        let label = self.recorder.task(*serial, of_record, label, *parent);
        // A damaged number must not reserve memory.
        if *serial as usize == self.answer.tasks.len() {
            self.answer.stats.tasks += 1;
            self.answer.tasks.push(KnownTask {
                label,
                spawned: (!file.is_empty()).then(|| Place {
                    file: file.clone(),
                    line: *line,
                    column: 0,
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
