//! What the actors do live, beside what OTP does.
//!
//! ```text
//! cargo bench -p retake-actors             # everything
//! cargo bench -p retake-actors -- pool     # rows whose name contains `pool`
//! ```
//!
//! Each row runs on a current-thread runtime and on two worker threads of a
//! multi-thread one. The column `OTP` has figures of OTP 25 with its JIT on two
//! shared cores of another machine, for orientation: they are not measured here.
//! Of several rounds the best counts on both sides.
#![allow(
    clippy::disallowed_methods,
    missing_docs,
    reason = "measures real time"
)]

use std::fmt::Write as _;
use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort};
use retake_actors::ledger::{Draft, Durability, FileDisk, Ledger, LedgerArguments, ReceiptKind};
use retake_actors::pool::{PoolConfig, PoolRef};
use retake_actors::statem::{Context, Event, Next, StateMachine, StatemRef, Table};
use retake_actors::supervisor::{ChildSpec, Strategy, SupervisorRef, SupervisorSpec};
use retake_actors::{Failures, LedgerRef, Names, ServiceTime, Signal, Store, System, SystemConfig};
use retake_sim::memory::{self, CountingAllocator};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

/// What one round gives.
enum Figure {
    PerSecond(f64),
    Times(Histogram<u64>),
    /// Waiting times, told in milliseconds.
    Waits(Histogram<u64>),
    Bytes(usize),
}

impl Figure {
    /// The better of two rounds.
    fn better(self, other: Self) -> Self {
        match (self, other) {
            (Self::PerSecond(a), Self::PerSecond(b)) => Self::PerSecond(a.max(b)),
            (Self::Times(a), Self::Times(b)) => {
                let median = |times: &Histogram<u64>| times.value_at_quantile(0.5);
                Self::Times(if median(&a) <= median(&b) { a } else { b })
            }
            (Self::Waits(a), Self::Waits(b)) => {
                let median = |times: &Histogram<u64>| times.value_at_quantile(0.5);
                Self::Waits(if median(&a) <= median(&b) { a } else { b })
            }
            (Self::Bytes(a), Self::Bytes(b)) => Self::Bytes(a.min(b)),
            (first, _) => first,
        }
    }
}

impl std::fmt::Display for Figure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut text = String::new();
        match self {
            Self::PerSecond(rate) => write!(text, "{:.0} k/s", rate / 1e3)?,
            Self::Times(times) => {
                let micros = |quantile| times.value_at_quantile(quantile) as f64 / 1e3;
                write!(text, "{:.1} / {:.1} µs", micros(0.5), micros(0.99))?;
            }
            Self::Waits(times) => {
                let millis = |quantile| times.value_at_quantile(quantile) as f64 / 1e6;
                write!(text, "{:.0} / {:.0} ms", millis(0.5), millis(0.99))?;
            }
            Self::Bytes(bytes) => write!(text, "{bytes} B")?,
        }
        f.pad(&text)
    }
}

type Round = Pin<Box<dyn Future<Output = Figure> + Send>>;

struct Row {
    name: &'static str,
    otp: &'static str,
    round: fn() -> Round,
}

macro_rules! rows {
    ($($name:literal, $otp:literal, $round:expr;)*) => {
        [$(Row { name: $name, otp: $otp, round: || Box::pin($round) }),*]
    };
}

const ROUNDS: usize = 5;

