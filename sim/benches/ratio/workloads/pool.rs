//! A small pool with a bug that only some schedules show: a hasty client gives
//! its worker back before the worker has ended, and the next client may get a
//! worker that is busy. From setting up to tearing down.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ractor::{Actor, ActorProcessingErr, ActorRef};
use tokio::sync::Notify;

const WORKERS: usize = 2;
const CLIENTS: u64 = 3;
const ROUNDS: u32 = 2;

enum PoolMessage {
    Borrow(ActorRef<ClientMessage>),
    Return(usize),
}

struct Pool(Vec<ActorRef<WorkerMessage>>);

#[derive(Default)]
struct PoolState {
    free: Vec<usize>,
    waiting: Vec<ActorRef<ClientMessage>>,
}

gate! {
    impl Actor for Pool {
        type Msg = PoolMessage;
        type State = PoolState;
        type Arguments = ();

        async fn pre_start(&self, _: ActorRef<PoolMessage>, (): ()) -> Result<PoolState, ActorProcessingErr> {
            Ok(PoolState { free: (0..self.0.len()).collect(), waiting: Vec::new() })
        }

        async fn handle(
            &self,
            _: ActorRef<PoolMessage>,
            message: PoolMessage,
            lending: &mut PoolState,
        ) -> Result<(), ActorProcessingErr> {
            let (client, worker) = match message {
                PoolMessage::Borrow(client) => match lending.free.pop() {
                    Some(worker) => (client, worker),
                    None => {
                        lending.waiting.push(client);
                        return Ok(());
                    }
                },
                PoolMessage::Return(worker) => match lending.waiting.pop() {
                    Some(client) => (client, worker),
                    None => {
                        lending.free.push(worker);
                        return Ok(());
                    }
                },
            };
            Ok(client.cast(ClientMessage::Lent(worker, self.0[worker].clone()))?)
        }
    }
}

enum WorkerMessage {
    Begin(ActorRef<ClientMessage>),
    End,
}

struct Worker {
    conflicts: Arc<AtomicU64>,
}

gate! {
    impl Actor for Worker {
        type Msg = WorkerMessage;
        type State = Option<ActorRef<ClientMessage>>;
        type Arguments = ();

        async fn pre_start(
            &self,
            _: ActorRef<WorkerMessage>,
            (): (),
        ) -> Result<Self::State, ActorProcessingErr> {
            Ok(None)
        }

        async fn handle(
            &self,
            myself: ActorRef<WorkerMessage>,
            message: WorkerMessage,
            client: &mut Self::State,
        ) -> Result<(), ActorProcessingErr> {
            match message {
                WorkerMessage::Begin(new) => {
                    if let Some(old) = client.replace(new) {
                        self.conflicts.fetch_add(1, Ordering::Relaxed);
                        old.cast(ClientMessage::Ended)?;
                    }
                    myself.cast(WorkerMessage::End)?;
                }
                WorkerMessage::End => {
                    if let Some(client) = client.take() {
                        client.cast(ClientMessage::Ended)?;
                    }
                }
            }
            Ok(())
        }
    }
}

enum ClientMessage {
    Lent(usize, ActorRef<WorkerMessage>),
    Ended,
}

struct Client {
    hasty: bool,
    pool: ActorRef<PoolMessage>,
    clients_left: Arc<AtomicU64>,
    done: Arc<Notify>,
}

#[derive(Default)]
struct Use {
    worker: usize,
    rounds: u32,
}

gate! {
    impl Actor for Client {
        type Msg = ClientMessage;
        type State = Use;
        type Arguments = ();

        async fn pre_start(&self, myself: ActorRef<ClientMessage>, (): ()) -> Result<Use, ActorProcessingErr> {
            self.pool.cast(PoolMessage::Borrow(myself))?;
            Ok(Use::default())
        }

        async fn handle(
            &self,
            myself: ActorRef<ClientMessage>,
            message: ClientMessage,
            state: &mut Use,
        ) -> Result<(), ActorProcessingErr> {
            match message {
                ClientMessage::Lent(number, worker) => {
                    state.worker = number;
                    worker.cast(WorkerMessage::Begin(myself))?;
                    if self.hasty {
                        self.pool.cast(PoolMessage::Return(number))?;
                    }
                }
                ClientMessage::Ended => {
                    if !self.hasty {
                        self.pool.cast(PoolMessage::Return(state.worker))?;
                    }
                    state.rounds += 1;
                    if state.rounds < ROUNDS {
                        self.pool.cast(PoolMessage::Borrow(myself))?;
                    } else if self.clients_left.fetch_sub(1, Ordering::Relaxed) == 1 {
                        self.done.notify_one();
                    }
                }
            }
            Ok(())
        }
    }
}

/// One schedule; true if it showed the bug.
pub(crate) async fn run() -> bool {
    let conflicts = Arc::new(AtomicU64::new(0));
    let clients_left = Arc::new(AtomicU64::new(CLIENTS));
    let done = Arc::new(Notify::new());
    let mut handles = Vec::new();
    let mut workers = Vec::new();
    for _ in 0..WORKERS {
        let (worker, handle) = Actor::spawn(
            None,
            Worker {
                conflicts: Arc::clone(&conflicts),
            },
            (),
        )
        .await
        .unwrap();
        workers.push(worker);
        handles.push(handle);
    }
    let (pool, handle) = Actor::spawn(None, Pool(workers.clone()), ()).await.unwrap();
    handles.push(handle);
    let mut clients = Vec::new();
    for number in 0..CLIENTS {
        let client = Client {
            hasty: number == 0,
            pool: pool.clone(),
            clients_left: Arc::clone(&clients_left),
            done: Arc::clone(&done),
        };
        let (client, handle) = Actor::spawn(None, client, ()).await.unwrap();
        clients.push(client);
        handles.push(handle);
    }
    done.notified().await;
    clients.iter().for_each(|client| client.stop(None));
    workers.iter().for_each(|worker| worker.stop(None));
    pool.stop(None);
    for handle in handles {
        handle.await.unwrap();
    }
    conflicts.load(Ordering::Relaxed) > 0
}
