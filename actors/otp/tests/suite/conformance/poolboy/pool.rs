//! Order, status and the end of a pool.

use super::common::*;

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
