//! A governed system: it judges the signals of tenants, takes actions for them, and keeps
//! receipts. Made of the actors of [`retake_otp`], and with them the same code live and
//! under simulation.
//!
//! The modules, in reading order: [`ledger`] keeps receipts in hash chains. A [`signal`] may ask
//! for an [`action`], if its tenant has one of the [`entitlements`]. [`worker`] does
//! an action's work, [`executor`] runs actions on the pool, [`governor`] decides for one
//! tenant which to take, [`entitlement`] whether it may, [`governance`] keeps both,
//! [`system`] puts them together, and [`ingress`] lets HTTP clients in.
//! [`failures`] breaks it on purpose; [`invariants`] says what must hold all
//! the same; [`alerts`] what somebody should look at, and [`observer`] looks; [`stages`]
//! says where the time goes, [`part`] what the parts are called.
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

pub mod action;
pub mod alerts;
pub mod entitlement;
pub mod entitlements;
pub mod executor;
pub mod failures;
pub mod governance;
pub mod governor;
pub mod ingress;
pub mod invariants;
pub mod ledger;
pub mod observer;
pub mod part;
mod service_time;
pub mod signal;
pub mod stages;
pub mod system;
pub mod worker;

pub use action::{Action, ActionKind, ActionResult};
pub use entitlements::{Change, EntitlementState, Entitlements};
pub use executor::Executor;
pub use failures::{Failures, PlannedFailure, Service};
pub use governor::{Governor, GovernorState};
pub use ingress::{Ingress, IngressConfig};
pub use ledger::{Ledger, LedgerRef, Receipt, Store};
pub use service_time::{Quantiles, QuantilesError, ServiceTime};
pub use signal::{Signal, Verdict};
pub use system::{System, SystemConfig};
pub use worker::ActionWorker;
