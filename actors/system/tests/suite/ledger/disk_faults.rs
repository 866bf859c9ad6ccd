//! Faults of a simulation's disks: what a ledger has acknowledged is there after them.

use super::*;

/// On a disk in memory, and over a simulated file system.
const FAULTS: [&str; 8] = [
    "crash disk @step 20",
    "crash disk @2ms",
    "fill disk @2ms until 4ms",
    "fail disk writes rate 60% @1ms",
    "fail disk syncs @2ms until 3ms",
    "fail disk syncs rate 30% @0s",
    "shorten disk writes rate 30% @0s",
    "fail disk writes rate 20% @0s",
];

fn heal() -> Fault {
    "heal @8ms".parse().unwrap()
}

/// Runs in which the fault was injected, and those of them in which it has cut the load short,
/// of runs with 20 seeds.
fn affected<F, Fut>(text: &str, scenario: F) -> (u32, u32)
where
    F: Fn() -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = usize> + Send + 'static,
{
    let runs = (0..20).map(|seed| {
        let fault: Fault = text.parse().unwrap();
        let sim = Sim::new().seed(seed).faults([fault, heal()]);
        let run = sim.isolation(Isolation::Inline).run(scenario.clone());
        let is_injected = run.stats.faults > 0;
        let is_cut = run.expect_passed() < 15;
        (u32::from(is_injected), u32::from(is_injected && is_cut))
    });
    runs.fold((0, 0), |all, one| (all.0 + one.0, all.1 + one.1))
}

/// A load, and a second life after the faults; gives how much was acknowledged.
async fn live_twice(open: impl Fn() -> Durability, heal: impl Fn()) -> usize {
    let mut acknowledged = Vec::new();
    if let Ok((ledger, store)) = start(open()).await {
        acknowledged = load(&ledger).await;
        check(&store, &acknowledged);
    }
    stop().await;
    retake::healed().await;
    heal();
    let (_, store) = start(open()).await.unwrap();
    check(&store, &acknowledged);
    acknowledged.len()
}

#[test]
fn on_a_disk_in_memory_nothing_acknowledged_is_lost() {
    let scenario = || async {
        let time = ServiceTime::Fixed(Duration::from_micros(300));
        let disk = SimulatedDisk::new().sync_time(time);
        live_twice(|| group(&disk, 2), || disk.power_on()).await
    };
    for text in FAULTS {
        let (_, cut) = affected(text, scenario);
        assert!(cut > 5, "{text}: {cut}");
    }
}

#[test]
fn over_a_simulated_file_system_nothing_acknowledged_is_lost() {
    let scenario = || async {
        let system = file_system(fs::FsConfig::default());
        live_twice(|| group_on(log_on(&system), 2), || ()).await
    };
    for text in FAULTS {
        let (injected, cut) = affected(text, scenario);
        assert!(injected > 5, "{text}: {injected}");
        // What is left after a short write is written next.
        assert!(cut > 0 || text.starts_with("shorten"), "{text}: {cut}");
    }
}

#[test]
fn a_wrong_bit_that_is_read_at_the_start_is_found_and_not_served() {
    let run = |fault: Option<Fault>| {
        let sim = Sim::new()
            .seed(1)
            .faults(fault)
            .isolation(Isolation::Inline);
        let run = sim.run(|| async {
            let (disk, acknowledged) = loaded().await;
            retake::sleep(SECOND).await;
            let started = start(fsync(&disk)).await;
            started.map(|(_, store)| check(&store, &acknowledged))
        });
        run.expect_passed()
    };
    assert_eq!(run(None), Ok(()));
    let fault = "corrupt disk ledger reads @1s".parse().unwrap();
    assert!(run(Some(fault)).is_err());
}
