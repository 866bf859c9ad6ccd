//! Rows for people.

use std::io::{self, Write};

use super::measure::Figure;
use super::runner::{Results, Row};
use super::target::Status;

/// The heading above rows.
///
/// # Errors
/// If the output fails.
pub fn heading(out: &mut impl Write) -> io::Result<()> {
    writeln!(
        out,
        "{:<27} {:<26} {:>12}  target",
        "benchmark", "figure", "measured"
    )
}

/// A row: a line for each figure with a target, or with `verbose` for each, and
/// what went wrong.
///
/// # Errors
/// If the output fails.
pub fn row(row: &Row, verbose: bool, out: &mut impl Write) -> io::Result<()> {
    let mut name = row.id.as_str();
    let shown = row
        .measured
        .figures
        .iter()
        .filter(|figure| verbose || figure.target.is_some());
    for figure in shown {
        let target = figure
            .target
            .map_or_else(String::new, |target| target.show(figure.unit));
        let mark = if row.meets(figure) { "" } else { "  MISSED" };
        let measured = show(row, figure);
        let line = format!(
            "{name:<27} {:<26} {measured:>12}  {target}{mark}",
            figure.name
        );
        writeln!(out, "{}", line.trim_end())?;
        name = "";
    }
    if verbose {
        for note in &row.measured.notes {
            writeln!(out, "{:<27} ({note})", "")?;
        }
    }
    for what in row.measured.errors.iter().chain(&row.alerts()) {
        writeln!(out, "{name:<27} {what}")?;
        name = "";
    }
    let hash = row
        .event_hash
        .as_ref()
        .map_or_else(String::new, |hash| format!(" event hash {hash}"));
    writeln!(out, "{:<27} {}{hash}", "", row.shown())?;
    Ok(())
}

/// A figure's value: of the row, or of the machine.
#[must_use]
pub fn show(row: &Row, figure: &Figure) -> String {
    match row.value(figure) {
        Some(value) => figure.unit.show(value),
        None => "-".to_owned(),
    }
}

/// The last lines: which failed, and how many passed.
///
/// # Errors
/// If the output fails.
pub fn summary(results: &Results, out: &mut impl Write) -> io::Result<()> {
    let failed = results
        .rows
        .iter()
        .filter(|row| row.shown() == Status::Fail);
    for row in failed {
        writeln!(out, "FAIL {}", row.id)?;
    }
    let (passed, failed) = results.counts();
    writeln!(out, "{passed} passed, {failed} failed")
}
