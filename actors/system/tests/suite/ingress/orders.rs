//! Signed orders.

use super::*;

/// Who cannot sign learns nothing of what an order would do.
#[test]
fn an_order_is_checked_for_its_form_its_signature_its_action_and_its_entitlement_in_turn() {
    let signed = |tenant: &str, action: &str, secret: &Secret| {
        let order = Order {
            entitlement_id: "e".to_owned(),
            tenant_id: tenant.to_owned(),
            action: action.to_owned(),
            timestamp: START_MS,
            signature: String::new(),
        };
        serde_json::to_value(order.sign(secret)).unwrap()
    };
    let (right, wrong) = (secret(), Secret::new("a guess"));
    let mut orders = Vec::new();
    for member in [
        "entitlementId",
        "tenantId",
        "action",
        "timestamp",
        "signature",
    ] {
        let mut order = signed("nobody", "explode", &wrong);
        order.as_object_mut().unwrap().remove(member);
        orders.push((order, 400, "invalid_order"));
    }
    orders.extend([
        (signed("", "explode", &wrong), 400, "invalid_order"),
        (signed("nobody", "explode", &wrong), 401, "bad_signature"),
        (signed("acme", "explode", &wrong), 401, "bad_signature"),
        (signed("acme", "suspend", &wrong), 401, "bad_signature"),
        (signed("acme", "scale", &wrong), 401, "bad_signature"),
        (signed("nobody", "explode", &right), 400, "unknown_action"),
        (signed("nobody", "scale", &right), 403, "not_entitled"),
        (signed("acme", "scale", &right), 200, ""),
    ]);
    simulate(move || {
        let orders = orders.clone();
        async move {
            let stage = start(small()).await;
            for (order, status, word) in orders {
                let request = post("/marketplace", &order.to_string());
                let (got, answer) = connect().await.ask(request).await;
                let error = answer["error"].as_str().unwrap_or_default();
                assert_eq!((got, error), (status, word), "{order}");
            }
            assert!(stage.system.entitlements().is_entitled("acme"));
        }
    });
}

#[test]
fn orders_change_entitlements_and_start_actions() {
    simulate(|| async {
        let (stage, mut client) = served().await;
        for (action, timestamp, status, verdict) in [
            ("grant", 1, 200, "pending_review"),
            ("scale", 2, 403, ""),
            ("approve", 3, 200, "entitled"),
            ("rollback", 4, 200, "acting"),
            ("rollback", 4, 200, "acting"),
            ("suspend", 5, 200, "suspended"),
            ("throttle", 6, 403, ""),
        ] {
            let (got, answer) = client.ask(order("new", action, timestamp)).await;
            assert_eq!(got, status, "{action}: {answer}");
            assert_eq!(answer["verdict"].as_str().unwrap_or_default(), verdict);
        }
        retake::sleep(SECOND).await;
        let attempts = stage.system.store().of_tenant("new");
        let attempts: Vec<_> = attempts
            .iter()
            .filter(|receipt| matches!(receipt.kind, ReceiptKind::Attempt { .. }))
            .collect();
        assert_eq!(attempts.len(), 1, "the second order was the same");
    });
}

