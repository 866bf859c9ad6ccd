//! Signals that are pushed.

use super::*;

#[test]
fn signals_are_taken_once_with_a_receipt() {
    simulate(|| async {
        let (stage, mut client) = served().await;
        let (status, answer) = client.ask(push("acme", "m-1", 70.0)).await;
        assert_eq!((status, &answer["verdict"]), (200, &Value::from("warning")));
        let store = stage.system.store();
        let receipt = store.get(answer["receipt"].as_u64().unwrap()).unwrap();
        assert_eq!(answer["hash"], receipt.hash.to_string());
        // Another one of its id changes nothing, whatever it says.
        let before = store.len();
        let (status, again) = client.ask(push("acme", "m-1", 95.0)).await;
        assert_eq!((status, &again["status"]), (200, &Value::from("duplicate")));
        assert_eq!(again["receipt"], answer["receipt"]);
        assert_eq!(store.len(), before);
        let (status, acting) = client.ask(push("acme", "m-2", 95.0)).await;
        assert_eq!((status, &acting["verdict"]), (200, &Value::from("acting")));
        // It waits for the end of the action.
        let start = retake::now();
        let (_, calm) = client.ask(push("acme", "m-3", 1.0)).await;
        assert_eq!(calm["verdict"], "stable");
        assert_eq!(start.elapsed(), 20 * MS);
    });
}

/// A signal's message is delivered again and again, until it is answered well.
#[test]
fn a_duplicate_gives_the_first_receipt_at_once_whatever_came_of_the_first() {
    let without_data = r#"{"message":{"messageId":"d-1"}}"#;
    let undecodable = r#"{"message":{"messageId":"d-2","data":"?"}}"#;
    let no_signal = r#"{"message":{"messageId":"d-3","data":"e30="}}"#;
    for (request, status) in [
        (push("acme", "m-1", 1.0), 200),
        // Its action is in flight when the second one comes.
        (push("acme", "m-1", 95.0), 200),
        (push("suspended", "m-1", 95.0), 403),
        (push("nobody", "m-1", 95.0), 403),
        (post("/pubsub", without_data), 400),
        (post("/pubsub", undecodable), 400),
        (post("/pubsub", no_signal), 400),
    ] {
        simulate(move || {
            let request = request.clone();
            async move {
                let stage = start(small()).await;
                stage.system.entitle("suspended", true).await.unwrap();
                stage.system.entitle("suspended", false).await.unwrap();
                let store = stage.system.store();
                let mut client = connect().await;
                let (first, answer) = client.ask(&request).await;
                assert_eq!(first, status, "{request}: {answer}");
                assert!(answer["receipt"].is_u64(), "{request}: {answer}");
                let before = (store.len(), retake::now());
                for _ in 0..3 {
                    let (again, second) = client.ask(&request).await;
                    assert_eq!(again, first, "{request}: {second}");
                    assert_eq!(second["receipt"], answer["receipt"], "{request}");
                    let word = (first == 200).then_some("duplicate");
                    assert_eq!(second["status"].as_str(), word, "{request}");
                }
                assert_eq!((store.len(), retake::now()), before, "{request}");
            }
        });
    }
}

#[test]
fn a_push_that_comes_twice_on_purpose_is_taken_once() {
    let twice: Fault = "point ingress: a push comes twice @step 1".parse().unwrap();
    let run = Sim::new().fault(twice).run(|| async {
        let (stage, mut client) = served().await;
        let (status, body) = client.ask(push("acme", "m-1", 50.0)).await;
        assert_eq!((status, &body["status"]), (200, &Value::from("duplicate")));
        assert_eq!(stage.system.store().of_signal("m-1").len(), 1);
    });
    assert_eq!(run.stats.faults, 1);
    run.expect_passed();
}

#[test]
fn messages_of_one_id_that_come_together_are_taken_once() {
    simulate(|| async {
        let stage = start(small()).await;
        let asked = [(); 3]
            .map(|()| retake::spawn(async { connect().await.ask(push("acme", "m", 95.0)).await }));
        let mut receipts = Vec::new();
        for (status, answer) in all(asked).await {
            assert_eq!((status, &answer["verdict"]), (200, &Value::from("acting")));
            receipts.push(answer["receipt"].as_u64().unwrap());
        }
        assert_eq!(receipts, [receipts[0]; 3]);
        retake::sleep(SECOND).await;
        let taken = stage.system.store().of_signal("m");
        let taken: Vec<String> = taken.iter().map(ToString::to_string).collect();
        let expected = ["attempt scale", "signal: acting", "success"];
        assert_eq!(taken.len(), expected.len(), "{taken:?}");
        for (taken, expected) in taken.iter().zip(expected) {
            assert!(taken.ends_with(expected), "{taken}");
        }
    });
}

#[test]
fn a_message_that_was_refused_stays_so_when_its_tenant_is_entitled() {
    simulate(|| async {
        let (stage, mut client) = served().await;
        let (status, refused) = client.ask(push("new", "m-1", 1.0)).await;
        assert_eq!(status, 403);
        stage.system.entitle("new", true).await.unwrap();
        let (status, again) = client.ask(push("new", "m-1", 1.0)).await;
        assert_eq!((status, &again["receipt"]), (403, &refused["receipt"]));
        assert_eq!(client.ask(push("new", "m-2", 1.0)).await.0, 200);
    });
}

#[test]
fn what_is_malformed_or_not_entitled_is_refused_with_a_receipt() {
    simulate(|| async {
        let (stage, mut client) = served().await;
        for (request, status, word) in [
            (post("/pubsub", "nonsense"), 400, "invalid_envelope"),
            (post("/pubsub", "{}"), 400, "invalid_envelope"),
            (
                post("/pubsub", r#"{"message":null,"subscription":"s"}"#),
                400,
                "invalid_envelope",
            ),
            (
                post("/pubsub", r#"{"message":{"messageId":"1"}}"#),
                400,
                "missing_data",
            ),
            (
                post("/pubsub", r#"{"message":{"messageId":"2","data":"?"}}"#),
                400,
                "undecodable_data",
            ),
            (push("nobody", "m", 1.0), 403, "not_entitled"),
            (post("/marketplace", "{}"), 400, "invalid_order"),
            (order("acme", "explode", 1), 400, "unknown_action"),
            (
                order("acme", "scale", 1).replace(&START_MS.to_string()[..9], "111111111"),
                401,
                "bad_signature",
            ),
            (order("nobody", "scale", 1), 403, "not_entitled"),
            (order("acme", "grant", 1), 409, "not_allowed"),
        ] {
            let before = stage.system.store().len();
            let (got, answer) = client.ask(&request).await;
            assert_eq!(
                (got, &answer["error"]),
                (status, &Value::from(word)),
                "{request}"
            );
            // One receipt, and nothing else: no action was started.
            let receipt = stage.system.store().all().split_off(before);
            let [receipt] = &receipt[..] else {
                panic!("{request}: {receipt:?}");
            };
            assert_eq!(answer["receipt"], receipt.id, "{request}");
            let reason = word.to_owned();
            assert_eq!(receipt.kind, ReceiptKind::Refusal { reason }, "{request}");
        }
        for (request, status) in [(get("/nothing"), 404), (get("/pubsub"), 405)] {
            assert_eq!(client.ask(request).await.0, status);
        }
        // An honest client is served at the same time.
        assert_eq!(connect().await.ask(push("acme", "m", 1.0)).await.0, 200);
        assert_eq!(invariants::ledger(stage.system.store()), []);
    });
}
