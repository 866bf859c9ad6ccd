//! A register on two servers: what is put to one reaches the other later. A client that
//! puts to one and reads from the other sees what was there before. Oracle: the history
//! of operations is linearizable; with one server it is.

use ractor::{ActorRef, RpcReplyPort};
use stateright::semantics::register::{Register, RegisterOp, RegisterRet};
use stateright::semantics::{ConsistencyTester as _, LinearizabilityTester};

use super::{Shared, actor, lock, send, shared};

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

type History = Shared<LinearizabilityTester<usize, Register<char>>>;

/// One operation, noted in the history. What the tester refuses is a mistake of ours.
async fn operate(history: &History, client: usize, server: &ActorRef<Message>, put: Option<char>) {
    let operation = put.map_or(RegisterOp::Read, RegisterOp::Write);
    let noted = lock(history).on_invoke(client, operation).is_ok();
    let result = match put {
        Some(value) => {
            let done = server.call(|reply| Message::Put(value, reply), None).await;
            done.ok().map(|_| RegisterRet::WriteOk)
        }
        None => match server.call(Message::Get, None).await {
            Ok(ractor::rpc::CallResult::Success(value)) => Some(RegisterRet::ReadOk(value)),
            _ => None,
        },
    };
    if let (true, Some(result)) = (noted, result) {
        let _ = lock(history).on_return(client, result);
    }
}

pub(super) async fn run(fixed: bool) {
    let history: History = shared(LinearizabilityTester::new(Register(EMPTY)));
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
    let is_linearizable = lock(&history).is_consistent();
    retake::always!(is_linearizable, "the history is not linearizable");
}
