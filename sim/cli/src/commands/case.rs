//! Saved cases: `shrink`, `why`, and `replay` of one.

use std::io::{Read as _, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use retake_sim::Run;
use retake_sim::explore::{self, Case, signature};
use retake_sim::isolate::Workers;
use retake_traces::counted;
use retake_traces::file::{check_output, open_regular, refuse_input};
use retake_traces::{Header, TraceReader, TraceWriter};
use serde_json::json;

use crate::output::{print_json, terminal_width, wrap};
use crate::program::Program;
use crate::scenario::Scenario;
use crate::signals::Interrupt;
use crate::status::{Error, Status};
use crate::workers::run_workers;

#[derive(Debug, Args)]
pub(crate) struct ShrinkArgs {
    /// A saved case, or the trace of a failed run.
    file: PathBuf,
    /// Where the small case is written. Default: the place of the case, or the trace's
    /// with the ending `.json`.
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct WhyArgs {
    /// A saved case, or the trace of a failed run.
    file: PathBuf,
    /// Print a Mermaid sequence diagram.
    #[arg(long)]
    mermaid: bool,
}

/// True for a saved case, which is JSON; a trace is not.
pub(crate) fn is_case(file: &Path) -> bool {
    let mut first = [0];
    let read = open_regular(file).is_ok_and(|mut file| file.read_exact(&mut first).is_ok());
    read && matches!(first[0], b'{' | b'\n' | b' ')
}

/// A case, or one made of a trace.
fn load(program: &Program, file: &Path, workers: &Arc<Workers>) -> Result<Case, Error> {
    if is_case(file) {
        return Ok(Case::load(file)?);
    }
    let header = TraceReader::open(file)?.header().clone();
    let scenario = program.named(&header.scenario)?;
    let mut case = Case {
        code: header.code,
        ..Case::new(header.scenario, header.config)
    };
    let run = case.run(&scenario.isolated(Arc::clone(workers)));
    case.note(&run);
    Ok(case)
}

/// Run a case into a trace of this header with all layers and its explanation, in a process
/// that ends when the command is asked to.
pub(crate) fn record(
    case: &Case,
    scenario: &Scenario,
    mut header: Header,
    path: &Path,
    interrupt: &Interrupt,
) -> Result<Run<()>, Error> {
    let workers = run_workers();
    interrupt.cancels(&workers);
    let scenario = scenario.isolated(workers);
    explore::explain(case, scenario.clone()).note_in(&mut header);
    interrupt.check()?;
    let run = case.run_into(&scenario, TraceWriter::create(path, &header)?, true);
    interrupt.check()?;
    Ok(run)
}

pub(crate) fn shrink(
    program: &Program,
    args: &ShrinkArgs,
    out: &mut dyn Write,
) -> Result<Status, Error> {
    let path = match &args.out {
        Some(path) => path.clone(),
        None => args.file.with_extension("json"),
    };
    // Only a case is replaced by the smaller one, and only if no other place is named.
    if args.out.is_some() || !is_case(&args.file) {
        refuse_input(&path, [&*args.file])?;
    }
    check_output(&path)?;
    let interrupt = Interrupt::listen();
    let workers = run_workers();
    interrupt.cancels(&workers);
    let case = load(program, &args.file, &workers)?;
    let scenario = program.named(&case.scenario)?;
    let bar = super::progress::spinner();
    let isolated = scenario.isolated(Arc::clone(&workers));
    let shrunk = explore::shrink(&case, isolated, |far| {
        bar.set_message(far.to_string());
        bar.tick();
    });
    bar.finish_and_clear();
    let shrunk = match shrunk {
        Ok(shrunk) => shrunk,
        Err(_) if interrupt.is_asked() => {
            eprintln!("interrupted before anything was made smaller");
            return Ok(Status::Interrupted);
        }
        Err(error) => {
            wrap(&error.to_string(), out)?;
            return Ok(Status::Failed);
        }
    };
    shrunk.case.save(&path)?;
    let status = if interrupt.is_asked() {
        Status::Interrupted
    } else {
        Status::Passed
    };
    if args.json {
        print_json(&shrunk.case, out)?;
        return Ok(status);
    }
    wrap(&shrunk.case.outcome, out)?;
    writeln!(out, "{:<12} {:>8} {:>8}", "", "before", "after")?;
    let mut row = |name: &str, before: usize, after: usize| {
        writeln!(out, "{name:<12} {before:>8} {after:>8}")
    };
    row(
        "deviations",
        shrunk.deviations_before,
        shrunk.deviations_after,
    )?;
    row("holds", shrunk.holds_before, shrunk.case.holds().len())?;
    row("faults", shrunk.faults_before, shrunk.case.harmful_faults())?;
    row("steps", case.steps as usize, shrunk.case.steps as usize)?;
    for limit in shrunk
        .case
        .config
        .faults
        .iter()
        .filter(|it| it.limits_load())
    {
        writeln!(out, "{}", limit.action.describe())?;
    }
    writeln!(
        out,
        "{}{}; written to {}",
        counted(shrunk.runs, "run"),
        if interrupt.is_asked() {
            ", interrupted: it may become smaller"
        } else {
            ""
        },
        path.display()
    )?;
    Ok(status)
}

pub(crate) fn why(program: &Program, args: &WhyArgs, out: &mut dyn Write) -> Result<Status, Error> {
    let interrupt = Interrupt::listen();
    let workers = run_workers();
    interrupt.cancels(&workers);
    let case = load(program, &args.file, &workers)?;
    let scenario = program.named(&case.scenario)?;
    let why = explore::explain(&case, scenario.isolated(workers));
    if interrupt.is_asked() {
        eprintln!("interrupted before it was explained");
        return Ok(Status::Interrupted);
    }
    if args.mermaid {
        write!(out, "{}", why.to_mermaid())?;
    } else {
        writeln!(out, "{}", why.to_text(terminal_width()))?;
    }
    Ok(Status::Passed)
}

pub(crate) fn replay(
    program: &Program,
    file: &Path,
    json: bool,
    out: &mut dyn Write,
) -> Result<Status, Error> {
    let case = Case::load(file)?;
    let scenario = program.named(&case.scenario)?;
    let interrupt = Interrupt::listen();
    let workers = run_workers();
    interrupt.cancels(&workers);
    let run = case.run(&scenario.isolated(workers));
    if interrupt.is_asked() {
        eprintln!("interrupted before the replay came to its end");
        return Ok(Status::Interrupted);
    }
    let fails_alike = signature(&run.outcome) == case.signature;
    if json {
        let report = json!({
            "fails_alike": fails_alike,
            "signature": case.signature,
            "outcome": run.outcome,
            "event_hash": format!("{:016x}", run.event_hash),
        });
        print_json(&report, out)?;
    } else {
        if case.code != program.identity() {
            writeln!(
                out,
                "warning: the program has changed since the case was saved"
            )?;
        }
        let word = match (fails_alike, run.passed()) {
            (true, _) => "fails as it did",
            (false, true) => "passes now",
            (false, false) => "fails in another way",
        };
        wrap(&format!("{word}: {}", run.outcome), out)?;
        for call in run.calls() {
            wrap(&format!("  {call}"), out)?;
        }
        writeln!(out, "event hash {:016x}", run.event_hash)?;
    }
    Ok(if fails_alike {
        Status::Passed
    } else {
        Status::Failed
    })
}
