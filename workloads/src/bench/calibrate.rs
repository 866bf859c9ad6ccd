//! What operations cost on this machine, measured live for the simulation, and how
//! well the simulation then predicts what it was not measured on.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use ractor::Actor;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use retake_system::ledger::{Disk as _, Draft, FileDisk, Ledger, LedgerArguments, ReceiptKind};
use retake_system::{LedgerRef, ServiceTime, Signal, Store};

use super::client::HttpClient;
use super::context::{Context, Mode};
use super::costs::{Cost, Costs};
use super::measure::Measurement;
use super::runner::{Row, Settings, run};
use super::wire::Server;

/// Operations that are measured of each kind.
const OPERATIONS: u32 = 5_000;
/// Of those that are slow.
const SLOW_OPERATIONS: u32 = 1_000;
/// What ten receipts take on the disk, roughly.
const BATCH_BYTES: usize = 1_400;
pub(super) const ABOUT: &str = "What each operation costs in a simulated benchmark, in microseconds: \
    quantiles, straight between them. `exponential_us` and `fixed_us` can be stated as well. \
    Measured live by `retake calibrate`.";

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
        think: None,
        folder,
    };
    let folder = context.scratch()?;
    let disk = FileDisk::open(folder.path().join("log")).map_err(|error| error.to_string())?;
    Ok(Costs {
        about: ABOUT.to_owned(),
        machine,
        request: request(&context).await?,
        signal: signal(&context).await?,
        append: append().await?,
        read: read(),
        commit: commit(&disk).await?,
        timer: timer().await,
    })
}

/// What operations took.
#[derive(Default)]
struct Times(Vec<Duration>);

impl Times {
    async fn of<T>(&mut self, operation: impl Future<Output = T>) -> T {
        let start = retake::now();
        let done = operation.await;
        self.0.push(start.elapsed());
        done
    }

    fn cost(self) -> Cost {
        Cost::of(self.0)
    }
}

async fn request(context: &Context) -> Result<Cost, String> {
    let server = Server::start(context).await?;
    let mut client = HttpClient::new(server.door());
    // The connection is opened by the first.
    client.request("GET", "/health", b"").await?;
    let mut times = Times::default();
    for _ in 0..OPERATIONS {
        times.of(client.request("GET", "/health", b"")).await?;
    }
    server.stop().await?;
    Ok(times.cost())
}

async fn signal(context: &Context) -> Result<Cost, String> {
    let config = context.system(ServiceTime::None);
    let system = context.start(config, ["acme".to_owned()]).await?;
    let signal = || Signal {
        tenant: "acme".to_owned(),
        metric: "cpu".to_owned(),
        value: 10.0,
        ..Signal::default()
    };
    let mut times = Times::default();
    for _ in 0..OPERATIONS {
        let answered = times.of(system.signal(signal())).await;
        answered.map_err(|error| error.to_string())?;
    }
    system.stop().await;
    Ok(times.cost())
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

async fn append() -> Result<Cost, String> {
    let name = "calibrated";
    let arguments = LedgerArguments::default();
    let (actor, _) = Actor::spawn(Some(name.to_owned()), Ledger, arguments)
        .await
        .map_err(|error| error.to_string())?;
    let ledger = LedgerRef::new(name);
    let mut times = Times::default();
    for number in 0..OPERATIONS {
        let appended = times.of(ledger.append(draft(number))).await;
        appended.map_err(|error| error.to_string())?;
    }
    // An error means that it has ended.
    let _ = actor.stop_and_wait(None, None).await;
    Ok(times.cost())
}

/// Writing and syncing what a batch of receipts takes.
async fn commit(disk: &FileDisk) -> Result<Cost, String> {
    let mut times = Times::default();
    for number in 1..=SLOW_OPERATIONS {
        let length = u64::from(number) * BATCH_BYTES as u64;
        let done = async {
            disk.append(vec![0x5a; BATCH_BYTES]).await?;
            disk.sync(length).await
        };
        let done: std::io::Result<()> = times.of(done).await;
        done.map_err(|error| error.to_string())?;
    }
    Ok(times.cost())
}

/// Times that do not end with the timers' ticks, as those of a load do not.
async fn timer() -> Cost {
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let mut late = Vec::new();
    for _ in 0..SLOW_OPERATIONS {
        let time = Duration::from_micros(rng.random_range(1_000..5_000));
        let start = retake::now();
        retake::sleep(time).await;
        late.push(start.elapsed().saturating_sub(time));
    }
    Cost::of(late)
}

/// Reads are so short that the clock's own time is most of one: they are timed in tens.
fn read() -> Cost {
    const TEN: u32 = 10;
    let store = Store::new();
    for number in 0..OPERATIONS {
        store.append(draft(number));
    }
    let tens = (0..OPERATIONS / TEN).map(|number| {
        let start = retake::now();
        for id in TEN * number + 1..=TEN * (number + 1) {
            std::hint::black_box(store.get(id.into()));
        }
        start.elapsed() / TEN
    });
    Cost::of(tens.collect())
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

/// Run the benchmarks that were held out in both modes, each when its prediction is asked
/// for. Those that run when `stop` becomes true end without one.
pub fn hold_out(
    costs: &Costs,
    scale: f64,
    folder: &Path,
    stop: &Arc<AtomicBool>,
) -> impl Iterator<Item = Prediction> {
    let settings = move |mode| Settings {
        stop: Arc::clone(stop),
        mode,
        seed: 0,
        scale,
        timeout: Duration::from_secs(600),
        costs: costs.clone(),
        failures: Vec::new(),
        think: None,
        folder: folder.to_owned(),
    };
    let benchmarks = HELD_OUT
        .iter()
        .filter_map(|id| super::all().find(|benchmark| benchmark.id == *id));
    benchmarks.filter_map(move |benchmark| {
        let of = |row: &Row| {
            let Measurement { distributions, .. } = &row.measured;
            distributions
                .first()
                .map(|it| (it.name.clone(), it.summary))
        };
        let predicted = of(&run(benchmark, &settings(Mode::Sim)));
        let live = of(&run(benchmark, &settings(Mode::Live)));
        let ((name, predicted), (_, live)) = (predicted?, live?);
        Some(Prediction {
            id: benchmark.id,
            name,
            predicted: (predicted.p50_ns, predicted.p99_ns),
            live: (live.p50_ns, live.p99_ns),
        })
    })
}
