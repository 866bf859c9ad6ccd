//! The system behind HTTP while its edges fail: clients that are slow, give up, ask twice
//! or all at once; a network that delays, loses, doubles, reorders, resets and is cut; a
//! disk that fails, fills up, forgets, or loses its power. Which of these are active, the
//! seed draws, so that runs differ more from one another than if all were.
//!
//! Then the edges heal, and a successor takes over the disk: who was answered was
//! answered the truth, and the successor serves.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use rand::{Rng as _, RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use retake_otp::Names;
use retake_sim::net;
use retake_system::ingress::{Envelope, Ingress, IngressConfig};
use retake_system::ledger::{DiskFault, Durability, ReceiptId, SimulatedDisk};
use retake_system::{ServiceTime, Signal, System, SystemConfig, invariants};
use tokio::io::AsyncWriteExt as _;

use super::tenant_name;
use crate::answers::{Answers, Gist};
use crate::bench::wire::SimulatedListener;

pub(super) const VIRTUAL_TIME: Duration = Duration::from_secs(90);

const SECOND: Duration = Duration::from_secs(1);
const MS: Duration = Duration::from_millis(1);
/// Faults of the network come before this time.
const HEALED_AT: Duration = Duration::from_secs(20);
const CLIENTS: u32 = 6;
const REQUESTS: u32 = 8;
/// Changes of entitlements meanwhile.
const CHANGES: u32 = 8;
const PORT: u16 = 8080;
/// How long a client waits for an answer.
const PATIENCE: Duration = Duration::from_secs(15);
/// A body and the work may take ten seconds each, and the network some to bring them.
const LATEST: Duration = Duration::from_secs(35);

pub(super) async fn run() {
    let disk = SimulatedDisk::new().sync_time(ServiceTime::Fixed(MS));
    let durability = Durability::GroupCommit {
        disk: Arc::new(disk.clone()),
        delay: MS,
        batch: 8,
    };
    let found = behind_bad_edges(&disk, durability).await;
    assert!(found.is_empty(), "{}", found.join("; "));
}

/// What does not hold.
async fn behind_bad_edges(disk: &SimulatedDisk, durability: Durability) -> Vec<String> {
    let mut rng = ChaCha8Rng::seed_from_u64(retake::rng().next_u64());
    net::start(draw_network(&mut rng));
    let config = || SystemConfig {
        names: Names::new(),
        durability: durability.clone(),
        ..SystemConfig::default()
    };
    let bounds = IngressConfig {
        // Few enough that bursts reach it.
        requests_max: 4,
        ..IngressConfig::default()
    };
    let Some(system) = start(config()).await else {
        // What starts for the first time is not restarted: another fault was injected.
        return Vec::new();
    };
    let served = ServedSystem::start(system, &bounds, PORT).await;
    draw_fault_of_disk(disk, &mut rng);
    let got = load(&served.system, &mut rng).await;
    retake::healed().await;
    retake::sleep(LATEST).await;
    let (left, most) = served.ingress.depth();
    served.stop().await;
    let mut violations = invariants::drained(left);
    violations.extend(invariants::shedding(got.shed, most, bounds.requests_max));

    disk.power_on();
    // Connections that were cut keep the old address for a while.
    let Some(system) = start(config()).await else {
        return vec!["the successor does not start".to_owned()];
    };
    let served = ServedSystem::start(system, &bounds, PORT + 1).await;
    let store = served.system.store();
    violations.extend(invariants::ledger(store));
    violations.extend(invariants::answers(store, &got.answers));
    // Receipts have the wall's time: what a fault has set it to says nothing of deadlines.
    let mut clocks_ns = got.clocks_ns.clone();
    clocks_ns.insert(clock_ns());
    if clocks_ns.len() == 1 {
        violations.extend(invariants::late_work(&store.all(), &got.deadlines_ns));
    }
    let mut found: Vec<String> = violations.iter().map(ToString::to_string).collect();
    let honest = retake::spawn(net::on("client", async {
        let mut client = Client::connect(PORT + 1).await?;
        client.write(push(0, "afterwards", 50.0).as_bytes()).await?;
        client.answer().await
    }));
    let status = honest.await.ok().flatten().map(|answer| answer.status);
    if status != Some(200) {
        found.push(format!("a client of the successor got {status:?}"));
    }
    served.stop().await;
    found
}

/// A system with all tenants entitled.
async fn start(config: SystemConfig) -> Option<System> {
    let system = System::start(config).await.ok()?;
    for tenant in 0..CLIENTS {
        while system.entitle(&tenant_name(tenant), true).await.is_err() {
            retake::sleep(100 * MS).await;
        }
    }
    Some(system)
}

