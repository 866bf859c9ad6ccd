//! `retake bench`: run benchmarks and tell what came out.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;

use super::{Error, Status};
use crate::bench::baseline::{Baseline, BaselineError, Comparison, Verdict};
use crate::bench::runner::{self, Results, Settings};
use crate::bench::{Costs, Mode, QUICK, all, ci, html, select, table};

#[derive(Debug, Args)]
pub(super) struct BenchArgs {
    /// Suites (`http`, `governor`, `ledger`, `executor`, `stress`), ids, `all` or
    /// `quick` (one or two of each suite, on a tenth of the load).
    #[arg(value_name = "SUITE|ID")]
    names: Vec<String>,
    /// On real sockets, clocks, threads and files.
    #[arg(long, conflicts_with = "sim")]
    live: bool,
    /// In virtual time, the same to the byte whenever it is repeated. The default.
    #[arg(long)]
    sim: bool,
    /// The seed of a simulation.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Share of the full load. Default: 1, of `quick` 0.1.
    #[arg(long, value_parser = scale)]
    scale: Option<f64>,
    /// Longest real time of a benchmark, in seconds; twice that for `stress`.
    #[arg(long, default_value_t = 600, value_name = "SECS",
          value_parser = clap::value_parser!(u64).range(1..))]
    timeout: u64,
    /// What operations cost in a simulation.
    #[arg(long, value_name = "FILE")]
    costs: Option<PathBuf>,
    /// Where results, reports and baselines are written.
    #[arg(long, value_name = "DIR", default_value = "target/bench")]
    out: PathBuf,
    /// Remove earlier results in that folder first; baselines stay.
    #[arg(long)]
    clean: bool,
    /// Write report.html, results.json, junit.xml, summary.md and machine.json.
    #[arg(long)]
    report: bool,
    /// Print figures without targets and notes as well.
    #[arg(long)]
    verbose: bool,
    /// Compare with the results that were kept under this name.
    #[arg(long, value_name = "NAME")]
    baseline: Option<String>,
    /// Keep the results under this name.
    #[arg(long, value_name = "NAME")]
    save_baseline: Option<String>,
    /// Print JSON. In a simulation it is the same whenever it is repeated.
    #[arg(long)]
    json: bool,
    /// List the benchmarks instead of running them.
    #[arg(long)]
    list: bool,
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

