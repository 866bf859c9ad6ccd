//! How much HTTP: clients that come and go, ask, wait and think.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rand::{Rng as _, RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use retake_actors::alerts::Figures;
use retake_actors::ingress::{Envelope, IngressConfig, Order, Secret};
use retake_actors::ledger::ReceiptId;
use retake_actors::stages::Stage;
use retake_actors::{ServiceTime, Signal, invariants};
use tokio::task::JoinHandle;

use super::client::{Door, HttpClient};
use super::context::{Context, LENT, Mode, SETTLE};
use super::measure::{Measured, Series};
use super::target::{Target, Unit};
use super::wire::{Gauges, Server, secret, tenant};
use crate::answers::Gist;
use crate::load::Latencies;

/// What one request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Health,
    Pubsub,
    Marketplace,
    /// A push with a megabyte of data.
    Large,
    /// A body that is refused.
    Malformed,
    /// A push that came before: nothing changes.
    Redelivered,
}

impl Kind {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Health => "health",
            Self::Pubsub => "pubsub",
            Self::Marketplace => "marketplace",
            Self::Large => "large",
            Self::Malformed => "malformed",
            Self::Redelivered => "redelivered",
        }
    }

    /// Whether an answer is what the client wants.
    fn is_good(self, answer: Gist) -> bool {
        match self {
            Self::Malformed => (400..500).contains(&answer.status) && answer.receipt.is_some(),
            Self::Health => answer.status == 200,
            _ => answer.status == 200 && answer.receipt.is_some(),
        }
    }
}

/// One request and its answer.
#[derive(Clone, Debug)]
pub(super) struct Sample {
    /// When it began, since the start of the load.
    pub(super) at: Duration,
    pub(super) latency: Duration,
    pub(super) kind: Kind,
    /// None when there was no answer.
    pub(super) answer: Option<Gist>,
}

impl Sample {
    pub(super) fn is_good(&self) -> bool {
        self.answer.is_some_and(|answer| self.kind.is_good(answer))
    }
}

/// When a client begins and ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stay {
    pub(super) from: Duration,
    pub(super) to: Duration,
}

/// A closed loop: each client has one request at a time.
#[derive(Clone, Debug)]
pub(super) struct Traffic {
    pub(super) clients: Vec<Stay>,
    /// Mean of the exponentially distributed pause before each request.
    pub(super) think: Duration,
    /// Kinds with their weights.
    pub(super) mix: Vec<(Kind, u32)>,
    /// What begins before this time is not counted.
    pub(super) warm_up: Duration,
}

impl Traffic {
    /// So many clients for so long. The first tenth, at most a second, is warm-up.
    pub(super) fn steady(clients: u64, time: Duration, kind: Kind) -> Self {
        let stay = Stay {
            from: Duration::ZERO,
            to: time,
        };
        Self {
            clients: vec![stay; clients as usize],
            think: Duration::from_millis(10),
            mix: vec![(kind, 1)],
            warm_up: (time / 10).min(Duration::from_secs(1)),
        }
    }

    pub(super) fn think(self, think: Duration) -> Self {
        Self { think, ..self }
    }

    pub(super) fn mix(self, mix: &[(Kind, u32)]) -> Self {
        Self {
            mix: mix.to_vec(),
            ..self
        }
    }

    fn end(&self) -> Duration {
        self.clients
            .iter()
            .map(|stay| stay.to)
            .max()
            .unwrap_or_default()
    }

    /// Run it on a server of its own, and tell what every load tells.
    pub(super) async fn run_alone(
        &self,
        context: &Context,
        measured: &mut Measured,
    ) -> Option<Load> {
        let server = match Server::start(context).await {
            Ok(server) => server,
            Err(error) => {
                measured.errors.push(error);
                return None;
            }
        };
        let load = self.run(context, &server).await;
        load.describe(context, measured);
        finish(server, &[&load], measured).await;
        Some(load)
    }

