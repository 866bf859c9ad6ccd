//! What operations cost on this machine, measured live for the simulation, and how
//! well the simulation then predicts what it was not measured on.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ractor::Actor;
use retake_actors::ledger::{Draft, Durability, FileDisk, Ledger, LedgerArguments, ReceiptKind};
use retake_actors::{LedgerRef, ServiceTime, Signal, Store};

use super::context::{Context, Costs, Mode};
use super::measure::Measured;
use super::runner::{Row, Settings, run};
use super::wire::{HttpClient, Server};

/// Operations that are measured of each kind.
const OPERATIONS: u32 = 5_000;
/// Of those that are slow.
const SLOW_OPERATIONS: u32 = 300;

/// Measure what operations cost.
///
/// # Errors
/// What could not be measured.
pub async fn measure(machine: String, folder: PathBuf) -> Result<Costs, String> {
    let context = Context {
        mode: Mode::Live,
        scale: 1.0,
        costs: Costs::built_in(),
        failures: Vec::new(),
        folder,
    };
    let append = append(Durability::Memory, OPERATIONS).await?;
    let folder = context.scratch()?;
    let disk = FileDisk::open(folder.path().join("log")).map_err(|error| error.to_string())?;
    let durable = append_durably(disk).await?;
    Ok(Costs {
        about: Costs::built_in().about,
        machine,
        request_us: micros(request(&context).await?),
        signal_us: micros(signal(&context).await?),
        append_us: micros(append),
        read_us: micros(read()),
        commit_us: micros(durable.saturating_sub(append)),
    })
}

/// To a hundredth of a microsecond.
fn micros(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e8).round() / 100.0
}

fn mean(start: retake::Instant, operations: u32) -> Duration {
    start.elapsed() / operations
}

async fn request(context: &Context) -> Result<Duration, String> {
    let server = Server::start(context).await?;
    let mut client = HttpClient::new(server.door());
    // The connection is opened by the first.
    client.request("GET", "/health", "").await?;
    let start = retake::now();
    for _ in 0..OPERATIONS {
        client.request("GET", "/health", "").await?;
    }
    let mean = mean(start, OPERATIONS);
    server.stop().await?;
    Ok(mean)
}

async fn signal(context: &Context) -> Result<Duration, String> {
    let config = context.system(ServiceTime::None);
    let system = context.start(config, ["acme".to_owned()]).await?;
    let signal = || Signal {
        tenant: "acme".to_owned(),
        metric: "cpu".to_owned(),
        value: 10.0,
        ..Signal::default()
    };
    let ask = async || {
        system
            .signal(signal())
            .await
            .map_err(|error| error.to_string())
    };
    ask().await?;
    let start = retake::now();
    for _ in 0..OPERATIONS {
        ask().await?;
    }
    let mean = mean(start, OPERATIONS);
    system.stop().await;
    Ok(mean)
}

fn draft(number: u32) -> Draft {
    Draft {
        tenant: format!("tenant-{}", number % 20),
        kind: ReceiptKind::Signal {
            verdict: "stable".to_owned(),
        },
        payload: "cpu 70.0".to_owned(),
        signal: Some(format!("signal-{number}")),
        key: Some(format!("key-{number}")),
    }
}

async fn append_durably(disk: FileDisk) -> Result<Duration, String> {
    append(Durability::Fsync(Arc::new(disk)), SLOW_OPERATIONS).await
}

async fn append(durability: Durability, operations: u32) -> Result<Duration, String> {
    let arguments = LedgerArguments {
        durability,
        ..LedgerArguments::default()
    };
    let name = format!("calibrated-{operations}");
    let (actor, _) = Actor::spawn(Some(name.clone()), Ledger, arguments)
        .await
        .map_err(|error| error.to_string())?;
    let ledger = LedgerRef::new(&name);
    let start = retake::now();
    for number in 0..operations {
        let appended = ledger.append(draft(number)).await;
        appended.map_err(|error| error.to_string())?;
    }
    let mean = mean(start, operations);
    // An error means that it has ended.
    let _ = actor.stop_and_wait(None, None).await;
    Ok(mean)
}

fn read() -> Duration {
    let store = Store::new();
    for number in 0..OPERATIONS {
        store.append(draft(number));
    }
    let start = retake::now();
    for id in 1..=OPERATIONS {
        std::hint::black_box(store.get(id.into()));
    }
    mean(start, OPERATIONS)
}

/// What a simulation predicted, and what was measured then.
#[derive(Clone, Debug)]
pub struct Prediction {
    /// The benchmark.
    pub id: &'static str,
    /// Which of its distributions.
    pub name: String,
    /// p50 and p99 of the simulation, in nanoseconds.
    pub predicted: (u64, u64),
    /// p50 and p99 live.
    pub live: (u64, u64),
}

impl Prediction {
    /// How far a predicted figure is from the live one, in percent of that.
    #[must_use]
    pub fn error_percent(predicted: u64, live: u64) -> f64 {
        100.0 * (predicted as f64 - live as f64) / (live.max(1) as f64)
    }
}

/// Benchmarks on which nothing was measured for the costs.
pub const HELD_OUT: [&str; 4] = [
    "http/pubsub",
    "http/marketplace",
    "governor/action_tracking",
    "executor/pool_concurrent",
];

/// Run the benchmarks that were held out in both modes.
#[must_use]
pub fn hold_out(costs: &Costs, scale: f64, folder: &Path) -> Vec<Prediction> {
    let settings = |mode| Settings {
        mode,
        seed: 0,
        scale,
        timeout: Duration::from_secs(600),
        costs: costs.clone(),
        failures: Vec::new(),
        folder: folder.to_owned(),
    };
    let mut predictions = Vec::new();
    for id in HELD_OUT {
        let Some(benchmark) = super::all().find(|benchmark| benchmark.id == id) else {
            continue;
        };
        let of = |row: &Row| {
            let Measured { distributions, .. } = &row.measured;
            distributions
                .first()
                .map(|it| (it.name.clone(), it.summary))
        };
        let predicted = of(&run(benchmark, &settings(Mode::Sim)));
        let live = of(&run(benchmark, &settings(Mode::Live)));
        if let (Some((name, predicted)), Some((_, live))) = (predicted, live) {
            predictions.push(Prediction {
                id: benchmark.id,
                name,
                predicted: (predicted.p50_ns, predicted.p99_ns),
                live: (live.p50_ns, live.p99_ns),
            });
        }
    }
    predictions
}
