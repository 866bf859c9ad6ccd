//! Bounds of bodies, requests and time.

use super::*;

#[test]
fn a_body_that_is_too_large_or_too_slow_is_refused() {
    simulate(|| async {
        let (_stage, mut client) = served().await;
        assert_eq!(client.ask(post("/pubsub", &"x".repeat(1001))).await.0, 413);
        assert_eq!(client.read().await, None, "and closed");
        // Without a length, in chunks.
        let mut client = connect().await;
        client
            .write("POST /pubsub HTTP/1.1\r\nhost: r\r\ntransfer-encoding: chunked\r\n\r\n")
            .await;
        for _ in 0..11 {
            client.write(format!("64\r\n{}\r\n", "x".repeat(100))).await;
        }
        assert_eq!(client.read().await.unwrap().0, 413);
        let mut client = connect().await;
        let start = retake::now();
        client
            .write("POST /pubsub HTTP/1.1\r\nhost: r\r\ncontent-length: 9\r\n\r\nslow")
            .await;
        assert_eq!(client.read().await.unwrap().0, 408);
        assert_eq!(start.elapsed(), 10 * SECOND);
        // A head that never ends.
        let mut client = connect().await;
        let start = retake::now();
        client.write("POST /pubsub HTTP/1.1\r\nhost: ").await;
        assert_eq!(client.read().await.map(|answer| answer.0), None);
        assert!(start.elapsed() <= 11 * SECOND);
    });
}

#[test]
fn too_many_requests_are_shed_and_too_many_of_one_tenant_sent_away() {
    simulate(|| async {
        let config = IngressConfig {
            requests_max: 4,
            requests_per_tenant_max: 2,
            ..small()
        };
        let slow = SystemConfig {
            signal_time: ServiceTime::Fixed(SECOND),
            ..SystemConfig::default()
        };
        let stage = start_system(config, slow).await;
        for tenant in ["beta", "gamma"] {
            stage.system.entitle(tenant, true).await.unwrap();
        }
        let ask = |tenant: &'static str, id: usize| {
            retake::spawn(async move {
                // One after the other.
                retake::sleep(Duration::from_millis(id as u64)).await;
                let mut client = connect().await;
                client.ask(push(tenant, &id.to_string(), 1.0)).await.0
            })
        };
        let tenants = ["acme", "acme", "acme", "beta", "beta", "gamma"];
        let asked = tenants.into_iter().enumerate();
        let answers = all(asked.map(|(id, tenant)| ask(tenant, id))).await;
        assert_eq!(answers, [200, 200, 429, 200, 200, 503]);
        assert_eq!(stage.ingress.depth(), (0, 4));
        let text = stage.ingress.metrics().await;
        let shed = "retake_requests_total{endpoint=\"pubsub\",status=\"429\"} 1";
        assert!(text.contains(shed), "{text}");
    });
}

#[test]
fn slow_and_large_bodies_keep_nobody_else_out() {
    simulate(|| async {
        let config = IngressConfig {
            requests_max: 2,
            body_max: 100_000,
            bodies_max: 100_000,
            ..small()
        };
        let stage = start(config).await;
        let head = "POST /pubsub HTTP/1.1\r\nhost: r\r\ncontent-length: 90000\r\n\r\n";
        let mut slow = Vec::new();
        for bytes in [10, 10, 10, 10, 80_000] {
            let mut client = connect().await;
            client.write(format!("{head}{}", "x".repeat(bytes))).await;
            slow.push(client);
        }
        retake::sleep(SECOND).await;
        assert_eq!(connect().await.ask(push("acme", "m", 1.0)).await.0, 200);
        // Another large one is too much.
        let mut large = connect().await;
        large.write(format!("{head}{}", "x".repeat(90_000))).await;
        assert_eq!(large.read().await.unwrap().0, 503);
        for mut client in slow {
            assert_eq!(client.read().await.unwrap().0, 408);
        }
        // What they had taken is free again.
        let mut large = connect().await;
        large.write(format!("{head}{}", "x".repeat(90_000))).await;
        assert_eq!(large.read().await.unwrap().0, 400);
        assert_eq!(stage.ingress.depth().0, 0);
    });
}

#[test]
fn work_that_takes_too_long_is_answered_and_not_begun_late() {
    simulate(|| async {
        let slow = SystemConfig {
            signal_time: ServiceTime::Fixed(8 * SECOND),
            ..SystemConfig::default()
        };
        let stage = start_system(small(), slow).await;
        let asked = ["1", "2", "3"].map(|id| {
            retake::spawn(async move { connect().await.ask(push("acme", id, 1.0)).await.0 })
        });
        let mut answers = all(asked).await;
        answers.sort_unstable();
        assert_eq!(answers, [200, 503, 503]);
        retake::sleep(60 * SECOND).await;
        let taken = stage.system.store().all();
        let is_signal = |it: &&Receipt| matches!(it.kind, ReceiptKind::Signal { .. });
        let taken = taken.iter().filter(is_signal).count();
        // The second was started within its time; the third was not started.
        assert_eq!(taken, 2);
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_asks_and_never_reads_is_cut_off_and_one_that_reads_slowly_is_not() {
    let system = System::start(SystemConfig::default()).await.unwrap();
    let config = IngressConfig {
        write_timeout: 300 * MS,
        ..small()
    };
    let ingress = Ingress::new(&system, config);
    let (address, (stop, serving)) = serve_live(&ingress).await;
    let mut greedy = tokio::net::TcpStream::connect(address).await.unwrap();
    let mut honest = tokio::net::TcpStream::connect(address).await.unwrap();
    let honest = retake::spawn(async move {
        let requests = get("/metrics").repeat(20);
        honest.write_all(requests.as_bytes()).await.unwrap();
        let mut client = Client(honest, Vec::new());
        for _ in 0..20 {
            retake::sleep(50 * MS).await;
            assert_eq!(client.read().await.unwrap().0, 200);
        }
    });
    // It writes until nobody takes it any more: that it fails says that it was cut off.
    let requests = get("/metrics").repeat(100);
    while greedy.write_all(requests.as_bytes()).await.is_ok() {}
    honest.await.unwrap();
    stop.send(()).unwrap();
    assert_eq!(serving.await.unwrap().unfinished, 0);
    system.stop().await;
}
