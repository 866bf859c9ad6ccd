//! The pool's actor: executes what [`State`] decides.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use ractor::{Actor, ActorCell, ActorProcessingErr, ActorRef, Message, SpawnErr, SupervisionEvent};

use super::config::PoolConfig;
use super::message::{PoolMessage, Reply, Stage, Ticket};
use super::state::{ClientId, Effect, State, WorkerId};
use crate::actor_map::ActorMap;
use crate::journal::{Event, Incarnation, Journal};
use crate::supervisor::{ChildSpec, Shutdown, stop_all};

/// How long a worker that is not needed any more may take to stop.
const WORKER_SHUTDOWN: Duration = Duration::from_secs(5);

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

    /// Write who waits and what is leased into a journal, under the pool's name.
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

/// The pool's own state.
pub struct PoolActorState<M: Message> {
    state: State,
    workers: BTreeMap<WorkerId, ActorRef<M>>,
    /// The numbers of these.
    numbers: ActorMap<WorkerId>,
    /// Clients that wait or have a worker.
    clients: BTreeMap<ClientId, Client<M>>,
    /// Writes into the journal, if there is one.
    incarnation: Option<Incarnation>,
}

struct Client<M: Message> {
    ticket: Arc<Ticket>,
    /// None once the client has its worker.
    reply: Option<Reply<M>>,
}

impl<M: Message> fmt::Debug for PoolActorState<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PoolActorState")
            .field("status", &self.state.status())
            .finish_non_exhaustive()
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
        let size = config.size;
        let mut pool = PoolActorState {
            state: State::new(config),
            workers: BTreeMap::new(),
            numbers: ActorMap::default(),
            clients: BTreeMap::new(),
            incarnation: self.journal.as_ref().map(|it| it.begin(&self.name)),
        };
        for _ in 0..size {
            let effect = pool.state.add_worker();
            if let Err(error) = self.execute(Some(effect), &mut pool, &myself).await {
                pool.stop_workers().await;
                return Err(error.into());
            }
        }
        Ok(pool)
    }

    async fn handle(
        &self,
        myself: ActorRef<Self::Msg>,
        message: Self::Msg,
        pool: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        let effect = match message {
            PoolMessage::Checkout {
                ticket,
                block,
                reply,
            } => {
                let (id, effect) = pool.state.checkout(block, retake::now());
                ticket.number(id);
                let reply = Some(reply);
                pool.clients.insert(id, Client { ticket, reply });
                Some(effect)
            }
            PoolMessage::Done(ticket) => pool.done(&ticket),
            PoolMessage::CheckIn(actor) => pool.check_in(&actor),
            PoolMessage::Status(reply) => {
                let _ = reply.send(pool.state.status());
                None
            }
        };
        Ok(self.execute(effect, pool, &myself).await?)
    }

    async fn handle_supervisor_evt(
        &self,
        myself: ActorRef<Self::Msg>,
        event: SupervisionEvent,
        pool: &mut Self::State,
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
        let effect = pool.worker_down(&actor);
        Ok(self.execute(effect, pool, &myself).await?)
    }

    async fn post_stop(
        &self,
        _: ActorRef<Self::Msg>,
        pool: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        pool.stop_workers().await;
        if let Some(incarnation) = &mut pool.incarnation {
            incarnation.end();
        }
        Ok(())
    }
}

impl<W: Actor> Pool<W> {
    /// Execute an effect, and those that follow from it.
    async fn execute(
        &self,
        first: Option<Effect>,
        pool: &mut PoolActorState<W::Msg>,
        myself: &ActorRef<PoolMessage<W::Msg>>,
    ) -> Result<(), SpawnErr> {
        let mut next = first;
        while let Some(effect) = next {
            next = match effect {
                Effect::Lease(worker, client) => {
                    if pool.send_worker(worker, client.id) {
                        pool.state.leased(client);
                        None
                    } else {
                        pool.state.client_is_gone(worker)
                    }
                }
                Effect::Wait(client) => {
                    pool.note(|| Event::Waits(client));
                    None
                }
                Effect::Refuse(client, refusal) => {
                    if let Some(client) = pool.end_client(client) {
                        let _ = client.reply.map(|reply| reply.send(Err(refusal)));
                    }
                    None
                }
                Effect::Start(worker, client) => {
                    self.start_worker(worker, pool, myself).await?;
                    pool.state.started(worker, client)
                }
                Effect::Dismiss(worker) => {
                    if let Some(actor) = pool.workers.remove(&worker) {
                        pool.numbers.remove(&actor.get_id().pid());
                        stop_all(&[actor.get_cell()], WORKER_SHUTDOWN).await;
                    }
                    None
                }
            };
        }
        Ok(())
    }

