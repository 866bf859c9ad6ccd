//! `retake zoo`: how soon strategies find the bugs of the zoo.

use std::io::Write;

use clap::Args;
use retake_sim::explore::{Explorer, Search};
use serde::Serialize;

use super::explore::code;
use super::run::find;
use super::{Error, Status, print_json};
use crate::zoo::{PROGRAMS, Program};

#[derive(Debug, Args)]
pub(super) struct ZooArgs {
    /// Programs, for example `zoo/raft`. Default: all.
    programs: Vec<String>,
    /// Strategies beside which to put the mix.
    #[arg(long, default_values = ["random", "pct:depth=3", "pos", "starve"])]
    strategy: Vec<Search>,
    /// Campaigns of each, each with other seeds.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    campaigns: u64,
    /// Skip the variants without the bug.
    #[arg(long)]
    only_buggy: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Schedules to the first failure, over some campaigns.
#[derive(Clone, Debug, Serialize)]
struct Found {
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
    strategies: Vec<Found>,
    /// Whether the fixed one passed as many schedules as the budget says.
    fixed_survives: Option<bool>,
}

/// Seeds of different campaigns lie so far apart.
const APART: u64 = 1 << 32;

fn campaigns(program: &Program, search: &Search, count: u64, jobs: usize) -> Result<Found, Error> {
    let scenario = find(program.variants()[0].name)?;
    let mut schedules: Vec<Option<u64>> = Vec::new();
    for campaign in 0..count {
        let first = campaign * APART;
        let found = Explorer::new(scenario.name)
            .search(search.clone())
            .seeds(first..first + program.budget)
            .step_limit(10_000)
            .jobs(jobs)
            .run(code(scenario));
        let failure = found.failures.first();
        schedules.push(failure.map(|failure| failure.case.seed - first + 1));
    }
    // What was not found comes last.
    schedules.sort_by_key(|schedules| schedules.unwrap_or(u64::MAX));
    let at = |share: f64| {
        let place = (share * (schedules.len() - 1) as f64).round() as usize;
        schedules[place.min(schedules.len() - 1)]
    };
    Ok(Found {
        strategy: search.to_string(),
        found: schedules.iter().flatten().count() as u64,
        campaigns: count,
        median: at(0.5),
        interval: (at(0.025), at(0.975)),
    })
}

pub(super) fn zoo(args: &ZooArgs, out: &mut impl Write) -> Result<Status, Error> {
    let is_meant = |program: &&Program| {
        args.programs.is_empty() || args.programs.iter().any(|name| name == program.name)
    };
    let programs: Vec<&Program> = PROGRAMS.iter().filter(is_meant).collect();
    if let Some(unknown) = args
        .programs
        .iter()
        .find(|name| PROGRAMS.iter().all(|program| program.name != **name))
    {
        return Err(Error::Usage(format!(
            "there is no program `{unknown}` in the zoo; see `retake list`"
        )));
    }
    let jobs = std::thread::available_parallelism().map_or(1, usize::from);
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
            "Schedules to the first failure: the median over {} campaigns, of the mix with the\n\
             interval of 95 % of them. `-` is above the budget.\n",
            args.campaigns
        )?;
        write!(out, "{:<22} {:>6}", "program", "budget")?;
        for (place, search) in searches.iter().enumerate() {
            let name = search.to_string();
            let name = name.split(':').next().unwrap_or_default();
            let width = if place == 0 { 13 } else { 7 };
            write!(out, " {name:>width$}")?;
        }
        writeln!(out, " fixed")?;
    }
    let bar = super::progress::benchmarks(programs.len());
    let mut rows = Vec::new();
    let mut passed = true;
    for program in programs {
        bar.set_message(program.name);
        let mut strategies = Vec::new();
        for search in &searches {
            strategies.push(campaigns(program, search, args.campaigns, jobs)?);
        }
        let fixed_survives = if args.only_buggy {
            None
        } else {
            let fixed = find(program.variants()[1].name)?;
            let explorer = Explorer::new(fixed.name)
                .seeds(0..program.budget)
                .step_limit(10_000)
                .jobs(jobs);
            Some(explorer.run(code(fixed)).passed())
        };
        // The mix finds each within its budget.
        passed &= strategies[0].median.is_some() && fixed_survives != Some(false);
        let row = Row {
            program: program.name,
            about: program.about,
            budget: program.budget,
            strategies,
            fixed_survives,
        };
        bar.inc(1);
        if !args.json {
            bar.suspend(|| print_row(&row, out))?;
        }
        rows.push(row);
    }
    bar.finish_and_clear();
    if args.json {
        print_json(&rows, out)?;
    }
    Ok(if passed {
        Status::Passed
    } else {
        Status::Failed
    })
}

fn print_row(row: &Row, out: &mut impl Write) -> Result<(), Error> {
    let program = row.program.trim_start_matches("zoo/");
    write!(out, "{program:<22} {:>6}", row.budget)?;
    let number = |number: Option<u64>| number.map_or("-".to_owned(), |it| it.to_string());
    for (place, found) in row.strategies.iter().enumerate() {
        let median = number(found.median);
        if place == 0 {
            let (low, high) = found.interval;
            let cell = format!("{median} [{}, {}]", number(low), number(high));
            write!(out, " {cell:>13}")?;
        } else {
            write!(out, " {median:>7}")?;
        }
    }
    let fixed = match row.fixed_survives {
        Some(true) => "ok",
        Some(false) => "FAILS",
        None => "",
    };
    writeln!(out, " {fixed:>5}")?;
    out.flush()?;
    Ok(())
}
