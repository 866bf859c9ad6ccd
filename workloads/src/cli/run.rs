//! `list`, `run` and `replay`.

use std::io::Write;
use std::path::Path;
use std::time::Instant;

use retake_sim::{Drawn, FaultPlan};
use retake_traces::clean::{clean, one_line};
use retake_traces::counted;
use retake_traces::file::{check_output, refuse_input};
use serde_json::json;

use super::case;
use super::interrupt::Interrupt;
use super::live;
use super::progress::shown;
use super::{Error, RunArgs, Status, partial, print_json, terminal_width, wrap};
use crate::run::{Finished, Replaying, Runner, Settings};
use crate::scenario::{self, Scenario};

pub(super) fn list(json: bool, out: &mut impl Write) -> Result<Status, Error> {
    if json {
        let list: Vec<_> = scenario::all()
            .iter()
            .map(|scenario| {
                json!({
                    "name": scenario.name,
                    "about": scenario.about,
                    "virtual_time_s": scenario.virtual_time.as_secs(),
                })
            })
            .collect();
        print_json(&list, out)?;
    } else {
        for Scenario { name, about, .. } in scenario::all() {
            writeln!(out, "{name:<32}{about}")?;
        }
    }
    Ok(Status::Passed)
}

pub(super) fn find(name: &str) -> Result<&'static Scenario, Error> {
    scenario::named(name).map_err(Error::Usage)
}

#[allow(
    clippy::disallowed_methods,
    reason = "wall time of the command, outside any simulation"
)]
pub(super) fn wall_clock() -> Instant {
    Instant::now()
}

pub(super) fn run(args: &RunArgs, out: &mut impl Write) -> Result<Status, Error> {
    let scenario = find(&args.scenario)?;
    if let Some(path) = &args.trace {
        refuse_input(path, [Path::new(&args.plan)])?;
        check_output(path)?;
    }
    let story = args.trace.is_some() && !args.schedule_only;
    let plan = FaultPlan::named(&args.plan).map_err(|error| Error::Usage(error.to_string()))?;
    let mut settings = Settings {
        seed: args.seed,
        strategy: args.strategy.clone(),
        horizon: args.horizon,
        step_limit: args.step_limit,
        story,
        causality: story,
        states: args.states,
        faults: args.faults.clone(),
        buggify: false,
        allow_threads: args.allow_threads,
    };
    let (runner, interrupt) = runner();
    let steps = match &plan.swarm {
        Some(_) => shown(scenario.virtual_time, |progress| {
            runner.plain_steps(scenario, &settings, progress)
        }),
        None => 0,
    };
    let Drawn { faults, buggify } = plan.draw(settings.seed, steps);
    settings.faults.extend(faults);
    settings.buggify |= buggify;
    let start = wall_clock();
    let finished = shown(scenario.virtual_time, |progress| match &args.trace {
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
fn runner() -> (Runner, Interrupt) {
    let interrupt = Interrupt::listen();
    let runner = Runner::new();
    runner.workers().iter().for_each(|it| interrupt.cancels(it));
    (runner, interrupt)
}

/// A run that did not come to its end: it was interrupted, or there is no process for it.
fn not_run(
    runner: &Runner,
    interrupt: &Interrupt,
    finished: &Finished,
    trace: Option<&Path>,
    json: bool,
    out: &mut impl Write,
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

fn print_finished(finished: &Finished, out: &mut impl Write) -> Result<(), Error> {
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

fn write_calls(finished: &Finished, out: &mut impl Write) -> Result<(), Error> {
    for call in &finished.calls {
        wrap(&format!("  {}", one_line(call)), out)?;
    }
    Ok(())
}

pub(super) fn replay(
    file: &Path,
    trace: Option<&Path>,
    how: Replaying,
    json: bool,
    out: &mut impl Write,
) -> Result<Status, Error> {
    let file = &*live::find(file);
    let is_case = case::is_case(file);
    if !is_case && !how.from_seed && live::is_live(file)? {
        if let Some(trace) = trace {
            refuse_input(trace, [file])?;
            check_output(trace)?;
        }
        return live::replay(file, trace, json, out);
    }
    if trace.is_some() {
        let what = "--trace is for recordings of live processes: this file is a trace or case";
        return Err(Error::Usage(what.to_owned()));
    }
    if is_case {
        return case::replay(file, json, out);
    }
    let expected = retake_traces::TraceReader::open(file)?
        .header()
        .scenario
        .clone();
    let expected =
        scenario::find(&expected).map_or_else(Default::default, |scenario| scenario.virtual_time);
    let (runner, interrupt) = runner();
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
