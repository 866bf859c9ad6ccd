//! Figures as pictures.

use maud::html;
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::measure::{Distribution, Series};
use super::target::Unit;

/// Colours that can be distinguished on white and on black, also without colour sight.
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

type DrawResult = Result<(), Box<dyn std::error::Error>>;

/// A drawing as SVG; what cannot be drawn says so.
fn svg(name: &str, draw: impl FnOnce(&DrawingArea<SVGBackend<'_>, Shift>) -> DrawResult) -> String {
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

/// Latency by share of the requests.
pub(super) fn percentiles(distributions: &[Distribution]) -> String {
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
            .y_labels(6)
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

/// A figure over the time of a run, with what happened at which second.
pub(super) fn over_time(series: &Series, marks: &[(f64, String)]) -> String {
    let end = series.points.last().map_or(1.0, |(at, _)| at.max(1.0));
    let most = series
        .points
        .iter()
        .map(|(_, value)| *value)
        .fold(0.0, f64::max);
    // Marks that are close to one another have their texts in rows of their own.
    const ROWS: usize = 4;
    const ROW: f64 = 0.1;
    let mut marks: Vec<_> = marks.iter().filter(|(at, _)| *at <= end).collect();
    marks.sort_by(|left, right| left.0.total_cmp(&right.0));
    let top = 1.15 + ROW * marks.len().min(ROWS) as f64;
    svg(&format!("{} over time", series.name), |area| {
        let mut chart = ChartBuilder::on(area)
            .margin(8)
            .x_label_area_size(30)
            .y_label_area_size(72)
            .build_cartesian_2d(0.0..end, 0.0..(most * top).max(1e-9))?;
        chart
            .configure_mesh()
            .axis_style(INK)
            .bold_line_style(INK.mix(0.25))
            .light_line_style(TRANSPARENT)
            .label_style(("sans-serif", 13).into_font().color(&INK))
            .x_labels(6)
            .y_labels(5)
            // Runs of a few seconds have ticks between them.
            .x_label_formatter(&|seconds: &f64| match end {
                6.0.. => format!("{seconds:.0} s"),
                _ => format!("{seconds:.1} s"),
            })
            .y_label_formatter(&|value: &f64| series.unit.show(*value))
            .draw()?;
        let points = series.points.iter().copied();
        chart.draw_series(AreaSeries::new(points.clone(), 0.0, COLOURS[0].mix(0.15)))?;
        chart.draw_series(LineSeries::new(points, COLOURS[0].stroke_width(2)))?;
        for (place, (at, what)) in marks.iter().enumerate() {
            let height = most * (1.1 + ROW * (place % ROWS) as f64);
            let line = [(*at, 0.0), (*at, height)];
            chart.draw_series([PathElement::new(line, COLOURS[1].stroke_width(1))])?;
            // Texts in the right half end at their line.
            let side = if *at > 0.5 * end {
                HPos::Right
            } else {
                HPos::Left
            };
            let font = ("sans-serif", 12).into_font().color(&COLOURS[1]);
            let style = font.pos(Pos::new(side, VPos::Top));
            chart.draw_series([Text::new(what.clone(), (*at, height + most * ROW), style)])?;
        }
        Ok(())
    })
}
