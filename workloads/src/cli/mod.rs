//! The command line: parse, run, print, and say how it went by the exit code.

mod bench;
mod calibrate;
mod campaign;
mod case;
mod checklist;
mod debug;
#[cfg(test)]
mod documented;
mod explore;
mod export;
mod help;
mod inspect;
mod interrupt;
mod keys;
mod live;
mod progress;
mod run;
mod serve;
mod terminal;
mod view;
mod zoo;

use std::fmt;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{ArgMatches, Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use retake_sim::explore::CaseError;
use retake_sim::isolate;
use retake_sim::{Fault, Strategy, did_you_mean, parse_duration};
use retake_system::{PlanError, PlannedFailure};
use retake_traces::TraceError;
use retake_traces::clean::{Form, clean};
use retake_traces::file::FileError;

use crate::program;
use crate::run::{ReplayError, Replaying, STEP_LIMIT};
use terminal::width as terminal_width;

/// Deterministic simulation of actor systems: run, replay and compare.
///
/// Exit codes: 0 passed or identical, 1 failed or different, 2 wrong usage,
/// 3 a file that cannot be read or written or is damaged, 130 interrupted. `serve` has some
/// of its own.
#[derive(Debug, Parser)]
#[command(name = "retake", version, max_term_width = 80)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the scenarios.
    List {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Run benchmarks, live or in virtual time, and judge them by their targets.
    Bench(bench::BenchArgs),
    /// Measure what operations cost on this machine, for simulated benchmarks.
    ///
    /// Then runs benchmarks on which nothing was measured, simulated and live, and
    /// prints how far the queueing model is off.
    Calibrate(calibrate::CalibrateArgs),
    /// Check whether this machine is ready to serve.
    Checklist(checklist::ChecklistArgs),
    /// Run a scenario in virtual time.
    Run(RunArgs),
    /// Run many seeds of a scenario, and make each failure small.
    ///
    /// Exits with 0 when nothing failed. Seeds run in worker processes: one that hangs
    /// or aborts is a failure, and the others continue.
    Explore(explore::ExploreArgs),
    /// Put together what the shards of a campaign found.
    Merge {
        /// What `explore --shard` wrote.
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Make a failing case or trace small: fewer faults, less load, fewer deviations.
    Shrink(case::ShrinkArgs),
    /// Say why a case or trace fails: the change that avoids it, and what led to it.
    Why(case::WhyArgs),
    /// Go through a trace or saved case step by step, forward and back.
    ///
    /// In a terminal it is interactive: `?` shows the keys. With --print, --find or
    /// --break it prints and ends. See docs/debugging.md.
    Debug(debug::DebugArgs),
    /// Measure how soon strategies find the bugs of the zoo.
    Zoo(zoo::ZooArgs),
    /// Run again what a trace recorded, and compare every record; or a saved case, or what
    /// `serve --record` recorded.
    ///
    /// Exits with 0 when the run is identical, the case fails as it did, or every step of the
    /// recording took place again; else with 1 and the first divergence.
    Replay {
        /// The trace, case or recording.
        file: PathBuf,
        /// Write the replay of a recording into this trace, for `debug`, `view` and others.
        #[arg(long, value_name = "OUT")]
        trace: Option<PathBuf>,
        /// Make the schedule from seed and strategy instead of taking it
        /// from the trace.
        #[arg(long)]
        from_seed: bool,
        /// Let the run start threads, if it was recorded with this. A saved case says so
        /// itself.
        #[arg(long)]
        allow_threads: bool,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Serve the whole system over HTTP, until SIGTERM or Ctrl-C.
    ///
    /// A restart with the same folder keeps every acknowledged receipt. Exit codes: 0 stopped
    /// in order, 1 stopped with connections cut, 2 did not start, 3 the recording cannot be
    /// written, 4 gave up while it served, 5 the data folder or the recording is in use by
    /// another process.
    Serve(serve::ServeArgs),
    /// Print the story of a trace.
    ///
    /// A `*` after a step's number marks a step that first in, first out would
    /// not have chosen, a `+` one that ran at once; `<- N` names the step that
    /// sent the message.
    Show(ShowArgs),
    /// Write a run in a form that another program reads: Perfetto, Mermaid, `ShiViz`,
    /// OpenTelemetry, or JSON lines.
    Export(export::ExportArgs),
    /// Show a trace or a saved case as a page: who did what when, and why.
    ///
    /// The page is one file that needs no network and can be given to others. With two
    /// files it shows them side by side, from where they part.
    View(view::ViewArgs),
    /// Compare two traces by what caused what: which event one of them has and the other
    /// has not, and which order of messages it depends on.
    ///
    /// Exits with 0 when they are identical or differ in the order of independent steps
    /// alone, else with 1.
    Diff {
        /// One trace.
        left: PathBuf,
        /// The other.
        right: PathBuf,
        /// Compare line by line up to the first difference: only identical runs exit with 0.
        #[arg(long)]
        strict: bool,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Check every byte of a trace.
    Verify {
        /// The trace.
        file: PathBuf,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Args)]
struct RunArgs {
    /// The scenario's name, see `retake list`.
    scenario: String,
    /// The seed from which every choice of the run derives.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Who chooses the next step: fifo, random, pct[:depth=3,steps=10000], pos,
    /// starve[:steps=100] or defer[:percent=10].
    #[arg(long, default_value_t = Strategy::default())]
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
    /// End of virtual time, for example 90s or 2h.
    #[arg(long, default_value = "1h", value_parser = horizon)]
    horizon: Duration,
    /// Largest number of steps.
    #[arg(long, default_value_t = STEP_LIMIT, value_parser = clap::value_parser!(u64).range(1..))]
    step_limit: u64,
    /// Let the scenario start threads: they run outside the simulation, so the run may not
    /// repeat.
    #[arg(long)]
    allow_threads: bool,
    /// Print JSON. It is the same whenever the run is repeated.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct ShowArgs {
    /// The trace.
    file: PathBuf,
    /// Only lines about this actor or task; without an incarnation number, about
    /// all of its incarnations.
    #[arg(long, value_name = "NAME")]
    actor: Option<String>,
    /// Only from this step on.
    #[arg(long, value_name = "STEP", default_value_t = 0)]
    from: u64,
    /// Only up to this step.
    #[arg(long, value_name = "STEP", default_value_t = u64::MAX, hide_default_value = true)]
    to: u64,
    /// Cut lines to this many characters; 0 means no limit. Default: the width
    /// of the terminal, no limit in a pipe.
    #[arg(long)]
    width: Option<usize>,
    /// Print one JSON object a line.
    #[arg(long)]
    json: bool,
}

/// What fails on purpose, with a suggestion for a mistyped word.
fn planned_failure(text: &str) -> Result<PlannedFailure, String> {
    text.parse().map_err(|error: PlanError| {
        let near = match &error {
            PlanError::Service(word) | PlanError::Kind(word) | PlanError::Option(word) => {
                did_you_mean(
                    word.split('=').next().unwrap_or(word),
                    PlannedFailure::words(),
                )
            }
            _ => String::new(),
        };
        format!("{error}{near}")
    })
}

fn horizon(text: &str) -> Result<Duration, String> {
    let horizon = parse_duration(text)?;
    if horizon.is_zero() || horizon > retake_sim::HORIZON_MAX {
        return Err(format!(
            "must be above zero and at most {} h",
            retake_sim::HORIZON_MAX.as_secs() / 3600
        ));
    }
    Ok(horizon)
}

/// How a command ended, as an exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Status {
    Passed = 0,
    Failed = 1,
    /// By Ctrl-C; what there was by then has been printed and written.
    Interrupted = 130,
    /// A server cannot continue by itself: its service manager starts it again.
    GaveUp = 4,
}

/// Why a command could not do its work.
#[derive(Debug)]
enum Error {
    /// The arguments make no sense for this program.
    Usage(String),
    /// A file cannot be read or is damaged.
    File(TraceError),
    /// So is a saved case, or a campaign.
    Case(String),
    /// Another process has what is needed.
    InUse(String),
    /// Output went nowhere.
    Output(io::Error),
}

impl From<TraceError> for Error {
    fn from(error: TraceError) -> Self {
        Self::File(error)
    }
}

impl From<FileError> for Error {
    fn from(error: FileError) -> Self {
        Self::File(error.into())
    }
}

impl From<CaseError> for Error {
    fn from(error: CaseError) -> Self {
        Self::Case(error.to_string())
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

impl From<ReplayError> for Error {
    fn from(error: ReplayError) -> Self {
        match error {
            ReplayError::Trace(error) => Self::File(error),
            ReplayError::Unfit(what) => Self::Usage(format!("cannot replay: {what}")),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(what) | Self::InUse(what) => f.write_str(what),
            Self::File(error) => error.fmt(f),
            Self::Case(what) => f.write_str(what),
            Self::Output(error) => write!(f, "cannot write the output: {error}"),
        }
    }
}

/// Commands that are about the system of the `retake` command.
const ABOUT_THE_SYSTEM: [&str; 5] = ["bench", "calibrate", "checklist", "serve", "zoo"];

/// The command line of this process, by the commands that its program has.
fn of_this_program() -> Result<ArgMatches, clap::Error> {
    let program = program::this();
    let mut command = Cli::command()
        .name(program.name())
        .bin_name(program.name())
        .version(program.version());
    if program.is_retake() {
        return command.try_get_matches();
    }
    for name in ABOUT_THE_SYSTEM {
        command = command.mut_subcommand(name, |it| it.hide(true));
    }
    let matches = command.try_get_matches_from_mut(std::env::args_os())?;
    match matches.subcommand_name() {
        Some(name) if ABOUT_THE_SYSTEM.contains(&name) => Err(command.error(
            clap::error::ErrorKind::InvalidSubcommand,
            format!("`{name}` is of the `retake` command alone"),
        )),
        _ => Ok(matches),
    }
}

/// The command line, and whether JSON is printed.
fn parse() -> Result<(Cli, Form), clap::Error> {
    let matches = of_this_program()?;
    let is_json = matches
        .subcommand()
        .and_then(|(_, matches)| matches.try_get_one::<bool>("json").ok().flatten())
        .is_some_and(|json| *json)
        // Read by the program that started it.
        || matches.subcommand_name() == Some("explore-worker");
    let form = if is_json { Form::Json } else { Form::Text };
    Ok((Cli::from_arg_matches(&matches)?, form))
}

/// Run the command line of this process.
#[must_use]
pub fn main() -> ExitCode {
    if isolate::is_worker() {
        // Before anything else: what is done here is done before each run.
        explore::serve_scenarios();
    }
    // Panics inside a simulation are part of its outcome, which is printed.
    retake_sim::panics::quiet();
    let (cli, form) = match parse() {
        Ok(parsed) => parsed,
        Err(error) => {
            let text = error.render().to_string();
            let is_help = !error.use_stderr();
            if is_help && error.kind() != clap::error::ErrorKind::DisplayVersion {
                let text = help::wrapped(&error.render().ansi().to_string());
                let text = if console::colors_enabled() {
                    text
                } else {
                    console::strip_ansi_codes(&text).into_owned()
                };
                // The reader closed the pipe: it has read enough.
                let _ = io::stdout().write_all(text.as_bytes());
                return ExitCode::SUCCESS;
            }
            if clean(&text) == text {
                error.exit();
            }
            // Somebody else's text among the arguments: a file's name, most likely.
            eprint!("{}", clean(&text));
            return ExitCode::from(2);
        }
    };
    let is_judged = !matches!(
        cli.command,
        Command::List { .. } | Command::Show(_) | Command::Export(_)
    );
    let mut out = terminal::output(form, is_judged);
    let done = match cli.command {
        Command::List { json } => run::list(json, &mut out),
        Command::Run(args) => run::run(&args, &mut out),
        Command::Replay {
            file,
            trace,
            from_seed,
            allow_threads,
            json,
        } => {
            let how = Replaying {
                from_seed,
                allow_threads,
            };
            run::replay(&file, trace.as_deref(), how, json, &mut out)
        }
        Command::Explore(args) => explore::explore(&args, &mut out),
        Command::Merge { files, json } => explore::merge(&files, json, &mut out),
        Command::Shrink(args) => case::shrink(&args, &mut out),
        Command::Why(args) => case::why(&args, &mut out),
        Command::Debug(args) => debug::debug(&args, &mut out),
        Command::Zoo(args) => zoo::zoo(&args, &mut out),
        Command::Calibrate(args) => calibrate::calibrate(&args, &mut out),
        Command::Checklist(args) => checklist::checklist(&args, &mut out),
        Command::Bench(args) => bench::bench(&args, &mut out),
        Command::Serve(args) => serve::serve(&args, &mut out),
        Command::Show(args) => inspect::show(&args, &mut out),
        Command::Export(args) => export::export(&args, &mut out),
        Command::Diff {
            left,
            right,
            strict,
            json,
        } => inspect::diff(&left, &right, strict, json, &mut out),
        Command::View(args) => view::view(&args, &mut out),
        Command::Verify { file, json } => inspect::verify(&file, json, &mut out),
    };
    let done = done.and_then(|status| Ok(out.flush().map(|()| status)?));
    match done {
        Ok(status) => ExitCode::from(status as u8),
        // The reader has read enough.
        Err(Error::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            // What was printed so far comes before the error.
            let _ = out.flush();
            // Its further lines are indented, so that they cannot look like ours.
            let text = error.to_string().replace('\n', "\n       ");
            eprintln!("error: {}", clean(&text));
            ExitCode::from(match error {
                Error::Usage(_) => 2,
                Error::File(_) | Error::Case(_) => 3,
                Error::Output(_) => 1,
                Error::InUse(_) => 5,
            })
        }
    }
}

/// Where a file is written until it is complete.
fn partial(path: &Path) -> PathBuf {
    let mut partial = path.as_os_str().to_owned();
    partial.push(".partial");
    partial.into()
}

fn print_json(value: &impl serde::Serialize, out: &mut impl Write) -> Result<(), Error> {
    let text = serde_json::to_string_pretty(value).map_err(io::Error::from)?;
    writeln!(out, "{text}")?;
    Ok(())
}

/// Print a text with lines wrapped at spaces to 80 columns, all but the first indented: a
/// text of others cannot begin a line of ours.
fn wrap(text: &str, out: &mut impl Write) -> Result<(), Error> {
    const WIDTH: usize = 80;
    const INDENT: usize = 13;
    for (number, line) in text.lines().enumerate() {
        let mut column = 0;
        if number > 0 {
            column = INDENT;
            write!(out, "{:INDENT$}", "")?;
        }
        for (place, word) in line.split(' ').enumerate() {
            let length = word.chars().count();
            if place == 0 {
                write!(out, "{word}")?;
                column += length;
            } else if column + 1 + length > WIDTH {
                write!(out, "\n{:INDENT$}{word}", "")?;
                column = INDENT + length;
            } else {
                write!(out, " {word}")?;
                column += 1 + length;
            }
        }
        writeln!(out)?;
    }
    Ok(())
}
