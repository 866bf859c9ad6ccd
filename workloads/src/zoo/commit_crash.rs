//! Two-phase commit whose participant may crash. The coordinator waits for its answer
//! without a limit. Oracle: the client gets an answer (or there is a deadlock).

use ractor::{ActorRef, RpcReplyPort};

use super::{MS, actor, tell};

#[derive(Debug)]
enum Coordinator {
    Commit(RpcReplyPort<bool>),
    Prepared,
    GiveUp,
}

#[derive(Debug)]
enum Participant {
    Prepare(ActorRef<Coordinator>),
    Committed,
}

#[derive(Debug)]
struct State {
    fixed: bool,
    participants: Vec<ActorRef<Participant>>,
    prepared: usize,
    client: Option<RpcReplyPort<bool>>,
}

fn coordinate(myself: &ActorRef<Coordinator>, message: Coordinator, state: &mut State) {
    match message {
        Coordinator::Commit(reply) => {
            state.client = Some(reply);
            for participant in &state.participants {
                tell(participant, Participant::Prepare(myself.clone()));
            }
            if state.fixed {
                retake::send_after(myself, 10 * MS, || Coordinator::GiveUp);
            }
        }
        Coordinator::Prepared => {
            state.prepared += 1;
            if state.prepared == state.participants.len()
                && let Some(client) = state.client.take()
            {
                for participant in &state.participants {
                    tell(participant, Participant::Committed);
                }
                let _ = client.send(true);
            }
        }
        Coordinator::GiveUp => {
            if let Some(client) = state.client.take() {
                let _ = client.send(false);
            }
        }
    }
}

fn take_part(_: &ActorRef<Participant>, message: Participant, _: &mut ()) {
    if let Participant::Prepare(coordinator) = message {
        tell(&coordinator, Coordinator::Prepared);
    }
}

pub(super) async fn run(fixed: bool) {
    let mut participants = Vec::new();
    for number in 0..3 {
        participants.push(actor(&format!("participant-{number}"), (), take_part).await);
    }
    let victim = participants[1].clone();
    let state = State {
        fixed,
        participants,
        prepared: 0,
        client: None,
    };
    let coordinator = actor("coordinator", state, coordinate).await;
    let crash = retake::spawn_named("crash", async move { victim.kill() });
    let client = coordinator.clone();
    let committed = retake::spawn_named("client", async move {
        client.call(Coordinator::Commit, None).await
    });
    let _ = crash.await;
    let answer = committed.await;
    let is_answered = matches!(answer, Ok(Ok(answer)) if answer.is_success());
    retake::always!(is_answered, "the client gets no answer");
}
