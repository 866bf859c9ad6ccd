//! The checks hold for the system under faults, and catch what is broken.

use retake_otp::statem::StateMachine as _;
use retake_system::Governor;
use retake_system::governor::GovernorEventKind;
use retake_system::invariants::{
    Coverage, acknowledged, chains, governors, ledger, pool, recovery, same_recovery, sequence,
    tree_at_rest,
};
use retake_traces::MemorySink;
use retake_traces::record::{Record, Task, TaskKind};

use crate::common::*;

/// `late` is how long a ledger that refuses may hold the result of an action up.
async fn run_system(config: SystemConfig, late: Duration) -> Vec<Violation> {
    let system = System::start(config.clone()).await.unwrap();
    // The ledger may refuse.
    while system.entitle("acme", true).await.is_err() {
        retake::sleep(30 * MS).await;
    }
    let mut violations = Vec::new();
    for number in 0..60 {
        let signal = cpu([10.0, 70.0, 90.0][number % 3]);
        let _ = system.signal(with_id(number, signal)).await;
        // Its pool may be being restarted.
        if let Ok(status) = system.pool().status().await {
            violations.extend(pool(&config.pool, &status));
        }
        retake::sleep(30 * MS).await;
    }
    retake::sleep(60 * SECOND).await;
    let receipts = system.store().all();
    violations.extend(ledger(system.store()));
    violations.extend(governors(&receipts, config.action_timeout + late));
    violations.extend(tree_at_rest(&system.root().tree().await.unwrap()));
    let mut coverage = Coverage::new(&Governor::table());
    coverage.add(&system.inspect_governor("acme").await.unwrap());
    violations.extend(coverage.violations());
    assert!(receipts.len() > 20, "{} receipts", receipts.len());
    violations
}

#[test]
fn they_hold_whoever_is_killed_and_whatever_fails() {
    let config = || SystemConfig {
        action_timeout: 5 * SECOND,
        ..config()
    };
    for victim in [
        "pool/worker-10",
        "pool",
        "executor",
        "governor/acme",
        "governance",
        "ledger",
    ] {
        for seed in 0..5 {
            let fault = Fault::kill(victim).at(Duration::from_millis(500 + 7 * seed));
            let sim = Sim::new().seed(seed).fault(fault);
            let sim = sim.isolation(Isolation::Inline);
            let run = sim.run(move || run_system(config(), Duration::ZERO));
            assert_eq!(run.expect_passed(), [], "{victim}, seed {seed}");
        }
    }
    const HEALS: Duration = Duration::from_secs(20);
    for (service, late) in [(Service::Ledger, HEALS), (Service::Worker, Duration::ZERO)] {
        let run = Sim::new().seed(1).run(move || async move {
            let config = config();
            break_service(service, ServiceFailure::Unavailable, 30, HEALS);
            run_system(config, late).await
        });
        assert_eq!(run.expect_passed(), [], "{service:?}");
    }
}

/// Faults that were injected, and actors that live for the second time.
fn disturbed(fault: Option<Fault>) -> usize {
    let sink = MemorySink::new();
    let sim = Sim::new().seed(1).faults(fault).trace(sink.clone());
    let run = sim.run(|| run_system(SystemConfig::default(), Duration::ZERO));
    let struck = run.stats.faults as usize;
    assert_eq!(run.expect_passed(), []);
    // Each action has a runner of its own, all of which are called so.
    let is_again = |task: &Task| {
        let label = &task.label;
        task.kind == TaskKind::Actor && label.incarnation > 1 && !label.name.ends_with("Runner")
    };
    let records = sink.records();
    let again = records
        .iter()
        .filter(|record| matches!(record, Record::Task(task) if is_again(task)));
    struck + again.count()
}

#[test]
fn a_run_without_a_plan_has_no_fault_and_no_restart() {
    assert_eq!(disturbed(None), 0);
    let kill = Fault::kill("executor").at(505 * MS);
    assert_eq!(disturbed(Some(kill)), 2);
}

fn transition(from: &str, to: &str) -> Draft {
    draft(ReceiptKind::Transition {
        from: from.to_owned(),
        to: to.to_owned(),
    })
}

fn attempt() -> Draft {
    draft(ReceiptKind::Attempt {
        action: "scale".to_owned(),
    })
}

fn result(attempt: u64, seconds: u64) -> Draft {
    draft(ReceiptKind::Result {
        attempt,
        outcome: "success".to_owned(),
        duration_ns: seconds * 1_000_000_000,
    })
}

fn receipts(drafts: Vec<Draft>) -> Vec<Receipt> {
    let store = Store::new();
    let appended = drafts.into_iter().map(|draft| store.append(draft));
    appended.collect()
}

#[test]
fn mutants_of_governors_are_caught() {
    let check = |drafts| numbers(&governors(&receipts(drafts), 10 * SECOND));
    let good = || {
        vec![
            transition("boot", "stable"),
            transition("stable", "intervening"),
            attempt(),
            result(3, 1),
            transition("intervening", "stable"),
        ]
    };
    assert!(check(good()).is_empty());
    // Leaps over warning's rules.
    assert_eq!(check(vec![transition("boot", "intervening")]), [21]);
    // Never leaves intervening when its worker died.
    assert_eq!(check(vec![attempt()]), [24]);
    // Begins another action before the first has ended.
    assert_eq!(check(vec![attempt(), attempt(), result(2, 1)]), [24]);
    // Ends one twice.
    assert_eq!(check(vec![attempt(), result(1, 1), result(1, 1)]), [24]);
    // Takes too long.
    assert_eq!(check(vec![attempt(), result(1, 11)]), [24]);
}

