//! Three rungs of bugs that a uniform choice meets rarely.

use ractor::{ActorRef, RpcReplyPort};

use super::{Shared, actor, lock, shared, tell};

#[derive(Debug)]
struct Step(u32);

/// An actor takes twenty steps before another takes its first.
pub(super) async fn twenty_steps(fixed: bool) {
    let done = shared(0);
    let steps = actor(
        "steps",
        Shared::clone(&done),
        |myself: &ActorRef<Step>, Step(number), done: &mut Shared<u32>| {
            *lock(done) = number;
            if number < 20 {
                tell(myself, Step(number + 1));
            }
        },
    )
    .await;
    let other = actor(
        "other",
        (done, fixed),
        |_: &ActorRef<Step>, _, (done, fixed): &mut (Shared<u32>, bool)| {
            let steps = *lock(done);
            retake::always!(*fixed || steps < 20, "all twenty steps came first");
        },
    )
    .await;
    tell(&steps, Step(1));
    tell(&other, Step(0));
    retake::sleep(super::MS).await;
}

/// Two actors look whether something is free, and take it in their next step.
pub(super) async fn check_then_act(fixed: bool) {
    #[derive(Debug)]
    enum Message {
        Check,
        Act,
    }
    let owner = shared(None);
    let mut actors = Vec::new();
    for number in 0..2_u32 {
        actors.push(
            actor(
                &format!("taker-{number}"),
                (number, Shared::clone(&owner), fixed),
                |myself: &ActorRef<Message>,
                 message,
                 (number, owner, fixed): &mut (u32, Shared<Option<u32>>, bool)| {
                    match message {
                        Message::Check if lock(owner).is_none() => {
                            if *fixed {
                                *lock(owner) = Some(*number);
                            } else {
                                tell(myself, Message::Act);
                            }
                        }
                        Message::Check => {}
                        Message::Act => {
                            let before = lock(owner).replace(*number);
                            retake::always!(before.is_none(), "two take it");
                        }
                    }
                },
            )
            .await,
        );
    }
    for taker in &actors {
        tell(taker, Message::Check);
    }
    retake::sleep(super::MS).await;
}

#[derive(Debug)]
enum Lock {
    Take(RpcReplyPort<()>),
    Release,
}

/// A lock: who holds it, and who waits.
fn serve(_: &ActorRef<Lock>, message: Lock, state: &mut (bool, Vec<RpcReplyPort<()>>)) {
    let (is_held, waiting) = state;
    match message {
        Lock::Take(reply) if *is_held => waiting.push(reply),
        Lock::Take(reply) => {
            *is_held = true;
            let _ = reply.send(());
        }
        Lock::Release => match waiting.pop() {
            Some(next) => drop(next.send(())),
            None => *is_held = false,
        },
    }
}

/// Two clients take two locks, each the other one first.
pub(super) async fn lock_order(fixed: bool) {
    let (a, b) = (
        actor("lock-a", (false, Vec::new()), serve).await,
        actor("lock-b", (false, Vec::new()), serve).await,
    );
    let orders = if fixed {
        [(a.clone(), b.clone()), (a, b)]
    } else {
        [(a.clone(), b.clone()), (b, a)]
    };
    let clients = orders.map(|(first, second)| {
        retake::spawn_named("client", async move {
            let _ = first.call(Lock::Take, None).await;
            let _ = second.call(Lock::Take, None).await;
            tell(&second, Lock::Release);
            tell(&first, Lock::Release);
        })
    });
    for client in clients {
        let _ = client.await;
    }
}