    /// Run it against this server; once a second its figures are read.
    pub(super) async fn run(&self, context: &Context, server: &Server) -> Load {
        let think = context.think.unwrap_or(self.think);
        let start = retake::now();
        let cpu_before = (server.cpu(), super::wire::cpu_time(std::process::id()));
        let mut seeds = ChaCha8Rng::seed_from_u64(retake::rng().next_u64());
        // Ids of messages differ between loads on one server.
        let load_number = seeds.next_u32();
        let mix = Arc::new(self.mix.clone());
        let clients: Vec<_> = self
            .clients
            .iter()
            .enumerate()
            .map(|(number, stay)| {
                let client = Client {
                    http: HttpClient::new(server.door()),
                    rng: ChaCha8Rng::seed_from_u64(seeds.next_u64()),
                    name: format!("{load_number:08x}-{number}"),
                    number: number as u32,
                    asked: 0,
                    mix: Arc::clone(&mix),
                    think,
                    lateness: context.lateness(),
                    large: None,
                };
                (client, *stay)
            })
            .collect();
        let clients = match server.door() {
            Door::Simulated => Clients::Tasks(start_all(clients, start)),
            Door::Live(_) => Clients::on_a_thread(clients, start),
        };
        let mut gauges = Vec::new();
        let mut watcher = HttpClient::new(server.door());
        let end = self.end();
        let mut tick = Duration::ZERO;
        while tick <= end {
            retake::sleep_until(start + tick).await;
            gauges.push((tick, server.gauges(&mut watcher).await));
            tick += Duration::from_secs(1);
        }
        let mut samples = Vec::new();
        let mut errors = BTreeMap::new();
        for client in clients.all().await {
            match client {
                Ok((taken, failed)) => {
                    samples.extend(taken);
                    for (error, count) in failed {
                        *errors.entry(error).or_default() += count;
                    }
                }
                Err(error) => *errors.entry(format!("client: {error}")).or_default() += 1,
            }
        }
        samples.sort_by_key(|sample: &Sample| sample.at);
        let elapsed = start.elapsed();
        gauges.push((elapsed, server.gauges(&mut watcher).await));
        let cpu_after = (server.cpu(), super::wire::cpu_time(std::process::id()));
        let mut settled = Gauges::default();
        for _ in 0..SETTLE.0 {
            settled = server.gauges(&mut watcher).await;
            if settled.leased == 0.0 && settled.depth == 0.0 {
                break;
            }
            retake::sleep(SETTLE.1).await;
        }
        let used = |before: Option<Duration>, after: Option<Duration>| {
            Some(after?.saturating_sub(before?))
        };
        Load {
            samples,
            errors,
            gauges,
            settled,
            warm_up: self.warm_up,
            elapsed,
            server_cpu: used(cpu_before.0, cpu_after.0),
            client_cpu: used(cpu_before.1, cpu_after.1),
        }
    }
}

/// Clients at work.
enum Clients {
    Tasks(Vec<JoinHandle<Taken>>),
    Thread(JoinHandle<Vec<Ended>>),
}

/// How a client ended.
type Ended = Result<Taken, String>;

fn start_all(clients: Vec<(Client, Stay)>, start: retake::Instant) -> Vec<JoinHandle<Taken>> {
    let clients = clients.into_iter().map(|(client, stay)| {
        let name = format!("client-{}", client.number);
        retake::spawn_named(&name, client.run(stay, start))
    });
    clients.collect()
}

async fn wait_for(clients: Vec<JoinHandle<Taken>>) -> Vec<Ended> {
    let mut ended = Vec::new();
    for client in clients {
        ended.push(client.await.map_err(|error| error.to_string()));
    }
    ended
}

