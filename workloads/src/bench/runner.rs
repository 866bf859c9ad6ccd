//! Runs benchmarks, one after another.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use retake_sim::{HORIZON_MAX, Sim};
use serde::{Deserialize, Serialize};

use super::Benchmark;
use super::context::{Context, Costs, Mode};
use super::measure::Measured;
use super::target::{Status, Unit};

/// How benchmarks are run.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where.
    pub mode: Mode,
    /// The seed, of a simulation.
    pub seed: u64,
    /// Share of the full load.
    pub scale: f64,
    /// Longest real time of a benchmark; twice that for the stress suite.
    pub timeout: Duration,
    /// What operations cost, in a simulation.
    pub costs: Costs,
}

/// One benchmark's row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Its id.
    pub id: String,
    /// Its full load.
    pub load: String,
    /// How it ended.
    pub status: Status,
    /// Hash over everything that happened, of a simulation.
    pub event_hash: Option<String>,
    /// What it measured.
    pub measured: Measured,
    /// Figures of the machine: not part of what is compared.
    #[serde(skip)]
    pub machine: BTreeMap<String, (f64, Unit)>,
    /// Real time that it took.
    #[serde(skip)]
    pub took: Duration,
}

/// All rows of a run, and how they came about. In a simulation all of it is the same
/// whenever it is repeated, on every machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Results {
    /// Where they ran.
    pub mode: Mode,
    /// The seed, of a simulation.
    pub seed: u64,
    /// Share of the full load.
    pub scale: f64,
    /// What operations cost, in a simulation.
    pub costs: Option<Costs>,
    /// The rows.
    pub rows: Vec<Row>,
}

impl Results {
    /// How many rows passed, and how many did not.
    #[must_use]
    pub fn counts(&self) -> (usize, usize) {
        let failed = self.rows.iter().filter(|row| row.status == Status::Fail);
        let failed = failed.count();
        (self.rows.len() - failed, failed)
    }
}

/// Run one benchmark.
#[must_use]
pub fn run(benchmark: &'static Benchmark, settings: &Settings) -> Row {
    #[allow(clippy::disallowed_methods, reason = "how long it really takes")]
    let start = std::time::Instant::now();
    let context = Context {
        mode: settings.mode,
        scale: settings.scale,
        costs: settings.costs.clone(),
    };
    let timeout = match benchmark.suite() {
        "stress" => 2 * settings.timeout,
        _ => settings.timeout,
    };
    let (mut measured, event_hash) = match settings.mode {
        Mode::Sim => run_simulated(benchmark, settings.seed, context),
        Mode::Live => (run_live(benchmark, context, timeout), None),
    };
    let took = start.elapsed();
    if took > timeout {
        let what = format!("it took {took:.0?}, longer than the timeout of {timeout:?}");
        measured.errors.push(what);
    }
    Row {
        id: benchmark.id.to_owned(),
        load: benchmark.load.to_owned(),
        status: measured.status(),
        event_hash,
        machine: std::mem::take(&mut measured.machine),
        measured,
        took,
    }
}

fn run_simulated(
    benchmark: &'static Benchmark,
    seed: u64,
    context: Context,
) -> (Measured, Option<String>) {
    let slot: Arc<Mutex<Option<Measured>>> = Arc::default();
    let of_run = Arc::clone(&slot);
    let run = Sim::new()
        .seed(seed)
        .horizon(HORIZON_MAX)
        .step_limit(u64::MAX)
        .run(move || {
            let (slot, context) = (Arc::clone(&of_run), context.clone());
            async move {
                let measured = (benchmark.run)(context).await;
                *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(measured);
            }
        });
    let measured = slot.lock().unwrap_or_else(PoisonError::into_inner).take();
    let mut measured = measured.unwrap_or_default();
    if !run.passed() {
        measured.errors.push(run.outcome.to_string());
    }
    (measured, Some(format!("{:016x}", run.event_hash)))
}

fn run_live(benchmark: &'static Benchmark, context: Context, timeout: Duration) -> Measured {
    let failed = |what: String| {
        let mut measured = Measured::new();
        measured.errors.push(what);
        measured
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return failed(format!("no runtime: {error}")),
    };
    runtime.block_on(async {
        let run = retake::spawn((benchmark.run)(context));
        match retake::timeout(timeout, run).await {
            Ok(Ok(measured)) => measured,
            Ok(Err(error)) => failed(format!("it ended early: {error}")),
            Err(_) => failed(format!("it did not end within {timeout:?}")),
        }
    })
}
