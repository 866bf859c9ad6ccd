//! The governed system, from signal to receipt, also when parts of it die.

use retake_system::ledger::{Contents, Disk, DiskFault, DiskResult, Durability, SimulatedDisk};

use crate::common::*;

async fn entitled() -> System {
    start(config()).await
}

#[test]
fn a_signal_becomes_an_action_and_the_action_a_result() {
    simulate(|| async {
        let system = entitled().await;
        for (value, expected) in [
            (10.0, Verdict::Stable),
            (70.0, Verdict::Warning),
            (70.0, Verdict::Warning),
            (90.0, Verdict::Acting(6)),
        ] {
            assert_eq!(system.signal(cpu(value)).await, Ok(expected));
        }
        assert_eq!(state(&system).await, GovernorState::Intervening);
        retake::sleep(21 * MS).await;
        assert_eq!(state(&system).await, GovernorState::Stable);
        let expected = [
            "1 acme entitlement: unentitled -> pending_review",
            "2 acme entitlement: pending_review -> entitled",
            "3 acme boot -> stable",
            "4 acme stable -> warning",
            "5 acme warning -> intervening",
            "6 acme attempt scale",
            "7 acme result of 6: success",
            "8 acme intervening -> stable",
        ];
        assert_eq!(chain(&system, "acme"), expected);
        system.stop().await;
    });
}

#[test]
fn a_tenant_that_is_not_entitled_is_refused_until_it_is() {
    simulate(|| async {
        let system = System::start(config()).await.unwrap();
        let refused = system.signal(cpu(90.0)).await;
        assert_eq!(refused, Ok(Verdict::Refused(1)));
        assert_eq!(state(&system).await, GovernorState::Refusing);
        system.entitle("acme", true).await.unwrap();
        assert_eq!(system.signal(cpu(10.0)).await, Ok(Verdict::Stable));
        system.entitle("acme", false).await.unwrap();
        let refused = system.signal(cpu(10.0)).await;
        assert_eq!(refused, Ok(Verdict::Refused(8)));
        let expected = [
            "1 acme refused: not entitled",
            "2 acme boot -> refusing",
            "3 acme entitlement: unentitled -> pending_review",
            "4 acme entitlement: pending_review -> entitled",
            "5 acme refusing -> stable",
            "6 acme entitlement: entitled -> suspended",
            "7 acme stable -> refusing",
            "8 acme refused: not entitled",
        ];
        assert_eq!(chain(&system, "acme"), expected);
    });
}

#[test]
fn signals_are_postponed_while_an_action_is_in_flight_and_taken_up_in_order() {
    let sim = Sim::new().strategy(retake_sim::Strategy::Fifo);
    let run = sim.run(|| async {
        let system = entitled().await;
        system.signal(cpu(90.0)).await.unwrap();
        let before = retake::now();
        let waiting = [85.0, 70.0, 10.0].map(|value| {
            let system = system.clone();
            retake::spawn(async move {
                let verdict = system.signal(cpu(value)).await.unwrap();
                (verdict, before.elapsed())
            })
        });
        let verdicts = all(waiting).await;
        // The first is an action again, so the others wait for its end as well.
        let [(Verdict::Acting(_), WORK), others @ ..] = &verdicts[..] else {
            panic!("{verdicts:?}");
        };
        assert_eq!(
            others,
            [(Verdict::Warning, 2 * WORK), (Verdict::Stable, 2 * WORK)]
        );
    });
    run.expect_passed();
}

#[test]
fn an_entitlement_that_is_lost_meanwhile_takes_effect_when_the_action_has_ended() {
    for comes_back in [false, true] {
        simulate(move || async move {
            let system = entitled().await;
            system.signal(cpu(90.0)).await.unwrap();
            let waits = {
                let system = system.clone();
                retake::spawn(async move { system.signal(cpu(10.0)).await })
            };
            retake::sleep(5 * MS).await;
            system.entitle("acme", false).await.unwrap();
            if comes_back {
                system.entitle("acme", true).await.unwrap();
            }
            // It is seen through.
            assert_eq!(state(&system).await, GovernorState::Intervening);
            let verdict = waits.await.unwrap().unwrap();
            let state = state(&system).await;
            if comes_back {
                assert_eq!((verdict, state), (Verdict::Stable, GovernorState::Stable));
            } else {
                assert!(matches!(verdict, Verdict::Refused(_)), "{verdict:?}");
                assert_eq!(state, GovernorState::Refusing);
            }
            assert_eq!(results(&system, "acme"), [(5, "success".to_owned())]);
            chain(&system, "acme");
        });
    }
}

