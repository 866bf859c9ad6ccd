//! State machines.

use std::time::Instant;

use ractor::{ActorProcessingErr, RpcReplyPort};
use retake_otp::named_enum;
use retake_otp::statem::{Context, Event, Next, StateMachine, StatemRef, Table};

use crate::figure::{Figure, per_second};

struct Postponer;

#[derive(Debug)]
enum PostponerEvent {
    Work,
    Open,
    IsDone(RpcReplyPort<()>),
}

named_enum! {
    enum Kind { IsDone = "is_done", Open = "open", Work = "work" }
}

impl Event for PostponerEvent {
    type Kind = Kind;

    fn kind(&self) -> Kind {
        match self {
            Self::Work => Kind::Work,
            Self::Open => Kind::Open,
            Self::IsDone(_) => Kind::IsDone,
        }
    }
}

named_enum! {
    enum Gate { Closed = "closed", Open = "open" }
}

impl StateMachine for Postponer {
    type State = Gate;
    type Event = PostponerEvent;
    type Timeout = std::convert::Infallible;
    type Data = ();
    type Arguments = ();

    fn table() -> Table<Gate, Kind> {
        Table::new([Gate::Closed])
            .postpone(Gate::Closed, Kind::Work)
            .on(Gate::Closed, Kind::Open, [Gate::Open])
            .on(Gate::Closed, Kind::IsDone, [])
            .on(Gate::Open, Kind::Work, [])
            .on(Gate::Open, Kind::IsDone, [])
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
