//! A bank against an abstract server, which answers withdrawals as it likes and may let
//! the balance fall below what the specification allows. Oracle: at least 10 are left.

use ractor::{ActorRef, RpcReplyPort};
use rand::RngExt as _;

use super::{MS, actor};

#[derive(Debug)]
enum Bank {
    Withdraw(i32, RpcReplyPort<bool>),
}

const LEAST: i32 = 10;

#[derive(Debug)]
struct State {
    fixed: bool,
    balance: i32,
}

fn serve(_: &ActorRef<Bank>, message: Bank, state: &mut State) {
    let Bank::Withdraw(amount, reply) = message;
    let covered = state.balance - amount >= LEAST;
    // The abstraction: a refusal is always allowed, and an approval should be only when
    // it is covered.
    let approves = if state.fixed {
        covered && retake::rng().random_bool(0.9)
    } else {
        retake::rng().random_bool(if covered { 0.9 } else { 0.02 })
    };
    if approves {
        state.balance -= amount;
    }
    let balance = state.balance;
    retake::always!(balance >= LEAST, "the balance is {balance}");
    let _ = reply.send(approves);
}

pub(super) async fn run(fixed: bool) {
    let state = State { fixed, balance: 50 };
    let bank = actor("bank", state, serve).await;
    let clients: Vec<_> = (0..2)
        .map(|_| {
            let bank = bank.clone();
            retake::spawn_named("client", async move {
                for _ in 0..3 {
                    let withdraw = |reply| Bank::Withdraw(15, reply);
                    let _ = bank.call(withdraw, Some(100 * MS)).await;
                }
            })
        })
        .collect();
    for client in clients {
        let _ = client.await;
    }
}
