//! Pools, after `poolboy_tests`.

use std::time::Duration;

use ractor::{Actor, ActorCell, ActorProcessingErr, ActorRef, ActorStatus, RpcReplyPort};
use retake_otp::pool::{CHECKOUT_TIMEOUT, Order, Pool, PoolState};
use retake_otp::supervisor::{ChildKind, Restart, Shutdown, Strategy, SupervisorSpec};
use retake_otp::{CallError, CheckoutError, Lease, PoolConfig, PoolRef, call};

use crate::family::settle;
use crate::under_seeds;

/// Poolboy's test worker: answers, hangs, dies.
struct Worker;

#[derive(Debug)]
enum Ask {
    Echo(u32, RpcReplyPort<u32>),
    Hang(RpcReplyPort<u32>),
    Die,
}

#[retake::simulated]
impl Actor for Worker {
    type Msg = Ask;
    type State = ();
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<Ask>, (): ()) -> Result<(), ActorProcessingErr> {
        Ok(())
    }

    async fn handle(
        &self,
        myself: ActorRef<Ask>,
        ask: Ask,
        (): &mut (),
    ) -> Result<(), ActorProcessingErr> {
        match ask {
            Ask::Echo(number, reply) => Ok(reply.send(number)?),
            Ask::Hang(_reply) => {
                retake::sleep(Duration::from_secs(1000)).await;
                Ok(())
            }
            Ask::Die => {
                myself.stop(Some("as asked".to_owned()));
                Ok(())
            }
        }
    }
}

async fn start(size: u32, max_overflow: u32, order: Order) -> PoolRef<Ask> {
    let config = PoolConfig {
        size,
        max_overflow,
        order,
        max_waiting: None,
    };
    PoolRef::start("pool", config, |_| (Worker, ()))
        .await
        .unwrap()
}

async fn take(pool: &PoolRef<Ask>) -> Lease<Ask> {
    pool.checkout(CHECKOUT_TIMEOUT).await.unwrap()
}

async fn take_all(pool: &PoolRef<Ask>, number: usize) -> Vec<Lease<Ask>> {
    let mut leases = Vec::new();
    for _ in 0..number {
        leases.push(take(pool).await);
    }
    leases
}

/// Idle workers, all workers, and leases: poolboy's `get_avail_workers`,
/// `get_all_workers` and `get_all_monitors`.
async fn numbers(pool: &PoolRef<Ask>) -> (usize, usize, usize) {
    settle().await;
    let status = pool.status().await.unwrap();
    (status.idle, status.idle + status.leased, status.leased)
}

#[test]
fn a_started_pool_has_its_workers_and_lends_and_replaces_them() {
    under_seeds(3, || async {
        let pool = start(10, 5, Order::Lifo).await;
        assert_eq!(numbers(&pool).await, (10, 10, 0));
        let lease = take(&pool).await;
        assert_eq!(numbers(&pool).await, (9, 10, 1));
        let worker = (*lease).clone();
        lease.check_in();
        assert_eq!(numbers(&pool).await, (10, 10, 0));
        worker.cast(Ask::Die).unwrap();
        assert_eq!(numbers(&pool).await, (10, 10, 0));
        assert_eq!(worker.get_status(), ActorStatus::Stopped);
    });
}

#[test]
fn workers_beyond_the_size_are_started_and_dismissed_one_by_one() {
    under_seeds(3, || async {
        let pool = start(5, 5, Order::Lifo).await;
        let mut leases = take_all(&pool, 7).await;
        assert_eq!(numbers(&pool).await, (0, 7, 7));
        let mut seen = Vec::new();
        while leases.pop().is_some() {
            seen.push(numbers(&pool).await);
        }
        let expected = [
            (0, 6, 6),
            (0, 5, 5),
            (1, 5, 4),
            (2, 5, 3),
            (3, 5, 2),
            (4, 5, 1),
            (5, 5, 0),
        ];
        assert_eq!(seen, expected);
    });
}

