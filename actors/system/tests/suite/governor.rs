//! What a governor does with each signal, entitlement and end of an action, in each state.

use ractor::Actor;
use retake_system::governor::{GovernorArguments, GovernorEvent, GovernorRef};
use retake_system::ledger::{Ledger, LedgerArguments};
use retake_system::{ActionKind, ActionResult, Entitlements, Governor};

use crate::common::*;

async fn start(work: Duration) -> System {
    let action_time = ServiceTime::Fixed(work);
    crate::common::start(SystemConfig {
        action_time,
        ..config()
    })
    .await
}

/// The governor's receipts behind the first `seen` of the tenant's chain.
fn receipts(system: &System, seen: usize) -> Vec<String> {
    system.store().verify().unwrap();
    let chain = system.store().of_tenant("acme");
    let of_governor = chain[seen..].iter().filter_map(|receipt| {
        let text = receipt.to_string();
        let text = text.split_once(" acme ")?.1.to_owned();
        let is_own = !matches!(receipt.kind, ReceiptKind::Entitlement { .. });
        is_own.then_some(text)
    });
    of_governor.collect()
}

/// A system whose governor is in this state, and how many receipts it has.
async fn in_state(wanted: GovernorState) -> (System, usize) {
    let system = start(WORK).await;
    match wanted {
        // Ask for it, so that there is one.
        GovernorState::Boot => drop(state(&system).await),
        GovernorState::Stable => drop(system.signal(cpu(1.0)).await),
        GovernorState::Warning => drop(system.signal(cpu(70.0)).await),
        GovernorState::Intervening => drop(system.signal(cpu(90.0)).await),
        GovernorState::Refusing => {
            system.signal(cpu(1.0)).await.unwrap();
            system.entitle("acme", false).await.unwrap();
        }
    }
    assert_eq!(state(&system).await, wanted);
    let seen = system.store().of_tenant("acme").len();
    (system, seen)
}

#[test]
fn each_value_is_judged_in_each_state_by_the_bounds_alone() {
    use GovernorState::{Boot, Intervening, Refusing, Stable, Warning};
    let (calm, warning, acting) = ("stable", "warning", "acting");
    let above = |bound: f64| f64::from_bits(bound.to_bits() + 1);
    for (from, first) in [
        (Boot, &["boot -> stable"][..]),
        (Stable, &[]),
        (Warning, &[]),
    ] {
        for (value, verdict) in [
            (-1.0, calm),
            (60.0, calm),
            (above(60.0), warning),
            (80.0, warning),
            (above(80.0), acting),
            (f64::MAX, acting),
        ] {
            let run = Sim::new().run(move || async move {
                let (system, seen) = in_state(from).await;
                let verdict = match system.signal(cpu(value)).await.unwrap() {
                    Verdict::Stable => "stable",
                    Verdict::Warning => "warning",
                    Verdict::Acting(_) => "acting",
                    other => panic!("{other:?}"),
                };
                (verdict, state(&system).await, receipts(&system, seen))
            });
            let on = if from == Boot { Stable } else { from };
            let (to, last) = match verdict {
                "stable" => (Stable, vec![format!("{on} -> stable")]),
                "warning" => (Warning, vec![format!("{on} -> warning")]),
                _ => {
                    let attempt = "attempt scale".to_owned();
                    (Intervening, vec![format!("{on} -> intervening"), attempt])
                }
            };
            // Staying leaves no receipt, a second warning among others.
            let last = if to == on { Vec::new() } else { last };
            let first = first.iter().map(|it| (*it).to_owned());
            let expected = first.chain(last).collect::<Vec<_>>();
            assert_eq!(
                run.expect_passed(),
                (verdict, to, expected),
                "{value} in {from}"
            );
        }
    }
    for value in [1.0, 70.0, 90.0] {
        let run = Sim::new().run(move || async move {
            let (system, seen) = in_state(Refusing).await;
            let verdict = system.signal(cpu(value)).await.unwrap();
            assert!(matches!(verdict, Verdict::Refused(_)), "{verdict:?}");
            (state(&system).await, receipts(&system, seen))
        });
        let refused = vec!["refused: not entitled".to_owned()];
        assert_eq!(run.expect_passed(), (Refusing, refused));
    }
}

