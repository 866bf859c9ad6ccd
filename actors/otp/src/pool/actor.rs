//! The pool's actor: what it does when it is asked for a worker, gets one back, or
//! loses one.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use ractor::{
    Actor, ActorCell, ActorProcessingErr, ActorRef, Message, RpcReplyPort, SupervisionEvent,
};

use super::PoolConfig;
use super::state::{
    DONE, PoolActorState, Ticket, WAITING, WORKER_SHUTDOWN, Waiter, Worker, worker_name,
};
use super::status::{PoolStatus, Served};
use crate::by_actor::ByActor;
use crate::journal::{Journal, What};
use crate::supervisor::{ChildSpec, Shutdown, stop_all};

type Make<W> = Arc<dyn Fn(u32) -> (W, <W as Actor>::Arguments) + Send + Sync>;

/// The actor: `poolboy`, the `gen_server`.
///
/// Poolboy keeps its workers below a supervisor of temporary children; here they are
/// linked to the pool itself, which does the same for them.
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

    /// A permanent child that is a pool: `poolboy:child_spec/2`. It gets the time that
    /// its workers take to shut down. See [`Pool::new`].
    pub fn child_spec(
        name: impl Into<String>,
        config: PoolConfig,
        make: impl Fn(u32) -> (W, W::Arguments) + Send + Sync + 'static,
    ) -> ChildSpec {
        let pool = Self::new(name, make);
        let spec = ChildSpec::new(pool.name.clone(), move || (pool.clone(), config.clone()));
        spec.shutdown(Shutdown::Infinity)
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

// Derived, it would ask for workers that can be cloned.
impl<W: Actor> Clone for Pool<W> {
    fn clone(&self) -> Self {
        Self {
            name: self.name.clone(),
            make: Arc::clone(&self.make),
            journal: self.journal.clone(),
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

/// Why a pool lends no worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// All are lent, and the client does not wait: poolboy's `full`.
    Full,
    /// All are lent, and so many clients wait already.
    QueueFull(u32),
}

pub(super) type Reply<M> = RpcReplyPort<Result<ActorRef<M>, Refusal>>;

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
            numbers: ByActor::default(),
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
