//! What runs outside the scheduler is counted, however short it lives.
#![allow(
    clippy::disallowed_methods,
    reason = "what escapes the gates is under test"
)]

use ractor::{Actor, ActorRef, ActorRuntime};
use retake_sim::{Run, Sim};
use retake_testkit::{ActorResult, MS, Order, Servant, escaped, servant};

/// Without the attribute.
struct Bare;

#[cfg_attr(feature = "async-trait", ractor::async_trait)]
impl Actor for Bare {
    type Msg = ();
    type State = ();
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<()>, (): ()) -> ActorResult {
        Ok(())
    }
}

fn first(run: &Run<()>) -> (u64, String) {
    let first = run.stats.first_ungated.as_ref();
    let first = first.map(ToString::to_string).unwrap_or_default();
    (run.stats.ungated, first)
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
    let what = "1 tokio task that no gate guards, from step 1 of `scenario`";
    assert_eq!(escaped(&strict).0, what);
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
    escaped(&Sim::new().strict(true).run(scenario));
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
    let alone = Sim::new().run(|| retake::sleep(MS));
    assert_eq!(alone.stats.choices, 0);
    let two = Sim::new().run(|| async {
        let one = retake::spawn(async {});
        let other = retake::spawn(async {});
        one.await.unwrap();
        other.await.unwrap();
    });
    assert!(two.stats.choices > 0, "{:?}", two.stats);
}

#[test]
fn a_lossless_run_refuses_an_output_port_which_drops_messages() {
    let run = Sim::new().lossless().run(|| async {
        let port = ractor::OutputPort::<u32>::default();
        port.subscribe(servant("slow").await, |number| Some(Order::Note(number)));
        for number in 0..1_000 {
            port.send(number);
        }
        retake::sleep(MS).await;
    });
    let (what, remedy) = escaped(&run);
    assert!(what.contains("sent by tasks that no gate guards"), "{run}");
    assert!(remedy.contains("OutputPort"), "{run}");
    let messages = run.messages.unwrap();
    assert!(messages.ungated > 0 && messages.ungated == messages.sent);
}

#[test]
fn messages_of_ungated_tasks_are_counted_with_what_becomes_of_them() {
    let run = Sim::new().conservation().run(|| async {
        let slow = servant("slow").await;
        slow.send_after(MS, || Order::Note(1));
        retake::sleep(2 * MS).await;
        slow.stop_and_wait(None, None).await.unwrap();
    });
    assert!(run.passed(), "{run}");
    let messages = run.messages.unwrap();
    assert_eq!((messages.sent, messages.ungated), (1, 1));
    assert_eq!((messages.handled, messages.lost), (1, 0));
}