pub(super) fn bench(args: &BenchArgs, out: &mut impl Write) -> Result<Status, Error> {
    let benchmarks = select(&args.names).map_err(|name| {
        Error::Usage(format!(
            "there is no benchmark or suite `{name}`; see `retake bench --list`"
        ))
    })?;
    if args.list {
        for benchmark in benchmarks {
            let quick = if QUICK.contains(&benchmark.id) {
                "*"
            } else {
                " "
            };
            writeln!(out, "{quick} {:<28} {}", benchmark.id, benchmark.load)?;
        }
        writeln!(out, "* in `quick`")?;
        return Ok(Status::Passed);
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
    let costs = match &args.costs {
        Some(file) => Costs::read(file).map_err(|error| Error::Usage(error.to_string()))?,
        None => Costs::built_in(),
    };
    let is_quick = args.names.iter().any(|name| name == "quick");
    let settings = Settings {
        mode: if args.live { Mode::Live } else { Mode::Sim },
        seed: args.seed,
        scale: args.scale.unwrap_or(if is_quick { 0.1 } else { 1.0 }),
        timeout: Duration::from_secs(args.timeout),
        costs,
    };
    if args.clean {
        clean(args)?;
    }
    retake_sim::memory::enable();
    let mut results = Results {
        mode: settings.mode,
        seed: settings.seed,
        scale: settings.scale,
        costs: (settings.mode == Mode::Sim).then(|| settings.costs.clone()),
        rows: Vec::new(),
    };
    if !args.json {
        writeln!(
            out,
            "{} benchmarks, {}, scale {}{}",
            benchmarks.len(),
            settings.mode,
            settings.scale,
            match settings.mode {
                Mode::Sim => format!(", seed {}: a queueing model, not this machine", args.seed),
                Mode::Live => String::new(),
            }
        )?;
        table::heading(out)?;
        out.flush()?;
    }
    let bar = super::progress::benchmarks(benchmarks.len());
    for benchmark in benchmarks {
        bar.set_message(benchmark.id);
        let row = match &args.save_baseline {
            Some(name) if settings.mode == Mode::Sim => {
                let trace = Baseline::trace_path(&args.out, name, benchmark.id)?;
                fs::create_dir_all(trace.parent().unwrap_or(&args.out))?;
                runner::run_traced(benchmark, &settings, &trace)?
            }
            _ => runner::run(benchmark, &settings),
        };
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
    let mut is_worse = false;
    if args.json {
        super::print_json(&results, out)?;
    }
    let mut comparison = None;
    if let Some(baseline) = baseline {
        let mut comparisons = baseline.compare(&results)?;
        for comparison in &mut comparisons {
            if matches!(comparison.verdict, Verdict::Changed(_)) {
                let trace = Baseline::trace_path(&args.out, &baseline.name, &comparison.id)?;
                comparison.divergence = divergence(&comparison.id, &settings, &trace);
            }
            is_worse |= comparison.verdict.is_bad();
            if !args.json {
                writeln!(out, "{comparison}")?;
            }
        }
        if !args.json {
            let differ = comparisons.iter().filter(|it| it.verdict.is_bad()).count();
            let name = &baseline.name;
            writeln!(
                out,
                "{differ} of {} differ from `{name}`",
                comparisons.len()
            )?;
        }
        comparison = Some((baseline.name, comparisons));
    }
    if args.report {
        write_reports(args, &results, comparison)?;
        if !args.json {
            writeln!(out, "results in {}", args.out.display())?;
        }
    }
    if let Some(name) = &args.save_baseline {
        let path = Baseline::save(&args.out, name, &results)?;
        if !args.json {
            writeln!(out, "kept as {}", path.display())?;
        }
    }
    if !args.json {
        table::summary(&results, out)?;
    }
    Ok(if results.counts().1 == 0 && !is_worse {
        Status::Passed
    } else {
        Status::Failed
    })
}

/// Where a benchmark that has changed parts from its baseline's trace.
fn divergence(id: &str, settings: &Settings, trace: &Path) -> Option<String> {
    let benchmark = all().find(|benchmark| benchmark.id == id)?;
    // Indented, and readable beside the table.
    let width = super::terminal_width().saturating_sub(10);
    match runner::first_divergence(benchmark, settings, trace) {
        Ok(divergence) => divergence.map(|it| it.to_text(width)),
        Err(error) => Some(format!("the first divergence is not known: {error}")),
    }
}

const REPORTS: [&str; 5] = [
    "results.json",
    "machine.json",
    "junit.xml",
    "summary.md",
    "report.html",
];

fn clean(args: &BenchArgs) -> Result<(), Error> {
    for name in REPORTS {
        match fs::remove_file(args.out.join(name)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
    }
    Ok(())
}

fn write_reports(
    args: &BenchArgs,
    results: &Results,
    comparison: Option<(String, Vec<Comparison>)>,
) -> Result<(), Error> {
    fs::create_dir_all(&args.out)?;
    let machine: serde_json::Map<String, serde_json::Value> = results
        .rows
        .iter()
        .map(|row| {
            let figures = serde_json::json!({
                "took_s": row.took.as_secs_f64(),
                "figures": row.machine,
            });
            (row.id.clone(), figures)
        })
        .collect();
    let machine = serde_json::json!({
        "machine": crate::bench::baseline::machine(),
        "commit": crate::bench::baseline::commit(),
        "unix_time": retake::unix_time().as_secs(),
        "rows": machine,
    });
    let about = html::About {
        machine: crate::bench::baseline::machine(),
        code: format!(
            "retake {}, code {}",
            env!("CARGO_PKG_VERSION"),
            env!("RETAKE_CODE")
        ),
        commit: crate::bench::baseline::commit(),
        command: html::command(results, &args.names),
        comparison,
    };
    let pretty = |value: &serde_json::Value| {
        serde_json::to_string_pretty(value).map_err(std::io::Error::from)
    };
    let all = serde_json::to_value(results).map_err(std::io::Error::from)?;
    let texts = [
        pretty(&all)?,
        pretty(&machine)?,
        ci::junit(results),
        ci::markdown(results),
        html::page(results, &about),
    ];
    for (name, text) in REPORTS.into_iter().zip(texts) {
        fs::write(args.out.join(name), text)?;
    }
    Ok(())
}
