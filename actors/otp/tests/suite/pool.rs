//! The pool lends, queues and replaces workers as poolboy does.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use ractor::{Actor, ActorProcessingErr, ActorRef};
use rand_distr::{Bernoulli, Distribution, Uniform};
use retake_otp::pool::{Order, PoolState};
use retake_otp::{CheckoutError, Lease, PoolConfig, PoolRef, PoolStatus};
use retake_sim::Sim;

struct Idler;

#[retake::simulated]
impl Actor for Idler {
    type Msg = ();
    type State = u32;
    type Arguments = u32;

    async fn pre_start(&self, _: ActorRef<()>, number: u32) -> Result<u32, ActorProcessingErr> {
        Ok(number)
    }
}

const TIMEOUT: Duration = Duration::from_secs(5);

async fn start(size: u32, max_overflow: u32, order: Order) -> PoolRef<()> {
    let config = PoolConfig {
        size,
        max_overflow,
        order,
        max_waiting: None,
    };
    PoolRef::start("pool", config, |number| (Idler, number))
        .await
        .unwrap()
}

async fn settle() {
    retake::sleep(Duration::from_millis(1)).await;
}

fn name(lease: &Lease<()>) -> String {
    let name = lease.get_name().unwrap();
    // Inside a simulation names carry the number of the run.
    name.split('@').next().unwrap().to_owned()
}

async fn counts(pool: &PoolRef<()>) -> (PoolState, usize, u32, usize, usize) {
    let PoolStatus {
        state,
        idle,
        overflow,
        leased,
        waiting,
        ..
    } = pool.status().await.unwrap();
    (state, idle, overflow, leased, waiting)
}

fn simulate<F, Fut>(scenario: F)
where
    F: Fn() -> Fut + Send + Sync + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    Sim::new().seed(5).run(scenario).expect_passed();
}

#[test]
fn workers_are_lent_then_started_then_queued_for() {
    simulate(|| async {
        let pool = start(2, 1, Order::Lifo).await;
        assert_eq!(counts(&pool).await, (PoolState::Ready, 2, 0, 0, 0));
        let first = pool.checkout(TIMEOUT).await.unwrap();
        let second = pool.checkout(TIMEOUT).await.unwrap();
        assert_eq!(counts(&pool).await, (PoolState::Overflow, 0, 0, 2, 0));
        let third = pool.try_checkout().await.unwrap();
        assert_eq!(counts(&pool).await, (PoolState::Full, 0, 1, 3, 0));
        assert_eq!(pool.try_checkout().await.unwrap_err(), CheckoutError::Full);
        let before = retake::now();
        assert_eq!(
            pool.checkout(TIMEOUT).await.unwrap_err(),
            CheckoutError::Timeout(TIMEOUT)
        );
        assert_eq!(before.elapsed(), TIMEOUT);
        assert_eq!(
            counts(&pool).await,
            (PoolState::Full, 0, 1, 3, 0),
            "nobody waits any more"
        );
        drop(first);
        settle().await;
        assert_eq!(
            counts(&pool).await,
            (PoolState::Overflow, 0, 0, 2, 0),
            "one too many is dismissed"
        );
        drop((second, third));
        settle().await;
        assert_eq!(counts(&pool).await, (PoolState::Ready, 2, 0, 0, 0));
    });
}

#[test]
fn the_order_decides_which_idle_worker_is_next() {
    for (order, expected) in [
        (Order::Lifo, "pool/worker-1"),
        (Order::Fifo, "pool/worker-2"),
    ] {
        simulate(move || async move {
            let pool = start(3, 0, order).await;
            let leases = [
                pool.checkout(TIMEOUT).await.unwrap(),
                pool.checkout(TIMEOUT).await.unwrap(),
                pool.checkout(TIMEOUT).await.unwrap(),
            ];
            let mut leases = leases.map(|lease| (name(&lease), lease));
            leases.sort_by(|a, b| a.0.cmp(&b.0));
            let [one, two, three] = leases;
            drop(two);
            settle().await;
            drop(three);
            settle().await;
            drop(one);
            settle().await;
            // Given back in the order 2, 3, 1.
            assert_eq!(name(&pool.checkout(TIMEOUT).await.unwrap()), expected);
        });
    }
}

