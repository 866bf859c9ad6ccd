//! The command line: parse, run, print, and say how it went by the exit code.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{ArgMatches, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use retake_sim::isolate;
use retake_traces::clean::{Form, clean};

use crate::commands::{case, debug, explore, export, inspect, run, view};
use crate::help;
use crate::output;
use crate::program::Program;
use crate::scenario::Scenario;
use crate::status::{Error, Status};

/// Deterministic simulation of actor systems: run, replay and compare.
///
/// Exit codes: 0 passed or identical, 1 failed or different, 2 wrong usage,
/// 3 a file that cannot be read or written or is damaged, 130 interrupted. A command that has
/// others lists them in its help.
#[derive(Debug, Parser)]
#[command(max_term_width = 80)]
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
    /// Run a scenario in virtual time.
    Run(run::RunArgs),
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
    /// Run again what a trace recorded, and compare every record; or a saved case, or what a
    /// live process recorded.
    ///
    /// Exits with 0 when the run is identical, the case fails as it did, or every step of the
    /// recording took place again; else with 1 and the first divergence.
    Replay(run::ReplayArgs),
    /// Print the story of a trace.
    ///
    /// A `*` after a step's number marks a step that first in, first out would
    /// not have chosen, a `+` one that ran at once; `<- N` names the step that
    /// sent the message.
    Show(inspect::ShowArgs),
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

impl Program {
    /// Run the command line of this process.
    #[must_use]
    pub fn main(self) -> ExitCode {
        self.main_with(std::env::args_os())
    }

    /// Run this command line, the first word of which is the name of the program.
    #[must_use]
    pub fn main_with(self, words: impl IntoIterator<Item = OsString>) -> ExitCode {
        if isolate::is_worker() {
            // Before anything else: what is done here is done before each run.
            explore::serve_scenarios(&self);
        }
        if let Some(what) = self.repeated_name() {
            eprintln!("error: {what}");
            return ExitCode::from(2);
        }
        // Panics inside a simulation are part of its outcome, which is printed.
        retake_sim::panics::quiet();
        let (matches, form) = match self.parse(words) {
            Ok(parsed) => parsed,
            Err(error) => return refuse(&error),
        };
        // What is only shown ends when its reader leaves.
        let is_judged = !matches!(matches.subcommand_name(), Some("list" | "show" | "export"));
        let mut out = output::output(form, is_judged);
        let done = self.run(&matches, &mut out);
        let done = done.and_then(|status| Ok(out.flush().map(|()| status)?));
        match done {
            Ok(status) => ExitCode::from(status.code()),
            // The reader has read enough.
            Err(Error::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
                ExitCode::SUCCESS
            }
            Err(Error::Interrupted) => {
                let _ = out.flush();
                eprintln!("{}", Error::Interrupted);
                ExitCode::from(Error::Interrupted.code())
            }
            Err(error) => {
                // What was printed so far comes before the error.
                let _ = out.flush();
                // Its further lines are indented, so that they cannot look like ours.
                let text = error.to_string().replace('\n', "\n       ");
                eprintln!("error: {}", clean(&text));
                ExitCode::from(error.code())
            }
        }
    }

    /// The command line as data: its commands, arguments and help.
    #[must_use]
    pub fn command_line(&self) -> clap::Command {
        let command = Cli::command()
            .name(self.name())
            .bin_name(self.name())
            .version(self.version());
        let added = self.commands().iter().map(|it| (it.arguments)());
        command.subcommands(added)
    }

    /// What is wrong if two of its scenarios or commands have one name.
    fn repeated_name(&self) -> Option<String> {
        let mut names = BTreeSet::new();
        let mut scenarios = self.scenarios().iter().map(Scenario::name);
        if let Some(name) = scenarios.find(|name| !names.insert(*name)) {
            return Some(format!("two scenarios of this program are named `{name}`"));
        }
        if self.commands().is_empty() {
            return None;
        }
        let mut names = BTreeSet::new();
        let command_line = self.command_line();
        let mut commands = command_line.get_subcommands().map(clap::Command::get_name);
        let name = commands.find(|name| !names.insert(*name))?;
        Some(format!("two commands of this program are named `{name}`"))
    }

