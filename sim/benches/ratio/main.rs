//! What simulation costs: the same actors bare, on a stock current-thread
//! runtime, and simulated, side by side.
//!
//! ```text
//! cargo bench -p retake-sim                        # everything, a few minutes
//! cargo bench -p retake-sim -- ring                # rows whose name contains `ring`
//! cargo bench -p retake-sim -- --quick             # fewer rounds, smaller loads
//! cargo bench -p retake-sim -- --json result.json  # the table's figures as JSON, too
//! ```
//!
//! Rows called `random` simulate with the strategy `random`, rows called `defer`
//! with `defer:percent=10`; nothing but the event hash is recorded, unless the
//! row says so. Loads include the start and the end of their runtime.
//!
//! Machines are shared and noisy, so both sides of a comparison run in turns, and
//! the ratio printed is the median of the ratios of single rounds.
//!
//! `cases` lists the rows, `workloads` holds the actors, which `gated` and `bare`
//! compile with and without gates, `measure` runs and times, `report` prints,
//! `memory` counts what is allocated.
#![allow(
    clippy::disallowed_methods,
    reason = "measures real time, and real tokio outside the simulation"
)]

mod bare;
mod cases;
mod gated;
mod measure;
mod memory;
mod report;

use std::path::PathBuf;
use std::process::ExitCode;

const USAGE: &str = "usage: cargo bench -p retake-sim -- [NAME…] [--quick] [--json FILE]";

#[derive(Debug, Default)]
struct Arguments {
    /// Rows whose name contains one of these; all rows if it is empty.
    names: Vec<String>,
    quick: bool,
    json: Option<PathBuf>,
}

impl Arguments {
    fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut parsed = Self::default();
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                // Cargo's own.
                "--bench" => {}
                "--quick" => parsed.quick = true,
                "--json" => {
                    let file = arguments.next().ok_or("--json needs the name of a file")?;
                    parsed.json = Some(file.into());
                }
                option if option.starts_with('-') => {
                    return Err(format!("there is no option `{option}`"));
                }
                name => parsed.names.push(name.to_owned()),
            }
        }
        Ok(parsed)
    }

    fn selects(&self, row: &str) -> bool {
        self.names.is_empty() || self.names.iter().any(|name| row.contains(name))
    }
}

fn main() -> ExitCode {
    // A test run builds this, so that it stays correct, and measures nothing.
    if !std::env::args().any(|argument| argument == "--bench") {
        return ExitCode::SUCCESS;
    }
    let arguments = match Arguments::parse(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(problem) => {
            eprintln!("{problem}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let scale = if arguments.quick {
        measure::QUICK
    } else {
        measure::FULL
    };
    let mut results = Vec::new();
    report::print_head();
    for mut case in cases::all(&scale) {
        case.keep(|row| arguments.selects(row));
        for result in case.measure(&scale) {
            report::print_row(&result);
            results.push(result);
        }
    }
    if results.is_empty() {
        eprintln!("no row's name contains {}", arguments.names.join(" or "));
        return ExitCode::FAILURE;
    }
    report::print_foot(&results);
    if let Some(path) = &arguments.json
        && let Err(error) = report::write_json(path, &results)
    {
        eprintln!("cannot write {}: {error}", path.display());
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