#[test]
fn an_empty_pool_lets_clients_wait_and_serves_each_when_a_worker_comes_back() {
    for max_overflow in [0, 2] {
        under_seeds(3, move || async move {
            let pool = start(5, max_overflow, Order::Lifo).await;
            let all = 5 + max_overflow as usize;
            let leases = take_all(&pool, all).await;
            let short = Duration::from_millis(50);
            let late = pool.checkout(short).await.unwrap_err();
            assert_eq!(late, CheckoutError::Timeout(short));
            let waiter = {
                let pool = pool.clone();
                retake::spawn(async move { take(&pool).await })
            };
            assert_eq!(numbers(&pool).await, (0, all, all));
            drop(leases);
            let lease = waiter.await.unwrap();
            assert_eq!(numbers(&pool).await, (4, 5, 1));
            drop(lease);
            assert_eq!(numbers(&pool).await, (5, 5, 0));
        });
    }
}

#[test]
fn a_worker_that_dies_is_replaced_unless_it_was_one_too_many() {
    under_seeds(3, || async {
        let pool = start(5, 2, Order::Lifo).await;
        take(&pool).await.cast(Ask::Die).unwrap();
        assert_eq!(numbers(&pool).await, (5, 5, 0));
        let leases = take_all(&pool, 7).await;
        assert_eq!(numbers(&pool).await, (0, 7, 7));
        for (place, expected) in [(0, (0, 6, 6)), (1, (0, 5, 5)), (2, (1, 5, 4))] {
            leases[place].kill();
            assert_eq!(numbers(&pool).await, expected);
        }
    });
}

#[test]
fn a_worker_that_dies_while_the_pool_is_full_makes_room_for_a_waiter() {
    for max_overflow in [0, 2] {
        under_seeds(3, move || async move {
            let pool = start(5, max_overflow, Order::Lifo).await;
            let all = 5 + max_overflow as usize;
            let leases = take_all(&pool, all).await;
            let waiter = {
                let pool = pool.clone();
                retake::spawn(async move { take(&pool).await })
            };
            settle().await;
            leases[0].kill();
            let served = waiter.await.unwrap();
            assert_eq!(call(&served, |it| Ask::Echo(7, it), None).await, Ok(7));
            assert_eq!(numbers(&pool).await, (0, all, all));
            // Nobody waits now.
            leases[1].kill();
            let (idle, workers) = match max_overflow {
                0 => (1, 5),
                _ => (0, all - 1),
            };
            assert_eq!(numbers(&pool).await, (idle, workers, all - 1));
        });
    }
}

#[test]
fn a_worker_that_dies_right_after_its_start_is_replaced() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    /// Fails as soon as it has started, for the first few times.
    struct Sickly(Arc<AtomicU32>);
    #[retake::simulated]
    impl Actor for Sickly {
        type Msg = Ask;
        type State = ();
        type Arguments = ();
        async fn pre_start(&self, _: ActorRef<Ask>, (): ()) -> Result<(), ActorProcessingErr> {
            Ok(())
        }
        async fn post_start(
            &self,
            _: ActorRef<Ask>,
            (): &mut (),
        ) -> Result<(), ActorProcessingErr> {
            let left = self.0.load(Ordering::Relaxed);
            self.0.store(left.saturating_sub(1), Ordering::Relaxed);
            match left {
                0 => Ok(()),
                _ => Err("not well".into()),
            }
        }
    }
    under_seeds(20, || async {
        let left = Arc::new(AtomicU32::new(4));
        let sickly = Arc::clone(&left);
        let config = PoolConfig {
            size: 2,
            max_overflow: 1,
            ..PoolConfig::default()
        };
        let make = move |_| (Sickly(Arc::clone(&sickly)), ());
        let pool = PoolRef::start("pool", config, make).await.unwrap();
        // Some are lent at once, before they fail.
        let leases = take_all(&pool, 3).await;
        settle().await;
        drop(leases);
        assert_eq!(numbers(&pool).await, (2, 2, 0));
        assert_eq!(left.load(Ordering::Relaxed), 0);
        let leases = take_all(&pool, 3).await;
        for lease in &leases {
            assert_ne!(lease.get_status(), ActorStatus::Stopped);
        }
    });
}

