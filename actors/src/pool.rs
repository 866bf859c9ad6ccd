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
//! use retake_actors::pool::{PoolConfig, PoolRef};
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

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use ractor::rpc::CallResult;
use ractor::{
    Actor, ActorCell, ActorProcessingErr, ActorRef, Message, RpcReplyPort, SpawnErr,
    SupervisionEvent,
};

use crate::journal::{Incarnation, Journal, What};
use crate::names::Names;
use crate::supervisor::stop_all;

/// Which idle worker is lent next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// The one that was given back last.
    #[default]
    Lifo,
    /// The one that was given back first.
    Fifo,
}

/// The size of a pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolConfig {
    /// Workers that are always there.
    pub size: u32,
    /// Workers that are started beyond these when all are lent.
    pub max_overflow: u32,
    /// Which idle worker is lent next.
    pub order: Order,
    /// Clients that may wait; more are rejected at once. Without a bound if there is none.
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

type Make<W> = Arc<dyn Fn(u32) -> (W, <W as Actor>::Arguments) + Send + Sync>;

/// The actor.
pub struct Pool<W: Actor> {
    name: String,
    make: Make<W>,
    journal: Option<Journal>,
}

impl<W: Actor> Pool<W> {
    /// A pool whose workers are registered as `NAME/worker-N`, N from 1. `make`
    /// gives a worker and its arguments for its number.
    pub fn new(
        name: impl Into<String>,
        make: impl Fn(u32) -> (W, W::Arguments) + Send + Sync + 'static,
    ) -> Self {
        Self {
            name: name.into(),
            make: Arc::new(make),
            journal: None,
        }
    }

    /// Write who waits and what is lent into a journal, under the pool's name.
    #[must_use]
    pub fn journal(self, journal: &Journal) -> Self {
        Self {
            journal: Some(journal.clone()),
            ..self
        }
    }
}

impl<W: Actor> fmt::Debug for Pool<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// One checkout, from the asking to the giving back. Client and pool share it.
#[derive(Debug, Default)]
pub struct Ticket {
    /// The worker that is lent for it, see the constants below. Written by the pool only.
    worker: AtomicU32,
}

/// The client waits in the queue.
const WAITING: u32 = 0;
/// The client has given its worker back, or does not wait any more.
const DONE: u32 = u32::MAX;

/// Why a pool lends no worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// All are lent, and the client does not wait.
    Full,
    /// All are lent, and so many clients wait already.
    QueueFull(u32),
}

type Reply<M> = RpcReplyPort<Result<ActorRef<M>, Refusal>>;

/// What a pool is asked.
pub enum PoolMessage<M: Message> {
    /// Lend a worker.
    Checkout {
        /// The checkout.
        ticket: Arc<Ticket>,
        /// Wait when all workers are lent.
        block: bool,
        /// Gets the worker, or why there is none.
        reply: Reply<M>,
    },
    /// A checkout is over: the worker is given back, or no longer waited for.
    Done(Arc<Ticket>),
    /// Give this worker back, whoever has it.
    CheckIn(ActorCell),
    /// How busy the pool is.
    Status(RpcReplyPort<PoolStatus>),
}

impl<M: Message> fmt::Debug for PoolMessage<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Checkout { block: true, .. } => f.write_str("Checkout"),
            Self::Checkout { block: false, .. } => f.write_str("Checkout (without waiting)"),
            Self::Done(ticket) => match ticket.worker.load(Ordering::Relaxed) {
                WAITING => f.write_str("Cancel"),
                DONE => f.write_str("CheckIn (again)"),
                worker => write!(f, "CheckIn worker-{worker}"),
            },
            Self::CheckIn(worker) => write!(f, "CheckIn {:?}", worker.get_id()),
            Self::Status(_) => f.write_str("Status"),
        }
    }
}

/// How busy a pool is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolStatus {
    /// In one word.
    pub state: PoolState,
    /// Workers that can be lent at once.
    pub idle: usize,
    /// Workers beyond the pool's size.
    pub overflow: u32,
    /// Workers that are lent.
    pub leased: usize,
    /// Clients in the queue.
    pub waiting: usize,
    /// Longest queue since the start.
    pub waiting_max: usize,
    /// What became of checkouts since the start.
    pub served: Served,
}