#[test]
fn a_lost_entitlement_leads_to_refusing_from_each_state_and_a_new_one_back() {
    use GovernorState::{Boot, Intervening, Refusing, Stable, Warning};
    for (from, lost, receipts_of_loss, back) in [
        // Nothing was taken yet: the first signal is refused, and leads there.
        (Boot, Boot, &[][..], Boot),
        (Stable, Refusing, &["stable -> refusing"], Stable),
        (Warning, Refusing, &["warning -> refusing"], Stable),
        // The action is seen through first.
        (Intervening, Intervening, &[], Intervening),
        (Refusing, Refusing, &[], Stable),
    ] {
        simulate(move || async move {
            let (system, seen) = in_state(from).await;
            system.entitle("acme", false).await.unwrap();
            assert_eq!(state(&system).await, lost, "{from}");
            assert_eq!(receipts(&system, seen), receipts_of_loss, "{from}");
            system.entitle("acme", true).await.unwrap();
            assert_eq!(state(&system).await, back, "{from}");
            system.entitle("acme", false).await.unwrap();
            // Postponed until the action has ended, where one is in flight.
            let verdict = system.signal(cpu(90.0)).await.unwrap();
            assert!(
                matches!(verdict, Verdict::Refused(_)),
                "{from}: {verdict:?}"
            );
            assert_eq!(state(&system).await, Refusing, "{from}");
            system.entitle("acme", true).await.unwrap();
            assert_eq!(state(&system).await, Stable, "{from}");
        });
    }
}

/// A governor with a ledger and without an executor: its actions end as the test says.
async fn alone(action_timeout: Duration) -> (GovernorRef, Store) {
    let ledger = LedgerArguments::default();
    let store = ledger.store.clone();
    let name = Some(retake::scoped_name("ledger"));
    Actor::spawn(name, Ledger, ledger).await.unwrap();
    let entitlements = Entitlements::default();
    let arguments = GovernorArguments {
        action_timeout,
        ..GovernorArguments::new("acme", &Names::new(), &entitlements, &store)
    };
    let governor = GovernorRef::start(None, Governor, arguments).await.unwrap();
    governor.cast(GovernorEvent::Entitled(true)).unwrap();
    (governor, store)
}

async fn hand_in(governor: &GovernorRef, signal: Signal) -> Verdict {
    let event = |reply| GovernorEvent::Signal(signal, reply);
    governor.call(event, None).await.unwrap()
}

#[test]
fn each_end_of_an_action_leaves_a_result_and_leads_back_to_stable_once() {
    for (result, expected, why) in [
        (ActionResult::Success, "success", ""),
        (ActionResult::Timeout, "timeout", ""),
        (ActionResult::Error("it broke".into()), "error", "it broke"),
        (ActionResult::Partial("half".into()), "partial", "half"),
    ] {
        let run = Sim::new().run(move || {
            let result = result.clone();
            async move {
                let (governor, store) = alone(30 * SECOND).await;
                let Verdict::Acting(attempt) = hand_in(&governor, cpu(90.0)).await else {
                    panic!("no action");
                };
                retake::sleep(3 * SECOND).await;
                let done = |attempt| {
                    let result = result.clone();
                    let event = GovernorEvent::ActionDone { attempt, result };
                    governor.cast(event).unwrap();
                };
                // The end of another action changes nothing.
                done(attempt + 1);
                let inspection = governor.inspect().await.unwrap();
                assert_eq!(inspection.state, GovernorState::Intervening);
                done(attempt);
                let inspection = governor.inspect().await.unwrap();
                assert_eq!(inspection.state, GovernorState::Stable);
                let before = store.len();
                done(attempt);
                governor.inspect().await.unwrap();
                assert_eq!(store.len(), before, "it has ended already");
                let receipts = store.of_tenant("acme");
                let [.., result, transition] = &receipts[..] else {
                    panic!("{receipts:?}");
                };
                assert_eq!(transition.to_string(), "5 acme intervening -> stable");
                (result.kind.clone(), result.payload.clone())
            }
        });
        let kind = ReceiptKind::Result {
            attempt: 3,
            outcome: expected.to_owned(),
            duration_ns: 3_000_000_000,
        };
        assert_eq!(run.expect_passed(), (kind, why.to_owned()));
    }
}

/// Attempt and result of the only action.
fn action(store: &Store) -> (Receipt, Receipt) {
    store.verify().unwrap();
    let find = |is_it: fn(&Receipt) -> bool| {
        let mut found: Vec<_> = store.all().into_iter().filter(is_it).collect();
        assert_eq!(found.len(), 1, "{found:?}");
        found.remove(0)
    };
    let attempt = find(|it| matches!(it.kind, ReceiptKind::Attempt { .. }));
    let result = find(|it| matches!(it.kind, ReceiptKind::Result { .. }));
    (attempt, result)
}

/// An action that does not end has 30 s, in one governor's life or in several, and whether
/// its runner lives to tell or not.
#[test]
fn an_action_times_out_after_30_seconds_also_when_its_governor_dies_meanwhile() {
    for (deaths, is_told) in [(0, true), (0, false), (2, true), (2, false)] {
        let run = Sim::new().run(move || async move {
            let system = start(1000 * SECOND).await;
            let start = retake::now();
            system.signal(cpu(90.0)).await.unwrap();
            for _ in 0..deaths {
                retake::sleep(7 * SECOND).await;
                kill("governor/acme").await;
            }
            if !is_told {
                kill("executor").await;
            }
            retake::sleep(30 * SECOND - start.elapsed() - MS).await;
            assert_eq!(state(&system).await, GovernorState::Intervening);
            retake::sleep(2 * MS).await;
            assert_eq!(state(&system).await, GovernorState::Stable);
            if deaths == 0 && is_told {
                let pool = system.pool().status().await.unwrap();
                assert_eq!((pool.idle, pool.leased), (10, 0), "it is replaced");
            }
            action(system.store())
        });
        let (attempt, result) = run.expect_passed();
        let took = Duration::from_nanos(result.time_ns - attempt.time_ns);
        assert_eq!(took, 30 * SECOND, "{deaths} deaths, told: {is_told}");
        let kind = ReceiptKind::Result {
            attempt: attempt.id,
            outcome: "timeout".to_owned(),
            duration_ns: 30_000_000_000,
        };
        assert_eq!(result.kind, kind, "{deaths} deaths, told: {is_told}");
    }
}

