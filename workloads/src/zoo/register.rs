//! A register on two servers: what is put to one reaches the other later. A client that
//! puts to one and reads from the other sees what was there before. Oracle: the history
//! of operations is linearizable; with one server it is.

use ractor::{ActorRef, RpcReplyPort};
use retake_sim::history::{History, Register, RegisterOperation, RegisterResult};

use super::{actor, send};

#[derive(Debug)]
enum Message {
    Put(char, RpcReplyPort<()>),
    Get(RpcReplyPort<char>),
    Copy(char),
}

#[derive(Debug, Default)]
struct Server {
    value: Option<char>,
    other: Option<ActorRef<Message>>,
}

const EMPTY: char = '-';

fn serve(_: &ActorRef<Message>, message: Message, server: &mut Server) {
    match message {
        Message::Put(value, reply) => {
            server.value = Some(value);
            if let Some(other) = &server.other {
                send(other, Message::Copy(value));
            }
            let _ = reply.send(());
        }
        Message::Get(reply) => drop(reply.send(server.value.unwrap_or(EMPTY))),
        Message::Copy(value) => server.value = Some(value),
    }
}

/// One operation, noted in the history.
async fn operate(
    history: &History<Register<char>>,
    client: usize,
    server: &ActorRef<Message>,
    put: Option<char>,
) {
    let operation = put.map_or(RegisterOperation::Read, RegisterOperation::Write);
    let done = async {
        match put {
            Some(value) => {
                let done = server.call(|reply| Message::Put(value, reply), None).await;
                done.ok().map(|_| RegisterResult::Written)
            }
            None => match server.call(Message::Get, None).await {
                Ok(ractor::rpc::CallResult::Success(value)) => Some(RegisterResult::Read(value)),
                _ => None,
            },
        }
    };
    history.note(client, operation, done).await;
}

pub(super) async fn run(fixed: bool) {
    let history = History::new(Register(EMPTY));
    let second = actor("server-2", Server::default(), serve).await;
    let first = Server {
        value: None,
        other: Some(second.clone()),
    };
    let first = actor("server-1", first, serve).await;
    let read_from = if fixed { first.clone() } else { second };
    let clients: Vec<_> = (0..2)
        .map(|client| {
            let (history, first, read_from) = (history.clone(), first.clone(), read_from.clone());
            retake::spawn_named("client", async move {
                let value = ['a', 'b'][client];
                operate(&history, client, &first, Some(value)).await;
                operate(&history, client, &read_from, None).await;
            })
        })
        .collect();
    for client in clients {
        let _ = client.await;
    }
    history.check();
}
