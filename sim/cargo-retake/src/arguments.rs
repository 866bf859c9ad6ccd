//! The command line.

use std::ffi::OsString;
use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use retake_sim::explore::{STEP_LIMIT, Search, WholeProgram};
use retake_sim::plan::FaultPlan;
use retake_sim::{Fault, HORIZON_MAX, RunConfig, parse_duration};
use retake_traces::time::nanos;

use crate::cargo_arguments::CargoArgs;
use crate::error::Error;
use crate::faults;

/// Run the tests of a tokio project, unchanged, under many orders of its tasks, in virtual
/// time.
///
/// The project is built in target/retake against a copy of its own tokio that has a seeded
/// scheduler inside. No file of the project changes. What fails under a seed fails under it
/// again.
///
/// Exit codes: 0 passed, 1 something failed, 2 nothing could be judged, 3 nothing failed, but
/// a test is not repeatable.
#[derive(Debug, Parser)]
#[command(
    name = "cargo-retake",
    bin_name = "cargo retake",
    version,
    max_term_width = 80
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run each test under many seeds, and make each failure small.
    Test(TestArgs),
    /// Run a binary target under many seeds: it fails if it ends with another exit code than 0.
    Run(RunArgs),
    /// Run a saved case again.
    ///
    /// Exits with 0 if it passes now, with 1 if it fails.
    Replay(ReplayArgs),
    /// Say why a saved case fails: the change that avoids it, and what led to it.
    #[command(alias = "why")]
    Explain(CaseArgs),
    /// Show a saved case or a trace as a page in a browser.
    View(InspectArgs),
    /// Print the story of a saved case or a trace.
    Show(InspectArgs),
    /// Go through a saved case or a trace step by step, forward and back.
    Debug(InspectArgs),
    /// Write a saved case or a trace in a form that another program reads: Perfetto, Mermaid,
    /// `ShiViz`, OpenTelemetry, or JSON lines.
    Export(InspectArgs),
    /// Compare two traces by what caused what.
    Diff(InspectArgs),
    /// Used by `cargo retake` itself: keeps the program of an example of documentation.
    #[command(name = crate::doctests::KEEPER, hide = true)]
    Keeper(StartArgs),
    /// Used by `cargo retake` itself: notes how cargo starts a program.
    #[command(name = crate::environment::RUNNER, hide = true)]
    Runner(StartArgs),
}

/// What a runner gets.
#[derive(Debug, Args)]
pub(crate) struct StartArgs {
    /// Where it writes.
    pub(crate) folder: PathBuf,
    /// What cargo starts.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
    pub(crate) program: Vec<OsString>,
}

#[derive(Debug, Args)]
pub(crate) struct TestArgs {
    /// Only tests with this in their names.
    pub(crate) filter: Option<String>,
    /// What Rust's test harness takes to choose tests: further names, --exact, --skip NAME,
    /// --ignored, --include-ignored.
    #[arg(last = true, value_name = "FILTER")]
    pub(crate) harness: Vec<String>,
    #[command(flatten)]
    pub(crate) exploration: Exploration,
    /// Write a report in the form of `JUnit`.
    #[arg(long, value_name = "FILE")]
    pub(crate) junit: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) cargo: CargoArgs,
}

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(crate) exploration: Exploration,
    #[command(flatten)]
    pub(crate) program: ProgramArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ReplayArgs {
    #[command(flatten)]
    pub(crate) of: CaseArgs,
    /// Write a trace of it.
    #[arg(long, value_name = "FILE")]
    pub(crate) trace: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct CaseArgs {
    /// The case, a file in retake-cases.
    pub(crate) case: PathBuf,
    #[command(flatten)]
    pub(crate) limits: Limits,
    #[command(flatten)]
    pub(crate) program: ProgramArgs,
}

/// A program that is built and run.
#[derive(Debug, Args)]
pub(crate) struct ProgramArgs {
    /// Arguments of the program. A test takes none.
    #[arg(last = true, value_name = "ARGUMENT")]
    pub(crate) arguments: Vec<OsString>,
    #[command(flatten)]
    pub(crate) cargo: CargoArgs,
}

/// What `retake` takes: `retake help view`.
#[derive(Debug, Args)]
#[command(disable_help_flag = true)]
pub(crate) struct InspectArgs {
    /// A trace, or a saved case, which is run again for it; then options, see --help.
    #[arg(
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "FILE"
    )]
    pub(crate) arguments: Vec<OsString>,
}

