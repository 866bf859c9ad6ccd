//! State machines follow the rules of `gen_statem`; many cases are from `gen_statem_SUITE`.

mod declarations;
mod events;
mod timeouts;

use crate::common::*;
use State::{Connected, Idle, Waiting};
use ractor::{RpcReplyPort, SupervisionEvent};
use retake_otp::statem::{Context, Discard, EnterContext, Event, Next, StateMachine};
use retake_otp::statem::{Statem, StatemMessage, StatemRef, Table};
use retake_otp::{CallError, named_enum};

/// The connection machine of the suite: it is asked to connect, waits for an answer,
/// takes data while it is connected, and is disconnected.
struct Connection(Arc<Mutex<Vec<String>>>);

named_enum! {
    enum State { Idle = "idle", Waiting = "wfor_conf", Connected = "connected" }
}

/// What a call is answered: where it was answered, or why the machine stopped first.
type Answer = Result<State, Option<String>>;

type Act = fn(&mut Context<'_, Connection>) -> Next<State>;

#[derive(Debug)]
enum Ask {
    Connect,
    Confirm,
    Disconnect,
    /// Postponed until the machine is connected.
    Data(u32, RpcReplyPort<Answer>),
    /// Answers, inserts an event and stops.
    Stop(&'static str, RpcReplyPort<Answer>),
    /// Runs this with the context.
    Do(Act),
    Fail,
    /// Is written down.
    Note(&'static str),
    /// Goes where a note may not lead.
    Leap,
}

named_enum! {
    enum Kind {
        Confirm = "confirm",
        Connect = "connect",
        Data = "data",
        Disconnect = "disconnect",
        Do = "do",
        Note = "note",
        Stop = "stop",
    }
}

impl Event for Ask {
    type Kind = Kind;

    fn kind(&self) -> Kind {
        match self {
            Self::Connect => Kind::Connect,
            Self::Confirm => Kind::Confirm,
            Self::Disconnect => Kind::Disconnect,
            Self::Data(..) => Kind::Data,
            Self::Stop(..) => Kind::Stop,
            Self::Do(_) | Self::Fail => Kind::Do,
            Self::Note(_) | Self::Leap => Kind::Note,
        }
    }
}

impl Connection {
    fn note(&self, what: impl Into<String>) {
        self.0.lock().unwrap().push(what.into());
    }
}

/// What an enter action of [`Waiting`] does, as the machine was started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum OnWaiting {
    GiveUpAfter(Duration),
    CancelAll,
    Stop,
}

impl StateMachine for Connection {
    type State = State;
    type Event = Ask;
    type Timeout = &'static str;
    type Data = OnWaiting;
    type Arguments = OnWaiting;

    fn table() -> Table<State, Kind> {
        let table = Table::new([Idle])
            .on(Idle, Kind::Connect, [Waiting])
            .postpone(Idle, Kind::Data)
            .ignore(Idle, Kind::Disconnect)
            .on(Waiting, Kind::Confirm, [Connected])
            .on(Waiting, Kind::Disconnect, [Idle])
            .postpone(Waiting, Kind::Data)
            .on(Connected, Kind::Data, [])
            .on(Connected, Kind::Disconnect, [Idle]);
        let all = [Idle, Waiting, Connected];
        all.into_iter().fold(table, |table, state| {
            table
                .on(state, Kind::Do, all)
                .on(state, Kind::Stop, [])
                .on(state, Kind::Note, [])
        })
    }

    async fn init(
        &self,
        on_waiting: OnWaiting,
        context: &mut Context<'_, Self>,
    ) -> Result<(State, OnWaiting), ActorProcessingErr> {
        context.insert(Ask::Note("started"));
        Ok((Idle, on_waiting))
    }

    async fn enter(
        &self,
        from: Option<State>,
        state: State,
        data: &mut OnWaiting,
        context: &mut EnterContext<'_, Self>,
    ) -> Result<(), ActorProcessingErr> {
        match from {
            None => self.note(format!("enter {state}")),
            Some(from) => self.note(format!("{from} > {state}")),
        }
        if state == Waiting {
            match *data {
                OnWaiting::GiveUpAfter(time) => {
                    context.state_timeout(time, Ask::Do(|_| Next::Goto(Idle)));
                }
                OnWaiting::CancelAll => {
                    context.cancel_state_timeout();
                    context.cancel_event_timeout();
                    context.cancel_timeout("name");
                }
                OnWaiting::Stop => context.stop(Some("not today".to_owned())),
            }
        }
        Ok(())
    }

    async fn handle(
        &self,
        state: State,
        ask: Ask,
        _: &mut OnWaiting,
        context: &mut Context<'_, Self>,
    ) -> Result<Next<State>, ActorProcessingErr> {
        match ask {
            Ask::Connect => return Ok(Next::Goto(Waiting)),
            Ask::Confirm | Ask::Leap => return Ok(Next::Goto(Connected)),
            Ask::Disconnect => return Ok(Next::Goto(Idle)),
            Ask::Data(number, reply) => {
                self.note(format!("data {number}"));
                let _ = reply.send(Ok(state));
            }
            Ask::Stop(reason, reply) => {
                let _ = reply.send(Ok(state));
                context.insert(Ask::Note("inserted"));
                return Ok(Next::Stop(Some(reason.to_owned())));
            }
            Ask::Do(act) => return Ok(act(context)),
            Ask::Fail => return Err("as asked".into()),
            Ask::Note(name) => self.note(name),
        }
        Ok(Next::Keep)
    }

    fn discard(&self, ask: Ask, why: Discard<State>) {
        let name = match ask {
            Ask::Note(name) => name,
            _ => ask.kind().word(),
        };
        self.note(format!("discards {name}: {why:?}"));
        if let (Ask::Data(_, reply), Discard::Stopped(reason)) = (ask, why) {
            let _ = reply.send(Err(reason));
        }
    }

    fn supervision(&self, event: SupervisionEvent) -> Option<Ask> {
        let has_ended = matches!(
            event,
            SupervisionEvent::ActorTerminated(..) | SupervisionEvent::ActorFailed(..)
        );
        has_ended.then_some(Ask::Note("child ended"))
    }
}

const PATIENT: OnWaiting = OnWaiting::GiveUpAfter(Duration::from_secs(3600));

struct Machine {
    machine: StatemRef<Connection>,
    log: Arc<Mutex<Vec<String>>>,
}

impl Machine {
    async fn start(on_waiting: OnWaiting) -> Self {
        let log = Arc::<Mutex<Vec<String>>>::default();
        let machine = Connection(Arc::clone(&log));
        let machine = StatemRef::start(Some("connection"), machine, on_waiting);
        let machine = machine.await.unwrap();
        let it = Self { machine, log };
        // The enter action of the first state comes before any event.
        assert_eq!(it.log().await, "enter idle, started");
        it
    }

    fn cast(&self, ask: Ask) {
        self.machine.cast(ask).unwrap();
    }

    fn act(&self, act: Act) {
        self.cast(Ask::Do(act));
    }

    async fn data(&self, number: u32) -> tokio::task::JoinHandle<Result<Answer, CallError>> {
        let machine = self.machine.clone();
        let asked = async move { machine.call(|reply| Ask::Data(number, reply), None).await };
        let asked = retake::spawn(asked);
        settle().await;
        asked
    }

    async fn log_after(&self, time: Duration) -> String {
        retake::sleep(time + Duration::from_nanos(1)).await;
        std::mem::take(&mut *self.log.lock().unwrap()).join(", ")
    }

    async fn log(&self) -> String {
        self.log_after(Duration::ZERO).await
    }

    fn is_running(&self) -> bool {
        self.machine.actor().get_status() == ActorStatus::Running
    }
}
