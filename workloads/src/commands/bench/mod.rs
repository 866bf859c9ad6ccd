//! `retake bench`: run benchmarks and tell what came out.
//!
//! Every option has an environment variable, so that a CI can set it for all of its runs.

mod output;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Parser;
use clap::builder::FalseyValueParser;
use retake_sim::{Fault, did_you_mean};
use retake_traces::counted;

use super::progress::progress_bar;
use crate::bench::baseline::{Baseline, BaselineComparison, BaselineError, Verdict};
use crate::bench::runner::{self, Results, Row, Settings};
use crate::bench::{Benchmark, Costs, Mode, QUICK, SUITES, all, machine, select, table};
use crate::live_faults;
use retake_cli::Program;
use retake_cli::command::{Error, Interrupt, Status, print_json, terminal_width};

/// Run benchmarks, live or in virtual time, and judge them by their targets.
#[derive(Debug, Parser)]
#[command(name = "bench")]
pub(crate) struct BenchArgs {
    /// Suites (`http`, `governor`, `ledger`, `executor`, `stress`), ids, `all` or
    /// `quick` (one or two of each suite, on a tenth of the load).
    #[arg(
        value_name = "SUITE|ID",
        env = "RETAKE_BENCH_NAMES",
        value_delimiter = ' '
    )]
    names: Vec<String>,
    /// On real sockets, clocks, threads and files.
    #[arg(long, conflicts_with = "sim")]
    live: bool,
    /// In virtual time, the same to the byte whenever it is repeated. The default.
    #[arg(long)]
    sim: bool,
    /// Which of the two, if neither is given; or `program`, for `cargo retake run`: what a
    /// simulation runs, on tokio as it is.
    #[arg(long, value_enum, env = "RETAKE_BENCH_MODE", default_value_t = Mode::Sim)]
    mode: Mode,
    /// The seed of a simulation.
    #[arg(long, default_value_t = 0, env = "RETAKE_BENCH_SEED")]
    seed: u64,
    /// Share of the full load. Default: 1, of `quick` 0.1.
    #[arg(long, value_parser = scale, env = "RETAKE_BENCH_SCALE")]
    scale: Option<f64>,
    /// Longest real time of a benchmark, in seconds; twice that for `stress`.
    #[arg(long, default_value_t = 600, value_name = "SECS", env = "RETAKE_BENCH_TIMEOUT",
          value_parser = clap::value_parser!(u64).range(1..))]
    timeout: u64,
    /// Mean pause of HTTP clients before each request, in milliseconds, in place of the
    /// benchmarks' own (10; 50 in `stress`). With 0 they never pause, as those of `wrk`.
    #[arg(long, value_name = "MS", env = "RETAKE_BENCH_THINK",
          value_parser = clap::value_parser!(u64).range(..=60_000))]
    think: Option<u64>,
    /// What operations cost in a simulation.
    #[arg(long, value_name = "FILE", env = "RETAKE_BENCH_COSTS")]
    costs: Option<PathBuf>,
    /// Let something fail on purpose: `break SERVICE KIND [rate 10%] @TIME [until TIME]`.
    /// Services are ledger, worker, ingress, clock and check-in; kinds are unavailable,
    /// timeout, quota, denied, corrupt and `slow by TIME`. May be given several times, in the
    /// environment variable with a semicolon between them.
    #[arg(
        long = "fail",
        visible_alias = "fault",
        value_name = "FAULT",
        env = "RETAKE_BENCH_FAIL",
        value_parser = live_faults::parse,
        value_delimiter = ';'
    )]
    failures: Vec<Fault>,
    /// Where results, reports, baselines, and the files of live ledgers are written.
    #[arg(
        long,
        value_name = "DIR",
        default_value = "target/bench",
        env = "RETAKE_BENCH_OUT"
    )]
    out: PathBuf,
    /// Remove earlier results in that folder first; baselines and the archive stay.
    #[arg(long, env = "RETAKE_BENCH_CLEAN", value_parser = FalseyValueParser::new())]
    clean: bool,
    /// Write report.html, results.json, junit.xml, summary.md, machine.json and a log of
    /// each suite, and keep a copy of them in the archive.
    #[arg(long, env = "RETAKE_BENCH_REPORT", value_parser = FalseyValueParser::new())]
    report: bool,
    /// Write the summary to this file as well.
    #[arg(long, value_name = "FILE", env = "RETAKE_BENCH_SUMMARY")]
    summary: Option<PathBuf>,
    /// Print figures without targets and notes as well.
    #[arg(long, env = "RETAKE_BENCH_VERBOSE", value_parser = FalseyValueParser::new())]
    verbose: bool,
    /// Compare with the results that were kept under this name.
    #[arg(long, value_name = "NAME", env = "RETAKE_BENCH_BASELINE")]
    baseline: Option<String>,
    /// Keep the results under this name.
    #[arg(long, value_name = "NAME", env = "RETAKE_BENCH_SAVE_BASELINE")]
    save_baseline: Option<String>,
    /// Print JSON. In a simulation it is the same whenever it is repeated.
    #[arg(long)]
    json: bool,
    /// List the benchmarks instead of running them.
    #[arg(long)]
    list: bool,
}

