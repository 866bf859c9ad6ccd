//! What these tests share.

pub(crate) use Act::*;
pub(crate) use State::{A, B, C};
pub(crate) use ractor::{ActorProcessingErr, ActorStatus, RpcReplyPort};
pub(crate) use retake_otp::statem::{
    Context, Discard, EnterContext, Event, Next, StateMachine, StatemRef, Table,
};
pub(crate) use retake_otp::{CallError, named_enum};
pub(crate) use retake_sim::Sim;
pub(crate) use std::sync::{Arc, Mutex};
pub(crate) use std::time::Duration;

named_enum! {
    pub(crate) enum State { A = "A", B = "B", C = "C" }
}

/// What a handler is to do.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    Insert(Script),
    Postpone,
    Goto(State),
    Repeat,
    Stop(&'static str),
    StateTimeout(u64, Script),
    EventTimeout(u64, Script),
    Timeout(&'static str, u64, Script),
    CancelState,
    Cancel(&'static str),
    Fail,
}

/// An event that says how it is to be handled.
#[derive(Clone, Debug)]
pub(crate) struct Script {
    pub(crate) name: &'static str,
    pub(crate) acts: Vec<Act>,
}

pub(crate) fn event(name: &'static str, acts: impl IntoIterator<Item = Act>) -> Script {
    let acts = acts.into_iter().collect();
    Script { name, acts }
}

pub(crate) fn plain(name: &'static str) -> Script {
    event(name, [])
}

#[derive(Debug)]
pub(crate) enum Scripted {
    Run(Script),
    /// Postponed in A and B.
    Ask(RpcReplyPort<State>),
    /// Declared in B only.
    OnlyInB,
}

named_enum! {
    pub(crate) enum Kind { Ask = "ask", OnlyInB = "only_in_b", Run = "run" }
}

impl Event for Scripted {
    type Kind = Kind;

    fn kind(&self) -> Kind {
        match self {
            Self::Run(_) => Kind::Run,
            Self::Ask(_) => Kind::Ask,
            Self::OnlyInB => Kind::OnlyInB,
        }
    }
}

pub(crate) type Log = Arc<Mutex<Vec<String>>>;

pub(crate) struct Player {
    pub(crate) log: Log,
    /// Set by the enter action of B.
    pub(crate) on_enter: Option<Script>,
}

impl Player {
    pub(crate) fn note(&self, what: String) {
        self.log.lock().unwrap().push(what);
    }
}

impl StateMachine for Player {
    type State = State;
    type Event = Scripted;
    type Timeout = &'static str;
    type Data = ();
    type Arguments = Vec<Act>;

    fn table() -> Table<State, Kind> {
        Table::new([State::A])
            .on(State::A, Kind::Run, [State::B])
            .on(State::B, Kind::Run, [State::A, State::C])
            .on(State::C, Kind::Run, [State::A])
            .postpone(State::A, Kind::Ask)
            .postpone(State::B, Kind::Ask)
            .on(State::C, Kind::Ask, [])
            .on(State::B, Kind::OnlyInB, [])
            .ignore(State::C, Kind::OnlyInB)
    }

    async fn init(
        &self,
        acts: Vec<Act>,
        context: &mut Context<'_, Self>,
    ) -> Result<(State, ()), ActorProcessingErr> {
        perform(plain("init"), acts, context);
        Ok((State::A, ()))
    }

    async fn enter(
        &self,
        from: Option<State>,
        state: State,
        (): &mut (),
        context: &mut EnterContext<'_, Self>,
    ) -> Result<(), ActorProcessingErr> {
        let from = from.map_or_else(|| "start".to_owned(), |from| from.to_string());
        self.note(format!("{from}>{state}"));
        if let (State::B, Some(script)) = (state, &self.on_enter) {
            context.state_timeout(Duration::ZERO, Scripted::Run(script.clone()));
        }
        Ok(())
    }

    async fn handle(
        &self,
        state: State,
        event: Scripted,
        (): &mut (),
        context: &mut Context<'_, Self>,
    ) -> Result<Next<State>, ActorProcessingErr> {
        let script = match event {
            Scripted::Run(script) => script,
            Scripted::Ask(reply) => {
                reply.send(state)?;
                return Ok(Next::Keep);
            }
            Scripted::OnlyInB => return Ok(Next::Keep),
        };
        self.note(format!("{}@{state}", script.name));
        if script.acts.iter().any(|act| matches!(act, Act::Fail)) {
            return Err("as asked".into());
        }
        let acts = script.acts.clone();
        Ok(perform(script, acts, context))
    }

    fn discard(&self, event: Scripted, why: Discard<State>) {
        let name = match event {
            Scripted::Run(script) => script.name,
            other => other.kind().word(),
        };
        self.note(format!("discards {name}: {why:?}"));
    }
}

pub(crate) fn perform(
    mut script: Script,
    acts: Vec<Act>,
    context: &mut Context<'_, Player>,
) -> Next<State> {
    let mut next = Next::Keep;
    let ms = Duration::from_millis;
    for act in acts {
        match act {
            Act::Insert(script) => context.insert(Scripted::Run(script)),
            Act::Postpone => {
                // When it is retried it does the rest.
                script.acts.retain(|act| !matches!(act, Act::Postpone));
                context.postpone(Scripted::Run(script.clone()));
                return Next::Keep;
            }
            Act::Goto(state) => next = Next::Goto(state),
            Act::Repeat => next = Next::Repeat,
            Act::Stop(reason) => next = Next::Stop(Some(reason.to_owned())),
            Act::StateTimeout(after, script) => {
                context.state_timeout(ms(after), Scripted::Run(script));
            }
            Act::EventTimeout(after, script) => {
                context.event_timeout(ms(after), Scripted::Run(script));
            }
            Act::Timeout(name, after, script) => {
                context.timeout(name, ms(after), Scripted::Run(script));
            }
            Act::CancelState => context.cancel_state_timeout(),
            Act::Cancel(name) => context.cancel_timeout(name),
            Act::Fail => {}
        }
    }
    next
}

pub(crate) struct Stage {
    pub(crate) player: StatemRef<Player>,
    pub(crate) log: Log,
}

impl Stage {
    pub(crate) async fn start(init: Vec<Act>, on_enter: Option<Script>) -> Self {
        let log = Log::default();
        let player = Player {
            log: log.clone(),
            on_enter,
        };
        let player = StatemRef::start(Some("player"), player, init)
            .await
            .unwrap();
        Self { player, log }
    }

    /// Send events, one right after the other, and see what comes of it.
    pub(crate) async fn play(&self, events: impl IntoIterator<Item = Script>) -> String {
        for event in events {
            self.player.cast(Scripted::Run(event)).unwrap();
        }
        self.log_after(0).await
    }

    pub(crate) async fn log_after(&self, ms: u64) -> String {
        retake::sleep(Duration::from_millis(ms) + Duration::from_nanos(1)).await;
        std::mem::take(&mut *self.log.lock().unwrap()).join(" ")
    }
}

pub(crate) fn run<F, Fut>(scenario: F)
where
    F: Fn() -> Fut + Send + Sync + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    let scenario = Arc::new(scenario);
    for seed in 0..5 {
        let scenario = Arc::clone(&scenario);
        Sim::new()
            .seed(seed)
            .run(move || scenario())
            .expect_passed();
    }
}
