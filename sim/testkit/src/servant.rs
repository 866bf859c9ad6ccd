//! A small system for the tests to push around.

use std::time::Duration;

use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort, SupervisionEvent};
use retake_inspect::story::lines;
use retake_traces::MemorySink;

use crate::{start, start_below};

/// Does what its messages say.
pub struct Servant;

#[derive(Debug)]
pub enum Order {
    /// Say so in the story.
    Note(u32),
    /// Answer with the number of orders so far.
    Count(RpcReplyPort<u32>),
    /// Ask another servant for its count, and answer with it.
    AskFor(ActorRef<Order>, RpcReplyPort<u32>),
    /// Ask another one, who asks the next, and so on in a circle.
    AskAround(Vec<ActorRef<Order>>, RpcReplyPort<u32>),
    /// Send a note to another one.
    Tell(ActorRef<Order>, u32),
    /// Keep the place for the answer, and never answer.
    Keep(RpcReplyPort<u32>),
    /// Send this back and forth with another one for ever.
    Bounce(ActorRef<Order>),
    Sleep(Duration),
    Panic(&'static str),
    Spawn(&'static str),
}

#[derive(Debug, Default)]
pub struct Memory {
    orders: u32,
    kept: Vec<RpcReplyPort<u32>>,
}

#[retake::simulated]
impl Actor for Servant {
    type Msg = Order;
    type State = Memory;
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<Order>, (): ()) -> Result<Memory, ActorProcessingErr> {
        Ok(Memory::default())
    }

    async fn handle(
        &self,
        myself: ActorRef<Order>,
        order: Order,
        memory: &mut Memory,
    ) -> Result<(), ActorProcessingErr> {
        memory.orders += 1;
        match order {
            Order::Note(number) => retake::event!("noted {number}"),
            Order::Count(reply) => reply.send(memory.orders)?,
            Order::AskFor(other, reply) => reply.send(ractor::call!(other, Order::Count)?)?,
            Order::AskAround(mut others, reply) => {
                let next = others.remove(0);
                reply.send(ractor::call!(next, |reply| Order::AskAround(
                    others, reply
                ))?)?;
            }
            Order::Tell(other, number) => other.cast(Order::Note(number))?,
            Order::Keep(reply) => memory.kept.push(reply),
            Order::Bounce(other) => other.cast(Order::Bounce(myself))?,
            Order::Sleep(time) => retake::sleep(time).await,
            Order::Panic(message) => panic!("{message}"),
            Order::Spawn(name) => {
                myself
                    .spawn_linked(Some(retake::scoped_name(name)), Self, ())
                    .await?;
            }
        }
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        _: ActorRef<Order>,
        event: SupervisionEvent,
        _: &mut Memory,
    ) -> Result<(), ActorProcessingErr> {
        if let SupervisionEvent::ActorTerminated(..) | SupervisionEvent::ActorFailed(..) = event {
            retake::event!("a child is gone");
        }
        Ok(())
    }
}

pub async fn servant(name: &str) -> ActorRef<Order> {
    start(name, Servant, ()).await
}

/// A servant below another one.
pub async fn child(name: &str, parent: &ActorRef<Order>) -> ActorRef<Order> {
    start_below(parent.get_cell(), name, Servant, ()).await
}

pub const MS: Duration = Duration::from_millis(1);

/// The lines about a task, without time and name.
pub fn told(sink: &MemorySink, who: &str) -> Vec<String> {
    lines(&sink.records())
        .iter()
        .filter(|line| line.is_about(who))
        .map(|line| line.what())
        .collect()
}

/// A parent with children who are never restarted: fails when one is lost.
pub async fn fragile_family() {
    let parent = servant("parent").await;
    let children = [
        child("child-a", &parent).await,
        child("child-b", &parent).await,
    ];
    for number in 0..5 {
        for child in &children {
            let _ = child.cast(Order::Note(number));
        }
        retake::sleep(MS).await;
    }
    for child in &children {
        let alive = child.get_status() == ractor::ActorStatus::Running;
        retake::always!(alive, "a child was lost");
    }
}

/// An actor without a supervisor, which must survive.
pub async fn lonely_actor() {
    let alone = servant("alone").await;
    for number in 0..5 {
        alone.cast(Order::Note(number)).unwrap();
        retake::sleep(MS).await;
    }
    let count = alone.call(Order::Count, Some(Duration::from_secs(1))).await;
    assert!(count.unwrap().is_success());
}