impl Clients {
    /// Live clients share one thread, with a runtime of its own: on the benchmark's, whose
    /// threads wake one another, half of what is measured would be that.
    fn on_a_thread(clients: Vec<(Client, Stay)>, start: retake::Instant) -> Self {
        Self::Thread(tokio::task::spawn_blocking(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            match runtime {
                Ok(runtime) => {
                    runtime.block_on(async { wait_for(start_all(clients, start)).await })
                }
                Err(error) => vec![Err(error.to_string())],
            }
        }))
    }

    /// How all of them ended.
    async fn all(self) -> Vec<Ended> {
        match self {
            Self::Tasks(tasks) => wait_for(tasks).await,
            Self::Thread(thread) => match thread.await {
                Ok(ended) => ended,
                Err(error) => vec![Err(error.to_string())],
            },
        }
    }
}

struct Client {
    http: HttpClient,
    rng: ChaCha8Rng,
    name: String,
    number: u32,
    asked: u64,
    mix: Arc<Vec<(Kind, u32)>>,
    think: Duration,
    /// By how much its pauses are late.
    lateness: ServiceTime,
    /// Data of large pushes, made when the first is sent.
    large: Option<String>,
}

type Taken = (Vec<Sample>, BTreeMap<String, u64>);

impl Client {
    async fn run(mut self, stay: Stay, start: retake::Instant) -> Taken {
        // Taken at once, so that the measuring does not grow with the load.
        let expected = (stay.to - stay.from).as_secs_f64() / self.think.as_secs_f64().max(1e-4);
        let mut samples = Vec::with_capacity((1.1 * expected) as usize);
        let mut errors: BTreeMap<String, u64> = BTreeMap::new();
        retake::sleep_until(start + stay.from).await;
        loop {
            // Thinking first spreads the clients out.
            let pause = crate::load::exponential(self.think, &mut self.rng);
            // Real timers are coarse: none at all is less than one that is due at once.
            if !pause.is_zero() {
                retake::sleep(pause + self.lateness.draw()).await;
            }
            let begun = retake::now();
            let at = begun - start;
            if at >= stay.to {
                return (samples, errors);
            }
            let kind = self.draw_kind();
            let (method, path, body) = self.request(kind);
            self.asked += 1;
            let answer = self.http.request(method, path, &body).await;
            let latency = begun.elapsed();
            let answer = match answer {
                Ok(answer) => Some(answer.gist()),
                Err(error) => {
                    *errors.entry(error).or_default() += 1;
                    None
                }
            };
            samples.push(Sample {
                at,
                latency,
                kind,
                answer,
            });
        }
    }

    fn draw_kind(&mut self) -> Kind {
        let total: u32 = self.mix.iter().map(|(_, weight)| weight).sum();
        let mut drawn = self.rng.random_range(0..total.max(1));
        for (kind, weight) in self.mix.iter() {
            if drawn < *weight {
                return *kind;
            }
            drawn -= weight;
        }
        Kind::Health
    }

