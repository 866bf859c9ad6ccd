//! What these tests share.

pub(crate) use crate::conformance::under_seeds;
pub(crate) use State::{Connected, Idle, Waiting};
pub(crate) use ractor::{
    Actor, ActorProcessingErr, ActorRef, ActorStatus, RpcReplyPort, SupervisionEvent,
};
pub(crate) use retake_otp::statem::{
    Context, Discard, EnterContext, Event, Next, StateMachine, Statem, StatemRef, Table,
};
pub(crate) use retake_otp::supervisor::{ChildSpec, Restart, Strategy, SupervisorSpec};
pub(crate) use retake_otp::{CallError, named_enum};
pub(crate) use std::sync::{Arc, Mutex};
pub(crate) use std::time::Duration;

/// The connection machine of the suite: it is asked to connect, waits for an answer,
/// takes data while it is connected, and is disconnected.
pub(crate) struct Connection(pub(crate) Arc<Mutex<Vec<String>>>);

named_enum! {
    pub(crate) enum State { Idle = "idle", Waiting = "wfor_conf", Connected = "connected" }
}

/// What a call is answered: where it was answered, or why the machine stopped first.
pub(crate) type Answer = Result<State, Option<String>>;

#[derive(Debug)]
pub(crate) enum Ask {
    Connect,
    Confirm,
    Disconnect,
    /// Postponed until the machine is connected.
    Data(u32, RpcReplyPort<Answer>),
    /// Stops, and answers first.
    Stop(&'static str, RpcReplyPort<Answer>),
    /// Runs this with the context.
    Do(fn(&mut Context<'_, Connection>) -> Next<State>),
    Timeout(&'static str),
    ChildEnded,
}

named_enum! {
    pub(crate) enum Kind {
        ChildEnded = "child_ended",
        Confirm = "confirm",
        Connect = "connect",
        Data = "data",
        Disconnect = "disconnect",
        Do = "do",
        Stop = "stop",
        Timeout = "timeout",
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
            Self::Do(_) => Kind::Do,
            Self::Timeout(_) => Kind::Timeout,
            Self::ChildEnded => Kind::ChildEnded,
        }
    }
}

impl Connection {
    pub(crate) fn note(&self, what: String) {
        self.0.lock().unwrap().push(what);
    }
}

/// What an enter action of [`Waiting`] does, as the machine was started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnWaiting {
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
        [Idle, Waiting, Connected]
            .into_iter()
            .fold(table, |table, state| {
                table
                    .on(state, Kind::Do, [Idle, Waiting, Connected])
                    .on(state, Kind::Stop, [])
                    .on(state, Kind::Timeout, [Idle])
                    .on(state, Kind::ChildEnded, [])
            })
    }

    async fn init(
        &self,
        on_waiting: OnWaiting,
        _: &mut Context<'_, Self>,
    ) -> Result<(State, OnWaiting), ActorProcessingErr> {
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
                    context.state_timeout(time, Ask::Timeout("gives up"));
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
        Ok(match ask {
            Ask::Connect => Next::Goto(Waiting),
            Ask::Confirm => Next::Goto(Connected),
            Ask::Disconnect => Next::Goto(Idle),
            Ask::Data(number, reply) => {
                self.note(format!("data {number}"));
                let _ = reply.send(Ok(state));
                Next::Keep
            }
            Ask::Stop(reason, reply) => {
                let _ = reply.send(Ok(state));
                Next::Stop(Some(reason.to_owned()))
            }
            Ask::Do(act) => act(context),
            Ask::Timeout("gives up") => Next::Goto(Idle),
            Ask::Timeout(name) => {
                self.note(name.to_owned());
                Next::Keep
            }
            Ask::ChildEnded => {
                self.note("child ended".to_owned());
                Next::Keep
            }
        })
    }

    fn discard(&self, ask: Ask, why: Discard<State>) {
        if let (Ask::Data(_, reply), Discard::Stopped(reason)) = (ask, why) {
            let _ = reply.send(Err(reason));
        }
    }

    fn supervision(&self, event: SupervisionEvent) -> Option<Ask> {
        match event {
            SupervisionEvent::ActorTerminated(..) | SupervisionEvent::ActorFailed(..) => {
                Some(Ask::ChildEnded)
            }
            _ => None,
        }
    }
}

pub(crate) const PATIENT: OnWaiting = OnWaiting::GiveUpAfter(Duration::from_secs(3600));

pub(crate) struct Machine {
    pub(crate) machine: StatemRef<Connection>,
    pub(crate) log: Arc<Mutex<Vec<String>>>,
}

impl Machine {
    pub(crate) async fn start(on_waiting: OnWaiting) -> Self {
        let log = Arc::<Mutex<Vec<String>>>::default();
        let machine = Connection(Arc::clone(&log));
        let machine = StatemRef::start(Some("connection"), machine, on_waiting);
        let machine = machine.await.unwrap();
        Self { machine, log }
    }

    pub(crate) fn cast(&self, ask: Ask) {
        self.machine.cast(ask).unwrap();
    }

    pub(crate) fn act(&self, act: fn(&mut Context<'_, Connection>) -> Next<State>) {
        self.cast(Ask::Do(act));
    }

    pub(crate) fn data(&self, number: u32) -> tokio::task::JoinHandle<Result<Answer, CallError>> {
        let machine = self.machine.clone();
        retake::spawn(async move { machine.call(|reply| Ask::Data(number, reply), None).await })
    }

    pub(crate) async fn log_after(&self, time: Duration) -> String {
        retake::sleep(time + Duration::from_nanos(1)).await;
        std::mem::take(&mut *self.log.lock().unwrap()).join(", ")
    }

    pub(crate) async fn log(&self) -> String {
        self.log_after(Duration::ZERO).await
    }

    pub(crate) fn is_running(&self) -> bool {
        self.machine.actor().get_status() == ActorStatus::Running
    }
}
