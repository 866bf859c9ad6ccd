//! Rules of OTP and poolboy that the other tests do not name one by one: calls,
//! monitors, order, and cases that their own suites care about.
#![allow(missing_docs)]

mod family;

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use family::{ChildMessage, Family, children, kill, settle, start, status, tell};
use ractor::{Actor, ActorProcessingErr, ActorRef, ActorStatus, RpcReplyPort};
use retake_otp::supervisor::{
    Backoff, ChildCount, ChildSpec, Restart, Shutdown, StartedChild, Strategy, SupervisorRef,
    SupervisorSpec,
};
use retake_otp::{CallError, CheckoutError, PoolConfig, PoolRef, call};
use retake_sim::{Isolation, Sim};

fn simulate<F, Fut>(scenario: F)
where
    F: Fn() -> Fut + Send + Sync + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    Sim::new().seed(11).run(scenario).expect_passed();
}

fn for_seeds<F, Fut>(seeds: u64, scenario: F)
where
    F: Fn() -> Fut + Copy + Send + Sync + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    for seed in 0..seeds {
        let sim = Sim::new().seed(seed).isolation(Isolation::Inline);
        sim.run(scenario).expect_passed();
    }
}

// --- calls, monitors, order ---

/// Counts what it is told; answers after a while.
struct Counter(Arc<AtomicU32>);

#[derive(Debug)]
enum Count {
    Slowly(RpcReplyPort<u32>),
    Never(RpcReplyPort<u32>),
}

#[retake::simulated]
impl Actor for Counter {
    type Msg = Count;
    type State = ();
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<Count>, (): ()) -> Result<(), ActorProcessingErr> {
        Ok(())
    }

    async fn handle(
        &self,
        myself: ActorRef<Count>,
        message: Count,
        (): &mut (),
    ) -> Result<(), ActorProcessingErr> {
        match message {
            Count::Slowly(reply) => {
                retake::sleep(Duration::from_millis(50)).await;
                let _ = reply.send(self.0.fetch_add(1, Ordering::Relaxed) + 1);
            }
            Count::Never(_reply) => {
                myself.kill();
                std::future::pending::<()>().await;
            }
        }
        Ok(())
    }
}

async fn counter() -> (ActorRef<Count>, Arc<AtomicU32>) {
    let count = Arc::new(AtomicU32::new(0));
    let (actor, _) = Actor::spawn(None, Counter(Arc::clone(&count)), ())
        .await
        .unwrap();
    (actor, count)
}

#[test]
fn a_call_to_one_that_dies_or_is_dead_is_an_error_at_once() {
    simulate(|| async {
        let (counter, _) = counter().await;
        let start = retake::now();
        let long = Some(Duration::from_secs(60));
        assert_eq!(
            call(&counter, Count::Never, long).await,
            Err(CallError::Closed)
        );
        assert_eq!(
            call(&counter, Count::Slowly, long).await,
            Err(CallError::Closed)
        );
        assert_eq!(start.elapsed(), Duration::ZERO);
    });
}

#[test]
fn an_answer_that_comes_too_late_is_dropped_and_the_work_is_done() {
    simulate(|| async {
        let (counter, count) = counter().await;
        let short = Duration::from_millis(10);
        let late = call(&counter, Count::Slowly, Some(short)).await;
        assert_eq!(late, Err(CallError::Timeout(short)));
        assert_eq!(count.load(Ordering::Relaxed), 0);
        // The next call gets its own answer, not the late one.
        assert_eq!(call(&counter, Count::Slowly, None).await, Ok(2));
    });
}

#[test]
fn the_end_of_a_dead_actor_is_known_at_once_to_any_number_of_watchers() {
    simulate(|| async {
        let (counter, _) = counter().await;
        let watchers = [0; 3].map(|_| {
            let cell = counter.get_cell();
            retake::spawn(async move { cell.wait(None).await })
        });
        settle().await;
        counter.kill();
        for watcher in watchers {
            watcher.await.unwrap().unwrap();
        }
        let start = retake::now();
        counter.get_cell().wait(None).await.unwrap();
        assert_eq!(start.elapsed(), Duration::ZERO);
    });
}

