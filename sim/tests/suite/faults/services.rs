//! Services that are broken by faults: which requests fail, what is recorded, replayed, kept
//! and left out when a failure is made small.

use retake::ServiceFailure;
use retake_sim::explore::Explorer;
use retake_sim::plan::FaultPlan;
use retake_sim::{Fault, Run};
use retake_testkit::MS;
use retake_testkit::faulted::{
    each_is_reported_and_changes_nothing, faults, injected, is_replayed, kept,
};
use retake_traces::record::Record;

type Failures = Vec<Option<ServiceFailure>>;

/// Every 10 ms the till is asked, and the door at other times; what came of it.
async fn asks() -> Failures {
    let door = retake::spawn_named("door", async {
        for _ in 0..10 {
            retake::event!("the door: {:?}", retake::service("door"));
            retake::sleep(7 * MS).await;
        }
    });
    let mut failures = Vec::new();
    for _ in 0..10 {
        failures.push(retake::service("till"));
        retake::sleep(10 * MS).await;
    }
    door.await.expect("it does not fail");
    failures
}

fn run(seed: u64, faults: Vec<Fault>) -> (Run<Failures>, Vec<Record>) {
    retake_testkit::faulted::run(seed, faults, asks)
}

/// At which requests of the till something failed.
fn failing(seed: u64, texts: &[&str]) -> Vec<usize> {
    let (run, _) = run(seed, faults(texts));
    let failed = run.expect_passed();
    (0..failed.len())
        .filter(|it| failed[*it].is_some())
        .collect()
}

#[test]
fn requests_of_a_broken_service_fail_as_they_are_asked_to_between_its_times() {
    for (kind, failure) in [
        ("unavailable", ServiceFailure::Unavailable),
        ("timeout", ServiceFailure::Timeout),
        ("quota", ServiceFailure::QuotaExceeded),
        ("denied", ServiceFailure::PermissionDenied),
        ("corrupt", ServiceFailure::Corrupt),
        ("slow by 5ms", ServiceFailure::Slow(5 * MS)),
    ] {
        let fault = format!("break till {kind} @30ms until 60ms");
        let (run, records) = run(1, faults(&[&fault]));
        assert_eq!(run.warnings, Vec::<String>::new());
        assert_eq!(run.stats.faults, 1);
        let mut expected = vec![None; 10];
        expected[3..6].fill(Some(failure));
        assert_eq!(run.expect_passed(), expected, "{kind}");
        let expected = format!(
            "scenario FAULT: till is broken: its requests end as {failure} until 0.060000000 s"
        );
        assert_eq!(injected(&records), [expected]);
    }
    assert_eq!(failing(1, &["break till quota @95ms"]), Vec::<usize>::new());
    assert_eq!(failing(1, &["break till quota @85ms"]), [9]);
    assert_eq!(failing(1, &[]), Vec::<usize>::new());
}

#[test]
fn a_share_of_the_requests_fails_which_ones_the_seed_says() {
    let of = |seed| failing(seed, &["break till quota rate 50% @0s"]);
    assert_eq!(of(1), of(1));
    assert_ne!(of(1), of(2));
    let all: usize = (0..100).map(|seed| of(seed).len()).sum();
    assert!((400..600).contains(&all), "{all} of 1000");
    let few: usize = (0..100)
        .map(|seed| failing(seed, &["break till quota rate 5% @0s"]).len())
        .sum();
    assert!((20..90).contains(&few), "{few} of 1000");
}

#[test]
fn which_requests_fail_depends_neither_on_when_a_fault_begins_nor_on_other_faults() {
    for seed in 0..20 {
        let all = failing(seed, &["break till quota rate 50% @0s"]);
        let late = failing(seed, &["break till quota rate 50% @45ms"]);
        let expected: Vec<usize> = all.iter().copied().filter(|it| *it >= 5).collect();
        assert_eq!(late, expected);
        let with_another = [
            "break door timeout rate 50% @0s",
            "break till quota rate 50% @0s",
        ];
        assert_eq!(failing(seed, &with_another), all);
    }
}

#[test]
fn a_heal_mends_what_is_broken() {
    let faults = [
        "break till quota @0s",
        "heal @45ms",
        "break till timeout @60ms",
    ];
    assert_eq!(failing(1, &faults), [0, 1, 2, 3, 4]);
}

#[test]
fn the_first_service_that_is_asked_is_broken_and_recorded_by_its_name() {
    let (run, records) = run(1, faults(&["break * quota @65ms"]));
    assert!(run.passed(), "{run}");
    let expected = "scenario FAULT: till is broken: its requests end as quota exceeded";
    assert_eq!(injected(&records), [expected]);
}

#[test]
fn a_service_that_nobody_asks_is_reported_with_the_name_that_is_near_and_changes_nothing() {
    let cases = [
        "break tlil quota @0s => no service of this name was asked: did you mean `till`?",
        "break xyz quota @0s => no service of this name was asked: there is `door`, `till`",
        "break till quota @5s => it affected no request from then on",
        "break till quota rate 0.0001% @0s => it affected no request from then on",
        "break * quota @5s => it affected no request from then on",
    ];
    each_is_reported_and_changes_nothing(&cases, asks);
}

#[test]
fn a_recorded_run_is_replayed_with_the_same_failures() {
    let texts = [
        "break till quota rate 40% @20ms",
        "break door timeout @30ms",
    ];
    for seed in 0..10 {
        is_replayed(seed, &texts, asks);
    }
}

async fn fails_by_the_till() {
    let failures = asks().await;
    let count = failures.iter().flatten().count();
    retake::always!(count < 3, "too many failures");
}

#[test]
fn a_fault_that_decides_is_kept_and_others_are_left_out() {
    let texts = [
        "break door quota @0s",
        "break till timeout rate 60% @25ms",
        "break door slow by 5ms @20ms until 50ms",
        "clock +5s @10ms",
    ];
    let kept = kept(0..10, &texts, fails_by_the_till);
    assert!(
        kept.starts_with("break till timeout rate 60% @step "),
        "{kept}"
    );
}

/// A campaign whose faults are never injected must not look like one under faults.
#[test]
fn a_fault_of_the_plan_that_no_run_injects_is_reported_by_the_campaign() {
    let plan = FaultPlan {
        faults: faults(&["break till quota rate 5% @0s", "break tlil quota @0s"]),
        ..FaultPlan::default()
    };
    let campaign = Explorer::new("till").seeds(0..20).faults(plan);
    let campaign = campaign.run(async || drop(asks().await));
    assert_eq!(campaign.runs, 20);
    let counted = |fault: &str| campaign.not_injected.get(fault).copied();
    assert_eq!(counted("break tlil quota @0s"), Some(20));
    // Some runs have no request that it affects.
    let missed = counted("break till quota rate 5% @0s").unwrap_or(0);
    assert!((1..20).contains(&missed), "{missed}");
    let [warning] = &campaign.faults_without_effect()[..] else {
        panic!("{:?}", campaign.not_injected);
    };
    assert!(warning.contains("`break tlil quota @0s` was not injected in any of 20 runs"));
}
