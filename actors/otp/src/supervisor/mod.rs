//! A supervisor: starts children in order, restarts those that die, gives up
//! when they die too often, and stops them in reverse order.
//!
//! After OTP's `supervisor` (supervisor(3erl) and "Supervisor Behaviour" in OTP
//! Design Principles). Some things differ. OTP counts restarts in whole seconds, so
//! its window is up to a second longer than the period; here it is exact. A
//! back-off between restarts can be asked for. And the children of a dynamic
//! supervisor each bring a spec of their own, as those of Elixir's
//! `DynamicSupervisor` do, and are counted like it.
//!
//! ```
//! use ractor::{Actor, ActorProcessingErr, ActorRef};
//! use retake_otp::supervisor::{ChildSpec, Strategy, SupervisorRef, SupervisorSpec};
//!
//! struct Printer;
//!
//! #[retake::simulated]
//! impl Actor for Printer {
//!     type Msg = String;
//!     type State = ();
//!     type Arguments = ();
//!     async fn pre_start(&self, _: ActorRef<String>, _: ()) -> Result<(), ActorProcessingErr> {
//!         Ok(())
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let spec = SupervisorSpec::new(Strategy::OneForOne)
//!     .child(ChildSpec::new("printer", || (Printer, ())));
//! let supervisor = SupervisorRef::start(Some("root"), spec).await?;
//! assert_eq!(
//!     supervisor.tree().await?.to_string(),
//!     "root: one_for_one, at most 1 restart in 5s\n└─ printer: permanent\n"
//! );
//! supervisor.stop().await;
//! # Ok(())
//! # }
//! ```
//!
//! A child's end counts as normal when it stopped itself without a reason, or with
//! the reason `normal`, `shutdown` or one that begins with `shutdown:`. A failed
//! handler, a panic, a kill or any other reason is abnormal.

mod actor;
mod children;
mod handle;
mod info;
mod intensity;
mod message;
mod reason;
mod restart;
mod spec;
mod stop;
mod tree;

pub use actor::Supervisor;
pub use children::SupervisorState;
pub use handle::SupervisorRef;
pub use info::{ChildCount, ChildError, ChildInfo, Description, StartedChild};
pub use intensity::Backoff;
pub use message::{Retry, SupervisorMessage};
pub use reason::{AUTO_SHUTDOWN, INTENSITY_EXCEEDED};
pub use spec::{
    AutoShutdown, ChildKind, ChildSpec, Ignore, Restart, Shutdown, SpecError, Strategy,
    SupervisorSpec,
};
pub use stop::stop_all;
pub use tree::Tree;