fn main() {
    memory::enable();
    let wanted: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with("--"))
        .collect();
    let rows = rows![
        "governor signal", "576 k/s", signals(false);
        "governor signal with receipt", "136 k/s", signals(true);
        "governor signal with receipt, latency", "6.2 / 11.6 µs", signal_times();
        "pool checkout + check-in, 1 client", "489 k/s", lend(1, false);
        "pool checkout + check-in, 20 clients", "470 k/s", lend(20, false);
        "pool checkout + check-in, 100 clients", "410 k/s", lend(100, false);
        "pool transaction with a call, 1 client", "174 k/s", lend(1, true);
        "pool transaction with a call, 20 clients", "249 k/s", lend(20, true);
        "pool transaction with a call, 100 clients", "269 k/s", lend(100, true);
        "pool: death of a worker to waiter served", "39 / 61 µs", replace();
        "pool: 1,000 waiters die", "4600 µs", give_up();
        "pool: burst of 5 x 1,000, work 1 ms, wait", "69 / 137 ms", burst(1_000);
        "pool: burst of 5 x 1,000, work 0.1 ms, wait", "", burst(100);
        "supervisor: kill to restarted", "16.6 / 39 µs", restart();
        "ledger write, direct", "218 k/s", write_directly();
        "ledger write through the actor", "154 k/s", write(false);
        "ledger write through the actor, latency", "- / 12 µs", write_times();
        "ledger write, group commit, 100 writers", "", write(true);
        "ledger batch of 100", "220 k/s", write_batches();
        "ledger read by id", "743 k/s", read();
        "ledger read by id, latency", "- / 2.6 µs", read_times();
        "ledger: memory of a receipt", "820 B", receipt_memory();
        "postpone and retry 1,000 events", "21277 k/s", postpone(1_000);
        "postpone and retry 10,000 events", "16129 k/s", postpone(10_000);
        "postpone and retry 100,000 events", "12821 k/s", postpone(100_000);
        "memory of an actor", "2700 B", actor_memory();
        "memory of a governor", "", governor_memory();
    ];
    println!(
        "{:<43}{:>18}{:>18}{:>16}",
        "", "current thread", "two workers", "OTP"
    );
    for row in rows {
        if !wanted.is_empty()
            && !wanted
                .iter()
                .any(|wanted| row.name.contains(wanted.as_str()))
        {
            continue;
        }
        let measure = |workers: Option<usize>| {
            let rounds = (0..ROUNDS).map(|_| {
                let mut builder = match workers {
                    None => tokio::runtime::Builder::new_current_thread(),
                    Some(_) => tokio::runtime::Builder::new_multi_thread(),
                };
                let runtime = builder
                    .worker_threads(workers.unwrap_or(1))
                    .enable_time()
                    .build()
                    .unwrap();
                let round = runtime.spawn((row.round)());
                runtime.block_on(round).unwrap()
            });
            rounds.reduce(Figure::better).unwrap()
        };
        let one = measure(None);
        // Memory is counted for each thread by itself.
        let two = match one {
            Figure::Bytes(_) => String::new(),
            _ => measure(Some(2)).to_string(),
        };
        println!("{:<43}{one:>18}{two:>18}{:>16}", row.name, row.otp);
    }
    println!("k/s: thousands a second; µs: p50 / p99; the best of {ROUNDS} rounds");
}

fn per_second(units: u64, start: Instant) -> Figure {
    Figure::PerSecond(units as f64 / start.elapsed().as_secs_f64())
}

fn times() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 60_000_000_000, 3).unwrap()
}

fn note(times: &mut Histogram<u64>, start: Instant) {
    times.saturating_record(u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX));
}

// --- governor ---

/// Names differ between rounds: an earlier round's actors may still be ending.
async fn system() -> System {
    static ROUND: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let round = ROUND.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let config = SystemConfig {
        names: Names::with_prefix(&format!("round-{round}")),
        ..SystemConfig::default()
    };
    let system = System::start(config).await.unwrap();
    system.entitle("acme", true).await.unwrap();
    system
}

/// With receipts each signal changes the state, without none does.
fn signal(number: u64, with_receipts: bool) -> Signal {
    let is_high = with_receipts && number.is_multiple_of(2);
    Signal {
        id: None,
        tenant: "acme".to_owned(),
        metric: "cpu".to_owned(),
        value: if is_high { 70.0 } else { 10.0 },
        ..Signal::default()
    }
}

async fn signals(with_receipts: bool) -> Figure {
    let system = system().await;
    let count = if with_receipts { 20_000 } else { 50_000 };
    system.signal(signal(1, false)).await.unwrap();
    let start = Instant::now();
    for number in 0..count {
        system.signal(signal(number, with_receipts)).await.unwrap();
    }
    let figure = per_second(count, start);
    system.stop().await;
    figure
}