#[test]
fn mutants_of_the_ledger_are_caught() {
    let mut good = receipts(vec![attempt(), result(1, 1), transition("boot", "stable")]);
    assert_eq!(sequence(&good), []);
    let lost = [good[0].clone(), good[2].clone()];
    assert_eq!(numbers(&sequence(&lost)), [28]);
    good[0].key = Some("k".to_owned());
    good[2].key = Some("k".to_owned());
    assert_eq!(numbers(&sequence(&good)), [29]);

    let store = Store::new();
    let told = [store.append(attempt()), store.append(result(1, 1))];
    assert_eq!(acknowledged(&store, &told), []);
    assert_eq!(ledger(&store), []);
    let mut changed = told.clone();
    changed[1].payload.push('x');
    assert_eq!(numbers(&acknowledged(&store, &changed)), [26]);
    assert_eq!(numbers(&acknowledged(&Store::new(), &told)), [26, 26]);
}

#[test]
fn mutants_of_hash_chains_are_caught_where_they_are() {
    let of = |tenant: &str, draft: Draft| Draft {
        tenant: tenant.to_owned(),
        ..draft
    };
    let good = receipts(vec![
        attempt(),
        of("other", attempt()),
        result(1, 1),
        transition("boot", "stable"),
    ]);
    assert_eq!(chains(&good), []);
    type Change = fn(&mut Vec<Receipt>);
    let changes: [(&str, Change); 8] = [
        ("position 1 (receipt 3)", |it| it[2].payload.push('x')),
        ("position 1 (receipt 3)", |it| it[2].time_ns += 1),
        ("position 1 (receipt 3)", |it| {
            it[2].key = Some(String::new());
        }),
        ("position 0 (receipt 2)", |it| {
            it[1].kind = ReceiptKind::Attempt {
                action: "rollback".to_owned(),
            };
        }),
        // A forger who computes the hash again is found out by the next link.
        ("position 2 (receipt 4)", |it| {
            it[2].payload.push('x');
            it[2].hash = it[2].expected_hash();
        }),
        // One is missing; two are in the wrong order; one is in another's chain.
        ("position 1 (receipt 4)", |it| drop(it.remove(2))),
        ("position 1 (receipt 4)", |it| it.swap(2, 3)),
        ("position 1 (receipt 3)", |it| {
            it[2].tenant = "other".to_owned();
        }),
    ];
    for (place, change) in changes {
        let mut receipts = good.clone();
        change(&mut receipts);
        let found = chains(&receipts);
        assert_eq!(numbers(&found), [25]);
        assert!(found[0].what.contains(place), "{place}: {}", found[0]);
    }
}

#[test]
fn mutants_of_recovery_are_caught() {
    // At one instant of virtual time, so the same drafts give the same receipts.
    simulate(|| async {
        let of = |receipts: usize| {
            let store = Store::new();
            let drafts = [attempt(), result(1, 1), attempt()];
            for draft in drafts.into_iter().take(receipts) {
                store.append(draft);
            }
            store
        };
        let written = of(3).all();
        for there in [2, 3] {
            assert_eq!(recovery(&written, 2, &of(there)), []);
            assert_eq!(same_recovery(&of(there), &of(there)), []);
        }
        // 27: cuts off one that was acknowledged.
        assert_eq!(numbers(&recovery(&written, 2, &of(1))), [27]);
        // 30: serves what nobody wrote, and what has decayed.
        assert_eq!(numbers(&recovery(&written[..2], 2, &of(3))), [30]);
        let mut decayed = written.clone();
        decayed[0].payload.push('x');
        assert_eq!(numbers(&recovery(&decayed, 2, &of(3))), [30]);
        // 31: the second recovery cuts more off, or finds more.
        for (first, second) in [(3, 2), (2, 3)] {
            let violations = same_recovery(&of(first), &of(second));
            assert_eq!(numbers(&violations), [31]);
            assert!(violations[0].what.ends_with("differ from receipt 3 on"));
        }
    });
}

#[test]
fn a_state_that_meets_what_it_does_not_declare_is_caught() {
    let run = Sim::new().run(|| async {
        let system = start(SystemConfig::default()).await;
        system.signal(cpu(10.0)).await.unwrap();
        system.inspect_governor("acme").await.unwrap()
    });
    let mut machine = run.expect_passed();
    let mut coverage = Coverage::new(&Governor::table());
    assert_eq!(coverage.missing().len(), Governor::table().rules().count());
    coverage.add(&machine);
    assert_eq!(coverage.violations(), []);
    insta::assert_snapshot!(coverage, @r"
    2 of 17 declared pairs met
       NEVER  boot: action_done (ignored)
       NEVER  boot: entitled
           1  boot: signal
       NEVER  stable: action_done (ignored)
       NEVER  stable: entitled
           1  stable: signal
       NEVER  warning: action_done (ignored)
       NEVER  warning: entitled
       NEVER  warning: signal
       NEVER  intervening: act
       NEVER  intervening: action_done
       NEVER  intervening: action_overdue
       NEVER  intervening: entitled
       NEVER  intervening: signal (postponed)
       NEVER  refusing: action_done (ignored)
       NEVER  refusing: entitled
       NEVER  refusing: signal
    ");
    machine
        .met
        .insert((machine.state, GovernorEventKind::Act), 2);
    coverage.add(&machine);
    assert_eq!(
        coverage.violations()[0].to_string(),
        "invariant 22: state stable does not declare `act`, which came 2 times"
    );
}
