//! A small OTP on `ractor`: supervisor, worker pool, state machines.
//!
//! The actors here are ordinary `ractor` actors that depend on the facade `retake` only, so
//! the same code serves live and under simulation.
//!
//! The modules, in reading order: [`supervisor`] keeps children alive; [`pool`] leases
//! workers; [`statem`] makes state machines; [`call()`] asks an actor and waits; [`names`]
//! says who is called what. A [`journal`] notes what happens, and [`invariants`] says what
//! must hold of it.

mod actor_map;
mod call;
pub mod invariants;
pub mod journal;
mod named_enum;
pub mod names;
pub mod pool;
pub mod statem;
pub mod supervisor;

pub use actor_map::ActorMap;
pub use call::{CallError, EARLY, STORM, call, call_in_full};
pub use names::Names;
pub use pool::{CheckoutError, Lease, Pool, PoolConfig, PoolRef, PoolStatus};
pub use supervisor::{
    ChildSpec, Restart, Shutdown, Strategy, Supervisor, SupervisorRef, SupervisorSpec,
};
