//! Programs without a bug, small enough to go through all their schedules: controls for
//! exhaustive search, after programs of the same names in the tests of Concuerror.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort};
use tokio::sync::oneshot;

use super::{MS, Shared, actor, lock, shared, tell};

const READERS: usize = 6;

/// One writer, then six readers, of one cell. What each reads is before or after the
/// write: 64 interleavings.
pub(super) async fn readers() {
    let cell = Arc::new(AtomicU32::new(0));
    let written = Arc::clone(&cell);
    retake::spawn_named(
        "writer",
        async move { written.store(42, Ordering::Relaxed) },
    );
    for _ in 0..READERS {
        let cell = Arc::clone(&cell);
        retake::spawn_named("reader", async move {
            retake::event!("reads {}", cell.load(Ordering::Relaxed));
        });
    }
    // All of them are done when time moves.
    retake::sleep(MS).await;
}

#[derive(Debug)]
enum Registry {
    Register(usize, RpcReplyPort<bool>),
    Down(usize),
    Stop,
}

#[derive(Debug)]
struct RegistryState {
    worker: Option<usize>,
    alive: Shared<Vec<bool>>,
}

fn register(myself: &ActorRef<Registry>, message: Registry, state: &mut RegistryState) {
    match message {
        Registry::Register(number, reply) => {
            let is_taken = state.worker.is_some_and(|it| lock(&state.alive)[it]);
            // It shares this memory with the workers: an event, so that it counts.
            retake::event!("taken: {is_taken}");
            if !is_taken {
                state.worker = Some(number);
            }
            let _ = reply.send(!is_taken);
        }
        Registry::Down(number) if state.worker == Some(number) => state.worker = None,
        Registry::Down(_) => {}
        Registry::Stop => myself.stop(None),
    }
}

/// Registers, and only then looks at what else it was sent.
struct Worker;

#[derive(Debug)]
enum Order {
    Start,
    Token(Vec<bool>),
}

enum Link {
    Main(Option<oneshot::Sender<Vec<bool>>>),
    Worker(ActorRef<Order>),
}

struct State {
    number: usize,
    registry: ActorRef<Registry>,
    link: Link,
    registered: bool,
    alive: Shared<Vec<bool>>,
}

#[retake::simulated]
impl Actor for Worker {
    type Msg = Order;
    type State = State;
    type Arguments = State;

    async fn pre_start(
        &self,
        myself: ActorRef<Order>,
        state: State,
    ) -> Result<State, ActorProcessingErr> {
        myself.cast(Order::Start)?;
        Ok(state)
    }

    async fn handle(
        &self,
        myself: ActorRef<Order>,
        order: Order,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        match order {
            Order::Start => {
                let number = state.number;
                let asked = state
                    .registry
                    .call(|it| Registry::Register(number, it), None);
                state.registered = asked
                    .await?
                    .success_or(ActorProcessingErr::from("no answer"))?;
            }
            Order::Token(mut token) => {
                token.push(state.registered);
                match &mut state.link {
                    Link::Worker(next) => tell(next, Order::Token(token)),
                    Link::Main(main) => drop(main.take().map(|main| main.send(token))),
                }
                myself.stop(None);
            }
        }
        Ok(())
    }

    async fn post_stop(
        &self,
        _: ActorRef<Order>,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        lock(&state.alive)[state.number] = false;
        if state.registered {
            tell(&state.registry, Registry::Down(state.number));
        }
        Ok(())
    }
}

const WORKERS: usize = 3;

/// Three workers register under one name, and pass a token on when they know whether they
/// have it. Oracle: somebody had it.
pub(super) async fn registry() {
    let alive = shared(vec![true; WORKERS]);
    let state = RegistryState {
        worker: None,
        alive: alive.clone(),
    };
    let registry = actor("registry", state, register).await;
    let (main, token) = oneshot::channel();
    let mut link = Link::Main(Some(main));
    for number in 0..WORKERS {
        let state = State {
            number,
            registry: registry.clone(),
            link,
            registered: false,
            alive: alive.clone(),
        };
        let name = Some(retake::scoped_name(&format!("worker-{number}")));
        match Actor::spawn(name, Worker, state).await {
            Ok((worker, _)) => link = Link::Worker(worker),
            Err(error) => panic!("a worker does not start: {error}"),
        }
    }
    if let Link::Worker(first) = link {
        tell(&first, Order::Token(Vec::new()));
    }
    let token = token.await.unwrap_or_default();
    tell(&registry, Registry::Stop);
    // Until all of them have ended: a run that ends before is another interleaving.
    retake::sleep(MS).await;
    let is_served = token.len() == WORKERS && token.contains(&true);
    retake::always!(is_served, "nobody had the name: {token:?}");
}
