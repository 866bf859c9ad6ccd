//! A failure detector pings two nodes, up to twice a round, and cancels its timer when
//! all have answered. A timeout that was on its way when the timer was cancelled belongs
//! to no round any more. Oracle: a node has no more than two pings of a round before it.

use ractor::ActorRef;

use super::{MS, Shared, actor, lock, send, shared, tell};

#[derive(Debug)]
enum Node {
    Ping {
        round: u32,
        detector: ActorRef<Detector>,
    },
}

#[derive(Clone, Copy, Debug)]
enum Detector {
    Start,
    Pong { round: u32, node: usize },
    Timeout(u32),
    Cancelled,
}

#[derive(Debug)]
enum Timer {
    Start {
        round: u32,
        detector: ActorRef<Detector>,
    },
    Fire(u32),
    Cancel {
        round: u32,
        detector: ActorRef<Detector>,
    },
}

const NODES: usize = 2;
const ROUNDS: u32 = 3;
const ATTEMPTS: u32 = 2;

#[derive(Debug)]
struct State {
    fixed: bool,
    nodes: Vec<ActorRef<Node>>,
    timer: ActorRef<Timer>,
    round: u32,
    attempts: u32,
    alive: Vec<bool>,
    is_cancelling: bool,
    /// Pings of this round, by node.
    pings: Shared<Vec<u32>>,
}

fn ping(myself: &ActorRef<Detector>, state: &mut State) {
    state.attempts += 1;
    for node in 0..NODES {
        if !state.alive[node] {
            let mut pings = lock(&state.pings);
            pings[node] += 1;
            let count = pings[node];
            retake::always!(
                count <= ATTEMPTS,
                "node {node} has {count} pings in round {}",
                state.round
            );
            let (round, detector) = (state.round, myself.clone());
            tell(&state.nodes[node], Node::Ping { round, detector });
        }
    }
    let (round, detector) = (state.round, myself.clone());
    tell(&state.timer, Timer::Start { round, detector });
}

fn begin(myself: &ActorRef<Detector>, state: &mut State) {
    if state.round < ROUNDS {
        state.round += 1;
        state.attempts = 0;
        state.alive = vec![false; NODES];
        state.is_cancelling = false;
        *lock(&state.pings) = vec![0; NODES];
        ping(myself, state);
    }
}

fn detect(myself: &ActorRef<Detector>, message: Detector, state: &mut State) {
    match message {
        Detector::Start => begin(myself, state),
        Detector::Pong { round, node } => {
            if round != state.round || state.is_cancelling {
                return;
            }
            state.alive[node] = true;
            if state.alive.iter().all(|alive| *alive) {
                state.is_cancelling = true;
                let (round, detector) = (state.round, myself.clone());
                tell(&state.timer, Timer::Cancel { round, detector });
            }
        }
        Detector::Timeout(round) => {
            // The bug: a timeout of an earlier round counts.
            if state.fixed && (round != state.round || state.is_cancelling) {
                return;
            }
            if state.attempts < ATTEMPTS || round != state.round {
                ping(myself, state);
            } else {
                begin(myself, state);
            }
        }
        Detector::Cancelled => begin(myself, state),
    }
}

fn time(myself: &ActorRef<Timer>, message: Timer, running: &mut Option<(u32, ActorRef<Detector>)>) {
    match message {
        Timer::Start { round, detector } => {
            *running = Some((round, detector));
            tell(myself, Timer::Fire(round));
        }
        Timer::Fire(round) => {
            if let Some((running_round, detector)) = running.take() {
                if running_round == round {
                    send(&detector, Detector::Timeout(round));
                } else {
                    *running = Some((running_round, detector));
                }
            }
        }
        Timer::Cancel { round, detector } => {
            if running
                .as_ref()
                .is_some_and(|(running, _)| *running == round)
            {
                *running = None;
            }
            tell(&detector, Detector::Cancelled);
        }
    }
}

fn answer(_: &ActorRef<Node>, message: Node, number: &mut usize) {
    let Node::Ping { round, detector } = message;
    let node = *number;
    tell(&detector, Detector::Pong { round, node });
}

pub(super) async fn run(fixed: bool) {
    let mut nodes = Vec::new();
    for number in 0..NODES {
        nodes.push(actor(&format!("node-{number}"), number, answer).await);
    }
    let state = State {
        fixed,
        nodes,
        timer: actor("timer", None, time).await,
        round: 0,
        attempts: 0,
        alive: Vec::new(),
        is_cancelling: false,
        pings: shared(vec![0; NODES]),
    };
    let detector = actor("detector", state, detect).await;
    tell(&detector, Detector::Start);
    retake::sleep(MS).await;
}
