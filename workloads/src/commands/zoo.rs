//! `retake zoo`: how soon strategies find the bugs of the zoo.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use retake_sim::did_you_mean;
use retake_sim::explore::{self, Campaign, Explorer, Search};
use retake_sim::isolate::Workers;
use serde::Serialize;

use super::progress::progress_bar;
use crate::zoo::{self, PROGRAMS};
use retake_cli::command::{Error, Interrupt, Isolation, Status, print_json, workers};
use retake_cli::{Program, Scenario};

/// Measure how soon strategies find the bugs of the zoo.
#[derive(Debug, Parser)]
#[command(name = "zoo")]
pub(crate) struct ZooArgs {
    /// Programs, for example `zoo/raft`. Default: all.
    programs: Vec<String>,
    /// Strategies to compare with the mix.
    #[arg(long, default_values = ["random", "pct:depth=3", "pos", "starve"])]
    strategy: Vec<Search>,
    /// Campaigns of each, each with other seeds.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    campaigns: u64,
    /// Skip the variants without the bug.
    #[arg(long)]
    only_buggy: bool,
    /// Skip making the first failure of each small.
    #[arg(long)]
    no_shrink: bool,
    /// Run each seed in a process of its own, or many in one.
    #[arg(long, value_enum, default_value_t = Isolation::Process)]
    isolation: Isolation,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Schedules to the first failure, over some campaigns.
#[derive(Clone, Debug, Serialize)]
struct StrategyRow {
    strategy: String,
    /// Campaigns that found it within the budget.
    found: u64,
    campaigns: u64,
    /// The median, if half of the campaigns found it.
    median: Option<u64>,
    /// Where 95 % of the campaigns lie; the end is missing where they did not find it.
    interval: (Option<u64>, Option<u64>),
}

#[derive(Debug, Serialize)]
struct Row {
    program: &'static str,
    about: &'static str,
    budget: u64,
    strategies: Vec<StrategyRow>,
    /// Whether the fixed one passed as many schedules as the budget says.
    fixed_survives: Option<bool>,
    /// How small the first failure was made.
    shrunk: Option<Small>,
}

/// A failure that was made small.
#[derive(Clone, Copy, Debug, Serialize)]
struct Small {
    /// Choices of the failing run that first in, first out would not have made.
    deviations_before: usize,
    /// Steps held back, which express its schedule.
    holds_before: usize,
    /// Those that are left.
    holds: usize,
    /// Runs that it took.
    runs: u32,
}

impl Small {
    /// What is left of so many, where there were any.
    fn left_of(&self, before: usize) -> Option<f64> {
        (before > 0).then(|| self.holds as f64 / before as f64)
    }
}

/// Run the seeds of a campaign, up to the first failure; none if it was interrupted.
fn explored(
    explorer: &Explorer,
    first: u64,
    program: &zoo::Program,
    scenario: &Scenario,
    runs: &Runs<'_>,
) -> Result<Option<Campaign>, Error> {
    let explorer = explorer.clone().step_limit(10_000).jobs(runs.jobs);
    let seeds = first..first + program.budget;
    let (found, error) = explorer.run_seeds(&runs.of(scenario), seeds, &());
    error.map_err(|error| Error::Usage(error.to_string()))?;
    Ok((!runs.interrupt.is_asked()).then_some(found))
}

/// Make the first failure of a program small.
fn shrink(program: &zoo::Program, runs: &Runs<'_>) -> Result<Option<Small>, Error> {
    let scenario = runs.scenarios.named(program.variants()[0].name)?;
    let explorer = Explorer::new(scenario.name()).plain_run(false);
    let found = explored(&explorer, 0, program, scenario, runs)?;
    let shrunk = found
        .iter()
        .flat_map(|it| it.failures.first())
        .next()
        .and_then(|failure| explore::shrink(&failure.case, runs.of(scenario), |_| {}).ok());
    Ok(shrunk.map(|shrunk| Small {
        deviations_before: shrunk.deviations_before,
        holds_before: shrunk.holds_before,
        holds: shrunk.case.holds().len(),
        runs: shrunk.runs,
    }))
}

/// A run that takes longer hangs.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The largest address space of a run, in megabytes.
const MEMORY_LIMIT_MB: u64 = 4096;

/// How programs are run.
struct Runs<'p> {
    jobs: usize,
    workers: Arc<Workers>,
    isolation: Isolation,
    interrupt: Interrupt,
    scenarios: &'p Program,
}

