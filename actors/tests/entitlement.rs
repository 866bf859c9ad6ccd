//! Entitlements go through their life as declared, and governors follow.
#![allow(missing_docs)]

use std::time::Duration;

use retake_actors::entitlement::{Change, Entitlement, EntitlementState, Terms};
use retake_actors::statem::{Rule, StateMachine};
use retake_actors::system::EntitleError;
use retake_actors::{GovernorState, Signal, System, SystemConfig, Verdict};
use retake_sim::{Fault, Sim};

const CHANGES: [Change; 7] = [
    Change::Grant,
    Change::Approve,
    Change::Revoke,
    Change::Suspend,
    Change::Reinstate,
    Change::Escalate,
    Change::Archive,
];

async fn system(terms: Terms) -> System {
    let config = SystemConfig {
        terms,
        ..SystemConfig::default()
    };
    System::start(config).await.unwrap()
}

/// Make these changes and give the last state.
async fn go(system: &System, changes: &[Change]) -> EntitlementState {
    for change in changes {
        system.change_entitlement("acme", *change).await.unwrap();
    }
    system.entitlements().state("acme")
}

fn calm() -> Signal {
    Signal {
        id: None,
        tenant: "acme".to_owned(),
        metric: "cpu".to_owned(),
        value: 10.0,
        ..Signal::default()
    }
}

/// A way to each state, by changes alone.
const WAYS: [(EntitlementState, &[Change]); 7] = [
    (EntitlementState::Unentitled, &[]),
    (EntitlementState::PendingReview, &[Change::Grant]),
    (
        EntitlementState::Entitled,
        &[Change::Grant, Change::Approve],
    ),
    (
        EntitlementState::Suspended,
        &[Change::Grant, Change::Suspend],
    ),
    (
        EntitlementState::Escalated,
        &[Change::Grant, Change::Suspend, Change::Escalate],
    ),
    (
        EntitlementState::Revoked,
        &[Change::Grant, Change::Approve, Change::Revoke],
    ),
    (
        EntitlementState::Archived,
        &[
            Change::Grant,
            Change::Approve,
            Change::Revoke,
            Change::Archive,
        ],
    ),
];

#[test]
fn each_state_allows_what_is_declared_and_names_itself_where_it_refuses() {
    for (state, way) in WAYS {
        for change in CHANGES {
            let run = Sim::new().run(move || async move {
                let system = system(Terms::default()).await;
                assert_eq!(go(&system, way).await, state);
                let answer = system.change_entitlement("acme", change).await;
                (answer, system.entitlements().state("acme"))
            });
            let (answer, after) = run.expect_passed();
            let rule = Entitlement::table().get(state, change.name()).cloned();
            match rule {
                Some(Rule::Handle(targets)) => {
                    assert!(targets.contains(&after), "{state} {change} {after}");
                    assert_eq!(answer, Ok(after));
                }
                _ => {
                    let error = answer.unwrap_err();
                    assert!(matches!(error, EntitleError::Change(_)));
                    let text = format!("an entitlement that is {state} cannot {change}");
                    assert_eq!((error.to_string(), after), (text, state));
                }
            }
        }
    }
}

#[test]
fn the_declared_life_is_this_one() {
    insta::assert_snapshot!(Entitlement::table().to_mermaid(), @r"
    stateDiagram-v2
        [*] --> unentitled
        unentitled --> pending_review: grant
        pending_review --> entitled: approve
        pending_review --> suspended: suspend
        entitled --> suspended: suspend
        entitled --> revoked: revoke
        entitled --> expired: expiry
        suspended --> entitled: reinstate
        suspended --> escalated: escalate
        escalated --> archived: archive
        revoked --> archived: archive
        archived --> expired: expiry
    ");
}

#[test]
fn a_governor_follows_the_entitlement() {
    for seed in 0..20 {
        let run = Sim::new().seed(seed).run(|| async {
            let system = system(Terms::default()).await;
            assert!(matches!(
                system.signal(calm()).await,
                Ok(Verdict::Refused(_))
            ));
            for (change, state) in [
                (Change::Grant, GovernorState::Refusing),
                (Change::Approve, GovernorState::Stable),
                (Change::Suspend, GovernorState::Refusing),
                (Change::Reinstate, GovernorState::Stable),
                (Change::Revoke, GovernorState::Refusing),
            ] {
                go(&system, &[change]).await;
                let seen = system.governor_state("acme").await.unwrap();
                assert_eq!(seen, state, "after {change}");
            }
            system.stop().await;
        });
        run.expect_passed();
    }
}

#[test]
fn entitlements_and_archived_ones_expire_in_their_time() {
    let terms = Terms {
        entitled_for: Some(Duration::from_secs(100)),
        archived_for: Some(Duration::from_secs(10)),
    };
    let run = Sim::new().run(move || async move {
        let system = system(terms).await;
        go(&system, &[Change::Grant, Change::Approve]).await;
        system.signal(calm()).await.unwrap();
        retake::sleep(Duration::from_secs(99)).await;
        // A suspension interrupts the time, and it begins anew.
        go(&system, &[Change::Suspend, Change::Reinstate]).await;
        retake::sleep(Duration::from_secs(99)).await;
        assert_eq!(go(&system, &[]).await, EntitlementState::Entitled);
        retake::sleep(Duration::from_secs(2)).await;
        assert_eq!(go(&system, &[]).await, EntitlementState::Expired);
        assert!(matches!(
            system.signal(calm()).await,
            Ok(Verdict::Refused(_))
        ));
    });
    run.expect_passed();
}

#[test]
fn an_entitlement_survives_its_actor_and_governance_and_still_expires_in_time() {
    let terms = Terms {
        entitled_for: Some(Duration::from_secs(100)),
        archived_for: None,
    };
    for victim in ["entitlement/acme", "governance"] {
        for seed in 0..10 {
            let fault = Fault::kill(victim).at(Duration::from_secs(60));
            let run = Sim::new().seed(seed).fault(fault).run(move || async move {
                let system = system(terms).await;
                go(&system, &[Change::Grant, Change::Approve]).await;
                retake::sleep(Duration::from_secs(99)).await;
                assert_eq!(go(&system, &[]).await, EntitlementState::Entitled);
                retake::sleep(Duration::from_millis(1001)).await;
                assert_eq!(go(&system, &[]).await, EntitlementState::Expired);
            });
            assert_eq!(run.stats.faults, 1);
            run.expect_passed();
        }
    }
}