/// What became of checkouts since a pool's start. All clients wait in one queue,
/// so nobody who waits is passed over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Served {
    /// Those that got a worker at once.
    pub at_once: u64,
    /// Those that got a worker after waiting.
    pub after_waiting: u64,
    /// Those whose client gave up or died waiting.
    pub given_up: u64,
    /// Those that were refused.
    pub refused: u64,
    /// Waiting time of those that waited and got a worker, summed up.
    pub waited: Duration,
    /// The longest of these.
    pub waited_longest: Duration,
}

impl Served {
    fn note_wait(&mut self, wait: Duration) {
        self.after_waiting += 1;
        self.waited += wait;
        self.waited_longest = self.waited_longest.max(wait);
    }

    /// The mean waiting time of those that waited and got a worker.
    #[must_use]
    pub fn mean_wait(&self) -> Duration {
        let waited = self.waited.as_secs_f64() / (self.after_waiting.max(1) as f64);
        Duration::from_secs_f64(waited)
    }
}

/// A pool's state, in poolboy's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PoolState {
    /// A worker can be lent at once.
    Ready,
    /// The next worker lent is started beyond the pool's size.
    Overflow,
    /// All that may be lent are.
    Full,
}

/// The pool's own state.
pub struct PoolActorState<M: Message> {
    config: PoolConfig,
    /// By number.
    workers: BTreeMap<u32, Worker<M>>,
    /// From ractor's actor id to the number; never iterated.
    numbers: BTreeMap<u64, u32>,
    /// Given back last at the end.
    idle: VecDeque<u32>,
    queue: VecDeque<Waiter<M>>,
    /// Waiters that have not given up.
    waiting: usize,
    waiting_max: usize,
    overflow: u32,
    served: Served,
    /// Checkouts asked for.
    asked: u64,
    /// Writes into the journal, if there is one.
    incarnation: Option<Incarnation>,
}

impl<M: Message> fmt::Debug for PoolActorState<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PoolActorState")
            .field("status", &self.status())
            .finish_non_exhaustive()
    }
}

struct Worker<M: Message> {
    actor: ActorRef<M>,
    ticket: Option<Arc<Ticket>>,
}

struct Waiter<M: Message> {
    /// Rises with each checkout.
    number: u64,
    ticket: Arc<Ticket>,
    reply: Reply<M>,
    /// Since when it waits in the queue, if it does.
    since: Option<retake::Instant>,
}

impl<M: Message> Waiter<M> {
    fn refuse(self, why: Refusal) {
        self.ticket.worker.store(DONE, Ordering::Relaxed);
        let _ = self.reply.send(Err(why));
    }
}

/// How long a worker that is not needed any more may take to stop.
const WORKER_SHUTDOWN: Duration = Duration::from_secs(5);

#[retake::simulated]
impl<W: Actor> Actor for Pool<W> {
    type Msg = PoolMessage<W::Msg>;
    type State = PoolActorState<W::Msg>;
    type Arguments = PoolConfig;

    async fn pre_start(
        &self,
        myself: ActorRef<Self::Msg>,
        config: PoolConfig,
    ) -> Result<Self::State, ActorProcessingErr> {
        let mut state = PoolActorState {
            config,
            workers: BTreeMap::new(),
            numbers: BTreeMap::new(),
            idle: VecDeque::new(),
            queue: VecDeque::new(),
            waiting: 0,
            waiting_max: 0,
            overflow: 0,
            served: Served::default(),
            asked: 0,
            incarnation: self
                .journal
                .as_ref()
                .map(|journal| journal.begin(&self.name)),
        };
        for _ in 0..state.config.size {
            match self.start_worker(&myself, &mut state).await {
                Ok(number) => state.idle.push_back(number),
                Err(error) => {
                    state.stop_workers().await;
                    return Err(error);
                }
            }
        }
        Ok(state)
    }

