//! Results for machines that build: `JUnit` XML and Markdown.

use std::fmt::Write as _;

use super::analysis::bottlenecks;
use super::baseline::BaselineComparison;
use super::context::Mode;
use super::html::About;
use super::runner::{Results, Row};
use super::table::{misses, show};
use super::target::{Status, Unit};
use crate::report::human_ns;

/// `JUnit` XML: a test case for each benchmark, a suite for each suite. What differs from a
/// baseline has failed as well.
#[must_use]
pub fn junit(results: &Results, compared: Option<&BaselineComparison>) -> String {
    let failure = |row: &Row| {
        let mut what = Vec::new();
        if row.shown() == Status::Fail {
            what.extend(misses(row));
        }
        if let Some(bad) = compared.and_then(|compared| compared.bad_row(&row.id)) {
            let lines = bad.what();
            what.push(format!("{} {}", bad.verdict, lines.join("; ")));
        }
        (!what.is_empty()).then(|| what.join("; "))
    };
    let cases: Vec<(&Row, Option<String>)> =
        results.rows.iter().map(|row| (row, failure(row))).collect();
    let failed = |cases: &[&(&Row, Option<String>)]| {
        let failed = cases.iter().filter(|(_, failure)| failure.is_some());
        failed.count()
    };
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let _ = writeln!(
        text,
        "<testsuites name=\"retake {}\" tests=\"{}\" failures=\"{}\">",
        results.mode,
        cases.len(),
        failed(&cases.iter().collect::<Vec<_>>())
    );
    for suite in super::SUITES {
        let of_suite = cases.iter().filter(|(row, _)| row.suite() == suite);
        let of_suite: Vec<_> = of_suite.collect();
        if of_suite.is_empty() {
            continue;
        }
        let (count, failed) = (of_suite.len(), failed(&of_suite));
        let _ = writeln!(
            text,
            "  <testsuite name=\"{suite}\" tests=\"{count}\" failures=\"{failed}\">"
        );
        for (row, failure) in of_suite {
            let name = escape(row.id.trim_start_matches(suite).trim_start_matches('/'));
            let seconds = row.took.as_secs_f64();
            let _ = write!(
                text,
                "    <testcase classname=\"{suite}\" name=\"{name}\" time=\"{seconds:.3}\""
            );
            match failure {
                Some(what) => {
                    let what = escape(what);
                    let _ = writeln!(
                        text,
                        ">\n      <failure message=\"{what}\"/>\n    </testcase>"
                    );
                }
                None => text.push_str("/>\n"),
            }
        }
        text.push_str("  </testsuite>\n");
    }
    text.push_str("</testsuites>\n");
    text
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

fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace(char::is_control, " ")
}

/// A report in Markdown: how it came about, the figures that have targets, what differs
/// from a baseline, where the time went, and the latencies.
#[must_use]
pub fn markdown(results: &Results, about: &About) -> String {
    let mut text = format!("### Benchmarks ({})\n\n", results.mode);
    let _ = writeln!(text, "**{}**\n", results.counts_in_words());
    if results.mode == Mode::Sim {
        text.push_str(
            "A queueing model in virtual time: what operations cost is stated, not measured.\n\n",
        );
    }
    for (name, what) in about.environment(results) {
        let _ = writeln!(text, "- {name}: `{}`", what.replace('`', "'"));
    }
    text.push('\n');
    if let Some(compared) = &about.compared {
        differences(&mut text, compared);
    }
    targets(&mut text, results);
    time_spent(&mut text, results);
    latencies(&mut text, results);
    text
}

fn differences(text: &mut String, compared: &BaselineComparison) {
    let (name, about) = (&compared.name, &compared.about);
    let _ = writeln!(
        text,
        "#### Compared with the baseline `{name}`\n\n{about}\n"
    );
    if compared.bad().next().is_none() {
        text.push_str("Nothing is worse.\n\n");
        return;
    }
    for row in compared.bad() {
        let what = cell(&row.what().join("; "));
        let _ = writeln!(text, "- **{}** {}: {what}", row.verdict, row.id);
    }
    text.push('\n');
}