/// Which runs take place.
#[derive(Clone, Debug, Args)]
pub(crate) struct Exploration {
    /// Seeds of each test: how many, or a first and a last, such as 100..200.
    #[arg(long, default_value = "100", value_parser = seeds, value_name = "SEEDS")]
    seeds: Range<u64>,
    /// Only this seed.
    #[arg(long, conflicts_with = "seeds")]
    seed: Option<u64>,
    /// How each seed's strategy is chosen: mix, or one strategy.
    #[arg(long, default_value_t = Search::Mix)]
    pub(crate) strategy: Search,
    /// Inject a fault into each run: `kill pay @1.5s`, `panic pay @step 120` or
    /// `delay pay @2s until 3s`; docs/faults.md has them all. May be given several times.
    #[arg(long = "fault", value_name = "FAULT", value_parser = faults::parse)]
    faults: Vec<Fault>,
    /// More faults: those of a plan in a TOML file, or what a swarm draws for each seed.
    #[arg(
        long = "faults",
        default_value = "none",
        value_name = "none|swarm|FILE"
    )]
    plan: String,
    /// Processes at a time. Default: one for each core.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=1024))]
    jobs: Option<u64>,
    /// Begin no seed later than this, for example 90s or 2h.
    #[arg(long, value_parser = positive_duration)]
    pub(crate) time_limit: Option<Duration>,
    /// Run no further seeds of a test that has failed.
    #[arg(long, conflicts_with = "keep_going")]
    pub(crate) until_failure: bool,
    /// Run further seeds of a test also where one hangs.
    #[arg(long)]
    pub(crate) keep_going: bool,
    /// Let tests pass whose two runs of one seed differ. The report says so in any case.
    #[arg(long)]
    pub(crate) allow_unrepeatable: bool,
    /// Write what was found as JSON; to the standard output if FILE is `-`.
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    #[command(flatten)]
    virtual_time: VirtualTime,
    #[command(flatten)]
    pub(crate) limits: Limits,
}

/// How virtual time moves and ends: a part of each case.
#[derive(Clone, Debug, Args)]
struct VirtualTime {
    /// Virtual time that a step takes, in nanoseconds. With 0 time moves only when nothing
    /// can run.
    #[arg(long, default_value_t = WholeProgram::default().step_ns, value_name = "NS")]
    step_ns: u64,
    /// On a runtime of several threads one in so many messages is held up between being taken
    /// and being handled; 0 for none.
    #[arg(long, default_value_t = WholeProgram::default().preempt, value_name = "N")]
    preempt: u64,
    /// End of virtual time, for example 90s or 2h; reaching it is a failure.
    #[arg(long, default_value = "1h", value_parser = horizon)]
    horizon: Duration,
    /// Largest number of steps of a run; reaching it is a failure.
    #[arg(long, default_value_t = STEP_LIMIT, value_parser = clap::value_parser!(u64).range(1..))]
    step_limit: u64,
}

/// What each run may take of this machine.
#[derive(Clone, Debug, Args)]
pub(crate) struct Limits {
    /// The largest memory of a run for data, in megabytes.
    #[arg(long, default_value_t = 4096, value_name = "MB",
          value_parser = clap::value_parser!(u64).range(64..=1 << 20))]
    pub(crate) memory_limit: u64,
    /// A run that takes longer in real time hangs.
    #[arg(long, default_value = "20s", value_parser = positive_duration)]
    pub(crate) timeout: Duration,
}

/// How many seeds, or which.
fn seeds(text: &str) -> Result<Range<u64>, String> {
    let wrong =
        || "write how many, such as 100, or a first and a last, such as 100..200".to_owned();
    let number = |text: &str| text.trim().parse::<u64>().map_err(|_| wrong());
    let seeds = match text.split_once("..") {
        None => 0..number(text)?,
        Some((first, last)) => match last.strip_prefix('=') {
            Some(last) => number(first)?..number(last)?.checked_add(1).ok_or_else(wrong)?,
            None => number(first)?..number(last)?,
        },
    };
    if seeds.is_empty() {
        return Err("there is no seed in it".to_owned());
    }
    Ok(seeds)
}

fn horizon(text: &str) -> Result<Duration, String> {
    let horizon = positive_duration(text)?;
    if horizon > HORIZON_MAX {
        let hours = HORIZON_MAX.as_secs() / 3600;
        return Err(format!("must be at most {hours} h"));
    }
    Ok(horizon)
}

fn positive_duration(text: &str) -> Result<Duration, String> {
    match parse_duration(text)? {
        Duration::ZERO => Err("must be above zero".to_owned()),
        duration => Ok(duration),
    }
}

impl Exploration {
    pub(crate) fn seeds(&self) -> Range<u64> {
        match self.seed {
            Some(seed) => seed..seed.saturating_add(1),
            None => self.seeds.clone(),
        }
    }

