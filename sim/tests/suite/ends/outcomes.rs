//! How runs end that do not pass, and that the next one is not the worse for it.
#![allow(
    clippy::disallowed_methods,
    reason = "what escapes the gates is under test"
)]

use std::time::Duration;

use rand_core::Rng as _;
use retake_sim::{Isolation, Outcome, Run, Sim};
use retake_testkit::{MS, Order, escaped, livelock, panicked, servant};

/// Run a scenario on this thread, and after it one that must pass.
fn run<F: Future<Output = ()> + Send + 'static>(sim: Sim, scenario: fn() -> F) -> Run<()> {
    let failed = sim.isolation(Isolation::Inline).run(scenario);
    let count = Sim::new().isolation(Isolation::Inline).run(|| async {
        let servant = servant("afterwards").await;
        retake::sleep(MS).await;
        ractor::call!(servant, Order::Count).unwrap()
    });
    assert_eq!(count.expect_passed(), 1);
    failed
}

#[test]
fn two_that_call_each_other_are_a_deadlock_with_its_circle() {
    let run = run(Sim::new(), || async {
        let (a, b) = (servant("a").await, servant("b").await);
        let around = vec![b, a.clone()];
        let asks = async move { ractor::call!(a, |reply| Order::AskAround(around, reply)) };
        let _ = retake::spawn(asks).await;
    });
    let Outcome::Deadlock { cycle, .. } = &run.outcome else {
        panic!("{run}")
    };
    assert_eq!(cycle, &["a", "b"]);
    insta::assert_snapshot!(run.outcome, @r"
    deadlock: nothing can run and no timer is pending
    wait cycle: a -> b -> a
      scenario waits in its code for task
      a waits in handle for b
      b waits in handle for a
      task waits in its code, spawned at sim/tests/suite/ends/outcomes.rs:31:17, for a
    ");
}

#[test]
fn a_circle_of_three_is_found_whole() {
    for seed in 0..20 {
        let run = run(Sim::new().seed(seed), || async {
            let (a, b, c) = (servant("a").await, servant("b").await, servant("c").await);
            let one = vec![b.clone(), c.clone(), a.clone()];
            let two = vec![c, a.clone(), b.clone()];
            retake::spawn(async move { ractor::call!(b, |reply| Order::AskAround(two, reply)) });
            let _ = ractor::call!(a, |reply| Order::AskAround(one, reply));
        });
        let Outcome::Deadlock { cycle, .. } = &run.outcome else {
            panic!("{run}")
        };
        assert!((2..=3).contains(&cycle.len()), "seed {seed}: {run}");
    }
}

#[test]
fn waiting_for_a_reply_that_nobody_sends_is_a_deadlock_that_names_who_waits_for_whom() {
    let run = run(Sim::new(), || async {
        let keeper = servant("keeper").await;
        let _ = ractor::call!(keeper, Order::Keep);
    });
    insta::assert_snapshot!(run.outcome, @r"
    deadlock: nothing can run and no timer is pending
      scenario waits in its code for keeper
    ");
}

#[test]
fn steps_without_end_at_one_time_are_a_livelock_that_names_the_busiest() {
    let run = run(Sim::new().livelock_after(1_000), || async {
        let (a, b) = (servant("a").await, servant("b").await);
        a.cast(Order::Bounce(b)).unwrap();
        retake::sleep(MS).await;
    });
    let (busy, repeats) = livelock(&run);
    assert_eq!(busy, [("a".to_owned(), 50), ("b".to_owned(), 50)]);
    let mut repeats = repeats.to_vec();
    repeats.sort_unstable();
    assert_eq!(repeats.len(), 2, "{run}");
    assert!(repeats[0].starts_with("a handles Bounce("), "{run}");
    assert!(repeats[1].starts_with("b handles Bounce("), "{run}");
    assert!(run.stats.steps < 26_000, "{run}");
}

#[test]
fn a_scenario_that_takes_too_long_ends_at_the_horizon() {
    let run = run(Sim::new().horizon(Duration::from_secs(10)), || async {
        let servant = servant("sleeper").await;
        let hour = Duration::from_secs(3600);
        servant.cast(Order::Sleep(hour)).unwrap();
        loop {
            retake::sleep(Duration::from_secs(3)).await;
        }
    });
    let Outcome::Horizon { waiting, .. } = &run.outcome else {
        panic!("{run}")
    };
    let tasks: Vec<&str> = waiting.iter().map(|wait| &*wait.task).collect();
    assert_eq!(tasks, ["scenario", "sleeper"]);
    assert_eq!(run.stats.virtual_time, Duration::from_secs(10));
}

#[test]
fn tokio_timers_reach_the_horizon_as_well() {
    let run = run(Sim::new().horizon(Duration::from_secs(10)), || async {
        loop {
            tokio::time::sleep(Duration::from_secs(3)).await;
        }
    });
    assert!(matches!(run.outcome, Outcome::Horizon { .. }), "{run}");
}

#[test]
fn the_step_limit_holds_to_the_step() {
    let run = run(Sim::new().step_limit(1_000), || async {
        loop {
            retake::sleep(MS).await;
        }
    });
    assert!(matches!(run.outcome, Outcome::StepLimit { .. }), "{run}");
    assert_eq!(run.stats.steps, 1_000);
}

#[test]
fn a_panic_that_nobody_observes_fails_the_run_with_its_task_and_message() {
    let alone = run(Sim::new(), || async {
        let servant = servant("alone").await;
        servant.cast(Order::Panic("no more")).unwrap();
        retake::sleep(MS).await;
    });
    assert_eq!(panicked(&alone), ("alone", "no more"));
    let task = run(Sim::new(), || async {
        let task = retake::spawn_named("helper", async { panic!("oh") });
        let _: Result<(), _> = task.await;
    });
    assert_eq!(panicked(&task), ("helper", "oh"));
    let scenario = run(Sim::new(), || async {
        retake::sleep(MS).await;
        panic!("one and one is {}", 3);
    });
    assert_eq!(panicked(&scenario), ("scenario", "one and one is 3"));
}

#[test]
fn blocking_work_is_refused_with_what_to_do() {
    let run = run(Sim::new(), || async {
        let _ = tokio::task::spawn_blocking(|| 1).await;
    });
    let (what, remedy) = escaped(&run);
    assert!(what.contains("scenario called `spawn_blocking`"), "{what}");
    assert!(remedy.contains("retake::is_simulated"), "{remedy}");
}

#[test]
fn a_task_outside_the_gates_must_not_use_virtual_time_or_randomness() {
    let sleeping = run(Sim::new(), || async {
        tokio::spawn(async { retake::sleep(MS).await });
        retake::sleep(2 * MS).await;
    });
    assert!(escaped(&sleeping).1.contains("retake::spawn"), "{sleeping}");
    let drawing = run(Sim::new(), || async {
        tokio::spawn(async { retake::rng().next_u64() });
        retake::sleep(2 * MS).await;
    });
    escaped(&drawing);
}

#[test]
fn a_task_outside_the_gates_is_counted_and_fails_a_strict_run() {
    let scenario = || async {
        tokio::spawn(std::future::pending::<()>());
        retake::sleep(MS).await;
    };
    let lenient = run(Sim::new(), scenario);
    assert!(
        lenient.passed() && lenient.stats.ungated_max == 1,
        "{lenient}"
    );
    assert!(lenient.warnings[0].contains("1 tokio task"), "{lenient}");
    let strict = run(Sim::new().strict(true), scenario);
    assert!(escaped(&strict).0.contains("1 tokio task"), "{strict}");
}