impl Runs<'_> {
    fn of(&self, scenario: &Scenario) -> explore::Scenario {
        scenario
            .isolated(Arc::clone(&self.workers))
            .shared(self.isolation == Isolation::Shared)
    }
}

/// Seeds of different campaigns lie so far apart.
const APART: u64 = 1 << 32;

/// The campaigns of one strategy; none if they were interrupted.
fn campaigns(
    program: &zoo::Program,
    search: &Search,
    count: u64,
    runs: &Runs<'_>,
) -> Result<Option<StrategyRow>, Error> {
    let scenario = runs.scenarios.named(program.variants()[0].name)?;
    let mut schedules: Vec<Option<u64>> = Vec::new();
    for campaign in 0..count {
        let first = campaign * APART;
        // The figures are those of strategies.
        let explorer = Explorer::new(scenario.name())
            .search(search.clone())
            .plain_run(false);
        let Some(found) = explored(&explorer, first, program, scenario, runs)? else {
            return Ok(None);
        };
        let failure = found.failures.first();
        schedules.push(failure.map(|failure| failure.case.config.seed - first + 1));
    }
    // What was not found comes last.
    schedules.sort_by_key(|schedules| schedules.unwrap_or(u64::MAX));
    let at = |share: f64| {
        let place = (share * (schedules.len() - 1) as f64).round() as usize;
        schedules[place.min(schedules.len() - 1)]
    };
    Ok(Some(StrategyRow {
        strategy: search.to_string(),
        found: schedules.iter().flatten().count() as u64,
        campaigns: count,
        median: at(0.5),
        interval: (at(0.025), at(0.975)),
    }))
}

/// The row of a program; none if it was interrupted.
fn row(
    program: &'static zoo::Program,
    searches: &[Search],
    args: &ZooArgs,
    runs: &Runs<'_>,
) -> Result<Option<Row>, Error> {
    let mut strategies = Vec::new();
    for search in searches {
        match campaigns(program, search, args.campaigns, runs)? {
            Some(found) => strategies.push(found),
            None => return Ok(None),
        }
    }
    let fixed_survives = if args.only_buggy {
        None
    } else {
        let fixed = runs.scenarios.named(program.variants()[1].name)?;
        let explorer = Explorer::new(fixed.name());
        match explored(&explorer, 0, program, fixed, runs)? {
            Some(found) => Some(found.passed()),
            None => return Ok(None),
        }
    };
    let shrunk = if args.no_shrink {
        None
    } else {
        shrink(program, runs)?
    };
    // What was shrunk until then is not what it would have become.
    Ok((!runs.interrupt.is_asked()).then_some(Row {
        program: program.name,
        about: program.about,
        budget: program.budget,
        strategies,
        fixed_survives,
        shrunk,
    }))
}