    fn request(&mut self, kind: Kind) -> (&'static str, &'static str, Vec<u8>) {
        let id = format!("{}-{}", self.name, self.asked);
        match kind {
            Kind::Health => ("GET", "/health", Vec::new()),
            Kind::Pubsub => ("POST", "/pubsub", self.push(&id).into_bytes()),
            Kind::Redelivered => {
                let id = self.name.clone();
                ("POST", "/pubsub", self.push(&id).into_bytes())
            }
            Kind::Large => {
                let data = self.large.get_or_insert_with(|| large_data(self.number));
                let body = format!(r#"{{"message":{{"messageId":"{id}","data":"{data}"}}}}"#);
                ("POST", "/pubsub", body.into_bytes())
            }
            Kind::Malformed => self.malformed(&id),
            Kind::Marketplace => {
                let body = serde_json::to_vec(&self.order(id).sign(&secret()));
                ("POST", "/marketplace", body.unwrap_or_default())
            }
        }
    }

    /// Bodies that are wrong in one way or another.
    fn malformed(&mut self, id: &str) -> (&'static str, &'static str, Vec<u8>) {
        let push = self.push(id);
        let with = |data: &str| format!(r#"{{"message":{{"messageId":"{id}","data":"{data}"}}}}"#);
        let body = match self.rng.random_range(0..6) {
            // Cut off.
            0 => push.as_bytes()[..self.rng.random_range(1..push.len())].to_vec(),
            // Rubbish.
            1 => (0..100).map(|_| self.rng.random()).collect(),
            // Without data, with data that is no base64, and that is no signal.
            2 => format!(r#"{{"message":{{"messageId":"{id}"}}}}"#).into_bytes(),
            3 => with("?!").into_bytes(),
            4 => with("bm8gc2lnbmFs").into_bytes(),
            // Signed by somebody else.
            _ => {
                let order = self
                    .order(id.to_owned())
                    .sign(&Secret::new("somebody else"));
                let body = serde_json::to_vec(&order).unwrap_or_default();
                return ("POST", "/marketplace", body);
            }
        };
        ("POST", "/pubsub", body)
    }

    fn order(&mut self, entitlement_id: String) -> Order {
        Order {
            entitlement_id,
            tenant_id: tenant(self.number),
            action: ["scale", "rollback", "throttle"][self.rng.random_range(0..3)].to_owned(),
            timestamp: self.asked,
            signature: String::new(),
        }
    }

    /// One in ten signals asks for an action.
    fn push(&mut self, id: &str) -> String {
        let signal = Signal {
            tenant: tenant(self.number),
            metric: ["cpu", "errors", "requests"][self.rng.random_range(0..3)].to_owned(),
            value: self.rng.random_range(0..89).into(),
            ..Signal::default()
        };
        Envelope::to_json(&signal, id, 1)
    }
}

/// A signal with a megabyte beside what is needed, in base64.
fn large_data(number: u32) -> String {
    let data = serde_json::json!({
        "tenant_id": tenant(number),
        "metric": "cpu",
        "value": 50.0,
        "timestamp_ms": 1,
        "details": "x".repeat(1_000_000),
    });
    STANDARD.encode(data.to_string())
}

/// What a load measured.
#[derive(Debug)]
pub(super) struct Load {
    /// In the order of beginning.
    pub(super) samples: Vec<Sample>,
    pub(super) errors: BTreeMap<String, u64>,
    pub(super) gauges: Vec<(Duration, Gauges)>,
    warm_up: Duration,
    pub(super) elapsed: Duration,
    /// The server's figures soon after the load.
    settled: Gauges,
    server_cpu: Option<Duration>,
    client_cpu: Option<Duration>,
}

impl Load {
    /// Those that began within a time, warm-up left out.
    pub(super) fn within(&self, from: Duration, to: Duration) -> impl Iterator<Item = &Sample> {
        let from = from.max(self.warm_up);
        self.samples
            .iter()
            .filter(move |sample| (from..to).contains(&sample.at))
    }

    pub(super) fn counted(&self) -> impl Iterator<Item = &Sample> {
        self.within(Duration::ZERO, Duration::MAX)
    }

    /// Share of good answers, from 0 to 1.
    pub(super) fn success<'a>(samples: impl Iterator<Item = &'a Sample>) -> f64 {
        let (mut all, mut good) = (0_u64, 0_u64);
        for sample in samples {
            all += 1;
            good += u64::from(sample.is_good());
        }
        if all == 0 {
            0.0
        } else {
            good as f64 / all as f64
        }
    }

    pub(super) fn latencies<'a>(samples: impl Iterator<Item = &'a Sample>) -> Latencies {
        let mut latencies = Latencies::default();
        for sample in samples {
            latencies.record(sample.latency);
        }
        latencies
    }

    /// Good answers a second.
    pub(super) fn rate(&self) -> f64 {
        let good = self.counted().filter(|sample| sample.is_good()).count();
        good as f64 / (self.elapsed - self.warm_up).as_secs_f64().max(1e-9)
    }

    /// The curves, series and alerts that every load has.
    pub(super) fn describe(&self, context: &Context, measured: &mut Measured) {
        let mut kinds: Vec<Kind> = self.samples.iter().map(|sample| sample.kind).collect();
        kinds.sort_unstable();
        kinds.dedup();
        for kind in kinds {
            let of_kind = self.counted().filter(|sample| sample.kind == kind);
            measured.distribution(kind.word(), &Self::latencies(of_kind));
        }
        self.add_series(measured);
        measured.require(LENT, self.settled.leased == 0.0);
        let (warm_up, count) = (self.warm_up.as_secs_f64(), self.counted().count());
        measured.notes.push(format!(
            "{count} requests counted; those of the first {warm_up} s are warm-up and left out"
        ));
        for (error, count) in &self.errors {
            measured
                .notes
                .push(format!("{count} without an answer: {error}"));
        }
        if let (Some(server), Some(client)) = (self.server_cpu, self.client_cpu) {
            let (server, client) = (server.as_secs_f64(), client.as_secs_f64());
            let share = 100.0 * client / (server + client).max(1e-9);
            measured.report("client's share of processor time", share, Unit::Percent);
        }
        measured.report("throughput", self.rate(), Unit::PerSecond);
        let success = Self::success(self.counted());
        measured.report("error rate", 100.0 * (1.0 - success), Unit::Percent);
        let waiting = self.gauges.iter().map(|(_, gauges)| gauges.waiting);
        measured.alert(&Figures {
            p99: None,
            success: Some(success),
            memory_growth: Some(self.memory_growth()),
            queue_depth: Some(waiting.fold(0.0, f64::max) as u64),
        });
        let what = match context.mode {
            Mode::Live => "memory is the resident size of the server's process",
            Mode::Sim => "memory is what the program has allocated, clients included, counted",
        };
        measured.notes.push(what.to_owned());
    }

    fn add_series(&self, measured: &mut Measured) {
        // What is over in the middle of a second would look like the end of all.
        let seconds = self.elapsed.as_secs().max(1);
        let mut throughput = vec![0.0; seconds as usize];
        let mut failed = vec![0.0; seconds as usize];
        let mut latencies: Vec<Vec<u64>> = vec![Vec::new(); seconds as usize];
        for sample in &self.samples {
            let second = (sample.at.as_secs() as usize).min(throughput.len() - 1);
            throughput[second] += 1.0;
            failed[second] += f64::from(u8::from(!sample.is_good()));
            latencies[second].push(u64::try_from(sample.latency.as_nanos()).unwrap_or(u64::MAX));
        }
        let p99 = latencies.into_iter().map(|mut latencies| {
            latencies.sort_unstable();
            let place = (latencies.len() * 99).div_ceil(100).saturating_sub(1);
            latencies.get(place).copied().unwrap_or(0) as f64
        });
        let by_second = |values: Vec<f64>| {
            let points = values.into_iter().enumerate();
            points
                .map(|(second, value)| (second as f64, value))
                .collect()
        };
        let mut add = |name: &str, unit: Unit, points: Vec<(f64, f64)>| {
            measured.series.push(Series {
                name: name.to_owned(),
                unit,
                points,
            });
        };
        add("throughput", Unit::PerSecond, by_second(throughput));
        add("failed", Unit::PerSecond, by_second(failed));
        add("p99", Unit::Nanoseconds, by_second(p99.collect()));
        let gauge = |pick: fn(&Gauges) -> f64| -> Vec<(f64, f64)> {
            let points = self.gauges.iter();
            points
                .map(|(at, gauges)| (at.as_secs_f64(), pick(gauges)))
                .collect()
        };
        add("queue depth", Unit::Count, gauge(|it| it.depth));
        add("workers lent", Unit::Count, gauge(|it| it.leased));
        add("waiting for a worker", Unit::Count, gauge(|it| it.waiting));
        let of_machine = |name: &str, unit: Unit, points: Vec<(f64, f64)>| Series {
            name: name.to_owned(),
            unit,
            points,
        };
        let memory = of_machine("memory", Unit::Bytes, gauge(|it| it.memory));
        measured.machine_series.push(memory);
        if self.server_cpu.is_some() {
            let share = self.gauges.windows(2).map(|pair| {
                let ((before, old), (after, new)) = (pair[0], pair[1]);
                let (used, time) = (new.cpu - old.cpu, (after - before).as_secs_f64());
                (after.as_secs_f64(), 100.0 * used / time.max(1e-9))
            });
            let name = "processor time of the server, of one core";
            let used = of_machine(name, Unit::Percent, share.collect());
            measured.machine_series.push(used);
        }
        self.add_stages(measured);
        let depth_max = self
            .gauges
            .last()
            .map_or(0.0, |(_, gauges)| gauges.depth_max);
        measured.report("most requests at once", depth_max, Unit::Count);
    }

    /// Where the requests' time went: what is the server's and what is on the way, from
    /// the clients' latencies and the server's stages.
    fn add_stages(&self, measured: &mut Measured) {
        let (Some((_, first)), Some((_, last))) = (self.gauges.first(), self.gauges.last()) else {
            return;
        };
        let spent =
            |stage: Stage| (last.stages[stage as usize] - first.stages[stage as usize]).max(0.0);
        let all: f64 = self.samples.iter().map(|it| it.latency.as_secs_f64()).sum();
        let (body, governor) = (spent(Stage::Body), spent(Stage::Governor));
        let ledger = spent(Stage::Ledger).min(governor);
        let count = self.samples.len() as u64;
        for (name, seconds) in [
            ("HTTP, network and client", all - body - governor),
            ("reading bodies", body),
            ("governor and its queue", governor - ledger),
            ("ledger", ledger),
        ] {
            measured.stage(name, Duration::from_secs_f64(seconds.max(0.0)), count);
        }
        for (name, stage) in [
            ("wait for a worker", Stage::PoolWait),
            ("work of actions", Stage::Work),
        ] {
            measured.stage(name, Duration::from_secs_f64(spent(stage)), count);
            if let Some(stage) = measured.stages.last_mut() {
                stage.is_behind = true;
            }
        }
    }

    /// Slope of the memory by least squares, in megabytes a second.
    pub(super) fn memory_growth(&self) -> f64 {
        let points: Vec<(f64, f64)> = self
            .gauges
            .iter()
            .filter(|(at, _)| *at >= self.warm_up)
            .map(|(at, gauges)| (at.as_secs_f64(), gauges.memory / 1e6))
            .collect();
        // The last one is read when the load is over.
        slope(&points[..points.len().saturating_sub(1)])
    }

    /// First, mean, largest and last size of the memory, in bytes, without the receipts,
    /// which are there to stay.
    pub(super) fn memory(&self) -> (f64, f64, f64, f64) {
        // What is left at the end belongs to the measuring.
        let loaded = self.gauges.len().saturating_sub(1);
        let sizes: Vec<f64> = self.gauges[..loaded]
            .iter()
            .filter(|(at, _)| *at >= self.warm_up)
            .map(|(_, gauges)| (gauges.memory - gauges.receipt_bytes).max(0.0))
            .collect();
        let mean = sizes.iter().sum::<f64>() / (sizes.len().max(1) as f64);
        let largest = sizes.iter().copied().fold(0.0, f64::max);
        let first = sizes.first().copied().unwrap_or(0.0);
        (first, mean, largest, sizes.last().copied().unwrap_or(0.0))
    }

    /// What clients that want a receipt got, for invariant 32.
    fn answers(&self) -> Vec<(u16, Option<ReceiptId>)> {
        let wanting = self.samples.iter().filter(|it| it.kind != Kind::Health);
        let answers = wanting.filter_map(|sample| sample.answer);
        answers.map(|it| (it.status, it.receipt)).collect()
    }

    /// Judge a p99 over all that is counted.
    pub(super) fn judge_p99(&self, measured: &mut Measured, most: Duration) {
        let p99 = Self::latencies(self.counted()).summary().p99_ns as f64;
        let target = Target::AtMost(most.as_nanos() as f64);
        measured.judge("p99", p99, Unit::Nanoseconds, target);
    }

    pub(super) fn judge_success(&self, measured: &mut Measured, least: f64) {
        let success = 100.0 * Self::success(self.counted());
        let target = Target::AtLeast(100.0 * least);
        measured.judge("success", success, Unit::Percent, target);
    }
}

/// Stop the server, and check what must hold after these loads: the chains, a receipt for
/// each answer, nothing shed without need and nothing left over.
pub(super) async fn finish(server: Server, loads: &[&Load], measured: &mut Measured) {
    let shed = |load: &&Load| {
        let answers = load.samples.iter().filter_map(|sample| sample.answer);
        answers.filter(|answer| answer.is_shed).count()
    };
    let most = loads.iter().map(|load| load.settled.depth_max);
    let most = most.fold(0.0, f64::max) as usize;
    let max = IngressConfig::default().requests_max;
    let shed = loads.iter().map(shed).sum();
    measured.violations(&invariants::shedding(shed, most, max));
    let left = loads.iter().map(|load| load.settled.depth as usize).sum();
    measured.violations(&invariants::drained(left));
    match server.stop().await {
        Ok(store) => {
            measured.violations(&invariants::ledger(&store));
            for load in loads {
                measured.violations(&invariants::answers(&store, &load.answers()));
            }
        }
        Err(error) => measured.errors.push(error),
    }
}

/// The slope of a line through points, by least squares.
fn slope(points: &[(f64, f64)]) -> f64 {
    let count = points.len() as f64;
    if points.len() < 2 {
        return 0.0;
    }
    let mean_x = points.iter().map(|(x, _)| x).sum::<f64>() / count;
    let mean_y = points.iter().map(|(_, y)| y).sum::<f64>() / count;
    let covariance: f64 = points
        .iter()
        .map(|(x, y)| (x - mean_x) * (y - mean_y))
        .sum();
    let variance: f64 = points.iter().map(|(x, _)| (x - mean_x).powi(2)).sum();
    if variance == 0.0 {
        0.0
    } else {
        covariance / variance
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slope_is_found_by_least_squares() {
        assert_eq!(slope(&[(0.0, 1.0), (1.0, 3.0), (2.0, 5.0)]), 2.0);
        assert_eq!(slope(&[(0.0, 1.0), (1.0, 3.0), (2.0, 2.0)]), 0.5);
        assert_eq!(slope(&[(1.0, 1.0)]), 0.0);
    }
}

#[cfg(test)]
mod answers {
    use super::*;

    #[test]
    fn an_answer_is_good_if_it_is_what_was_asked_for() {
        let of = |status, receipt| Gist {
            status,
            receipt,
            is_shed: false,
        };
        let (taken, refused) = (of(200, Some(17)), of(400, Some(4)));
        assert!(Kind::Pubsub.is_good(taken) && !Kind::Malformed.is_good(taken));
        assert!(Kind::Malformed.is_good(refused) && !Kind::Pubsub.is_good(refused));
        assert!(!Kind::Pubsub.is_good(of(200, None)));
        assert!(!Kind::Malformed.is_good(of(400, None)));
    }

    #[test]
    fn a_large_push_is_a_signal_and_within_the_limit() {
        let data = large_data(3);
        let body = format!(r#"{{"message":{{"messageId":"m","data":"{data}"}}}}"#);
        assert!(body.len() > 1_000_000 && body.len() < IngressConfig::default().body_max);
        assert_eq!(
            Envelope::parse(body.as_bytes()).unwrap().signal.tenant,
            "tenant-3"
        );
    }
}