#[test]
fn waiters_are_served_in_order_and_one_that_gave_up_is_passed_over() {
    simulate(|| async {
        let pool = start(1, 0, Order::Lifo).await;
        let held = pool.checkout(TIMEOUT).await.unwrap();
        let served = Arc::new(Mutex::new(Vec::new()));
        for client in 0..5_u32 {
            let (pool, served) = (pool.clone(), served.clone());
            retake::spawn(async move {
                retake::sleep(Duration::from_millis(u64::from(client))).await;
                let patience = Duration::from_millis(if client == 2 { 1 } else { 1000 });
                if pool.checkout(patience).await.is_ok() {
                    served.lock().unwrap().push(client);
                }
            });
        }
        retake::sleep(Duration::from_millis(50)).await;
        assert_eq!(pool.status().await.unwrap().waiting, 4);
        drop(held);
        settle().await;
        assert_eq!(*served.lock().unwrap(), [0, 1, 3, 4]);
        assert_eq!(counts(&pool).await, (PoolState::Ready, 1, 0, 0, 0));
        assert_eq!(pool.status().await.unwrap().waiting_max, 4);
    });
}

#[test]
fn a_dead_worker_is_replaced_or_not_as_the_pool_needs() {
    simulate(|| async {
        let pool = start(1, 1, Order::Lifo).await;
        retake::where_is("pool/worker-1").unwrap().kill();
        settle().await;
        assert_eq!(
            counts(&pool).await,
            (PoolState::Ready, 1, 0, 0, 0),
            "an idle one is replaced"
        );

        let first = pool.checkout(TIMEOUT).await.unwrap();
        let second = pool.checkout(TIMEOUT).await.unwrap();
        second.kill();
        settle().await;
        assert_eq!(
            counts(&pool).await,
            (PoolState::Overflow, 0, 0, 1, 0),
            "one beyond the size is not"
        );
        drop(second);
        settle().await;
        assert_eq!(
            counts(&pool).await,
            (PoolState::Overflow, 0, 0, 1, 0),
            "giving a dead one back changes nothing"
        );

        first.kill();
        settle().await;
        assert_eq!(
            counts(&pool).await,
            (PoolState::Ready, 1, 0, 0, 0),
            "a lent one within the size is"
        );

        let held = [
            pool.checkout(TIMEOUT).await.unwrap(),
            pool.checkout(TIMEOUT).await.unwrap(),
        ];
        let waiting = pool.clone();
        let waiter = retake::spawn(async move {
            waiting
                .checkout(TIMEOUT)
                .await
                .map(|lease| lease.get_status())
        });
        settle().await;
        held[0].kill();
        assert_eq!(
            waiter.await.unwrap(),
            Ok(ractor::ActorStatus::Running),
            "a waiter gets the replacement"
        );
    });
}

#[test]
fn a_client_that_dies_gives_its_worker_back_and_leaves_the_queue() {
    simulate(|| async {
        let pool = start(1, 0, Order::Lifo).await;
        let client = |pool: PoolRef<()>| {
            retake::spawn(async move {
                let _lease = pool.checkout(TIMEOUT).await.unwrap();
                retake::sleep(Duration::from_secs(100)).await;
            })
        };
        let holder = client(pool.clone());
        settle().await;
        let waiter = client(pool.clone());
        settle().await;
        assert_eq!(counts(&pool).await, (PoolState::Full, 0, 0, 1, 1));
        waiter.abort();
        settle().await;
        assert_eq!(counts(&pool).await, (PoolState::Full, 0, 0, 1, 0));
        holder.abort();
        settle().await;
        assert_eq!(counts(&pool).await, (PoolState::Ready, 1, 0, 0, 0));
    });
}

