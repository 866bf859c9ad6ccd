//! The system that `retake serve` serves, and the same in a simulation that follows what a
//! served one recorded.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use clap::ValueEnum;
use retake_sim::recording::{Followed, Input, Recording, RecordingError};
use retake_sim::{Outcome, Stats};
use retake_system::failures::{Failure, FailureKind, Service};
use retake_system::ledger::{Disk, Durability, ReplayedDisk};
use retake_system::{
    EntitlementState, Ingress, IngressConfig, PlannedFailure, ServiceTime, Store, System,
    SystemConfig,
};
use retake_traces::{Header, TraceError, TraceWriter};
use serde::{Deserialize, Serialize};

/// The scenario's name in recordings.
pub const SCENARIO: &str = "serve";
/// The strategy in traces of replays.
const FOLLOWED: &str = "followed";

/// The names of what is recorded in addition to requests.
const START: &str = "start";
const STOP: &str = "stop";

/// What an acknowledged receipt survives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Nothing but the death of an actor.
    Memory,
    /// A loss of power; receipts are synced together.
    GroupCommit,
    /// A loss of power; each receipt is synced by itself.
    Fsync,
}

/// How a served system is set up: what a recording has to know of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Setup {
    /// What receipts survive.
    pub durability: Mode,
    /// The longest that a receipt waits for others, in microseconds.
    pub commit_delay_us: u64,
    /// Mean time of an action's work, in milliseconds.
    pub action_ms: u64,
    /// Requests worked on at once.
    pub requests_max: usize,
    /// Entitled at the start.
    pub tenants: Vec<String>,
    /// Share of the actions whose worker dies.
    pub fail_workers: f64,
    /// What else fails on purpose, as [`PlannedFailure`]s.
    #[serde(default)]
    pub failures: Vec<String>,
}

impl Setup {
    /// Start the system, with its receipts on this disk. Part of a recording, if there is one.
    ///
    /// # Errors
    /// What does not start.
    pub async fn start(self, disk: Option<Arc<dyn Disk>>) -> Result<System, String> {
        let payload = serde_json::to_vec(&self).unwrap_or_default();
        retake::record::input(START, || payload, self.begin(disk)).await
    }

    async fn begin(self, disk: Option<Arc<dyn Disk>>) -> Result<System, String> {
        let durability = match (self.durability, disk) {
            (Mode::Memory, _) | (_, None) => Durability::Memory,
            (Mode::Fsync, Some(disk)) => Durability::Fsync(disk),
            (Mode::GroupCommit, Some(disk)) => Durability::GroupCommit {
                disk,
                delay: Duration::from_micros(self.commit_delay_us),
                batch: 100,
            },
        };
        let config = SystemConfig {
            durability,
            action_time: ServiceTime::Exponential(Duration::from_millis(self.action_ms)),
            ..SystemConfig::default()
        };
        let system = System::start(config).await;
        let system = system.map_err(|error| format!("the system does not start: {error}"))?;
        for tenant in &self.tenants {
            let state = system.entitlements().state(tenant);
            if !may_entitle(state) {
                // A restart must not undo what somebody has ordered since.
                tracing::warn!(%tenant, %state, "--entitle leaves this as it is: send an order");
                continue;
            }
            let entitled = system.entitle(tenant, true).await;
            entitled.map_err(|error| format!("--entitle {tenant}: {error}"))?;
        }
        if self.fail_workers > 0.0 {
            let failure = Failure {
                service: Service::Worker,
                kind: FailureKind::Unavailable,
                rate: self.fail_workers,
                duration: FOR_EVER,
            };
            let injected = system.failures().inject(failure);
            injected.map_err(|error| format!("--fail-workers: {error}"))?;
        }
        for text in &self.failures {
            let planned: Result<PlannedFailure, _> = text.parse();
            let planned = planned.map_err(|error| format!("--fail: {error}"))?;
            let injected = planned.inject(system.failures());
            injected.map_err(|error| format!("--fail {text}: {error}"))?;
        }
        Ok(system)
    }

    /// The front of the system.
    #[must_use]
    pub fn ingress(&self, system: &System, config: IngressConfig) -> Ingress {
        let config = IngressConfig {
            requests_max: self.requests_max,
            ..config
        };
        Ingress::new(system, config)
    }
}

/// Whether `--entitle` is about an entitlement in this state: one that was never decided.
fn may_entitle(state: EntitlementState) -> bool {
    use EntitlementState::{Entitled, PendingReview, Unentitled};
    matches!(state, Unentitled | PendingReview | Entitled)
}

/// Longer than any server is up.
const FOR_EVER: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// Stop a system that was served.
pub async fn stop(system: System) {
    retake::record::input(STOP, Vec::new, system.stop()).await;
}

