//! Results as one page that needs nothing else: no network, no scripts.

use std::fmt::Write as _;

use maud::{DOCTYPE, Markup, PreEscaped, html};
use plotters::coord::Shift;
use plotters::prelude::*;

use super::baseline::{Comparison, Verdict};
use super::measure::{Distribution, Measured, Series};
use super::runner::{Results, Row};
use super::table::show;
use super::target::{Status, Unit};

/// What the page tells beside the results.
#[derive(Clone, Debug, Default)]
pub struct About {
    /// The machine.
    pub machine: String,
    /// The program.
    pub code: String,
    /// The commit, where it is known.
    pub commit: Option<String>,
    /// The command that gives the same again.
    pub command: String,
    /// How the results compare with a baseline, and its name.
    pub comparison: Option<(String, Vec<Comparison>)>,
}

const STYLE: &str = include_str!("report.css");

/// The page.
#[must_use]
pub fn page(results: &Results, about: &About) -> String {
    let (passed, failed) = results.counts();
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
                    p.verdict {
                        strong { (passed) " passed, " (failed) " failed" }
                        @if results.scale < 1.0 { " at " (results.scale) " of the full load" }
                    }
                    @if results.mode == super::Mode::Sim {
                        p { "A queueing model in virtual time: what operations cost is stated \
                             below, not measured here. The same to the byte on every machine." }
                    }
                }
                main {
                    (summary(results))
                    @if let Some((name, comparisons)) = &about.comparison {
                        (comparison(name, comparisons))
                    }
                    section id="details" {
                        h2 { "Benchmarks" }
                        @for row in &results.rows { (details(row)) }
                    }
                    (environment(results, about))
                }
            }
        }
    };
    page.into_string()
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
                thead { tr { th { "benchmark" } th { "figure" } th.number { "measured" } th { "target" } } }
                tbody {
                    @for row in &results.rows {
                        @let judged: Vec<_> = row.measured.figures.iter().filter(|it| it.target.is_some()).collect();
                        @for (place, figure) in judged.iter().enumerate() {
                            tr.missed[!row.meets(figure)].first[place == 0] {
                                td { @if place == 0 { (badge(row.shown())) " " a href={"#" (anchor(&row.id))} { (row.id) } } }
                                td { (figure.name) }
                                td.number { (show(row, figure)) }
                                td { (figure.target.map(|target| target.show(figure.unit)).unwrap_or_default())
                                     @if !row.meets(figure) { strong { " missed" } } }
                            }
                        }
                        @if judged.is_empty() {
                            tr.first { td { (badge(row.shown())) " " a href={"#" (anchor(&row.id))} { (row.id) } } td colspan="3" {} }
                        }
                    }
                }
            } }
        }
    }
}

fn comparison(name: &str, comparisons: &[Comparison]) -> Markup {
    let bad = comparisons.iter().filter(|it| it.verdict.is_bad()).count();
    html! {
        section id="comparison" {
            h2 { "Beside the baseline " code { (name) } }
            @if bad == 0 { p { "Nothing is worse." } } @else {
                ul {
                    @for comparison in comparisons {
                        @match &comparison.verdict {
                            Verdict::Changed(what) => li { strong { "CHANGED " } (comparison.id) ": " (what.join("; "))
                                @if let Some(text) = &comparison.divergence { pre { (text) } }
                            },
                            Verdict::Regressed(what) => li { strong { "REGRESSED " } (comparison.id) ": " (what.join("; ")) },
                            Verdict::Same | Verdict::New => {},
                        }
                    }
                }
            }
        }
    }
}

