//! What starts threads.

use std::time::Duration;

use ractor::thread_local::ThreadLocalActorSpawner;
use rayon::prelude::*;
use retake_sim::Sim;

use super::harness::{ANYWHERE, fails_with, in_two};
use crate::common::{Ungated, here};

const STARTED: &str = "escaped: a thread was started ";
const FILE: &str = "at snapshots/tests/suite/environments/threads.rs:";

#[test]
fn a_thread_of_std_fails_the_run_by_the_place_that_started_it() {
    let words = ["escaped: ", STARTED, FILE, "retake::spawn"];
    fails_with(here!(), &words, || async {
        std::thread::spawn(|| 1).join().unwrap().to_string()
    });
}

#[test]
fn a_builder_of_a_thread_gets_an_error() {
    fails_with(here!(), &[STARTED, FILE], || async {
        let error = std::thread::Builder::new().spawn(|| ()).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EAGAIN));
        String::new()
    });
}

#[test]
fn a_scope_of_threads_fails_the_run() {
    fails_with(here!(), &[STARTED, FILE], || async {
        std::thread::scope(|scope| scope.spawn(|| 1).join().unwrap()).to_string()
    });
}

#[test]
fn rayon_fails_the_run_by_the_place_that_used_it() {
    fails_with(here!(), &[STARTED, FILE], || async {
        let order = std::sync::Mutex::new(Vec::new());
        (0..100)
            .into_par_iter()
            .for_each(|number| order.lock().unwrap().push(number));
        format!("{order:?}")
    });
}

#[test]
fn a_runtime_with_threads_fails_the_run() {
    fails_with(here!(), &[STARTED, FILE], || async {
        let threads = tokio::runtime::Builder::new_multi_thread().build();
        format!("{:?}", threads.is_ok())
    });
}

#[test]
fn a_thread_local_actor_fails_the_run_by_the_place_where_its_thread_starts() {
    fails_with(here!(), &[STARTED, "src/thread_local.rs:"], || async {
        let spawner = ThreadLocalActorSpawner::new();
        let spawned = ractor::spawn_local::<Ungated>((), spawner).await;
        format!("{:?}", spawned.is_ok())
    });
}

#[test]
fn a_thread_of_the_blocking_pool_fails_the_run_by_the_task() {
    let words = ["escaped: ", "scenario called `spawn_blocking`"];
    fails_with(here!(), &words, || async {
        tokio::task::spawn_blocking(|| 1).await.unwrap().to_string()
    });
}

#[test]
fn a_thread_that_is_allowed_runs_and_is_reported() {
    let reports = in_two(
        here!(),
        ANYWHERE,
        || Sim::new().allow_threads(true),
        || async {
            let threads: Vec<_> = (0..2)
                .map(|number| {
                    std::thread::spawn(move || {
                        // Real time, outside the simulation.
                        std::thread::sleep(Duration::from_millis(1));
                        number
                    })
                })
                .collect();
            let numbers = threads.into_iter().map(|thread| thread.join().unwrap());
            format!("{:?}", numbers.collect::<Vec<_>>())
        },
    );
    for report in reports.iter().flatten().flatten() {
        assert_eq!(report.outcome, "passed");
        assert_eq!(report.output, "[0, 1]");
        let warning = &report.warnings;
        for part in [
            "2 threads were started, the first ",
            FILE,
            "this run may not repeat",
        ] {
            assert!(warning.contains(part), "{warning}");
        }
    }
}