#[test]
fn who_does_not_wait_is_told_that_the_pool_is_full() {
    for max_overflow in [0, 5] {
        under_seeds(3, move || async move {
            let pool = start(5, max_overflow, Order::Lifo).await;
            let mut leases = Vec::new();
            for _ in 0..5 + max_overflow {
                leases.push(pool.try_checkout().await.unwrap());
            }
            for _ in 0..2 {
                assert_eq!(pool.try_checkout().await.unwrap_err(), CheckoutError::Full);
            }
            drop(leases.pop());
            settle().await;
            leases.push(pool.try_checkout().await.unwrap());
            assert_eq!(pool.try_checkout().await.unwrap_err(), CheckoutError::Full);
        });
    }
}

/// Borrows in its handler and does what it is told; what it is to keep it keeps in
/// its state.
struct Client(PoolRef<Ask>);

#[derive(Debug)]
enum Errand {
    Keep,
    Panic,
    Fail,
    Hang,
    PanicInTransaction,
}

#[retake::simulated]
impl Actor for Client {
    type Msg = Errand;
    type State = Vec<Lease<Ask>>;
    type Arguments = ();

    async fn pre_start(
        &self,
        _: ActorRef<Errand>,
        (): (),
    ) -> Result<Self::State, ActorProcessingErr> {
        Ok(Vec::new())
    }

    async fn handle(
        &self,
        _: ActorRef<Errand>,
        errand: Errand,
        kept: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        if matches!(errand, Errand::PanicInTransaction) {
            let work = |_| async { panic!("as asked") };
            return Ok(self.0.transaction(CHECKOUT_TIMEOUT, work).await?);
        }
        let lease = self.0.checkout(CHECKOUT_TIMEOUT).await?;
        match errand {
            Errand::Keep => kept.push(lease),
            Errand::Panic | Errand::PanicInTransaction => panic!("as asked"),
            Errand::Fail => return Err("as asked".into()),
            Errand::Hang => retake::sleep(Duration::from_secs(1000)).await,
        }
        Ok(())
    }
}

/// Outlives its clients, and hears of their ends.
struct Parent;

#[retake::simulated]
impl Actor for Parent {
    type Msg = ();
    type State = ();
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<()>, (): ()) -> Result<(), ActorProcessingErr> {
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        _: ActorRef<()>,
        _: ractor::SupervisionEvent,
        (): &mut (),
    ) -> Result<(), ActorProcessingErr> {
        Ok(())
    }
}

async fn client(pool: &PoolRef<Ask>, parent: &ActorRef<()>) -> ActorRef<Errand> {
    let client = Client(pool.clone());
    let started = Actor::spawn_linked(None, client, (), parent.get_cell());
    started.await.unwrap().0
}

#[test]
fn the_worker_of_a_client_that_dies_comes_back_however_it_dies() {
    type End = fn(&ActorCell);
    let kill: End = |client| client.kill();
    let stop: End = |client| client.stop(None);
    let nothing: End = |_| {};
    let cases: [(fn() -> Errand, End); 6] = [
        (|| Errand::Keep, kill),
        (|| Errand::Keep, stop),
        (|| Errand::Hang, kill),
        (|| Errand::Panic, nothing),
        (|| Errand::Fail, nothing),
        (|| Errand::PanicInTransaction, nothing),
    ];
    for (number, (errand, end)) in cases.into_iter().enumerate() {
        under_seeds(10, move || async move {
            let pool = start(5, 0, Order::Lifo).await;
            let (parent, _) = Actor::spawn(None, Parent, ()).await.unwrap();
            let client = client(&pool, &parent).await;
            client.cast(errand()).unwrap();
            settle().await;
            end(&client.get_cell());
            client.wait(None).await.unwrap();
            assert_eq!(numbers(&pool).await, (5, 5, 0), "case {number}");
            assert_eq!(pool.status().await.unwrap().waiting, 0);
            let lease = take(&pool).await;
            assert_eq!(lease.get_status(), ActorStatus::Running);
        });
    }
}

