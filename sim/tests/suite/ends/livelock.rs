//! Steps without progress are recognised soon, and bursts are not taken for them.
#![allow(
    clippy::disallowed_methods,
    reason = "yielding is under test, and the actors need no supervisor"
)]

use std::time::Duration;

use ractor::Actor;
use retake_sim::explore::{self, Explorer};
use retake_sim::{Outcome, Sim};
use retake_testkit::{MS, Order, livelock, servant};

async fn spin() {
    loop {
        tokio::task::yield_now().await;
    }
}

#[test]
fn a_task_that_yields_for_ever_is_a_livelock_after_ten_thousand_steps() {
    let run = Sim::new().run(|| async {
        retake::sleep(MS).await;
        spin().await;
    });
    let (busy, repeats) = livelock(&run);
    assert_eq!(busy, &[("scenario".to_owned(), 100)]);
    assert_eq!(repeats, ["scenario resumes"]);
    assert!(run.stats.steps < 11_000, "{run}");
    let text = run.outcome.to_string();
    assert!(
        text.contains("these steps repeat:\n  scenario resumes"),
        "{text}"
    );
}

#[test]
fn sleeping_for_no_time_for_ever_is_a_livelock() {
    let run = Sim::new().run(|| async {
        loop {
            retake::sleep(Duration::ZERO).await;
        }
    });
    livelock(&run);
}

#[test]
fn tasks_that_take_turns_are_named_with_their_shares_under_every_strategy() {
    for strategy in ["fifo", "random", "pct", "pos", "starve", "defer"] {
        let sim = Sim::new().strategy(strategy.parse().unwrap());
        let run = sim.run(|| async {
            let servant = servant("bystander").await;
            servant.cast(Order::Note(1)).unwrap();
            let one = retake::spawn_named("one", spin());
            let other = retake::spawn_named("other", spin());
            one.await.unwrap();
            other.await.unwrap();
        });
        let (busy, _) = livelock(&run);
        assert!(!busy.is_empty() && busy.len() <= 2, "{strategy}: {run}");
        for (task, _) in busy {
            assert!(["one", "other"].contains(&&**task), "{strategy}: {run}");
        }
        assert!(run.stats.steps < 40_000, "{strategy}: {run}");
    }
}

#[test]
fn tasks_started_without_end_at_one_instant_are_a_livelock() {
    let run = Sim::new().livelock_after(50).run(|| async {
        loop {
            retake::spawn_named("next", async {}).await.unwrap();
        }
    });
    let (_, repeats) = livelock(&run);
    assert!(
        repeats.iter().any(|step| step.starts_with("next#")),
        "{run}"
    );
}

#[test]
fn a_burst_of_actors_tasks_and_messages_is_no_livelock() {
    let run = Sim::new().livelock_after(1_000).run(|| async {
        let mut tasks = Vec::new();
        for number in 0..5_000 {
            let (actor, _) = Actor::spawn(None, retake_testkit::Servant, ())
                .await
                .unwrap();
            actor.cast(Order::Note(number)).unwrap();
            actor.cast(Order::Note(number)).unwrap();
            tasks.push(retake::spawn(async move {
                for _ in 0..3 {
                    tokio::task::yield_now().await;
                }
                ractor::call!(actor, Order::Count).unwrap()
            }));
        }
        for task in tasks {
            assert!(task.await.unwrap() >= 1);
        }
    });
    assert!(run.passed(), "{run}");
}

#[test]
fn a_full_mailbox_is_emptied_at_one_instant() {
    let run = Sim::new().livelock_after(1_000).run(|| async {
        let servant = servant("servant").await;
        for number in 0..20_000 {
            servant.cast(Order::Note(number)).unwrap();
        }
        ractor::call!(servant, Order::Count).unwrap()
    });
    assert_eq!(run.expect_passed(), 20_001);
}

#[test]
fn a_loop_of_calls_has_an_end() {
    let run = Sim::new().run(|| async {
        let servant = servant("servant").await;
        for _ in 0..20_000 {
            ractor::call!(servant, Order::Count).unwrap();
        }
    });
    assert!(run.passed(), "{run}");
}

#[test]
fn who_polls_up_to_the_horizon_is_named() {
    let scenario = || async {
        retake::spawn_named("poller", async {
            loop {
                retake::sleep(MS).await;
            }
        });
        std::future::pending::<()>().await;
    };
    let horizon = Sim::new().horizon(Duration::from_secs(2));
    let limit = Sim::new().step_limit(5_000);
    for (sim, name) in [(horizon, "horizon"), (limit, "step limit")] {
        let run = sim.run(scenario);
        assert_eq!(run.outcome.name(), name);
        let (Outcome::Horizon { busy, .. } | Outcome::StepLimit { busy }) = &run.outcome else {
            panic!("{run}")
        };
        assert_eq!(busy, &[("poller".to_owned(), 100)]);
        assert!(run.outcome.to_string().contains("poller 100 %"), "{run}");
    }
}

#[test]
fn a_livelock_is_not_shrunk_for_long() {
    let scenario = || async {
        let one = retake::spawn_named("one", spin());
        retake::spawn_named("other", spin());
        one.await.unwrap();
    };
    let campaign = Explorer::new("spin").seeds(0..3).run(scenario);
    let case = &campaign.failures[0].case;
    assert_eq!(case.signature, "livelock: one, other");
    let shrunk = explore::shrink(case, scenario, |_| {}).unwrap();
    assert!(shrunk.runs <= 6, "{shrunk}");
}
