//! The system recovers from failures on purpose, whatever fails and however.

use std::collections::BTreeMap;

use retake_system::{Failures, PlannedFailure};

use crate::common::*;

const KINDS: [ServiceFailure; 6] = [
    ServiceFailure::Unavailable,
    ServiceFailure::Timeout,
    ServiceFailure::QuotaExceeded,
    ServiceFailure::PermissionDenied,
    ServiceFailure::Corrupt,
    ServiceFailure::Slow(Duration::from_millis(30)),
];
const TENANTS: u32 = 3;

fn signal(tenant: u32) -> Signal {
    crate::common::signal(&format!("tenant-{tenant}"), 90.0)
}

async fn start() -> System {
    let config = SystemConfig {
        action_timeout: 5 * SECOND,
        ..config()
    };
    let system = System::start(config).await.unwrap();
    for tenant in 0..TENANTS {
        let tenant = signal(tenant).tenant;
        system.entitle(&tenant, true).await.unwrap();
    }
    system
}

/// Each tenant sends signals for a while.
async fn load(system: &System, time: Duration) {
    let end = retake::now() + time;
    let clients = (0..TENANTS).map(|tenant| {
        let system = system.clone();
        retake::spawn(async move {
            while retake::now() < end {
                // Whatever the answer: some fail.
                let _ = system.signal(signal(tenant)).await;
                retake::sleep(50 * MS).await;
            }
        })
    });
    all(clients).await;
}

/// How often actions ended in which way; each has exactly one end.
fn outcomes(system: &System) -> BTreeMap<String, u32> {
    system.store().verify().unwrap();
    let mut open = std::collections::BTreeSet::new();
    let mut outcomes = BTreeMap::new();
    for receipt in system.store().all() {
        match receipt.kind {
            ReceiptKind::Attempt { .. } => assert!(open.insert(receipt.id)),
            ReceiptKind::Result {
                attempt, outcome, ..
            } => {
                assert!(open.remove(&attempt), "{attempt} has two results or none");
                *outcomes.entry(outcome).or_default() += 1;
            }
            _ => {}
        }
    }
    assert!(open.is_empty(), "without a result: {open:?}");
    outcomes
}

async fn fails_and_recovers(
    service: Service,
    kind: ServiceFailure,
    percent: u32,
    time: Duration,
) -> BTreeMap<String, u32> {
    let system = start().await;
    load(&system, SECOND).await;
    break_service(service, kind, percent, time);
    load(&system, time).await;
    // Time for whatever hangs to time out.
    retake::sleep(30 * SECOND).await;
    let ends = outcomes(&system);
    for tenant in 0..TENANTS {
        let state = system.governor_state(&signal(tenant).tenant).await;
        assert_ne!(state, Ok(GovernorState::Intervening));
        let verdict = system.signal(signal(tenant)).await;
        assert!(matches!(verdict, Ok(Verdict::Acting(_))), "{verdict:?}");
    }
    retake::sleep(SECOND).await;
    let after = outcomes(&system);
    let success = |ends: &BTreeMap<_, _>| ends.get("success").copied().unwrap_or(0);
    assert_eq!(success(&after), success(&ends) + TENANTS, "it is healed");
    let status = system.pool().status().await.unwrap();
    assert_eq!((status.leased, status.overflow, status.idle), (0, 0, 10));
    ends
}

fn run(
    seed: u64,
    service: Service,
    kind: ServiceFailure,
    percent: u32,
    time: Duration,
) -> BTreeMap<String, u32> {
    let sim = Sim::new().seed(seed).isolation(Isolation::Inline);
    sim.run(move || fails_and_recovers(service, kind, percent, time))
        .expect_passed()
}

#[test]
fn every_kind_of_failure_of_every_service_heals() {
    for service in [Service::Worker, Service::Ledger, Service::Clock] {
        for kind in KINDS {
            for percent in [30, 100] {
                for seed in 0..2 {
                    run(seed, service, kind, percent, 5 * SECOND);
                }
            }
        }
    }
}

#[test]
fn a_clock_that_fails_or_goes_back_leaves_the_receipts_in_order_of_time() {
    for kind in KINDS {
        let run = Sim::new().seed(1).run(move || async move {
            let system = start().await;
            load(&system, SECOND).await;
            break_service(Service::Clock, kind, 50, 5 * SECOND);
            load(&system, 10 * SECOND).await;
            outcomes(&system);
            system.store().all()
        });
        let receipts = run.expect_passed();
        let times: Vec<u64> = receipts.iter().map(|receipt| receipt.time_ns).collect();
        assert!(times.is_sorted());
        let start = retake::SIMULATED_UNIX_START.as_nanos() as u64;
        let last = Duration::from_nanos(times.last().unwrap() - start);
        assert!(last > 10 * SECOND, "it is right again: {last:?}");
        let repeated = times.windows(2).filter(|pair| pair[0] == pair[1]).count();
        assert!(repeated > 20, "{repeated} without a time of their own");
    }
}

