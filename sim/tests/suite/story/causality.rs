//! Each message names the step that sent it.

use std::sync::{Arc, Mutex};

use ractor::RpcReplyPort;
use retake_inspect::story::{Line, lines};
use retake_sim::{Isolation, Sim, Strategy};
use retake_testkit::{MS, Order, actor, recorded, servant, tell};
use retake_traces::event::Occurrence::Event;
use tracing::span::{Attributes, Id, Record};
use tracing::{Metadata, Subscriber};

#[test]
fn a_chain_of_messages_is_a_chain_of_causes() {
    for strategy in [Strategy::Fifo, "defer:percent=50".parse().unwrap()] {
        let sim = Sim::new().strategy(strategy).causality(true);
        let (run, sink) = recorded(sim, || async {
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
    let scenario = || async {
        let actor = actor("asked", (), |_, reply: RpcReplyPort<()>, ()| {
            retake::event!("asked");
            drop(reply.send(()));
        })
        .await;
        retake::sleep(MS).await;
        retake::event!("before");
        ractor::call!(actor, |reply| reply).unwrap();
        retake::event!("replied");
        let other = retake::spawn_named("other", async { retake::event!("spawned") });
        other.await.unwrap();
        retake::event!("joined");
    };
    let sim = Sim::new().seed(3).causality(true).story(true);
    let (run, sink) = recorded(sim, scenario);
    assert!(run.passed(), "{run}");
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

/// Counts what it sees.
#[derive(Clone, Default)]
struct SeenSpans(Arc<Mutex<Vec<String>>>);

impl SeenSpans {
    fn add(&self, what: impl Into<String>) {
        self.0.lock().unwrap().push(what.into());
    }
}

impl Subscriber for SeenSpans {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with(module_path!())
    }
    fn new_span(&self, attributes: &Attributes<'_>) -> Id {
        self.add(format!("span {}", attributes.metadata().name()));
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, event: &tracing::Event<'_>) {
        self.add(format!("event {}", event.metadata().level()));
    }
    fn enter(&self, _: &Id) {
        self.add("enter");
    }
    fn exit(&self, _: &Id) {
        self.add("exit");
    }
}

#[test]
fn a_subscriber_of_the_users_own_sees_its_spans_and_events() {
    let seen = SeenSpans::default();
    let _guard = tracing::subscriber::set_default(seen.clone());
    let sim = Sim::new().causality(true).isolation(Isolation::Inline);
    sim.run(|| async {
        let logging = actor("logging", (), |_, (), ()| {
            tracing::info_span!("mine").in_scope(|| tracing::warn!("hello"));
        });
        tell(&logging.await, ());
        retake::sleep(MS).await;
    })
    .expect_passed();
    assert_eq!(
        *seen.0.lock().unwrap(),
        ["span mine", "enter", "event WARN", "exit"]
    );
}
