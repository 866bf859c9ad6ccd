//! A manager keeps three replicas of an extent. A node that fails is removed and the
//! extent copied to another one; a sync report of it that was on its way brings it back,
//! and the manager believes that there are enough. Oracle: there are three replicas on
//! living nodes in the end.

use std::collections::BTreeSet;

use ractor::ActorRef;

use super::{MS, Shared, actor, lock, shared, tell};

#[derive(Clone, Copy, Debug)]
enum Manager {
    /// A node says that it has the extent.
    Sync(usize),
    /// A node has failed.
    Failed(usize),
    /// Copy the extent where it is missing.
    Repair,
}

#[derive(Clone, Copy, Debug)]
enum Node {
    Report,
    Copy,
    Fail,
}

#[derive(Debug)]
struct State {
    fixed: bool,
    nodes: Vec<ActorRef<Node>>,
    replicas: BTreeSet<usize>,
    failed: BTreeSet<usize>,
}

const REPLICAS: usize = 3;

fn manage(_: &ActorRef<Manager>, message: Manager, state: &mut State) {
    match message {
        Manager::Sync(node) => {
            if !(state.fixed && state.failed.contains(&node)) {
                state.replicas.insert(node);
            }
        }
        Manager::Failed(node) => {
            state.replicas.remove(&node);
            state.failed.insert(node);
        }
        Manager::Repair => {
            let missing = REPLICAS.saturating_sub(state.replicas.len());
            let others = (0..state.nodes.len())
                .filter(|node| !state.replicas.contains(node) && !state.failed.contains(node));
            for node in others.take(missing) {
                tell(&state.nodes[node], Node::Copy);
            }
        }
    }
}

#[derive(Debug)]
struct Storage {
    number: usize,
    manager: Option<ActorRef<Manager>>,
    has_extent: bool,
    has_failed: bool,
    holders: Shared<BTreeSet<usize>>,
    registry: Shared<Option<ActorRef<Manager>>>,
}

fn store(_: &ActorRef<Node>, message: Node, node: &mut Storage) {
    if node.has_failed {
        return;
    }
    if node.manager.is_none() {
        node.manager = lock(&node.registry).clone();
    }
    let Some(manager) = &node.manager else {
        return;
    };
    match message {
        Node::Report => {
            if node.has_extent {
                tell(manager, Manager::Sync(node.number));
            }
        }
        Node::Copy => {
            node.has_extent = true;
            lock(&node.holders).insert(node.number);
            tell(manager, Manager::Sync(node.number));
        }
        Node::Fail => {
            node.has_failed = true;
            lock(&node.holders).remove(&node.number);
        }
    }
}

pub(super) async fn run(fixed: bool) {
    let (holders, registry) = (shared((0..REPLICAS).collect()), shared(None));
    let mut nodes = Vec::new();
    for number in 0..=REPLICAS {
        let storage = Storage {
            number,
            manager: None,
            has_extent: number < REPLICAS,
            has_failed: false,
            holders: Shared::clone(&holders),
            registry: Shared::clone(&registry),
        };
        nodes.push(actor(&format!("node-{number}"), storage, store).await);
    }
    let state = State {
        fixed,
        nodes: nodes.clone(),
        replicas: (0..REPLICAS).collect(),
        failed: BTreeSet::new(),
    };
    let manager = actor("manager", state, manage).await;
    *lock(&registry) = Some(manager.clone());
    // A report of node 0 and its failure; the report of it comes another way.
    let (node, heartbeat) = (nodes[0].clone(), manager.clone());
    let failing = retake::spawn_named("failing", async move {
        tell(&node, Node::Report);
        tokio::task::yield_now().await;
        tell(&node, Node::Fail);
        tell(&heartbeat, Manager::Failed(0));
    });
    let _ = failing.await;
    for _ in 0..3 {
        retake::sleep(MS).await;
        tell(&manager, Manager::Repair);
    }
    retake::sleep(MS).await;
    let holders = lock(&holders);
    let count = holders.len();
    retake::always!(count == REPLICAS, "{count} replicas are left of {REPLICAS}");
}
