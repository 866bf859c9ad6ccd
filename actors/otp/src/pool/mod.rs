//! A pool of workers that are lent to clients one at a time, after poolboy.
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
//! Beyond poolboy: a client that gives up costs a constant time, the queue is part
//! of the status, with how long clients waited, and can be bounded.
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
//! let patience = Duration::from_secs(5);
//! let doubled = pool.transaction(patience, async |worker| ractor::call!(worker, |reply| (21, reply)));
//! assert_eq!(doubled.await??, 42);
//! pool.stop().await;
//! # Ok(())
//! # }
//! ```

mod actor;
mod handle;
mod state;
mod status;

use std::time::Duration;

pub use actor::{Pool, PoolMessage, Refusal};
pub use handle::{CheckoutError, Lease, PoolRef};
pub use state::{PoolActorState, Ticket};
pub use status::{PoolState, PoolStatus, Served};

/// Which idle worker is lent next: poolboy's `strategy`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// The one that was given back last.
    #[default]
    Lifo,
    /// The one that was given back first.
    Fifo,
}

/// How long poolboy's clients wait for a worker, if they say nothing else.
pub const CHECKOUT_TIMEOUT: Duration = Duration::from_secs(5);

/// The size of a pool: the options of `poolboy:start_link/2`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolConfig {
    /// Workers that are always there.
    pub size: u32,
    /// Workers that are started beyond these when all are lent.
    pub max_overflow: u32,
    /// Which idle worker is lent next.
    pub order: Order,
    /// Clients that may wait; more are rejected at once. Without a bound if there is none,
    /// as in poolboy, which has no bound.
    pub max_waiting: Option<u32>,
}

impl Default for PoolConfig {
    /// Poolboy's: 5 workers, 10 more at most, last in first out.
    fn default() -> Self {
        Self {
            size: 5,
            max_overflow: 10,
            order: Order::Lifo,
            max_waiting: None,
        }
    }
}