#[test]
fn messages_of_one_sender_are_handled_in_order_those_of_two_in_any() {
    struct Collector(Arc<Mutex<Vec<(u32, u32)>>>);
    #[retake::simulated]
    impl Actor for Collector {
        type Msg = (u32, u32);
        type State = ();
        type Arguments = ();
        async fn pre_start(
            &self,
            _: ActorRef<Self::Msg>,
            (): (),
        ) -> Result<(), ActorProcessingErr> {
            Ok(())
        }
        async fn handle(
            &self,
            _: ActorRef<Self::Msg>,
            message: Self::Msg,
            (): &mut (),
        ) -> Result<(), ActorProcessingErr> {
            self.0.lock().unwrap().push(message);
            Ok(())
        }
    }
    let orders: std::collections::BTreeSet<Vec<(u32, u32)>> = (0..400)
        .map(|seed| {
            let run = Sim::new().seed(seed).run(|| async {
                let seen = Arc::default();
                let collector = Collector(Arc::clone(&seen));
                let (collector, _) = Actor::spawn(None, collector, ()).await.unwrap();
                let senders = [0, 1].map(|sender| {
                    let collector = collector.clone();
                    retake::spawn(async move {
                        for number in 0..3 {
                            collector.cast((sender, number)).unwrap();
                            tokio::task::yield_now().await;
                        }
                    })
                });
                for sender in senders {
                    sender.await.unwrap();
                }
                settle().await;
                std::mem::take(&mut *seen.lock().unwrap())
            });
            run.expect_passed()
        })
        .collect();
    for order in &orders {
        for sender in [0, 1] {
            let numbers: Vec<u32> = order
                .iter()
                .filter(|(from, _)| *from == sender)
                .map(|(_, number)| *number)
                .collect();
            assert_eq!(numbers, [0, 1, 2]);
        }
    }
    assert_eq!(orders.len(), 20, "all of 6 over 3");
}

// --- supervisor ---

#[test]
fn the_counts_tell_of_children_that_are_being_restarted() {
    simulate(|| async {
        let family = Family::default();
        let spec = family.supervisor(Strategy::OneForOne, &["a", "b", "c"]);
        let supervisor = start(spec.backoff(Backoff {
            first: Duration::from_secs(10),
            longest: Duration::from_secs(10),
        }))
        .await;
        let count = |active| ChildCount {
            specs: 3,
            active,
            supervisors: 0,
            workers: 3,
        };
        assert_eq!(supervisor.count_children().await.unwrap(), count(3));
        kill("a");
        kill("b");
        settle().await;
        assert_eq!(supervisor.count_children().await.unwrap(), count(1));
        supervisor.terminate_child("a").await.unwrap();
        retake::sleep(Duration::from_secs(20)).await;
        assert_eq!(supervisor.count_children().await.unwrap(), count(2));
        assert_eq!(children(&supervisor).await, "(a) b c");
    });
}

#[test]
fn a_child_that_never_starts_again_leaves_the_supervisor_able_to_answer() {
    simulate(|| async {
        let family = Family::default();
        let spec = family.supervisor(Strategy::RestForOne, &["a", "b"]);
        let supervisor = start(spec.intensity(2_000, Duration::from_secs(1))).await;
        *family.refuses.lock().unwrap() = 1_000;
        kill("a");
        for _ in 0..20 {
            tokio::task::yield_now().await;
            // It is asked between its tries, and answers.
            supervisor.count_children().await.unwrap();
        }
        let refused = family.take_log().matches("refuses").count();
        assert!((2..1_000).contains(&refused), "{refused} tries so far");
        supervisor.terminate_child("a").await.unwrap();
        let left = *family.refuses.lock().unwrap();
        settle().await;
        assert_eq!(
            *family.refuses.lock().unwrap(),
            left,
            "the tries have ended"
        );
        supervisor.stop().await;
        assert_eq!(status(&supervisor), ActorStatus::Stopped);
    });
}

