//! State machines.

use std::time::Instant;

use ractor::{ActorProcessingErr, RpcReplyPort};
use retake_otp::statem::{Context, Event, Next, StateMachine, StatemRef, Table};

use crate::figure::{Figure, per_second};

struct Postponer;

#[derive(Debug)]
enum PostponerEvent {
    Work,
    Open,
    IsDone(RpcReplyPort<()>),
}

impl Event for PostponerEvent {
    fn name(&self) -> &'static str {
        match self {
            Self::Work => "work",
            Self::Open => "open",
            Self::IsDone(_) => "is_done",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Gate {
    Closed,
    Open,
}

impl std::fmt::Display for Gate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self:?}")
    }
}

impl StateMachine for Postponer {
    type State = Gate;
    type Event = PostponerEvent;
    type Data = ();
    type Arguments = ();

    fn table() -> Table<Gate> {
        Table::new([Gate::Closed])
            .postpone(Gate::Closed, "work")
            .on(Gate::Closed, "open", [Gate::Open])
            .on(Gate::Closed, "is_done", [])
            .on(Gate::Open, "work", [])
            .on(Gate::Open, "is_done", [])
    }

    async fn init(
        &self,
        (): (),
        _: &mut Context<'_, Self>,
    ) -> Result<(Gate, ()), ActorProcessingErr> {
        Ok((Gate::Closed, ()))
    }

    async fn handle(
        &self,
        _: Gate,
        event: PostponerEvent,
        (): &mut (),
        _: &mut Context<'_, Self>,
    ) -> Result<Next<Gate>, ActorProcessingErr> {
        Ok(match event {
            PostponerEvent::Work => Next::Keep,
            PostponerEvent::Open => Next::Goto(Gate::Open),
            PostponerEvent::IsDone(reply) => {
                let _ = reply.send(());
                Next::Keep
            }
        })
    }
}

pub(crate) async fn postpone(events: u64) -> Figure {
    let machine = StatemRef::start(None, Postponer, ()).await.unwrap();
    for _ in 0..events {
        machine.cast(PostponerEvent::Work).unwrap();
    }
    machine.call(PostponerEvent::IsDone, None).await.unwrap();
    let start = Instant::now();
    machine.cast(PostponerEvent::Open).unwrap();
    machine.call(PostponerEvent::IsDone, None).await.unwrap();
    let figure = per_second(events, start);
    machine.actor().stop_and_wait(None, None).await.unwrap();
    figure
}