fn results(system: &System, tenant: &str) -> Vec<(u64, String)> {
    let receipts = system.store().of_tenant(tenant);
    let result = |receipt: &Receipt| match &receipt.kind {
        ReceiptKind::Result {
            attempt, outcome, ..
        } => Some((*attempt, outcome.clone())),
        _ => None,
    };
    receipts.iter().filter_map(result).collect()
}

/// What dies while an action is in flight, and how the action ends then.
#[test]
fn whatever_dies_an_action_has_one_result_and_the_governor_is_stable_again() {
    for (victim, outcome) in [
        ("pool/worker-10", "error"),
        ("executor/Runner", "error"),
        ("governor/acme", "success"),
        ("ledger", "success"),
        ("executor", "timeout"),
        ("pool", "error"),
        ("governance", "success"),
    ] {
        for seed in 0..20 {
            let fault = Fault::kill(victim).at(10 * MS);
            let run = Sim::new().seed(seed).fault(fault).run(move || async move {
                let system = entitled().await;
                let verdict = system.signal(cpu(90.0)).await;
                assert_eq!(verdict, Ok(Verdict::Acting(5)));
                retake::sleep(31 * SECOND).await;
                let ended = results(&system, "acme");
                assert_eq!(ended, [(5, outcome.to_owned())], "{victim}");
                assert_eq!(state(&system).await, GovernorState::Stable, "{victim}");
                // And it works as before.
                let again = system.signal(cpu(90.0)).await;
                assert!(matches!(again, Ok(Verdict::Acting(_))), "{again:?}");
                retake::sleep(31 * SECOND).await;
                assert_eq!(results(&system, "acme").len(), 2);
                chain(&system, "acme");
                system.stop().await;
            });
            assert_eq!(run.stats.faults, 1, "{victim}: {run}");
            run.expect_passed();
        }
    }
}

const PARTS: [(&str, &[&str]); 4] = [
    ("ledger-supervisor", &["ledger"]),
    ("executor-supervisor", &["pool", "executor"]),
    ("governance-supervisor", &["governance"]),
    ("observability-supervisor", &["observer"]),
];

/// Who has these names now.
fn incarnations(names: &[&str]) -> Vec<ractor::ActorId> {
    let actors = names.iter().map(|name| retake::where_is(name).expect(name));
    actors.map(|actor| actor.get_id()).collect()
}

#[test]
fn below_the_root_a_part_that_dies_is_restarted_alone() {
    for (supervisor, children) in PARTS {
        for victim in children {
            simulate(move || async move {
                let _system = System::start(config()).await.unwrap();
                let others: Vec<&str> = PARTS
                    .iter()
                    .flat_map(|(supervisor, children)| [&[*supervisor], *children].concat())
                    .filter(|name| name != victim)
                    .collect();
                let before = (incarnations(&others), incarnations(&[victim]));
                kill(victim).await;
                assert_eq!(incarnations(&others), before.0, "{victim} killed");
                assert_ne!(incarnations(&[victim]), before.1, "{victim} killed");
                // As often as its supervisor allows, and no more.
                for _ in 0..4 {
                    kill(victim).await;
                }
                assert_eq!(incarnations(&[supervisor]).len(), 1);
                assert_eq!(incarnations(&others), before.0, "{victim} killed");
                kill(victim).await;
                assert_ne!(incarnations(&others), before.0, "{victim} killed");
            });
        }
    }
}

#[test]
fn the_root_restarts_all_its_parts_five_times_in_60_seconds_and_no_more() {
    for (victim, _) in PARTS {
        simulate(move || async move {
            let system = entitled().await;
            let parts = PARTS.map(|(supervisor, _)| supervisor);
            let start = retake::now();
            // Ten seconds apart, so that the first is forgotten before the sixth.
            for at in [0, 10, 20, 30, 40, 61] {
                retake::sleep(Duration::from_secs(at) - start.elapsed()).await;
                let before = incarnations(&parts);
                kill(victim).await;
                let after = incarnations(&parts);
                let kept = before.iter().filter(|id| after.contains(id)).count();
                assert_eq!(kept, 0, "all are new at {at} s");
                assert_eq!(system.health().await, Ok(()));
                let verdict = system.signal(cpu(10.0)).await;
                assert_eq!(verdict, Ok(Verdict::Stable), "it works as before");
            }
            kill(victim).await;
            for name in ["root"].into_iter().chain(parts) {
                assert!(retake::where_is(name).is_none(), "{name} has ended");
            }
            let ended = retake::timeout(SECOND, system.ended()).await;
            assert!(ended.is_ok(), "who waits for its end is told");
        });
    }
}

