//! Checks to put into actors: what must always hold, what should happen at times,
//! what must happen in the end, and faults of the code's own.
//!
//! Inside a simulation a violated check ends the run as failed, wherever it happens:
//! no supervisor catches it. Outside, it is a `tracing` event at level error and the
//! code goes on, so the checks may stay in production code: each costs its condition
//! and a thread-local read.
//!
//! ```
//! # let (idle, leased, size) = (1, 2, 3);
//! retake::always!(idle + leased == size, "{idle} idle and {leased} leased of {size}");
//! retake::sometimes!(idle == 0, "the pool is exhausted");
//! if leased > size {
//!     retake::never!("more workers are lent than there are");
//! }
//! ```

use std::fmt::Display;
use std::future::Future;
use std::time::Duration;

use crate::engine::{self, Engine};

/// A condition that must hold whenever this is reached, and what is wrong otherwise,
/// as `format!` takes it.
#[macro_export]
macro_rules! always {
    ($condition:expr, $($what:tt)+) => {
        if !$condition {
            $crate::checks::violated(::std::format!($($what)+));
        }
    };
}

/// A place that must not be reached, and what is wrong when it is. The counterpart of
/// `unreachable!` that does not panic.
#[macro_export]
macro_rules! never {
    ($($what:tt)+) => {
        $crate::checks::violated(::std::format!($($what)+))
    };
}

/// A condition that should hold in some runs of a campaign, under a name: a goal that
/// shows whether the campaign gets where it should. Nothing fails when it does not hold.
#[macro_export]
macro_rules! sometimes {
    ($condition:expr, $name:expr) => {
        $crate::checks::goal($name, $condition)
    };
}

/// True at times, in simulations that ask for it: a place to be unkind on purpose, by
/// a short queue, a needless retry, an early timeout.
///
/// Of all such places a quarter is active in a run, and fires a quarter of the times.
/// Outside a simulation it is false. After `FoundationDB`'s macro of this name.
#[macro_export]
macro_rules! buggify {
    () => {
        $crate::checks::buggify(::std::concat!(
            ::std::file!(),
            ":",
            ::std::line!(),
            ":",
            ::std::column!()
        ))
    };
}

/// A check has failed; see [`always!`](crate::always).
pub fn violated(what: impl Display) {
    let what = what.to_string();
    if engine::with(|engine| engine.violated(&what)).is_none() {
        tracing::error!(target: "retake::violated", "{what}");
    }
}

/// Note whether a goal is reached; see [`sometimes!`](crate::sometimes).
pub fn goal(name: &'static str, reached: bool) {
    engine::with(|engine| engine.goal(name, reached));
}

/// Whether the place of this name is to misbehave now; see [`buggify!`](crate::buggify).
#[must_use]
pub fn buggify(site: &'static str) -> bool {
    engine::with(|engine| engine.buggify(site)).unwrap_or(false)
}

/// Wait for something that must happen within this time; a violated check if it does
/// not. Gives what came of it.
pub async fn eventually<F: Future>(what: &str, within: Duration, future: F) -> Option<F::Output> {
    match crate::timeout(within, future).await {
        Ok(output) => Some(output),
        Err(_) => {
            violated(format_args!("{what}: not within {within:?}"));
            None
        }
    }
}

/// How much of a load to make: `full`, or less where a simulation looks for the
/// smallest load that fails. At least 1.
#[must_use]
pub fn workload(full: u32) -> u32 {
    let most = engine::with(Engine::workload).flatten();
    most.map_or(full, |most| full.min(most)).max(1)
}