fn details(row: &Row) -> Markup {
    let measured = &row.measured;
    let reported: Vec<_> = measured
        .figures
        .iter()
        .filter(|it| it.target.is_none())
        .collect();
    html! {
        details id=(anchor(&row.id)) open[row.shown() == Status::Fail] {
            summary { (badge(row.shown())) " " strong { (row.id) } " " span.load { (row.load) } }
            @for error in &measured.errors { p.error { (error) } }
            @for alert in &row.alerts() { p.alerted { (alert) } }
            @if !reported.is_empty() {
                dl { @for figure in reported { dt { (figure.name) } dd { (show(row, figure)) } } }
            }
            (bottleneck(measured))
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
                            (PreEscaped(over_time(series, &measured.marks)))
                        }
                    }
                }
            }
            @for note in &measured.notes { p.note { (note) } }
        }
    }
}

/// Which stage held the time, in words and bars.
fn bottleneck(measured: &Measured) -> Markup {
    let on_the_way: Vec<_> = measured
        .stages
        .iter()
        .filter(|stage| !stage.name.starts_with('('))
        .collect();
    let total: u64 = on_the_way.iter().map(|stage| stage.total_ns).sum();
    let longest = on_the_way.iter().max_by_key(|stage| stage.total_ns);
    let Some(longest) = longest.filter(|_| total > 0) else {
        return html! {};
    };
    let share = |ns: u64| 100.0 * ns as f64 / total as f64;
    html! {
        div.stages {
            p { "Most of the time, " (format!("{:.0} %", share(longest.total_ns))) ", was spent in: "
                strong { (longest.name) } }
            @for stage in &measured.stages {
                @let percent = share(stage.total_ns).min(100.0);
                div.stage {
                    span.name { (stage.name) }
                    span.bar { span style={"width:" (format!("{percent:.1}%"))} {} }
                    span.share { (format!("{:.1} %", share(stage.total_ns))) }
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
                dt { "command" } dd { code { (about.command) } }
                dt { "machine" } dd { (about.machine) }
                dt { "program" } dd { (about.code) @if let Some(commit) = &about.commit { ", commit " code { (commit) } } }
                @if results.mode == super::Mode::Sim { dt { "seed" } dd { (results.seed) } }
                @if let Some(costs) = &results.costs {
                    @for (name, cost) in costs.all() { dt { (name) } dd { (cost) } }
                }
            }
        }
    }
}

/// Colours that can be told apart on white and on black, also without colour sight.
const COLOURS: [RGBColor; 6] = [
    RGBColor(59, 130, 246),
    RGBColor(234, 120, 20),
    RGBColor(22, 160, 110),
    RGBColor(190, 80, 200),
    RGBColor(200, 60, 80),
    RGBColor(120, 130, 40),
];
/// Of texts and axes: readable on white and on black.
const INK: RGBColor = RGBColor(125, 125, 125);
const SIZE: (u32, u32) = (640, 300);

type Drawn = Result<(), Box<dyn std::error::Error>>;

/// A drawing as SVG; what cannot be drawn says so.
fn svg(name: &str, draw: impl FnOnce(&DrawingArea<SVGBackend<'_>, Shift>) -> Drawn) -> String {
    let mut text = String::new();
    let drawn = {
        let area = SVGBackend::with_string(&mut text, SIZE).into_drawing_area();
        draw(&area).and_then(|()| Ok(area.present()?))
    };
    if let Err(error) = drawn {
        return html! { p.error { "cannot be drawn: " (error.to_string()) } }.into_string();
    }
    // For screen readers, and to shrink on a phone.
    let label = html! { (name) }.into_string();
    let start = format!("<svg role=\"img\" aria-label=\"{label}\" class=\"chart\" ");
    text.replacen("<svg ", &start, 1)
}

/// The share of the slowest requests, as the power of ten that the axis shows.
fn nines(share: f64) -> f64 {
    -(1.0 - share).max(1e-5).log10()
}

fn percentiles(distributions: &[Distribution]) -> String {
    let points = || distributions.iter().flat_map(|it| &it.curve);
    let least = points().map(|(_, ns)| *ns).filter(|ns| *ns > 0).min();
    let most = points().map(|(_, ns)| *ns).max().unwrap_or(1);
    let least = least.unwrap_or(1).min(most) as f64;
    let range = (least * 0.8..(most.max(1) as f64) * 1.3).log_scale();
    svg("latency by share of requests", |area| {
        let mut chart = ChartBuilder::on(area)
            .margin(8)
            .x_label_area_size(30)
            .y_label_area_size(72)
            .build_cartesian_2d(0.0..5.0, range)?;
        chart
            .configure_mesh()
            .axis_style(INK)
            .bold_line_style(INK.mix(0.25))
            .light_line_style(TRANSPARENT)
            .label_style(("sans-serif", 13).into_font().color(&INK))
            .x_labels(6)
            .x_label_formatter(&|nines: &f64| match nines.round() as usize {
                0 => "0 %".to_owned(),
                1 => "90 %".to_owned(),
                2 => "99 %".to_owned(),
                count => format!("99.{} %", "9".repeat(count - 2)),
            })
            .y_label_formatter(&|ns: &f64| Unit::Nanoseconds.show(*ns))
            .draw()?;
        for (place, distribution) in distributions.iter().enumerate() {
            let colour = COLOURS[place % COLOURS.len()];
            let curve = distribution.curve.iter();
            let curve = curve.map(|(share, ns)| (nines(*share), (*ns).max(1) as f64));
            chart
                .draw_series(LineSeries::new(curve, colour.stroke_width(2)))?
                .label(distribution.name.as_str())
                .legend(move |(x, y)| {
                    PathElement::new([(x, y), (x + 16, y)], colour.stroke_width(2))
                });
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::UpperLeft)
            .label_font(("sans-serif", 13).into_font().color(&INK))
            .draw()?;
        Ok(())
    })
}

fn over_time(series: &Series, marks: &[(f64, String)]) -> String {
    let end = series.points.last().map_or(1.0, |(at, _)| at.max(1.0));
    let most = series
        .points
        .iter()
        .map(|(_, value)| *value)
        .fold(0.0, f64::max);
    svg(&format!("{} over time", series.name), |area| {
        let mut chart = ChartBuilder::on(area)
            .margin(8)
            .x_label_area_size(30)
            .y_label_area_size(72)
            .build_cartesian_2d(0.0..end, 0.0..(most * 1.15).max(1e-9))?;
        chart
            .configure_mesh()
            .axis_style(INK)
            .bold_line_style(INK.mix(0.25))
            .light_line_style(TRANSPARENT)
            .label_style(("sans-serif", 13).into_font().color(&INK))
            .x_label_formatter(&|seconds: &f64| format!("{seconds:.0} s"))
            .y_label_formatter(&|value: &f64| series.unit.show(*value))
            .draw()?;
        let points = series.points.iter().copied();
        chart.draw_series(AreaSeries::new(points.clone(), 0.0, COLOURS[0].mix(0.15)))?;
        chart.draw_series(LineSeries::new(points, COLOURS[0].stroke_width(2)))?;
        for (at, what) in marks.iter().filter(|(at, _)| *at <= end) {
            let line = [(*at, 0.0), (*at, most * 1.1)];
            chart.draw_series([PathElement::new(line, COLOURS[1].stroke_width(1))])?;
            let font = ("sans-serif", 12).into_font().color(&COLOURS[1]);
            chart.draw_series([Text::new(what.clone(), (*at, most * 1.13), font)])?;
        }
        Ok(())
    })
}

/// The command line that gives the same results again.
#[must_use]
pub fn command(results: &Results, names: &[String]) -> String {
    let mut text = String::from("retake bench");
    let all = ["all".to_owned()];
    for name in if names.is_empty() { &all } else { names } {
        let _ = write!(text, " {name}");
    }
    let _ = write!(text, " --{} --scale {}", results.mode, results.scale);
    if results.mode == super::Mode::Sim {
        let _ = write!(text, " --seed {}", results.seed);
    }
    text
}
