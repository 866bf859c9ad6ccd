//! `explore` and `merge`.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use retake_sim::explore::{
    Campaign, Exhaustive, ExhaustiveReport, Explorer, QuietRule, STEP_LIMIT, Search,
};
use retake_sim::{FaultPlan, parse_duration, strategy};
use retake_traces::counted;
use retake_traces::file::{OutputFile, check_folder, check_output, read_text, refuse_input};

use super::arguments::{Isolation, RunFlags};
use super::campaign::{Keeper, Progress, Remark};
use super::campaign_text::{print_campaign, print_figures};
use crate::output::{print_json, wrap};
use crate::program::Program;
use crate::scenario::Scenario;
use crate::signals::Interrupt;
use crate::status::{Error, Status};
use crate::workers::workers;

/// What is explored, and how.
#[derive(Clone, Debug, Args)]
struct ExplorationArgs {
    /// The scenario's name, see `list`.
    scenario: String,
    #[arg(
        long,
        default_value_t = Search::Mix,
        help = format!("How each seed's strategy is chosen: mix, {}", strategy::forms())
    )]
    strategy: Search,
    /// Faults of each run: none, swarm, or a fault plan in a TOML file.
    #[arg(long, default_value = "none")]
    faults: String,
    #[command(flatten)]
    flags: RunFlags<{ STEP_LIMIT }>,
    /// Run this share of the seeds twice and compare, from 0 to 1.
    #[arg(long, default_value_t = 0.01, value_parser = share, value_name = "RATE")]
    check_determinism: f64,
    /// The largest address space of a run, in megabytes.
    #[arg(long, default_value_t = 4096, value_name = "MB",
          value_parser = clap::value_parser!(u64).range(64..))]
    memory_limit: u64,
    /// Run each seed in a process of its own, or many in one: faster for short runs, but what
    /// one leaves in statics, the next one meets.
    #[arg(long, value_enum, default_value_t = Isolation::Process)]
    isolation: Isolation,
}

#[derive(Debug, Args)]
pub(crate) struct ExploreArgs {
    #[command(flatten)]
    explored: ExplorationArgs,
    /// The seeds: a first and a last, such as 1..10000 (without the last) or 5..=5. Default:
    /// 0..1000, and 0..100000 with --until-quiet.
    #[arg(long, value_parser = seeds)]
    seeds: Option<Seeds>,
    /// Worker processes. Default: one for each core.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=1024))]
    jobs: Option<u64>,
    /// Begin no seed later than this, for example 90s or 2h.
    #[arg(long, value_parser = parse_duration)]
    time_limit: Option<Duration>,
    /// A seed that takes longer hangs.
    #[arg(long, default_value = "30s", value_parser = parse_duration)]
    seed_timeout: Duration,
    /// Stop at the first failing seed. The default.
    #[arg(long, conflicts_with = "keep_going")]
    until_failure: bool,
    /// Run all seeds, whatever fails.
    #[arg(long)]
    keep_going: bool,
    /// End once the next seed shows a new timeline (order of messages of an actor) with at most
    /// this probability, such as 1% or 0.01, with 95 % confidence.
    #[arg(long, value_name = "SHARE", value_parser = quiet_rule,
          conflicts_with_all = ["shard", "exhaustive"])]
    until_quiet: Option<QuietRule>,
    /// Run one part of the seeds, such as 3/8: for jobs on several machines.
    #[arg(long, value_name = "I/N", value_parser = shard)]
    shard: Option<Shard>,
    /// Write what was found as JSON, for `merge`.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// The folder for failing cases.
    #[arg(long, value_name = "DIR", default_value = "retake-cases")]
    cases: PathBuf,
    /// Keep failures as they were found.
    #[arg(long)]
    no_shrink: bool,
    /// Go through all schedules of the first seed instead of a sample.
    #[arg(long, conflicts_with_all = ["shard", "until_failure", "time_limit", "jobs"])]
    exhaustive: bool,
    /// With --exhaustive, only schedules that differ from taking turns by so many delays.
    #[arg(long, value_name = "COUNT", requires = "exhaustive")]
    delays: Option<u32>,
    /// With --exhaustive, go once through what leads into the same state. Only for programs
    /// whose tasks share nothing but messages and what they tell as events.
    #[arg(long, requires = "exhaustive", conflicts_with = "delays")]
    reduce: bool,
    /// With --exhaustive, give up after so many schedules.
    #[arg(long, value_name = "COUNT", default_value_t = 1_000_000, requires = "exhaustive",
          value_parser = clap::value_parser!(u64).range(1..))]
    schedules: u64,
    /// Print JSON. Without a time limit it is the same whenever it is repeated.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug)]
