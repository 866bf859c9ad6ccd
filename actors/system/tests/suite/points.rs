//! Marked places in the actors: what clients, jobs and retries do at their worst, when a
//! plan asks for it. What holds without them holds with them.

use retake_otp::pool::PoolStatus;
use retake_system::governor::GovernorEventKind;
use retake_system::invariants::{governors, ledger, pool, tree_at_rest};
use retake_traces::MemorySink;
use retake_traces::fault::Action;
use retake_traces::record::Record;

use crate::common::*;

/// What the invariants of ledger, governors, pool and supervisors find.
async fn violations(system: &System, config: &SystemConfig) -> Vec<Violation> {
    let status = system.pool().status().await.unwrap();
    let tree = system.root().tree().await.unwrap();
    [
        ledger(system.store()),
        governors(&system.store().all(), config.action_timeout),
        pool(&config.pool, &status),
        tree_at_rest(&tree),
    ]
    .concat()
}

/// What is seen of a system that was asked for two actions and nothing.
#[derive(Clone, Debug, PartialEq)]
struct SeenPoints {
    verdicts: Vec<Verdict>,
    receipts: Vec<Receipt>,
    pool: PoolStatus,
    /// Signals that the governor has met.
    met: u64,
}

impl SeenPoints {
    /// How the actions ended, and after how long.
    fn results(&self) -> Vec<(&str, Duration)> {
        let kinds = self.receipts.iter().map(|receipt| &receipt.kind);
        let ends = kinds.filter_map(|kind| match kind {
            ReceiptKind::Result {
                outcome,
                duration_ns,
                ..
            } => Some((outcome.as_str(), Duration::from_nanos(*duration_ns))),
            _ => None,
        });
        ends.collect()
    }

    fn count(&self, is_it: fn(&ReceiptKind) -> bool) -> usize {
        let kinds = self.receipts.iter().map(|receipt| &receipt.kind);
        kinds.filter(|kind| is_it(kind)).count()
    }
}

async fn three_signals() -> (SeenPoints, Vec<Violation>) {
    let config = SystemConfig {
        pool: PoolConfig {
            size: 1,
            max_overflow: 0,
            ..PoolConfig::default()
        },
        ..config()
    };
    let system = start(config.clone()).await;
    let mut verdicts = Vec::new();
    for (number, value) in [90.0, 10.0, 90.0].into_iter().enumerate() {
        let signal = with_id(number, cpu(value));
        verdicts.push(system.signal(signal).await.unwrap());
        retake::sleep(15 * SECOND).await;
    }
    let governor = system.inspect_governor("acme").await.unwrap();
    let seen = SeenPoints {
        verdicts,
        receipts: system.store().all(),
        pool: system.pool().status().await.unwrap(),
        met: (governor.met.iter())
            .filter(|((_, event), _)| *event == GovernorEventKind::Signal)
            .map(|(_, times)| times)
            .sum(),
    };
    let violations = violations(&system, &config).await;
    (seen, violations)
}

/// Let a marked place misbehave the first time that it is reached.
fn seen_with(point: Option<&str>) -> SeenPoints {
    let sink = MemorySink::new();
    let faults = point.map(Fault::point);
    let run = Sim::new().seed(1).story(true).faults(faults);
    let run = run.trace(sink.clone()).run(three_signals);
    let places = sink.records();
    let places = places.iter().filter(|record| match record {
        Record::Fault(fault) => matches!(fault.action, Action::Point(_)),
        _ => false,
    });
    assert_eq!(places.count(), usize::from(point.is_some()), "{point:?}");
    let (seen, violations) = run.expect_passed();
    assert_eq!(violations, [], "{point:?}");
    // One receipt for each signal, one result for each action, whatever was sent twice.
    let signals = seen.count(|kind| matches!(kind, ReceiptKind::Signal { .. }));
    let attempts = seen.count(|kind| matches!(kind, ReceiptKind::Attempt { .. }));
    assert_eq!(
        (signals, attempts, seen.results().len()),
        (3, 2, 2),
        "{point:?}"
    );
    seen
}

#[test]
fn an_oversized_job_holds_its_action_up() {
    let results = seen_with(Some("worker: its job is oversized"));
    let [(one, first), (other, second)] = results.results()[..] else {
        panic!("{results:?}");
    };
    assert_eq!((one, other), ("success", "success"));
    assert_eq!(first - second, 10 * SECOND);
}

#[test]
fn an_executor_that_gives_up_early_ends_its_action_as_a_timeout_and_replaces_the_worker() {
    let seen = seen_with(Some("executor: gives up early"));
    let [(one, first), (other, _)] = seen.results()[..] else {
        panic!("{seen:?}");
    };
    assert_eq!((one, other), ("timeout", "success"));
    assert!(first < 10 * MS, "{first:?}");
    assert_eq!(seen.pool.idle, 1);
}

#[test]
fn an_action_that_is_asked_for_twice_is_worked_on_twice_and_ends_once() {
    let lent = |seen: &SeenPoints| seen.pool.counts.at_once + seen.pool.counts.after_waiting;
    let (plain, twice) = (
        seen_with(None),
        seen_with(Some("governor: asks for its action twice")),
    );
    assert_eq!((lent(&plain), lent(&twice)), (2, 3));
}

#[test]
fn a_pools_client_that_retries_in_a_storm_takes_no_worker_away() {
    let seen = seen_with(Some("pool client: a storm of retries"));
    assert_eq!(seen.pool.counts.given_up, 20);
    assert_eq!(seen.results()[0].0, "success");
}

#[test]
fn a_signal_that_is_sent_again_or_in_a_storm_is_taken_once() {
    for (point, times) in [
        ("client: sends its signal again", 1),
        ("client: a storm of retries", 20),
    ] {
        let (plain, seen) = (seen_with(None), seen_with(Some(point)));
        assert!(matches!(plain.verdicts[0], Verdict::Acting(_)));
        assert!(
            matches!(seen.verdicts[0], Verdict::Duplicate(_)),
            "{seen:?}"
        );
        assert_eq!(seen.verdicts[1..], plain.verdicts[1..]);
        // Those that come while the action is in flight are postponed, and met again.
        assert!(seen.met >= plain.met + times, "{} {}", seen.met, plain.met);
    }
}

#[test]
fn a_receipt_with_a_key_that_is_appended_again_is_there_once() {
    let (plain, seen) = (
        seen_with(None),
        seen_with(Some("ledger client: appends again")),
    );
    assert_eq!(seen.receipts.len(), plain.receipts.len());
}

#[test]
fn with_all_places_at_once_the_invariants_hold_under_any_seed() {
    let mut struck = 0;
    for seed in 0..200 {
        let run = Sim::new().seed(seed).buggify().run(|| async {
            let config = SystemConfig {
                action_time: ServiceTime::Exponential(20 * MS),
                ..SystemConfig::default()
            };
            let system = System::start(config.clone()).await.unwrap();
            while system.entitle("acme", true).await.is_err() {
                retake::sleep(SECOND).await;
            }
            for number in 0..12 {
                let signal = with_id(number, cpu([10.0, 70.0, 90.0][number % 3]));
                // It may give up, and the signal be taken all the same.
                let _ = system.signal(signal).await;
                retake::sleep(30 * MS).await;
            }
            retake::sleep(60 * SECOND).await;
            violations(&system, &config).await
        });
        struck += run.stats.faults;
        assert_eq!(run.expect_passed(), [], "seed {seed}");
    }
    assert!(struck > 500, "{struck} faults");
}