#[test]
fn each_shutdown_is_as_patient_as_it_says() {
    for (shutdown, log, took_ms) in [
        (Shutdown::Brutal, "slow starts", 0),
        (
            Shutdown::Timeout(Duration::from_millis(300)),
            "slow starts",
            300,
        ),
        (
            Shutdown::Timeout(Duration::from_secs(2)),
            "slow starts, slow stops",
            1_000,
        ),
        (Shutdown::Infinity, "slow starts, slow stops", 1_000),
    ] {
        simulate(move || async move {
            struct Slow(family::Log);
            #[retake::simulated]
            impl Actor for Slow {
                type Msg = ();
                type State = ();
                type Arguments = ();
                async fn pre_start(
                    &self,
                    _: ActorRef<()>,
                    (): (),
                ) -> Result<(), ActorProcessingErr> {
                    self.0.lock().unwrap().push("slow starts".to_owned());
                    Ok(())
                }
                async fn post_stop(
                    &self,
                    _: ActorRef<()>,
                    (): &mut (),
                ) -> Result<(), ActorProcessingErr> {
                    retake::sleep(Duration::from_secs(1)).await;
                    self.0.lock().unwrap().push("slow stops".to_owned());
                    Ok(())
                }
            }
            let family = Family::default();
            let told = family.log.clone();
            let child = ChildSpec::new("slow", move || (Slow(told.clone()), ()));
            let spec = SupervisorSpec::new(Strategy::OneForOne).child(child.shutdown(shutdown));
            let supervisor = start(spec).await;
            let begin = retake::now();
            supervisor.terminate_child("slow").await.unwrap();
            assert_eq!(family.take_log(), log, "{shutdown:?}");
            assert_eq!(
                begin.elapsed(),
                Duration::from_millis(took_ms),
                "{shutdown:?}"
            );
            assert!(retake::where_is("slow").is_none());
        });
    }
}

#[test]
fn restart_type_and_reason_decide_under_every_strategy() {
    for strategy in [
        Strategy::OneForOne,
        Strategy::OneForAll,
        Strategy::RestForOne,
    ] {
        for (restart, reason, expected) in [
            (Restart::Permanent, "normal", "a b"),
            (Restart::Permanent, "shutdown", "a b"),
            (Restart::Permanent, "shutdown: enough", "a b"),
            (Restart::Permanent, "trouble", "a b"),
            (Restart::Transient, "normal", "(a) b"),
            (Restart::Transient, "shutdown", "(a) b"),
            (Restart::Transient, "shutdown: enough", "(a) b"),
            (Restart::Transient, "trouble", "a b"),
            (Restart::Temporary, "normal", "b"),
            (Restart::Temporary, "shutdown", "b"),
            (Restart::Temporary, "shutdown: enough", "b"),
            (Restart::Temporary, "trouble", "b"),
        ] {
            simulate(move || async move {
                let family = Family::default();
                let spec = SupervisorSpec::new(strategy)
                    .child(family.child("a").restart(restart))
                    .child(family.child("b"));
                let supervisor = start(spec).await;
                tell("a", ChildMessage::StopFor(reason));
                settle().await;
                let seen = children(&supervisor).await;
                assert_eq!(seen, expected, "{strategy}, {restart}, {reason}");
            });
        }
    }
}

