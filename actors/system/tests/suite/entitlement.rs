//! Entitlements go through their life as declared, and governors follow.

use Change::{Approve, Archive, Escalate, Grant, Reinstate, Revoke, Suspend};
use retake_system::entitlement::{
    ChangeError, Entitlement, EntitlementArguments, EntitlementEvent, EntitlementRef, Terms,
};
use retake_system::system::EntitleError;
use retake_system::{Change, EntitlementState, Entitlements};

use crate::common::*;

const CHANGES: [Change; 7] = [
    Grant, Approve, Revoke, Suspend, Reinstate, Escalate, Archive,
];

async fn system(terms: Terms) -> System {
    let config = SystemConfig {
        terms,
        ..SystemConfig::default()
    };
    System::start(config).await.unwrap()
}

fn terms(seconds: u32) -> Terms {
    Terms {
        entitled_for: Some(seconds * SECOND),
        archived_for: None,
    }
}

/// Make these changes and give the last state.
async fn go(system: &System, changes: &[Change]) -> EntitlementState {
    for change in changes {
        system.change_entitlement("acme", *change).await.unwrap();
    }
    system.entitlements().state("acme")
}

/// A way to each state, by changes alone; from entitled to expired it takes time.
const WAYS: [(EntitlementState, &[Change]); 8] = [
    (EntitlementState::Unentitled, &[]),
    (EntitlementState::PendingReview, &[Grant]),
    (EntitlementState::Entitled, &[Grant, Approve]),
    (EntitlementState::Suspended, &[Grant, Suspend]),
    (EntitlementState::Escalated, &[Grant, Suspend, Escalate]),
    (EntitlementState::Revoked, &[Grant, Approve, Revoke]),
    (
        EntitlementState::Archived,
        &[Grant, Approve, Revoke, Archive],
    ),
    (EntitlementState::Expired, &[Grant, Approve]),
];

/// Where an event leads from a state; nowhere else is there a way. None is the expiry.
fn target(state: EntitlementState, event: Option<Change>) -> Option<EntitlementState> {
    use EntitlementState::{
        Archived, Entitled, Escalated, Expired, PendingReview, Revoked, Suspended, Unentitled,
    };
    match (state, event) {
        (Unentitled, Some(Grant)) => Some(PendingReview),
        (PendingReview, Some(Approve)) => Some(Entitled),
        (Entitled, Some(Revoke)) => Some(Revoked),
        (Entitled | PendingReview, Some(Suspend)) => Some(Suspended),
        (Suspended, Some(Reinstate)) => Some(Entitled),
        (Suspended, Some(Escalate)) => Some(Escalated),
        (Escalated | Revoked, Some(Archive)) => Some(Archived),
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
                    arguments.terms.entitled_for = Some(SECOND);
                }
                let entitlement = EntitlementRef::start(None, Entitlement, arguments);
                let entitlement = entitlement.await.unwrap();
                for change in way {
                    tell(&entitlement, *change).await.unwrap();
                }
                retake::sleep(1001 * MS).await;
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
    simulate(|| async {
        let system = system(Terms::default()).await;
        go(&system, &[Grant]).await;
        let error = system.change_entitlement("acme", Archive).await;
        let error = error.unwrap_err();
        assert!(matches!(error, EntitleError::Change(_)));
        assert_eq!(
            error.to_string(),
            "an entitlement that is pending_review cannot archive"
        );
        assert_eq!(go(&system, &[]).await, EntitlementState::PendingReview);
        assert_eq!(system.store().len(), 1);
    });
}

#[test]
fn a_governor_follows_the_entitlement() {
    under_seeds(20, || async {
        let system = system(Terms::default()).await;
        let verdict = system.signal(cpu(10.0)).await.unwrap();
        assert_eq!(verdict, Verdict::Refused(1));
        for (change, expected) in [
            (Grant, GovernorState::Refusing),
            (Approve, GovernorState::Stable),
            (Suspend, GovernorState::Refusing),
            (Reinstate, GovernorState::Stable),
            (Revoke, GovernorState::Refusing),
        ] {
            go(&system, &[change]).await;
            assert_eq!(state(&system).await, expected, "after {change}");
        }
        system.stop().await;
    });
}

#[test]
fn an_entitlement_expires_in_its_time_and_its_governor_refuses() {
    let terms = terms(100);
    let run = Sim::new().run(move || async move {
        let system = system(terms).await;
        go(&system, &[Grant, Approve]).await;
        system.signal(cpu(10.0)).await.unwrap();
        retake::sleep(99 * SECOND).await;
        // A suspension interrupts the time, and it starts again.
        go(&system, &[Suspend, Reinstate]).await;
        retake::sleep(99_999 * MS).await;
        assert_eq!(go(&system, &[]).await, EntitlementState::Entitled);
        retake::sleep(2 * MS).await;
        assert_eq!(go(&system, &[]).await, EntitlementState::Expired);
        assert_eq!(state(&system).await, GovernorState::Refusing);
        let verdict = system.signal(cpu(10.0)).await;
        assert!(matches!(verdict, Ok(Verdict::Refused(_))), "{verdict:?}");
        changes(&system)
    });
    let changes = run.expect_passed();
    assert_eq!(changes.last().unwrap(), "entitled -> expired");
}

#[test]
fn an_archived_entitlement_expires_in_its_time() {
    let terms = Terms {
        archived_for: Some(10 * SECOND),
        ..terms(100)
    };
    let run = Sim::new().run(move || async move {
        let system = system(terms).await;
        go(&system, &[Grant, Approve, Revoke, Archive]).await;
        retake::sleep(9_999 * MS).await;
        assert_eq!(go(&system, &[]).await, EntitlementState::Archived);
        retake::sleep(2 * MS).await;
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
    let terms = terms(10);
    let run = Sim::new().run(move || async move {
        let system = system(terms).await;
        go(&system, &[Grant, Approve]).await;
        system.signal(cpu(10.0)).await.unwrap();
        let kind = ServiceFailure::Unavailable;
        break_service(Service::Ledger, kind, 100, 15 * SECOND);
        let answer = system.change_entitlement("acme", Revoke).await;
        assert!(matches!(answer, Err(EntitleError::Call(_))), "{answer:?}");
        assert_eq!(go(&system, &[]).await, EntitlementState::Entitled);
        retake::sleep(14 * SECOND).await;
        assert_eq!(state(&system).await, GovernorState::Stable);
        assert_eq!(go(&system, &[]).await, EntitlementState::Entitled);
        retake::sleep(2 * SECOND).await;
        assert_eq!(state(&system).await, GovernorState::Refusing);
        changes(&system)
    });
    assert_eq!(run.expect_passed()[2..], ["entitled -> expired".to_owned()]);
}

#[test]
fn an_entitlement_survives_its_actor_and_governance_and_still_expires_in_time() {
    let terms = terms(100);
    for victim in ["entitlement/acme", "governance"] {
        for seed in 0..10 {
            let fault = Fault::kill(victim).at(60 * SECOND);
            let run = Sim::new().seed(seed).fault(fault).run(move || async move {
                let system = system(terms).await;
                go(&system, &[Grant, Approve]).await;
                retake::sleep(99 * SECOND).await;
                assert_eq!(go(&system, &[]).await, EntitlementState::Entitled);
                retake::sleep(1001 * MS).await;
                assert_eq!(go(&system, &[]).await, EntitlementState::Expired);
            });
            assert_eq!(run.stats.faults, 1);
            run.expect_passed();
        }
    }
}
