//! Runs benchmarks, one after another.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use retake_actors::alerts::{self, Figures, Limits};
use retake_sim::{HORIZON_MAX, Sim, Strategy};
use retake_traces::{
    Comparer, Divergence, HashSink, Header, Sink, TraceError, TraceReader, TraceWriter,
};
use serde::{Deserialize, Serialize};

use super::Benchmark;
use super::context::{Context, Costs, Mode};
use super::measure::{Figure, GROWTH, Measured, Series};
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
    /// How it ended, the machine's figures aside: see [`Row::shown`].
    pub status: Status,
    /// Hash over everything that happened, of a simulation.
    pub event_hash: Option<String>,
    /// What it measured.
    pub measured: Measured,
    /// Figures of the machine: not part of what is compared.
    #[serde(skip)]
    pub machine: BTreeMap<String, (f64, Unit)>,
    /// Likewise, over time.
    #[serde(skip)]
    pub machine_series: Vec<Series>,
    /// Real time that it took.
    #[serde(skip)]
    pub took: Duration,
}

impl Row {
    /// A figure's value: the row's own, or the machine's.
    #[must_use]
    pub fn value(&self, figure: &Figure) -> Option<f64> {
        let of_machine = || self.machine.get(&figure.name).map(|(value, _)| *value);
        figure.value.or_else(of_machine)
    }

    /// True if a figure meets its target, on this machine.
    #[must_use]
    pub fn meets(&self, figure: &Figure) -> bool {
        let target = figure.target.filter(|_| figure.value.is_none());
        figure.met
            && target
                .is_none_or(|target| self.value(figure).is_none_or(|value| target.is_met(value)))
    }

    /// Its alerts, those of the machine included.
    #[must_use]
    pub fn alerts(&self) -> Vec<String> {
        let growth = self.machine.get(GROWTH).map(|(value, _)| *value);
        let figures = Figures {
            memory_growth: growth,
            ..Figures::default()
        };
        let of_machine = alerts::evaluate(&figures, &Limits::default());
        let of_machine = of_machine.iter().map(ToString::to_string);
        self.measured
            .alerts
            .iter()
            .cloned()
            .chain(of_machine)
            .collect()
    }

    /// How it ended, by the machine's figures too.
    #[must_use]
    pub fn shown(&self) -> Status {
        if !self
            .measured
            .figures
            .iter()
            .all(|figure| self.meets(figure))
        {
            return Status::Fail;
        }
        let has_alert = self.alerts().len() > self.measured.alerts.len();
        self.status.max(if has_alert {
            Status::Alert
        } else {
            Status::Pass
        })
    }
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
        let failed = self.rows.iter().filter(|row| row.shown() == Status::Fail);
        let failed = failed.count();
        (self.rows.len() - failed, failed)
    }
}

/// Run one benchmark.
#[must_use]
pub fn run(benchmark: &'static Benchmark, settings: &Settings) -> Row {
    run_into(benchmark, settings, HashSink::new()).0
}

/// Run one benchmark in a simulation, and record its schedule in a file.
///
/// # Errors
/// If the file cannot be written.
pub fn run_traced(
    benchmark: &'static Benchmark,
    settings: &Settings,
    path: &Path,
) -> Result<Row, TraceError> {
    let header = Header {
        program: format!("retake {}", env!("CARGO_PKG_VERSION")),
        scenario: format!("bench {} --scale {}", benchmark.id, settings.scale),
        seed: settings.seed,
        strategy: Strategy::default().to_string(),
        horizon_ns: u64::try_from(HORIZON_MAX.as_nanos()).unwrap_or(u64::MAX),
        step_limit: u64::MAX,
        code: env!("RETAKE_CODE").to_owned(),
        ..Header::default()
    };
    let writer = TraceWriter::create(path, &header)?;
    match run_into(benchmark, settings, writer) {
        (row, None) => Ok(row),
        (_, Some(error)) => Err(error),
    }
}

/// Run one benchmark again beside a trace of it, and tell where they part.
///
/// # Errors
/// If the trace cannot be read.
pub fn first_divergence(
    benchmark: &'static Benchmark,
    settings: &Settings,
    trace: &Path,
) -> Result<Option<Box<Divergence>>, TraceError> {
    let recorded = TraceReader::open(trace)?;
    let comparer = Comparer::new(recorded, "the baseline", false);
    match run_into(benchmark, settings, comparer).1 {
        None => Ok(None),
        Some(TraceError::Diverged(divergence)) => Ok(Some(divergence)),
        Some(error) => Err(error),
    }
}

fn run_into(
    benchmark: &'static Benchmark,
    settings: &Settings,
    sink: impl Sink + Send + 'static,
) -> (Row, Option<TraceError>) {
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
    let (mut measured, event_hash, trace_error) = match settings.mode {
        Mode::Sim => run_simulated(benchmark, settings.seed, context, sink),
        Mode::Live => (run_live(benchmark, context, timeout), None, None),
    };
    if settings.mode == Mode::Live {
        // There everything is the machine's, and compared by thresholds.
        for figure in &mut measured.figures {
            let machine = measured.machine.get(&figure.name);
            if let (None, Some((value, _))) = (figure.value, machine) {
                figure.value = Some(*value);
                figure.met = figure.target.is_none_or(|target| target.is_met(*value));
            }
        }
        for (name, (value, unit)) in &measured.machine.clone() {
            if !measured.figures.iter().any(|figure| figure.name == *name) {
                measured.report(name, *value, *unit);
            }
        }
    }
    let took = start.elapsed();
    if took > timeout {
        let what = format!("it took {took:.0?}, longer than the timeout of {timeout:?}");
        measured.errors.push(what);
    }
    let row = Row {
        id: benchmark.id.to_owned(),
        load: benchmark.load.to_owned(),
        status: measured.status(),
        event_hash,
        machine: std::mem::take(&mut measured.machine),
        machine_series: std::mem::take(&mut measured.machine_series),
        measured,
        took,
    };
    (row, trace_error)
}

fn run_simulated(
    benchmark: &'static Benchmark,
    seed: u64,
    context: Context,
    sink: impl Sink + Send + 'static,
) -> (Measured, Option<String>, Option<TraceError>) {
    let slot: Arc<Mutex<Option<Measured>>> = Arc::default();
    let of_run = Arc::clone(&slot);
    let run = Sim::new()
        .seed(seed)
        .horizon(HORIZON_MAX)
        .step_limit(u64::MAX)
        .trace(sink)
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
    let event_hash = format!("{:016x}", run.event_hash);
    (measured, Some(event_hash), run.trace_error)
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