#[test]
fn thousands_of_temporary_children_come_and_go() {
    struct Brief;
    #[retake::simulated]
    impl Actor for Brief {
        type Msg = ();
        type State = ();
        type Arguments = ();
        async fn pre_start(&self, myself: ActorRef<()>, (): ()) -> Result<(), ActorProcessingErr> {
            myself.stop(None);
            Ok(())
        }
    }
    simulate(|| async {
        let supervisor = start(SupervisorSpec::new(Strategy::SimpleOneForOne)).await;
        for _ in 0..5_000 {
            let child = ChildSpec::new("brief", || (Brief, ())).unregistered();
            let child = child.restart(Restart::Temporary);
            let started = supervisor.start_child(child).await.unwrap();
            assert!(matches!(started, StartedChild::Running(_)));
        }
        settle().await;
        assert_eq!(
            supervisor.count_children().await.unwrap(),
            ChildCount::default()
        );
        assert_eq!(status(&supervisor), ActorStatus::Running);
    });
}

#[test]
fn what_a_dead_child_held_is_free_before_its_successor_starts() {
    struct Holder(Arc<AtomicU32>);
    struct Held(Arc<AtomicU32>);
    impl Drop for Held {
        fn drop(&mut self) {
            self.0.fetch_sub(1, Ordering::Relaxed);
        }
    }
    #[retake::simulated]
    impl Actor for Holder {
        type Msg = ();
        type State = Held;
        type Arguments = ();
        async fn pre_start(&self, _: ActorRef<()>, (): ()) -> Result<Held, ActorProcessingErr> {
            if self.0.fetch_add(1, Ordering::Relaxed) > 0 {
                self.0.fetch_sub(1, Ordering::Relaxed);
                return Err("somebody holds it".into());
            }
            Ok(Held(Arc::clone(&self.0)))
        }
        async fn handle(
            &self,
            myself: ActorRef<()>,
            (): (),
            _: &mut Held,
        ) -> Result<(), ActorProcessingErr> {
            myself.stop(None);
            Ok(())
        }
    }
    for_seeds(50, || async {
        let holders = Arc::new(AtomicU32::new(0));
        let child = ChildSpec::new("holder", move || (Holder(Arc::clone(&holders)), ()));
        let spec = SupervisorSpec::new(Strategy::OneForOne).child(child);
        let supervisor = start(spec.intensity(2, Duration::from_secs(1))).await;
        for end in ["kill", "stop"] {
            let holder = retake::where_is("holder").unwrap();
            match end {
                "kill" => holder.kill(),
                _ => ActorRef::<()>::from(holder).cast(()).unwrap(),
            }
            settle().await;
        }
        // A start that failed would have been a third restart.
        assert_eq!(children(&supervisor).await, "holder");
    });
}

// --- pool ---

struct Seat;

#[retake::simulated]
impl Actor for Seat {
    type Msg = ();
    type State = ();
    type Arguments = Arc<AtomicU32>;
    async fn pre_start(
        &self,
        _: ActorRef<()>,
        left: Arc<AtomicU32>,
    ) -> Result<(), ActorProcessingErr> {
        let taken = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |it| it.checked_sub(1));
        taken.map(drop).map_err(|_| "out of seats".into())
    }
}

const TIMEOUT: Duration = Duration::from_secs(5);

async fn seats(size: u32, max_overflow: u32, left: u32) -> PoolRef<()> {
    let left = Arc::new(AtomicU32::new(left));
    let config = PoolConfig {
        size,
        max_overflow,
        ..PoolConfig::default()
    };
    PoolRef::start("pool", config, move |_| (Seat, Arc::clone(&left)))
        .await
        .unwrap()
}

#[test]
fn a_pool_without_workers_of_its_own_lends_overflow_only() {
    simulate(|| async {
        let pool = seats(0, 1, 10).await;
        assert_eq!(pool.status().await.unwrap().idle, 0);
        let lease = pool.checkout(TIMEOUT).await.unwrap();
        assert_eq!(pool.try_checkout().await.unwrap_err(), CheckoutError::Full);
        drop(lease);
        settle().await;
        let status = pool.status().await.unwrap();
        assert_eq!((status.idle, status.overflow, status.leased), (0, 0, 0));
        assert!(retake::where_is("pool/worker-1").is_none(), "dismissed");
    });
}