async fn signal_times() -> Figure {
    let system = system().await;
    system.signal(signal(1, false)).await.unwrap();
    let mut times = times();
    for number in 0..20_000 {
        let start = Instant::now();
        system.signal(signal(number, true)).await.unwrap();
        note(&mut times, start);
    }
    system.stop().await;
    Figure::Times(times)
}

// --- pool ---

struct Echo;

#[retake::simulated]
impl Actor for Echo {
    type Msg = RpcReplyPort<()>;
    type State = ();
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<Self::Msg>, (): ()) -> Result<(), ActorProcessingErr> {
        Ok(())
    }

    async fn handle(
        &self,
        _: ActorRef<Self::Msg>,
        reply: RpcReplyPort<()>,
        (): &mut (),
    ) -> Result<(), ActorProcessingErr> {
        Ok(reply.send(())?)
    }
}

const PATIENCE: Duration = Duration::from_secs(30);

async fn pool(size: u32) -> PoolRef<RpcReplyPort<()>> {
    let config = PoolConfig {
        size,
        max_overflow: 0,
        ..PoolConfig::default()
    };
    PoolRef::start("pool", config, |_| (Echo, ()))
        .await
        .unwrap()
}

async fn lend(clients: u64, with_call: bool) -> Figure {
    let pool = pool(10).await;
    let each = 40_000 / clients;
    let start = Instant::now();
    let clients: Vec<_> = (0..clients)
        .map(|_| {
            let pool = pool.clone();
            tokio::spawn(async move {
                for _ in 0..each {
                    let lease = pool.checkout(PATIENCE).await.unwrap();
                    if with_call {
                        lease.call(|reply| reply, None).await.unwrap();
                    }
                }
                each
            })
        })
        .collect();
    let mut done = 0;
    for client in clients {
        done += client.await.unwrap();
    }
    let figure = per_second(done, start);
    pool.stop().await;
    figure
}

async fn replace() -> Figure {
    let pool = pool(1).await;
    let mut times = times();
    let mut lease = pool.checkout(PATIENCE).await.unwrap();
    for _ in 0..2_000 {
        let waiter = {
            let pool = pool.clone();
            tokio::spawn(async move { pool.checkout(PATIENCE).await.unwrap() })
        };
        while pool.status().await.unwrap().waiting == 0 {
            tokio::task::yield_now().await;
        }
        let start = Instant::now();
        lease.kill();
        let next = waiter.await.unwrap();
        note(&mut times, start);
        lease = next;
    }
    drop(lease);
    pool.stop().await;
    Figure::Times(times)
}

/// From the death of all until the pool has noticed.
async fn give_up() -> Figure {
    const WAITERS: usize = 1_000;
    let pool = pool(1).await;
    let lease = pool.checkout(PATIENCE).await.unwrap();
    let mut times = times();
    for _ in 0..10 {
        let waiters: Vec<_> = (0..WAITERS)
            .map(|_| {
                let pool = pool.clone();
                tokio::spawn(async move { drop(pool.checkout(PATIENCE).await) })
            })
            .collect();
        while pool.status().await.unwrap().waiting < WAITERS {
            tokio::task::yield_now().await;
        }
        let start = Instant::now();
        waiters.iter().for_each(tokio::task::JoinHandle::abort);
        while pool.status().await.unwrap().waiting > 0 {
            tokio::task::yield_now().await;
        }
        note(&mut times, start);
    }
    drop(lease);
    pool.stop().await;
    Figure::Times(times)
}

/// Five bursts of 1,000 clients on 10 workers and 5 more, each work taking so long:
/// how long clients wait for their worker.
async fn burst(work_us: u64) -> Figure {
    let config = PoolConfig {
        size: 10,
        max_overflow: 5,
        ..PoolConfig::default()
    };
    let pool = PoolRef::start("pool", config, |_| (Echo, ()))
        .await
        .unwrap();
    let mut times = times();
    for _ in 0..5 {
        let clients: Vec<_> = (0..1_000)
            .map(|_| {
                let pool = pool.clone();
                let start = Instant::now();
                tokio::spawn(async move {
                    let lease = pool.checkout(PATIENCE).await.unwrap();
                    let wait = start.elapsed();
                    work(Duration::from_micros(work_us)).await;
                    drop(lease);
                    wait
                })
            })
            .collect();
        for client in clients {
            let wait = client.await.unwrap().as_nanos();
            times.saturating_record(u64::try_from(wait).unwrap_or(u64::MAX));
        }
    }
    pool.stop().await;
    Figure::Waits(times)
}