fn targets(text: &mut String, results: &Results) {
    text.push_str("| | benchmark | figure | measured | target |\n|---|---|---|---|---|\n");
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
        for what in row.measured.errors.iter().chain(&row.alerts()) {
            let (status, id) = std::mem::take(&mut first);
            let _ = writeln!(text, "| {status} | {id} | {} | | |", cell(what));
        }
        if !first.1.is_empty() {
            // Nothing is judged, and nothing went wrong.
            let _ = writeln!(text, "| {} | {} | | | |", first.0, first.1);
        }
    }
}

fn time_spent(text: &mut String, results: &Results) {
    let found = bottlenecks(results);
    if found.is_empty() {
        return;
    }
    text.push_str("\n#### Where the time went\n\n");
    text.push_str("| benchmark | a request | most of it in | share |\n|---|---|---|---|\n");
    for found in found {
        let _ = writeln!(
            text,
            "| {} | {} | {} | {:.0} % |",
            found.id,
            Unit::Nanoseconds.show(found.each_ns),
            cell(&found.stage.name),
            100.0 * found.share
        );
    }
}

fn latencies(text: &mut String, results: &Results) {
    let all = results.rows.iter().flat_map(|row| {
        let distributions = row.measured.distributions.iter();
        distributions.map(|distribution| (&row.id, distribution))
    });
    let mut is_first = true;
    for (id, distribution) in all {
        if std::mem::take(&mut is_first) {
            text.push_str("\n#### Latencies\n\n");
            text.push_str("| benchmark | of | count | p50 | p90 | p99 | p99.9 | max |\n");
            text.push_str("|---|---|---|---|---|---|---|---|\n");
        }
        let it = &distribution.summary;
        let _ = write!(
            text,
            "| {id} | {} | {} |",
            cell(&distribution.name),
            it.count
        );
        for ns in [it.p50_ns, it.p90_ns, it.p99_ns, it.p999_ns, it.max_ns] {
            let _ = write!(text, " {} |", human_ns(ns));
        }
        text.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::baseline::{Comparison, Verdict};
    use super::super::measure::Measurement;
    use super::super::target::Target;
    use super::*;

    fn results() -> Results {
        let mut measured = Measurement::new();
        measured.judge("p99", 2e6, Unit::Nanoseconds, Target::AtMost(1e6));
        measured.errors.push("a | b <c>\u{1}".to_owned());
        measured.stage("governor", Duration::from_micros(30), 10);
        measured.stage("ledger", Duration::from_micros(90), 10);
        let mut latencies = crate::load::Latencies::default();
        latencies.record(Duration::from_micros(12));
        measured.distribution("write", &latencies);
        let row = |id: &str, measured: Measurement| Row {
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
            think_ms: None,
            failures: vec!["break ledger slow by 5ms @0s".to_owned()],
            rows: vec![
                row("http/health", Measurement::new()),
                row("ledger/x", measured),
            ],
        }
    }

    fn about() -> About {
        About {
            date: "2026-11-24 08:15:00".to_owned(),
            machine: "a machine".to_owned(),
            load: Some(0.5),
            file_system: Some("ext4".to_owned()),
            code: "retake 0.1.0".to_owned(),
            commit: Some("abc".to_owned()),
            command: "retake bench all --live".to_owned(),
            compared: Some(BaselineComparison {
                name: "main".to_owned(),
                about: "yesterday".to_owned(),
                is_same_machine: true,
                rows: vec![Comparison {
                    id: "http/health".to_owned(),
                    verdict: Verdict::Regressed(vec!["p99: 1 ms -> 2 ms".to_owned()]),
                    grown: Some("it takes longer in: ledger".to_owned()),
                    divergence: None,
                }],
            }),
        }
    }

    #[test]
    fn junit_names_what_was_missed_and_is_well_formed() {
        insta::assert_snapshot!(junit(&results(), about().compared.as_ref()));
    }

    #[test]
    fn markdown_is_a_table() {
        insta::assert_snapshot!(markdown(&results(), &about()));
    }
}
