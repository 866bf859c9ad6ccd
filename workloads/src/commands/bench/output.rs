//! The files that `retake bench` writes.

use std::fs;
use std::io;
use std::path::Path;

use retake_traces::file::{FileError, OutputFile, check_folder, check_output};

use super::BenchArgs;
use crate::bench::baseline::BaselineComparison;
use crate::bench::html::About;
use crate::bench::runner::{Results, Row, Settings};
use crate::bench::{Mode, SUITES, ci, html, machine, table};
use retake_cli::command::Error;

const REPORTS: [&str; 5] = [
    "results.json",
    "machine.json",
    "junit.xml",
    "summary.md",
    "report.html",
];
const LOGS: &str = "logs";
const ARCHIVE: &str = "archive";

/// What reports show in addition to the results.
pub(super) fn about(
    args: &BenchArgs,
    settings: &Settings,
    load: Option<f64>,
    compared: Option<BaselineComparison>,
) -> About {
    About {
        date: machine::date(retake::unix_time()),
        machine: machine::machine(),
        load,
        file_system: machine::file_system(&args.out),
        code: format!(
            "retake {}, code {}",
            env!("CARGO_PKG_VERSION"),
            env!("RETAKE_CODE")
        ),
        commit: machine::commit(),
        command: command(args, settings),
        compared,
    }
}

/// The command line that gives the same results again, or with `--live` measures the same.
fn command(args: &BenchArgs, settings: &Settings) -> String {
    let mut words = vec!["retake bench".to_owned()];
    if args.names.is_empty() {
        words.push("all".to_owned());
    }
    words.extend(args.names.iter().map(|name| quoted(name)));
    words.push(format!(
        "--mode {} --scale {}",
        settings.mode, settings.scale
    ));
    if settings.mode == Mode::Sim {
        words.push(format!("--seed {}", settings.seed));
    }
    if let Some(costs) = &args.costs {
        words.push(format!("--costs {}", quoted(&costs.display().to_string())));
    }
    if let Some(ms) = args.think {
        words.push(format!("--think {ms}"));
    }
    for failure in &settings.failures {
        words.push(format!("--fail {}", quoted(&failure.to_string())));
    }
    if let Some(baseline) = &args.baseline {
        words.push(format!("--baseline {}", quoted(baseline)));
    }
    words.join(" ")
}

/// As a shell takes it for one word.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// Remove what an earlier run has written.
pub(super) fn clean(out: &Path) -> io::Result<()> {
    let is_there = |result: io::Result<()>| match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    };
    for name in REPORTS {
        is_there(fs::remove_file(out.join(name)))?;
    }
    for suite in SUITES {
        is_there(fs::remove_file(log_of(out, suite)))?;
    }
    Ok(())
}

fn log_of(out: &Path, suite: &str) -> std::path::PathBuf {
    out.join(LOGS).join(format!("{suite}.log"))
}

/// See that all files can be written, before hours of work.
pub(super) fn check(args: &BenchArgs) -> Result<(), Error> {
    if args.report || args.save_baseline.is_some() {
        check_folder(&args.out)?;
    }
    if let Some(file) = &args.summary {
        match file.parent() {
            Some(folder) if !folder.exists() => check_folder(folder)?,
            _ => check_output(file)?,
        }
    }
    Ok(())
}

fn make_folder(file: &Path) -> Result<(), FileError> {
    match file.parent() {
        Some(folder) => fs::create_dir_all(folder).map_err(FileError::of("create", folder)),
        None => Ok(()),
    }
}

/// Write all reports, and a copy of them into the archive.
pub(super) fn write_reports(out: &Path, results: &Results, about: &About) -> Result<(), Error> {
    let date: String = about
        .date
        .chars()
        .filter(|c| *c != '-' && *c != ':')
        .collect();
    let date = date.replace(' ', "T");
    let archived = out.join(ARCHIVE).join(format!("{date}-{}", results.mode));
    let pretty = |value: &serde_json::Value| format!("{value:#}");
    let texts = [
        pretty(&serde_json::to_value(results).map_err(io::Error::from)?),
        pretty(&of_machine(results, about)),
        ci::junit(results, about.compared.as_ref()),
        ci::markdown(results, about),
        html::page(results, about),
    ];
    for folder in [out, &archived] {
        let logs = folder.join(LOGS);
        fs::create_dir_all(&logs).map_err(FileError::of("create", &logs))?;
        for (name, text) in REPORTS.into_iter().zip(&texts) {
            OutputFile::write_all_to(&folder.join(name), text)?;
        }
        for suite in SUITES {
            let rows: Vec<&Row> = results
                .rows
                .iter()
                .filter(|it| it.suite() == suite)
                .collect();
            if !rows.is_empty() {
                OutputFile::write_all_to(&log_of(folder, suite), log(&rows)?)?;
            }
        }
    }
    Ok(())
}

/// Everything about these rows, for people.
fn log(rows: &[&Row]) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    for row in rows {
        table::row(row, true, &mut text)?;
        let took = row.took.as_secs_f64();
        text.extend(format!("    (took {took:.3} s)\n").bytes());
    }
    Ok(text)
}

/// What differs from machine to machine.
fn of_machine(results: &Results, about: &About) -> serde_json::Value {
    let rows = results.rows.iter().map(|row| {
        let figures = serde_json::json!({
            "took_s": row.took.as_secs_f64(),
            "figures": row.machine,
        });
        (row.id.clone(), figures)
    });
    let rows: serde_json::Map<String, serde_json::Value> = rows.collect();
    serde_json::json!({
        "machine": about.machine,
        "commit": about.commit,
        "date": about.date,
        "load_average": about.load,
        "rows": rows,
    })
}

/// Write the summary to a file of its own.
pub(super) fn write_summary(file: &Path, results: &Results, about: &About) -> Result<(), Error> {
    make_folder(file)?;
    Ok(OutputFile::write_all_to(
        file,
        ci::markdown(results, about),
    )?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_of_a_command_is_quoted_where_a_shell_would_split_it() {
        for (word, text) in [
            ("ledger/write_latency", "ledger/write_latency"),
            (
                "break ledger slow by 5ms @0s",
                "'break ledger slow by 5ms @0s'",
            ),
            ("my costs.json", "'my costs.json'"),
            ("it's", r"'it'\''s'"),
            ("", "''"),
        ] {
            assert_eq!(quoted(word), text);
        }
    }
}
