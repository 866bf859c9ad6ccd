//! A pool of workers that are leased to clients one at a time, after poolboy.
//!
//! A client asks with [`PoolRef::checkout`] and gets a [`Lease`]; dropping the
//! lease gives the worker back. That is also how the pool learns that a client
//! died: whatever holds the lease, an actor's handler or state or a plain task,
//! drops it. A client that stops waiting withdraws its request the same way.
//!
//! The rules, in poolboy's words: an idle worker if there is one, else an
//! overflow worker if that is allowed, else the queue. A worker given back goes
//! to the longest waiting client; without one, an overflow worker is dismissed.
//! A worker that dies is replaced. A worker that fails to start fails the pool.
//!
//! Beyond poolboy: a client that gives up costs little, however many wait; the queue is part
//! of the status, with how long clients waited, and can be bounded.
//!
//! To read it: `state.rs` has the rules, one function for each event, as data without an
//! actor; `actor.rs` executes what they decide; `handle.rs` is what clients hold.
//!
//! ```
//! use std::time::Duration;
//!
//! use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort};
//! use retake_otp::pool::{PoolConfig, PoolRef};
//!
//! struct Doubler;
//!
//! #[retake::simulated]
//! impl Actor for Doubler {
//!     type Msg = (u32, RpcReplyPort<u32>);
//!     type State = ();
//!     type Arguments = ();
//!     async fn pre_start(&self, _: ActorRef<Self::Msg>, _: ()) -> Result<(), ActorProcessingErr> {
//!         Ok(())
//!     }
//!     async fn handle(
//!         &self, _: ActorRef<Self::Msg>, (number, reply): Self::Msg, _: &mut (),
//!     ) -> Result<(), ActorProcessingErr> {
//!         Ok(reply.send(2 * number)?)
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let pool = PoolRef::start("doublers", PoolConfig::default(), |_| (Doubler, ())).await?;
//! let timeout = Duration::from_secs(5);
//! let doubled = pool.transaction(timeout, async |worker| ractor::call!(worker, |reply| (21, reply)));
//! assert_eq!(doubled.await??, 42);
//! pool.stop().await;
//! # Ok(())
//! # }
//! ```

mod actor;
mod config;
mod handle;
mod message;
mod state;
mod status;

pub use actor::{Pool, PoolActorState};
pub use config::{CHECKOUT_TIMEOUT, Order, PoolConfig};
pub use handle::{CheckoutError, Lease, PoolRef};
pub use message::{PoolMessage, Ticket};
pub use state::Refusal;
pub use status::{CheckoutCounts, PoolState, PoolStatus};