fn draw_network(rng: &mut ChaCha8Rng) -> net::Network {
    let mut network = net::Network::new().faults_until(HEALED_AT);
    let mut coin = |share: f64| rng.random_range(0.0..1.0) < share;
    if coin(0.7) {
        network = network.latency(MS..=50 * MS);
    }
    if coin(0.3) {
        network = network.loss(0.02);
    }
    if coin(0.3) {
        network = network.duplicates(0.1);
    }
    if coin(0.3) {
        network = network.overtakes(0.05);
    }
    if coin(0.3) {
        network = network.resets(0.02);
    }
    for (from, to) in [("client", "server"), ("server", "client")] {
        if coin(0.2) {
            network = network.cut(net::Cut {
                from: from.to_owned(),
                to: to.to_owned(),
                start: SECOND,
                end: 3 * SECOND,
            });
        }
    }
    network
}

fn draw_fault_of_disk(disk: &SimulatedDisk, rng: &mut ChaCha8Rng) {
    let faults = [
        DiskFault::PowerCut,
        DiskFault::Error,
        DiskFault::ShortWrite,
        DiskFault::OutOfSpace,
        DiskFault::LostSync,
    ];
    // Half of the runs have none.
    let fault = faults.get(rng.random_range(0..2 * faults.len()));
    if let Some(fault) = fault {
        disk.fail_at(disk.operations() + rng.random_range(1..60), *fault);
    }
}

/// A system and its ingress.
struct ServedSystem {
    system: System,
    ingress: Ingress,
    stop: tokio::sync::oneshot::Sender<()>,
    serving: tokio::task::JoinHandle<retake_system::ingress::ServeReport>,
}

impl ServedSystem {
    async fn start(system: System, bounds: &IngressConfig, port: u16) -> Self {
        let ingress = Ingress::new(&system, bounds.clone());
        let listener = net::TcpListener::bind(("0.0.0.0", port)).await;
        let listener = SimulatedListener(listener.expect("nothing else listens"));
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let serving = {
            let ingress = ingress.clone();
            retake::spawn_named("server", async move {
                let stopped = async { drop(stopped.await) };
                ingress.serve(listener, stopped).await
            })
        };
        Self {
            system,
            ingress,
            stop,
            serving,
        }
    }

    async fn stop(self) {
        // Errors mean that it has ended.
        let _ = self.stop.send(());
        let _ = self.serving.await;
        self.system.stop().await;
    }
}

/// What clients got.
#[derive(Default)]
struct Got {
    answers: Vec<(u16, Option<ReceiptId>)>,
    deadlines_ns: BTreeMap<String, u64>,
    shed: usize,
    /// By how much the wall's clock was ahead, each time that a request began.
    clocks_ns: BTreeSet<i128>,
}

/// By how much the wall's clock is ahead of the one that nothing sets.
fn clock_ns() -> i128 {
    let wall = i128::try_from(retake::unix_time().as_nanos()).unwrap_or(i128::MAX);
    wall - i128::from(retake::now().as_nanos())
}

/// Clients ask, with signals of every kind, while their entitlements come and go.
async fn load(system: &System, rng: &mut ChaCha8Rng) -> Got {
    let clients: Vec<_> = (0..CLIENTS)
        .map(|number| {
            let rng = ChaCha8Rng::seed_from_u64(rng.next_u64());
            let client = net::on("client", client(number, rng));
            retake::spawn_named(&format!("client-{number}"), client)
        })
        .collect();
    let steward = {
        let (system, mut rng) = (system.clone(), ChaCha8Rng::seed_from_u64(rng.next_u64()));
        retake::spawn_named("steward", async move {
            for _ in 0..CHANGES {
                retake::sleep(rng.random_range(0..2_000) * MS).await;
                let tenant = tenant_name(rng.random_range(0..CLIENTS));
                // A ledger that has failed takes no change either.
                let _ = system.entitle(&tenant, rng.random()).await;
            }
        })
    };
    let mut got = Got::default();
    for client in clients {
        let of_client = client.await.expect("clients do not panic");
        got.answers.extend(of_client.answers);
        got.deadlines_ns.extend(of_client.deadlines_ns);
        got.shed += of_client.shed;
        got.clocks_ns.extend(of_client.clocks_ns);
    }
    steward.await.expect("it does not panic");
    got
}

/// How a client behaves towards one request.
#[derive(Clone, Copy, Debug)]
enum Manner {
    Honest,
    /// Sends half of it, and the rest too late.
    Slow,
    /// Sends half of it, and goes away.
    Aborts,
    /// Sends all of it, and goes away before the answer.
    Leaves,
    /// Sends it twice, on two connections at once.
    Twice,
    /// Sends it four times at once, on one connection.
    Burst,
}

