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
        // The copy is no place in the user's sources.
        let is_known = !file.is_empty() && !file.contains("/retake/tokio-");
        let (file, line) = if is_known { (&**file, *line) } else { ("", 0) };
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
                (labels::of_thread(self.test, main), TaskKind::Scenario)
            }
            child::TaskKind::Thread if *serial == 0 => {
                let of_record = if is_test {
                    TaskKind::Scenario
                } else {
                    TaskKind::Task
                };
                ("main".to_owned(), of_record)
            }
            child::TaskKind::Thread => (labels::of_thread(name, main), TaskKind::Task),
            child::TaskKind::Task if !name.is_empty() => (name.clone(), TaskKind::Task),
            child::TaskKind::Task => (labels::of_task(type_name, file, line), TaskKind::Task),
        };
        let is_main = main.is_some() || is_test;
        let label = self.recorder.task(*serial, of_record, label, *parent);
        // A damaged number must not reserve memory.
        if *serial as usize == self.answer.tasks.len() {
            self.answer.stats.tasks += 1;
            self.answer.tasks.push(KnownTask {
                label,
                spawned: is_known.then(|| Place {
                    file: file.to_owned(),
                    line,
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

#[cfg(test)]
mod tests {
    use super::*;
    use retake_core::step::StepKind;
    use retake_inspect::story;
    use retake_traces::Layers;
    use retake_traces::sink::MemorySink;

    fn task(serial: u32, kind: child::TaskKind, type_name: &str) -> Event {
        Event::Task {
            serial,
            kind,
            parent: serial.checked_sub(1),
            type_name: type_name.to_owned(),
            file: "src/lib.rs".to_owned(),
            line: 7,
            name: String::new(),
        }
    }

    fn step(task: u32, kind: StepKind) -> Event {
        Event::Step {
            task,
            elapsed_ns: 1000,
            kind,
            deviates: task == 3,
        }
    }

    fn panic(task: u32, message: &str) -> Event {
        Event::Panic {
            task,
            message: message.to_owned(),
            file: "src/lib.rs".to_owned(),
            line: 9,
            column: 5,
        }
    }

    /// The harness, a test, and two tasks of one name that it has spawned.
    fn beginning() -> Vec<Event> {
        let work = "shop::tests::it_works::{{closure}}::{{closure}}";
        vec![
            Event::Hello {
                tokio: "1.47.0".to_owned(),
            },
            task(0, child::TaskKind::Thread, ""),
            task(1, child::TaskKind::Thread, ""),
            Event::Runtime {
                multi_thread: false,
            },
            Event::Main {
                task: 1,
                type_name: "core::pin::Pin<&mut dyn core::future::Future>".to_owned(),
                file: String::new(),
                line: 0,
            },
            step(1, StepKind::Task),
            task(2, child::TaskKind::Task, work),
            task(3, child::TaskKind::Task, work),
        ]
    }

    fn read(more: &[Event]) -> (Answer, MemorySink) {
        let events = [beginning(), more.to_vec()].concat();
        let mut sink = MemorySink::new();
        let records = sink.clone();
        let mut recorder = Recorder::new(Layers::STORY, &mut sink);
        let answer = Answer::read(&events, "tests::it_works", &mut recorder);
        assert!(recorder.end(&Outcome::Passed, &answer.stats).is_none());
        (answer, records)
    }

    fn outcome(more: &[Event], exit: &Exit, printed: &str) -> String {
        read(more).0.outcome(exit, printed).to_string()
    }

    const FAILS: Exit = Exit::Code(101);

    #[test]
    fn events_become_the_story_of_a_trace() {
        let (answer, records) = read(&[
            step(3, StepKind::Task),
            Event::Cause { step: 1 },
            step(2, StepKind::Resume),
            Event::Message {
                type_name: "alloc::vec::Vec<shop::Order>".to_owned(),
            },
            Event::Cause { step: 2 },
            panic(2, "sold out"),
        ]);
        assert_eq!(answer.tokio.as_deref(), Some("1.47.0"));
        assert_eq!((answer.stats.steps, answer.stats.deviations), (3, 1));
        let lines = story::lines(&records.records());
        let lines: Vec<String> = lines.iter().map(|line| line.to_text(0)).collect();
        let expected = [
            "0.000000000 main                   new task",
            "0.000000000 it_works               new scenario, by main",
            "1     0.000001000 it_works               begins",
            "0.000001000 it_works:7             new task, by it_works",
            "0.000001000 it_works:7#2           new task, by it_works:7",
            "2*    0.000002000 it_works:7#2           begins <- 1",
            "3     0.000003000 it_works:7             handles Vec<Order> <- 2",
            "0.000003000 it_works:7             PANIC at src/lib.rs:9:5: sold out",
            "0.000003000                        END: passed after 3 steps",
        ];
        let lines: Vec<&str> = lines.iter().map(|line| line.trim()).collect();
        assert_eq!(lines, expected);
    }

    #[test]
    fn a_panic_that_only_reports_another_one_is_not_the_reason() {
        let reports = "called `Result::unwrap()` on an `Err` value: JoinError::Panic(Id(2), \"sold \
                       out\", ...)";
        let panics = [
            panic(3, "unrelated"),
            panic(2, "sold out"),
            panic(3, "later"),
            panic(1, reports),
        ];
        let text = outcome(&panics, &FAILS, "");
        assert_eq!(text, "panicked: it_works:7 at src/lib.rs:9:5: sold out");
        // What a task panics with does not fail a test that does not look at it.
        let text = outcome(&[panic(2, "sold out"), panic(1, "no tea")], &FAILS, "");
        assert_eq!(text, "panicked: it_works at src/lib.rs:9:5: no tea");
        assert_eq!(
            outcome(&[panic(2, "sold out")], &Exit::Code(0), ""),
            "passed"
        );
    }

    #[test]
    fn how_a_process_ends_is_how_the_run_does() {
        assert_eq!(outcome(&[], &Exit::Code(0), ""), "passed");
        let of = |exit, printed| outcome(&[], &exit, printed);
        let text = of(FAILS, "\nError: \"no tea\"\n");
        assert_eq!(
            text,
            "violated: it_works: the test returns an error: \"no tea\""
        );
        let text = of(
            FAILS,
            "note: test did not panic as expected at src/lib.rs:1:1\n",
        );
        assert!(
            text.ends_with("the test did not panic, as `#[should_panic]` expects"),
            "{text}"
        );
        let text = of(Exit::Code(3), "");
        assert_eq!(
            text,
            "violated: it_works: its process ended with exit code 3"
        );
        assert_eq!(
            of(Exit::Signal(6), ""),
            "lost: its process ended: signal 6 (abort)"
        );
        let text = of(Exit::TimedOut(Duration::from_secs(20)), "");
        assert_eq!(
            text,
            "lost: it did not end within 20s of real time: it hangs"
        );
    }

    #[test]
    fn what_the_driver_says_of_the_end_counts_before_the_exit_code() {
        let ended = Event::Ended {
            outcome: OutcomeKind::Deadlock,
            text: String::new(),
        };
        let events = [Event::TaskEnded { task: 2 }, ended];
        let text = outcome(&events, &FAILS, "");
        assert_eq!(
            text,
            "deadlock: nothing can run and no timer is pending\n  it_works waits in an await, \
             spawned at src/lib.rs:7:1\n  it_works:7#2 waits in an await, spawned at src/lib.rs:7:1"
        );
        let ended = Event::Ended {
            outcome: OutcomeKind::StepLimit,
            text: String::new(),
        };
        let steps = [
            step(2, StepKind::Resume),
            step(2, StepKind::Resume),
            step(3, StepKind::Task),
        ];
        let text = outcome(&[steps.to_vec(), vec![ended]].concat(), &FAILS, "");
        assert!(
            text.ends_with("\n  it_works:7 50 %\n  it_works 25 %\n  it_works:7#2 25 %"),
            "{text}"
        );
    }

    #[test]
    fn a_damaged_number_of_a_task_reserves_no_memory() {
        let (answer, records) = read(&[task(
            u32::MAX,
            child::TaskKind::Task,
            "shop::run::{{closure}}",
        )]);
        assert!(records.records().len() < 20);
        assert_eq!(answer.label(u32::MAX), format!("task {}", u32::MAX));
    }
}