    async fn handle(
        &self,
        myself: ActorRef<Self::Msg>,
        message: Self::Msg,
        state: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            PoolMessage::Checkout {
                ticket,
                block,
                reply,
            } => {
                state.asked += 1;
                let waiter = Waiter {
                    number: state.asked,
                    ticket,
                    reply,
                    since: None,
                };
                if let Some(number) = state.take_idle() {
                    self.lend(number, waiter, state).await;
                } else if state.overflow < state.config.max_overflow {
                    let number = self.start_worker(&myself, state).await?;
                    state.overflow += 1;
                    self.lend(number, waiter, state).await;
                } else if !block {
                    state.served.refused += 1;
                    waiter.refuse(Refusal::Full);
                } else if let Some(bound) = state.full_queue() {
                    state.served.refused += 1;
                    waiter.refuse(Refusal::QueueFull(bound));
                } else {
                    state.enqueue(waiter);
                }
            }
            PoolMessage::CheckIn(actor) => {
                // One that is dead, idle or of another pool is none of ours to take.
                let number = state.numbers.get(&actor.get_id().pid()).copied();
                let worker = number.and_then(|number| state.workers.get_mut(&number));
                if let (Some(number), Some(ticket)) =
                    (number, worker.and_then(|worker| worker.ticket.take()))
                {
                    ticket.worker.store(DONE, Ordering::Relaxed);
                    state.note_returned(number);
                    self.give_back(number, state).await;
                }
            }
            PoolMessage::Done(ticket) => match ticket.worker.swap(DONE, Ordering::Relaxed) {
                DONE => {}
                WAITING => state.forget_waiter(),
                number => {
                    // The worker may have died, and its number have passed on.
                    let held = state.workers.get_mut(&number).filter(|worker| {
                        worker
                            .ticket
                            .as_ref()
                            .is_some_and(|held| Arc::ptr_eq(held, &ticket))
                    });
                    if let Some(worker) = held {
                        worker.ticket = None;
                        state.note_returned(number);
                        self.give_back(number, state).await;
                    }
                }
            },
            PoolMessage::Status(reply) => {
                let _ = reply.send(state.status());
            }
        }
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        myself: ActorRef<Self::Msg>,
        event: SupervisionEvent,
        state: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        // What it holds (its last state comes with the event) must be free before
        // its successor starts.
        let actor = match event {
            SupervisionEvent::ActorTerminated(actor, last_state, _) => {
                drop(last_state);
                actor
            }
            SupervisionEvent::ActorFailed(actor, _) => actor,
            _ => return Ok(()),
        };
        // A dismissed worker is not in the table any more.
        let Some(number) = state.numbers.remove(&actor.get_id().pid()) else {
            return Ok(());
        };
        let Some(worker) = state.workers.remove(&number) else {
            return Ok(());
        };
        if worker.ticket.is_some() {
            state.note_returned(number);
        }
        if worker.ticket.is_none() {
            state.idle.retain(|idle| *idle != number);
            let number = self.start_worker(&myself, state).await?;
            state.idle.push_back(number);
        } else if let Some(waiter) = state.next_waiter() {
            let number = self.start_worker(&myself, state).await?;
            self.lend(number, waiter, state).await;
        } else if state.overflow > 0 {
            state.overflow -= 1;
        } else {
            let number = self.start_worker(&myself, state).await?;
            state.idle.push_back(number);
        }
        Ok(())
    }

    async fn post_stop(
        &self,
        _: ActorRef<Self::Msg>,
        state: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        state.stop_workers().await;
        if let Some(incarnation) = &mut state.incarnation {
            incarnation.end();
        }
        Ok(())
    }
}

impl<W: Actor> Pool<W> {
    async fn start_worker(
        &self,
        myself: &ActorRef<PoolMessage<W::Msg>>,
        state: &mut PoolActorState<W::Msg>,
    ) -> Result<u32, ActorProcessingErr> {
        let number = state.free_number();
        let (worker, arguments) = (self.make)(number);
        let name = retake::scoped_name(&format!("{}/{}", self.name, worker_name(number)));
        let (actor, _) =
            Actor::spawn_linked(Some(name), worker, arguments, myself.get_cell()).await?;
        state.numbers.insert(actor.get_id().pid(), number);
        state.workers.insert(
            number,
            Worker {
                actor,
                ticket: None,
            },
        );
        Ok(number)
    }

    /// Lend a worker to a waiter, or to the next one if that one has gone.
    async fn lend(&self, number: u32, waiter: Waiter<W::Msg>, state: &mut PoolActorState<W::Msg>) {
        let mut waiter = waiter;
        loop {
            let Some(worker) = state.workers.get_mut(&number) else {
                return;
            };
            worker.ticket = Some(Arc::clone(&waiter.ticket));
            waiter.ticket.worker.store(number, Ordering::Relaxed);
            if waiter.reply.send(Ok(worker.actor.clone())).is_ok() {
                state.note(|| What::Lent(worker_name(number), waiter.number));
                match waiter.since {
                    Some(since) => state.served.note_wait(since.elapsed()),
                    None => state.served.at_once += 1,
                }
                return;
            }
            state.served.given_up += 1;
            worker.ticket = None;
            waiter.ticket.worker.store(DONE, Ordering::Relaxed);
            state.note(|| What::Withdrew(waiter.number));
            match state.next_waiter() {
                Some(next) => waiter = next,
                None => return self.retire(number, state).await,
            }
        }
    }

