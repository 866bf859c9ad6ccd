//! Each message names the step that sent it.

use std::sync::{Arc, Mutex};

use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort};
use retake_inspect::story::{Line, lines};
use retake_sim::{Isolation, Sim, Strategy};
use retake_testkit::{MS, Order, servant};
use retake_traces::MemorySink;
use retake_traces::event::Occurrence::Event;
use tracing::span::{Attributes, Id, Record};
use tracing::{Metadata, Subscriber};

#[test]
fn a_chain_of_messages_is_a_chain_of_causes() {
    for strategy in [Strategy::Fifo, "defer:percent=50".parse().unwrap()] {
        let sink = MemorySink::new();
        let run = Sim::new()
            .strategy(strategy)
            .causality(true)
            .trace(sink.clone())
            .run(|| async {
                let (a, b) = (servant("a").await, servant("b").await);
                retake::sleep(MS).await;
                a.cast(Order::Tell(b, 7)).unwrap();
                retake::sleep(MS).await;
            });
        assert!(run.passed(), "{run}");
        let lines = lines(&sink.records());
        let step = |who: &str, what: &str| {
            let line = lines
                .iter()
                .find(|line| &*line.who == who && line.what().starts_with(what));
            line.unwrap_or_else(|| panic!("{who} {what}")).clone()
        };
        let (sent, passed_on, arrived) = (
            step("scenario", "resumes"),
            step("a", "handles"),
            step("b", "handles"),
        );
        assert_eq!(passed_on.cause, Some(sent.step));
        assert_eq!(arrived.cause, Some(passed_on.step));
    }
}

#[test]
fn a_reply_a_spawn_and_a_join_are_causes_and_time_is_none() {
    let sink = MemorySink::new();
    let scenario = || async {
        let (actor, _) = Actor::spawn(None, Asked, ()).await.unwrap();
        retake::sleep(MS).await;
        retake::event!("before");
        ractor::call!(actor, |reply| reply).unwrap();
        retake::event!("replied");
        let other = retake::spawn_named("other", async { retake::event!("spawned") });
        other.await.unwrap();
        retake::event!("joined");
    };
    let run = Sim::new().seed(3).causality(true).story(true);
    assert!(run.trace(sink.clone()).run(scenario).passed());
    let lines = lines(&sink.records());
    let of_event = |text: &str| {
        let told = lines
            .iter()
            .find(|line| matches!(&line.occurrence, Event(it) if it.text == text));
        let step = told.unwrap_or_else(|| panic!("{text}: {lines:?}")).step;
        let is_step = |line: &&Line| line.step == step && line.is_step();
        (step, lines.iter().find(is_step).unwrap().cause)
    };
    let asked = of_event("asked");
    let before = of_event("before");
    assert_eq!(before.1, None, "time");
    assert_eq!(asked.1, Some(before.0));
    assert_eq!(of_event("replied").1, Some(asked.0));
    assert_eq!(of_event("spawned").1, Some(of_event("replied").0));
    assert_eq!(of_event("joined").1, Some(of_event("spawned").0));
}

/// Replies at once.
struct Asked;

#[retake::simulated]
impl Actor for Asked {
    type Msg = RpcReplyPort<()>;
    type State = ();
    type Arguments = ();

    async fn pre_start(
        &self,
        _: ActorRef<RpcReplyPort<()>>,
        (): (),
    ) -> Result<(), ActorProcessingErr> {
        Ok(())
    }

    async fn handle(
        &self,
        _: ActorRef<RpcReplyPort<()>>,
        reply: RpcReplyPort<()>,
        (): &mut (),
    ) -> Result<(), ActorProcessingErr> {
        retake::event!("asked");
        Ok(reply.send(())?)
    }
}

/// Counts what it sees.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<String>>>);

impl Subscriber for Seen {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with(module_path!())
    }
    fn new_span(&self, attributes: &Attributes<'_>) -> Id {
        self.0
            .lock()
            .unwrap()
            .push(format!("span {}", attributes.metadata().name()));
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, event: &tracing::Event<'_>) {
        self.0
            .lock()
            .unwrap()
            .push(format!("event {}", event.metadata().level()));
    }
    fn enter(&self, _: &Id) {
        self.0.lock().unwrap().push("enter".to_owned());
    }
    fn exit(&self, _: &Id) {
        self.0.lock().unwrap().push("exit".to_owned());
    }
}

struct Logging;

#[retake::simulated]
impl Actor for Logging {
    type Msg = ();
    type State = ();
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<()>, (): ()) -> Result<(), ActorProcessingErr> {
        Ok(())
    }

    async fn handle(&self, _: ActorRef<()>, (): (), (): &mut ()) -> Result<(), ActorProcessingErr> {
        tracing::info_span!("mine").in_scope(|| tracing::warn!("hello"));
        Ok(())
    }
}

#[test]
fn a_subscriber_of_the_users_own_sees_its_spans_and_events() {
    let seen = Seen::default();
    let _guard = tracing::subscriber::set_default(seen.clone());
    let sim = Sim::new().causality(true).isolation(Isolation::Inline);
    sim.run(|| async {
        let (actor, _) = Actor::spawn(None, Logging, ()).await.unwrap();
        actor.cast(()).unwrap();
        retake::sleep(MS).await;
    })
    .expect_passed();
    assert_eq!(
        *seen.0.lock().unwrap(),
        ["span mine", "enter", "event WARN", "exit"]
    );
}