/// Tokio's timers are no finer than a millisecond, and come up to one late.
async fn work(time: Duration) {
    let end = Instant::now() + time;
    while Instant::now() < end {
        tokio::task::yield_now().await;
    }
}

// --- supervisor ---

async fn restart() -> Figure {
    let spec = SupervisorSpec::new(Strategy::OneForOne)
        .intensity(u32::MAX, Duration::from_secs(1))
        .child(ChildSpec::new("child", || (Echo, ())));
    let supervisor = SupervisorRef::start(Some("supervisor"), spec)
        .await
        .unwrap();
    let mut times = times();
    for _ in 0..2_000 {
        let child = ractor::registry::where_is("child").unwrap();
        let start = Instant::now();
        child.kill();
        loop {
            match ractor::registry::where_is("child") {
                Some(next) if next.get_id() != child.get_id() => break,
                _ => tokio::task::yield_now().await,
            }
        }
        note(&mut times, start);
        // Its start is over when the supervisor answers.
        supervisor.count_children().await.unwrap();
    }
    supervisor.stop().await;
    Figure::Times(times)
}

// --- ledger ---

fn draft(number: u64) -> Draft {
    Draft {
        tenant: "acme".to_owned(),
        kind: ReceiptKind::Transition {
            from: "stable".to_owned(),
            to: "warning".to_owned(),
        },
        payload: "cpu 70.0".to_owned(),
        signal: Some(format!("signal-{number}")),
        key: Some(format!("key-{number}")),
    }
}

async fn ledger(durability: Durability) -> (LedgerRef, ractor::ActorCell) {
    let arguments = LedgerArguments {
        store: Store::new(),
        durability,
        append_time: ServiceTime::None,
        failures: Failures::default(),
    };
    let (actor, _) = Actor::spawn(Some("ledger".to_owned()), Ledger, arguments)
        .await
        .unwrap();
    (LedgerRef::new("ledger"), actor.get_cell())
}

async fn write_directly() -> Figure {
    let store = Store::new();
    let start = Instant::now();
    for number in 0..20_000 {
        store.append(draft(number));
    }
    per_second(20_000, start)
}