    async fn give_back(&self, number: u32, state: &mut PoolActorState<W::Msg>) {
        match state.next_waiter() {
            Some(waiter) => self.lend(number, waiter, state).await,
            None => self.retire(number, state).await,
        }
    }

    /// Nobody waits for this worker: it goes, if it is one too many, or idles.
    async fn retire(&self, number: u32, state: &mut PoolActorState<W::Msg>) {
        if state.overflow == 0 {
            state.idle.push_back(number);
            return;
        }
        state.overflow -= 1;
        if let Some(worker) = state.workers.remove(&number) {
            state.numbers.remove(&worker.actor.get_id().pid());
            stop_all(&[worker.actor.get_cell()], WORKER_SHUTDOWN).await;
        }
    }
}

fn worker_name(number: u32) -> String {
    format!("worker-{number}")
}

impl<M: Message> PoolActorState<M> {
    /// Write into the journal, if there is one.
    fn note(&self, what: impl FnOnce() -> What) {
        if let Some(incarnation) = &self.incarnation {
            incarnation.note(what());
        }
    }

    fn note_returned(&self, number: u32) {
        self.note(|| What::Returned(worker_name(number)));
    }

    fn status(&self) -> PoolStatus {
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

    async fn stop_workers(&mut self) {
        let workers: Vec<ActorCell> = std::mem::take(&mut self.workers)
            .into_values()
            .map(|worker| worker.actor.get_cell())
            .collect();
        stop_all(&workers, WORKER_SHUTDOWN).await;
    }

    /// The lowest number that no worker has.
    fn free_number(&self) -> u32 {
        let mut number = 1;
        for taken in self.workers.keys() {
            if *taken != number {
                break;
            }
            number += 1;
        }
        number
    }

    fn take_idle(&mut self) -> Option<u32> {
        match self.config.order {
            Order::Lifo => self.idle.pop_back(),
            Order::Fifo => self.idle.pop_front(),
        }
    }

    /// The queue's bound, if it is reached.
    fn full_queue(&self) -> Option<u32> {
        let bound = self.config.max_waiting?;
        (self.waiting >= bound as usize).then_some(bound)
    }

    fn enqueue(&mut self, mut waiter: Waiter<M>) {
        waiter.since = Some(retake::now());
        self.note(|| What::Waits(waiter.number));
        self.queue.push_back(waiter);
        self.waiting += 1;
        self.waiting_max = self.waiting_max.max(self.waiting);
    }

    fn next_waiter(&mut self) -> Option<Waiter<M>> {
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
    fn forget_waiter(&mut self) {
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

/// Why no worker was lent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CheckoutError {
    /// All workers are lent, and the client did not want to wait.
    #[error("the pool is full")]
    Full,
    /// All workers are lent, and as many clients wait as may.
    #[error("the pool is full, and {0} clients wait already: no more may")]
    QueueFull(u32),
    /// None was given back within the client's patience.
    #[error("no worker was free within {0:?}")]
    Timeout(Duration),
    /// The pool does not run, or ended while the client waited.
    #[error("the pool is not running")]
    Gone,
}

/// A way to a pool, by its name: it stays good when the pool is restarted.
pub struct PoolRef<M: Message> {
    name: Arc<str>,
    messages: std::marker::PhantomData<fn(M)>,
}

impl<M: Message> Clone for PoolRef<M> {
    fn clone(&self) -> Self {
        Self::new(&self.name)
    }
}

impl<M: Message> fmt::Debug for PoolRef<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PoolRef").field(&self.name).finish()
    }
}

impl<M: Message> PoolRef<M> {
    /// The pool that is registered under this name.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self {
            name: name.into(),
            messages: std::marker::PhantomData,
        }
    }

    /// Start a pool without a supervisor, registered under `name`. `make` gives a
    /// worker and its arguments for its number, from 1.
    ///
    /// # Errors
    /// If the name is taken or a worker fails to start.
    pub async fn start<W: Actor<Msg = M>>(
        name: &str,
        config: PoolConfig,
        make: impl Fn(u32) -> (W, W::Arguments) + Send + Sync + 'static,
    ) -> Result<Self, SpawnErr> {
        let pool = Pool::new(name, make);
        Actor::spawn(Some(retake::scoped_name(name)), pool, config).await?;
        Ok(Self::new(name))
    }

    /// Stop the pool and its workers, and wait until they have ended.
    pub async fn stop(&self) {
        if let Ok(pool) = self.find() {
            // An error means that it has ended already.
            let _ = pool.stop_and_wait(Some("shutdown".to_owned()), None).await;
        }
    }

    /// Give a worker back, whoever has borrowed it. One that is not lent, or is not
    /// of this pool, is ignored; a lease on it is over. Does not wait.
    pub fn check_in(&self, worker: &ActorRef<M>) {
        if let Ok(pool) = self.find() {
            let _ = pool.cast(PoolMessage::CheckIn(worker.get_cell()));
        }
    }

    fn find(&self) -> Result<ActorRef<PoolMessage<M>>, CheckoutError> {
        Names::find(&self.name).ok_or(CheckoutError::Gone)
    }

    /// Borrow a worker, waiting for one at most `timeout`.
    ///
    /// # Errors
    /// If none was free in time, or the pool is not running.
    pub async fn checkout(&self, timeout: Duration) -> Result<Lease<M>, CheckoutError> {
        retake::timeout(timeout, self.ask(true))
            .await
            .unwrap_or(Err(CheckoutError::Timeout(timeout)))
    }

    /// Borrow a worker if one can be lent at once.
    ///
    /// # Errors
    /// If none can, or the pool is not running.
    pub async fn try_checkout(&self) -> Result<Lease<M>, CheckoutError> {
        self.ask(false).await
    }

    async fn ask(&self, block: bool) -> Result<Lease<M>, CheckoutError> {
        let pool = self.find()?;
        // From here on, dropping this withdraws the request or gives the worker back.
        let held = Held {
            pool: pool.clone(),
            ticket: Arc::new(Ticket::default()),
            gives_back: true,
        };
        let ticket = Arc::clone(&held.ticket);
        let answer = pool
            .call(
                |reply| PoolMessage::Checkout {
                    ticket,
                    block,
                    reply,
                },
                None,
            )
            .await;
        match answer {
            Ok(CallResult::Success(Ok(worker))) => Ok(Lease { worker, held }),
            Ok(CallResult::Success(Err(Refusal::Full))) => Err(CheckoutError::Full),
            Ok(CallResult::Success(Err(Refusal::QueueFull(bound)))) => {
                Err(CheckoutError::QueueFull(bound))
            }
            _ => Err(CheckoutError::Gone),
        }
    }

    /// Borrow a worker for the time of `work`. `timeout` covers the waiting only.
    ///
    /// # Errors
    /// If no worker was lent, see [`PoolRef::checkout`].
    pub async fn transaction<T, Fut>(
        &self,
        timeout: Duration,
        work: impl FnOnce(ActorRef<M>) -> Fut,
    ) -> Result<T, CheckoutError>
    where
        Fut: Future<Output = T>,
    {
        let lease = self.checkout(timeout).await?;
        Ok(work(lease.worker.clone()).await)
    }

    /// How busy the pool is.
    ///
    /// # Errors
    /// If the pool is not running.
    pub async fn status(&self) -> Result<PoolStatus, CheckoutError> {
        match self.find()?.call(PoolMessage::Status, None).await {
            Ok(CallResult::Success(status)) => Ok(status),
            _ => Err(CheckoutError::Gone),
        }
    }
}

