//! Pools.

use super::*;

fn config(size: u32, max_overflow: u32) -> PoolConfig {
    PoolConfig {
        size,
        max_overflow,
        ..PoolConfig::default()
    }
}

async fn start_pool(journal: &Journal, config: PoolConfig) -> PoolRef<Ask> {
    let pool = Pool::new("pool", |_| (Counter("worker"), ())).journal(journal);
    Actor::spawn(Some(retake::scoped_name("pool")), pool, config)
        .await
        .unwrap();
    PoolRef::new("pool")
}

/// Clients of whom some give up, some die with a lease, and whose workers crash.
async fn pool_under_fire() -> Vec<Entry> {
    use rand::RngExt as _;
    let journal = Journal::new();
    let config = PoolConfig {
        max_waiting: Some(4),
        ..config(2, 1)
    };
    let pool = start_pool(&journal, config.clone()).await;
    let clients: Vec<_> = (0..8)
        .map(|_| {
            let (pool, journal, config) = (pool.clone(), journal.clone(), config.clone());
            retake::spawn(async move {
                for _ in 0..10 {
                    let status = pool.status().await.unwrap();
                    assert_eq!(invariants::pool(&config, &status), []);
                    let patience = Duration::from_millis(retake::rng().random_range(0..40));
                    if let Ok(lease) = pool.checkout(patience).await {
                        match retake::rng().random_range(0..8) {
                            0 => drop(lease.cast(Ask::Crash(journal.send("client", "worker")))),
                            1 => return,
                            _ => {}
                        }
                        let held = Duration::from_millis(retake::rng().random_range(0..30));
                        retake::sleep(held).await;
                    }
                }
            })
        })
        .collect();
    for client in clients {
        client.await.unwrap();
    }
    retake::sleep(SECOND).await;
    let status = pool.status().await.unwrap();
    assert_eq!(pool_leases(&status, 0), []);
    assert_eq!(invariants::pool(&config, &status), []);
    pool.stop().await;
    journal.entries()
}

#[test]
fn a_pool_lends_in_order_and_to_one_at_a_time_whatever_fails() {
    let mut waited = 0;
    for seed in 0..100 {
        let sim = Sim::new().seed(seed).isolation(Isolation::Inline);
        let entries = sim.run(pool_under_fire).expect_passed();
        assert_eq!(pool_journal(&entries, "pool"), [], "seed {seed}");
        let waits = |entry: &&Entry| matches!(entry.event, Event::Waits(_));
        waited += entries.iter().filter(waits).count();
    }
    assert!(waited > 1000, "{waited} waited");
}

#[test]
fn mutants_of_the_pools_journal_are_caught() {
    let run = Sim::new().run(|| async {
        let journal = Journal::new();
        let pool = start_pool(&journal, config(1, 0)).await;
        let first = pool.checkout(PERIOD).await.unwrap();
        let clients = [1, 2].map(|_| {
            let pool = pool.clone();
            retake::spawn(async move { drop(pool.checkout(PERIOD).await.unwrap()) })
        });
        retake::sleep(SECOND).await;
        let kept = pool.status().await.unwrap();
        // 16: one is leased, and a client holds it; then none would.
        assert_eq!(pool_leases(&kept, 1), []);
        assert_eq!(numbers(&pool_leases(&kept, 0)), [16]);
        drop(first);
        for client in clients {
            client.await.unwrap();
        }
        pool.stop().await;
        journal.entries()
    });
    let good = run.expect_passed();
    assert_eq!(pool_journal(&good, "pool"), []);
    let check = |change: &dyn Fn(&mut Vec<Entry>)| {
        let mut entries = good.clone();
        change(&mut entries);
        numbers(&pool_journal(&entries, "pool"))
    };
    let returned: Vec<usize> = (0..good.len())
        .filter(|at| matches!(good[*at].event, Event::Returned(_)))
        .collect();
    // 17: leased before it is given back; given back twice.
    assert_eq!(check(&|entries| drop(entries.remove(returned[0]))), [17]);
    let twice = |entries: &mut Vec<Entry>| entries.insert(returned[2], good[returned[2]].clone());
    assert_eq!(check(&twice), [17]);
    // 18: the second is served first; the last is never served.
    let lent: Vec<usize> = (0..good.len())
        .filter(|at| matches!(good[*at].event, Event::Leased(..)))
        .collect();
    assert_eq!(check(&|entries| entries.swap(lent[1], lent[2])), [18]);
    let forgotten = |entries: &mut Vec<Entry>| {
        entries.remove(returned[2]);
        entries.remove(lent[2]);
    };
    assert_eq!(check(&forgotten), [18]);
}

#[test]
fn mutants_of_the_pool_are_caught() {
    let run = Sim::new().run(|| async {
        let config = config(2, 1);
        let started = PoolRef::start("pool", config.clone(), |_| (Idler, ()));
        let good = started.await.unwrap().status().await.unwrap();
        assert_eq!(invariants::pool(&config, &good), []);
        let mut lost = good;
        lost.idle -= 1;
        assert_eq!(numbers(&invariants::pool(&config, &lost)), [15]);
        let mut kept = good;
        (kept.idle, kept.overflow) = (3, 1);
        assert_eq!(numbers(&invariants::pool(&config, &kept)), [19]);
        let mut many = good;
        (many.idle, many.leased, many.overflow) = (0, 4, 2);
        assert_eq!(numbers(&invariants::pool(&config, &many)), [15]);
        let max_waiting = Some(3);
        let bounded = PoolConfig {
            max_waiting,
            ..config.clone()
        };
        let mut crowded = good;
        crowded.waiting_max = 4;
        assert_eq!(numbers(&invariants::pool(&bounded, &crowded)), [12]);
        // A worker was restarted, and those who wait were not notified.
        let mut asleep = good;
        (asleep.idle, asleep.leased, asleep.waiting) = (1, 1, 2);
        assert_eq!(numbers(&invariants::pool(&config, &asleep)), [20]);
    });
    run.expect_passed();
}
