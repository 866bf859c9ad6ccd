//! A ring of nodes that own keys. A node that leaves hands its keys to its successor; if
//! that leaves at the same time, nobody owns them, and a lookup goes round forever.
//! Oracle: a lookup ends.

use ractor::{ActorRef, RpcReplyPort};

use super::{MS, actor, tell};

#[derive(Debug)]
enum Message {
    Join(ActorRef<Message>),
    Keys(Vec<u32>),
    Leave,
    Lookup {
        key: u32,
        hops: u32,
        reply: RpcReplyPort<Option<usize>>,
    },
}

#[derive(Debug)]
struct Node {
    fixed: bool,
    number: usize,
    successor: Option<ActorRef<Message>>,
    keys: Vec<u32>,
    has_left: bool,
}

fn handle(_: &ActorRef<Message>, message: Message, node: &mut Node) {
    match message {
        Message::Join(successor) => node.successor = Some(successor),
        Message::Keys(keys) => {
            if !node.has_left {
                node.keys.extend(keys);
            } else if let (true, Some(successor)) = (node.fixed, &node.successor) {
                tell(successor, Message::Keys(keys));
            }
        }
        Message::Leave => {
            node.has_left = true;
            let keys = std::mem::take(&mut node.keys);
            if let Some(successor) = &node.successor {
                tell(successor, Message::Keys(keys));
            }
        }
        Message::Lookup { key, hops, reply } => {
            if node.keys.contains(&key) {
                let _ = reply.send(Some(node.number));
            } else if let Some(successor) = node.successor.clone() {
                let lookup = move || Message::Lookup {
                    key,
                    hops: hops + 1,
                    reply,
                };
                // What goes through the network takes its time.
                retake::send_after(&successor, MS, lookup);
            }
        }
    }
}

pub(super) async fn run(fixed: bool) {
    let mut nodes = Vec::new();
    for number in 0..3 {
        let node = Node {
            fixed,
            number,
            successor: None,
            keys: vec![number as u32],
            has_left: false,
        };
        nodes.push(actor(&format!("node-{number}"), node, handle).await);
    }
    for (number, node) in nodes.iter().enumerate() {
        tell(node, Message::Join(nodes[(number + 1) % 3].clone()));
    }
    let leavers: Vec<_> = [0, 1]
        .map(|number| {
            let node = nodes[number].clone();
            retake::spawn_named("leaver", async move { tell(&node, Message::Leave) })
        })
        .into();
    for leaver in leavers {
        let _ = leaver.await;
    }
    let lookup = nodes[2].call(
        |reply| Message::Lookup {
            key: 0,
            hops: 0,
            reply,
        },
        None,
    );
    let found = retake::eventually("the lookup ends", 100 * MS, lookup).await;
    retake::sometimes!(found.is_some(), "the key is found");
}
