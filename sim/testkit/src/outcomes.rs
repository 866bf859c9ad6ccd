//! What a test looks at of a run. Each panics with the run if it ended in another way.

use std::future::Future;

use retake_sim::{Outcome, Run, Sim};
use retake_traces::{MemorySink, Record};

/// A run, and what is recorded of it.
pub fn recorded<F, Fut>(sim: Sim, scenario: F) -> (Run<Fut::Output>, MemorySink)
where
    F: Fn() -> Fut + Send + Sync + 'static,
    Fut: Future + Send + 'static,
    Fut::Output: Send + 'static,
{
    let sink = MemorySink::new();
    (sim.trace(sink.clone()).run(scenario), sink)
}

/// The label of the task of this number.
#[track_caller]
pub fn label(records: &[Record], task: u32) -> String {
    let mut labels = records.iter().filter_map(|record| match record {
        Record::Task(it) if it.id == task => Some(it.label.to_string()),
        _ => None,
    });
    labels.next().expect("the task is recorded")
}

/// Which task violated what.
#[track_caller]
pub fn violated<T>(run: &Run<T>) -> (&str, &str) {
    match &run.outcome {
        Outcome::Violated { task, what, .. } => (task, what),
        _ => panic!("{run}"),
    }
}

/// Which task panicked, and its message.
#[track_caller]
pub fn panicked<T>(run: &Run<T>) -> (&str, &str) {
    match &run.outcome {
        Outcome::Panicked { task, message, .. } => (task, message),
        _ => panic!("{run}"),
    }
}

/// What escaped, and what to do about it.
#[track_caller]
pub fn escaped<T>(run: &Run<T>) -> (&str, &str) {
    match &run.outcome {
        Outcome::Escaped { what, remedy } => (what, remedy),
        _ => panic!("{run}"),
    }
}

/// Why a schedule could not be followed.
#[track_caller]
pub fn diverged<T>(run: &Run<T>) -> &str {
    match &run.outcome {
        Outcome::Diverged { reason } => reason,
        _ => panic!("{run}"),
    }
}

/// The busy tasks of a livelock with their shares, and the steps that repeat.
#[track_caller]
pub fn livelock<T>(run: &Run<T>) -> (&[(String, u32)], &[String]) {
    match &run.outcome {
        Outcome::Livelock { busy, repeats } => (busy, repeats),
        _ => panic!("{run}"),
    }
}
