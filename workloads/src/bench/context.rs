//! What a benchmark is given.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use retake_actors::{Failures, Names, PlannedFailure, ServiceTime, System, SystemConfig};
use serde::{Deserialize, Serialize};

/// Where a benchmark runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// On real sockets, clocks, threads and files.
    Live,
    /// In virtual time.
    Sim,
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Live => "live",
            Self::Sim => "sim",
        })
    }
}

/// What operations cost in a simulation: means of exponential distributions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Costs {
    /// What the file is.
    pub about: String,
    /// Where it was measured.
    pub machine: String,
    /// Everything about an HTTP request but its work, in microseconds.
    pub request_us: f64,
    /// A governor's evaluation of a signal.
    pub signal_us: f64,
    /// An append to the ledger, in memory.
    pub append_us: f64,
    /// A read from the ledger's store.
    pub read_us: f64,
    /// Making a batch of receipts durable.
    pub commit_us: f64,
}

/// Why a file of costs cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CostsError {
    /// It cannot be read.
    #[error("cannot read {0}: {1}")]
    Read(String, std::io::Error),
    /// It is not a file of costs.
    #[error("{0} is no file of costs: {1}")]
    Malformed(String, String),
}

impl Costs {
    /// Those that come with the program.
    #[must_use]
    pub fn built_in() -> Self {
        let text = include_str!("../../costs.json");
        serde_json::from_str(text).expect("the file is tested")
    }

    /// Read a file.
    ///
    /// # Errors
    /// If it cannot be read, or a cost is no positive number.
    pub fn read(file: &Path) -> Result<Self, CostsError> {
        let name = file.display().to_string();
        let text =
            std::fs::read_to_string(file).map_err(|error| CostsError::Read(name.clone(), error))?;
        let costs: Self = serde_json::from_str(&text)
            .map_err(|error| CostsError::Malformed(name.clone(), error.to_string()))?;
        for (what, cost) in costs.all() {
            if !(cost.is_finite() && (0.0..=1e9).contains(&cost)) {
                let what = format!("{what} is {cost}, which is no time");
                return Err(CostsError::Malformed(name, what));
            }
        }
        Ok(costs)
    }

    /// Each cost by its name, in microseconds.
    #[must_use]
    pub fn all(&self) -> [(&'static str, f64); 5] {
        [
            ("request_us", self.request_us),
            ("signal_us", self.signal_us),
            ("append_us", self.append_us),
            ("read_us", self.read_us),
            ("commit_us", self.commit_us),
        ]
    }
}

/// What is wrong when a check-in is missing.
pub(super) const LENT: &str =
    "workers are still lent 5 s after the load: a check-in is missing, or an action hangs";

/// Looks for that, and time between them.
pub(super) const SETTLE: (u32, Duration) = (500, Duration::from_millis(10));

fn exponential(mean_us: f64) -> ServiceTime {
    ServiceTime::Exponential(Duration::from_secs_f64(mean_us / 1e6))
}

/// What a benchmark is given.
#[derive(Clone, Debug)]
pub struct Context {
    /// Where it runs.
    pub mode: Mode,
    /// Share of the full load, above 0 and at most 1.
    pub scale: f64,
    /// What operations cost, in a simulation.
    pub costs: Costs,
    /// What fails on purpose.
    pub failures: Vec<PlannedFailure>,
    /// Where live benchmarks keep their files while they run.
    pub folder: PathBuf,
}

impl Context {
    /// What is planned to fail, counted from now.
    #[must_use]
    pub fn failures(&self) -> Failures {
        let failures = Failures::default();
        for planned in &self.failures {
            // Its rate was checked when it was read.
            let _ = planned.inject(&failures);
        }
        failures
    }

    /// A folder for the files of a live benchmark, which goes with its guard.
    pub(super) fn scratch(&self) -> Result<tempfile::TempDir, String> {
        let cannot = |error| format!("no folder in {}: {error}", self.folder.display());
        std::fs::create_dir_all(&self.folder).map_err(cannot)?;
        tempfile::tempdir_in(&self.folder).map_err(cannot)
    }

    /// Scaled number of things, at least 1.
    #[must_use]
    pub fn count(&self, full: u64) -> u64 {
        ((full as f64 * self.scale).round() as u64).max(1)
    }

    /// Scaled time, at least a second.
    #[must_use]
    pub fn time(&self, full: Duration) -> Duration {
        full.mul_f64(self.scale).max(Duration::from_secs(1))
    }

    /// A cost where it is simulated, nothing where the code itself takes time.
    fn cost(&self, mean_us: f64) -> ServiceTime {
        match self.mode {
            Mode::Live => ServiceTime::None,
            Mode::Sim => exponential(mean_us),
        }
    }

    /// Spend what a read from the ledger's store costs, where that is simulated.
    pub(super) async fn spend_read(&self) {
        self.cost(self.costs.read_us).spend().await;
    }

    /// What an HTTP request costs beside its work, where that is simulated.
    #[must_use]
    pub fn request_time(&self) -> ServiceTime {
        self.cost(self.costs.request_us)
    }

    /// What it takes to make receipts durable, where that is simulated.
    #[must_use]
    pub fn commit_time(&self) -> Duration {
        Duration::from_secs_f64(self.costs.commit_us / 1e6)
    }

    /// What an append costs, where that is simulated.
    #[must_use]
    pub fn append_time(&self) -> ServiceTime {
        self.cost(self.costs.append_us)
    }

    /// A system whose actions take this long, under names of its own.
    #[must_use]
    pub fn system(&self, action_time: ServiceTime) -> SystemConfig {
        use std::sync::atomic::{AtomicU32, Ordering};
        static LIVE: AtomicU32 = AtomicU32::new(0);
        let names = match self.mode {
            // An earlier one may still be ending.
            Mode::Live => {
                let number = LIVE.fetch_add(1, Ordering::Relaxed);
                Names::with_prefix(&format!("bench-{number}"))
            }
            Mode::Sim => Names::new(),
        };
        SystemConfig {
            names,
            action_time,
            append_time: self.append_time(),
            signal_time: self.cost(self.costs.signal_us),
            failures: self.failures(),
            ..SystemConfig::default()
        }
    }

    /// Start a system, with these tenants entitled.
    pub(super) async fn start(
        &self,
        config: SystemConfig,
        tenants: impl IntoIterator<Item = String>,
    ) -> Result<System, String> {
        let system = System::start(config).await;
        let system = system.map_err(|error| format!("the system does not start: {error}"))?;
        for tenant in tenants {
            let entitled = system.entitle(&tenant, true).await;
            entitled.map_err(|error| format!("{tenant} cannot be entitled: {error}"))?;
        }
        Ok(system)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_costs_that_come_along_can_be_read_and_wrong_ones_are_refused() {
        let built_in = Costs::built_in();
        assert!(built_in.all().iter().all(|(_, cost)| *cost > 0.0));
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("costs.json");
        assert!(matches!(Costs::read(&file), Err(CostsError::Read(..))));
        let text = serde_json::to_string(&built_in).unwrap();
        std::fs::write(&file, &text).unwrap();
        assert_eq!(Costs::read(&file).unwrap(), built_in);
        for wrong in ["{}", "nonsense", &text.replace("_us\":", "_us\":-")] {
            std::fs::write(&file, wrong).unwrap();
            let error = Costs::read(&file).unwrap_err();
            assert!(error.to_string().contains("no file of costs"), "{error}");
        }
    }
}
