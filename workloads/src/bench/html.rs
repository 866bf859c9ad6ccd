//! Results as one page that needs nothing else: no network, no scripts.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::analysis::{bottleneck, bottlenecks, waited_ns};
use super::baseline::BaselineComparison;
use super::charts::{over_time, percentiles};
use super::context::Mode;
use super::costs::{Cost, Costs};
use super::measure::{Figure, Measurement, Stage};
use super::runner::{Results, Row};
use super::table::{misses, show};
use super::target::{Status, Target, Unit};
use crate::live_faults;

/// What reports show in addition to the results.
#[derive(Clone, Debug, Default)]
pub struct About {
    /// When, in UTC.
    pub date: String,
    /// The machine.
    pub machine: String,
    /// How busy it was when the run began.
    pub load: Option<f64>,
    /// The file system of live ledgers.
    pub file_system: Option<String>,
    /// The program.
    pub code: String,
    /// The commit, where it is known.
    pub commit: Option<String>,
    /// The command that gives the same again.
    pub command: String,
    /// How the results compare with a baseline.
    pub compared: Option<BaselineComparison>,
}

impl About {
    /// Everything but the comparison, by name.
    #[must_use]
    pub fn environment(&self, results: &Results) -> Vec<(String, String)> {
        let commit = self.commit.as_ref();
        let commit = commit.map_or_else(String::new, |commit| format!(", commit {commit}"));
        let mut pairs = vec![
            ("command", self.command.clone()),
            ("date", format!("{} UTC", self.date)),
            ("machine", self.machine.clone()),
            ("program", format!("{}{commit}", self.code)),
        ];
        match results.mode {
            Mode::Sim => pairs.push(("seed", results.seed.to_string())),
            Mode::Program => {}
            Mode::Live => {
                if let Some(load) = self.load {
                    pairs.push(("load average", format!("{load:.2} when the run began")));
                }
                if let Some(kind) = &self.file_system {
                    pairs.push(("ledgers lie on", kind.clone()));
                }
            }
        }
        pairs.push(("scale", results.scale.to_string()));
        for failure in &results.failures {
            pairs.push(("fails on purpose", failure.clone()));
        }
        let costs = results.costs.iter().flat_map(Costs::all);
        let costs: Vec<_> = costs.map(|(name, cost)| (name, in_words(cost))).collect();
        let pairs = pairs.into_iter().chain(costs);
        pairs.map(|(name, text)| (name.to_owned(), text)).collect()
    }
}

/// A cost by three figures.
fn in_words(cost: &Cost) -> String {
    let [mean, p50, p99] = cost.summary();
    format!("mean {mean:.2} µs, p50 {p50:.2} µs, p99 {p99:.2} µs")
}

const STYLE: &str = include_str!("report.css");

/// The page.
#[must_use]
pub fn page(results: &Results, about: &About) -> String {
    let title = format!("Retake benchmarks, {}", results.mode);
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header {
                    h1 { (title) }
                    (verdict(results, about))
                }
                main {
                    (summary(results))
                    @if let Some(compared) = &about.compared { (comparison(compared)) }
                    (time_spent(results))
                    section id="details" {
                        h2 { "Benchmarks" }
                        @for row in &results.rows { (details(row, results)) }
                    }
                    (environment(results, about))
                }
            }
        }
    };
    page.into_string()
}

/// The most important things, first.
fn verdict(results: &Results, about: &About) -> Markup {
    html! {
        p.verdict {
            strong { (results.counts_in_words()) }
            @if results.scale < 1.0 { " at " (results.scale) " of the full load" }
            @if let Some(compared) = &about.compared {
                @let bad = compared.bad().count();
                " · " a href="#comparison" {
                    @if bad == 0 { "none worse" } @else { (bad) " differ" }
                } " compared with the baseline " code { (compared.name) }
            }
        }
        (attention(results))
        @for failure in &results.failures { p.alerted { "Fails on purpose: " code { (failure) } } }
        @if results.mode == Mode::Sim {
            p { "A queueing model in virtual time: what operations cost is "
                a href="#environment" { "stated" }
                ", not measured here. The same to the byte on every machine." }
        }
    }
}

