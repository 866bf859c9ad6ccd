//! The system that `retake serve` serves, and the same in a simulation that follows what a
//! served one recorded.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use clap::ValueEnum;
use retake::{ServiceFailure, Share};
use retake_sim::recording::Input;
use retake_system::ledger::{Disk, Durability, ReplayedDisk};
use retake_system::{
    EntitlementState, Ingress, IngressConfig, PlannedFailure, Service, ServiceTime, Store, System,
    SystemConfig,
};
use retake_traces::counted;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::live_faults;
use retake_cli::{Findings, Follower};

/// The scenario's name in recordings.
pub const SCENARIO: &str = "serve";

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
    /// What else fails on purpose: texts of faults.
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
        if self.fail_workers != 0.0 {
            let share = share_of(self.fail_workers);
            system.failures().plan(PlannedFailure {
                service: Service::Worker,
                failure: ServiceFailure::Unavailable,
                share: share.map_err(|error| format!("--fail-workers: {error}"))?,
                after: Duration::ZERO,
                until: None,
            });
        }
        for text in &self.failures {
            let fault = live_faults::parse(text).map_err(|error| format!("--fail: {error}"))?;
            system.failures().plan(live_faults::planned(&fault)?);
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

/// A share that is given as a number from 0 to 1, exact to a millionth.
fn share_of(part: f64) -> Result<Share, String> {
    let millionths = (part * 1e6).round();
    // Casts saturate, and what is no number becomes 0.
    let share = Share::of_millionths(millionths as u32);
    share.ok_or_else(|| format!("the share {part} is not between 0 and 1"))
}

/// Stop a system that was served.
pub async fn stop(system: System) {
    retake::record::input(STOP, Vec::new, system.stop()).await;
}

type ServedSystem = Option<(System, Ingress, Store)>;

/// The served system in a simulation that follows what a server recorded.
#[derive(Debug, Default)]
pub struct FollowedServer(Mutex<ServedSystem>);

impl FollowedServer {
    fn lock(&self) -> MutexGuard<'_, ServedSystem> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Follower for FollowedServer {
    async fn input(&self, input: Input) {
        match input.name.as_str() {
            START => {
                let Ok(setup) = serde_json::from_slice::<Setup>(&input.payload) else {
                    return;
                };
                let disk: Arc<dyn Disk> = Arc::new(ReplayedDisk);
                if let Ok(system) = setup.clone().begin(Some(disk)).await {
                    let ingress = setup.ingress(&system, IngressConfig::default());
                    let store = system.store().clone();
                    *self.lock() = Some((system, ingress, store));
                }
            }
            STOP => {
                let system = self.lock().as_ref().map(|(system, ..)| system.clone());
                if let Some(system) = system {
                    system.stop().await;
                }
            }
            name => {
                let ingress = self.lock().as_ref().map(|(_, ingress, _)| ingress.clone());
                if let Some(ingress) = ingress {
                    ingress.again(name, &input.payload).await;
                }
            }
        }
    }

    /// The receipts that are there now, without those of before the recording, by tenant, and
    /// the hash of the last one, which is over all before it.
    fn findings(&self) -> Findings {
        let mut tenants: BTreeMap<String, (usize, String)> = BTreeMap::new();
        let receipts = self.lock().as_ref().map(|(_, _, store)| store.all());
        for receipt in receipts.unwrap_or_default() {
            let (count, hash) = tenants.entry(receipt.tenant).or_default();
            *count += 1;
            *hash = receipt.hash.to_string();
        }
        let lines = tenants.iter().map(|(tenant, (receipts, hash))| {
            let hash = hash.get(..16).unwrap_or(hash);
            format!(
                "chain        {tenant}: {} up to {hash}…",
                counted(*receipts, "receipt")
            )
        });
        let lines = lines.collect();
        let tenants = tenants.into_iter();
        let tenants: Value = tenants
            .map(|(tenant, (count, hash))| json!([tenant, count, hash]))
            .collect();
        Findings {
            figures: [("tenants".to_owned(), tenants)].into_iter().collect(),
            lines,
        }
    }
}
