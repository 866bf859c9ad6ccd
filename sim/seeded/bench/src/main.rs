//! `bench NAME [PART]`: runs a program and prints the time of the processor that it took, in
//! nanoseconds. With a number, it is that part of the program.
//!
//! With the feature `gated` its actors and tasks have gates, and it runs in a `Sim`.

mod gossip;
mod how;

use std::time::Duration;

use crate::how::{run, sleep, spawn, timeout};

use ractor::rpc::CallResult;
use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort};
use tokio::sync::{oneshot, Semaphore};

/// Passes tokens on and answers questions.
struct Node;

#[derive(Default)]
#[cfg_attr(feature = "gated", derive(Debug))]
struct State {
    next: Option<ActorRef<Message>>,
    seen: u64,
    done: Option<oneshot::Sender<()>>,
}

#[cfg_attr(feature = "gated", derive(Debug))]
enum Message {
    Next(ActorRef<Message>),
    Done(oneshot::Sender<()>),
    /// So many messages are passed on.
    Token(u64),
    /// So many of these are expected.
    Count(u64),
    Ask(u64, RpcReplyPort<u64>),
    Work(Duration, RpcReplyPort<()>),
}

#[cfg_attr(feature = "gated", retake::simulated)]
impl Actor for Node {
    type Msg = Message;
    type State = State;
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<Message>, (): ()) -> Result<State, ActorProcessingErr> {
        Ok(State::default())
    }

    async fn handle(
        &self,
        _: ActorRef<Message>,
        message: Message,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            Message::Next(next) => state.next = Some(next),
            Message::Done(done) => state.done = Some(done),
            Message::Token(0) => state.end(),
            Message::Token(left) => {
                if let Some(next) = &state.next {
                    next.cast(Message::Token(left - 1))?;
                }
            }
            Message::Count(expected) => {
                state.seen += 1;
                if state.seen == expected {
                    state.end();
                }
            }
            Message::Ask(number, reply) => reply.send(number + 1)?,
            Message::Work(time, reply) => {
                sleep(time).await;
                reply.send(())?;
            }
        }
        Ok(())
    }
}

impl State {
    fn end(&mut self) {
        if let Some(done) = self.done.take() {
            let _ = done.send(());
        }
    }
}

async fn node() -> ActorRef<Message> {
    Actor::spawn(None, Node, ()).await.unwrap().0
}

/// Actors in a ring pass tokens on.
async fn ring(actors: usize, tokens: usize, hops: u64) {
    let mut nodes = Vec::new();
    for _ in 0..actors {
        nodes.push(node().await);
    }
    for number in 0..actors {
        let next = nodes[(number + 1) % actors].clone();
        nodes[number].cast(Message::Next(next)).unwrap();
    }
    let mut ends = Vec::new();
    for token in 0..tokens {
        let (sender, receiver) = oneshot::channel();
        ends.push(receiver);
        let last = (token * actors / tokens + hops as usize) % actors;
        nodes[last].cast(Message::Done(sender)).unwrap();
    }
    for token in 0..tokens {
        let first = &nodes[token * actors / tokens];
        first.cast(Message::Token(hops)).unwrap();
    }
    for end in ends {
        timeout(Duration::from_secs(3_600), end).await.unwrap().unwrap();
    }
}

async fn rpc(calls: u64) {
    let node = node().await;
    for number in 0..calls {
        let answer = node.call(|reply| Message::Ask(number, reply), None).await;
        assert!(matches!(answer, Ok(CallResult::Success(it)) if it == number + 1));
    }
}

/// Many tasks send to one actor.
async fn fan_in(senders: u64, messages: u64) {
    let node = node().await;
    let (sender, end) = oneshot::channel();
    node.cast(Message::Done(sender)).unwrap();
    for _ in 0..senders {
        let node = node.clone();
        spawn(async move {
            for _ in 0..messages {
                node.cast(Message::Count(senders * messages)).unwrap();
                tokio::task::yield_now().await;
            }
        });
    }
    end.await.unwrap();
}

/// Numbers from a seed: xorshift, Marsaglia 2003.
struct Numbers(u64);

impl Numbers {
    fn draw(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: usize) -> usize {
        (self.draw() >> 11) as usize % end
    }

    /// An exponentially distributed time of this mean, in microseconds.
    fn time(&mut self, mean: f64) -> Duration {
        let uniform = (self.draw() >> 11) as f64 / (1u64 << 53) as f64;
        Duration::from_micros((-(1.0 - uniform).ln() * mean) as u64)
    }
}

/// Customers come at random times to ten servers, and wait for a free one.
async fn queue(customers: usize) {
    let mut servers = Vec::new();
    for _ in 0..10 {
        servers.push(node().await);
    }
    let free = std::sync::Arc::new((Semaphore::new(10), std::sync::Mutex::new(servers)));
    let mut numbers = Numbers(7);
    let mut all = Vec::new();
    for _ in 0..customers {
        sleep(numbers.time(1_250.0)).await;
        let (time, free) = (numbers.time(10_000.0), free.clone());
        all.push(spawn(async move {
            let _permit = free.0.acquire().await.unwrap();
            let server = free.1.lock().unwrap().pop().unwrap();
            let _ = server.call(|reply| Message::Work(time, reply), None).await;
            free.1.lock().unwrap().push(server);
        }));
    }
    for customer in all {
        customer.await.unwrap();
    }
}

/// Three actors of a pool are lent to ten clients.
async fn pool() {
    queue_of(3, 10).await;
}

async fn queue_of(servers: usize, clients: u64) {
    let mut nodes = Vec::new();
    for _ in 0..servers {
        nodes.push(node().await);
    }
    let (free, nodes) = (
        std::sync::Arc::new(Semaphore::new(servers)),
        std::sync::Arc::new(std::sync::Mutex::new(nodes)),
    );
    let clients = (0..clients).map(|number| {
        let (free, nodes) = (free.clone(), nodes.clone());
        spawn(async move {
            let _permit = free.acquire().await.unwrap();
            let node = nodes.lock().unwrap().pop().unwrap();
            let _ = node.call(|reply| Message::Ask(number, reply), None).await;
            nodes.lock().unwrap().push(node);
        })
    });
    for client in clients.collect::<Vec<_>>() {
        client.await.unwrap();
    }
}

fn processor_time_ns() -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the place is valid.
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

fn main() {
    let name = std::env::args().nth(1).unwrap_or_default();
    let part = std::env::args().nth(2).and_then(|part| part.parse().ok()).unwrap_or(1);
    let start = processor_time_ns();
    match &*name {
        "ping-pong" => run(move || ring(2, 1, 600_000 / part)),
        "RPC" => run(move || rpc(200_000 / part)),
        "ring of 1,000" => run(move || ring(1_000, 100, 10_000 / part)),
        "fan-in" => run(move || fan_in(100, 10_000 / part)),
        "M/M/10" => run(move || queue(60_000 / part as usize)),
        "small pool" => (0..2_000 / part).for_each(|_| run(pool)),
        "start-up" => (0..5_000 / part).for_each(|_| run(|| ring(1, 1, 0))),
        "gossip of 500" => run(move || gossip::run(500, 1_000 / part)),
        "gossip of 5,000" => run(move || gossip::run(5_000, 100 / part)),
        "gossip of 50,000" => run(move || gossip::run(50_000, 10 / part)),
        "gossip, an hour" => run(move || gossip::run(10_000, 360 / part)),
        _ => panic!("there is no `{name}`"),
    }
    println!("{}", processor_time_ns() - start);
}