struct Seeds {
    first: u64,
    end: u64,
}

fn seeds(text: &str) -> Result<Seeds, String> {
    let wrong = || "write a first and a last seed, such as 1..10000".to_owned();
    let (first, last) = text.split_once("..").ok_or_else(wrong)?;
    let first: u64 = first.trim().parse().map_err(|_| wrong())?;
    let end = match last.strip_prefix('=') {
        Some(last) => last
            .trim()
            .parse::<u64>()
            .ok()
            .and_then(|it| it.checked_add(1)),
        None => last.trim().parse().ok(),
    };
    let end = end.ok_or_else(wrong)?;
    if first >= end {
        return Err(format!("there is no seed in {text}"));
    }
    Ok(Seeds { first, end })
}

fn quiet_rule(text: &str) -> Result<QuietRule, String> {
    let (number, of) = match text.strip_suffix('%') {
        Some(percent) => (percent.trim_end(), 100.0),
        None => (text, 1.0),
    };
    let share: Result<f64, _> = number.parse();
    let rule = share
        .map_err(|_| "write a percentage such as 1% or a share such as 0.01".to_owned())
        .and_then(|share| QuietRule::new(share / of));
    rule.map_err(|wrong| format!("invalid share {text:?}: {wrong}"))
}

#[derive(Clone, Copy, Debug)]
struct Shard {
    number: u64,
    of: u64,
}

fn shard(text: &str) -> Result<Shard, String> {
    let wrong = || "write the part and how many there are, such as 3/8".to_owned();
    let (number, of) = text.split_once('/').ok_or_else(wrong)?;
    let number = number.parse().map_err(|_| wrong())?;
    let of = of.parse().map_err(|_| wrong())?;
    if number == 0 || number > of {
        return Err(format!("part {number} of {of}: parts are counted from 1"));
    }
    Ok(Shard { number, of })
}

fn share(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
        _ => Err("must be from 0 to 1".to_owned()),
    }
}

impl ExploreArgs {
    fn seeds(&self) -> Seeds {
        let end = match self.until_quiet {
            None => 1000,
            Some(_) => 100_000,
        };
        self.seeds.unwrap_or(Seeds { first: 0, end })
    }
}

impl ExplorationArgs {
    fn explorer(&self, program: &Program) -> Result<Explorer, Error> {
        let faults = FaultPlan::named(&self.faults);
        Ok(Explorer::new(&self.scenario)
            .config(self.flags.config())
            .search(self.strategy.clone())
            .faults(faults.map_err(|error| Error::Usage(error.to_string()))?)
            .check_determinism(self.check_determinism)
            .code(program.identity()))
    }
}

/// Run scenarios for the command that has started this process as a worker.
pub(crate) fn serve_scenarios(program: &Program) -> ! {
    retake_sim::explore::serve(|name| {
        let found = program.named(name).map(Scenario::to_explore);
        found.map_err(|error| error.to_string())
    })
}

