//! Rows for people.

use std::io::{self, Write};

use super::analysis::bottleneck;
use super::measure::Figure;
use super::runner::{Results, Row};
use super::target::Status;

/// The widest line, except where a single word is wider.
const WIDTH: usize = 80;

/// The heading above rows.
///
/// # Errors
/// If the output fails.
pub fn heading(out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "    {:<32} {:>12}  target", "figure", "measured")
}

/// A row: a line for its name and how it ended, one for each figure with a target, or
/// with `verbose` for each, and what went wrong.
///
/// # Errors
/// If the output fails.
pub fn row(row: &Row, verbose: bool, out: &mut dyn Write) -> io::Result<()> {
    let hash = row
        .event_hash
        .as_ref()
        .map_or_else(String::new, |hash| format!("event hash {hash}"));
    let line = format!("{:<7} {:<44} {hash}", row.shown(), row.id);
    writeln!(out, "{}", line.trim_end())?;
    let figures = row.measured.figures.iter();
    for figure in figures.filter(|figure| verbose || figure.target.is_some()) {
        let target = figure
            .target
            .map_or_else(String::new, |target| target.show(figure.unit));
        let mark = if row.meets(figure) { "" } else { "  MISSED" };
        let measured = show(row, figure);
        let line = format!("    {:<32} {measured:>12}  {target}{mark}", figure.name);
        writeln!(out, "{}", line.trim_end())?;
    }
    if verbose {
        if let Some((stage, share)) = bottleneck(&row.measured) {
            let what = format!("most of the time ({:.0} %): {}", 100.0 * share, stage.name);
            indented(&what, out)?;
        }
        for note in &row.measured.notes {
            indented(&format!("({note})"), out)?;
        }
    }
    for what in row.measured.errors.iter().chain(&row.alerts()) {
        indented(what, out)?;
    }
    Ok(())
}

/// Lines that start behind a margin.
fn indented(text: &str, out: &mut dyn Write) -> io::Result<()> {
    indented_after("    ", text, out)
}

/// Lines of which the first starts so.
fn indented_after(start: &str, text: &str, out: &mut dyn Write) -> io::Result<()> {
    let mut line = start.to_owned();
    for word in text.split_whitespace() {
        let space = if line.trim().is_empty() { "" } else { " " };
        let length = line.chars().count() + space.len() + word.chars().count();
        if length > WIDTH && !line.trim().is_empty() {
            writeln!(out, "{line}")?;
            line = format!("      {word}");
            continue;
        }
        line.push_str(space);
        line.push_str(word);
    }
    writeln!(out, "{line}")
}

/// A figure's value: of the row, or of the machine.
#[must_use]
pub fn show(row: &Row, figure: &Figure) -> String {
    match row.value(figure) {
        Some(value) => figure.unit.show(value),
        None => "-".to_owned(),
    }
}

/// The last lines: which failed, what raised an alert, and how many passed.
///
/// # Errors
/// If the output fails.
pub fn summary(results: &Results, out: &mut dyn Write) -> io::Result<()> {
    let failed = results
        .rows
        .iter()
        .filter(|row| row.shown() == Status::Fail);
    for row in failed {
        writeln!(out, "FAIL {}", row.id)?;
    }
    for row in &results.rows {
        for alert in row.alerts() {
            indented_after("", &format!("{alert} ({})", row.id), out)?;
        }
    }
    writeln!(out, "{}", results.counts_in_words())
}

/// What a row missed, in words.
#[must_use]
pub fn misses(row: &Row) -> Vec<String> {
    let figures = row
        .measured
        .figures
        .iter()
        .filter(|figure| !row.meets(figure));
    let figures = figures.map(|figure| {
        let target = figure.target.map(|target| target.show(figure.unit));
        format!(
            "{}: {}, should be {}",
            figure.name,
            show(row, figure),
            target.unwrap_or_default()
        )
    });
    figures.chain(row.measured.errors.iter().cloned()).collect()
}