/// Tells the pool when a checkout is over, in whatever way.
struct Held<M: Message> {
    pool: ActorRef<PoolMessage<M>>,
    ticket: Arc<Ticket>,
    gives_back: bool,
}

impl<M: Message> Drop for Held<M> {
    fn drop(&mut self) {
        if self.gives_back && self.ticket.worker.load(Ordering::Relaxed) != DONE {
            // A pool that is gone has nothing to be given back.
            let _ = self.pool.cast(PoolMessage::Done(Arc::clone(&self.ticket)));
        }
    }
}

/// A worker on loan. Dropping it gives the worker back.
pub struct Lease<M: Message> {
    worker: ActorRef<M>,
    held: Held<M>,
}

impl<M: Message> Lease<M> {
    /// Give the worker back; the same as dropping the lease.
    pub fn check_in(self) {}

    /// Keep the worker without the lease: it stays lent until somebody gives it
    /// back with [`PoolRef::check_in`], also when the client dies.
    #[must_use]
    pub fn into_worker(mut self) -> ActorRef<M> {
        self.held.gives_back = false;
        self.worker.clone()
    }
}

impl<M: Message> Deref for Lease<M> {
    type Target = ActorRef<M>;

    fn deref(&self) -> &ActorRef<M> {
        &self.worker
    }
}

impl<M: Message> fmt::Debug for Lease<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Lease").field(&self.worker).finish()
    }
}
