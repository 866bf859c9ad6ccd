//! Runs benchmarks, one after another.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::RecvTimeoutError;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use retake_inspect::{Comparer, Divergence};
use retake_sim::{Fault, HORIZON_MAX, Sim};
use retake_system::alerts::{self, Figures, Limits};
use retake_traces::counted;
use retake_traces::time::nanos;
use retake_traces::{HashSink, Header, RunConfig, Sink, TraceError, TraceReader, TraceWriter};
use serde::{Deserialize, Serialize};

use super::Benchmark;
use super::context::{Context, Mode};
use super::costs::Costs;
use super::measure::{Figure, GROWTH, Measurement, Series};
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
    /// What fails on purpose.
    pub failures: Vec<Fault>,
    /// Mean pause of HTTP clients before each request, in place of the benchmarks' own.
    pub think: Option<Duration>,
    /// Where live benchmarks keep their files while they run.
    pub folder: PathBuf,
    /// Becomes true when the benchmark that runs is to be given up.
    pub stop: Arc<AtomicBool>,
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
    pub measured: Measurement,
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
    /// The suite that it belongs to.
    #[must_use]
    pub fn suite(&self) -> &str {
        self.id.split('/').next().unwrap_or(&self.id)
    }

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
    /// Mean pause of HTTP clients in milliseconds, if it was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub think_ms: Option<u64>,
    /// What failed on purpose, as it was given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failures: Vec<String>,
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

impl Results {
    /// How many rows passed and failed, and how many alerts and warnings they all raised.
    #[must_use]
    pub fn counts_in_words(&self) -> String {
        let (passed, failed) = self.counts();
        let raised: Vec<String> = self.rows.iter().flat_map(Row::alerts).collect();
        let of = |status: Status| {
            let start = format!("{status}:");
            raised
                .iter()
                .filter(|alert| alert.starts_with(&start))
                .count()
        };
        let (alerts, warnings) = (of(Status::Alert), of(Status::Warning));
        let mut text = format!(
            "{passed} passed, {failed} failed, {}",
            counted(alerts, "alert")
        );
        if warnings > 0 {
            text.push_str(&format!(", {}", counted(warnings, "warning")));
        }
        text
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
        config: RunConfig {
            seed: settings.seed,
            horizon_ns: nanos(HORIZON_MAX),
            step_limit: u64::MAX,
            ..RunConfig::default()
        },
        code: env!("RETAKE_CODE").to_owned(),
        ..Header::default()
    };
    let writer = TraceWriter::create(path, &header)?;
    match run_into(benchmark, settings, writer) {
        (row, None) => Ok(row),
        (_, Some(error)) => Err(error),
    }
}

/// Run one benchmark again and compare it with a trace of it, up to the first difference.
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
        Some(error) => Divergence::from_error(error).map(Some),
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
        failures: settings.failures.clone(),
        think: settings.think,
        folder: settings.folder.clone(),
    };
    let timeout = match benchmark.suite() {
        "stress" => 2 * settings.timeout,
        _ => settings.timeout,
    };
    let (mut measured, event_hash, trace_error) = match settings.mode {
        Mode::Sim => within(timeout, &settings.stop, {
            let seed = settings.seed;
            move || run_simulated(benchmark, seed, context, sink)
        })
        .unwrap_or_else(|what| (failed(what), None, None)),
        Mode::Live | Mode::Program => (
            run_live(benchmark, context, timeout, &settings.stop),
            None,
            None,
        ),
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
    measured.alert_by_latencies();
    let row = Row {
        id: benchmark.id.to_owned(),
        load: benchmark.load.to_owned(),
        status: measured.status(),
        event_hash,
        machine: std::mem::take(&mut measured.machine),
        machine_series: std::mem::take(&mut measured.machine_series),
        measured,
        took: start.elapsed(),
    };
    (row, trace_error)
}

/// Do something in a thread of its own, and wait at most so long for it. A simulation
/// that never ends cannot be ended from outside: its thread is left to itself then, and
/// ends with the process.
fn within<T: Send + 'static>(
    timeout: Duration,
    stop: &AtomicBool,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, String> {
    let (done, wait) = std::sync::mpsc::channel();
    #[allow(clippy::disallowed_methods, reason = "around simulations, not in one")]
    let thread = std::thread::spawn(move || {
        // The receiver may have given up.
        let _ = done.send(work());
    });
    let mut left = timeout;
    loop {
        match wait.recv_timeout(left.min(LOOK_EVERY)) {
            Ok(result) => {
                // It has sent its result: nothing that counts can go wrong any more.
                let _ = thread.join();
                return Ok(result);
            }
            Err(RecvTimeoutError::Disconnected) => return Err("it ended early".to_owned()),
            Err(RecvTimeoutError::Timeout) => left = left.saturating_sub(LOOK_EVERY),
        }
        if stop.load(Ordering::Relaxed) {
            return Err(STOPPED.to_owned());
        }
        if left.is_zero() {
            return Err(too_long(timeout));
        }
    }
}

/// How soon it is seen that a benchmark is to be given up.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// What is said of one that was.
const STOPPED: &str = "it was stopped";

fn too_long(timeout: Duration) -> String {
    format!("it did not end within {timeout:?}")
}

fn failed(what: String) -> Measurement {
    let mut measured = Measurement::new();
    measured.errors.push(what);
    measured
}

fn run_simulated(
    benchmark: &'static Benchmark,
    seed: u64,
    context: Context,
    sink: impl Sink + Send + 'static,
) -> (Measurement, Option<String>, Option<TraceError>) {
    let slot: Arc<Mutex<Option<Measurement>>> = Arc::default();
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

fn run_live(
    benchmark: &'static Benchmark,
    context: Context,
    timeout: Duration,
    stop: &AtomicBool,
) -> Measurement {
    let mut runtime = match context.mode {
        // What a thread has allocated is counted for itself.
        Mode::Program => tokio::runtime::Builder::new_current_thread(),
        Mode::Live | Mode::Sim => tokio::runtime::Builder::new_multi_thread(),
    };
    let runtime = match runtime.enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(format!("no runtime: {error}")),
    };
    runtime.block_on(async {
        let mut run = retake::spawn((benchmark.run)(context));
        let mut left = timeout;
        loop {
            match retake::timeout(left.min(LOOK_EVERY), &mut run).await {
                Ok(Ok(measured)) => return measured,
                Ok(Err(error)) => return failed(format!("it ended early: {error}")),
                Err(_) => left = left.saturating_sub(LOOK_EVERY),
            }
            if stop.load(Ordering::Relaxed) {
                return failed(STOPPED.to_owned());
            }
            if left.is_zero() {
                return failed(too_long(timeout));
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_end_in_time_is_given_up() {
        let (_open, closed) = std::sync::mpsc::channel::<()>();
        let stop = AtomicBool::new(false);
        let given_up = within(Duration::from_millis(20), &stop, move || closed.recv());
        assert_eq!(given_up.unwrap_err(), "it did not end within 20ms");
        assert_eq!(within(Duration::from_secs(60), &stop, || 7), Ok(7));
        let panics = within(Duration::from_secs(60), &stop, || panic!("on purpose"));
        assert_eq!(panics.unwrap_err(), "it ended early");
        stop.store(true, Ordering::Relaxed);
        let (_open, closed) = std::sync::mpsc::channel::<()>();
        let stopped = within(Duration::from_secs(600), &stop, move || closed.recv());
        assert_eq!(stopped.unwrap_err(), "it was stopped");
    }
}
