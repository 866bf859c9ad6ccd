//! Clients that die, give up or run transactions.

use super::*;

/// Borrows in its handler and does what its messages say; what it is to keep it keeps in
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
            Errand::Hang => retake::sleep(1000 * SECOND).await,
        }
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
            let pool = start(5, 0).await;
            let (parent, _) = parent().await;
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
        let pool = start(1, 0).await;
        let holds = {
            let pool = pool.clone();
            retake::spawn(async move {
                let _lease = take(&pool).await;
                retake::sleep(100 * SECOND).await;
            })
        };
        settle().await;
        let (parent, _) = parent().await;
        let dies = client(&pool, &parent).await;
        dies.cast(Errand::Keep).unwrap();
        let aborted = waiter(&pool);
        settle().await;
        let lives = client(&pool, &parent).await;
        lives.cast(Errand::Keep).unwrap();
        settle().await;
        assert_eq!(pool.status().await.unwrap().waiting, 3);
        dies.kill();
        aborted.abort();
        settle().await;
        assert_eq!(pool.status().await.unwrap().waiting, 1);
        holds.abort();
        assert_eq!(numbers(&pool).await, (0, 1, 1));
        lives.kill();
        assert_eq!(numbers(&pool).await, (1, 1, 0));
        assert_eq!(pool.status().await.unwrap().counts.given_up, 2);
    });
}

#[test]
fn a_transaction_checks_in_whatever_becomes_of_it() {
    under_seeds(3, || async {
        let pool = start(2, 0).await;
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
        let pool = start(1, 0).await;
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
        let pool = start(1, 0).await;
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
fn a_client_that_gives_up_as_it_is_served_gives_the_worker_back() {
    under_seeds(200, || async {
        let pool = start(1, 0).await;
        let lease = take(&pool).await;
        let waiter = {
            let pool = pool.clone();
            retake::spawn(async move { pool.checkout(10 * MS).await.is_ok() })
        };
        // At the same instant of virtual time.
        retake::sleep(10 * MS).await;
        drop(lease);
        waiter.await.unwrap();
        assert_eq!(numbers(&pool).await, (1, 1, 0));
        assert_eq!(pool.status().await.unwrap().waiting, 0);
    });
}

#[test]
fn a_lease_on_a_dead_worker_does_not_take_its_successor_from_another_client() {
    under_seeds(5, || async {
        let pool = start(1, 0).await;
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
fn checking_in_twice_or_what_is_not_lent_changes_nothing() {
    under_seeds(5, || async {
        let pool = start(2, 1).await;
        let mut leases = take_all(&pool, 3).await;
        let foreign = Actor::spawn(None, Worker(Arc::new(AtomicU32::new(1))), ());
        let foreign = foreign.await.unwrap().0;
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
        // A lease that is over gives nothing back, though its worker is leased again.
        let again = take(&pool).await;
        assert_eq!(again.get_id(), leases[1].get_id());
        drop(leases.remove(1));
        assert_eq!(numbers(&pool).await, (0, 2, 2));
        drop((leases, again));
        assert_eq!(numbers(&pool).await, (2, 2, 0));
        assert_eq!(foreign.get_status(), ActorStatus::Running, "it is not ours");
    });
}

#[test]
fn a_worker_kept_without_its_lease_stays_lent_until_it_is_checked_in() {
    under_seeds(3, || async {
        let pool = start(1, 0).await;
        let worker = take(&pool).await.into_worker();
        settle().await;
        assert_eq!(pool.try_checkout().await.unwrap_err(), CheckoutError::Full);
        pool.check_in(&worker);
        assert_eq!(pool.try_checkout().await.unwrap().get_id(), worker.get_id());
    });
}

/// Clients that wait, hold, give up and die, while workers are killed: in the end nothing is
/// leased, nobody waits, and all workers are there.
#[test]
fn no_worker_and_no_waiter_is_lost_under_any_schedule() {
    use rand::RngExt as _;
    let draw = |ms: std::ops::Range<u64>| {
        let range = ms.start * 1000..ms.end * 1000;
        Duration::from_micros(retake::rng().random_range(range))
    };
    under_seeds(300, move || async move {
        let pool = start(2, 2).await;
        let clients: Vec<_> = (0..8)
            .map(|client| {
                let pool = pool.clone();
                retake::spawn(async move {
                    for _ in 0..5 {
                        let Ok(lease) = pool.checkout(draw(0..30)).await else {
                            continue;
                        };
                        assert!(lease.get_name().is_some());
                        retake::sleep(draw(0..20)).await;
                        match client % 4 {
                            0 if retake::rng().random_bool(0.2) => lease.kill(),
                            1 if retake::rng().random_bool(0.2) => return,
                            _ => {}
                        }
                    }
                })
            })
            .collect();
        for client in clients.iter().skip(2).step_by(3) {
            retake::sleep(draw(5..20)).await;
            client.abort();
        }
        for client in clients {
            // An aborted one gives an error.
            let _ = client.await;
        }
        assert_eq!(numbers(&pool).await, (2, 2, 0));
        assert_eq!(pool.status().await.unwrap().waiting, 0);
    });
}