#[test]
fn a_transaction_gives_back_also_when_its_work_fails() {
    simulate(|| async {
        let pool = start(1, 0, Order::Lifo).await;
        let failed = pool
            .transaction(TIMEOUT, |_| async { Err::<(), _>("no") })
            .await
            .unwrap();
        assert_eq!(failed, Err("no"));
        settle().await;
        assert_eq!(counts(&pool).await, (PoolState::Ready, 1, 0, 0, 0));
    });
}

#[test]
fn a_pool_that_is_gone_says_so() {
    simulate(|| async {
        let pool = start(1, 0, Order::Lifo).await;
        let held = pool.checkout(TIMEOUT).await.unwrap();
        let waiting = pool.clone();
        let waiter = retake::spawn(async move { waiting.checkout(TIMEOUT).await.unwrap_err() });
        settle().await;
        let actor = retake::where_is("pool").unwrap();
        actor.stop_and_wait(None, None).await.unwrap();
        assert_eq!(waiter.await.unwrap(), CheckoutError::Closed);
        assert_eq!(
            pool.try_checkout().await.unwrap_err(),
            CheckoutError::Closed
        );
        assert!(
            retake::where_is("pool/worker-1").is_none(),
            "workers end with their pool"
        );
        drop(held);
    });
}

/// Clients that wait, hold, give up and die, while workers are killed: in the
/// end nothing is leased, nobody waits, and all workers are there.
#[test]
fn no_worker_and_no_waiter_is_lost_under_any_schedule() {
    for seed in 0..300 {
        let run = Sim::new().seed(seed).run(|| async {
            let pool = start(2, 2, Order::Lifo).await;
            let clients: Vec<_> = (0..8)
                .map(|client| {
                    let pool = pool.clone();
                    retake::spawn(async move {
                        for _ in 0..5 {
                            let patience = draw(0, 30);
                            let Ok(lease) = pool.checkout(patience).await else {
                                continue;
                            };
                            assert!(lease.get_name().is_some());
                            retake::sleep(draw(0, 20)).await;
                            match client % 4 {
                                0 if chance(0.2) => lease.kill(),
                                1 if chance(0.2) => return,
                                _ => {}
                            }
                        }
                    })
                })
                .collect();
            for (at, client) in clients.iter().enumerate() {
                if at % 3 == 2 {
                    retake::sleep(draw(5, 20)).await;
                    client.abort();
                }
            }
            for client in clients {
                // An aborted one gives an error.
                let _ = client.await;
            }
            settle().await;
            assert_eq!(counts(&pool).await, (PoolState::Ready, 2, 0, 0, 0));
        });
        run.expect_passed();
    }
}

fn draw(low_ms: u64, high_ms: u64) -> Duration {
    Duration::from_micros(
        Uniform::new(low_ms * 1000, high_ms * 1000)
            .unwrap()
            .sample(&mut retake::rng()),
    )
}

fn chance(probability: f64) -> bool {
    Bernoulli::new(probability)
        .unwrap()
        .sample(&mut retake::rng())
}

#[test]
fn a_queue_with_a_bound_rejects_those_who_come_too_late() {
    simulate(|| async {
        let config = PoolConfig {
            size: 1,
            max_overflow: 0,
            max_waiting: Some(2),
            ..PoolConfig::default()
        };
        let pool = PoolRef::start("pool", config, |number| (Idler, number));
        let pool = pool.await.unwrap();
        let lease = pool.checkout(TIMEOUT).await.unwrap();
        let wait = || {
            let pool = pool.clone();
            retake::spawn(async move { pool.checkout(TIMEOUT).await.map(drop) })
        };
        let waiting = [wait(), wait()];
        settle().await;
        let error = pool.checkout(TIMEOUT).await.unwrap_err();
        assert_eq!(error, CheckoutError::QueueFull(2));
        assert!(error.to_string().contains("2 clients wait already"));
        retake::sleep(Duration::from_secs(1)).await;
        drop(lease);
        for client in waiting {
            assert_eq!(client.await.unwrap(), Ok(()));
        }
        let served = pool.status().await.unwrap().counts;
        assert_eq!(
            (
                served.at_once,
                served.after_waiting,
                served.given_up,
                served.refused
            ),
            (1, 2, 0, 1)
        );
        assert_eq!(served.waited_longest, Duration::from_millis(1001));
        assert_eq!(served.mean_wait(), Duration::from_millis(1001));
    });
}

