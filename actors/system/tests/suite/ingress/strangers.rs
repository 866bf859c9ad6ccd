//! What clients without rights can do.

use super::*;

/// A tenant, message or entitlement of any name has keys of its own.
#[test]
fn no_name_makes_what_one_tenant_sends_a_duplicate_of_anothers() {
    simulate(|| async {
        let stage = start(small()).await;
        let tenants = ["a", "a/b", "a 1:b", "unknown", "signal", "(no tenant)"];
        for tenant in tenants {
            stage.system.entitle(tenant, true).await.unwrap();
        }
        let ids = ["c", "b/c", "1:b c", "3:b/c", "a/b/c", " 1:c"];
        let mut client = connect().await;
        let mut receipts = std::collections::BTreeSet::new();
        for tenant in tenants {
            for id in ids {
                let (status, answer) = client.ask(push(tenant, id, 1.0)).await;
                assert_eq!((status, &answer["status"]), (200, &Value::from("accepted")));
                let receipt = answer["receipt"].as_u64().unwrap();
                assert!(receipts.insert(receipt), "{tenant} {id}");
                assert_eq!(stage.system.store().get(receipt).unwrap().tenant, tenant);
            }
        }
    });
}

#[test]
fn a_push_that_nobody_signed_never_makes_a_signed_order_a_duplicate() {
    simulate(|| async {
        let (stage, mut client) = served().await;
        let at = START_MS + 5;
        for id in [
            format!("order-e-scale-{at}"),
            format!("scale at {at} of e"),
            format!("order 4:acme 24:scale at {at} of e"),
        ] {
            let (status, answer) = client.ask(push("acme", &id, 1.0)).await;
            assert_eq!((status, &answer["verdict"]), (200, &Value::from("stable")));
        }
        let (status, answer) = client.ask(order("acme", "scale", 5)).await;
        assert_eq!((status, &answer["status"]), (200, &Value::from("accepted")));
        assert_eq!(answer["verdict"], "acting");
        // Nor a change.
        let (_, again) = client
            .ask(push("acme", &format!("suspend at {at} of e"), 1.0))
            .await;
        assert_eq!(again["status"], "accepted");
        let (status, answer) = client.ask(order("acme", "suspend", 5)).await;
        assert_eq!((status, &answer["status"]), (200, &Value::from("accepted")));
        assert!(!stage.system.entitlements().is_entitled("acme"));
    });
}

#[test]
fn refusals_of_made_up_tenants_are_in_no_tenants_chain() {
    simulate(|| async {
        let stage = start(small()).await;
        stage.system.entitle("unknown", true).await.unwrap();
        let mut client = connect().await;
        for request in [
            post("/pubsub", "rubbish"),
            push("made up", "m", 1.0),
            push("unknown", "m", 1.0),
            order("made up", "suspend", 1),
            order("made up", "scale", 1),
        ] {
            client.ask(&request).await;
        }
        let store = stage.system.store();
        let refused = |tenant: &str| {
            let is_refusal = |it: &&Receipt| matches!(it.kind, ReceiptKind::Refusal { .. });
            store.of_tenant(tenant).iter().filter(is_refusal).count()
        };
        let counts = ["unknown", "made up", ""].map(refused);
        assert_eq!(counts, [0, 0, 4]);
        let nameless = r#"{"tenant_id":"","metric":"cpu","value":1,"timestamp_ms":1}"#;
        assert!(
            retake_system::ingress::check_name("it", "").is_err(),
            "{nameless}"
        );
    });
}

#[test]
fn pushes_and_figures_need_their_token_where_there_is_one() {
    simulate(|| async {
        let config = IngressConfig {
            push_token: Some(Token::new("the token of pushes")),
            metrics_token: Some(Token::new("the token of figures")),
            ..small()
        };
        let stage = start(config).await;
        let with =
            |request: String, line: &str| request.replacen("\r\n", &format!("\r\n{line}\r\n"), 1);
        let (pushes, figures) = (push("acme", "m", 1.0), get("/metrics"));
        let (first, second) = ("the token of pushes", "the token of figures");
        let before = stage.system.store().len();
        for (request, line, status) in [
            (&pushes, "x: y".to_owned(), 401),
            (&pushes, format!("authorization: Bearer {second}"), 401),
            (&pushes, format!("authorization: Basic {first}"), 401),
            (&pushes, format!("authorization: {first}"), 401),
            (&pushes, "authorization: Bearer ".to_owned(), 401),
            (&pushes, "authorization: \u{e4}".to_owned(), 401),
            (&figures, "x: y".to_owned(), 401),
            (&figures, format!("authorization: Bearer {first}"), 401),
        ] {
            let (got, answer) = connect().await.ask(with(request.clone(), &line)).await;
            assert_eq!(
                (got, &answer["error"]),
                (status, &"unauthorized".into()),
                "{line}"
            );
            assert_eq!(stage.system.store().len(), before, "it leaves no receipt");
        }
        let line = format!("Authorization: bearer {second}");
        assert_eq!(connect().await.ask(with(figures, &line)).await.0, 200);
        let line = format!("authorization: Bearer {first}");
        assert_eq!(connect().await.ask(with(pushes, &line)).await.0, 200);
        // Health and signed orders need none.
        assert_eq!(connect().await.ask(get("/health")).await.0, 200);
        assert_eq!(connect().await.ask(order("acme", "scale", 1)).await.0, 200);
    });
}

#[test]
fn a_flood_of_refused_requests_costs_little_and_each_answer_names_a_receipt() {
    let run = Sim::new().step_limit(10_000_000).run(|| async {
        let stage = start(small()).await;
        stage.system.entitle("suspended", true).await.unwrap();
        stage.system.entitle("suspended", false).await.unwrap();
        let store = stage.system.store();
        let mut client = connect().await;
        let mut answers = Vec::new();
        for number in 0..3_000 {
            let id = number.to_string();
            let request = match number % 3 {
                0 => post("/pubsub", &id),
                1 => push(&id, &id, 1.0),
                _ => push("suspended", &id, 1.0),
            };
            let (status, answer) = client.ask(request).await;
            answers.push((status, answer["receipt"].as_u64()));
        }
        assert!(answers.iter().all(|(_, receipt)| receipt.is_some()));
        assert_eq!(invariants::answers(store, &answers), []);
        assert_eq!(invariants::ledger(store), []);
        assert!(store.len() < 1_100, "{} receipts", store.len());
        // Who is entitled is served as before.
        assert_eq!(client.ask(push("acme", "m", 1.0)).await.0, 200);
    });
    run.expect_passed();
}
