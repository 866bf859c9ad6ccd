//! In which order, whether a client waits, and what the status says.

use super::*;

#[test]
fn who_does_not_wait_is_told_that_the_pool_is_full() {
    for max_overflow in [0, 5] {
        under_seeds(3, move || async move {
            let pool = start(5, max_overflow).await;
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
fn an_empty_pool_lets_clients_wait_and_serves_each_when_a_worker_comes_back() {
    for max_overflow in [0, 2] {
        under_seeds(3, move || async move {
            let pool = start(5, max_overflow).await;
            let all = 5 + max_overflow as usize;
            let leases = take_all(&pool, all).await;
            let start = retake::now();
            let late = pool.checkout(50 * MS).await.unwrap_err();
            assert_eq!(late, CheckoutError::Timeout(50 * MS));
            assert_eq!(start.elapsed(), 50 * MS);
            let status = pool.status().await.unwrap();
            assert_eq!((status.waiting, status.counts.given_up), (0, 1));
            let waiter = waiter(&pool);
            assert_eq!(numbers(&pool).await, (0, all, all));
            drop(leases);
            let lease = waiter.await.unwrap().unwrap();
            assert_eq!(numbers(&pool).await, (4, 5, 1));
            drop(lease);
            assert_eq!(numbers(&pool).await, (5, 5, 0));
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
            let pool = start(size, max_overflow).await;
            let mut leases = Vec::new();
            let expect = async |state: PoolState, leased: usize| {
                let size = size as usize;
                let expected = (
                    state,
                    size.saturating_sub(leased),
                    leased.saturating_sub(size),
                );
                let status = pool.status().await.unwrap();
                let seen = (status.state, status.idle, status.overflow as usize);
                assert_eq!(seen, expected, "{leased} of {size} + {max_overflow}");
                assert_eq!(status.leased, leased);
            };
            for (leased, state) in states.iter().enumerate() {
                expect(*state, leased).await;
                if leased + 1 < states.len() {
                    leases.push(take(&pool).await);
                }
            }
            drop(leases);
            settle().await;
            expect(states[0], 0).await;
            assert!(size > 0 || retake::where_is("pool/worker-1").is_none());
        });
    }
}

#[test]
fn the_order_decides_which_idle_worker_is_next() {
    assert_eq!(PoolConfig::default().order, Order::Lifo);
    for (order, expected) in [
        (Order::Lifo, "pool/worker-1"),
        (Order::Fifo, "pool/worker-2"),
    ] {
        under_seeds(3, move || async move {
            let pool = start_with(PoolConfig {
                order,
                ..config(3, 0)
            })
            .await;
            // Inside a simulation names carry the number of the run.
            let name = |lease: &Lease<Ask>| {
                let name = lease.get_name().unwrap();
                name.split('@').next().unwrap().to_owned()
            };
            let mut leases = take_all(&pool, 3).await;
            leases.sort_by_key(name);
            for place in [1, 1, 0] {
                drop(leases.remove(place));
                settle().await;
            }
            // Given back in the order 2, 3, 1.
            assert_eq!(name(&take(&pool).await), expected);
        });
    }
}

#[test]
fn waiters_are_served_in_order_and_one_that_gave_up_is_passed_over() {
    under_seeds(5, || async {
        let pool = start(1, 0).await;
        let lease = take(&pool).await;
        let served = Arc::new(Mutex::new(Vec::new()));
        for client in 0..5_u32 {
            let (pool, served) = (pool.clone(), served.clone());
            retake::spawn(async move {
                retake::sleep(client * MS).await;
                let patience = if client == 2 { MS } else { SECOND };
                if pool.checkout(patience).await.is_ok() {
                    served.lock().unwrap().push(client);
                }
            });
        }
        retake::sleep(50 * MS).await;
        assert_eq!(pool.status().await.unwrap().waiting, 4);
        drop(lease);
        assert_eq!(numbers(&pool).await, (1, 1, 0));
        assert_eq!(*served.lock().unwrap(), [0, 1, 3, 4]);
        assert_eq!(pool.status().await.unwrap().waiting_max, 4);
    });
}

#[test]
fn a_queue_with_a_bound_rejects_those_who_come_too_late() {
    under_seeds(3, || async {
        let bounded = PoolConfig {
            max_waiting: Some(2),
            ..config(1, 0)
        };
        let pool = start_with(bounded).await;
        let lease = take(&pool).await;
        let waiting = [waiter(&pool), waiter(&pool)]
            .map(|waits| retake::spawn(async move { waits.await.unwrap().map(drop) }));
        settle().await;
        let error = pool.checkout(CHECKOUT_TIMEOUT).await.unwrap_err();
        assert_eq!(error, CheckoutError::QueueFull(2));
        assert!(error.to_string().contains("2 clients wait already"));
        retake::sleep(SECOND).await;
        drop(lease);
        for client in waiting {
            assert_eq!(client.await.unwrap(), Ok(()));
        }
        let counts = pool.status().await.unwrap().counts;
        let served = (counts.at_once, counts.after_waiting);
        assert_eq!((served, counts.given_up, counts.refused), ((1, 2), 0, 1));
        assert_eq!(counts.waited_longest, 1001 * MS);
        assert_eq!(counts.mean_wait(), 1001 * MS);
    });
}
