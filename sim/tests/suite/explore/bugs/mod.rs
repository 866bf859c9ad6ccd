//! Small programs with a bug each, as people write them. An explanation of each has to be
//! true, see `explained.rs`.

#![allow(unreachable_pub)]

mod faults;
mod races;
mod time;
mod waits;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use retake_testkit::{MS, actor, tell};

use super::{Body, strangers};

/// A program and how it is explored.
pub struct Program {
    pub name: &'static str,
    pub run: fn() -> Body,
    /// `none`, `swarm`, or faults of every run.
    pub faults: &'static [&'static str],
    /// What the explanation must have.
    pub expects: Expects,
}

/// What avoids a bug, as its author knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expects {
    /// One order of two deliveries.
    Order,
    /// Orders; how many of them depends on the schedule that passes.
    Orders,
    /// A run without the fault.
    Fault,
    /// Nothing but another seed.
    Seed,
    /// Nothing: it fails always.
    Nothing,
}

macro_rules! programs {
    ($($run:path, $faults:expr, $expects:ident;)*) => {
        &[$(Program {
            name: stringify!($run),
            run: || Box::pin($run()),
            faults: &$faults,
            expects: Expects::$expects,
        }),*]
    };
}

pub const PROGRAMS: &[Program] = programs![
    races::message_race, [], Order;
    races::reversed_message_race, [], Order;
    races::check_then_act, [], Orders;
    races::lost_update, [], Orders;
    races::replies_out_of_order, [], Order;
    races::used_before_it_is_configured, [], Order;
    races::log_closed_before_the_last_line, [], Order;
    strangers::stale_cache, [], Orders;
    races::read_from_a_replica, [], Orders;
    races::last_write_wins, [], Order;
    races::two_orders_are_needed, [], Orders;
    races::shared_memory, [], Order;
    races::barrier_counts_one_party_twice, [], Orders;
    waits::lost_wakeup, [], Order;
    waits::calls_in_a_circle, [], Orders;
    waits::polite_for_ever, [], Order;
    waits::lease_that_is_never_returned, [], Orders;
    waits::double_release, [], Order;
    time::reply_against_timeout, [], Orders;
    time::timer_is_not_cancelled, [], Orders;
    time::retry_is_applied_twice, [], Orders;
    time::retries_overload, [], Orders;
    time::two_leaders, [], Orders;
    time::polls_a_flag_that_is_never_set, [], Order;
    faults::job_lost_in_a_restart, ["panic worker @step 6"], Fault;
    faults::processed_twice_after_a_crash, ["panic worker @step 9"], Fault;
    faults::supervisor_forgets_while_busy, ["panic worker @step 7"], Fault;
    faults::draws_decide, [], Seed;
    faults::fails_always, [], Nothing;
];

/// Tasks that run at the same time, to their ends.
async fn together<const N: usize>(tasks: [(&str, Body); N]) {
    let tasks = tasks.map(|(name, body)| retake::spawn_named(name, body));
    for task in tasks {
        let _ = task.await;
    }
}

fn task(name: &str, body: impl Future<Output = ()> + Send + 'static) -> (&str, Body) {
    (name, Box::pin(body))
}

type Shared<T> = Arc<Mutex<T>>;

fn shared<T>(value: T) -> Shared<T> {
    Arc::new(Mutex::new(value))
}

fn lock<T>(shared: &Shared<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