    async fn start_worker(
        &self,
        worker: WorkerId,
        pool: &mut PoolActorState<W::Msg>,
        myself: &ActorRef<PoolMessage<W::Msg>>,
    ) -> Result<(), SpawnErr> {
        let (actor, arguments) = (self.make)(worker);
        let name = retake::scoped_name(&format!("{}/{}", self.name, worker_name(worker)));
        let started = Actor::spawn_linked(Some(name), actor, arguments, myself.get_cell());
        let (actor, _) = started.await?;
        pool.numbers.insert(actor.get_id().pid(), worker);
        pool.workers.insert(worker, actor);
        Ok(())
    }
}

fn worker_name(worker: WorkerId) -> String {
    format!("worker-{worker}")
}

impl<M: Message> PoolActorState<M> {
    /// A client says that its checkout is over.
    fn done(&mut self, ticket: &Ticket) -> Option<Effect> {
        let client = ticket.client();
        match ticket.end() {
            Stage::Done => None,
            Stage::Waiting => {
                self.clients.remove(&client);
                self.state.cancel(client);
                self.note(|| Event::Withdrew(client));
                None
            }
            // The worker may have died, and its number have passed on.
            Stage::Leased(worker) if self.state.client_of(worker) == Some(client) => {
                self.returned(worker, client)
            }
            Stage::Leased(_) => None,
        }
    }

    /// Somebody gives a worker back. One that is dead, idle or of another pool changes
    /// nothing.
    fn check_in(&mut self, actor: &ActorCell) -> Option<Effect> {
        let worker = *self.numbers.get(&actor.get_id().pid())?;
        let client = self.state.client_of(worker)?;
        self.returned(worker, client)
    }

    fn returned(&mut self, worker: WorkerId, client: ClientId) -> Option<Effect> {
        self.end_client(client);
        self.note(|| Event::Returned(worker_name(worker)));
        self.state.give_back(worker)
    }

    /// A worker has died, unless it was dismissed.
    fn worker_down(&mut self, actor: &ActorCell) -> Option<Effect> {
        let worker = self.numbers.remove(&actor.get_id().pid())?;
        self.workers.remove(&worker);
        if let Some(client) = self.state.client_of(worker) {
            // Its ticket still names the worker: it has not been given back.
            self.clients.remove(&client);
            self.note(|| Event::Returned(worker_name(worker)));
        }
        self.state.worker_down(worker)
    }

    /// Send a worker to a client. False if the client has gone.
    fn send_worker(&mut self, worker: WorkerId, client: ClientId) -> bool {
        let actor = self.workers.get(&worker).cloned();
        let waiting = self.clients.get_mut(&client);
        let (Some(actor), Some(waiting)) = (actor, waiting) else {
            return false;
        };
        waiting.ticket.set(Stage::Leased(worker));
        let reply = waiting.reply.take();
        if reply.is_some_and(|reply| reply.send(Ok(actor)).is_ok()) {
            self.note(|| Event::Leased(worker_name(worker), client));
            return true;
        }
        self.end_client(client);
        self.note(|| Event::Withdrew(client));
        false
    }

    /// The client neither waits any more nor has a worker.
    fn end_client(&mut self, client: ClientId) -> Option<Client<M>> {
        let client = self.clients.remove(&client)?;
        client.ticket.set(Stage::Done);
        Some(client)
    }

    /// Write into the journal, if there is one.
    fn note(&self, event: impl FnOnce() -> Event) {
        if let Some(incarnation) = &self.incarnation {
            incarnation.note(event());
        }
    }

    async fn stop_workers(&mut self) {
        let workers = std::mem::take(&mut self.workers).into_values();
        let workers: Vec<ActorCell> = workers.map(|worker| worker.get_cell()).collect();
        stop_all(&workers, WORKER_SHUTDOWN).await;
    }
}
