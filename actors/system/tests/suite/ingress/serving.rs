//! Health, failures, and the life of a server.

use super::*;

#[test]
fn health_follows_governance_and_ledger_alone() {
    simulate(|| async {
        let (stage, mut client) = served().await;
        assert_eq!(client.ask(get("/health")).await.0, 200);
        let root = stage.system.root();
        for part in ["governance-supervisor", "ledger-supervisor"] {
            root.terminate_child(part).await.unwrap();
            let (status, answer) = client.ask(get("/health")).await;
            let what = format!("{part} is not running");
            assert_eq!((status, &answer["what"]), (503, &Value::from(what)));
            root.restart_child(part).await.unwrap();
            assert_eq!(client.ask(get("/health")).await.0, 200);
        }
        for part in ["executor-supervisor", "observability-supervisor"] {
            root.terminate_child(part).await.unwrap();
            assert_eq!(client.ask(get("/health")).await.0, 200, "without {part}");
        }
    });
}

#[test]
fn health_waits_one_second_for_a_supervisor_that_does_not_answer() {
    for part in ["governance", "ledger"] {
        simulate(move || async move {
            let _stage = start(small()).await;
            // Its supervisor is busy with starting it again.
            let slow = format!("slow {part} in pre_start by 60s @step 1");
            retake_sim::inject(slow.parse().unwrap());
            retake::where_is(part).unwrap().kill();
            retake::sleep(MS).await;
            let start = retake::now();
            let (status, answer) = connect().await.ask(get("/health")).await;
            let what = format!("{part}-supervisor does not answer");
            assert_eq!((status, &answer["what"]), (503, &Value::from(what)));
            assert_eq!(start.elapsed(), SECOND);
        });
    }
}

#[test]
fn nothing_is_taken_or_refused_without_a_ledger() {
    simulate(|| async {
        let (stage, mut client) = served().await;
        let root = stage.system.root();
        root.terminate_child("ledger-supervisor").await.unwrap();
        assert_eq!(client.ask(push("acme", "m", 1.0)).await.0, 503);
        assert_eq!(client.ask(post("/pubsub", "{}")).await.0, 503);
        root.restart_child("ledger-supervisor").await.unwrap();
        assert_eq!(client.ask(push("acme", "m", 1.0)).await.0, 200);
    });
}

#[test]
fn requests_are_answered_in_order_when_they_come_at_once() {
    simulate(|| async {
        let (_stage, mut client) = served().await;
        let burst: String = (0..20)
            .map(|number| push("acme", &number.to_string(), 1.0))
            .collect();
        client
            .write(burst + &get("/health") + "rubbish\r\n\r\n")
            .await;
        for _ in 0..21 {
            assert_eq!(client.read().await.unwrap().0, 200);
        }
        assert_eq!(client.read().await.unwrap().0, 400);
        assert_eq!(client.read().await, None);
    });
}

#[test]
fn a_client_that_gives_up_and_asks_again_is_taken_once() {
    simulate(|| async {
        let stage = start(small()).await;
        let receipts_of = |id: &str| stage.system.store().of_signal(id).len();
        for number in 0..20 {
            // It goes at any point: while it connects, writes or waits for the answer.
            let id = format!("m-{number}");
            let request = push("acme", &id, 50.0);
            let patience = Duration::from_micros(number * 40);
            let first = retake::timeout(patience, async {
                let mut client = connect().await;
                let half = request.len() * number as usize / 20;
                client.write(&request[..half]).await;
                retake::sleep(Duration::from_micros(200)).await;
                client.write(&request[half..]).await;
                client.read().await
            });
            let _ = first.await;
            let mut client = connect().await;
            let (status, answer) = client.ask(&request).await;
            assert_eq!(status, 200);
            let receipt = answer["receipt"].as_u64().unwrap();
            let (status, again) = client.ask(&request).await;
            assert_eq!((status, again["receipt"].as_u64()), (200, Some(receipt)));
            assert_eq!(receipts_of(&id), 1, "{id}");
        }
        assert_eq!(invariants::ledger(stage.system.store()), []);
    });
}