#[test]
fn a_pool_fails_when_a_replacement_does_not_start_and_its_clients_learn_of_it() {
    // Idle; lent without anybody waiting; lent with somebody waiting.
    for (is_lent, waits) in [(false, false), (true, false), (true, true)] {
        simulate(move || async move {
            let pool = seats(1, 0, 1).await;
            let worker = retake::where_is("pool/worker-1").unwrap();
            let _lease = match is_lent {
                true => Some(pool.checkout(TIMEOUT).await.unwrap()),
                false => None,
            };
            let waiter = waits.then(|| {
                let pool = pool.clone();
                retake::spawn(async move { pool.checkout(TIMEOUT).await.map(drop) })
            });
            settle().await;
            worker.kill();
            if let Some(waiter) = waiter {
                assert_eq!(waiter.await.unwrap(), Err(CheckoutError::Closed));
            }
            settle().await;
            assert_eq!(pool.status().await.unwrap_err(), CheckoutError::Closed);
        });
    }
}

#[test]
fn a_worker_that_dies_as_it_is_given_back_neither_leaks_nor_is_lent_again() {
    let orders: std::collections::BTreeSet<bool> = (0..100)
        .map(|seed| {
            let sim = Sim::new().seed(seed).isolation(Isolation::Inline);
            let run = sim.run(|| async {
                let pool = seats(1, 0, 10).await;
                let lease = pool.checkout(TIMEOUT).await.unwrap();
                let worker = (*lease).clone();
                let killer = retake::spawn(async move { worker.kill() });
                let giver = retake::spawn(async move { lease.check_in() });
                // Comes in between, before or after.
                let early = pool.checkout(TIMEOUT).await.unwrap();
                let was_alive = early.get_status() == ActorStatus::Running;
                killer.await.unwrap();
                giver.await.unwrap();
                drop(early);
                settle().await;
                let status = pool.status().await.unwrap();
                assert_eq!((status.idle, status.overflow, status.leased), (1, 0, 0));
                let lease = pool.checkout(TIMEOUT).await.unwrap();
                assert_eq!(lease.get_status(), ActorStatus::Running);
                was_alive
            });
            run.expect_passed()
        })
        .collect();
    assert!(orders.contains(&true));
}

#[test]
fn a_client_that_gives_up_as_it_is_served_gives_the_worker_back() {
    for_seeds(200, || async {
        let pool = seats(1, 0, 10).await;
        let lease = pool.checkout(TIMEOUT).await.unwrap();
        let waiter = {
            let pool = pool.clone();
            let patience = Duration::from_millis(10);
            retake::spawn(async move { pool.checkout(patience).await.is_ok() })
        };
        // At the same instant of virtual time.
        retake::sleep(Duration::from_millis(10)).await;
        drop(lease);
        waiter.await.unwrap();
        settle().await;
        let status = pool.status().await.unwrap();
        assert_eq!((status.idle, status.leased, status.waiting), (1, 0, 0));
    });
}

#[test]
fn a_supervised_pool_comes_back_under_its_name() {
    simulate(|| async {
        let spec = SupervisorSpec::new(Strategy::OneForOne).child(ChildSpec::new("pool", || {
            let left = Arc::new(AtomicU32::new(10));
            let make = move |_| (Seat, Arc::clone(&left));
            let config = PoolConfig {
                size: 2,
                ..PoolConfig::default()
            };
            (retake_otp::Pool::new("pool", make), config)
        }));
        let _supervisor = SupervisorRef::start(None, spec).await.unwrap();
        let pool: PoolRef<()> = PoolRef::new("pool");
        let lease = pool.checkout(TIMEOUT).await.unwrap();
        kill("pool");
        settle().await;
        assert_eq!(
            lease.get_status(),
            ActorStatus::Stopped,
            "its workers go along"
        );
        assert_eq!(pool.status().await.unwrap().idle, 2);
        // A lease of the pool that was is nothing to the one that is.
        drop(lease);
        settle().await;
        assert_eq!(pool.status().await.unwrap().idle, 2);
    });
}