    /// Whether the standard output is for JSON.
    pub(crate) fn prints_json(&self) -> bool {
        self.json.as_deref() == Some(std::path::Path::new("-"))
    }

    pub(crate) fn jobs(&self) -> usize {
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        self.jobs.map_or_else(cores, |jobs| jobs as usize)
    }

    /// The faults of each run.
    ///
    /// # Errors
    /// If the plan cannot be used.
    pub(crate) fn faults(&self) -> Result<FaultPlan, Error> {
        faults::plan(&self.plan, &self.faults)
    }

    pub(crate) fn config(&self) -> RunConfig {
        RunConfig {
            horizon_ns: nanos(self.virtual_time.horizon),
            step_limit: self.virtual_time.step_limit,
            ..RunConfig::default()
        }
    }

    pub(crate) fn whole_program(&self) -> WholeProgram {
        WholeProgram {
            step_ns: self.virtual_time.step_ns,
            preempt: self.virtual_time.preempt,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    fn parse(line: &str) -> Result<Cli, clap::Error> {
        let words = line.split(' ');
        Cli::try_parse_from(std::iter::once("cargo-retake").chain(words))
    }

    fn test(line: &str) -> TestArgs {
        match parse(line).unwrap().command {
            Command::Test(args) => args,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn filters_come_as_in_cargo_test() {
        let args = test("test orders -- --exact --skip slow payments");
        assert_eq!(args.filter.as_deref(), Some("orders"));
        assert_eq!(args.harness.join(" "), "--exact --skip slow payments");
    }

    #[test]
    fn seeds_are_a_number_or_a_range() {
        assert_eq!(test("test").exploration.seeds(), 0..100);
        assert_eq!(test("test --seeds 7").exploration.seeds(), 0..7);
        assert_eq!(test("test --seeds 3..=5").exploration.seeds(), 3..6);
        assert_eq!(test("test --seed 17").exploration.seeds(), 17..18);
        for (line, expected) in [
            ("test --seeds 0", "there is no seed in it"),
            ("test --seeds 5..5", "there is no seed in it"),
            ("test --seeds many", "such as 100..200"),
            ("test --seeds 1 --seed 2", "cannot be used with"),
            ("test --strategy rnadom", "did you mean `random`?"),
            ("test --timeout 5", "unit"),
            ("test --timeout 0s", "must be above zero"),
            ("test --horizon 1000000h", "must be at most"),
            ("test --sedes 5", "--seeds"),
        ] {
            let error = parse(line).unwrap_err().to_string();
            assert!(error.contains(expected), "{line}: {error}");
        }
    }

    #[test]
    fn a_replay_takes_from_its_case_what_makes_the_run() {
        let settings = test("test --step-ns 0").exploration.whole_program();
        assert_eq!((settings.step_ns, settings.preempt), (0, 16));
        for option in [
            "--step-ns=0",
            "--preempt=0",
            "--horizon=1s",
            "--step-limit=5",
        ] {
            let error = parse(&format!("replay a.json {option}")).unwrap_err();
            let text = error.to_string();
            assert!(text.contains("unexpected argument"), "{text}");
        }
        let line = "replay a.json --timeout 5s -p shop -- argument";
        let Command::Replay(args) = parse(line).unwrap().command else {
            panic!("{line}");
        };
        assert_eq!(args.of.case, PathBuf::from("a.json"));
        assert_eq!(args.of.program.arguments, ["argument"]);
    }

    #[test]
    fn options_in_the_documentation_exist() {
        // Those of clap, of Rust's test harness, and of cargo itself.
        const OTHERS: [&str; 6] = [
            "help",
            "exact",
            "skip",
            "ignored",
            "include-ignored",
            "path",
        ];
        let command = Cli::command();
        let commands = command.get_subcommands();
        let arguments = commands.flat_map(clap::Command::get_arguments);
        let known: Vec<&str> = arguments.filter_map(clap::Arg::get_long).collect();
        let page = include_str!("../../../docs/cargo-retake.md");
        let mut count = 0;
        for (_, after) in page
            .match_indices("--")
            .map(|(place, _)| page.split_at(place + 2))
        {
            let is_part = |c: char| c.is_ascii_lowercase() || c == '-';
            let name = after.split(|c| !is_part(c)).next().unwrap_or_default();
            let is_option = name.starts_with(|c: char| c.is_ascii_lowercase());
            let is_known = known.contains(&name) || OTHERS.contains(&name);
            assert!(!is_option || is_known, "--{name}");
            count += usize::from(is_option);
        }
        assert!(count > 20, "{count}");
    }
}
