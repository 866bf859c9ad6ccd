//! What runs outside the scheduler is counted, however short it lives.
#![allow(
    clippy::disallowed_methods,
    reason = "what escapes the gates is under test"
)]

use ractor::{Actor, ActorProcessingErr, ActorRef, ActorRuntime};
use retake_sim::{Outcome, Run, Sim};
use retake_testkit::{MS, Order, Servant, servant};

/// Without the attribute.
struct Bare;

#[cfg_attr(feature = "async-trait", ractor::async_trait)]
impl Actor for Bare {
    type Msg = ();
    type State = ();
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<()>, (): ()) -> Result<(), ActorProcessingErr> {
        Ok(())
    }
}

fn first(run: &Run<()>) -> (u64, String) {
    let first = run.stats.first_ungated.as_ref();
    (
        run.stats.ungated,
        first.map(ToString::to_string).unwrap_or_default(),
    )
}

#[test]
fn a_task_that_ends_before_the_run_is_idle_is_counted() {
    let scenario = || async {
        tokio::spawn(async {}).await.unwrap();
        retake::spawn_named("helper", async {
            tokio::spawn(async {});
            tokio::spawn(async {});
        })
        .await
        .unwrap();
    };
    let run = Sim::new().run(scenario);
    assert!(run.passed(), "{run}");
    assert_eq!(first(&run), (3, "step 1 of `scenario`".to_owned()));
    assert!(
        run.to_string().contains("3 tokio tasks ran outside"),
        "{run}"
    );
    let strict = Sim::new().strict(true).run(scenario);
    let Outcome::Escaped { what, .. } = &strict.outcome else {
        panic!("{strict}")
    };
    assert_eq!(
        what,
        "1 tokio task that no gate guards, from step 1 of `scenario`"
    );
}

#[test]
fn an_actor_without_the_attribute_is_counted_where_nobody_supervises_it() {
    let scenario = || async {
        let (bare, handle) = Actor::spawn(None, Bare, ()).await.unwrap();
        bare.stop(None);
        handle.await.unwrap();
    };
    let run = Sim::new().run(scenario);
    assert_eq!(first(&run), (1, "step 1 of `scenario`".to_owned()));
    let strict = Sim::new().strict(true).run(scenario);
    assert!(
        matches!(strict.outcome, Outcome::Escaped { .. }),
        "{strict}"
    );
}

#[test]
fn what_is_gated_is_not_counted_in_any_way_of_starting() {
    let scenario = || async {
        let parent = servant("parent").await;
        parent.cast(Order::Spawn("child")).unwrap();
        let (instant, started) = ActorRuntime::spawn_instant(None, Servant, ()).unwrap();
        instant.cast(Order::Note(1)).unwrap();
        started.await.unwrap().unwrap();
        let (linked, _) =
            ActorRuntime::spawn_linked_instant(None, Servant, (), parent.get_cell()).unwrap();
        let aborted = retake::spawn(std::future::pending::<()>());
        aborted.abort();
        retake::send_after(&linked, MS, || Order::Note(2));
        retake::spawn(async {}).await.unwrap();
        retake::sleep(2 * MS).await;
        parent.stop(None);
        retake::sleep(MS).await;
    };
    for strategy in ["random", "fifo", "pct", "defer", "starve"] {
        for seed in 0..20 {
            let sim = Sim::new().seed(seed).strategy(strategy.parse().unwrap());
            let run = sim.strict(true).run(scenario);
            assert!(run.passed(), "{run}");
            assert_eq!(first(&run), (0, String::new()));
        }
    }
}

#[test]
fn a_run_says_how_often_there_was_a_choice() {
    let alone = Sim::new().run(|| async {
        retake::sleep(MS).await;
    });
    assert_eq!(alone.stats.choices, 0);
    let two = Sim::new().run(|| async {
        let one = retake::spawn(async {});
        let other = retake::spawn(async {});
        one.await.unwrap();
        other.await.unwrap();
    });
    assert!(two.stats.choices > 0, "{:?}", two.stats);
}

/// Counts what it is sent.
struct Slow;

#[retake::simulated]
impl Actor for Slow {
    type Msg = u32;
    type State = ();
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<u32>, (): ()) -> Result<(), ActorProcessingErr> {
        Ok(())
    }
}

#[test]
fn a_lossless_run_refuses_an_output_port_which_drops_messages() {
    let run = Sim::new().lossless().run(|| async {
        let port = ractor::OutputPort::<u32>::default();
        let (slow, _) = Actor::spawn(None, Slow, ()).await.unwrap();
        port.subscribe(slow, Some);
        for number in 0..1_000 {
            port.send(number);
        }
        retake::sleep(MS).await;
    });
    let Outcome::Escaped { what, remedy } = &run.outcome else {
        panic!("{run}")
    };
    assert!(what.contains("sent by tasks that no gate guards"), "{run}");
    assert!(remedy.contains("OutputPort"), "{run}");
    let messages = run.messages.unwrap();
    assert!(messages.ungated > 0 && messages.ungated == messages.sent);
}

#[test]
fn messages_of_ungated_tasks_are_counted_with_what_becomes_of_them() {
    let run = Sim::new().conservation().run(|| async {
        let (slow, handle) = Actor::spawn(None, Slow, ()).await.unwrap();
        slow.send_after(MS, || 1);
        retake::sleep(2 * MS).await;
        slow.stop(None);
        handle.await.unwrap();
    });
    assert!(run.passed(), "{run}");
    let messages = run.messages.unwrap();
    assert_eq!((messages.sent, messages.ungated), (1, 1));
    assert_eq!((messages.handled, messages.lost), (1, 0));
}
