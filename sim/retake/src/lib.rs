//! What production code depends on to be simulated by Retake.
//!
//! Put [`#[retake::simulated]`](macro@simulated) on the `impl Actor` blocks of
//! your `ractor` actors, spawn other tasks with [`spawn`], and take time and
//! randomness from here. Outside a simulation all of this passes straight
//! through to ractor, tokio and the operating system: one thread-local read for
//! each callback. Inside one (see the crate `retake-sim`) a seeded scheduler
//! decides who runs next, and time is virtual.
//!
//! ```
//! use ractor::{Actor, ActorProcessingErr, ActorRef};
//!
//! struct Greeter;
//!
//! #[retake::simulated]
//! impl Actor for Greeter {
//!     type Msg = String;
//!     type State = u32;
//!     type Arguments = ();
//!
//!     async fn pre_start(&self, _: ActorRef<String>, (): ()) -> Result<u32, ActorProcessingErr> {
//!         Ok(0)
//!     }
//!
//!     async fn handle(
//!         &self,
//!         _myself: ActorRef<String>,
//!         name: String,
//!         greeted: &mut u32,
//!     ) -> Result<(), ActorProcessingErr> {
//!         *greeted += 1;
//!         retake::event!("hello {name}, you are number {greeted}");
//!         Ok(())
//!     }
//! }
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let (greeter, handle) = Actor::spawn(None, Greeter, ()).await.unwrap();
//! greeter.cast("Ada".to_owned()).unwrap();
//! greeter.drain().unwrap();
//! handle.await.unwrap();
//! # }
//! ```
//!
//! The modules, in reading order: [`engine`] is the contract with a simulation,
//! [`gate`] puts code under it, [`checks`] says what must hold, and time and randomness
//! are re-exported here; [`live`] is what they are outside simulations.

pub mod checks;
pub mod engine;
pub mod gate;
mod linked;
pub mod live;
mod names;
mod random;
pub mod record;
mod time;

use std::future::Future;

use tokio::task::JoinHandle;

pub use checks::{
    coverable, covered, disk, eventually, healed, restart_intensity, service, workload,
};
pub use gate::SimulatedActor;
pub use random::{Rng, rng};
pub use retake_core::disk::{DiskFailure, DiskFailureKind, DiskOperation};
pub use retake_core::service::{ServiceFailure, Share};
pub use retake_macros::simulated;
pub use time::{
    Elapsed, Instant, SIMULATED_UNIX_START, Sleep, now, send_after, sleep, sleep_until, timeout,
    unix_time, yield_point,
};

/// True inside a simulation.
#[must_use]
pub fn is_simulated() -> bool {
    engine::with(|_| ()).is_some()
}

/// Spawn a task, gated inside a simulation; `tokio::spawn` outside.
///
/// A simulation decides when each step of the task runs. A task of `tokio::spawn` runs at once
/// when it is woken, in one order only; a run counts such tasks and says so.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let sum = retake::spawn(async { 1 + 2 });
/// assert_eq!(sum.await.unwrap(), 3);
/// # }
/// ```
///
/// # Panics
/// Outside a tokio runtime, as `tokio::spawn` does.
#[track_caller]
pub fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    spawn_named(UNNAMED, future)
}

/// The name of a task that was given none.
const UNNAMED: &str = "task";

/// [`spawn`], with a name that traces show.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// for number in 1..=3 {
///     retake::spawn_named(&format!("client-{number}"), async move {
///         retake::event!("asks for {number}");
///     });
/// }
/// # }
/// ```
///
/// # Panics
/// Outside a tokio runtime, as `tokio::spawn` does.
#[track_caller]
pub fn spawn_named<F>(name: &str, future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let gated = gate::task(name, future);
    let task = gated.id();
    #[allow(
        clippy::disallowed_methods,
        reason = "the task is gated: this is what to use instead"
    )]
    let handle = tokio::spawn(gated);
    if let Some(task) = task {
        gate::task_spawned(task, std::panic::Location::caller(), &|| {
            handle.abort_handle()
        });
    }
    handle
}

/// A name for ractor's registry, which is global to the process: inside a
/// simulation the name is made unique to the run, so that runs on several
/// threads do not meet. Traces show the name as given.
///
/// ```
/// # use ractor::{Actor, ActorProcessingErr, ActorRef};
/// # struct Ledger;
/// # #[retake::simulated]
/// # impl Actor for Ledger {
/// #     type Msg = u32;
/// #     type State = ();
/// #     type Arguments = ();
/// #     async fn pre_start(&self, _: ActorRef<u32>, (): ()) -> Result<(), ActorProcessingErr> {
/// #         Ok(())
/// #     }
/// # }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// Actor::spawn(Some(retake::scoped_name("ledger")), Ledger, ()).await.unwrap();
/// let ledger: ActorRef<u32> = retake::where_is("ledger").expect("it is registered").into();
/// ledger.cast(7).unwrap();
/// # }
/// ```
#[must_use]
pub fn scoped_name(name: &str) -> String {
    engine::with(|engine| engine.scoped_name(name)).unwrap_or_else(|| name.to_owned())
}

/// The actor registered under a [`scoped_name`]; give the name without its scope.
#[must_use]
pub fn where_is(name: &str) -> Option<ractor::ActorCell> {
    ractor::registry::where_is(scoped_name(name))
}

/// The members of the process group of a [`scoped_name`], those that were started first
/// in front.
///
/// `ractor::pg::get_members` gives them in the order of a map, which no seed decides.
///
/// ```
/// # use ractor::{Actor, ActorProcessingErr, ActorRef};
/// # struct Display;
/// # #[cfg_attr(feature = "async-trait", ractor::async_trait)]
/// # impl Actor for Display {
/// #     type Msg = u32;
/// #     type State = ();
/// #     type Arguments = ();
/// #     async fn pre_start(&self, _: ActorRef<u32>, (): ()) -> Result<(), ActorProcessingErr> {
/// #         Ok(())
/// #     }
/// # }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let (display, _) = Actor::spawn(None, Display, ()).await.unwrap();
/// ractor::pg::join(retake::scoped_name("displays"), vec![display.get_cell()]);
/// for member in retake::members("displays") {
///     member.send_message(42_u32).unwrap();
/// }
/// # assert_eq!(retake::members("displays").len(), 1);
/// # }
/// ```
#[must_use]
pub fn members(group: &str) -> Vec<ractor::ActorCell> {
    let mut members = ractor::pg::get_members(&scoped_name(group));
    // Their numbers differ from run to run, the order of these does not.
    members.sort_by_key(ractor::ActorCell::get_id);
    members
}

/// Add a line to the story of the run; outside a simulation, a `tracing` event
/// at level info. Takes what `format!` takes, and formats only when somebody reads it.
#[macro_export]
macro_rules! event {
    ($($argument:tt)+) => {
        $crate::log_event(|| ::std::format!($($argument)+), ::std::module_path!())
    };
}

/// What [`event!`] expands to.
#[doc(hidden)]
pub fn log_event(text: impl FnOnce() -> String, module: &'static str) {
    let mut text = Some(text);
    let is_wanted = engine::simulating(|engine| {
        let is_wanted = engine.wants().messages;
        // As the engine's own work: a run that is recorded allocates no more than others do.
        if is_wanted && let Some(text) = text.take() {
            engine.event(text());
        }
        is_wanted
    });
    match (is_wanted, text) {
        (None, Some(text)) => tracing::info!(target: "retake::event", module, "{}", text()),
        // A monitor may have found it wrong.
        (Some(true), _) => gate::stop_step(),
        _ => {}
    }
}