/// What failed and what raised an alert, the worst first, each with its sentence.
fn attention(results: &Results) -> Markup {
    let mut rows: Vec<&Row> = results.rows.iter().collect();
    rows.retain(|row| row.shown() != Status::Pass);
    rows.sort_by_key(|row| std::cmp::Reverse(row.shown()));
    html! {
        @if !rows.is_empty() {
            ul.attention {
                @for row in rows {
                    li {
                        (badge(row.shown())) " " a href={"#" (anchor(&row.id))} { (row.id) } ": "
                        @let missed = if row.shown() == Status::Fail { misses(row) } else { Vec::new() };
                        (missed.into_iter().chain(row.alerts()).collect::<Vec<_>>().join("; "))
                    }
                }
            }
        }
    }
}

/// How far a figure is from its target, as a bar: its length is the figure, its mark the
/// bound. Both fit, whichever is larger.
fn gauge(row: &Row, figure: &Figure) -> Markup {
    let (Some(target), Some(value)) = (figure.target, row.value(figure)) else {
        return html! {};
    };
    let bounds = match target {
        Target::AtMost(bound) | Target::AtLeast(bound) => vec![bound],
        Target::Within(least, most) => vec![least, most],
    };
    // What did not come is as long as the bar.
    let shown = value
        .max(0.0)
        .min(bounds.iter().fold(0.0, |a: f64, b| a.max(*b)) * 4.0 + 1.0);
    let whole = bounds
        .iter()
        .fold(shown, |most: f64, bound| most.max(*bound))
        * 1.1;
    let percent = |value: f64| {
        format!(
            "{:.1}%",
            (100.0 * value / whole.max(1e-9)).clamp(0.0, 100.0)
        )
    };
    let text = format!("{} of {}", show(row, figure), target.show(figure.unit));
    html! {
        span.gauge role="img" aria-label=(text) title=(text) {
            span.value style={"width:" (percent(shown))} {}
            @for bound in bounds { span.bound style={"left:" (percent(bound))} {} }
        }
    }
}

/// Which part of the system held each load up.
fn time_spent(results: &Results) -> Markup {
    let bottlenecks = bottlenecks(results);
    html! {
        @if !bottlenecks.is_empty() {
            section id="bottlenecks" {
                h2 { "Where the time went" }
                div.scroll { table {
                    thead { tr { th { "benchmark" } th.number { "a request" } th { "most of it in" } th.number { "share" } } }
                    tbody {
                        @for found in &bottlenecks {
                            tr {
                                td { a href={"#" (anchor(found.id))} { (found.id) } }
                                td.number { (Unit::Nanoseconds.show(found.each_ns)) }
                                td { (found.stage.name) }
                                td.number { (format!("{:.0} %", 100.0 * found.share)) }
                            }
                        }
                    }
                } }
            }
        }
    }
}

fn badge(status: Status) -> Markup {
    let class = match status {
        Status::Pass => "pass",
        Status::Warning => "warning",
        Status::Alert => "alert",
        Status::Fail => "fail",
    };
    html! { span class={"badge " (class)} { (status.to_string()) } }
}

fn anchor(id: &str) -> String {
    id.replace('/', "-")
}

fn summary(results: &Results) -> Markup {
    html! {
        section id="summary" {
            h2 { "Targets" }
            div.scroll { table {
                thead { tr { th { "benchmark" } th { "figure" } th.number { "measured" } th { "" } th { "target" } } }
                tbody {
                    @for row in &results.rows {
                        @let judged: Vec<_> = row.measured.figures.iter().filter(|it| it.target.is_some()).collect();
                        @for (place, figure) in judged.iter().enumerate() {
                            tr.missed[!row.meets(figure)].first[place == 0] {
                                td { @if place == 0 { (badge(row.shown())) " " a href={"#" (anchor(&row.id))} { (row.id) } } }
                                td { (figure.name) }
                                td.number { (show(row, figure)) }
                                td.gauges { (gauge(row, figure)) }
                                td { (figure.target.map(|target| target.show(figure.unit)).unwrap_or_default())
                                     @if !row.meets(figure) { strong { " missed" } } }
                            }
                        }
                        @if judged.is_empty() {
                            tr.first { td { (badge(row.shown())) " " a href={"#" (anchor(&row.id))} { (row.id) } } td colspan="4" {} }
                        }
                    }
                }
            } }
        }
    }
}

