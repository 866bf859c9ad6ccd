//! What a pool knows: its workers, who has them and who waits.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use ractor::{ActorCell, ActorRef, Message};

use super::actor::{Refusal, Reply};
use super::status::{PoolState, PoolStatus, Served};
use super::{Order, PoolConfig};
use crate::by_actor::ByActor;
use crate::journal::{Incarnation, What};
use crate::supervisor::stop_all;

/// One checkout, from the asking to the giving back. Client and pool share it.
#[derive(Debug, Default)]
pub struct Ticket {
    /// The worker that is lent for it, see the constants below. Written by the pool only.
    pub(super) worker: AtomicU32,
}

/// The client waits in the queue.
pub(super) const WAITING: u32 = 0;
/// The client has given its worker back, or does not wait any more.
pub(super) const DONE: u32 = u32::MAX;

/// The pool's own state.
pub struct PoolActorState<M: Message> {
    pub(super) config: PoolConfig,
    /// By number.
    pub(super) workers: BTreeMap<u32, Worker<M>>,
    /// To the number.
    pub(super) numbers: ByActor<u32>,
    /// Given back last at the end.
    pub(super) idle: VecDeque<u32>,
    pub(super) queue: VecDeque<Waiter<M>>,
    /// Waiters that have not given up.
    pub(super) waiting: usize,
    pub(super) waiting_max: usize,
    pub(super) overflow: u32,
    pub(super) served: Served,
    /// Checkouts asked for.
    pub(super) asked: u64,
    /// Writes into the journal, if there is one.
    pub(super) incarnation: Option<Incarnation>,
}

impl<M: Message> fmt::Debug for PoolActorState<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PoolActorState")
            .field("status", &self.status())
            .finish_non_exhaustive()
    }
}

pub(super) struct Worker<M: Message> {
    pub(super) actor: ActorRef<M>,
    pub(super) ticket: Option<Arc<Ticket>>,
}

pub(super) struct Waiter<M: Message> {
    /// Rises with each checkout.
    pub(super) number: u64,
    pub(super) ticket: Arc<Ticket>,
    pub(super) reply: Reply<M>,
    /// Since when it waits in the queue, if it does.
    pub(super) since: Option<retake::Instant>,
}

impl<M: Message> Waiter<M> {
    pub(super) fn refuse(self, why: Refusal) {
        self.ticket.worker.store(DONE, Ordering::Relaxed);
        let _ = self.reply.send(Err(why));
    }
}

/// How long a worker that is not needed any more may take to stop.
pub(super) const WORKER_SHUTDOWN: Duration = Duration::from_secs(5);

pub(super) fn worker_name(number: u32) -> String {
    format!("worker-{number}")
}

impl<M: Message> PoolActorState<M> {
    /// Write into the journal, if there is one.
    pub(super) fn note(&self, what: impl FnOnce() -> What) {
        if let Some(incarnation) = &self.incarnation {
            incarnation.note(what());
        }
    }

    pub(super) fn note_returned(&self, number: u32) {
        self.note(|| What::Returned(worker_name(number)));
    }

    pub(super) fn status(&self) -> PoolStatus {
        let state = if self.overflow < 1 {
            match (self.idle.is_empty(), self.config.max_overflow) {
                (true, 0) => PoolState::Full,
                (true, _) => PoolState::Overflow,
                (false, _) => PoolState::Ready,
            }
        } else if self.overflow == self.config.max_overflow {
            PoolState::Full
        } else {
            PoolState::Overflow
        };
        PoolStatus {
            state,
            idle: self.idle.len(),
            overflow: self.overflow,
            leased: self
                .workers
                .values()
                .filter(|worker| worker.ticket.is_some())
                .count(),
            waiting: self.waiting,
            waiting_max: self.waiting_max,
            served: self.served,
        }
    }

    pub(super) async fn stop_workers(&mut self) {
        let workers: Vec<ActorCell> = std::mem::take(&mut self.workers)
            .into_values()
            .map(|worker| worker.actor.get_cell())
            .collect();
        stop_all(&workers, WORKER_SHUTDOWN).await;
    }

    /// The lowest number that no worker has.
    pub(super) fn free_number(&self) -> u32 {
        let mut number = 1;
        for taken in self.workers.keys() {
            if *taken != number {
                break;
            }
            number += 1;
        }
        number
    }

    pub(super) fn take_idle(&mut self) -> Option<u32> {
        match self.config.order {
            Order::Lifo => self.idle.pop_back(),
            Order::Fifo => self.idle.pop_front(),
        }
    }

    /// The queue's bound, if it is reached.
    pub(super) fn full_queue(&self) -> Option<u32> {
        let bound = self.config.max_waiting?;
        (self.waiting >= bound as usize).then_some(bound)
    }

    pub(super) fn enqueue(&mut self, mut waiter: Waiter<M>) {
        waiter.since = Some(retake::now());
        self.note(|| What::Waits(waiter.number));
        self.queue.push_back(waiter);
        self.waiting += 1;
        self.waiting_max = self.waiting_max.max(self.waiting);
    }

    pub(super) fn next_waiter(&mut self) -> Option<Waiter<M>> {
        while let Some(waiter) = self.queue.pop_front() {
            if waiter.ticket.worker.load(Ordering::Relaxed) == WAITING {
                self.waiting -= 1;
                return Some(waiter);
            }
            self.note(|| What::Withdrew(waiter.number));
        }
        None
    }

    /// A waiter's ticket was marked as done: it is passed over in its turn. When
    /// most of the queue is such, it is swept, so each costs a constant time.
    pub(super) fn forget_waiter(&mut self) {
        self.waiting = self.waiting.saturating_sub(1);
        self.served.given_up += 1;
        if self.queue.len() > 2 * self.waiting + 16 {
            let queue = std::mem::take(&mut self.queue);
            let (waiting, gone): (VecDeque<_>, VecDeque<_>) = queue
                .into_iter()
                .partition(|waiter| waiter.ticket.worker.load(Ordering::Relaxed) == WAITING);
            self.queue = waiting;
            for waiter in gone {
                self.note(|| What::Withdrew(waiter.number));
            }
        }
    }
}
