//! The HTTP ingress answers as it says, on simulated sockets and on real ones.
#![allow(missing_docs)]

mod files;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use files::SimulatedFile;
use retake_sim::net::{self, TcpListener, TcpStream};
use retake_sim::{Fault, Sim, Strategy, fs};
use retake_system::ingress::{Envelope, Order, Secret, Served, Token};
use retake_system::ledger::{DiskFault, Durability, FileDisk, ReceiptKind, SimulatedDisk};
use retake_system::{
    Failure, FailureKind, Ingress, IngressConfig, Service, ServiceTime, Signal, System,
    SystemConfig, invariants,
};
use retake_inspect::compare;
use retake_traces::record::Record;
use retake_traces::{MemorySink, Schedule};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

/// A listener on the simulated network.
struct SimulatedListener(TcpListener);

impl axum::serve::Listener for SimulatedListener {
    type Io = TcpStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (TcpStream, SocketAddr) {
        self.0.accept().await.unwrap()
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

const ADDRESS: &str = "127.0.0.1:8080";
/// When simulations begin, in milliseconds of Unix time.
const START_MS: u64 = retake::SIMULATED_UNIX_START.as_millis() as u64;
const SECOND: Duration = Duration::from_secs(1);

struct Stage {
    system: System,
    ingress: Ingress,
    stop: tokio::sync::oneshot::Sender<()>,
    serving: tokio::task::JoinHandle<Served>,
}

fn secret() -> Secret {
    Secret::new("of the test")
}

fn small() -> IngressConfig {
    IngressConfig {
        secret: Some(secret()),
        body_max: 1000,
        ..IngressConfig::default()
    }
}

async fn start(config: IngressConfig) -> Stage {
    start_system(config, SystemConfig::default()).await
}

async fn start_system(config: IngressConfig, system: SystemConfig) -> Stage {
    start_on(net::Network::new(), config, system).await
}

async fn start_on(network: net::Network, config: IngressConfig, system: SystemConfig) -> Stage {
    net::start(network);
    let system = System::start(SystemConfig {
        action_time: ServiceTime::Fixed(Duration::from_millis(20)),
        ..system
    });
    let system = system.await.unwrap();
    system.entitle("acme", true).await.unwrap();
    let ingress = Ingress::new(&system, config);
    let listener = SimulatedListener(TcpListener::bind("0.0.0.0:8080").await.unwrap());
    let (stop, stopped) = tokio::sync::oneshot::channel();
    let serving = {
        let ingress = ingress.clone();
        retake::spawn(async move {
            let stopped = async { drop(stopped.await) };
            ingress.serve(listener, stopped).await
        })
    };
    Stage {
        system,
        ingress,
        stop,
        serving,
    }
}

/// A client that writes what it is told, byte for byte.
struct Client<Io>(Io, Vec<u8>);

async fn connect() -> Client<TcpStream> {
    Client(TcpStream::connect(ADDRESS).await.unwrap(), Vec::new())
}

fn post(path: &str, body: &str) -> String {
    let length = body.len();
    format!("POST {path} HTTP/1.1\r\nhost: retake\r\ncontent-length: {length}\r\n\r\n{body}")
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: retake\r\n\r\n")
}

impl<Io: AsyncRead + AsyncWrite + Unpin> Client<Io> {
    async fn write(&mut self, bytes: impl AsRef<[u8]>) {
        // The server may have closed.
        let _ = self.0.write_all(bytes.as_ref()).await;
    }

    /// The status and body of the next answer; none when the server closed.
    async fn read(&mut self) -> Option<(u16, String)> {
        loop {
            if let Some(end) = self.1.windows(4).position(|it| it == b"\r\n\r\n") {
                let head = String::from_utf8(self.1[..end].to_vec()).unwrap();
                let status = head.split(' ').nth(1)?.parse().unwrap();
                let length = head
                    .lines()
                    .find_map(|line| line.strip_prefix("content-length: "))
                    .map_or(0, |length| length.parse().unwrap());
                if self.1.len() >= end + 4 + length {
                    let rest = self.1.split_off(end + 4 + length);
                    let body = String::from_utf8(self.1[end + 4..].to_vec()).unwrap();
                    self.1 = rest;
                    return Some((status, body));
                }
            }
            let mut bytes = [0; 4096];
            match self.0.read(&mut bytes).await {
                Ok(0) | Err(_) => return None,
                Ok(count) => self.1.extend(&bytes[..count]),
            }
        }
    }

    async fn ask(&mut self, request: impl AsRef<[u8]>) -> (u16, Value) {
        self.write(request).await;
        let (status, body) = self.read().await.expect("an answer");
        (status, serde_json::from_str(&body).unwrap_or_default())
    }
}

fn push(tenant: &str, id: &str, value: f64) -> String {
    let signal = Signal {
        tenant: tenant.to_owned(),
        metric: "cpu".to_owned(),
        value,
        ..Signal::default()
    };
    post("/pubsub", &Envelope::to_json(&signal, id, 1))
}

/// An order of the millisecond of this number in a simulation.
fn order(tenant: &str, action: &str, number: u64) -> String {
    order_of("e", tenant, action, START_MS + number)
}

fn order_of(entitlement: &str, tenant: &str, action: &str, timestamp: u64) -> String {
    let order = Order {
        entitlement_id: entitlement.to_owned(),
        tenant_id: tenant.to_owned(),
        action: action.to_owned(),
        timestamp,
        signature: String::new(),
    };
    let order = order.sign(&secret());
    post("/marketplace", &serde_json::to_string(&order).unwrap())
}

fn simulate<F, Fut>(scenario: F)
where
    F: Fn() -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    for seed in 0..5 {
        let scenario = scenario.clone();
        Sim::new().seed(seed).run(scenario).expect_passed();
    }
}

#[test]
fn signals_are_taken_once_with_a_receipt() {
    simulate(|| async {
        let stage = start(small()).await;
        let mut client = connect().await;
        let (status, answer) = client.ask(push("acme", "m-1", 70.0)).await;
        assert_eq!((status, &answer["verdict"]), (200, &Value::from("warning")));
        let receipt = stage
            .system
            .store()
            .get(answer["receipt"].as_u64().unwrap());
        let receipt = receipt.unwrap();
        assert_eq!(answer["hash"], receipt.hash.to_string());
        let before = stage.system.store().len();
        let (status, again) = client.ask(push("acme", "m-1", 95.0)).await;
        assert_eq!((status, &again["status"]), (200, &Value::from("duplicate")));
        assert_eq!(again["receipt"], answer["receipt"]);
        assert_eq!(stage.system.store().len(), before, "nothing has changed");
        let (status, acting) = client.ask(push("acme", "m-2", 95.0)).await;
        assert_eq!((status, &acting["verdict"]), (200, &Value::from("acting")));
        // It waits for the end of the action.
        let start = retake::now();
        let (_, calm) = client.ask(push("acme", "m-3", 1.0)).await;
        assert_eq!(calm["verdict"], "stable");
        assert_eq!(start.elapsed(), Duration::from_millis(20));
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
        let stage = start(small()).await;
        let mut client = connect().await;
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
        for asked in asked {
            let (status, answer) = asked.await.unwrap();
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
        let stage = start(small()).await;
        let mut client = connect().await;
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
        let stage = start(small()).await;
        let mut client = connect().await;
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
            // One receipt, and nothing else: no action was begun.
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
        // An honest client beside them is served.
        assert_eq!(connect().await.ask(push("acme", "m", 1.0)).await.0, 200);
        assert_eq!(invariants::ledger(stage.system.store()), []);
    });
}

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
        let stage = start(small()).await;
        let mut client = connect().await;
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
fn a_body_that_is_too_large_or_too_slow_is_refused() {
    simulate(|| async {
        let _stage = start(small()).await;
        let mut client = connect().await;
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
        let asked: Vec<_> = tenants
            .into_iter()
            .enumerate()
            .map(|(id, tenant)| ask(tenant, id))
            .collect();
        let mut answers = Vec::new();
        for asked in asked {
            answers.push(asked.await.unwrap());
        }
        assert_eq!(answers, [200, 200, 429, 200, 200, 503]);
        assert_eq!(stage.ingress.depth(), (0, 4));
        assert!(
            stage
                .ingress
                .metrics()
                .await
                .contains("retake_requests_total{endpoint=\"pubsub\",status=\"429\"} 1")
        );
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
        let mut answers = Vec::new();
        for asked in asked {
            answers.push(asked.await.unwrap());
        }
        answers.sort_unstable();
        assert_eq!(answers, [200, 503, 503]);
        retake::sleep(60 * SECOND).await;
        let taken = stage.system.store().all();
        let taken = taken
            .iter()
            .filter(|receipt| matches!(receipt.kind, ReceiptKind::Signal { .. }))
            .count();
        // The second was begun within its time; the third was not begun.
        assert_eq!(taken, 2);
    });
}

#[test]
fn health_follows_governance_and_ledger_alone() {
    simulate(|| async {
        let stage = start(small()).await;
        let mut client = connect().await;
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
            retake::sleep(Duration::from_millis(1)).await;
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
        let stage = start(small()).await;
        let mut client = connect().await;
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
        let _stage = start(small()).await;
        let mut client = connect().await;
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
        retake::sleep(Duration::from_millis(100)).await;
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
        let stage = start(small()).await;
        let mut client = connect().await;
        for (kind, status) in [
            (FailureKind::Unavailable, 503),
            (FailureKind::Timeout, 503),
            (FailureKind::QuotaExceeded, 429),
            (FailureKind::PermissionDenied, 403),
            (FailureKind::Corrupt, 400),
        ] {
            let failure = Failure {
                service: Service::Ingress,
                kind,
                rate: 1.0,
                duration: 60 * SECOND,
            };
            stage.system.failures().inject(failure).unwrap();
            assert_eq!(client.ask(push("acme", "m", 1.0)).await.0, status, "{kind}");
            stage.system.failures().heal();
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
        let failure = Failure {
            service: Service::Ingress,
            kind: FailureKind::Unavailable,
            rate: 1.0,
            duration: 5 * SECOND,
        };
        stage.system.failures().inject(failure).unwrap();
        let (status, _) = client.ask(push("acme", "m", 1.0)).await;
        assert_eq!(status, 503);
        // Its observer dies with the window open.
        retake::where_is("observer").unwrap().kill();
        retake::sleep(Duration::from_millis(1)).await;
        for _ in 0..5 {
            client.ask(push("acme", "m", 1.0)).await;
        }
        retake::sleep(11 * SECOND).await;
        let raised: Vec<String> = observations
            .alerts()
            .iter()
            .map(ToString::to_string)
            .collect();
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
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = retake::spawn(async move {
        let stopped = async { drop(stopped.await) };
        ingress.serve(listener, stopped).await
    });
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

/// What clients of a bad network got: the status and receipt of each answer, and
/// when each signal's client gave up.
type Got = (
    Vec<(u16, Option<u64>)>,
    std::collections::BTreeMap<String, u64>,
);

async fn load_over(network: net::Network, clients: usize) -> (Stage, Got) {
    let stage = start_on(network, small(), SystemConfig::default()).await;
    (stage, load_on(clients).await)
}

async fn load_on(clients: usize) -> Got {
    let clients: Vec<_> = (0..clients)
        .map(|number| {
            retake::spawn(net::on("client", async move {
                let (mut answers, mut deadlines) = (Vec::new(), Vec::new());
                for message in 0..10 {
                    let id = format!("{number}-{message}");
                    let ask = async {
                        let stream = TcpStream::connect("server:8080").await.ok()?;
                        let mut client = Client(stream, Vec::new());
                        client.write(push("acme", &id, 50.0)).await;
                        client.read().await
                    };
                    // A body may take as long as the work.
                    let deadline = retake::unix_time() + 25 * SECOND;
                    deadlines.push((id.clone(), deadline.as_nanos() as u64));
                    if let Ok(Some((status, body))) = retake::timeout(30 * SECOND, ask).await {
                        let body: Value = serde_json::from_str(&body).unwrap();
                        answers.push((status, body["receipt"].as_u64()));
                    }
                }
                (answers, deadlines)
            }))
        })
        .collect();
    let mut got = Got::default();
    for client in clients {
        let (answers, deadlines) = client.await.unwrap();
        got.0.extend(answers);
        got.1.extend(deadlines);
    }
    got
}

#[test]
fn over_a_network_that_delays_loses_and_is_cut_what_is_answered_holds() {
    let mut statuses = 0;
    for seed in 0..10 {
        let run = Sim::new().seed(seed).run(|| async {
            let cut = |from: &str, to: &str, start: u32| net::Cut {
                from: from.to_owned(),
                to: to.to_owned(),
                start: start * SECOND,
                end: (start + 3) * SECOND,
            };
            let network = net::Network::new()
                .latency(Duration::from_millis(1)..=Duration::from_millis(50))
                .loss(0.02)
                .cut(cut("client", "server", 1))
                .cut(cut("server", "client", 6));
            let (stage, (answers, deadlines)) = load_over(network, 8).await;
            retake::sleep(60 * SECOND).await;
            let store = stage.system.store();
            let violations = [
                invariants::answers(store, &answers),
                invariants::late_work(&store.all(), &deadlines),
                invariants::drained(stage.ingress.depth().0),
                invariants::shedding(0, stage.ingress.depth().1, small().requests_max),
                invariants::ledger(store),
            ];
            assert_eq!(violations.concat(), []);
            answers.len()
        });
        statuses += run.expect_passed();
    }
    assert!((400..=800).contains(&statuses), "{statuses} of 800 answers");
}

/// Ask on a connection of its own; none if it is cut off.
async fn ask_over(id: String) -> Option<(u16, Option<u64>)> {
    let stream = TcpStream::connect("server:8080").await.ok()?;
    let mut client = Client(stream, Vec::new());
    client.write(push("acme", &id, 50.0)).await;
    let (status, body) = client.read().await?;
    let body: Value = serde_json::from_str(&body).ok()?;
    Some((status, body["receipt"].as_u64()))
}

/// Each fault of the network by itself, while it lasts: it strikes, and what is answered
/// holds all the same. A client that was cut off asks again and is taken once.
#[test]
fn over_a_network_that_doubles_reorders_or_resets_a_request_is_taken_once() {
    let clean = || net::Network::new().latency(Duration::from_millis(1)..=Duration::from_millis(9));
    let networks = [
        (clean().duplicates(0.3), false),
        (clean().overtakes(0.2), false),
        (clean().resets(0.1), true),
        (clean().resets(1.0).faults_until(Duration::ZERO), false),
    ];
    for (network, cuts_off) in networks {
        let mut cut_off = 0;
        for seed in 0..5 {
            let network = network.clone();
            let run = Sim::new().seed(seed).run(move || {
                let network = network.clone();
                async move {
                    let stage = start_on(network, small(), SystemConfig::default()).await;
                    let asking = retake::spawn(net::on("client", async move {
                        let (mut answers, mut cut_off) = (Vec::new(), 0);
                        for number in 0..20 {
                            loop {
                                match ask_over(format!("m-{number}")).await {
                                    Some(answer) => break answers.push(answer),
                                    None => cut_off += 1,
                                }
                            }
                        }
                        (answers, cut_off)
                    }));
                    let (answers, cut_off) = asking.await.unwrap();
                    assert!(answers.iter().all(|(status, _)| *status == 200));
                    let store = stage.system.store();
                    assert_eq!(invariants::answers(store, &answers), []);
                    assert_eq!(invariants::ledger(store), []);
                    for number in 0..20 {
                        assert_eq!(store.of_signal(&format!("m-{number}")).len(), 1);
                    }
                    cut_off
                }
            });
            cut_off += run.expect_passed();
        }
        assert_eq!(cut_off > 0, cuts_off, "{network:?}: {cut_off}");
    }
}

/// Faults of network and disk are events: they leave the schedule's hash as it is.
#[test]
fn each_fault_of_network_and_disk_is_told_in_the_trace_and_replayed() {
    let clean = || net::Network::new().latency(Duration::from_millis(1)..=Duration::from_millis(9));
    let cut = net::Cut {
        from: "server".to_owned(),
        to: "client".to_owned(),
        start: Duration::from_millis(20),
        end: SECOND,
    };
    let at_once = |fault| Some((fault, 12));
    let edges = [
        ("meets a cut link", clean().cut(cut), None),
        ("is lost", clean().loss(0.1), None),
        ("comes twice", clean().duplicates(0.3), None),
        ("may be overtaken", clean().overtakes(0.2), None),
        ("becomes a reset", clean().resets(0.2), None),
        ("disk: PowerCut at", clean(), at_once(DiskFault::PowerCut)),
        ("disk: Error at", clean(), at_once(DiskFault::Error)),
        (
            "disk: ShortWrite at",
            clean(),
            at_once(DiskFault::ShortWrite),
        ),
        (
            "disk: OutOfSpace at",
            clean(),
            at_once(DiskFault::OutOfSpace),
        ),
        ("disk: LostSync at", clean(), at_once(DiskFault::LostSync)),
    ];
    for (told, network, fault) in edges {
        let run = |strategy: Strategy, story| {
            let (sink, network) = (MemorySink::new(), network.clone());
            let sim = Sim::new().seed(2).strategy(strategy).story(story);
            let run = sim.trace(sink.clone()).run(move || {
                let network = network.clone();
                async move {
                    let disk = SimulatedDisk::new();
                    if let Some((fault, operation)) = fault {
                        disk.fail_at(operation, fault);
                    }
                    let system = SystemConfig {
                        durability: Durability::Fsync(Arc::new(disk)),
                        ..SystemConfig::default()
                    };
                    let _stage = start_on(network, small(), system).await;
                    let asking = retake::spawn(net::on("client", async {
                        for number in 0..10 {
                            let _ = retake::timeout(SECOND, ask_over(number.to_string())).await;
                        }
                    }));
                    asking.await.unwrap();
                }
            });
            (run.event_hash, sink.records())
        };
        let (hash, recorded) = run(Strategy::Random, true);
        let is_told = |record: &Record| matches!(record, Record::Event(it) if it.contains(told));
        assert!(recorded.iter().any(is_told), "{told}");
        let schedule = Schedule::read(recorded.iter().cloned().map(Ok)).unwrap();
        let (_, replayed) = run(Strategy::Replay(Arc::new(schedule)), true);
        if let Some(divergence) = compare(("recorded", "replayed"), &recorded, &replayed) {
            panic!("{told}: {divergence}");
        }
        assert_eq!(run(Strategy::Random, false).0, hash, "{told}");
    }
}

/// The machine loses its power under load, and a new process takes over its files.
#[test]
fn what_was_answered_survives_a_crash_of_the_machine() {
    let mut answered = 0;
    for seed in 0..20 {
        let run = Sim::new().seed(seed).run(move || async move {
            let mut config = fs::FsConfig::default();
            config.block_size(64).sync_probability(0.1);
            let machine = fs::FileSystem::new(config);
            machine.create_dir("/data").unwrap();
            let system = || SystemConfig {
                durability: Durability::GroupCommit {
                    disk: Arc::new(FileDisk::over(SimulatedFile(
                        machine.open("/data/receipts.log").unwrap(),
                    ))),
                    delay: Duration::from_millis(2),
                    batch: 8,
                },
                ..SystemConfig::default()
            };
            let network = net::Network::new()
                .latency(Duration::from_millis(1)..=Duration::from_millis(9))
                .loss(0.01);
            let stage = start_on(network, small(), system()).await;
            let crash = {
                let machine = machine.clone();
                retake::spawn(async move {
                    retake::sleep(Duration::from_millis(40 + 17 * seed)).await;
                    machine.crash();
                })
            };
            let (answers, _) = load_on(8).await;
            crash.await.unwrap();
            stage.system.stop().await;

            let successor = System::start(system()).await.unwrap();
            let store = successor.store();
            assert_eq!(invariants::answers(store, &answers), []);
            assert_eq!(invariants::ledger(store), []);
            answers.iter().filter(|(status, _)| *status == 200).count()
        });
        answered += run.expect_passed();
    }
    assert!(
        (100..1600).contains(&answered),
        "{answered} of 1600 signals"
    );
}

#[test]
fn mutants_of_the_ingress_are_caught() {
    let run = Sim::new().run(|| async {
        let (stage, (answers, deadlines)) = load_over(net::Network::new(), 1).await;
        let mut client = connect().await;
        let refused = client.ask(push("nobody", "m", 1.0)).await;
        (stage.system.store().clone(), answers, deadlines, refused)
    });
    let (store, answers, deadlines, refused) = run.expect_passed();
    let numbers = |violations: Vec<invariants::Violation>| -> Vec<u32> {
        violations.iter().map(|it| it.invariant).collect()
    };
    let taken = answers[0].1;
    let refusal = refused.1["receipt"].as_u64();
    assert_eq!(invariants::answers(&store, &answers), []);
    assert_eq!(invariants::answers(&store, &[(403, refusal)]), []);
    // 32: no receipt; one that is not there; a refusal; something else for a refusal.
    for wrong in [(200, None), (200, Some(999)), (200, refusal), (403, taken)] {
        assert_eq!(numbers(invariants::answers(&store, &[wrong])), [32]);
    }
    // 33: shed too early; too many.
    assert_eq!(invariants::shedding(3, 4, 4), []);
    assert_eq!(numbers(invariants::shedding(3, 3, 4)), [33]);
    assert_eq!(numbers(invariants::shedding(0, 5, 4)), [33]);
    // 34: after the deadline.
    let early = deadlines.keys().map(|id| (id.clone(), 0)).collect();
    let late = numbers(invariants::late_work(&store.all(), &early));
    assert_eq!(late, [34; 10]);
    // 35: something is left.
    assert_eq!(invariants::drained(0), []);
    assert_eq!(numbers(invariants::drained(1)), [35]);
}

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
        let stage = start(small()).await;
        let mut client = connect().await;
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
            let chain = store.of_tenant(tenant);
            let refused = chain
                .iter()
                .filter(|it| matches!(it.kind, ReceiptKind::Refusal { .. }));
            refused.count()
        };
        assert_eq!(
            (refused("unknown"), refused("made up"), refused("")),
            (0, 0, 4)
        );
        let nameless = r#"{"tenant_id":"","metric":"cpu","value":1,"timestamp_ms":1}"#;
        assert!(
            retake_system::ingress::check_name("it", "").is_err(),
            "{nameless}"
        );
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_asks_and_never_reads_is_cut_off_and_one_that_reads_slowly_is_not() {
    let system = System::start(SystemConfig::default()).await.unwrap();
    let config = IngressConfig {
        write_timeout: Duration::from_millis(300),
        ..small()
    };
    let ingress = Ingress::new(&system, config);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = retake::spawn(async move {
        let stopped = async { drop(stopped.await) };
        ingress.serve(listener, stopped).await
    });
    let mut greedy = tokio::net::TcpStream::connect(address).await.unwrap();
    let mut honest = tokio::net::TcpStream::connect(address).await.unwrap();
    let honest = retake::spawn(async move {
        let requests = get("/metrics").repeat(20);
        honest.write_all(requests.as_bytes()).await.unwrap();
        let mut client = Client(honest, Vec::new());
        for _ in 0..20 {
            retake::sleep(Duration::from_millis(50)).await;
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