impl BenchArgs {
    fn mode(&self) -> Mode {
        match (self.live, self.sim) {
            (true, _) => Mode::Live,
            (_, true) => Mode::Sim,
            (false, false) => self.mode,
        }
    }

    fn settings(&self) -> Result<Settings, Error> {
        let costs = match &self.costs {
            Some(file) => Costs::read(file).map_err(|error| Error::Usage(error.to_string()))?,
            None => Costs::built_in(),
        };
        let is_quick = self.names.iter().any(|name| name == "quick");
        Ok(Settings {
            mode: self.mode(),
            seed: self.seed,
            scale: self.scale.unwrap_or(if is_quick { 0.1 } else { 1.0 }),
            timeout: Duration::from_secs(self.timeout),
            costs,
            failures: self.failures.clone(),
            think: self.think.map(Duration::from_millis),
            folder: self.out.clone(),
            stop: Default::default(),
        })
    }
}

fn scale(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(scale) if scale > 0.0 && scale <= 1.0 => Ok(scale),
        _ => Err("must be above 0 and at most 1".to_owned()),
    }
}

impl From<BaselineError> for Error {
    fn from(error: BaselineError) -> Self {
        Self::Usage(error.to_string())
    }
}

pub(crate) fn bench(_: &Program, args: &BenchArgs, out: &mut dyn Write) -> Result<Status, Error> {
    let benchmarks = select(&args.names).map_err(|name| {
        let ids = all().map(|benchmark| benchmark.id);
        let near = did_you_mean(&name, ids.chain(SUITES).chain(["all", "quick"]));
        Error::Usage(format!(
            "there is no benchmark or suite `{name}`{near}; see `retake bench --list`"
        ))
    })?;
    if args.list {
        return list(&benchmarks, out);
    }
    // Mistakes show before hours of work.
    if args.baseline.is_some() && args.baseline == args.save_baseline {
        return Err(Error::Usage(
            "--baseline and --save-baseline have one name: keep the results under another"
                .to_owned(),
        ));
    }
    let baseline = match &args.baseline {
        Some(name) => Some(Baseline::load(&args.out, name)?),
        None => None,
    };
    let mut settings = args.settings()?;
    if let Some(baseline) = &baseline {
        // With nothing to compare yet, only whether it could be.
        baseline.compare(&empty(&settings))?;
    }
    output::check(args)?;
    if args.clean {
        output::clean(&args.out)?;
    }
    let load = machine::load_average();
    let interrupt = match settings.mode {
        // A thread that waits for signals would wait for what no seed decides.
        Mode::Program => Interrupt::default(),
        Mode::Live | Mode::Sim => Interrupt::listen(),
    };
    settings.stop = interrupt.flag();
    let results = run(args, &settings, &benchmarks, &interrupt, out)?;
    if args.json {
        print_json(&results, out)?;
    }
    let compared = match baseline {
        Some(baseline) => Some(compare(args, &settings, &baseline, &results)?),
        None => None,
    };
    if let (Some(compared), false) = (&compared, args.json) {
        print_compared(compared, &settings, out)?;
    }
    let is_worse = compared
        .as_ref()
        .is_some_and(|it| it.bad().next().is_some());
    let about = output::about(args, &settings, load, compared);
    if args.report {
        output::write_reports(&args.out, &results, &about)?;
        if !args.json {
            let report = args.out.join("report.html");
            writeln!(out, "results in {}", args.out.display())?;
            writeln!(out, "report in {}", report.display())?;
        }
    }
    if let Some(file) = &args.summary {
        output::write_summary(file, &results, &about)?;
    }
    if let (Some(name), false) = (&args.save_baseline, interrupt.is_asked()) {
        let path = Baseline::save(&args.out, name, &results)?;
        if !args.json {
            writeln!(out, "kept as {}", path.display())?;
        }
    }
    if !args.json {
        table::summary(&results, out)?;
    }
    if interrupt.is_asked() {
        let (done, all) = (results.rows.len(), benchmarks.len());
        if !args.json {
            writeln!(out, "stopped after {done} of {}", counted(all, "benchmark"))?;
        }
        return Ok(Status::Interrupted);
    }
    Ok(if results.counts().1 == 0 && !is_worse {
        Status::Passed
    } else {
        Status::Failed
    })
}