pub(crate) fn zoo(program: &Program, args: &ZooArgs, out: &mut dyn Write) -> Result<Status, Error> {
    let is_meant = |program: &&zoo::Program| {
        args.programs.is_empty() || args.programs.iter().any(|name| name == program.name)
    };
    let programs: Vec<&zoo::Program> = PROGRAMS.iter().filter(is_meant).collect();
    if let Some(unknown) = args
        .programs
        .iter()
        .find(|name| PROGRAMS.iter().all(|program| program.name != **name))
    {
        return Err(Error::Usage(format!(
            "there is no program `{unknown}` in the zoo{}; see `retake list`",
            did_you_mean(unknown, PROGRAMS.iter().map(|program| program.name))
        )));
    }
    let interrupt = Interrupt::listen();
    let runs = Runs {
        scenarios: program,
        interrupt: interrupt.clone(),
        jobs: std::thread::available_parallelism().map_or(1, usize::from),
        workers: workers(TIMEOUT, Some(MEMORY_LIMIT_MB)),
        isolation: args.isolation,
    };
    runs.workers
        .check()
        .map_err(|error| Error::Usage(error.to_string()))?;
    interrupt.cancels(&runs.workers);
    let mut searches = vec![Search::Mix];
    searches.extend(
        args.strategy
            .iter()
            .filter(|it| **it != Search::Mix)
            .cloned(),
    );
    if !args.json {
        writeln!(
            out,
            "Schedules to the first failure: the median over {} campaigns, and where 95 % of\n\
             them lie. `-` is above the budget. shrunk: deviations of the first failing run,\n\
             and the steps held back that are left.\n",
            args.campaigns
        )?;
        write!(out, "{:<PROGRAM$} {:>6}", "program", "budget")?;
        for search in &searches {
            let name = search.to_string();
            let name = name.split(':').next().unwrap_or_default();
            write!(out, " {name:>CELL$}")?;
        }
        writeln!(out, " {:>5} {:>9}", "fixed", "shrunk")?;
    }
    let count = programs.len();
    let bar = progress_bar(count);
    let mut rows = Vec::new();
    let mut passed = true;
    for program in programs {
        bar.set_message(program.name);
        let Some(row) = row(program, &searches, args, &runs)? else {
            break;
        };
        // The mix finds each within its budget.
        passed &= row.strategies[0].median.is_some() && row.fixed_survives != Some(false);
        bar.inc(1);
        if !args.json {
            bar.suspend(|| print_row(&row, out))?;
        }
        rows.push(row);
    }
    bar.finish_and_clear();
    if interrupt.is_asked() {
        eprintln!("interrupted after {} of {count} programs", rows.len());
    }
    if args.json {
        print_json(&rows, out)?;
    } else {
        print_shrunk(&rows, out)?;
    }
    Ok(if interrupt.is_asked() {
        Status::Interrupted
    } else if passed {
        Status::Passed
    } else {
        Status::Failed
    })
}

/// Widths of columns.
const PROGRAM: usize = 22;
const CELL: usize = 12;

fn print_row(row: &Row, out: &mut dyn Write) -> Result<(), Error> {
    let program = row.program.trim_start_matches("zoo/");
    write!(out, "{program:<PROGRAM$} {:>6}", row.budget)?;
    let number = |number: Option<u64>| number.map_or("-".to_owned(), |it| it.to_string());
    for found in &row.strategies {
        let (low, high) = found.interval;
        let interval = format!("{}..{}", number(low), number(high));
        let cell = format!("{} {interval:>7}", number(found.median));
        write!(out, " {cell:>CELL$}")?;
    }
    let fixed = match row.fixed_survives {
        Some(true) => "ok",
        Some(false) => "FAILS",
        None => "",
    };
    let shrunk = row.shrunk.map_or(String::new(), |small| {
        format!("{} -> {}", small.deviations_before, small.holds)
    });
    writeln!(out, " {fixed:>5} {shrunk:>9}")?;
    out.flush()?;
    Ok(())
}

/// How far the failures of all programs were made small.
fn print_shrunk(rows: &[Row], out: &mut dyn Write) -> Result<(), Error> {
    let median = |before: fn(&Small) -> usize| {
        let shrunk = rows.iter().filter_map(|row| row.shrunk.as_ref());
        let mut left: Vec<f64> = shrunk.filter_map(|it| it.left_of(before(it))).collect();
        left.sort_by(f64::total_cmp);
        Some((100.0 * left.get(left.len() / 2)?, left.len()))
    };
    let of_deviations = median(|it| it.deviations_before);
    let of_holds = median(|it| it.holds_before);
    if let (Some((of_deviations, count)), Some((of_holds, _))) = (of_deviations, of_holds) {
        writeln!(
            out,
            "\nA failing run needs {of_deviations:.1} % as many steps held back as it had deviations, and\n\
             by {of_holds:.1} % as many as before it was made small (medians of {count}).",
        )?;
    }
    Ok(())
}
