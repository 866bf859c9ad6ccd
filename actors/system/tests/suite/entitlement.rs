//! Entitlements go through their life as declared, and governors follow.

use std::time::Duration;

use crate::broken::{Broken, break_service};
use retake::ServiceFailure;
use retake_otp::Names;
use retake_otp::statem::StateMachine;
use retake_sim::{Fault, Sim};
use retake_system::entitlement::{
    ChangeError, Entitlement, EntitlementArguments, EntitlementEvent, EntitlementRef, Terms,
};
use retake_system::ledger::ReceiptKind;
use retake_system::system::EntitleError;
use retake_system::{
    Change, EntitlementState, Entitlements, GovernorState, Service, Signal, System, SystemConfig,
    Verdict,
};

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

/// A way to each state, by changes alone; from entitled to expired it takes time.
const WAYS: [(EntitlementState, &[Change]); 8] = [
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
    (EntitlementState::Expired, &[Change::Grant, Change::Approve]),
];

/// Where an event leads from a state; nowhere else is there a way. None is the expiry.
fn target(state: EntitlementState, event: Option<Change>) -> Option<EntitlementState> {
    use EntitlementState::{
        Archived, Entitled, Escalated, Expired, PendingReview, Revoked, Suspended, Unentitled,
    };
    match (state, event) {
        (Unentitled, Some(Change::Grant)) => Some(PendingReview),
        (PendingReview, Some(Change::Approve)) => Some(Entitled),
        (Entitled, Some(Change::Revoke)) => Some(Revoked),
        (Entitled | PendingReview, Some(Change::Suspend)) => Some(Suspended),
        (Suspended, Some(Change::Reinstate)) => Some(Entitled),
        (Suspended, Some(Change::Escalate)) => Some(Escalated),
        (Escalated | Revoked, Some(Change::Archive)) => Some(Archived),
        (Entitled | Archived, None) => Some(Expired),
        _ => None,
    }
}

async fn tell(
    entitlement: &EntitlementRef,
    change: Change,
) -> Result<EntitlementState, ChangeError> {
    let event = |reply| EntitlementEvent::Change(change, reply);
    entitlement.call(event, None).await.unwrap()
}

#[test]
fn each_event_leads_on_where_it_may_and_is_an_error_that_names_the_state_elsewhere() {
    let mut led = 0;
    for (state, way) in WAYS {
        for event in CHANGES.map(Some).into_iter().chain([None]) {
            let run = Sim::new().run(move || async move {
                let entitlements = Entitlements::default();
                let mut arguments = EntitlementArguments::new("acme", &Names::new(), &entitlements);
                if state == EntitlementState::Expired {
                    arguments.terms.entitled_for = Some(Duration::from_secs(1));
                }
                let entitlement = EntitlementRef::start(None, Entitlement, arguments);
                let entitlement = entitlement.await.unwrap();
                for change in way {
                    tell(&entitlement, *change).await.unwrap();
                }
                retake::sleep(Duration::from_millis(1001)).await;
                assert_eq!(entitlements.state("acme"), state);
                let error = match event {
                    Some(change) => tell(&entitlement, change).await.err(),
                    None => {
                        entitlement.cast(EntitlementEvent::Expire).unwrap();
                        None
                    }
                };
                let inspection = entitlement.inspect().await.unwrap();
                assert_eq!(inspection.state, entitlements.state("acme"));
                assert_eq!(inspection.undeclared, u64::from(inspection.state == state));
                (error, inspection.state)
            });
            let (error, after) = run.expect_passed();
            let expected = target(state, event);
            led += u32::from(expected.is_some());
            assert_eq!(after, expected.unwrap_or(state), "{state} {event:?}");
            // Nobody asks for an expiry, so nobody gets an answer without one.
            let refused = event.filter(|_| expected.is_none());
            let refused =
                refused.map(|change| format!("an entitlement that is {state} cannot {change}"));
            assert_eq!(error.map(|it| it.to_string()), refused);
        }
    }
    assert_eq!(led, 11, "of 64");
}