#[test]
fn an_order_is_taken_once_in_its_time_for_its_own_entitlement_and_in_order() {
    simulate(|| async {
        let stage = start(small()).await;
        let minute = 60_000;
        retake::sleep(600 * SECOND).await;
        let mut client = connect().await;
        let now = START_MS + 10 * minute;
        let is_entitled = || stage.system.entitlements().is_entitled("new");
        for (entitlement, action, timestamp, status, word) in [
            // Not in its time.
            ("e9", "grant", 0, 403, "untimely_order"),
            ("e9", "grant", 1, 403, "untimely_order"),
            ("e9", "grant", 1 << 63, 403, "untimely_order"),
            ("e9", "grant", u64::MAX, 403, "untimely_order"),
            ("e9", "grant", now - 6 * minute, 403, "untimely_order"),
            ("e9", "grant", now + 2 * minute, 403, "untimely_order"),
            ("e9", "grant", now - 4 * minute, 200, "accepted"),
            ("e9", "grant", now - 4 * minute, 200, "duplicate"),
            // An older one that was kept back.
            ("e9", "approve", now - 4 * minute - 1, 409, "out_of_order"),
            ("e9", "approve", now - 100, 200, "accepted"),
            // Another entitlement's.
            ("e77", "suspend", now - 90, 403, "other_entitlement"),
            ("e77", "scale", now - 90, 403, "other_entitlement"),
            ("e9", "scale", 5, 403, "untimely_order"),
            ("e9", "scale", now - 90, 200, "accepted"),
            ("e9", "suspend", now - 80, 200, "accepted"),
            ("e9", "reinstate", now - 70, 200, "accepted"),
            ("e9", "suspend", now - 60, 200, "accepted"),
            // Those from before, again.
            ("e9", "reinstate", now - 70, 200, "duplicate"),
            ("e9", "suspend", now - 80, 200, "duplicate"),
            ("e9", "approve", now - 100, 200, "duplicate"),
            ("e9", "scale", now - 90, 200, "duplicate"),
            // Made between the two suspensions, and never seen.
            ("e9", "reinstate", now - 65, 409, "out_of_order"),
            ("e9", "reinstate", now - 60, 409, "out_of_order"),
        ] {
            let request = order_of(entitlement, "new", action, timestamp);
            let (got, answer) = client.ask(&request).await;
            let found = answer["status"].as_str().or(answer["error"].as_str());
            assert_eq!(
                (got, found),
                (status, Some(word)),
                "{action} {timestamp}: {answer}"
            );
            assert!(answer["receipt"].is_u64(), "{answer}");
        }
        assert!(!is_entitled());
        // Long after that it is a duplicate still, and another one too late.
        retake::sleep(1_200 * SECOND).await;
        let mut client = connect().await;
        let (_, answer) = client
            .ask(order_of("e9", "new", "reinstate", now - 70))
            .await;
        assert_eq!(answer["status"], "duplicate");
        let (status, _) = client
            .ask(order_of("e9", "new", "reinstate", now - 50))
            .await;
        assert_eq!((status, is_entitled()), (403, false));
        assert_eq!(invariants::ledger(stage.system.store()), []);
    });
}

/// What orders have done to an entitlement is known to the next process.
#[test]
fn an_old_order_does_nothing_after_a_restart() {
    simulate(|| async {
        let disk = SimulatedDisk::new();
        let on = || SystemConfig {
            durability: Durability::Fsync(Arc::new(disk.clone())),
            ..SystemConfig::default()
        };
        let stage = start_system(small(), on()).await;
        let mut client = connect().await;
        for (number, action) in ["grant", "approve", "suspend"].into_iter().enumerate() {
            let request = order_of("e9", "new", action, START_MS + 10 * number as u64);
            assert_eq!(client.ask(request).await.0, 200);
        }
        drop(client);
        stage.stop.send(()).unwrap();
        stage.serving.await.unwrap();
        stage.system.stop().await;

        let system = System::start(on()).await.unwrap();
        let entitlements = system.entitlements();
        assert!(!entitlements.may_be("new", "e77") && entitlements.may_be("new", "e9"));
        let order = |ordered_ms| retake_system::entitlement::ChangeOrder {
            change: retake_system::Change::Reinstate,
            entitlement_id: "e9".to_owned(),
            ordered_ms,
            key: "reinstate".to_owned(),
        };
        let refused = system.order_change("new", order(START_MS + 20)).await;
        let error = refused.unwrap_err().to_string();
        assert!(error.contains("orders apply in the order of"), "{error}");
        system
            .order_change("new", order(START_MS + 21))
            .await
            .unwrap();
    });
}