#[test]
fn a_client_that_dies_while_it_waits_is_passed_over() {
    under_seeds(10, || async {
        let pool = start(1, 0, Order::Lifo).await;
        let lease = take(&pool).await;
        let (parent, _) = Actor::spawn(None, Parent, ()).await.unwrap();
        let dies = client(&pool, &parent).await;
        dies.cast(Errand::Keep).unwrap();
        let aborted = {
            let pool = pool.clone();
            retake::spawn(async move { take(&pool).await })
        };
        settle().await;
        let lives = client(&pool, &parent).await;
        lives.cast(Errand::Keep).unwrap();
        settle().await;
        assert_eq!(pool.status().await.unwrap().waiting, 3);
        dies.kill();
        aborted.abort();
        settle().await;
        assert_eq!(pool.status().await.unwrap().waiting, 1);
        drop(lease);
        assert_eq!(numbers(&pool).await, (0, 1, 1));
        lives.kill();
        assert_eq!(numbers(&pool).await, (1, 1, 0));
        assert_eq!(pool.status().await.unwrap().counts.given_up, 2);
    });
}

#[test]
fn a_transaction_checks_in_whatever_becomes_of_it() {
    under_seeds(3, || async {
        let pool = start(2, 0, Order::Lifo).await;
        let answer = pool.transaction(CHECKOUT_TIMEOUT, async |worker| {
            call(&worker, |it| Ask::Echo(3, it), None).await
        });
        assert_eq!(answer.await, Ok(Ok(3)));
        assert_eq!(numbers(&pool).await, (2, 2, 0));
        // It fails: the failure goes to the client as it is.
        let failed = pool.transaction(CHECKOUT_TIMEOUT, async |worker| {
            assert_eq!(pool.status().await.unwrap().leased, 1);
            drop(worker);
            Err::<(), _>("it threw")
        });
        assert_eq!(failed.await, Ok(Err("it threw")));
        assert_eq!(numbers(&pool).await, (2, 2, 0));
        // Its client is cancelled in the middle.
        let cancelled = {
            let pool = pool.clone();
            retake::spawn(async move {
                let work = |_| retake::sleep(Duration::from_secs(100));
                pool.transaction(CHECKOUT_TIMEOUT, work).await
            })
        };
        assert_eq!(numbers(&pool).await, (1, 2, 1));
        cancelled.abort();
        assert_eq!(numbers(&pool).await, (2, 2, 0));
    });
}

#[test]
fn the_time_of_a_transaction_is_for_the_checkout_only() {
    under_seeds(3, || async {
        let pool = start(1, 0, Order::Lifo).await;
        let short = Duration::from_millis(10);
        let long = || {
            let pool = pool.clone();
            retake::spawn(async move {
                let work = |_| retake::sleep(100 * short);
                pool.transaction(short, work).await
            })
        };
        let works = long();
        settle().await;
        assert_eq!(
            long().await.unwrap(),
            Err(CheckoutError::Timeout(short)),
            "nobody works less than that"
        );
        assert_eq!(works.await.unwrap(), Ok(()));
    });
}

#[test]
fn a_worker_that_hangs_in_a_transaction_times_out_without_harm_to_the_pool() {
    under_seeds(3, || async {
        let pool = start(1, 0, Order::Lifo).await;
        let short = Duration::from_millis(10);
        for _ in 0..3 {
            let answer = pool.transaction(CHECKOUT_TIMEOUT, async |worker| {
                let answer = call(&worker, Ask::Hang, Some(short)).await;
                worker.kill();
                answer
            });
            assert_eq!(answer.await, Ok(Err(CallError::Timeout(short))));
        }
        assert_eq!(numbers(&pool).await, (1, 1, 0));
    });
}

