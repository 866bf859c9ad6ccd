//! Live processes are recorded, and their recordings are followed. In a binary of its own, because
//! a process has one recording at a time, which records all its gates.

mod ends;
mod hostile;
mod recording;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use retake_live::{Config, RecordingReport};
use retake_sim::Outcome;
use retake_sim::recording::{FollowReport, Recording, RecordingRun};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

/// A process has one recording at a time.
fn one_at_a_time() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Several threads, as a live process has them.
fn threads() -> Runtime {
    let mut threads = Builder::new_multi_thread();
    threads.worker_threads(4).enable_time().build().unwrap()
}

/// Record this on several threads.
fn record_live<F>(path: &Path, config: Config, scenario: F) -> (F::Output, RecordingReport)
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let recording = retake_live::start(path, config).unwrap();
    let runtime = threads();
    let output = runtime.block_on(runtime.spawn(retake::record::scenario(scenario)));
    let recorded = recording.finish().unwrap();
    (output.unwrap(), recorded)
}

fn file(folder: &TempDir) -> PathBuf {
    folder.path().join("live.retake")
}

/// Record this, and follow it to its end: gives the output of both, and what was followed.
fn record_and_follow<F>(
    name: &str,
    scenario: impl Fn() -> F + Send + Sync + 'static,
) -> (F::Output, F::Output, FollowReport)
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let folder = TempDir::new().unwrap();
    let (live, recorded) = record_live(&file(&folder), Config::new(name), scenario());
    let recording = Recording::open(file(&folder)).unwrap();
    let (again, followed) = complete(recording.replay(scenario).unwrap());
    assert_eq!(followed.recorded, recorded.steps);
    (live, again, followed)
}

fn complete<T>(replayed: RecordingRun<T>) -> (T, FollowReport) {
    let RecordingRun { run, followed } = replayed;
    assert!(followed.is_complete(), "{followed:#?}\n{:?}", run.outcome);
    assert_eq!(run.outcome, Outcome::Passed);
    (run.output.unwrap(), followed)
}