async fn write(durably: bool) -> Figure {
    let folder = tempfile::tempdir().unwrap();
    let durability = if durably {
        let disk = FileDisk::open(folder.path().join("log")).unwrap();
        Durability::GroupCommit {
            disk: std::sync::Arc::new(disk),
            delay: Duration::from_millis(1),
            batch: 100,
        }
    } else {
        Durability::Memory
    };
    let (ledger, actor) = ledger(durability).await;
    let writers = if durably { 100 } else { 1 };
    let each = 20_000 / writers;
    let start = Instant::now();
    let writers: Vec<_> = (0..writers)
        .map(|writer| {
            let ledger = ledger.clone();
            tokio::spawn(async move {
                for number in 0..each {
                    ledger.append(draft(writer * each + number)).await.unwrap();
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    let figure = per_second(20_000, start);
    actor.stop_and_wait(None, None).await.unwrap();
    figure
}

async fn write_times() -> Figure {
    let (ledger, actor) = ledger(Durability::Memory).await;
    let mut times = times();
    for number in 0..20_000 {
        let draft = draft(number);
        let start = Instant::now();
        ledger.append(draft).await.unwrap();
        note(&mut times, start);
    }
    actor.stop_and_wait(None, None).await.unwrap();
    Figure::Times(times)
}

async fn write_batches() -> Figure {
    let (ledger, actor) = ledger(Durability::Memory).await;
    let start = Instant::now();
    for batch in 0..200_u64 {
        let drafts = (0..100).map(|number| draft(100 * batch + number)).collect();
        ledger.append_all(drafts).await.unwrap();
    }
    let figure = per_second(20_000, start);
    actor.stop_and_wait(None, None).await.unwrap();
    figure
}

async fn read() -> Figure {
    let store = Store::new();
    for number in 0..10_000 {
        store.append(draft(number));
    }
    let start = Instant::now();
    for id in 1..=10_000 {
        std::hint::black_box(store.get(id).unwrap());
    }
    per_second(10_000, start)
}

async fn read_times() -> Figure {
    let store = Store::new();
    for number in 0..10_000 {
        store.append(draft(number));
    }
    let mut times = times();
    for id in 1..=10_000 {
        let start = Instant::now();
        std::hint::black_box(store.get(id).unwrap());
        note(&mut times, start);
    }
    Figure::Times(times)
}

// --- memory ---

/// Bytes that each of so many takes, made since so many bytes were live.
fn bytes_of_each(count: usize, before: isize) -> Figure {
    Figure::Bytes((memory::live_bytes() - before).unsigned_abs() / count)
}

async fn actor_memory() -> Figure {
    let mut actors = Vec::with_capacity(5_000);
    let before = memory::live_bytes();
    for _ in 0..5_000 {
        actors.push(Actor::spawn(None, Echo, ()).await.unwrap().0);
    }
    bytes_of_each(actors.len(), before)
}

async fn governor_memory() -> Figure {
    let system = system().await;
    let before = memory::live_bytes();
    for number in 0..2_000 {
        let tenant = format!("tenant-{number}");
        let signal = Signal {
            tenant,
            ..signal(1, false)
        };
        system.signal(signal).await.unwrap();
    }
    let figure = bytes_of_each(2_000, before);
    system.stop().await;
    figure
}

async fn receipt_memory() -> Figure {
    let store = Store::new();
    let before = memory::live_bytes();
    for number in 0..20_000 {
        store.append(draft(number));
    }
    bytes_of_each(20_000, before)
}

// --- state machine ---

struct Postponer;

#[derive(Debug)]
enum PostponerEvent {
    Work,
    Open,
    IsDone(RpcReplyPort<()>),
}

impl Event for PostponerEvent {
    fn name(&self) -> &'static str {
        match self {
            Self::Work => "work",
            Self::Open => "open",
            Self::IsDone(_) => "is_done",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Gate {
    Closed,
    Open,
}

impl std::fmt::Display for Gate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self:?}")
    }
}

impl StateMachine for Postponer {
    type State = Gate;
    type Event = PostponerEvent;
    type Data = ();
    type Arguments = ();

    fn table() -> Table<Gate> {
        Table::new([Gate::Closed])
            .postpone(Gate::Closed, "work")
            .on(Gate::Closed, "open", [Gate::Open])
            .on(Gate::Closed, "is_done", [])
            .on(Gate::Open, "work", [])
            .on(Gate::Open, "is_done", [])
    }

    async fn init(
        &self,
        (): (),
        _: &mut Context<'_, Self>,
    ) -> Result<(Gate, ()), ActorProcessingErr> {
        Ok((Gate::Closed, ()))
    }

    async fn handle(
        &self,
        _: Gate,
        event: PostponerEvent,
        (): &mut (),
        _: &mut Context<'_, Self>,
    ) -> Result<Next<Gate>, ActorProcessingErr> {
        Ok(match event {
            PostponerEvent::Work => Next::Keep,
            PostponerEvent::Open => Next::Goto(Gate::Open),
            PostponerEvent::IsDone(reply) => {
                let _ = reply.send(());
                Next::Keep
            }
        })
    }
}

async fn postpone(events: u64) -> Figure {
    let machine = StatemRef::start(None, Postponer, ()).await.unwrap();
    for _ in 0..events {
        machine.cast(PostponerEvent::Work).unwrap();
    }
    machine.call(PostponerEvent::IsDone, None).await.unwrap();
    let start = Instant::now();
    machine.cast(PostponerEvent::Open).unwrap();
    machine.call(PostponerEvent::IsDone, None).await.unwrap();
    let figure = per_second(events, start);
    machine.actor().stop_and_wait(None, None).await.unwrap();
    figure
}