#[test]
fn the_status_says_how_much_room_there_is() {
    use PoolState::{Full, Overflow, Ready};
    let cases: [(u32, u32, &[PoolState]); 5] = [
        (2, 0, &[Ready, Ready, Full]),
        (2, 1, &[Ready, Ready, Overflow, Full]),
        (0, 2, &[Overflow, Overflow, Full]),
        (0, 0, &[Full]),
        (1, 2, &[Ready, Overflow, Overflow, Full]),
    ];
    for (size, max_overflow, states) in cases {
        under_seeds(1, move || async move {
            let pool = start(size, max_overflow, Order::Lifo).await;
            let mut leases = Vec::new();
            for (leased, state) in states.iter().enumerate() {
                let status = pool.status().await.unwrap();
                let expected = (
                    *state,
                    (size as usize).saturating_sub(leased),
                    leased.saturating_sub(size as usize),
                    leased,
                );
                let seen = (
                    status.state,
                    status.idle,
                    status.overflow as usize,
                    status.leased,
                );
                assert_eq!(seen, expected, "{leased} of {size} + {max_overflow}");
                if leased + 1 < states.len() {
                    leases.push(take(&pool).await);
                }
            }
        });
    }
}

#[test]
fn a_checkout_that_is_cancelled_leaves_nothing_behind() {
    under_seeds(20, || async {
        let pool = start(1, 0, Order::Lifo).await;
        let lease = take(&pool).await;
        for _ in 0..5 {
            let short = Duration::from_millis(1);
            assert!(pool.checkout(short).await.is_err());
        }
        let status = pool.status().await.unwrap();
        assert_eq!((status.waiting, status.counts.given_up), (0, 5));
        // Given back at the instant at which the next one gives up.
        let last = {
            let pool = pool.clone();
            retake::spawn(async move { pool.checkout(Duration::from_millis(5)).await.map(drop) })
        };
        retake::sleep(Duration::from_millis(5)).await;
        drop(lease);
        let _either = last.await.unwrap();
        assert_eq!(numbers(&pool).await, (1, 1, 0));
    });
}

#[test]
fn a_waiter_whose_replacement_dies_as_well_is_not_forgotten_by_the_pool() {
    under_seeds(10, || async {
        let pool = start(1, 0, Order::Lifo).await;
        let lease = take(&pool).await;
        let waiter = {
            let pool = pool.clone();
            retake::spawn(async move { take(&pool).await })
        };
        settle().await;
        lease.kill();
        let served = waiter.await.unwrap();
        served.kill();
        assert_eq!(numbers(&pool).await, (1, 1, 0));
        drop((lease, served));
        assert_eq!(numbers(&pool).await, (1, 1, 0));
        let again = take(&pool).await;
        assert_eq!(call(&again, |it| Ask::Echo(1, it), None).await, Ok(1));
    });
}

#[test]
fn a_lease_on_a_dead_worker_does_not_take_its_successor_from_another_client() {
    under_seeds(5, || async {
        let pool = start(1, 0, Order::Lifo).await;
        let dead = take(&pool).await;
        dead.kill();
        settle().await;
        // It has the number and the name of the dead one.
        let lease = take(&pool).await;
        assert_eq!(lease.get_name(), dead.get_name());
        drop(dead);
        assert_eq!(numbers(&pool).await, (0, 1, 1));
        assert_eq!(pool.try_checkout().await.unwrap_err(), CheckoutError::Full);
        drop(lease);
        assert_eq!(numbers(&pool).await, (1, 1, 0));
    });
}

#[test]
fn last_in_first_out_is_the_default_and_first_in_first_out_takes_turns() {
    assert_eq!(PoolConfig::default().order, Order::Lifo);
    for order in [Order::Lifo, Order::Fifo] {
        under_seeds(1, move || async move {
            let pool = start(2, 0, order).await;
            let first = take(&pool).await.get_id();
            settle().await;
            let second = take(&pool).await.get_id();
            settle().await;
            let third = take(&pool).await.get_id();
            match order {
                Order::Lifo => assert_eq!([second, third], [first, first]),
                Order::Fifo => {
                    assert_ne!(second, first);
                    assert_eq!(third, first);
                }
            }
        });
    }
}