/// A replay of what a server recorded.
#[derive(Debug, Serialize)]
pub struct Replayed {
    /// Who recorded.
    pub program: String,
    /// How much of it took place again.
    pub followed: Followed,
    /// How the run ended.
    pub outcome: Outcome,
    /// What it took.
    pub stats: Stats,
    /// Receipts that are there now, without those of before the recording, by tenant, and the
    /// hash of the last one, which is over all before it.
    pub tenants: Vec<(String, usize, String)>,
    /// Things to know.
    pub warnings: Vec<String>,
    /// Why the trace is not complete.
    #[serde(skip)]
    pub trace_error: Option<TraceError>,
}

/// Why there is no replay.
#[derive(Debug, thiserror::Error)]
pub enum ServedError {
    /// The recording cannot be used.
    #[error(transparent)]
    Recording(#[from] RecordingError),
    /// A file cannot be read or written.
    #[error(transparent)]
    File(#[from] TraceError),
    /// Another program has to replay it.
    #[error(
        "`{}` is a recording of `{scenario}`, not of `retake serve`: follow it with \
         `retake_sim::recording` in the program that has that scenario",
        path.display()
    )]
    Scenario {
        /// The file.
        path: PathBuf,
        /// What was recorded.
        scenario: String,
    },
}

type Served = Arc<Mutex<Option<(System, Ingress, Store)>>>;

/// Run again what a server recorded, and compare its receipts and answers; into a trace, if
/// one is asked for.
///
/// # Errors
/// If the recording cannot be used.
pub fn replay(path: &Path, trace: Option<&Path>) -> Result<Replayed, ServedError> {
    let recording = Recording::open(path)?;
    let header = recording.header();
    if header.scenario != SCENARIO {
        return Err(ServedError::Scenario {
            path: path.to_owned(),
            scenario: header.scenario.clone(),
        });
    }
    let mut warnings = Vec::new();
    if header.code != env!("RETAKE_CODE") {
        warnings.push("the program has changed since the recording".to_owned());
    }
    let sink = match trace {
        None => None,
        Some(path) => {
            let header = Header {
                strategy: FOLLOWED.to_owned(),
                story: true,
                causality: true,
                states: true,
                ..header.clone()
            };
            let writer = TraceWriter::create(path, &header)?;
            Some(Box::new(writer) as Box<dyn retake_traces::Sink + Send>)
        }
    };
    let served = Served::default();
    let shared = Arc::clone(&served);
    let on_input = move |input| again(Arc::clone(&shared), input);
    let scenario = std::future::pending::<()>;
    let replayed = recording.replay_inputs(sink, scenario, on_input)?;
    let run = replayed.run;
    warnings.extend(run.warnings);
    Ok(Replayed {
        program: header.program.clone(),
        followed: replayed.followed,
        outcome: run.outcome,
        stats: run.stats,
        tenants: tenants(&served),
        warnings,
        trace_error: run.trace_error,
    })
}

/// Do what came from outside.
async fn again(served: Served, input: Input) {
    let lock = || served.lock().unwrap_or_else(PoisonError::into_inner);
    match input.name.as_str() {
        START => {
            let Ok(setup) = serde_json::from_slice::<Setup>(&input.payload) else {
                return;
            };
            let disk: Arc<dyn Disk> = Arc::new(ReplayedDisk);
            if let Ok(system) = setup.clone().begin(Some(disk)).await {
                let ingress = setup.ingress(&system, IngressConfig::default());
                let store = system.store().clone();
                *lock() = Some((system, ingress, store));
            }
        }
        STOP => {
            let system = lock().as_ref().map(|(system, ..)| system.clone());
            if let Some(system) = system {
                system.stop().await;
            }
        }
        name => {
            let ingress = lock().as_ref().map(|(_, ingress, _)| ingress.clone());
            if let Some(ingress) = ingress {
                ingress.again(name, &input.payload).await;
            }
        }
    }
}

fn tenants(served: &Served) -> Vec<(String, usize, String)> {
    let mut tenants: std::collections::BTreeMap<String, (usize, String)> = Default::default();
    let served = served.lock().unwrap_or_else(PoisonError::into_inner);
    let receipts = served.as_ref().map(|(_, _, store)| store.all());
    for receipt in receipts.unwrap_or_default() {
        let (count, hash) = tenants.entry(receipt.tenant).or_default();
        *count += 1;
        *hash = receipt.hash.to_string();
    }
    let tenants = tenants.into_iter();
    tenants
        .map(|(tenant, (count, hash))| (tenant, count, hash))
        .collect()
}