pub(crate) fn explore(
    program: &Program,
    args: &ExploreArgs,
    out: &mut dyn Write,
) -> Result<Status, Error> {
    let scenario = program.named(&args.explored.scenario)?;
    let keeper = Keeper {
        program: program.name(),
        folder: args.cases.join(scenario.name().replace('/', "-")),
        shrinks: !args.no_shrink,
    };
    let explorer = args.explored.explorer(program)?;
    check_folder(&args.cases)?;
    if let Some(path) = &args.out {
        refuse_input(path, [Path::new(&args.explored.faults)])?;
        check_output(path)?;
    }
    if args.exhaustive {
        return exhaust(args, scenario, &keeper, explorer, out);
    }
    let interrupt = Interrupt::listen();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let jobs = args.jobs.map_or(cores, |jobs| jobs as usize);
    let Shard { number, of } = args.shard.unwrap_or(Shard { number: 1, of: 1 });
    let mut explorer = explorer
        .jobs(jobs)
        .keep_going(args.keep_going)
        .plain_run(number == 1)
        .timelines(true);
    if let Some(rule) = args.until_quiet {
        explorer = explorer.until_quiet(rule);
    }
    let step = usize::try_from(of).unwrap_or(usize::MAX);
    let Seeds { first, end } = args.seeds();
    let seeds = (first + (number - 1)..end).step_by(step);
    if !args.json {
        print_start(args, scenario.name(), jobs, out)?;
    }
    let workers = workers(args.seed_timeout, Some(args.explored.memory_limit));
    workers
        .check()
        .map_err(|error| Error::Usage(error.to_string()))?;
    let isolated = scenario
        .isolated(Arc::clone(&workers))
        .shared(args.explored.isolation == Isolation::Shared);
    let watch = Progress::new(
        (end - first).div_ceil(of),
        args.time_limit,
        interrupt.clone(),
        &keeper,
    );
    let (mut found, error) = explorer.run_seeds(&isolated, seeds, &watch);
    let seconds = watch.finish();
    if !args.json {
        print_figures(&found, seconds, workers.is_randomized(), out)?;
        out.flush()?;
    }
    let mut remarks = Vec::new();
    for failure in &mut found.failures {
        remarks.push(keeper.keep(scenario, &isolated, &interrupt, failure));
    }
    finish(args, &found, &remarks, out)?;
    error.map_err(|error| Error::Usage(format!("the campaign was given up: {error}")))?;
    Ok(if interrupt.is_asked() {
        Status::Interrupted
    } else if found.passed() {
        Status::Passed
    } else {
        Status::Failed
    })
}

/// What is about to be explored.
fn print_start(
    args: &ExploreArgs,
    scenario: &str,
    jobs: usize,
    out: &mut dyn Write,
) -> Result<(), Error> {
    let Seeds { first, end } = args.seeds();
    let part = args.shard.map_or_else(String::new, |shard| {
        format!(", part {} of {}", shard.number, shard.of)
    });
    let ExplorationArgs {
        strategy, faults, ..
    } = &args.explored;
    wrap(
        &format!(
            "exploring {scenario}: seeds {first}..{end}{part}, strategy {strategy}, faults {faults}, \
             {jobs} jobs"
        ),
        out,
    )?;
    out.flush()?;
    Ok(())
}

/// Write and print what was found: the file cannot keep it from being printed.
fn finish(
    args: &ExploreArgs,
    found: &Campaign,
    remarks: &[Vec<Remark>],
    out: &mut dyn Write,
) -> Result<(), Error> {
    let written = args
        .out
        .as_ref()
        .map_or(Ok(()), |path| write_campaign(path, found));
    if args.json {
        print_json(found, out)?;
    } else {
        print_campaign(found, remarks, out)?;
    }
    written
}

