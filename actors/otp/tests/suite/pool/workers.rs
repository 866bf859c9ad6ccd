//! Starting, replacing and dismissing workers.

use super::*;

#[test]
fn a_started_pool_has_its_workers_and_lends_and_replaces_them() {
    under_seeds(3, || async {
        let pool = start(10, 5).await;
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
        let pool = start(5, 5).await;
        let mut leases = take_all(&pool, 7).await;
        assert_eq!(numbers(&pool).await, (0, 7, 7));
        let mut seen = Vec::new();
        while leases.pop().is_some() {
            seen.push(numbers(&pool).await);
        }
        let beyond = [(0, 6, 6), (0, 5, 5)].into_iter();
        let within = (1..=5).map(|idle| (idle, 5, 5 - idle));
        assert_eq!(seen, beyond.chain(within).collect::<Vec<_>>());
    });
}

#[test]
fn a_worker_that_dies_is_replaced_unless_it_was_one_too_many() {
    under_seeds(3, || async {
        let pool = start(5, 2).await;
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
            let pool = start(5, max_overflow).await;
            let all = 5 + max_overflow as usize;
            let leases = take_all(&pool, all).await;
            let waiter = waiter(&pool);
            settle().await;
            leases[0].kill();
            let served = waiter.await.unwrap().unwrap();
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
        let make = move |_| (Sickly(Arc::clone(&sickly)), ());
        let pool = PoolRef::start("pool", config(2, 1), make).await.unwrap();
        // Some are leased at once, before they fail.
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
fn a_waiter_whose_replacement_dies_as_well_is_not_forgotten_by_the_pool() {
    under_seeds(10, || async {
        let pool = start(1, 0).await;
        let lease = take(&pool).await;
        let waiter = waiter(&pool);
        settle().await;
        lease.kill();
        let served = waiter.await.unwrap().unwrap();
        served.kill();
        assert_eq!(numbers(&pool).await, (1, 1, 0));
        drop((lease, served));
        assert_eq!(numbers(&pool).await, (1, 1, 0));
        let again = take(&pool).await;
        assert_eq!(call(&again, |it| Ask::Echo(1, it), None).await, Ok(1));
    });
}

#[test]
fn a_worker_that_dies_as_it_is_given_back_neither_leaks_nor_is_lent_again() {
    let runs = (0..100).map(|seed| {
        let sim = Sim::new().seed(seed).isolation(Isolation::Inline);
        let run = sim.run(|| async {
            let pool = start(1, 0).await;
            let lease = take(&pool).await;
            let worker = (*lease).clone();
            let killer = retake::spawn(async move { worker.kill() });
            let giver = retake::spawn(async move { lease.check_in() });
            // Comes in between, before or after.
            let early = take(&pool).await;
            let was_alive = early.get_status() == ActorStatus::Running;
            killer.await.unwrap();
            giver.await.unwrap();
            drop(early);
            assert_eq!(numbers(&pool).await, (1, 1, 0));
            assert_eq!(take(&pool).await.get_status(), ActorStatus::Running);
            was_alive
        });
        run.expect_passed()
    });
    assert!(runs.collect::<Vec<_>>().contains(&true));
}