/// A ledger that fails says how; one that does not answer is waited for, but not for ever.
#[test]
fn a_failing_ledger_takes_nothing_and_says_how() {
    for (kind, expected) in [
        (ServiceFailure::Unavailable, "refuses: unavailable"),
        (ServiceFailure::QuotaExceeded, "refuses: quota exceeded"),
        (
            ServiceFailure::PermissionDenied,
            "refuses: permission denied",
        ),
        (ServiceFailure::Corrupt, "refuses: corrupt"),
        (ServiceFailure::Timeout, "did not answer within 5s"),
    ] {
        let run = Sim::new().run(move || async move {
            let system = start().await;
            let draft = draft(refusal());
            break_service(Service::Ledger, kind, 100, 60 * SECOND);
            let before = system.store().len();
            let one = system.ledger().append(draft.clone()).await;
            let all = system.ledger().append_all(vec![draft.clone()]).await;
            assert_eq!(system.store().len(), before);
            retake::sleep(60 * SECOND).await;
            system.ledger().append(draft).await.unwrap();
            assert_eq!(system.store().len(), before + 1);
            [one.unwrap_err().to_string(), all.unwrap_err().to_string()]
        });
        let expected = format!("the ledger {expected}");
        assert_eq!(run.expect_passed(), [expected.clone(), expected]);
    }
}

#[test]
fn a_failing_worker_is_told_from_one_that_hangs_refuses_or_does_half() {
    for (kind, expected) in [
        (ServiceFailure::Unavailable, "error"),
        (ServiceFailure::Timeout, "timeout"),
        (ServiceFailure::QuotaExceeded, "error"),
        (ServiceFailure::PermissionDenied, "error"),
        (ServiceFailure::Corrupt, "partial"),
    ] {
        let ends = run(1, Service::Worker, kind, 50, 10 * SECOND);
        let mut ways = [expected, "success"];
        ways.sort_unstable();
        assert!(ends.keys().eq(ways), "{kind}: {ends:?}");
        // Half of the requests, more or less.
        let share = f64::from(ends[expected]) / f64::from(ends.values().sum::<u32>());
        assert!((0.05..0.7).contains(&share), "{kind}: {ends:?}");
    }
}

/// What a live process holds, and the same in a simulation, where time can be looked at.
#[test]
fn a_planned_failure_ends_at_its_time_or_when_it_is_healed_and_is_part_of_the_seed() {
    let scenario = || async {
        let failures = Failures::default();
        let planned = PlannedFailure {
            service: Service::Ledger,
            failure: ServiceFailure::Unavailable,
            share: retake::Share::parse("50%").unwrap(),
            after: SECOND,
            until: Some(2 * SECOND),
        };
        failures.plan(planned);
        let fail = |failures: &Failures| -> Vec<bool> {
            let asked = (0..40).map(|_| failures.injected(Service::Ledger).is_some());
            asked.collect()
        };
        assert!(!fail(&failures).contains(&true), "it has not begun");
        retake::sleep(SECOND).await;
        let failed = fail(&failures);
        assert_eq!(failures.injected(Service::Worker), None);
        retake::sleep(SECOND - Duration::from_nanos(1)).await;
        assert!(fail(&failures).contains(&true));
        retake::sleep(Duration::from_nanos(1)).await;
        assert!(!fail(&failures).contains(&true), "it is over");
        let share = retake::Share::ALL;
        let after = Duration::ZERO;
        failures.plan(PlannedFailure {
            share,
            after,
            ..planned
        });
        assert!(failures.injected(Service::Ledger).is_some());
        failures.heal();
        assert_eq!(failures.injected(Service::Ledger), None);
        failed
    };
    let failed = |seed| Sim::new().seed(seed).run(scenario).expect_passed();
    assert_eq!(failed(1), failed(1));
    assert_ne!(failed(1), failed(2));
    let count = failed(1).into_iter().filter(|failed| *failed).count();
    assert!((8..=32).contains(&count), "{count} of 40");
}

#[test]
fn a_slow_ledger_holds_every_receipt_up_for_so_long_and_no_longer_than_planned() {
    let scenario = || async {
        let system = start().await;
        retake_sim::inject("break ledger slow by 250ms @1s until 3s".parse().unwrap());
        // One with an id leaves a receipt before its verdict.
        let calm = |number| {
            let value = 1.0;
            with_id(number, Signal { value, ..signal(0) })
        };
        let mut took = Vec::new();
        for number in 0..3 {
            let start = retake::now();
            system.signal(calm(number)).await.unwrap();
            took.push(start.elapsed());
            retake::sleep(3 * SECOND / 2).await;
        }
        took
    };
    let run = Sim::new().isolation(Isolation::Inline).run(scenario);
    let took = run.expect_passed();
    let slow = 250 * MS;
    assert_eq!(took, [Duration::ZERO, slow, Duration::ZERO]);
}

#[test]
fn a_check_in_that_is_lost_leaves_the_worker_lent() {
    let lent = |kind: Option<ServiceFailure>| {
        let scenario = move || async move {
            let system = start().await;
            if let Some(kind) = kind {
                break_service(Service::CheckIn, kind, 100, SECOND);
            }
            let verdict = system.signal(signal(0)).await;
            assert!(matches!(verdict, Ok(Verdict::Acting(_))), "{verdict:?}");
            retake::sleep(SECOND).await;
            system.pool().status().await.unwrap().leased
        };
        let sim = Sim::new().isolation(Isolation::Inline);
        sim.run(scenario).expect_passed()
    };
    for kind in KINDS {
        assert_eq!(lent(Some(kind)), 1, "{kind}");
    }
    assert_eq!(lent(None), 0);
}
