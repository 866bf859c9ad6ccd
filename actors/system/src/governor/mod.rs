//! The governor: decides for one tenant which signals ask for an action.
//!
//! A [state machine](retake_otp::statem); [`Governor::table`](retake_otp::statem::StateMachine::table)
//! has its transitions:
//!
//! ```text
//!            entitled signal        value > 60            value > 80
//!   boot ───────────────────> stable ────────> warning ───────────────┐
//!     │                         │ ^ └──────────────── value > 80 ──┐  │
//!     │ not entitled            │ │ action ended or timed out      v  v
//!     v        entitlement lost │ └─────────────────────────── intervening
//!  refusing <───────────────────┘
//! ```
//!
//! At most one action is in flight. While it is, signals are postponed; after the
//! change of state they are taken up in the order of their arrival. The first
//! signal of an entitled tenant is evaluated like any other. Each transition
//! leaves a receipt.
//!
//! ```
//! use ractor::Actor;
//! use retake_system::governor::{Governor, GovernorArguments, GovernorEvent, GovernorRef};
//! use retake_system::ledger::{Ledger, LedgerArguments};
//! use retake_otp::Names;
//! use retake_system::{Entitlements, Signal, governor::Verdict};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let names = Names::new();
//! let ledger = LedgerArguments::default();
//! let store = ledger.store.clone();
//! Actor::spawn(Some(names.of("ledger")), Ledger, ledger).await?;
//! let governor = GovernorArguments::new("acme", &names, &Entitlements::default(), &store);
//! let governor = GovernorRef::start(None, Governor, governor).await?;
//!
//! governor.cast(GovernorEvent::Entitled(true))?;
//! for (value, expected) in [(10.0, Verdict::Stable), (70.0, Verdict::Warning)] {
//!     let signal = Signal { id: None, tenant: "acme".into(), metric: "cpu".into(), value, ..Signal::default() };
//!     let verdict = governor.call(|reply| GovernorEvent::Signal(signal, reply), None).await?;
//!     assert_eq!(verdict, expected);
//! }
//! assert_eq!(store.of_tenant("acme").len(), 2, "a receipt for each transition");
//! # Ok(())
//! # }
//! ```

mod arguments;
mod data;
mod event;
mod machine;

pub use arguments::GovernorArguments;
pub use data::{Governor, GovernorData, GovernorRef};
pub use event::{GovernorEvent, GovernorEventKind, GovernorState};

pub use crate::signal::{ACTION_ABOVE, Signal, Verdict, WARNING_ABOVE};