fn list(benchmarks: &[&Benchmark], out: &mut dyn Write) -> Result<Status, Error> {
    for benchmark in benchmarks {
        let is_quick = QUICK.contains(&benchmark.id);
        let mark = if is_quick { "*" } else { " " };
        writeln!(out, "{mark} {:<28} {}", benchmark.id, benchmark.load)?;
    }
    writeln!(out, "* in `quick`")?;
    Ok(Status::Passed)
}

/// Results without rows.
fn empty(settings: &Settings) -> Results {
    Results {
        mode: settings.mode,
        seed: settings.seed,
        scale: settings.scale,
        costs: (settings.mode != Mode::Live).then(|| settings.costs.clone()),
        think_ms: settings.think.map(|think| think.as_millis() as u64),
        failures: settings.failures.iter().map(ToString::to_string).collect(),
        rows: Vec::new(),
    }
}

/// Run the benchmarks, and print each row when it is there.
fn run(
    args: &BenchArgs,
    settings: &Settings,
    benchmarks: &[&'static Benchmark],
    interrupt: &Interrupt,
    out: &mut dyn Write,
) -> Result<Results, Error> {
    retake_sim::memory::enable();
    let mut results = empty(settings);
    if !args.json {
        let (count, mode, scale) = (benchmarks.len(), settings.mode, settings.scale);
        write!(
            out,
            "{}, {mode}, scale {scale}",
            counted(count, "benchmark")
        )?;
        match mode {
            Mode::Sim => writeln!(
                out,
                ", seed {}: a queueing model, not this machine",
                settings.seed
            )?,
            Mode::Live | Mode::Program => writeln!(out)?,
        }
        for failure in &results.failures {
            writeln!(out, "fails on purpose: {failure}")?;
        }
        table::heading(out)?;
        out.flush()?;
    }
    let bar = progress_bar(benchmarks.len());
    for benchmark in benchmarks {
        bar.set_message(benchmark.id);
        let row = run_one(args, settings, benchmark)?;
        if interrupt.is_asked() {
            // What it measured so far would be judged as if it were all.
            break;
        }
        bar.inc(1);
        if !args.json {
            bar.suspend(|| -> std::io::Result<()> {
                table::row(&row, args.verbose, out)?;
                out.flush()
            })?;
        }
        results.rows.push(row);
    }
    bar.finish_and_clear();
    Ok(results)
}

fn run_one(
    args: &BenchArgs,
    settings: &Settings,
    benchmark: &'static Benchmark,
) -> Result<Row, Error> {
    match &args.save_baseline {
        Some(name) if settings.mode == Mode::Sim => {
            let trace = Baseline::trace_path(&args.out, name, benchmark.id)?;
            fs::create_dir_all(trace.parent().unwrap_or(&args.out))?;
            Ok(runner::run_traced(benchmark, settings, &trace)?)
        }
        _ => Ok(runner::run(benchmark, settings)),
    }
}

fn compare(
    args: &BenchArgs,
    settings: &Settings,
    baseline: &Baseline,
    results: &Results,
) -> Result<BaselineComparison, Error> {
    let mut compared = baseline.compare(results)?;
    for row in &mut compared.rows {
        if matches!(row.verdict, Verdict::Changed(_)) {
            let trace = Baseline::trace_path(&args.out, &baseline.name, &row.id)?;
            row.divergence = divergence(&row.id, settings, &trace);
        }
    }
    Ok(compared)
}

fn print_compared(
    compared: &BaselineComparison,
    settings: &Settings,
    out: &mut dyn Write,
) -> Result<(), Error> {
    for row in &compared.rows {
        writeln!(out, "{row}")?;
    }
    if settings.mode == Mode::Live && !compared.is_same_machine {
        writeln!(
            out,
            "the baseline was measured on another machine: {}",
            compared.about
        )?;
    }
    writeln!(
        out,
        "{} of {} differ from `{}`",
        compared.bad().count(),
        compared.rows.len(),
        compared.name
    )?;
    Ok(())
}

/// Where a benchmark that has changed parts from its baseline's trace.
fn divergence(id: &str, settings: &Settings, trace: &Path) -> Option<String> {
    let benchmark = all().find(|benchmark| benchmark.id == id)?;
    // Indented, and readable next to the table.
    let width = terminal_width().saturating_sub(10);
    match runner::first_divergence(benchmark, settings, trace) {
        Ok(divergence) => divergence.map(|it| it.to_text(width)),
        Err(error) => Some(format!("the first divergence is not known: {error}")),
    }
}