fn comparison(compared: &BaselineComparison) -> Markup {
    html! {
        section id="comparison" {
            h2 { "Compared with the baseline " code { (compared.name) } }
            p.note { "The baseline: " (compared.about) }
            @if !compared.is_same_machine { p.alerted { "It was measured on another machine." } }
            @if compared.bad().next().is_none() { p { "Nothing is worse." } } @else {
                ul {
                    @for row in compared.bad() {
                        li {
                            strong { (row.verdict.to_string()) } " "
                            a href={"#" (anchor(&row.id))} { (row.id) } ": " (row.what().join("; "))
                            @if let Some(text) = &row.divergence { pre { (text) } }
                        }
                    }
                }
            }
        }
    }
}

/// What failed on purpose, in seconds since the start of each load, for its charts.
fn failures(results: &Results) -> Vec<(f64, String)> {
    let mut marks = Vec::new();
    for text in &results.failures {
        // Only what was read is kept.
        let span = text.parse().ok().and_then(|it| live_faults::span(&it));
        let Some((name, start, end)) = span else {
            continue;
        };
        marks.push((start.as_secs_f64(), name.clone()));
        if let Some(end) = end {
            marks.push((end.as_secs_f64(), format!("end of {name}")));
        }
    }
    marks
}

fn details(row: &Row, results: &Results) -> Markup {
    /// So few are all shown at once.
    const FEW: usize = 6;
    let measured = &row.measured;
    let mut marks = measured.marks.clone();
    marks.extend(failures(results));
    let is_open =
        row.shown() == Status::Fail || row.suite() == "stress" || results.rows.len() <= FEW;
    let reported: Vec<_> = measured
        .figures
        .iter()
        .filter(|it| it.target.is_none())
        .collect();
    html! {
        details id=(anchor(&row.id)) open[is_open] {
            summary { (badge(row.shown())) " " strong { (row.id) } " " span.load { (row.load) } }
            @for error in &measured.errors { p.error { (error) } }
            @for alert in &row.alerts() { p.alerted { (alert) } }
            @if !reported.is_empty() {
                dl { @for figure in reported { dt { (figure.name) } dd { (show(row, figure)) } } }
            }
            (stages(measured))
            div.charts {
                @if !measured.distributions.is_empty() {
                    figure {
                        figcaption { "Latency by share of requests" }
                        (PreEscaped(percentiles(&measured.distributions)))
                    }
                }
                @for series in measured.series.iter().chain(&row.machine_series) {
                    @if series.points.iter().any(|(_, value)| *value != 0.0) {
                        figure {
                            figcaption { (series.name) " over time" }
                            (PreEscaped(over_time(series, &marks)))
                        }
                    }
                }
            }
            @for note in &measured.notes { p.note { (note) } }
        }
    }
}

/// Which stage held the time, in words and bars.
fn stages(measured: &Measurement) -> Markup {
    let Some((longest, share)) = bottleneck(measured) else {
        return html! {};
    };
    let total = waited_ns(measured);
    let share_of = |stage: &Stage| 100.0 * stage.total_ns as f64 / total as f64;
    html! {
        div.stages {
            p { "Most of the time, " (format!("{:.0} %", 100.0 * share)) ", was spent in: "
                strong { (longest.name) } }
            @for stage in &measured.stages {
                div.stage.behind[stage.is_behind] {
                    span.name { (stage.name) @if stage.is_behind { " (behind the answer)" } }
                    span.bar { span style={"width:" (format!("{:.1}%", share_of(stage).min(100.0)))} {} }
                    span.share { (Unit::Nanoseconds.show(stage.each_ns())) }
                }
            }
        }
    }
}

fn environment(results: &Results, about: &About) -> Markup {
    html! {
        section id="environment" {
            h2 { "How this came about" }
            dl {
                @for (name, text) in about.environment(results) {
                    dt { (name) }
                    dd { @if name == "command" { code { (text) } } @else { (text) } }
                }
            }
        }
    }
}
