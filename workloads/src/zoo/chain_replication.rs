//! Chain replication of three servers. When the middle one fails, its predecessor sends
//! the new successor what it has sent before, also what had got through already. Oracle:
//! the history of each server is sorted, without repetitions.

use ractor::ActorRef;

use super::{MS, Shared, actor, lock, shared, tell};

#[derive(Clone, Debug)]
enum Message {
    Update(u32),
    /// This is the successor now.
    Successor(ActorRef<Message>),
}

#[derive(Debug)]
struct Server {
    fixed: bool,
    number: usize,
    successor: Option<ActorRef<Message>>,
    history: Vec<u32>,
    histories: Shared<Vec<Vec<u32>>>,
}

fn handle(_: &ActorRef<Message>, message: Message, server: &mut Server) {
    match message {
        Message::Update(update) => {
            if server.fixed && server.history.last().is_some_and(|last| *last >= update) {
                return;
            }
            server.history.push(update);
            let history = server.history.clone();
            let is_sorted = history.windows(2).all(|two| two[0] < two[1]);
            retake::always!(is_sorted, "server {} has {history:?}", server.number);
            lock(&server.histories)[server.number] = history;
            if let Some(successor) = &server.successor {
                tell(successor, Message::Update(update));
            }
        }
        Message::Successor(successor) => {
            for update in &server.history {
                tell(&successor, Message::Update(*update));
            }
            server.successor = Some(successor);
        }
    }
}

pub(super) async fn run(fixed: bool) {
    let histories = shared(vec![Vec::new(); 3]);
    let mut successor = None;
    let mut servers = Vec::new();
    for number in (0..3).rev() {
        let server = Server {
            fixed,
            number,
            successor: successor.take(),
            history: Vec::new(),
            histories: histories.clone(),
        };
        let server = actor(&format!("server-{number}"), server, handle).await;
        successor = Some(server.clone());
        servers.insert(0, server);
    }
    let head = servers[0].clone();
    let client = retake::spawn_named("client", async move {
        for update in 1..=3 {
            tell(&head, Message::Update(update));
            tokio::task::yield_now().await;
        }
    });
    let (head, middle, tail) = (servers[0].clone(), servers[1].clone(), servers[2].clone());
    let master = retake::spawn_named("master", async move {
        // The middle one fails, after it has handled what it has.
        let _ = middle.stop_and_wait(None, None).await;
        tell(&head, Message::Successor(tail));
    });
    let _ = client.await;
    let _ = master.await;
    retake::sleep(MS).await;
    let histories = lock(&histories);
    let is_whole = histories[2] == [1, 2, 3];
    retake::sometimes!(is_whole, "every update reaches the tail");
}
