//! What is due at one instant runs in any order, whichever timer it comes from.
#![allow(
    clippy::disallowed_methods,
    reason = "timers of tokio and ractor are under test"
)]

use std::time::Duration;

use ractor::{ActorRef, RpcReplyPort};
use retake_sim::{Sim, Strategy};
use retake_testkit::{MS, actor};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

const SEEDS: u64 = 400;

/// Of the seeds, how many give true.
fn share<F, Fut>(strategy: &Strategy, scenario: F) -> u64
where
    F: Fn() -> Fut + Send + Sync + Clone + 'static,
    Fut: Future<Output = bool> + Send + 'static,
{
    let gives = |seed| {
        let sim = Sim::new().seed(seed).strategy(strategy.clone());
        sim.run(scenario.clone()).expect_passed()
    };
    (0..SEEDS).map(|seed| u64::from(gives(seed))).sum()
}

/// Both results are to come in at least a fifth of the seeds.
#[track_caller]
fn assert_fair<F, Fut>(what: &str, scenario: F)
where
    F: Fn() -> Fut + Send + Sync + Clone + 'static,
    Fut: Future<Output = bool> + Send + 'static,
{
    for strategy in ["random", "pos"] {
        let strategy: Strategy = strategy.parse().unwrap();
        let times = share(&strategy, scenario.clone());
        assert!(
            (SEEDS / 5..=SEEDS * 4 / 5).contains(&times),
            "{what}, {strategy}: {times} of {SEEDS}"
        );
    }
}

async fn answers_in_time(first: Duration) -> bool {
    retake::sleep(first).await;
    let slow = actor("slow", (), |_, reply: RpcReplyPort<()>, ()| {
        retake::spawn(async {
            retake::sleep(10 * MS).await;
            // The caller may have given up.
            let _ = reply.send(());
        });
    })
    .await;
    let answer = slow.call(|reply| reply, Some(10 * MS)).await;
    answer.unwrap().is_success()
}

#[test]
fn an_answer_at_the_deadline_of_a_call_comes_in_time_or_does_not() {
    assert_fair("at the start", || answers_in_time(Duration::ZERO));
    assert_fair("later", || answers_in_time(7 * MS));
}

/// The first of two tasks, each started in this order, that both wait for this time.
async fn first_of<A, B>(swapped: bool, a: A, b: B) -> bool
where
    A: Future<Output = ()> + Send + 'static,
    B: Future<Output = ()> + Send + 'static,
{
    let (send, mut receive) = unbounded_channel();
    let other = send.clone();
    let a = async move {
        a.await;
        send.send(true).unwrap();
    };
    let b = async move {
        b.await;
        other.send(false).unwrap();
    };
    if swapped {
        retake::spawn(b);
        retake::spawn(a);
    } else {
        retake::spawn(a);
        retake::spawn(b);
    }
    let first = receive.recv().await.unwrap();
    receive.recv().await.unwrap();
    first
}

#[test]
fn a_timer_of_tokio_and_one_of_retake_tie_in_both_orders_of_starting() {
    for swapped in [false, true] {
        assert_fair("sleep", move || {
            first_of(swapped, tokio::time::sleep(10 * MS), retake::sleep(10 * MS))
        });
        assert_fair("from within a millisecond", move || async move {
            retake::sleep(Duration::from_micros(400)).await;
            // Tokio's timers end with a millisecond.
            let tokio = tokio::time::sleep(Duration::from_micros(9_600));
            first_of(swapped, tokio, retake::sleep(Duration::from_micros(9_600))).await
        });
        assert_fair("timeout", move || {
            let never = std::future::pending::<()>();
            let timeout = retake::timeout(10 * MS, never);
            let timeout = async move {
                timeout.await.unwrap_err();
            };
            first_of(swapped, tokio::time::sleep(10 * MS), timeout)
        });
        assert_fair("interval", move || {
            let interval = async {
                let mut interval = tokio::time::interval(5 * MS);
                for _ in 0..3 {
                    interval.tick().await;
                }
            };
            first_of(swapped, interval, retake::sleep(10 * MS))
        });
    }
}

