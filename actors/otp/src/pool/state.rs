//! What a pool knows and decides: `handle_checkout`, `handle_checkin` and
//! `handle_worker_exit` of poolboy.
//!
//! One function for each event, and each gives the [`Effect`] that follows. Nothing here
//! waits, sends or starts anything: the [actor](super::actor) executes the effects, and comes
//! back with what became of them.

use std::collections::{BTreeMap, VecDeque};

use retake::Instant;

use super::config::{Order, PoolConfig};
use super::status::{CheckoutCounts, PoolState, PoolStatus};

/// A worker's number, from 1: the last part of its name. A successor takes it over.
pub(super) type WorkerId = u32;
/// Rises with each checkout.
pub(super) type ClientId = u64;

/// A client that gets a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Client {
    pub(super) id: ClientId,
    /// Since when it has waited in the queue; none if it got its worker at once.
    pub(super) since: Option<Instant>,
}

/// Why a pool leases no worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// All are leased, and the client does not wait: poolboy's `full`.
    Full,
    /// All are leased, and as many clients wait as may.
    QueueFull(u32),
}

/// What the actor has to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// Send the worker to the client. Then report [`State::leased`], or
    /// [`State::client_is_gone`] if it does not listen any more.
    Lease(WorkerId, Client),
    /// The client waits; it gets its worker by a later [`Effect::Lease`].
    Wait(ClientId),
    /// Send the client away.
    Refuse(ClientId, Refusal),
    /// Start a worker, for this client or to idle. Then report [`State::started`]. A worker
    /// that does not start fails the pool.
    Start(WorkerId, Option<Client>),
    /// Stop a worker, which is one too many.
    Dismiss(WorkerId),
}

/// The record of the pool.
#[derive(Debug)]
pub(super) struct State {
    config: PoolConfig,
    /// The workers that run or start, with the client that has each.
    workers: BTreeMap<WorkerId, Option<ClientId>>,
    /// Given back last at the end.
    idle: VecDeque<WorkerId>,
    /// Those who wait, first come first.
    queue: BTreeMap<ClientId, Instant>,
    /// Longest queue since the start.
    waiting_max: usize,
    /// Workers beyond the size.
    overflow: u32,
    counts: CheckoutCounts,
    last_client: ClientId,
}

impl State {
    /// A pool without workers. It needs `config.size` times [`State::add_worker`].
    pub(super) fn new(config: PoolConfig) -> Self {
        Self {
            config,
            workers: BTreeMap::new(),
            idle: VecDeque::new(),
            queue: BTreeMap::new(),
            waiting_max: 0,
            overflow: 0,
            counts: CheckoutCounts::default(),
            last_client: 0,
        }
    }

    /// One more worker, to idle.
    pub(super) fn add_worker(&mut self) -> Effect {
        self.start(None)
    }

    /// A client asks for a worker: an idle one if there is one, else one beyond the size if
    /// that is allowed, else it waits.
    pub(super) fn checkout(&mut self, block: bool, now: Instant) -> (ClientId, Effect) {
        self.last_client += 1;
        let id = self.last_client;
        let client = Client { id, since: None };
        let effect = if let Some(worker) = self.take_idle() {
            self.lease(worker, client)
        } else if self.overflow < self.config.max_overflow {
            self.overflow += 1;
            self.start(Some(client))
        } else if !block {
            self.refuse(id, Refusal::Full)
        } else if let Some(bound) = self.full_queue() {
            self.refuse(id, Refusal::QueueFull(bound))
        } else {
            self.queue.insert(id, now);
            self.waiting_max = self.waiting_max.max(self.queue.len());
            Effect::Wait(id)
        };
        (id, effect)
    }

    /// A worker has started, for the client that it was started for.
    pub(super) fn started(&mut self, worker: WorkerId, client: Option<Client>) -> Option<Effect> {
        match client {
            Some(client) => Some(self.lease(worker, client)),
            None => {
                self.idle.push_back(worker);
                None
            }
        }
    }

    /// The client has got its worker.
    pub(super) fn leased(&mut self, client: Client) {
        match client.since {
            Some(since) => self.counts.note_wait(since.elapsed()),
            None => self.counts.at_once += 1,
        }
    }

    /// The client had gone when its worker was sent to it: the next one gets it.
    pub(super) fn client_is_gone(&mut self, worker: WorkerId) -> Option<Effect> {
        self.counts.given_up += 1;
        self.give_back(worker)
    }

    /// The client does not wait any more: poolboy's `cancel_waiting`.
    pub(super) fn cancel(&mut self, client: ClientId) {
        self.queue.remove(&client);
        self.counts.given_up += 1;
    }

    /// A worker that was leased is given back. It goes to the client that has waited longest.
    /// Without one it goes, if it is one too many, or idles.
    pub(super) fn give_back(&mut self, worker: WorkerId) -> Option<Effect> {
        if let Some(client) = self.next_waiter() {
            return Some(self.lease(worker, client));
        }
        if self.overflow > 0 {
            self.overflow -= 1;
            self.workers.remove(&worker);
            return Some(Effect::Dismiss(worker));
        }
        self.workers.insert(worker, None);
        self.idle.push_back(worker);
        None
    }

    /// A worker has died. It is replaced, unless it was leased and is one too many.
    pub(super) fn worker_down(&mut self, worker: WorkerId) -> Option<Effect> {
        if self.workers.remove(&worker)?.is_none() {
            self.idle.retain(|idle| *idle != worker);
            return Some(self.start(None));
        }
        if let Some(client) = self.next_waiter() {
            return Some(self.start(Some(client)));
        }
        if self.overflow > 0 {
            self.overflow -= 1;
            return None;
        }
        Some(self.start(None))
    }

    /// Who has this worker.
    pub(super) fn client_of(&self, worker: WorkerId) -> Option<ClientId> {
        self.workers.get(&worker).copied().flatten()
    }

    fn take_idle(&mut self) -> Option<WorkerId> {
        match self.config.order {
            Order::Lifo => self.idle.pop_back(),
            Order::Fifo => self.idle.pop_front(),
        }
    }

    fn next_waiter(&mut self) -> Option<Client> {
        let (id, since) = self.queue.pop_first()?;
        let since = Some(since);
        Some(Client { id, since })
    }

    /// The queue's bound, if it is reached.
    fn full_queue(&self) -> Option<u32> {
        let bound = self.config.max_waiting?;
        (self.queue.len() >= bound as usize).then_some(bound)
    }

    fn lease(&mut self, worker: WorkerId, client: Client) -> Effect {
        self.workers.insert(worker, Some(client.id));
        Effect::Lease(worker, client)
    }

    fn refuse(&mut self, client: ClientId, refusal: Refusal) -> Effect {
        self.counts.refused += 1;
        Effect::Refuse(client, refusal)
    }

    /// Start a worker with the lowest number that none has.
    fn start(&mut self, client: Option<Client>) -> Effect {
        let mut worker = 1;
        for taken in self.workers.keys() {
            if *taken != worker {
                break;
            }
            worker += 1;
        }
        self.workers.insert(worker, None);
        Effect::Start(worker, client)
    }

    /// How busy the pool is.
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
            leased: self.workers.values().flatten().count(),
            waiting: self.queue.len(),
            waiting_max: self.waiting_max,
            counts: self.counts,
        }
    }
}
