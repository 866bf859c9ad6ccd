//! How pools start and end, and what their clients learn of it.

use super::*;
use retake_otp::supervisor::{ChildKind, Restart, Shutdown, Strategy, SupervisorSpec};

#[test]
fn a_pool_whose_worker_does_not_start_does_not_start() {
    under_seeds(3, || async {
        let error = PoolRef::start("pool", config(5, 0), worker(3)).await;
        let error = error.unwrap_err().to_string();
        assert!(error.contains("out of seats"), "{error}");
        assert!(retake::where_is("pool/worker-1").is_none());
    });
}

#[test]
fn a_pool_fails_when_a_worker_does_not_start_later_and_its_clients_learn_of_it() {
    // Its worker dies: idle, leased without a waiter, leased with a waiter.
    for (is_leased, waits) in [(false, false), (true, false), (true, true)] {
        under_seeds(3, move || async move {
            let pool = PoolRef::start("pool", config(1, 0), worker(1));
            let pool = pool.await.unwrap();
            let dies = retake::where_is("pool/worker-1").unwrap();
            let _lease = match is_leased {
                true => Some(take(&pool).await),
                false => None,
            };
            let waiter = waits.then(|| waiter(&pool));
            settle().await;
            dies.kill();
            if let Some(waiter) = waiter {
                let closed = waiter.await.unwrap().unwrap_err();
                assert_eq!(closed, CheckoutError::Closed);
            }
            settle().await;
            assert_eq!(pool.status().await.unwrap_err(), CheckoutError::Closed);
        });
    }
    // One beyond the size is needed.
    under_seeds(3, || async {
        let pool = PoolRef::start("pool", config(2, 1), worker(2));
        let pool = pool.await.unwrap();
        let _leases = take_all(&pool, 2).await;
        let closed = pool.checkout(CHECKOUT_TIMEOUT).await.unwrap_err();
        assert_eq!(closed, CheckoutError::Closed);
    });
}

#[test]
fn who_has_nothing_to_do_with_the_pool_may_die() {
    under_seeds(3, || async {
        let pool = start(2, 0).await;
        let lease = take(&pool).await;
        let below_the_pool = retake::where_is("pool").unwrap();
        for _ in 0..3 {
            let started = Actor::spawn_linked(None, Idler, (), below_the_pool.clone());
            started.await.unwrap().0.kill();
        }
        assert_eq!(numbers(&pool).await, (1, 2, 1));
        drop(lease);
    });
}

#[test]
fn stopping_ends_idle_and_lent_workers_and_those_who_ask_are_told() {
    under_seeds(3, || async {
        let pool = start(2, 1).await;
        let idle = (*take(&pool).await).clone();
        let leased = take(&pool).await;
        settle().await;
        pool.stop().await;
        pool.stop().await;
        assert_eq!(idle.get_status(), ActorStatus::Stopped);
        assert_eq!(leased.get_status(), ActorStatus::Stopped);
        let closed = CheckoutError::Closed;
        let late = pool.checkout(CHECKOUT_TIMEOUT).await.unwrap_err();
        assert_eq!(late, closed);
        assert_eq!(pool.try_checkout().await.unwrap_err(), closed);
        let nothing = pool.transaction(CHECKOUT_TIMEOUT, |_| async {}).await;
        assert_eq!(nothing, Err(closed));
        // Its name is free.
        let pool = start(1, 0).await;
        let _lease = take(&pool).await;
        let waits = waiter(&pool);
        settle().await;
        let actor = retake::where_is("pool").unwrap();
        actor.stop_and_wait(None, None).await.unwrap();
        assert_eq!(waits.await.unwrap().unwrap_err(), closed);
        assert_eq!(pool.status().await, Err(closed));
        assert!(retake::where_is("pool/worker-1").is_none());
    });
}

#[test]
fn a_pool_is_a_child_like_any_other() {
    under_seeds(3, || async {
        let child = Pool::child_spec("pool", config(2, 0), worker(u32::MAX));
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
        // A lease of the pool that was is nothing to the one that is.
        drop(lease);
        assert_eq!(numbers(&pool).await, (2, 2, 0));
        supervisor.stop().await;
        assert_eq!(pool.status().await.unwrap_err(), CheckoutError::Closed);
        // Or below any actor, with which it ends.
        let (parent, _) = parent().await;
        let make = worker(u32::MAX);
        let pool = PoolRef::start_linked("pool", config(2, 0), make, parent.get_cell());
        let pool = pool.await.unwrap();
        assert_eq!(numbers(&pool).await, (2, 2, 0));
        parent.stop(None);
        settle().await;
        assert_eq!(pool.status().await.unwrap_err(), CheckoutError::Closed);
    });
}
