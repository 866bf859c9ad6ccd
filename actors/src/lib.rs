//! An OTP analogue on `ractor`, and a governed system built from it.
//!
//! All actors here are ordinary `ractor` actors that depend on the facade
//! `retake` only, so the same code serves live and under simulation.
//!
//! The modules, in reading order: [`supervisor`] keeps children alive; [`pool`]
//! lends workers; [`statem`] makes state machines; [`ledger`] keeps receipts in hash
//! chains. From these: [`worker`] does an action's work, [`executor`] runs actions
//! on the pool, [`governor`] decides for one tenant which to take, [`entitlement`]
//! whether it may, [`governance`] keeps both, [`system`] puts them together, and
//! [`ingress`] lets HTTP clients in.
//! [`failures`] breaks it on purpose; [`invariants`] says what must hold all
//! the same, looking at a [`journal`] among others; [`alerts`] what somebody should
//! look at, and [`observer`] looks; [`stages`] says where the time goes, [`names`] who
//! is called what.
//!
//! The way of one signal:
//!
//! ```text
//! client ─ signal ─> governor ─ transition, attempt ─> ledger
//!                       │ execute
//!                    executor ─ starts ─> runner ─ checkout ─> pool
//!                       runner ─ run ─> worker ─ done ─> runner
//!                    governor <─ action done ─ runner
//!                       └─ result, transition ─> ledger
//! ```

pub mod alerts;
mod by_actor;
mod call;
pub mod entitlement;
pub mod executor;
pub mod failure_plan;
pub mod failures;
pub mod governance;
pub mod governor;
pub mod ingress;
pub mod invariants;
pub mod journal;
pub mod ledger;
pub mod names;
pub mod observer;
pub mod pool;
mod service_time;
pub mod stages;
pub mod statem;
pub mod supervisor;
pub mod system;
pub mod worker;

pub use call::{CallError, call};
pub use entitlement::{Change, EntitlementState, Entitlements};
pub use executor::{Action, ActionKind, ActionResult, Executor};
pub use failure_plan::{PlanError, PlannedFailure};
pub use failures::{Failure, FailureKind, Failures, Service};
pub use governor::{Governor, GovernorState, Signal, Verdict};
pub use ingress::{Ingress, IngressConfig};
pub use ledger::{Ledger, LedgerRef, Receipt, Store};
pub use names::Names;
pub use pool::{CheckoutError, Lease, Pool, PoolConfig, PoolRef, PoolStatus};
pub use service_time::{NoQuantiles, Quantiles, ServiceTime};
pub use supervisor::{
    ChildSpec, Restart, Shutdown, Strategy, Supervisor, SupervisorRef, SupervisorSpec,
};
pub use system::{System, SystemConfig};
pub use worker::ActionWorker;
