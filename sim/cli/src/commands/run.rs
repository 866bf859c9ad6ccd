//! `list`, `run` and `replay`.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;
use retake_sim::plan::PlainRun;
use retake_sim::{Fault, FaultPlan, Strategy, strategy};
use retake_traces::clean::{clean, one_line};
use retake_traces::file::{check_output, refuse_input};
use retake_traces::{Layers, RunConfig, counted};
use serde_json::json;

use super::arguments::RunFlags;
use super::progress::shown;
use super::{case, live};
use crate::output::{partial, print_json, terminal_width, wrap};
use crate::program::Program;
use crate::run::{ReplayError, ReplayOptions, RunReport, Runner, Settings};
use crate::scenario::Scenario;
use crate::signals::Interrupt;
use crate::status::{Error, Status};

/// Steps that a run may take, if nothing else is said.
const STEP_LIMIT: u64 = 100_000_000;

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// The scenario's name, see `list`.
    scenario: String,
    /// The seed from which every choice of the run derives.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    #[arg(
        long,
        default_value_t = Strategy::default(),
        help = format!("What chooses the next step: {}", strategy::forms())
    )]
    strategy: Strategy,
    /// Record the run in this file.
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
    /// Record the schedule alone: a smaller trace, without texts and causes.
    #[arg(long, requires = "trace")]
    schedule_only: bool,
    /// Record the states of actors as well, where their state has a `Debug` form.
    #[arg(long, requires = "trace", conflicts_with = "schedule_only")]
    states: bool,
    /// Inject a fault: `kill NAME @1.5s`, `panic NAME @step 120` or
    /// `delay NAME @2s until 3s`; docs/faults.md has them all. May be given several times.
    #[arg(long = "fault", value_name = "FAULT")]
    faults: Vec<Fault>,
    /// More faults: those of a plan in a TOML file, or what a swarm draws for this seed. What
    /// was drawn is in the trace. A swarm needs to know how many steps the run takes: it is
    /// run without faults before.
    #[arg(
        long = "faults",
        default_value = "none",
        value_name = "none|swarm|FILE"
    )]
    plan: String,
    #[command(flatten)]
    flags: RunFlags<{ STEP_LIMIT }>,
    /// Print JSON. It is the same whenever the run is repeated.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ReplayArgs {
    /// The trace, case or recording.
    file: PathBuf,
    /// Write the replay of a recording into this trace, for `debug`, `view` and others.
    #[arg(long, value_name = "OUT")]
    trace: Option<PathBuf>,
    /// Make the schedule from seed and strategy instead of taking it
    /// from the trace.
    #[arg(long)]
    from_seed: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl From<ReplayError> for Error {
    fn from(error: ReplayError) -> Self {
        match error {
            ReplayError::Trace(error) => Self::File(error),
            ReplayError::Unfit(what) => Self::Usage(format!("cannot replay: {what}")),
        }
    }
}

pub(crate) fn list(program: &Program, json: bool, out: &mut dyn Write) -> Result<Status, Error> {
    if json {
        let list: Vec<_> = program
            .scenarios()
            .iter()
            .map(|scenario| {
                json!({
                    "name": scenario.name(),
                    "about": scenario.about(),
                    "virtual_time_s": scenario.expected_time().as_secs(),
                })
            })
            .collect();
        print_json(&list, out)?;
    } else {
        for scenario in program.scenarios() {
            writeln!(out, "{:<32}{}", scenario.name(), scenario.about())?;
        }
    }
    Ok(Status::Passed)
}

#[allow(
    clippy::disallowed_methods,
    reason = "wall time of the command, outside any simulation"
)]
pub(crate) fn wall_clock() -> Instant {
    Instant::now()
}

pub(crate) fn run(program: &Program, args: &RunArgs, out: &mut dyn Write) -> Result<Status, Error> {
    let scenario = program.named(&args.scenario)?;
    if let Some(path) = &args.trace {
        refuse_input(path, [Path::new(&args.plan)])?;
        check_output(path)?;
    }
    let plan = FaultPlan::named(&args.plan).map_err(|error| Error::Usage(error.to_string()))?;
    let config = RunConfig {
        seed: args.seed,
        strategy: args.strategy.clone(),
        faults: args.faults.clone(),
        ..args.flags.config()
    };
    let layers = match args.trace.is_some() && !args.schedule_only {
        true => Layers {
            states: args.states,
            ..Layers::STORY
        },
        false => Layers::default(),
    };
    let mut settings = Settings { config, layers };
    let (runner, interrupt) = runner(program);
    let plain = match &plan.swarm {
        Some(_) => shown(scenario.expected_time(), |progress| {
            runner.plain_run(scenario, &settings, progress)
        }),
        None => PlainRun::default(),
    };
    let drawn = plan.draw(args.seed, plain);
    settings.config.faults.extend(drawn);
    let start = wall_clock();
    let finished = shown(scenario.expected_time(), |progress| match &args.trace {
        Some(path) => runner.run_traced(scenario, &settings, path, progress),
        None => Ok(runner.run(scenario, &settings, progress)),
    })?;
    let wall = start.elapsed();
    if finished.is_refused {
        let trace = args.trace.as_deref();
        return not_run(&runner, &interrupt, &finished, trace, args.json, out);
    }
    if args.json {
        print_json(&finished, out)?;
    } else {
        print_finished(&finished, out)?;
        let ratio = finished.stats.virtual_time.as_secs_f64() / wall.as_secs_f64().max(1e-9);
        writeln!(
            out,
            "wall time    {:.2} s: {ratio:.0} times as fast as real time, {:.0} steps/s",
            wall.as_secs_f64(),
            finished.stats.steps as f64 / wall.as_secs_f64().max(1e-9)
        )?;
        if let (Some(path), None) = (&args.trace, &finished.trace_error) {
            let size = std::fs::metadata(path).map_or(0, |file| file.len());
            writeln!(
                out,
                "trace        {} ({:.1} MB)",
                path.display(),
                size as f64 / 1e6
            )?;
        }
    }
    match finished.trace_error {
        Some(error) => Err(error.into()),
        None if finished.outcome == retake_sim::Outcome::Passed => Ok(Status::Passed),
        None => Ok(Status::Failed),
    }
}