const MANNERS: [Manner; 8] = [
    Manner::Honest,
    Manner::Honest,
    Manner::Honest,
    Manner::Slow,
    Manner::Aborts,
    Manner::Leaves,
    Manner::Twice,
    Manner::Burst,
];

async fn client(number: u32, mut rng: ChaCha8Rng) -> Got {
    let mut got = Got::default();
    for request in 0..REQUESTS {
        let id = format!("{number}-{request}");
        let manner = MANNERS[rng.random_range(0..MANNERS.len())];
        retake::event!("asks: {manner:?}");
        got.clocks_ns.insert(clock_ns());
        let deadline = retake::unix_time() + LATEST;
        let deadline_ns = u64::try_from(deadline.as_nanos()).unwrap_or(u64::MAX);
        let text = push(number, &id, rng.random_range(0..100).into());
        let answers = ask(&text, manner).await;
        got.shed += answers.iter().filter(|answer| answer.is_shed).count();
        let answers = answers.iter().map(|it| (it.status, it.receipt));
        got.answers.extend(answers);
        got.deadlines_ns.insert(id, deadline_ns);
        retake::sleep(rng.random_range(0..500) * MS).await;
    }
    got
}

async fn ask(text: &str, manner: Manner) -> Vec<Gist> {
    let (first, second) = text.as_bytes().split_at(text.len() - 20);
    let once = async |text: &[u8], answers: usize| {
        let mut all = Vec::new();
        let talk = async {
            let mut client = Client::connect(PORT).await?;
            client.write(text).await?;
            for _ in 0..answers {
                all.push(client.answer().await?);
            }
            Some(())
        };
        // Without an answer it gives up.
        let _ = retake::timeout(PATIENCE, talk).await;
        all
    };
    match manner {
        Manner::Honest => once(text.as_bytes(), 1).await,
        Manner::Aborts => once(first, 0).await,
        Manner::Leaves => once(text.as_bytes(), 0).await,
        Manner::Burst => once(text.repeat(4).as_bytes(), 4).await,
        Manner::Slow => {
            let talk = async {
                let mut client = Client::connect(PORT).await?;
                client.write(first).await?;
                retake::sleep(12 * SECOND).await;
                client.write(second).await?;
                client.answer().await
            };
            let answer = retake::timeout(PATIENCE, talk).await;
            answer.ok().flatten().into_iter().collect()
        }
        Manner::Twice => {
            let again = text.to_owned();
            let other = retake::spawn(net::on("client", async move {
                let mut client = Client::connect(PORT).await?;
                client.write(again.as_bytes()).await?;
                client.answer().await
            }));
            let mut all = once(text.as_bytes(), 1).await;
            let other = retake::timeout(PATIENCE, other).await;
            all.extend(other.ok().and_then(Result::ok).flatten());
            all
        }
    }
}

fn push(tenant: u32, id: &str, value: f64) -> String {
    let signal = Signal {
        tenant: tenant_name(tenant),
        metric: "cpu".to_owned(),
        value,
        ..Signal::default()
    };
    let body = Envelope::to_json(&signal, id, 1);
    let length = body.len();
    format!("POST /pubsub HTTP/1.1\r\nhost: r\r\ncontent-length: {length}\r\n\r\n{body}")
}

/// A connection, byte by byte: a client of a library would be too well-behaved.
struct Client {
    stream: net::TcpStream,
    answers: Answers,
}

impl Client {
    async fn connect(port: u16) -> Option<Self> {
        let stream = net::TcpStream::connect((net::SERVER, port)).await.ok()?;
        Some(Self {
            stream,
            answers: Answers::default(),
        })
    }

    async fn write(&mut self, bytes: &[u8]) -> Option<()> {
        self.stream.write_all(bytes).await.ok()
    }

    /// The next answer; none if there is no more.
    async fn answer(&mut self) -> Option<Gist> {
        let answer = self.answers.next(&mut self.stream).await;
        answer.ok().map(|answer| answer.gist())
    }
}

#[cfg(test)]
mod tests {
    use retake_sim::Sim;

    use super::*;

    #[test]
    fn whatever_fails_at_the_edges_what_was_answered_holds() {
        for seed in 0..10 {
            Sim::new().seed(seed).run(run).expect_passed();
        }
    }

    #[test]
    fn a_ledger_that_does_not_write_is_found_out() {
        let run = Sim::new().seed(1).run(|| async {
            let disk = SimulatedDisk::new();
            behind_bad_edges(&disk, Durability::Memory).await
        });
        let found = run.expect_passed();
        let lost = |what: &String| what.contains("which is not there");
        assert!(found.iter().any(lost), "{found:?}");
    }
}
