//! What a process counts: the same in each process, not in each run of one.

use super::harness::{is_of_the_seed_and_the_runs_before, is_the_same};
use crate::common::{here, select};

#[test]
fn the_branch_that_a_select_takes_is_of_the_seed_and_the_runs_before() {
    is_of_the_seed_and_the_runs_before(here!(), || async {
        let mut taken = Vec::new();
        for _ in 0..40 {
            taken.push(select().await);
        }
        format!("{taken:?}")
    });
}

#[test]
fn the_branch_that_a_select_of_futures_takes_is_of_the_seed_and_the_runs_before() {
    is_of_the_seed_and_the_runs_before(here!(), || async {
        let mut taken = Vec::new();
        for _ in 0..40 {
            taken.push(futures::select! {
                () = futures::future::ready(()) => 1,
                () = futures::future::ready(()) => 2,
            });
        }
        format!("{taken:?}")
    });
}

#[test]
fn futures_unordered_are_polled_in_the_same_order() {
    use futures::StreamExt as _;
    is_the_same(here!(), || async {
        let futures: futures::stream::FuturesUnordered<_> =
            (0..20_u64).map(|number| async move { number }).collect();
        format!("{:?}", futures.collect::<Vec<_>>().await)
    });
}

#[test]
fn the_id_of_the_thread_is_of_the_runs_before() {
    is_the_same(here!(), || async {
        format!("{:?}", std::thread::current().id())
    });
}

#[test]
fn a_static_is_of_the_runs_before() {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU32, Ordering};
    static RUNS: AtomicU32 = AtomicU32::new(0);
    static FIRST: OnceLock<u64> = OnceLock::new();
    is_the_same(here!(), || async {
        let first = FIRST.get_or_init(rand::random);
        format!("{} {first}", RUNS.fetch_add(1, Ordering::Relaxed))
    });
}
