//! Finding failures: many seeds, then the smallest story of each failure and its reason.
//!
//! A [`Campaign`] runs a scenario under many seeds, each with a strategy and faults of
//! its own, and groups the failures by their [signature]. Each group is a
//! [`Case`]: data, which runs the same again, in a test for example. [`shrink`] makes it
//! small, [`explain`] says why it fails.
//!
//! ```
//! use ractor::{Actor, ActorProcessingErr, ActorRef};
//! use retake_sim::explore::{self, Explorer};
//!
//! struct Account;
//!
//! #[derive(Debug)]
//! enum Message {
//!     Deposit(u32),
//!     Withdraw(u32),
//! }
//!
//! #[retake::simulated]
//! impl Actor for Account {
//!     type Msg = Message;
//!     type State = u32;
//!     type Arguments = ();
//!
//!     async fn pre_start(&self, _: ActorRef<Message>, (): ()) -> Result<u32, ActorProcessingErr> {
//!         Ok(0)
//!     }
//!
//!     async fn handle(
//!         &self,
//!         _: ActorRef<Message>,
//!         message: Message,
//!         balance: &mut u32,
//!     ) -> Result<(), ActorProcessingErr> {
//!         match message {
//!             Message::Deposit(amount) => *balance += amount,
//!             Message::Withdraw(amount) => {
//!                 retake::always!(*balance >= amount, "overdrawn");
//!                 *balance -= amount;
//!             }
//!         }
//!         Ok(())
//!     }
//! }
//!
//! let scenario = || async {
//!     let (account, _) = Actor::spawn(None, Account, ()).await.unwrap();
//!     let other = account.clone();
//!     let deposit = retake::spawn_named("deposit", async move {
//!         other.cast(Message::Deposit(5)).unwrap();
//!     });
//!     let withdraw = retake::spawn_named("withdraw", async move {
//!         account.cast(Message::Withdraw(5)).unwrap();
//!     });
//!     deposit.await.unwrap();
//!     withdraw.await.unwrap();
//!     retake::sleep(std::time::Duration::from_secs(1)).await;
//! };
//! let campaign = Explorer::new("account").seeds(0..100).run(scenario);
//! let failure = &campaign.failures[0];
//! assert_eq!(failure.case.signature, "violated: scenario/Account: overdrawn");
//! let shrunk = explore::shrink(&failure.case, scenario, |_| {}).unwrap();
//! assert_eq!(shrunk.case.holds().len(), 1);
//! let why = explore::explain(&shrunk.case, scenario);
//! assert!(why.to_string().contains("passes if "), "{why}");
//! ```

mod binary;
mod campaign;
mod case;
mod case_file;
mod determinism;
mod execution;
mod exhaustive;
mod explorer;
mod external;
mod failure;
mod mix;
mod remote;
mod scenario;
mod shape;
mod shrink;
pub mod test_runner;
mod timeline;
mod variables;
mod walk;
mod why;

pub use campaign::{Campaign, Failure, History, SeedRun};
pub use case::{Case, WholeProgram};
pub use case_file::CaseError;
pub use execution::{Execution, ExecutionResult};
pub use exhaustive::{Exhaustive, ExhaustiveReport};
pub use explorer::{Explorer, STEP_LIMIT, Watch};
pub use external::{External, ExternalRun, RunRequest};
pub use failure::{FailureKind, signature};
pub use mix::Search;
pub use remote::serve;
pub use scenario::{Scenario, ScenarioOutput};
pub use shrink::{ShrinkError, ShrinkProgress, Shrunk, shrink, shrink_within};
pub use timeline::{Quiet, QuietRule, TimelineFigures, Timelines};
pub use why::{
    Delivery, DifferentFailure, Explanation, Order, Ordering, OtherSeeds, Reason, Verdict,
    WithoutFaults, explain,
};
