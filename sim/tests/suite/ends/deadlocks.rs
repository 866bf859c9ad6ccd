//! What is reported of a standstill: who waits for whom, by whatever they wait.

use std::future::pending;
use std::sync::Arc;

use ractor::call;
use retake_sim::outcome::WaitingTask;
use retake_sim::{Outcome, Sim};
use retake_testkit::{MS, Order, join, servant};
use tokio::sync::{Mutex, Notify, RwLock, Semaphore, mpsc, oneshot};

use super::alone::{alone, is_alone};

/// Who waits for whom in the standstill that this comes to, as `a -> b`, and the circle.
fn waits<F: Future<Output = ()> + Send + 'static>(scenario: fn() -> F) -> (String, Vec<String>) {
    let run = Sim::new().run(scenario);
    let Outcome::Deadlock { waiting, cycle } = &run.outcome else {
        panic!("{run}")
    };
    let edge = |wait: &WaitingTask| format!("{} -> {}", wait.task, wait.waits_for.join(" + "));
    let edges: Vec<String> = waiting.iter().map(edge).collect();
    (edges.join(", "), cycle.clone())
}

#[test]
fn two_tasks_that_take_two_locks_in_opposite_order_wait_for_each_other() {
    let run = Sim::new().run(|| async {
        let (a, b) = (Arc::new(Mutex::new(())), Arc::new(Mutex::new(())));
        let (other_a, other_b) = (a.clone(), b.clone());
        let one = retake::spawn_named("one", async move {
            let _a = a.lock().await;
            retake::sleep(MS).await;
            let _b = b.lock().await;
        });
        let other = retake::spawn_named("other", async move {
            let _b = other_b.lock().await;
            retake::sleep(MS).await;
            let _a = other_a.lock().await;
        });
        join([one, other]).await;
    });
    insta::assert_snapshot!(run.outcome, @r"
    deadlock: nothing can run and no timer is pending
    wait cycle: one -> other -> one
      scenario waits in its code for one
      one waits in its code, spawned at sim/tests/suite/ends/deadlocks.rs:30:19, for other
      other waits in its code, spawned at sim/tests/suite/ends/deadlocks.rs:35:21, for one
    ");
    assert_eq!(run.stats.virtual_time, MS, "when it came to a standstill");
}

#[test]
fn what_each_task_awaits_and_where_is_listed_if_asked_for() {
    let line = line!();
    let scenario = || async {
        let lock = Arc::new(Mutex::new(()));
        let other = lock.clone();
        let (_send, mut receive) = mpsc::channel::<()>(1);
        let locks = retake::spawn_named("locks", async move {
            let _lock = other.lock().await;
        });
        let receives = retake::spawn_named("receives", async move {
            tokio::select! {
                _ = receive.recv() => {}
                () = pending() => {}
            }
        });
        let keeper = servant("keeper").await;
        let _lock = lock.lock().await;
        let asks = retake::spawn_named("asks", async move {
            let _ = call!(keeper, Order::Keep);
        });
        let _ = tokio::join!(locks, receives, asks);
    };
    if is_alone() {
        let run = Sim::new().story(true).causality(true).run(scenario);
        println!("hash {:x}\n{run}", run.event_hash);
        return;
    }
    let child = |setting: &str| {
        let mut child = alone!(what_each_task_awaits_and_where_is_listed_if_asked_for);
        let output = child.env("RUST_BACKTRACE", setting).output();
        String::from_utf8(output.unwrap().stdout).unwrap()
    };
    let (asked, plain) = (child("1"), child("0"));
    // Names within tokio and ractor are their affair, and that of the user's function is not
    // known where it is inlined.
    let of = |text: &str| {
        let (who, rest) = text.trim().split_once(" awaits ").unwrap_or_default();
        assert!(
            rest.starts_with("tokio::") || rest.starts_with("ractor::"),
            "{text}"
        );
        let (_, place) = rest.rsplit_once(" at ").unwrap_or_default();
        let (place, _column) = place.rsplit_once(':').unwrap_or_default();
        format!("{who} at {place}")
    };
    let awaits = asked.lines().filter(|line| line.contains(" awaits "));
    let awaits: Vec<String> = awaits.map(of).collect();
    let places = [
        ("scenario", 19),
        ("locks", 6),
        ("receives", 9),
        ("asks", 17),
    ];
    let expected = places.map(|(who, lines)| {
        let line = line + lines;
        format!("{who} at tests/suite/ends/deadlocks.rs:{line}")
    });
    assert_eq!(awaits, expected, "{asked}");
    let note = "note: run with `RUST_BACKTRACE=1` to list what the tasks await, and where";
    assert!(plain.contains(note), "{plain}");
    // The run is the same, and so is what it says otherwise.
    let without = |text: &str| -> Vec<String> {
        let lines = text.lines().take_while(|it| !it.starts_with("test "));
        let lines = lines.filter(|it| !it.contains(" awaits ") && !it.contains("note: "));
        lines.map(str::to_owned).collect()
    };
    assert_eq!(without(&asked), without(&plain));
}

#[test]
fn a_full_channel_whose_receiver_waits_for_the_sender_is_a_circle() {
    let (edges, cycle) = waits(|| async {
        let (send, mut receive) = mpsc::channel(1);
        let (done, is_done) = oneshot::channel();
        let sends = retake::spawn_named("sends", async move {
            send.send(1).await.unwrap();
            send.send(2).await.unwrap();
            done.send(()).unwrap();
        });
        let receives = retake::spawn_named("receives", async move {
            is_done.await.unwrap();
            receive.recv().await.unwrap();
        });
        join([sends, receives]).await;
    });
    assert_eq!(cycle, ["sends", "receives"]);
    let expected = "scenario -> sends, sends -> receives, receives -> sends";
    assert_eq!(edges, expected);
}

#[test]
fn who_keeps_the_other_end_of_a_channel_and_does_not_use_it_is_named() {
    let (edges, cycle) = waits(|| async {
        let (send, receive) = oneshot::channel::<()>();
        retake::spawn_named("keeps", async move {
            let _send = send;
            pending::<()>().await;
        });
        receive.await.unwrap();
    });
    assert_eq!(edges, "scenario -> keeps, keeps -> ");
    assert!(cycle.is_empty());
}

#[test]
fn who_has_the_permit_or_the_lock_that_another_waits_for_is_named() {
    let (edges, _) = waits(|| async {
        let semaphore = Arc::new(Semaphore::new(1));
        let other = semaphore.clone();
        retake::spawn_named("has it", async move {
            let _permit = other.acquire().await;
            pending::<()>().await;
        });
        retake::sleep(MS).await;
        let _permit = semaphore.acquire().await;
    });
    assert_eq!(edges, "scenario -> has it, has it -> ");
    let (edges, _) = waits(|| async {
        let lock = Arc::new(RwLock::new(()));
        let (read, write) = (lock.clone(), lock.clone());
        retake::spawn_named("reads", async move {
            let _read = read.read().await;
            pending::<()>().await;
        });
        retake::sleep(MS).await;
        let writes = retake::spawn_named("writes", async move {
            let _write = write.write().await;
        });
        writes.await.unwrap();
    });
    assert_eq!(edges, "scenario -> writes, reads -> , writes -> reads");
}

#[test]
fn an_actor_and_a_task_may_wait_for_each_other_by_a_message_and_a_lock() {
    let (edges, _) = waits(|| async {
        let keeper = servant("keeper").await;
        let lock = Arc::new(Mutex::new(()));
        let locked = lock.clone().lock_owned().await;
        let asks = retake::spawn_named("asks", async move {
            let _lock = lock.lock().await;
        });
        let _ = call!(keeper, Order::Keep);
        drop(locked);
        asks.await.unwrap();
    });
    assert_eq!(edges, "scenario -> keeper, asks -> scenario");
}

#[test]
fn a_task_that_waits_for_ever_is_named_by_who_joins_it() {
    let (edges, _) = waits(|| async {
        let task = retake::spawn_named("waits for ever", pending::<()>());
        task.await.unwrap();
    });
    assert_eq!(edges, "scenario -> waits for ever, waits for ever -> ");
}

#[test]
fn nobody_is_named_where_nobodys_end_would_end_the_wait() {
    // A task that keeps a `Notify` may or may not notify.
    let (edges, _) = waits(|| async {
        let notify = Arc::new(Notify::new());
        let other = notify.clone();
        retake::spawn_named("never notifies", async move {
            pending::<()>().await;
            other.notify_one();
        });
        notify.notified().await;
    });
    assert_eq!(edges, "scenario -> , never notifies -> ");
    // One that waits for itself.
    let (edges, _) = waits(|| async {
        let (_send, receive) = oneshot::channel::<()>();
        receive.await.unwrap();
    });
    assert_eq!(edges, "scenario -> ");
    let (edges, _) = waits(|| async {
        let servant = servant("servant").await;
        let around = vec![servant.clone()];
        let _ = call!(servant, |reply| Order::AskAround(around, reply));
    });
    assert_eq!(edges, "scenario -> servant, servant -> ");
}
