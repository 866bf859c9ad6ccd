//! A command with scenarios of one's own: two clients add to a counter, by reading it and
//! writing it back, and as they should.
//!
//! ```sh
//! cargo run --release -p retake-cli --example own -- explore counter/written_back
//! ```
#![allow(
    clippy::unwrap_used,
    reason = "in a scenario, a panic is how a check fails"
)]

use std::process::ExitCode;

use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort, call};
use retake_cli::{Follower, Program};

struct Counter;

#[derive(Debug)]
enum Message {
    Get(RpcReplyPort<u32>),
    Set(u32),
    Add(u32),
}

#[retake::simulated]
impl Actor for Counter {
    type Msg = Message;
    type State = u32;
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<Message>, (): ()) -> Result<u32, ActorProcessingErr> {
        Ok(0)
    }

    async fn handle(
        &self,
        _: ActorRef<Message>,
        message: Message,
        count: &mut u32,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            Message::Get(reply) => reply.send(*count)?,
            Message::Set(value) => *count = value,
            Message::Add(value) => *count += value,
        }
        Ok(())
    }
}

/// Two clients count one each, in one of the two ways.
pub(crate) async fn two_clients(is_written_back: bool) {
    let (counter, _) = Actor::spawn(Some("counter".to_owned()), Counter, ())
        .await
        .unwrap();
    let clients = ["client-1", "client-2"].map(|name| {
        let counter = counter.clone();
        retake::spawn_named(name, async move {
            let add = if is_written_back {
                Message::Set(call!(counter, Message::Get).unwrap() + 1)
            } else {
                Message::Add(1)
            };
            counter.cast(add).unwrap();
        })
    });
    for client in clients {
        client.await.unwrap();
    }
    let count = call!(counter, Message::Get).unwrap();
    retake::always!(count == 2, "no update is lost");
}

/// A live process that was recorded while two clients added as they should.
struct LiveClients;

impl Follower for LiveClients {
    async fn scenario(&self) {
        two_clients(false).await;
    }
}

/// The command, for `main` and for a test of the cases that it has saved.
pub(crate) fn program() -> Program {
    Program::new("counter", env!("CARGO_PKG_VERSION"))
        .scenario("counter/written_back", "loses an update", || {
            two_clients(true)
        })
        .scenario("counter/added", "loses none", || two_clients(false))
        .recording("counter/live", || LiveClients)
}

fn main() -> ExitCode {
    program().main()
}
