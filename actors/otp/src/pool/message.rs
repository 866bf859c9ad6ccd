//! What a pool is asked.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use ractor::{ActorCell, ActorRef, Message, RpcReplyPort};

use super::state::{ClientId, Refusal, WorkerId};
use super::status::PoolStatus;

pub(super) type Reply<M> = RpcReplyPort<Result<ActorRef<M>, Refusal>>;

/// What a pool is asked.
pub enum PoolMessage<M: Message> {
    /// Lease a worker.
    Checkout {
        /// The checkout.
        ticket: Arc<Ticket>,
        /// Wait when all workers are leased.
        block: bool,
        /// Gets the worker, or the reason for the refusal.
        reply: Reply<M>,
    },
    /// A checkout is over: the worker is given back, or no longer waited for.
    Done(Arc<Ticket>),
    /// Give this worker back, whichever client has it.
    CheckIn(ActorCell),
    /// How busy the pool is.
    Status(RpcReplyPort<PoolStatus>),
}

impl<M: Message> fmt::Debug for PoolMessage<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Checkout { block: true, .. } => f.write_str("Checkout"),
            Self::Checkout { block: false, .. } => f.write_str("Checkout (without waiting)"),
            Self::Done(ticket) => match ticket.stage() {
                Stage::Waiting => f.write_str("Cancel"),
                Stage::Done => f.write_str("CheckIn (again)"),
                Stage::Leased(worker) => write!(f, "CheckIn worker-{worker}"),
            },
            Self::CheckIn(worker) => write!(f, "CheckIn {:?}", worker.get_id()),
            Self::Status(_) => f.write_str("Status"),
        }
    }
}

/// One checkout, from the request to the end of the lease. Client and pool share it; the pool
/// writes, the client reads whether there is still something to give back.
#[derive(Debug, Default)]
pub struct Ticket {
    client: AtomicU64,
    /// A [`Stage`] in one word: 0 waits, the largest number is done, others are workers.
    stage: AtomicU32,
}

/// How far a checkout is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// The client waits.
    Waiting,
    /// It has this worker.
    Leased(WorkerId),
    /// It has given its worker back, does not wait any more, or was refused.
    Done,
}

impl Stage {
    fn to_word(self) -> u32 {
        match self {
            Self::Waiting => 0,
            Self::Leased(worker) => worker,
            Self::Done => u32::MAX,
        }
    }

    fn of_word(word: u32) -> Self {
        match word {
            0 => Self::Waiting,
            u32::MAX => Self::Done,
            worker => Self::Leased(worker),
        }
    }
}

impl Ticket {
    /// The number that the pool has given to this client; 0 before it has read the request.
    pub(super) fn client(&self) -> ClientId {
        self.client.load(Ordering::Relaxed)
    }

    pub(super) fn number(&self, client: ClientId) {
        self.client.store(client, Ordering::Relaxed);
    }

    pub(super) fn stage(&self) -> Stage {
        Stage::of_word(self.stage.load(Ordering::Relaxed))
    }

    pub(super) fn set(&self, stage: Stage) {
        self.stage.store(stage.to_word(), Ordering::Relaxed);
    }

    /// End the checkout; gives how far it was.
    pub(super) fn end(&self) -> Stage {
        Stage::of_word(self.stage.swap(Stage::Done.to_word(), Ordering::Relaxed))
    }
}