#[test]
fn anybody_may_give_any_worker_back_and_more_than_once() {
    simulate(|| async {
        let pool = start(1, 1, Order::Lifo).await;
        let lease = pool.checkout(TIMEOUT).await.unwrap();
        let worker = lease.clone();
        pool.check_in(&worker);
        pool.check_in(&worker);
        settle().await;
        assert_eq!(counts(&pool).await, (PoolState::Ready, 1, 0, 0, 0));
        let other = pool.checkout(TIMEOUT).await.unwrap();
        drop(lease);
        settle().await;
        assert_eq!(
            counts(&pool).await,
            (PoolState::Overflow, 0, 0, 1, 0),
            "a lease that is over gives nothing back"
        );
        let (foreign, _) = Actor::spawn(None, Idler, 0).await.unwrap();
        pool.check_in(&foreign);
        other.kill();
        settle().await;
        pool.check_in(&other);
        settle().await;
        assert_eq!(counts(&pool).await, (PoolState::Ready, 1, 0, 0, 0));
    });
}

#[test]
fn a_worker_kept_without_its_lease_stays_lent_until_it_is_checked_in() {
    simulate(|| async {
        let pool = start(1, 0, Order::Lifo).await;
        let worker = pool.checkout(TIMEOUT).await.unwrap().into_worker();
        settle().await;
        assert_eq!(pool.try_checkout().await.unwrap_err(), CheckoutError::Full);
        pool.check_in(&worker);
        assert_eq!(pool.try_checkout().await.unwrap().get_id(), worker.get_id());
    });
}

#[test]
fn a_pool_whose_worker_does_not_start_does_not_start() {
    struct Broken;
    #[retake::simulated]
    impl Actor for Broken {
        type Msg = ();
        type State = ();
        type Arguments = u32;
        async fn pre_start(&self, _: ActorRef<()>, number: u32) -> Result<(), ActorProcessingErr> {
            if number < 3 {
                Ok(())
            } else {
                Err("out of seats".into())
            }
        }
    }
    simulate(|| async {
        let config = |size| PoolConfig {
            size,
            max_overflow: 1,
            ..PoolConfig::default()
        };
        let error = PoolRef::start("pool", config(5), |number| (Broken, number)).await;
        assert!(error.unwrap_err().to_string().contains("out of seats"));
        assert!(retake::where_is("pool/worker-1").is_none());
        let pool = PoolRef::start("pool", config(2), |number| (Broken, number));
        let pool = pool.await.unwrap();
        let _leases = [pool.checkout(TIMEOUT).await, pool.checkout(TIMEOUT).await];
        assert_eq!(
            pool.checkout(TIMEOUT).await.unwrap_err(),
            CheckoutError::Closed
        );
    });
}

#[test]
fn a_pool_that_stops_takes_its_workers_along_and_tells_those_who_wait() {
    simulate(|| async {
        let pool = start(1, 0, Order::Lifo).await;
        let lease = pool.checkout(TIMEOUT).await.unwrap();
        let waits = {
            let pool = pool.clone();
            retake::spawn(async move { pool.checkout(TIMEOUT).await.map(drop) })
        };
        settle().await;
        pool.stop().await;
        assert_eq!(lease.get_status(), ractor::ActorStatus::Stopped);
        assert_eq!(waits.await.unwrap(), Err(CheckoutError::Closed));
        assert_eq!(pool.status().await, Err(CheckoutError::Closed));
        pool.stop().await;
    });
}