#[test]
fn a_refused_change_leaves_the_state_and_no_receipt() {
    let run = Sim::new().run(|| async {
        let system = system(Terms::default()).await;
        go(&system, &[Change::Grant]).await;
        let error = system.change_entitlement("acme", Change::Archive).await;
        let error = error.unwrap_err();
        assert!(matches!(error, EntitleError::Change(_)));
        assert_eq!(
            error.to_string(),
            "an entitlement that is pending_review cannot archive"
        );
        assert_eq!(go(&system, &[]).await, EntitlementState::PendingReview);
        assert_eq!(system.store().len(), 1);
    });
    run.expect_passed();
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
fn an_entitlement_expires_in_its_time_and_its_governor_refuses() {
    let terms = Terms {
        entitled_for: Some(Duration::from_secs(100)),
        archived_for: None,
    };
    let run = Sim::new().run(move || async move {
        let system = system(terms).await;
        go(&system, &[Change::Grant, Change::Approve]).await;
        system.signal(calm()).await.unwrap();
        retake::sleep(Duration::from_secs(99)).await;
        // A suspension interrupts the time, and it starts again.
        go(&system, &[Change::Suspend, Change::Reinstate]).await;
        retake::sleep(Duration::from_millis(99_999)).await;
        assert_eq!(go(&system, &[]).await, EntitlementState::Entitled);
        retake::sleep(Duration::from_millis(2)).await;
        assert_eq!(go(&system, &[]).await, EntitlementState::Expired);
        let state = system.governor_state("acme").await;
        assert_eq!(state, Ok(GovernorState::Refusing));
        assert!(matches!(
            system.signal(calm()).await,
            Ok(Verdict::Refused(_))
        ));
        changes(&system)
    });
    let changes = run.expect_passed();
    assert_eq!(changes.last().unwrap(), "entitled -> expired");
}

#[test]
fn an_archived_entitlement_expires_in_its_time() {
    let terms = Terms {
        entitled_for: Some(Duration::from_secs(100)),
        archived_for: Some(Duration::from_secs(10)),
    };
    let run = Sim::new().run(move || async move {
        let system = system(terms).await;
        let way = [
            Change::Grant,
            Change::Approve,
            Change::Revoke,
            Change::Archive,
        ];
        go(&system, &way).await;
        retake::sleep(Duration::from_millis(9_999)).await;
        assert_eq!(go(&system, &[]).await, EntitlementState::Archived);
        retake::sleep(Duration::from_millis(2)).await;
        assert_eq!(go(&system, &[]).await, EntitlementState::Expired);
        changes(&system)
    });
    assert_eq!(
        run.expect_passed(),
        [
            "unentitled -> pending_review",
            "pending_review -> entitled",
            "entitled -> revoked",
            "revoked -> archived",
            "archived -> expired",
        ]
    );
}

/// What the receipts say about the entitlement.
fn changes(system: &System) -> Vec<String> {
    system.store().verify().unwrap();
    let receipts = system.store().of_tenant("acme").into_iter();
    let changes = receipts.filter_map(|receipt| match receipt.kind {
        ReceiptKind::Entitlement { from, to, .. } => Some(format!("{from} -> {to}")),
        _ => None,
    });
    changes.collect()
}

#[test]
fn nothing_changes_without_a_receipt_and_an_expiry_is_tried_until_it_has_one() {
    let terms = Terms {
        entitled_for: Some(Duration::from_secs(10)),
        archived_for: None,
    };
    let run = Sim::new().run(move || async move {
        let system = system(terms).await;
        go(&system, &[Change::Grant, Change::Approve]).await;
        system.signal(calm()).await.unwrap();
        let (ledger, kind) = (Service::Ledger, ServiceFailure::Unavailable);
        break_service(Broken::new(ledger, kind, 100, Duration::from_secs(15)));
        let answer = system.change_entitlement("acme", Change::Revoke).await;
        assert!(matches!(answer, Err(EntitleError::Call(_))), "{answer:?}");
        assert_eq!(go(&system, &[]).await, EntitlementState::Entitled);
        retake::sleep(Duration::from_secs(14)).await;
        let state = system.governor_state("acme").await;
        assert_eq!(state, Ok(GovernorState::Stable));
        assert_eq!(go(&system, &[]).await, EntitlementState::Entitled);
        retake::sleep(Duration::from_secs(2)).await;
        let state = system.governor_state("acme").await;
        assert_eq!(state, Ok(GovernorState::Refusing));
        changes(&system)
    });
    assert_eq!(run.expect_passed()[2..], ["entitled -> expired".to_owned()]);
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
