//! A pool of one worker. A client that waits no longer does not say so, and is given the
//! worker all the same, for ever. Oracle: the last client gets it.

use std::collections::VecDeque;

use ractor::{ActorRef, RpcReplyPort};

use super::{MS, actor, tell};

#[derive(Debug)]
enum Pool {
    Checkout(u32, RpcReplyPort<()>),
    CheckIn,
    Cancel(u32),
}

#[derive(Debug, Default)]
struct State {
    lent_to: Option<u32>,
    waiting: VecDeque<(u32, RpcReplyPort<()>)>,
}

fn lend_next(state: &mut State) {
    state.lent_to = None;
    if let Some((client, reply)) = state.waiting.pop_front() {
        state.lent_to = Some(client);
        let _ = reply.send(());
    }
}

fn serve(_: &ActorRef<Pool>, message: Pool, state: &mut State) {
    match message {
        Pool::Checkout(client, reply) => {
            state.waiting.push_back((client, reply));
            if state.lent_to.is_none() {
                lend_next(state);
            }
        }
        Pool::CheckIn => lend_next(state),
        Pool::Cancel(client) => {
            state.waiting.retain(|(waiting, _)| *waiting != client);
            // It may have been leased in the meantime.
            if state.lent_to == Some(client) {
                lend_next(state);
            }
        }
    }
}

pub(super) async fn run(fixed: bool) {
    let pool = actor("pool", State::default(), serve).await;
    let clients: Vec<_> = (0..2)
        .map(|client| {
            let pool = pool.clone();
            retake::spawn_named("client", async move {
                let checkout = pool.call(|reply| Pool::Checkout(client, reply), Some(2 * MS));
                match checkout.await {
                    Ok(answer) if answer.is_success() => {
                        retake::sleep(2 * MS).await;
                        tell(&pool, Pool::CheckIn);
                    }
                    _ if fixed => tell(&pool, Pool::Cancel(client)),
                    _ => {}
                }
            })
        })
        .collect();
    for client in clients {
        let _ = client.await;
    }
    let last = pool.call(|reply| Pool::Checkout(9, reply), None);
    retake::eventually("the last client gets the worker", 100 * MS, last).await;
}