/// A disk on which every write fails, and not for want of room.
#[derive(Debug)]
struct BrokenDisk(SimulatedDisk);

impl Disk for BrokenDisk {
    fn read(&self) -> DiskResult<'_, Contents> {
        self.0.read()
    }

    fn append(&self, _: Vec<u8>) -> DiskResult<'_, ()> {
        Box::pin(async { Err(std::io::Error::other("input/output error")) })
    }

    fn sync(&self, length: u64) -> DiskResult<'_, ()> {
        self.0.sync(length)
    }

    fn truncate(&self, length: u64) -> DiskResult<'_, ()> {
        self.0.truncate(length)
    }
}

/// Its server learns of it, and ends: it could never serve again.
#[test]
fn a_disk_that_fails_for_ever_ends_the_system_and_one_that_is_full_does_not() {
    simulate(|| async {
        let disk = SimulatedDisk::new();
        // The beginning of the log.
        let memory = System::start(SystemConfig {
            durability: Durability::Fsync(Arc::new(disk.clone())),
            ..config()
        });
        let system = memory.await.unwrap();
        system.entitle("acme", true).await.unwrap();
        let load = async |system: &System, times: u32| {
            for number in 0..times {
                if number % 2 == 0 {
                    disk.fail_at(disk.operations() + 1, DiskFault::OutOfSpace);
                }
                let asked = system.signal(cpu(70.0));
                let _ = retake::timeout(SECOND, asked).await;
            }
        };
        load(&system, 500).await;
        disk.heal();
        assert!(system.signal(cpu(70.0)).await.is_ok());
        system.stop().await;

        let system = System::start(SystemConfig {
            durability: Durability::Fsync(Arc::new(BrokenDisk(disk.clone()))),
            ..config()
        });
        let system = system.await.unwrap();
        let ended = retake::timeout(60 * SECOND, async {
            loop {
                retake::sleep(10 * MS).await;
                let asked = system.entitle("other", true);
                let asked = retake::timeout(SECOND, asked).await;
                if !matches!(asked, Ok(Err(_)) | Err(_)) {
                    panic!("nothing is written");
                }
                if retake::where_is("root").is_none() {
                    break system.ended().await;
                }
            }
        });
        assert!(ended.await.is_ok());
    });
}

#[test]
fn a_part_that_does_not_shut_down_is_killed_after_5_seconds() {
    let run = Sim::new().run(|| async {
        let system = entitled().await;
        // Its supervisor is busy with starting it again, and hears nothing.
        retake_sim::inject("slow ledger in pre_start by 60s @step 1".parse().unwrap());
        kill("ledger").await;
        let start = retake::now();
        system.stop().await;
        assert!(retake::where_is("ledger-supervisor").is_none());
        start.elapsed()
    });
    assert_eq!(run.expect_passed(), 5 * SECOND);
}

/// The same code, live: real clock, several threads.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_system_runs_live() {
    let config = SystemConfig {
        names: Names::with_prefix("live"),
        action_time: ServiceTime::Fixed(MS),
        ..SystemConfig::default()
    };
    let system = System::start(config).await.unwrap();
    let clients = (0..8).map(|client| {
        let system = system.clone();
        retake::spawn(async move {
            let tenant = format!("tenant-{client}");
            system.entitle(&tenant, true).await.unwrap();
            for _ in 0..20 {
                let verdict = system.signal(signal(&tenant, 90.0)).await;
                assert!(matches!(verdict, Ok(Verdict::Acting(_))), "{verdict:?}");
            }
            // Postponed until the last action has ended.
            let verdict = system.signal(signal(&tenant, 10.0)).await;
            assert_eq!(verdict, Ok(Verdict::Stable));
            assert_eq!(results(&system, &tenant).len(), 20);
            chain(&system, &tenant);
        })
    });
    all(clients).await;
    assert_eq!(system.tenants().await.unwrap().len(), 8);
    system.stop().await;
}