#[test]
fn a_shutdown_finishes_what_was_accepted() {
    simulate(|| async {
        let slow = SystemConfig {
            signal_time: ServiceTime::Fixed(SECOND),
            ..SystemConfig::default()
        };
        let stage = start_system(small(), slow).await;
        let mut idle = connect().await;
        assert_eq!(idle.ask(get("/health")).await.0, 200);
        let asked = retake::spawn(async { connect().await.ask(push("acme", "m", 1.0)).await.0 });
        let half = retake::spawn(async {
            let mut client = connect().await;
            client
                .write("POST /pubsub HTTP/1.1\r\nhost: r\r\ncontent-length: 9\r\n\r\nha")
                .await;
            client.read().await
        });
        retake::sleep(100 * MS).await;
        let start = retake::now();
        stage.stop.send(()).unwrap();
        assert_eq!(idle.read().await, None);
        assert_eq!(asked.await.unwrap(), 200);
        let served = stage.serving.await.unwrap();
        assert_eq!(served.connections, 3);
        assert!(start.elapsed() <= 10 * SECOND);
        half.await.unwrap();
        assert!(
            TcpStream::connect(ADDRESS).await.is_err(),
            "closed to others"
        );
    });
}

#[test]
fn an_ingress_fails_on_purpose_in_every_way() {
    simulate(|| async {
        let (_stage, mut client) = served().await;
        for (kind, status) in [
            (ServiceFailure::Unavailable, 503),
            (ServiceFailure::Timeout, 503),
            (ServiceFailure::QuotaExceeded, 429),
            (ServiceFailure::PermissionDenied, 403),
            (ServiceFailure::Corrupt, 400),
        ] {
            break_service(Service::Ingress, kind, 100, 60 * SECOND);
            assert_eq!(client.ask(push("acme", "m", 1.0)).await.0, status, "{kind}");
            retake::sleep(60 * SECOND).await;
            // An idle connection is closed meanwhile.
            client = connect().await;
        }
        assert_eq!(client.ask(push("acme", "m", 1.0)).await.0, 200);
    });
}

#[test]
fn an_alert_is_raised_when_clients_are_failed_and_ends_with_the_failures() {
    simulate(|| async {
        let stage = start(small()).await;
        let observations = stage.system.observations().clone();
        let mut client = connect().await;
        let (ingress, kind) = (Service::Ingress, ServiceFailure::Unavailable);
        break_service(ingress, kind, 100, 5 * SECOND);
        let (status, _) = client.ask(push("acme", "m", 1.0)).await;
        assert_eq!(status, 503);
        // Its observer dies with the window open.
        retake::where_is("observer").unwrap().kill();
        retake::sleep(MS).await;
        for _ in 0..5 {
            client.ask(push("acme", "m", 1.0)).await;
        }
        retake::sleep(11 * SECOND).await;
        let alerts = observations.alerts();
        let raised: Vec<String> = alerts.iter().map(ToString::to_string).collect();
        assert_eq!(raised, ["ALERT: 0.00 % succeeded, below 90 %"]);
        let text = stage.ingress.metrics().await;
        assert!(text.contains("retake_windows_with_alerts 1\n"), "{text}");

        // The idle connection was closed.
        let mut client = connect().await;
        assert_eq!(client.ask(push("acme", "m", 1.0)).await.0, 200);
        retake::sleep(11 * SECOND).await;
        assert_eq!(observations.alerts(), []);
        assert_eq!(observations.windows_with_alerts(), 1);
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn real_sockets_are_served_beside_clients_that_send_rubbish() {
    let system = System::start(SystemConfig::default()).await.unwrap();
    system.entitle("acme", true).await.unwrap();
    let ingress = Ingress::new(&system, small());
    let (address, (stop, serving)) = serve_live(&ingress).await;
    let connect = async || {
        let stream = tokio::net::TcpStream::connect(address).await.unwrap();
        Client(stream, Vec::new())
    };
    let mut vandals = Vec::new();
    for number in 0..200_u32 {
        let mut client = connect().await;
        let rubbish: Vec<u8> = (0..512).map(|at| (at * number + at / 7) as u8).collect();
        client.write(&rubbish).await;
        vandals.push(client);
    }
    let mut honest = connect().await;
    for number in 0..50 {
        let request = push("acme", &number.to_string(), 1.0);
        assert_eq!(honest.ask(request).await.0, 200);
    }
    drop((vandals, honest));
    stop.send(()).unwrap();
    assert_eq!(serving.await.unwrap().connections, 201);
    assert_eq!(invariants::ledger(system.store()), []);
    system.stop().await;
}
