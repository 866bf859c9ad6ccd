//! Two-phase commit with two clients. Each writes, and expects to read what it wrote,
//! although the other one may have written since. Fixed, they have keys of their own.

use std::collections::BTreeMap;

use ractor::{ActorRef, RpcReplyPort};

use super::{MS, actor, tell};

#[derive(Debug)]
enum Coordinator {
    Write {
        key: u32,
        value: u32,
        reply: RpcReplyPort<bool>,
    },
    Read {
        key: u32,
        reply: RpcReplyPort<Option<u32>>,
    },
    Prepared(u64),
}

#[derive(Debug)]
enum Participant {
    Prepare {
        transaction: u64,
        coordinator: ActorRef<Coordinator>,
    },
    Commit {
        key: u32,
        value: u32,
    },
    Read {
        key: u32,
        reply: RpcReplyPort<Option<u32>>,
    },
}

#[derive(Debug)]
struct Transaction {
    key: u32,
    value: u32,
    reply: RpcReplyPort<bool>,
    prepared: usize,
}

#[derive(Debug)]
struct State {
    participants: Vec<ActorRef<Participant>>,
    open: BTreeMap<u64, Transaction>,
    next: u64,
}

fn coordinate(myself: &ActorRef<Coordinator>, message: Coordinator, state: &mut State) {
    match message {
        Coordinator::Write { key, value, reply } => {
            let transaction = state.next;
            state.next += 1;
            let prepared = 0;
            let open = Transaction {
                key,
                value,
                reply,
                prepared,
            };
            state.open.insert(transaction, open);
            for participant in &state.participants {
                let coordinator = myself.clone();
                let prepare = Participant::Prepare {
                    transaction,
                    coordinator,
                };
                tell(participant, prepare);
            }
        }
        Coordinator::Read { key, reply } => {
            tell(&state.participants[0], Participant::Read { key, reply });
        }
        Coordinator::Prepared(transaction) => {
            let Some(open) = state.open.get_mut(&transaction) else {
                return;
            };
            open.prepared += 1;
            if open.prepared < state.participants.len() {
                return;
            }
            if let Some(done) = state.open.remove(&transaction) {
                let (key, value) = (done.key, done.value);
                for participant in &state.participants {
                    tell(participant, Participant::Commit { key, value });
                }
                let _ = done.reply.send(true);
            }
        }
    }
}

fn take_part(_: &ActorRef<Participant>, message: Participant, values: &mut BTreeMap<u32, u32>) {
    match message {
        Participant::Prepare {
            transaction,
            coordinator,
        } => tell(&coordinator, Coordinator::Prepared(transaction)),
        Participant::Commit { key, value } => {
            values.insert(key, value);
        }
        Participant::Read { key, reply } => {
            let _ = reply.send(values.get(&key).copied());
        }
    }
}

pub(super) async fn run(fixed: bool) {
    let mut participants = Vec::new();
    for number in 0..2 {
        participants
            .push(actor(&format!("participant-{number}"), BTreeMap::new(), take_part).await);
    }
    let state = State {
        participants,
        open: BTreeMap::new(),
        next: 0,
    };
    let coordinator = actor("coordinator", state, coordinate).await;
    let clients: Vec<_> = (0..2)
        .map(|client| {
            let coordinator = coordinator.clone();
            retake::spawn_named("client", async move {
                let (key, value) = (if fixed { client } else { 0 }, 10 + client);
                let write = |reply| Coordinator::Write { key, value, reply };
                let written = coordinator.call(write, Some(1000 * MS)).await;
                if !written.is_ok_and(|answer| answer.is_success()) {
                    return;
                }
                let read = |reply| Coordinator::Read { key, reply };
                if let Ok(ractor::rpc::CallResult::Success(found)) =
                    coordinator.call(read, Some(1000 * MS)).await
                {
                    retake::always!(
                        found == Some(value),
                        "client {client} wrote {value} and reads {found:?}"
                    );
                }
            })
        })
        .collect();
    for client in clients {
        let _ = client.await;
    }
}