/// What runs in processes of its own, which Ctrl-C ends.
fn runner(program: &Program) -> (Runner<'_>, Interrupt) {
    let interrupt = Interrupt::listen();
    let runner = Runner::new(program);
    runner.workers().iter().for_each(|it| interrupt.cancels(it));
    (runner, interrupt)
}

/// A run that did not come to its end: it was interrupted, or there is no process for it.
fn not_run(
    runner: &Runner<'_>,
    interrupt: &Interrupt,
    finished: &RunReport,
    trace: Option<&Path>,
    json: bool,
    out: &mut dyn Write,
) -> Result<Status, Error> {
    if !interrupt.is_asked() {
        let error = runner.workers().and_then(|it| it.error());
        let what = error.map_or_else(|| finished.outcome.to_string(), |it| it.to_string());
        return Err(Error::Usage(format!(
            "cannot run {}: {what}",
            finished.scenario
        )));
    }
    let mut text = format!(
        "{}: interrupted after {} in {:.3} s of virtual time",
        finished.scenario,
        counted(finished.stats.steps, "step"),
        finished.stats.virtual_time.as_secs_f64()
    );
    let part = trace.map(partial).filter(|part| part.exists());
    if let Some(part) = part {
        text.push_str(&format!("\nwhat was recorded is in {}", part.display()));
    }
    if json {
        // A run without an end has no JSON.
        eprintln!("{}", clean(&text));
    } else {
        wrap(&text, out)?;
    }
    Ok(Status::Interrupted)
}

fn print_finished(finished: &RunReport, out: &mut dyn Write) -> Result<(), Error> {
    wrap(&format!("{}: {}", finished.scenario, finished.outcome), out)?;
    write_calls(finished, out)?;
    let stats = &finished.stats;
    writeln!(
        out,
        "seed         {}, strategy {}, event hash {}",
        finished.seed, finished.strategy, finished.event_hash
    )?;
    writeln!(
        out,
        "simulation   {} in {:.3} s of virtual time",
        counted(stats.steps, "step"),
        stats.virtual_time.as_secs_f64()
    )?;
    writeln!(
        out,
        "             {}, {}, {} from first in, first out",
        counted(stats.actors, "actor"),
        counted(stats.faults, "fault"),
        counted(stats.deviations, "deviation")
    )?;
    if let Some(report) = &finished.report {
        for line in report.to_string().lines() {
            wrap(line, out)?;
        }
    }
    for warning in &finished.warnings {
        wrap(&format!("warning: {}", one_line(warning)), out)?;
    }
    Ok(())
}

fn write_calls(finished: &RunReport, out: &mut dyn Write) -> Result<(), Error> {
    for call in &finished.calls {
        wrap(&format!("  {}", one_line(call)), out)?;
    }
    Ok(())
}

pub(crate) fn replay(
    program: &Program,
    args: &ReplayArgs,
    out: &mut dyn Write,
) -> Result<Status, Error> {
    let how = ReplayOptions {
        from_seed: args.from_seed,
    };
    let (trace, json) = (args.trace.as_deref(), args.json);
    let file = &*live::find(&args.file);
    let is_case = case::is_case(file);
    if !is_case && !how.from_seed && live::is_live(file)? {
        if let Some(trace) = trace {
            refuse_input(trace, [file])?;
            check_output(trace)?;
        }
        return live::replay(program, file, trace, json, out);
    }
    if trace.is_some() {
        let what = "--trace is for recordings of live processes: this file is a trace or case";
        return Err(Error::Usage(what.to_owned()));
    }
    if is_case {
        return case::replay(program, file, json, out);
    }
    let expected = retake_traces::TraceReader::open(file)?
        .header()
        .scenario
        .clone();
    let expected = program.find(&expected);
    let expected = expected.map_or_else(Default::default, Scenario::expected_time);
    let (runner, interrupt) = runner(program);
    let replayed = shown(expected, |progress| runner.replay(file, how, progress))?;
    let finished = &replayed.finished;
    if finished.is_refused {
        return not_run(&runner, &interrupt, finished, None, json, out);
    }
    if json {
        let report = json!({
            "identical": replayed.divergence.is_none(),
            "divergence": replayed.divergence,
            "run": finished,
            "warnings": replayed.warnings,
        });
        print_json(&report, out)?;
    } else {
        for warning in &replayed.warnings {
            wrap(&format!("warning: {}", one_line(warning)), out)?;
        }
        match &replayed.divergence {
            None => {
                writeln!(
                    out,
                    "identical: {}, event hash {}, outcome {}",
                    counted(finished.stats.steps, "step"),
                    finished.event_hash,
                    finished.outcome.name()
                )?;
                write_calls(finished, out)?;
            }
            Some(divergence) => writeln!(out, "{}", divergence.to_text(terminal_width()))?,
        }
    }
    Ok(if replayed.divergence.is_none() {
        Status::Passed
    } else {
        Status::Failed
    })
}
