//! Results for machines that build: `JUnit` XML and Markdown.

use std::fmt::Write as _;

use super::runner::{Results, Row};
use super::table::show;
use super::target::Status;

/// `JUnit` XML: a test case for each benchmark, a suite for each suite.
#[must_use]
pub fn junit(results: &Results) -> String {
    let (passed, failed) = results.counts();
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let _ = writeln!(
        text,
        "<testsuites name=\"retake {}\" tests=\"{}\" failures=\"{failed}\">",
        results.mode,
        passed + failed
    );
    for suite in super::SUITES {
        let rows: Vec<&Row> = results
            .rows
            .iter()
            .filter(|row| row.id.starts_with(&format!("{suite}/")))
            .collect();
        if rows.is_empty() {
            continue;
        }
        let failed = rows
            .iter()
            .filter(|row| row.shown() == Status::Fail)
            .count();
        let count = rows.len();
        let _ = writeln!(
            text,
            "  <testsuite name=\"{suite}\" tests=\"{count}\" failures=\"{failed}\">"
        );
        for row in rows {
            let name = escape(row.id.trim_start_matches(suite).trim_start_matches('/'));
            let seconds = row.took.as_secs_f64();
            let _ = write!(
                text,
                "    <testcase classname=\"{suite}\" name=\"{name}\" time=\"{seconds:.3}\""
            );
            if row.shown() == Status::Fail {
                let what = escape(&misses(row).join("; "));
                let _ = writeln!(
                    text,
                    ">\n      <failure message=\"{what}\"/>\n    </testcase>"
                );
            } else {
                text.push_str("/>\n");
            }
        }
        text.push_str("  </testsuite>\n");
    }
    text.push_str("</testsuites>\n");
    text
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

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            // XML 1.0 has no other control characters.
            c if c.is_control() && !matches!(c, '\n' | '\t') => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}

/// A table in Markdown, with the figures that have targets.
#[must_use]
pub fn markdown(results: &Results) -> String {
    let (passed, failed) = results.counts();
    let mut text = format!("### Benchmarks ({})\n\n", results.mode);
    let _ = writeln!(text, "**{passed} passed, {failed} failed**\n");
    text.push_str("| | benchmark | figure | measured | target |\n|---|---|---|---|---|\n");
    let cell = |text: &str| text.replace('|', "\\|").replace(char::is_control, " ");
    for row in &results.rows {
        let mut first = (row.shown().to_string(), row.id.clone());
        for figure in row.measured.figures.iter().filter(|it| it.target.is_some()) {
            let target = figure.target.map(|target| target.show(figure.unit));
            let mark = if row.meets(figure) { "" } else { " **missed**" };
            let (status, id) = std::mem::take(&mut first);
            let _ = writeln!(
                text,
                "| {status} | {id} | {} | {} | {}{mark} |",
                cell(&figure.name),
                show(row, figure),
                target.unwrap_or_default()
            );
        }
        for error in &row.measured.errors {
            let (status, id) = std::mem::take(&mut first);
            let _ = writeln!(text, "| {status} | {id} | {} | | |", cell(error));
        }
        if !first.1.is_empty() {
            // Nothing is judged, and nothing went wrong.
            let _ = writeln!(text, "| {} | {} | | | |", first.0, first.1);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::context::Mode;
    use super::super::measure::Measured;
    use super::super::target::{Target, Unit};
    use super::*;

    fn results() -> Results {
        let mut measured = Measured::new();
        measured.judge("p99", 2e6, Unit::Nanoseconds, Target::AtMost(1e6));
        measured.errors.push("a | b <c>\u{1}".to_owned());
        let row = |id: &str, measured: Measured| Row {
            id: id.to_owned(),
            load: String::new(),
            status: measured.status(),
            event_hash: None,
            machine_series: Vec::new(),
            machine: Default::default(),
            measured,
            took: std::time::Duration::from_millis(1500),
        };
        Results {
            mode: Mode::Live,
            seed: 0,
            scale: 1.0,
            costs: None,
            rows: vec![
                row("http/health", Measured::new()),
                row("ledger/x", measured),
            ],
        }
    }

    #[test]
    fn junit_names_what_was_missed_and_is_well_formed() {
        insta::assert_snapshot!(junit(&results()), @r#"
        <?xml version="1.0" encoding="UTF-8"?>
        <testsuites name="retake live" tests="2" failures="1">
          <testsuite name="http" tests="1" failures="0">
            <testcase classname="http" name="health" time="1.500"/>
          </testsuite>
          <testsuite name="ledger" tests="1" failures="1">
            <testcase classname="ledger" name="x" time="1.500">
              <failure message="p99: 2.00 ms, should be &lt;= 1.00 ms; a | b &lt;c&gt;�"/>
            </testcase>
          </testsuite>
        </testsuites>
        "#);
    }

    #[test]
    fn markdown_is_a_table() {
        insta::assert_snapshot!(markdown(&results()), @r"
        ### Benchmarks (live)

        **1 passed, 1 failed**

        | | benchmark | figure | measured | target |
        |---|---|---|---|---|
        | PASS | http/health | | | |
        | FAIL | ledger/x | p99 | 2.00 ms | <= 1.00 ms **missed** |
        |  |  | a \| b <c>  | | |
        ");
    }
}
