//! State machines, after `gen_statem_SUITE`.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use ractor::{Actor, ActorProcessingErr, ActorRef, ActorStatus, RpcReplyPort, SupervisionEvent};
use retake_otp::statem::{
    Context, Discard, EnterContext, Event, Next, StateMachine, Statem, StatemRef, Table,
};
use retake_otp::supervisor::{ChildSpec, Restart, Strategy, SupervisorSpec};
use retake_otp::{CallError, named_enum};

use crate::under_seeds;

/// The connection machine of the suite: it is asked to connect, waits for an answer,
/// takes data while it is connected, and is disconnected.
struct Connection(Arc<Mutex<Vec<String>>>);

named_enum! {
    enum State { Idle = "idle", Waiting = "wfor_conf", Connected = "connected" }
}

use State::{Connected, Idle, Waiting};

/// What a call is answered: where it was answered, or why the machine stopped first.
type Answer = Result<State, Option<String>>;

#[derive(Debug)]
enum Ask {
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
    enum Kind {
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
    fn note(&self, what: String) {
        self.0.lock().unwrap().push(what);
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
        Self { machine, log }
    }

    fn cast(&self, ask: Ask) {
        self.machine.cast(ask).unwrap();
    }

    fn act(&self, act: fn(&mut Context<'_, Connection>) -> Next<State>) {
        self.cast(Ask::Do(act));
    }

    fn data(&self, number: u32) -> tokio::task::JoinHandle<Result<Answer, CallError>> {
        let machine = self.machine.clone();
        retake::spawn(async move { machine.call(|reply| Ask::Data(number, reply), None).await })
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

#[test]
fn data_waits_for_the_connection_and_comes_in_its_order() {
    under_seeds(10, || async {
        let it = Machine::start(PATIENT).await;
        let mut calls = Vec::new();
        for number in 0..3 {
            calls.push(it.data(number));
            it.log().await;
        }
        it.cast(Ask::Connect);
        assert_eq!(it.log().await, "idle > wfor_conf");
        assert_eq!(
            it.machine.inspect().await.unwrap().postponed,
            3,
            "and again"
        );
        it.cast(Ask::Confirm);
        assert_eq!(
            it.log().await,
            "wfor_conf > connected, data 0, data 1, data 2"
        );
        for call in calls {
            assert_eq!(call.await.unwrap(), Ok(Ok(Connected)));
        }
        it.cast(Ask::Disconnect);
        it.cast(Ask::Disconnect);
        assert_eq!(it.log().await, "connected > idle", "the second is ignored");
    });
}

#[test]
fn stopping_answers_first_and_tells_the_reason_to_those_who_wait() {
    under_seeds(10, || async {
        let it = Machine::start(PATIENT).await;
        let waits = it.data(1);
        it.log().await;
        let stops = it.machine.call(|reply| Ask::Stop("enough", reply), None);
        assert_eq!(stops.await, Ok(Ok(Idle)));
        assert_eq!(waits.await.unwrap(), Ok(Err(Some("enough".to_owned()))));
        assert!(!it.is_running());
        assert_eq!(it.data(2).await.unwrap(), Err(CallError::Closed));
        assert!(it.machine.cast(Ask::Connect).is_err());
    });
}

#[test]
fn one_that_is_stopped_from_outside_leaves_nobody_waiting() {
    for kill in [false, true] {
        under_seeds(10, move || async move {
            let it = Machine::start(PATIENT).await;
            let waits = it.data(1);
            it.log().await;
            let actor = it.machine.actor().clone();
            match kill {
                true => actor.kill(),
                false => actor.stop(None),
            }
            let answer = waits.await.unwrap();
            match kill {
                // Without a word: the question is dropped.
                true => assert_eq!(answer, Err(CallError::Closed)),
                false => assert_eq!(answer, Ok(Err(None))),
            }
        });
    }
}

#[test]
fn an_enter_action_may_stop_the_machine_before_any_event() {
    under_seeds(5, || async {
        let it = Machine::start(OnWaiting::Stop).await;
        let waits = it.data(1);
        it.log().await;
        it.cast(Ask::Connect);
        it.cast(Ask::Confirm);
        assert_eq!(it.log().await, "idle > wfor_conf");
        assert_eq!(waits.await.unwrap(), Ok(Err(Some("not today".to_owned()))));
        assert!(!it.is_running());
    });
}

#[test]
fn a_state_timeout_gives_up_and_is_gone_with_its_state() {
    under_seeds(5, || async {
        let second = Duration::from_secs(1);
        let it = Machine::start(OnWaiting::GiveUpAfter(second)).await;
        it.log().await;
        it.cast(Ask::Connect);
        assert_eq!(
            it.log_after(2 * second).await,
            "idle > wfor_conf, wfor_conf > idle"
        );
        it.cast(Ask::Connect);
        it.cast(Ask::Confirm);
        let log = it.log_after(2 * second).await;
        assert_eq!(log, "idle > wfor_conf, wfor_conf > connected");
    });
}

#[test]
fn timeouts_of_each_kind_are_set_replaced_updated_and_cancelled() {
    const MS: Duration = Duration::from_millis(1);
    type Do = fn(&mut Context<'_, Connection>) -> Next<State>;
    let cases: [(&str, Do, &str); 12] = [
        (
            "named timeouts stand beside each other",
            |it| {
                it.timeout("b", 2 * MS, Ask::Timeout("b"));
                it.timeout("a", MS, Ask::Timeout("a"));
                it.state_timeout(3 * MS, Ask::Timeout("state"));
                Next::Keep
            },
            "a, b, state",
        ),
        (
            "an event ends the event timeout",
            |it| {
                it.timeout("a", MS, Ask::Timeout("a"));
                it.event_timeout(2 * MS, Ask::Timeout("event"));
                Next::Keep
            },
            "a",
        ),
        (
            "without one it comes",
            |it| {
                it.event_timeout(2 * MS, Ask::Timeout("event"));
                Next::Keep
            },
            "event",
        ),
        (
            "the last of a kind counts",
            |it| {
                it.timeout("a", MS, Ask::Timeout("old"));
                it.timeout("a", 2 * MS, Ask::Timeout("new"));
                it.state_timeout(MS, Ask::Timeout("old"));
                it.state_timeout(3 * MS, Ask::Timeout("new"));
                Next::Keep
            },
            "new, new",
        ),
        (
            "an update keeps the time",
            |it| {
                it.timeout("a", 2 * MS, Ask::Timeout("old"));
                it.timeout("b", 3 * MS, Ask::Timeout("b"));
                it.state_timeout(MS, Ask::Timeout("old"));
                it.update_timeout("a", Ask::Timeout("named"));
                it.update_state_timeout(Ask::Timeout("state"));
                Next::Keep
            },
            "state, named, b",
        ),
        (
            "an update of nothing comes at once",
            |it| {
                it.state_timeout(Duration::ZERO, Ask::Timeout("first"));
                it.update_timeout("a", Ask::Timeout("second"));
                Next::Keep
            },
            "first, second",
        ),
        (
            "also of what is about to come",
            |it| {
                it.state_timeout(Duration::ZERO, Ask::Timeout("old"));
                it.update_state_timeout(Ask::Timeout("new"));
                Next::Keep
            },
            "new",
        ),
        (
            "cancelling goes by kind",
            |it| {
                it.timeout("a", MS, Ask::Timeout("a"));
                it.timeout("b", MS, Ask::Timeout("b"));
                it.state_timeout(2 * MS, Ask::Timeout("state"));
                it.cancel_timeout("a");
                it.cancel_state_timeout();
                it.event_timeout(3 * MS, Ask::Timeout("event"));
                it.cancel_event_timeout();
                it.cancel_timeout("never set");
                Next::Keep
            },
            "b",
        ),
        (
            "what was cancelled can be set again",
            |it| {
                it.timeout("a", MS, Ask::Timeout("old"));
                it.cancel_timeout("a");
                it.timeout("a", MS, Ask::Timeout("new"));
                Next::Keep
            },
            "new",
        ),
        (
            "zero comes before the mailbox, in order, after what is inserted",
            |it| {
                it.timeout("a", Duration::ZERO, Ask::Timeout("1"));
                it.state_timeout(Duration::ZERO, Ask::Timeout("2"));
                it.insert(Ask::Timeout("inserted"));
                it.timeout("b", Duration::ZERO, Ask::Timeout("3"));
                let _ = it
                    .myself()
                    .cast(retake_otp::statem::StatemMessage::Event(Ask::Timeout(
                        "mail",
                    )));
                Next::Keep
            },
            "inserted, 1, 2, 3, mail",
        ),
        (
            "a state timeout that is set while the state changes belongs to the new one",
            |it| {
                it.state_timeout(MS, Ask::Timeout("state"));
                Next::Goto(Connected)
            },
            "idle > connected, state",
        ),
        (
            "keeping and repeating the state leave it",
            |it| {
                it.state_timeout(MS, Ask::Timeout("state"));
                it.insert(Ask::Do(|_| Next::Repeat));
                it.insert(Ask::Do(|_| Next::Goto(Idle)));
                Next::Keep
            },
            "idle > idle, state",
        ),
    ];
    for (case, act, expected) in cases {
        under_seeds(3, move || async move {
            let it = Machine::start(PATIENT).await;
            it.log().await;
            it.act(act);
            assert_eq!(it.log_after(20 * MS).await, expected, "{case}");
        });
    }
}

#[test]
fn an_enter_action_can_cancel_what_the_handler_before_it_set() {
    under_seeds(5, || async {
        let it = Machine::start(OnWaiting::CancelAll).await;
        it.log().await;
        it.act(|it| {
            let second = Duration::from_secs(1);
            it.state_timeout(second, Ask::Timeout("state"));
            it.event_timeout(second, Ask::Timeout("event"));
            it.timeout("name", second, Ask::Timeout("named"));
            it.timeout("other", second, Ask::Timeout("other"));
            Next::Goto(Waiting)
        });
        let log = it.log_after(Duration::from_secs(5)).await;
        assert_eq!(log, "idle > wfor_conf, other");
    });
}

#[test]
fn inserted_events_come_first_then_what_was_postponed_then_the_mailbox() {
    under_seeds(10, || async {
        let it = Machine::start(PATIENT).await;
        let data = it.data(1);
        it.log().await;
        it.act(|it| {
            it.insert(Ask::Timeout("first"));
            it.insert(Ask::Timeout("second"));
            Next::Goto(Connected)
        });
        it.cast(Ask::Timeout("mail"));
        let log = it.log().await;
        assert_eq!(log, "idle > connected, first, second, data 1, mail");
        assert_eq!(data.await.unwrap(), Ok(Ok(Connected)));
    });
}

#[test]
fn a_call_that_times_out_is_answered_to_nobody() {
    under_seeds(5, || async {
        let it = Machine::start(PATIENT).await;
        let short = Duration::from_millis(10);
        let late = it.machine.call(|reply| Ask::Data(1, reply), Some(short));
        assert_eq!(late.await, Err(CallError::Timeout(short)));
        it.log().await;
        it.cast(Ask::Connect);
        it.cast(Ask::Confirm);
        // The work is done all the same.
        let log = it.log().await;
        assert_eq!(log, "idle > wfor_conf, wfor_conf > connected, data 1");
    });
}

#[test]
fn a_machine_is_a_child_and_a_parent_like_any_actor() {
    /// Ends at once.
    struct Brief;
    #[retake::simulated]
    impl Actor for Brief {
        type Msg = ();
        type State = ();
        type Arguments = ();
        async fn pre_start(&self, myself: ActorRef<()>, (): ()) -> Result<(), ActorProcessingErr> {
            myself.stop(None);
            Ok(())
        }
    }
    under_seeds(5, || async {
        let log = Arc::<Mutex<Vec<String>>>::default();
        let child = {
            let log = Arc::clone(&log);
            ChildSpec::new("connection", move || {
                (Statem(Connection(Arc::clone(&log))), PATIENT)
            })
        };
        let spec = SupervisorSpec::new(Strategy::OneForOne);
        let supervisor = crate::family::start(spec.child(child.restart(Restart::Transient))).await;
        let find = || {
            let actor = retake::where_is("connection").unwrap();
            StatemRef::<Connection>::from(ActorRef::from(actor))
        };
        let it = Machine {
            machine: find(),
            log,
        };
        let parent = it.machine.actor().get_cell();
        Actor::spawn_linked(None, Brief, (), parent).await.unwrap();
        assert_eq!(it.log().await, "enter idle, child ended");
        // It fails, and is restarted in its first state.
        it.cast(Ask::Connect);
        it.log().await;
        it.cast(Ask::Stop("trouble", RpcReplyPort::from(retake_port())));
        assert_eq!(it.log().await, "enter idle");
        assert_eq!(find().inspect().await.unwrap().state, Idle);
        let stops = find();
        let _ = stops.call(|reply| Ask::Stop("shutdown", reply), None).await;
        it.log().await;
        assert!(
            supervisor
                .child("connection")
                .await
                .unwrap()
                .actor
                .is_none()
        );
    });
}

/// Nobody listens at its other end.
fn retake_port() -> tokio::sync::oneshot::Sender<Answer> {
    tokio::sync::oneshot::channel().0
}

#[test]
fn an_event_that_a_state_does_not_declare_changes_nothing_and_is_counted() {
    under_seeds(3, || async {
        let it = Machine::start(PATIENT).await;
        it.cast(Ask::Confirm);
        assert_eq!(it.log().await, "enter idle");
        let seen = it.machine.inspect().await.unwrap();
        assert_eq!((seen.state, seen.undeclared), (Idle, 1));
        assert_eq!(seen.met[&(Idle, Kind::Confirm)], 1);
        assert!(it.is_running());
    });
}
