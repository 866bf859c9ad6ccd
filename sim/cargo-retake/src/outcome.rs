//! How a run ended, by what its process has recorded and by how the process did.

use std::collections::BTreeMap;
use std::time::Duration;

use retake_sim::{Outcome, WaitingTask};
use retake_traces::record::OutcomeKind;

use crate::answer::{Answer, PanicSeen, Role};
use crate::process::Exit;

/// Tasks that are listed as busy.
const BUSY_MAX: usize = 5;

pub(crate) const PRINTED_TOO_MUCH: &str = "it printed more than 1 GB, and was killed";

fn hangs(limit: Duration) -> String {
    format!("it did not end within {limit:?} of real time: it hangs")
}

impl Answer {
    /// How the run ended, by its events and by how its process did.
    pub(crate) fn outcome(&self, exit: &Exit, printed: &str) -> Outcome {
        match (&self.ended, exit) {
            // It was asked to end, and has said what waits.
            (Some((OutcomeKind::Lost, text)), Exit::TimedOut(limit)) => {
                return Outcome::Lost {
                    how: format!("{}\n{text}", hangs(*limit)),
                    hangs: true,
                };
            }
            (Some((kind, text)), _) => return self.ended_by_driver(*kind, text),
            (None, _) => {}
        }
        match exit {
            Exit::Code(0) => Outcome::Passed,
            Exit::TimedOut(limit) => Outcome::Lost {
                how: hangs(*limit),
                hangs: true,
            },
            Exit::Signal(signal) => Outcome::Lost {
                how: format!(
                    "its process ended: {}{}",
                    signal_in_words(*signal),
                    last_words(printed)
                ),
                hangs: false,
            },
            Exit::PrintedTooMuch => Outcome::Lost {
                how: PRINTED_TOO_MUCH.to_owned(),
                hangs: false,
            },
            Exit::Interrupted => Outcome::Lost {
                how: "it was interrupted".to_owned(),
                hangs: false,
            },
            Exit::Code(code) => self.failed(*code, printed),
        }
    }

    pub(crate) fn label(&self, task: u32) -> String {
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

    pub(crate) fn has_test(&self) -> bool {
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
                cycle: self.cycle(),
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
            OutcomeKind::Violated => Outcome::Violated {
                task: self
                    .recent
                    .last()
                    .map_or_else(|| self.test(), |task| self.label(*task)),
                what: text.to_owned(),
                check: String::new(),
                is_count: false,
            },
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
    fn waiting(&self) -> Vec<WaitingTask> {
        let tasks = (0..).zip(&self.tasks);
        let alive = tasks.filter(|(_, it)| !it.has_ended && it.role != Role::Thread);
        alive
            .map(|(number, task)| {
                let awaits = self.awaits.iter().filter(|it| it.task == number);
                let whats: Vec<&str> = awaits.clone().map(|it| &*it.what).collect();
                let doing = match whats.is_empty() {
                    true => "an await".to_owned(),
                    false => format!("an await of {}", whats.join(" or ")),
                };
                WaitingTask {
                    task: task.label.clone(),
                    doing,
                    spawned: task.spawned.clone(),
                    waits_for: awaits.filter_map(|it| Some(self.label(it.of?))).collect(),
                }
            })
            .collect()
    }

    /// Tasks that wait for each other in a circle.
    fn cycle(&self) -> Vec<String> {
        let waits = self.awaits.iter();
        let waits: Vec<_> = waits.filter_map(|it| Some((it.task, it.of?))).collect();
        let circle = retake_core::cycle::find(&waits);
        circle.into_iter().map(|task| self.label(task)).collect()
    }

    /// What each task awaited at the end, and where, if the run was asked for it.
    pub(crate) fn places_of_awaits(&self) -> Vec<String> {
        let placed = self.awaits.iter().filter(|it| !it.place.is_empty());
        placed
            .map(|it| format!("{} awaits {} at {}", self.label(it.task), it.what, it.place))
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

/// What Rust's libraries say before they abort a process, behind a colon. They say it behind
/// the name of the test, in the same line.
fn last_words(printed: &str) -> String {
    let of_line = |line: &str| {
        if line.ends_with("has overflowed its stack") {
            return Some("stack overflow".to_owned());
        }
        let beginnings = ["memory allocation of ", "fatal runtime error: "];
        let place = beginnings.iter().find_map(|it| line.find(it))?;
        Some(line[place..].to_owned())
    };
    let said = printed.lines().map(str::trim).find_map(of_line);
    said.map_or_else(String::new, |said| format!(": {said}"))
}

pub(crate) fn signal_in_words(signal: i32) -> String {
    let name = match signal {
        4 => " (illegal instruction)",
        6 => " (abort)",
        7 | 10 => " (bus error)",
        8 => " (arithmetic error)",
        9 => " (killed)",
        11 => " (segmentation fault, or stack overflow)",
        25 => " (a file is larger than the limit of the shell)",
        _ => "",
    };
    format!("signal {signal}{name}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    use retake_core::step::StepKind;
    use retake_seeded::child::Event;

    use crate::answer::tests::{panic, read, step};

    fn outcome(more: &[Event], exit: &Exit, printed: &str) -> String {
        read(more).0.outcome(exit, printed).to_string()
    }

    const FAILS: Exit = Exit::Code(101);

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
        let printed = "test it_works ... memory allocation of 9000 bytes failed\n";
        let text = of(Exit::Signal(6), printed);
        assert!(
            text.ends_with("(abort): memory allocation of 9000 bytes failed"),
            "{text}"
        );
        let printed =
            "\nthread 'it_works' (123) has overflowed its stack\nfatal runtime error: stack";
        let text = of(Exit::Signal(6), printed);
        assert!(text.ends_with("(abort): stack overflow"), "{text}");
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
        let waits = |task, what: &str, of| Event::Awaits {
            task,
            what: what.to_owned(),
            place: "src/lib.rs:9:5".to_owned(),
            of,
        };
        let ended = Event::Ended {
            outcome: OutcomeKind::Deadlock,
            text: String::new(),
        };
        let events = [
            waits(1, "the end of a task", Some(2)),
            waits(2, "a Mutex", Some(3)),
            waits(3, "a Mutex", Some(2)),
            waits(3, "a timer", None),
            ended,
        ];
        assert_eq!(
            outcome(&events, &FAILS, ""),
            "deadlock: nothing can run and no timer is pending\nwait cycle: it_works:7 -> \
             it_works:7#2 -> it_works:7\n  it_works waits in an await of the end of a task, \
             spawned at src/lib.rs:7:1, for it_works:7\n  it_works:7 waits in an await of a Mutex, \
             spawned at src/lib.rs:7:1, for it_works:7#2\n  it_works:7#2 waits in an await of a \
             Mutex or a timer, spawned at src/lib.rs:7:1, for it_works:7"
        );
        let places = read(&events).0.places_of_awaits();
        assert_eq!(places[3], "it_works:7#2 awaits a timer at src/lib.rs:9:5");
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
}