    /// The command line, and whether JSON is printed.
    fn parse(
        &self,
        words: impl IntoIterator<Item = OsString>,
    ) -> Result<(ArgMatches, Form), clap::Error> {
        let matches = self.command_line().try_get_matches_from(words)?;
        let is_json = matches
            .subcommand()
            .and_then(|(_, matches)| matches.try_get_one::<bool>("json").ok().flatten())
            .is_some_and(|json| *json);
        let form = if is_json { Form::Json } else { Form::Text };
        Ok((matches, form))
    }

    fn run(&self, matches: &ArgMatches, out: &mut dyn Write) -> Result<Status, Error> {
        if let Some((name, arguments)) = matches.subcommand()
            && let Some(command) = self.commands().iter().find(|it| it.name() == name)
        {
            return (command.run)(self, arguments, out);
        }
        let cli = Cli::from_arg_matches(matches);
        let cli = cli.map_err(|error| Error::Usage(error.to_string()))?;
        match cli.command {
            Command::List { json } => run::list(self, json, out),
            Command::Run(args) => run::run(self, &args, out),
            Command::Replay(args) => run::replay(self, &args, out),
            Command::Explore(args) => explore::explore(self, &args, out),
            Command::Merge { files, json } => explore::merge(&files, json, out),
            Command::Shrink(args) => case::shrink(self, &args, out),
            Command::Why(args) => case::why(self, &args, out),
            Command::Debug(args) => debug::debug(self, &args, out),
            Command::Show(args) => inspect::show(&args, out),
            Command::Export(args) => export::export(self, &args, out),
            Command::Diff {
                left,
                right,
                strict,
                json,
            } => inspect::diff(&left, &right, strict, json, out),
            Command::View(args) => view::view(self, &args, out),
            Command::Verify { file, json } => inspect::verify(&file, json, out),
        }
    }
}

/// Print help, or what is wrong with the command line.
fn refuse(error: &clap::Error) -> ExitCode {
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
    ExitCode::from(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counts up.
    #[derive(Parser)]
    #[command(name = "count")]
    struct Count {
        to: u32,
    }

    fn count(program: &Program, args: &Count, out: &mut dyn Write) -> Result<Status, Error> {
        if args.to > 9 {
            return Err(Error::Usage("at most 9".to_owned()));
        }
        for number in 1..=args.to {
            write!(out, "{number} ")?;
        }
        write!(out, "by {}", program.name())?;
        Ok(Status::Other(9))
    }

    fn run(program: &Program, words: &[&str]) -> (Result<Status, Error>, String) {
        let words = [&["shop"], words].concat();
        let matches = program.command_line().try_get_matches_from(words).unwrap();
        let mut out = Vec::new();
        let done = program.run(&matches, &mut out);
        (done, String::from_utf8(out).unwrap())
    }

    #[test]
    fn an_added_command_is_run_with_its_arguments_and_has_help() {
        let program = Program::new("shop", "1").command(count);
        let (done, out) = run(&program, &["count", "3"]);
        assert_eq!((done.unwrap().code(), &*out), (9, "1 2 3 by shop"));
        assert_eq!(run(&program, &["count", "10"]).0.unwrap_err().code(), 2);
        assert_eq!(run(&program, &["list"]).1, "");
        let help = program.command_line().render_help().to_string();
        assert!(help.contains("count    Counts up"), "{help}");
    }

    #[test]
    fn a_name_is_taken_once() {
        let scenario = |program: Program| program.scenario("a", "", async || {});
        let program = scenario(Program::new("shop", "1").command(count));
        assert_eq!(program.repeated_name(), None);
        let text = scenario(program).repeated_name().unwrap();
        assert_eq!(text, "two scenarios of this program are named `a`");
        let program = Program::new("shop", "1").command(count).command(count);
        let text = program.repeated_name().unwrap();
        assert_eq!(text, "two commands of this program are named `count`");
    }
}