#[test]
fn a_message_of_a_ractor_timer_ties_with_a_task_that_wakes_then() {
    assert_fair("send_after", || async {
        let (send, mut receive) = unbounded_channel();
        let actor = numbers().await;
        let by_timer = send.clone();
        actor.send_after(10 * MS, || (true, by_timer));
        retake::sleep(10 * MS).await;
        send.send(false).unwrap();
        receive.recv().await.unwrap()
    });
}

type Numbered = (bool, UnboundedSender<bool>);

/// Passes on what it is sent, with where to.
async fn numbers() -> ActorRef<Numbered> {
    actor("numbers", (), |_, (number, to): Numbered, ()| {
        let _ = to.send(number);
    })
    .await
}

/// Whether the message comes first whose timer was set first, of two that are due at one
/// instant and go to one actor.
async fn first_set_first<T>(
    set: fn(&ActorRef<Numbered>, bool, UnboundedSender<bool>) -> T,
) -> bool {
    let (send, mut receive) = unbounded_channel();
    let actor = numbers().await;
    let _timers = (set(&actor, true, send.clone()), set(&actor, false, send));
    receive.recv().await.unwrap()
}

#[test]
fn two_messages_of_timers_to_one_actor_come_in_both_orders() {
    let scenario = || {
        first_set_first(|actor, number, to| {
            retake::send_after(actor, 10 * MS, move || (number, to))
        })
    };
    assert_fair("retake::send_after", scenario);
    for seed in 0..20 {
        let run = || Sim::new().seed(seed).run(scenario).expect_passed();
        assert_eq!(run(), run(), "seed {seed}");
    }
}

#[test]
fn two_messages_of_ractors_timers_to_one_actor_come_in_the_order_of_setting() {
    // No schedule can change it: see docs/determinism.md.
    let in_order = share(&Strategy::Random, || {
        first_set_first(|actor, number, to| actor.send_after(10 * MS, move || (number, to)))
    });
    assert_eq!(in_order, SEEDS);
}

#[test]
fn a_deadline_between_two_milliseconds_is_kept_to_the_nanosecond() {
    for seed in 0..50 {
        let run = Sim::new().seed(seed).run(|| async {
            let other = retake::spawn(async { tokio::time::sleep(3 * MS).await });
            retake::sleep(Duration::from_nanos(1_234_567)).await;
            let first = retake::now().as_nanos();
            retake::sleep(Duration::from_nanos(2)).await;
            let second = retake::now().as_nanos();
            other.await.unwrap();
            (first, second, retake::now().as_nanos())
        });
        assert_eq!(run.expect_passed(), (1_234_567, 1_234_569, 3_000_000));
    }
}

#[test]
fn what_is_due_runs_before_what_it_would_wake_later() {
    // Two that are due now, and one that the first of them starts: with `fifo` the second
    // is older.
    let run = Sim::new().strategy(Strategy::Fifo).run(|| async {
        let (send, mut receive) = unbounded_channel();
        let (to_late, to_due) = (send.clone(), send.clone());
        retake::spawn(async move {
            tokio::time::sleep(10 * MS).await;
            retake::spawn(async move { to_late.send("started") });
        });
        retake::spawn(async move {
            retake::sleep(10 * MS).await;
            to_due.send("due").unwrap();
        });
        receive.recv().await.unwrap()
    });
    assert_eq!(run.expect_passed(), "due");
}

#[test]
fn a_sleep_of_no_time_lets_others_run() {
    assert_fair("sleep(0)", || {
        let sleep = || retake::sleep(Duration::ZERO);
        first_of(false, sleep(), sleep())
    });
    // Without it nothing could come between.
    let between = share(&Strategy::Random, || async {
        let (send, mut receive) = unbounded_channel();
        retake::spawn(async move { send.send(()).unwrap() });
        retake::sleep(Duration::ZERO).await;
        receive.try_recv().is_ok()
    });
    assert!((SEEDS / 5..=SEEDS * 4 / 5).contains(&between), "{between}");
}
