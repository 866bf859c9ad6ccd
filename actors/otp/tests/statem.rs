//! State machines follow the rules of `gen_statem`.
#![allow(missing_docs)]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use ractor::{ActorProcessingErr, ActorStatus, RpcReplyPort};
use retake_otp::statem::{
    Context, Discard, EnterContext, Event, Next, StateMachine, StatemRef, Table,
};
use retake_otp::{CallError, named_enum};
use retake_sim::Sim;

named_enum! {
    enum State { A = "A", B = "B", C = "C" }
}

/// What a handler is to do.
#[derive(Clone, Debug)]
enum Act {
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
struct Script {
    name: &'static str,
    acts: Vec<Act>,
}

fn event(name: &'static str, acts: impl IntoIterator<Item = Act>) -> Script {
    let acts = acts.into_iter().collect();
    Script { name, acts }
}

fn plain(name: &'static str) -> Script {
    event(name, [])
}

#[derive(Debug)]
enum Scripted {
    Run(Script),
    /// Postponed in A and B.
    Ask(RpcReplyPort<State>),
    /// Declared in B only.
    OnlyInB,
}

named_enum! {
    enum Kind { Ask = "ask", OnlyInB = "only_in_b", Run = "run" }
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

type Log = Arc<Mutex<Vec<String>>>;

struct Player {
    log: Log,
    /// Set by the enter action of B.
    on_enter: Option<Script>,
}

impl Player {
    fn note(&self, what: String) {
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

fn perform(mut script: Script, acts: Vec<Act>, context: &mut Context<'_, Player>) -> Next<State> {
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

struct Stage {
    player: StatemRef<Player>,
    log: Log,
}

impl Stage {
    async fn start(init: Vec<Act>, on_enter: Option<Script>) -> Self {
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
    async fn play(&self, events: impl IntoIterator<Item = Script>) -> String {
        for event in events {
            self.player.cast(Scripted::Run(event)).unwrap();
        }
        self.log_after(0).await
    }

    async fn log_after(&self, ms: u64) -> String {
        retake::sleep(Duration::from_millis(ms) + Duration::from_nanos(1)).await;
        std::mem::take(&mut *self.log.lock().unwrap()).join(" ")
    }
}

fn run<F, Fut>(scenario: F)
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

use Act::*;
use State::{A, B, C};

#[test]
fn inserted_events_come_before_postponed_ones_and_those_before_the_mailbox() {
    run(|| async {
        let stage = Stage::start(vec![], None).await;
        let log = stage
            .play([
                event("p1", [Postpone]),
                event("p2", [Postpone]),
                event("go", [Insert(plain("i1")), Insert(plain("i2")), Goto(B)]),
                plain("mail"),
            ])
            .await;
        assert_eq!(log, "start>A p1@A p2@A go@A A>B i1@B i2@B p1@B p2@B mail@B");
    });
}

#[test]
fn what_was_inserted_before_comes_after_what_is_inserted_now() {
    run(|| async {
        let stage = Stage::start(vec![], None).await;
        let first = event("i1", [Insert(plain("i1a")), Insert(plain("i1b"))]);
        let log = stage
            .play([event("go", [Insert(first), Insert(plain("i2"))])])
            .await;
        assert_eq!(log, "start>A go@A i1@A i1a@A i1b@A i2@A");
    });
}

#[test]
fn postponed_events_are_retried_when_the_state_changes_and_not_before() {
    run(|| async {
        let stage = Stage::start(vec![], None).await;
        let log = stage
            .play([
                event("p", [Postpone]),
                plain("keep"),
                event("repeat", [Repeat]),
                event("same", [Goto(A)]),
                event("go", [Goto(B)]),
            ])
            .await;
        assert_eq!(log, "start>A p@A keep@A repeat@A A>A same@A go@A A>B p@B");
    });
}

#[test]
fn a_postponed_event_may_be_postponed_again() {
    run(|| async {
        let stage = Stage::start(vec![], None).await;
        let player = stage.player.clone();
        let asked = retake::spawn(async move { player.call(Scripted::Ask, None).await });
        stage.log_after(0).await;
        stage.play([event("to b", [Goto(B)])]).await;
        assert_eq!(stage.player.inspect().await.unwrap().postponed, 1);
        stage.play([event("to c", [Goto(C)])]).await;
        assert_eq!(asked.await.unwrap(), Ok(C));
    });
}

#[test]
fn enter_actions_run_at_the_start_on_a_change_and_on_a_repeat_before_any_event() {
    run(|| async {
        let init = vec![Insert(plain("first"))];
        let stage = Stage::start(init, Some(plain("entered"))).await;
        let log = stage
            .play([event("go", [Goto(B), Insert(plain("i"))]), plain("mail")])
            .await;
        // The enter action's timeout of zero comes after the queue, before the mailbox.
        assert_eq!(log, "start>A first@A go@A A>B i@B entered@B mail@B");
    });
}

#[test]
fn a_state_timeout_ends_with_its_state() {
    run(|| async {
        let stage = Stage::start(vec![], None).await;
        let set = |script| event("set", [StateTimeout(10, script)]);
        stage.play([set(plain("late"))]).await;
        assert_eq!(stage.log_after(20).await, "late@A");
        stage
            .play([set(plain("late")), event("go", [Goto(B)])])
            .await;
        assert_eq!(stage.log_after(20).await, "");
        // Neither other events nor a repeat end it; setting it anew replaces it.
        stage
            .play([set(plain("old")), plain("x"), event("repeat", [Repeat])])
            .await;
        stage.play([set(plain("new"))]).await;
        assert_eq!(stage.log_after(20).await, "new@B");
        stage
            .play([set(plain("never")), event("cancel", [CancelState])])
            .await;
        assert_eq!(stage.log_after(20).await, "");
    });
}

#[test]
fn an_event_timeout_ends_with_any_event() {
    run(|| async {
        let stage = Stage::start(vec![], None).await;
        let set = || event("set", [EventTimeout(10, plain("late"))]);
        stage.play([set()]).await;
        assert_eq!(stage.log_after(20).await, "late@A");
        stage.play([set(), plain("x")]).await;
        assert_eq!(stage.log_after(20).await, "");
        stage
            .play([event(
                "set",
                [EventTimeout(0, plain("late")), Insert(plain("i"))],
            )])
            .await;
        assert_eq!(
            stage.log_after(20).await,
            "",
            "an inserted event is an event"
        );
    });
}

#[test]
fn a_named_timeout_ends_only_by_name() {
    run(|| async {
        let stage = Stage::start(vec![], None).await;
        let set = |name, script| {
            let after = if name == "t" { 10 } else { 11 };
            event("set", [Timeout(name, after, plain(script))])
        };
        stage.play([set("t", "late"), set("u", "other")]).await;
        stage.play([event("go", [Goto(B)]), plain("x")]).await;
        assert_eq!(stage.log_after(20).await, "late@B other@B");
        stage.play([set("t", "old"), set("u", "other")]).await;
        stage
            .play([set("t", "new"), event("cancel", [Cancel("u")])])
            .await;
        assert_eq!(stage.log_after(20).await, "new@B");
    });
}

#[test]
fn timeouts_of_zero_come_in_order_and_never_through_the_mailbox() {
    run(|| async {
        let stage = Stage::start(vec![], None).await;
        let zero = event(
            "go",
            [
                Timeout("t", 0, plain("t")),
                StateTimeout(0, plain("old")),
                Timeout("u", 0, plain("u")),
                StateTimeout(0, plain("s")),
                Insert(plain("i")),
            ],
        );
        let log = stage.play([zero, plain("mail")]).await;
        assert_eq!(log, "start>A go@A i@A t@A u@A s@A mail@A");
    });
}

#[test]
fn a_timeout_that_is_cancelled_on_its_way_does_not_come() {
    // It comes at the same instant as the event that cancels it: either order is right,
    // but not both.
    let mut seen = std::collections::BTreeSet::new();
    for seed in 0..30 {
        let run = Sim::new().seed(seed).run(|| async {
            let stage = Stage::start(vec![], None).await;
            stage
                .play([event("set", [StateTimeout(10, plain("late"))])])
                .await;
            retake::sleep(Duration::from_millis(10) - Duration::from_nanos(1)).await;
            stage.play([event("go", [Goto(B)])]).await + &stage.log_after(5).await
        });
        seen.insert(run.expect_passed());
    }
    let expected = ["go@A A>B", "late@A go@A A>B"];
    assert!(
        seen.iter().all(|log| expected.contains(&&**log)),
        "{seen:?}"
    );
    assert_eq!(seen.len(), 2, "seeds explore both: {seen:?}");
}

#[test]
fn stopping_tells_those_who_wait() {
    run(|| async {
        let stage = Stage::start(vec![], None).await;
        let player = stage.player.clone();
        let asked = retake::spawn(async move { player.call(Scripted::Ask, None).await });
        stage.log_after(0).await;
        let log = stage
            .play([
                event("p", [Postpone]),
                event("stop", [Insert(plain("i")), Stop("enough")]),
            ])
            .await;
        let why = "Stopped(Some(\"enough\"))";
        let expected =
            format!("p@A stop@A discards i: {why} discards ask: {why} discards p: {why}");
        assert_eq!(log, expected);
        assert_eq!(asked.await.unwrap(), Err(CallError::Closed));
        assert_eq!(stage.player.actor().get_status(), ActorStatus::Stopped);
    });
}

#[test]
fn an_undeclared_event_is_reported_and_changes_nothing() {
    run(|| async {
        let stage = Stage::start(vec![], None).await;
        stage.player.cast(Scripted::OnlyInB).unwrap();
        let log = stage.log_after(0).await;
        assert_eq!(log, "start>A discards only_in_b: Undeclared(A)");
        let seen = stage.player.inspect().await.unwrap();
        assert_eq!((seen.state, seen.undeclared), (A, 1));
        stage
            .play([event("b", [Goto(B)]), event("c", [Goto(C)])])
            .await;
        stage.player.cast(Scripted::OnlyInB).unwrap();
        let log = stage.log_after(0).await;
        assert_eq!(log, "discards only_in_b: Ignored(C)");
        assert_eq!(stage.player.inspect().await.unwrap().undeclared, 1);
    });
}

#[test]
fn an_undeclared_transition_fails_the_machine() {
    let run = Sim::new().run(|| async {
        let stage = Stage::start(vec![], None).await;
        stage.play([event("leap", [Goto(C)])]).await;
        assert_eq!(stage.player.actor().get_status(), ActorStatus::Stopped);
        assert_eq!(stage.player.inspect().await.unwrap_err(), CallError::Closed);
    });
    run.expect_passed();
}

#[test]
fn a_handler_that_fails_ends_the_machine_and_its_timeouts() {
    run(|| async {
        let stage = Stage::start(vec![], None).await;
        stage
            .play([event("set", [Timeout("t", 5, plain("late"))])])
            .await;
        assert_eq!(stage.play([event("fails", [Fail])]).await, "fails@A");
        assert_eq!(stage.log_after(20).await, "");
        assert_eq!(stage.player.actor().get_status(), ActorStatus::Stopped);
    });
}

#[test]
fn the_machine_counts_which_states_have_met_which_events() {
    run(|| async {
        let stage = Stage::start(vec![], None).await;
        stage
            .play([plain("x"), event("go", [Goto(B)]), plain("y")])
            .await;
        let met = stage.player.inspect().await.unwrap().met;
        let met: Vec<_> = met.into_iter().collect();
        assert_eq!(met, [((A, Kind::Run), 2), ((B, Kind::Run), 1)]);
    });
}

#[test]
fn a_table_with_a_mistake_is_refused() {
    let table = || Table::<_, Kind>::new([A]).on(A, Kind::Run, [B]);
    for (table, expected) in [
        (
            Table::<_, Kind>::new([]).on(A, Kind::Run, [B]),
            "no initial state",
        ),
        (
            table().ignore(A, Kind::Run),
            "two rules for the event `run`",
        ),
        (table().on(C, Kind::Run, [A]), "state `C` cannot be reached"),
    ] {
        let error = table.check().unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    assert_eq!(Player::table().check(), Ok(()));
}

#[test]
fn a_table_draws_itself() {
    insta::assert_snapshot!(Player::table().to_mermaid(), @r"
    stateDiagram-v2
        [*] --> A
        A --> B: run
        B --> A: run
        B --> B: only_in_b
        B --> C: run
        C --> A: run
        C --> C: ask
        note right of A: postpones ask
        note right of B: postpones ask
        note right of C: ignores only_in_b
    ");
}
