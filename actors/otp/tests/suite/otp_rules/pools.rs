//! Pools.

use super::common::*;

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
    // Idle; leased without a waiter; leased with a waiter.
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
