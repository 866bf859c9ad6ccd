//! The table, and the same as JSON.

use std::path::Path;

use serde_json::json;

use crate::measure::{Goal, Measurement, Unit};

pub(crate) fn print_head() {
    println!(
        "{:<29}{:>10}{:>11}  {:>5} {:>10}  {:>8}",
        "", "bare", "simulated", "ratio", "quartiles", "goal"
    );
}

pub(crate) fn print_row(row: &Measurement) {
    let [low, middle, high] = row.ratios;
    let goal = match row.goal {
        Goal::Ratio(least) => format!(">= {least:.2}"),
        Goal::AtMost(most) => format!("<= {}", figure(most, row.unit)),
        Goal::OnTop(most) => format!("<= +{}", figure(most, row.unit)),
        Goal::Open => String::new(),
    };
    let missed = if row.reached() == Some(false) {
        "*"
    } else {
        ""
    };
    println!(
        "{:<29}{:>10}{:>11}  {middle:>5.2} {:>10}  {goal:>8}{missed}",
        row.name,
        figure(row.bare, row.unit),
        figure(row.simulated, row.unit),
        format!("{low:.2}-{high:.2}"),
    );
}

pub(crate) fn print_foot(rows: &[Measurement]) {
    println!("ratio: speed of the simulation over bare ractor, median of rounds");
    let missed = rows
        .iter()
        .filter(|row| row.reached() == Some(false))
        .count();
    if missed > 0 {
        println!("* goal missed ({missed})");
    }
}

fn figure(value: f64, unit: Unit) -> String {
    match unit {
        Unit::PerSecond(_) if value >= 999_500.0 => format!("{:.2} M/s", value / 1e6),
        Unit::PerSecond(_) if value >= 99_950.0 => format!("{:.0} k/s", value / 1e3),
        Unit::PerSecond(_) => format!("{:.1} k/s", value / 1e3),
        Unit::Micros if value >= 10.0 => format!("{value:.0} us"),
        Unit::Micros => format!("{value:.1} us"),
        Unit::Bytes => format!("{value:.0} B"),
    }
}

/// Write what was measured: figures in the units of the table, undivided.
pub(crate) fn write_json(path: &Path, rows: &[Measurement]) -> std::io::Result<()> {
    let rows: Vec<_> = rows
        .iter()
        .map(|row| {
            let unit = match row.unit {
                Unit::PerSecond(what) => what,
                Unit::Micros => "us",
                Unit::Bytes => "B",
            };
            let goal = match row.goal {
                Goal::Ratio(least) => json!({ "ratio_at_least": least }),
                Goal::AtMost(most) => json!({ "simulated_at_most": most }),
                Goal::OnTop(most) => json!({ "on_top_at_most": most }),
                Goal::Open => json!(null),
            };
            json!({
                "name": row.name,
                "unit": unit,
                "bare": row.bare,
                "simulated": row.simulated,
                "ratio": { "lower_quartile": row.ratios[0], "median": row.ratios[1], "upper_quartile": row.ratios[2] },
                "goal": goal,
                "reached": row.reached(),
            })
        })
        .collect();
    let text = serde_json::to_string_pretty(&rows)?;
    std::fs::write(path, text + "\n")
}