#[test]
fn checking_in_twice_or_what_is_not_lent_changes_nothing() {
    under_seeds(5, || async {
        let pool = start(2, 1, Order::Lifo).await;
        let leases = take_all(&pool, 3).await;
        let foreign = Actor::spawn(None, Worker, ()).await.unwrap().0;
        let dead = (*leases[0]).clone();
        dead.kill();
        settle().await;
        for worker in [&foreign, &dead] {
            pool.check_in(worker);
            pool.check_in(worker);
        }
        assert_eq!(numbers(&pool).await, (0, 2, 2));
        // Anybody may check in for another.
        pool.check_in(&leases[1]);
        pool.check_in(&leases[1]);
        assert_eq!(numbers(&pool).await, (1, 2, 1));
        drop(leases);
        assert_eq!(numbers(&pool).await, (2, 2, 0));
        assert_eq!(foreign.get_status(), ActorStatus::Running, "it is not ours");
    });
}

#[test]
fn who_has_nothing_to_do_with_the_pool_may_die() {
    under_seeds(3, || async {
        let pool = start(2, 0, Order::Lifo).await;
        let lease = take(&pool).await;
        let below_the_pool = retake::where_is("pool").unwrap();
        for _ in 0..3 {
            let started = Actor::spawn_linked(None, Worker, (), below_the_pool.clone());
            started.await.unwrap().0.kill();
        }
        assert_eq!(numbers(&pool).await, (1, 2, 1));
        drop(lease);
    });
}

#[test]
fn stopping_ends_idle_and_lent_workers_and_those_who_ask_are_told() {
    under_seeds(3, || async {
        let pool = start(2, 1, Order::Lifo).await;
        let idle = (*take(&pool).await).clone();
        let leases = take_all(&pool, 1).await;
        settle().await;
        pool.stop().await;
        assert_eq!(idle.get_status(), ActorStatus::Stopped);
        assert_eq!(leases[0].get_status(), ActorStatus::Stopped);
        assert_eq!(
            pool.checkout(CHECKOUT_TIMEOUT).await.unwrap_err(),
            CheckoutError::Closed
        );
        let nothing = pool.transaction(CHECKOUT_TIMEOUT, |_| async {}).await;
        assert_eq!(nothing, Err(CheckoutError::Closed));
        // Its name is free.
        start(1, 0, Order::Lifo).await;
    });
}

#[test]
fn a_pool_is_a_child_like_any_other() {
    under_seeds(3, || async {
        let config = PoolConfig {
            size: 2,
            ..PoolConfig::default()
        };
        let child = Pool::child_spec("pool", config.clone(), |_| (Worker, ()));
        let spec = SupervisorSpec::new(Strategy::OneForOne).child(child);
        let supervisor = crate::family::start(spec).await;
        let listed = supervisor.child("pool").await.unwrap();
        assert_eq!(
            (listed.restart, listed.shutdown, listed.kind),
            (Restart::Permanent, Shutdown::Infinity, ChildKind::Worker)
        );
        let pool: PoolRef<Ask> = PoolRef::new("pool");
        let lease = take(&pool).await;
        retake::where_is("pool").unwrap().kill();
        settle().await;
        assert_eq!(lease.get_status(), ActorStatus::Stopped);
        assert_eq!(numbers(&pool).await, (2, 2, 0));
        supervisor.stop().await;
        assert_eq!(pool.status().await.unwrap_err(), CheckoutError::Closed);
        // Or below any actor, with which it ends.
        let (parent, _) = Actor::spawn(None, Parent, ()).await.unwrap();
        let pool = PoolRef::start_linked("pool", config, |_| (Worker, ()), parent.get_cell());
        let pool = pool.await.unwrap();
        assert_eq!(numbers(&pool).await, (2, 2, 0));
        parent.stop(None);
        settle().await;
        assert_eq!(pool.status().await.unwrap_err(), CheckoutError::Closed);
    });
}
