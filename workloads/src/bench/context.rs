//! What a benchmark is given.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use retake_otp::Names;
use retake_sim::Fault;
use retake_system::{Failures, ServiceTime, System, SystemConfig};
use serde::{Deserialize, Serialize};

use super::costs::{Cost, Costs};
use crate::live_faults;

/// Where a benchmark runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// On real sockets, clocks, threads and files.
    Live,
    /// In virtual time.
    Sim,
    /// What `Sim` runs, as an ordinary program: without a simulation of its own, and on pipes
    /// within the process instead of simulated sockets. `cargo retake run` simulates it as a whole.
    Program,
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Live => "live",
            Self::Sim => "sim",
            Self::Program => "program",
        })
    }
}

/// What is wrong when a check-in is missing.
pub(super) const LEASED: &str =
    "workers are still leased 5 s after the load: a check-in is missing, or an action hangs";

/// Looks for that, and time between them.
pub(super) const SETTLE: (u32, Duration) = (500, Duration::from_millis(10));

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
    pub failures: Vec<Fault>,
    /// Mean pause of HTTP clients before each request, in place of the benchmarks' own.
    pub think: Option<Duration>,
    /// Where live benchmarks keep their files while they run.
    pub folder: PathBuf,
}

impl Context {
    /// Plan what fails on purpose, counted from now: in a simulation its engine injects it.
    #[must_use]
    pub fn failures(&self) -> Failures {
        let failures = Failures::default();
        for fault in &self.failures {
            match self.mode {
                Mode::Sim => {
                    let since_start = Duration::from_nanos(retake::now().as_nanos());
                    retake_sim::inject(live_faults::shifted(fault, since_start));
                }
                // Others were refused when they were read.
                Mode::Live | Mode::Program => {
                    if let Ok(planned) = live_faults::planned(fault) {
                        failures.plan(planned);
                    }
                }
            }
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
    fn cost(&self, cost: &Cost) -> ServiceTime {
        match self.mode {
            Mode::Live => ServiceTime::None,
            // They were checked when they were read.
            Mode::Sim | Mode::Program => cost.service_time().unwrap_or_default(),
        }
    }

    /// What a read from the ledger's store costs, where that is simulated.
    #[must_use]
    pub fn read_time(&self) -> ServiceTime {
        self.cost(&self.costs.read)
    }

    /// What an HTTP request costs in addition to its work, where that is simulated.
    #[must_use]
    pub fn request_time(&self) -> ServiceTime {
        self.cost(&self.costs.request)
    }

    /// What it takes to make receipts durable, where that is simulated.
    #[must_use]
    pub fn commit_time(&self) -> ServiceTime {
        self.cost(&self.costs.commit)
    }

    /// By how much a timer is late, where that is simulated.
    #[must_use]
    pub fn lateness(&self) -> ServiceTime {
        self.cost(&self.costs.timer)
    }

    /// How long it takes to sleep so long, where that is simulated.
    #[must_use]
    pub fn slept(&self, time: ServiceTime) -> ServiceTime {
        match (self.mode, &time) {
            (Mode::Live, _) | (_, ServiceTime::None) => time,
            (Mode::Sim | Mode::Program, _) => ServiceTime::Sum(vec![time, self.lateness()]),
        }
    }

    /// How long the ledger waits for more before it commits: a millisecond, and in a
    /// simulation as much more as timers are late on average.
    #[must_use]
    pub fn commit_delay(&self) -> Duration {
        let late = match self.mode {
            Mode::Live => Duration::ZERO,
            Mode::Sim | Mode::Program => {
                Duration::from_secs_f64(self.costs.timer.summary()[0] / 1e6)
            }
        };
        Duration::from_millis(1) + late
    }

    /// What an append costs, where that is simulated.
    #[must_use]
    pub fn append_time(&self) -> ServiceTime {
        self.cost(&self.costs.append)
    }

    /// A system whose actions take this long, under names of its own.
    #[must_use]
    pub fn system(&self, action_time: ServiceTime) -> SystemConfig {
        use std::sync::atomic::{AtomicU32, Ordering};
        static SYSTEMS: AtomicU32 = AtomicU32::new(0);
        let names = match self.mode {
            // An earlier one may still be ending.
            Mode::Live | Mode::Program => {
                let number = SYSTEMS.fetch_add(1, Ordering::Relaxed);
                Names::with_prefix(&format!("bench-{number}"))
            }
            Mode::Sim => Names::new(),
        };
        SystemConfig {
            names,
            action_time,
            append_time: self.append_time(),
            signal_time: self.cost(&self.costs.signal),
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