/// Go through all schedules.
fn exhaust(
    args: &ExploreArgs,
    scenario: &Scenario,
    keeper: &Keeper,
    explorer: Explorer,
    out: &mut dyn Write,
) -> Result<Status, Error> {
    let interrupt = Interrupt::listen();
    let workers = workers(args.seed_timeout, Some(args.explored.memory_limit));
    workers
        .check()
        .map_err(|error| Error::Usage(error.to_string()))?;
    let isolated = scenario
        .isolated(Arc::clone(&workers))
        .shared(args.explored.isolation == Isolation::Shared);
    let running = Arc::downgrade(&workers);
    let bar = super::progress::spinner();
    let mut all = Exhaustive::of(explorer)
        .seed(args.seeds().first)
        .delays(args.delays)
        .reduce(args.reduce)
        .limit(args.schedules)
        .keep_going(args.keep_going)
        .run(isolated.clone(), |schedules| {
            interrupt.pass_on(&running);
            bar.set_message(counted(schedules, "schedule"));
            bar.tick();
        });
    bar.finish_and_clear();
    let mut remarks = Vec::new();
    for failure in &mut all.found.failures {
        remarks.push(keeper.keep(scenario, &isolated, &interrupt, failure));
    }
    let written = args
        .out
        .as_ref()
        .map_or(Ok(()), |path| write_campaign(path, &all.found));
    if args.json {
        print_json(&all, out)?;
    } else {
        let end = match (all.complete, args.delays) {
            (true, None) => "these are all".to_owned(),
            (true, Some(delays)) => {
                format!("these are all with at most {}", counted(delays, "delay"))
            }
            (false, _) => "there are more".to_owned(),
        };
        let reduced = match all.reduced {
            0 => String::new(),
            reduced => format!(", and {reduced} left where they came to a known state"),
        };
        let ExhaustiveReport {
            schedules,
            interleavings,
            ..
        } = all;
        wrap(
            &format!(
                "{}, {}{reduced}; {end}",
                counted(schedules, "schedule"),
                counted(interleavings, "interleaving")
            ),
            out,
        )?;
        print_campaign(&all.found, &remarks, out)?;
    }
    written?;
    if let Some(error) = workers.error() {
        return Err(Error::Usage(format!("the search was given up: {error}")));
    }
    Ok(if interrupt.is_asked() {
        Status::Interrupted
    } else if all.found.passed() {
        Status::Passed
    } else {
        Status::Failed
    })
}

fn write_campaign(path: &Path, found: &Campaign) -> Result<(), Error> {
    let text = serde_json::to_string_pretty(found).map_err(io::Error::from)?;
    Ok(OutputFile::write_all_to(path, text)?)
}

/// The largest file of a campaign, in bytes.
const CAMPAIGN_BYTES_MAX: u64 = 256 << 20;

pub(crate) fn merge(files: &[PathBuf], json: bool, out: &mut dyn Write) -> Result<Status, Error> {
    let mut all = Campaign::default();
    let mut read = BTreeSet::new();
    for path in files {
        let wrong = |what: String| Error::Case(format!("{}: {what}", path.display()));
        if !read.insert(path.canonicalize().unwrap_or_else(|_| path.clone())) {
            return Err(Error::Usage(format!(
                "{} is named twice: each part of a campaign counts once",
                path.display()
            )));
        }
        let text = read_text(path, CAMPAIGN_BYTES_MAX)?;
        let part: Campaign = serde_json::from_str(&text)
            .map_err(|error| wrong(format!("this is not what `explore --out` writes: {error}")))?;
        if let Some(seed) = all.failing_seed_of_both(&part) {
            return Err(wrong(format!(
                "seed {seed} is in an earlier file as well: parts of a campaign have seeds of \
                 their own (see `explore --shard`)"
            )));
        }
        all.merge(part);
    }
    if json {
        print_json(&all, out)?;
    } else {
        writeln!(
            out,
            "{}, {}, {}",
            counted(all.runs, "seed"),
            counted(all.steps, "step"),
            counted(all.faults, "fault")
        )?;
        print_campaign(&all, &[], out)?;
    }
    Ok(if all.passed() {
        Status::Passed
    } else {
        Status::Failed
    })
}