#[test]
fn an_end_that_the_ledger_refuses_is_tried_again_each_second_until_it_has_its_receipt() {
    // Without a pause it would try for ever, in no time.
    let sim = Sim::new().livelock_after(10_000);
    let run = sim.run(|| async {
        let system = start(1000 * SECOND).await;
        system.signal(cpu(90.0)).await.unwrap();
        retake::sleep(25 * SECOND).await;
        let kind = ServiceFailure::Unavailable;
        break_service(Service::Ledger, kind, 100, 8_500 * MS);
        retake::sleep(8 * SECOND).await;
        assert_eq!(state(&system).await, GovernorState::Intervening);
        retake::sleep(2 * SECOND).await;
        assert_eq!(state(&system).await, GovernorState::Stable);
        action(system.store()).1.kind
    });
    let kind = ReceiptKind::Result {
        attempt: 5,
        outcome: "timeout".to_owned(),
        // Refused at 30, 31, 32 and 33 s.
        duration_ns: 34_000_000_000,
    };
    assert_eq!(run.expect_passed(), kind);
}

#[test]
fn an_action_that_had_to_wait_for_its_worker_has_no_more_time_than_others() {
    simulate(|| async {
        let system = System::start(SystemConfig {
            pool: PoolConfig {
                size: 1,
                max_overflow: 0,
                ..PoolConfig::default()
            },
            action_timeout: 6 * SECOND,
            action_time: ServiceTime::Fixed(4 * SECOND),
            ..config()
        });
        let system = system.await.unwrap();
        for tenant in ["acme", "beta"] {
            system.entitle(tenant, true).await.unwrap();
            system.signal(signal(tenant, 90.0)).await.unwrap();
            retake::sleep(MS).await;
        }
        retake::sleep(5 * SECOND).await;
        assert_eq!(system.pool().status().await.unwrap().leased, 1);
        // It began at 4 s, and would end at 8.
        retake::sleep(SECOND).await;
        let state = system.governor_state("beta").await.unwrap();
        assert_eq!(state, GovernorState::Stable);
        let leased = system.pool().status().await.unwrap().leased;
        assert_eq!(leased, 0, "nobody works on what has timed out");
    });
}

#[test]
fn each_kind_of_action_is_taken_between_an_attempt_and_a_result() {
    use ActionKind::{Rollback, Scale, Throttle};
    let of = |metric: &str, value| Signal {
        metric: metric.to_owned(),
        ..cpu(value)
    };
    let asked = |kind| Signal {
        action: Some(kind),
        ..cpu(0.0)
    };
    for (signal, kind, payload) in [
        (of("errors", 90.25), "rollback", "errors 90.25 at 17"),
        (of("requests", 90.0), "throttle", "requests 90.0 at 17"),
        (of("latency", 90.0), "scale", "latency 90.0 at 17"),
        (asked(Scale), "scale", "scale as asked at 17"),
        (asked(Rollback), "rollback", "rollback as asked at 17"),
        (asked(Throttle), "throttle", "throttle as asked at 17"),
    ] {
        let run = Sim::new().run(move || {
            let signal = signal.clone();
            async move {
                let system = start(WORK).await;
                let verdict = system.signal(signal).await.unwrap();
                let seen = system.store().of_tenant("acme");
                assert_eq!(verdict, Verdict::Acting(seen[seen.len() - 1].id));
                let at_work = MS;
                retake::sleep(at_work).await;
                assert_eq!(system.pool().status().await.unwrap().leased, 1);
                let now = system.store().of_tenant("acme");
                assert_eq!(now, seen, "no result before the work is done");
                retake::sleep(WORK).await;
                assert_eq!(state(&system).await, GovernorState::Stable);
                action(system.store())
            }
        });
        let (attempt, result) = run.expect_passed();
        let expected = ReceiptKind::Attempt {
            action: kind.to_owned(),
        };
        assert_eq!(
            (attempt.kind, attempt.payload.as_str()),
            (expected, payload)
        );
        let expected = ReceiptKind::Result {
            attempt: attempt.id,
            outcome: "success".to_owned(),
            duration_ns: 20_000_000,
        };
        assert_eq!(result.kind, expected);
    }
}
