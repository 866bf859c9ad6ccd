//! Checks to put into actors: what must always hold, what should happen at times,
//! what must happen in the end, and faults of the code's own.
//!
//! Inside a simulation a violated check ends the run as failed, wherever it happens:
//! no supervisor catches it, and the step ends with it: it unwinds from the
//! check, which drops what the step holds. Outside, it is a `tracing` event at level error
//! and the code continues, so the checks may stay in production code: each costs its
//! condition and a thread-local read.
//!
//! ```
//! # let (idle, leased, size) = (1, 2, 3);
//! retake::always!(idle + leased == size, "{idle} idle and {leased} leased of {size}");
//! retake::sometimes!(idle == 0, "the pool is exhausted");
//! if leased > size {
//!     retake::never!("more workers are leased than exist");
//! }
//! ```

use std::fmt::Display;
use std::future::Future;
use std::task::Poll;
use std::time::Duration;

use ractor::ActorCell;
use retake_core::disk::{DiskFailure, DiskOperation};
use retake_core::service::ServiceFailure;

use crate::engine;

/// A condition that must hold whenever this is reached, and what is wrong otherwise,
/// as `format!` takes it.
#[macro_export]
macro_rules! always {
    ($condition:expr, $format:literal $($values:tt)*) => {
        if !$condition {
            $crate::checks::violated_as($format, ::std::format!($format $($values)*));
        }
    };
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
    ($format:literal $($values:tt)*) => {
        $crate::checks::violated_as($format, ::std::format!($format $($values)*))
    };
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
///
/// A name, such as `buggify!("pool: checks in twice")`, makes it a fault that can be asked
/// for: `point pool: checks in twice @step 40`. Without one the place in the sources is the
/// name. Each time that it fires is a record of the trace.
#[macro_export]
macro_rules! buggify {
    ($site:literal) => {
        $crate::checks::buggify($site)
    };
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
    violated_as("", what);
}

/// The same, of a check that is known by its text with places for values, such as
/// `{first} and {second} lead`: what it says now does not tell it from others.
pub fn violated_as(check: &str, what: impl Display) {
    let what = what.to_string();
    match engine::simulating(|engine| engine.violated(&what, check)) {
        Some(()) => crate::gate::stop_step(),
        None => tracing::error!(target: "retake::violated", "{what}"),
    }
}

/// Note whether a goal is reached; see [`sometimes!`](crate::sometimes).
pub fn goal(name: &'static str, reached: bool) {
    engine::simulating(|engine| engine.goal(name, reached));
}

/// Whether the place of this name is to misbehave now; see [`buggify!`](crate::buggify).
#[must_use]
pub fn buggify(site: &'static str) -> bool {
    engine::simulating(|engine| engine.buggify(site)).unwrap_or(false)
}

/// How this request of the service of that name fails on purpose, if it does. The code then
/// does what the failure is called: it refuses, does not answer, or takes longer.
///
/// A simulation breaks a service by a fault, `break ledger timeout rate 10% @2s until 5s`.
/// Nothing fails outside a simulation, nor outside its steps.
///
/// ```
/// use retake::ServiceFailure;
///
/// # async fn write(_: &str) {}
/// async fn append(text: &str) -> Result<(), ServiceFailure> {
///     match retake::service("ledger") {
///         None => {}
///         Some(ServiceFailure::Slow(time)) => retake::sleep(time).await,
///         Some(failure) => return Err(failure),
///     }
///     write(text).await;
///     Ok(())
/// }
/// ```
#[must_use]
pub fn service(name: &str) -> Option<ServiceFailure> {
    engine::simulating(|engine| engine.service(name)).flatten()
}

/// How this operation on the disk of that name fails on purpose, if it does:
/// for disks that simulate one. Those of `retake_sim::fs` ask by themselves.
///
/// A simulation lets disks fail by faults, such as `fail disk writes rate 5% @2s until 5s`.
/// Nothing fails outside a simulation, nor outside its steps.
#[must_use]
pub fn disk(name: &str, operation: DiskOperation) -> Option<DiskFailure> {
    engine::with(|engine| engine.disk(name, operation)).flatten()
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
/// smallest load that fails, or more where a fault asks for it. At least 1.
#[must_use]
pub fn workload(full: u32) -> u32 {
    engine::simulating(|engine| engine.workload(full))
        .unwrap_or(full)
        .max(1)
}

/// Wait until no further fault is injected and those that last have ended: the end of chaos,
/// after which a system has to recover. Ready at once where no fault is planned, and
/// outside a simulation.
///
/// A plan says when that is; where nothing can run any more but for this, it is now.
///
/// ```
/// # async fn scenario() {
/// # async fn all_work_is_done() {}
/// retake::healed().await;
/// let within = std::time::Duration::from_secs(5);
/// retake::eventually("all work is done", within, all_work_is_done()).await;
/// # }
/// ```
pub async fn healed() {
    /// How often it is asked where nobody wakes who waits.
    const ASKED_AGAIN: Duration = Duration::from_millis(1);
    while engine::simulating(engine::Engine::awaits_heal).unwrap_or(false) {
        crate::sleep(ASKED_AGAIN).await;
    }
    std::future::poll_fn(|context| {
        let healed = engine::with(|engine| engine.healed(context.waker()));
        if healed.unwrap_or(true) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
}

/// Report to a simulation how many ends of its children a supervisor survives within how long:
/// faults that are drawn stay within it. Outside a simulation nothing happens.
pub fn restart_intensity(supervisor: &ActorCell, intensity: u32, period: Duration) {
    let period_ns = u64::try_from(period.as_nanos()).unwrap_or(u64::MAX);
    engine::with(|engine| engine.restart_intensity(supervisor, intensity, period_ns));
}

/// Tell a simulation that a state machine has met an event in a state: campaigns report
/// which pairs were met. Outside a simulation nothing happens.
pub fn covered(machine: &str, state: impl Display, event: &str) {
    engine::with(|engine| engine.covered(machine, &state, event, 1));
}

/// Tell a simulation, once in a run, which pairs of state and event a machine may meet, so
/// that campaigns report those that were never met.
pub fn coverable<S: Display, E: AsRef<str>>(
    machine: &str,
    pairs: impl IntoIterator<Item = (S, E)>,
) {
    engine::with(|engine| {
        if !engine.knows_machine(machine) {
            for (state, event) in pairs {
                engine.covered(machine, &state, event.as_ref(), 0);
            }
        }
    });
}
