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
mod intensity;
mod restart;
mod spec;
mod stop;
mod tree;

pub use actor::{Supervisor, SupervisorMessage, SupervisorState};
pub use handle::{ChildCount, ChildError, ChildInfo, Description, StartedChild, SupervisorRef};
pub use intensity::Backoff;
pub use restart::Retry;
pub use spec::{
    AutoShutdown, ChildKind, ChildSpec, Ignore, Restart, Shutdown, SpecError, Strategy,
    SupervisorSpec,
};
pub use tree::Tree;

pub use stop::stop_all;

/// The reason with which children are asked to stop.
const SHUTDOWN: &str = "shutdown";
/// The reason with which a supervisor ends that gave up. OTP's is `shutdown`; its report
/// says `reached_max_restart_intensity`.
pub const INTENSITY_EXCEEDED: &str = "shutdown: restart intensity exceeded";
/// The reason with which a supervisor ends whose significant children have ended: like
/// OTP's `shutdown`, it is a normal end.
pub const AUTO_SHUTDOWN: &str = "shutdown: significant children have ended";
