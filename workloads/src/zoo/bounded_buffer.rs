//! A buffer for one item, with two readers and a writer. A task that has to wait is parked in
//! one queue, and whatever happens wakes the first of it, who may wait for something
//! else. Oracle: everybody gets through (or there is a deadlock).

use std::collections::VecDeque;

use ractor::{ActorRef, RpcReplyPort};

use super::actor;

/// `None` is: try again.
#[derive(Debug)]
enum Buffer {
    Put(u32, RpcReplyPort<Option<u32>>),
    Take(RpcReplyPort<Option<u32>>),
}

#[derive(Debug)]
struct State {
    fixed: bool,
    item: Option<u32>,
    parked: VecDeque<RpcReplyPort<Option<u32>>>,
}

fn wake(state: &mut State) {
    while let Some(parked) = state.parked.pop_front() {
        let _ = parked.send(None);
        if !state.fixed {
            break;
        }
    }
}

fn serve(_: &ActorRef<Buffer>, message: Buffer, state: &mut State) {
    match message {
        Buffer::Put(item, reply) if state.item.is_none() => {
            state.item = Some(item);
            let _ = reply.send(Some(item));
            wake(state);
        }
        Buffer::Take(reply) if state.item.is_some() => {
            let _ = reply.send(state.item.take());
            wake(state);
        }
        Buffer::Put(_, reply) | Buffer::Take(reply) => state.parked.push_back(reply),
    }
}

async fn insist(buffer: &ActorRef<Buffer>, message: impl Fn(RpcReplyPort<Option<u32>>) -> Buffer) {
    loop {
        match buffer.call(&message, None).await {
            Ok(ractor::rpc::CallResult::Success(None)) => {}
            _ => return,
        }
    }
}

pub(super) async fn run(fixed: bool) {
    let state = State {
        fixed,
        item: None,
        parked: VecDeque::new(),
    };
    let buffer = actor("buffer", state, serve).await;
    let mut tasks = Vec::new();
    for _ in 0..2 {
        let buffer = buffer.clone();
        tasks.push(retake::spawn_named("reader", async move {
            for _ in 0..2 {
                insist(&buffer, Buffer::Take).await;
            }
        }));
    }
    tasks.push(retake::spawn_named("writer", async move {
        for item in 0..4 {
            insist(&buffer, |reply| Buffer::Put(item, reply)).await;
        }
    }));
    for task in tasks {
        let _ = task.await;
    }
}
