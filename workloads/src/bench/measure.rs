//! What a benchmark fills in.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;
use retake_system::alerts::{self, Figures, Limits, Severity};
use serde::{Deserialize, Serialize};

use super::target::{Status, Target, Unit};
use crate::load::{Latencies, LatencySummary};

/// A figure, with its target if it has one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// What was measured.
    pub name: String,
    /// How much it is. None where the figure belongs to the machine (memory) and
    /// the results have to be the same everywhere; see `Row::value`.
    pub value: Option<f64>,
    /// In what.
    pub unit: Unit,
    /// What it should be.
    pub target: Option<Target>,
    /// Whether it is; true where it belongs to the machine.
    pub met: bool,
}

/// A distribution of latencies.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Distribution {
    /// Of what.
    pub name: String,
    /// Its figures.
    pub summary: LatencySummary,
    /// Points of its curve: share from 0 to 1, and the latency in nanoseconds that so
    /// many have at most.
    pub curve: Vec<(f64, u64)>,
}

/// Something over time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Series {
    /// What.
    pub name: String,
    /// In what.
    pub unit: Unit,
    /// Seconds since the start, and the figure then.
    pub points: Vec<(f64, f64)>,
}

/// Where a load's time went.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stage {
    /// The part of the system.
    pub name: String,
    /// Time that requests spent there, waiting included, in nanoseconds.
    pub total_ns: u64,
    /// How many requests that were.
    pub count: u64,
    /// True if the client has its answer before: it does not wait for this.
    pub is_behind: bool,
}

impl Stage {
    /// Time of one request in it, in nanoseconds.
    #[must_use]
    pub fn each_ns(&self) -> f64 {
        self.total_ns as f64 / self.count.max(1) as f64
    }
}

/// How fast memory grows: the machine's figure that raises an alert.
pub const GROWTH: &str = "growth of memory";

/// What a benchmark measured.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Measurement {
    /// Figures, those with targets first.
    pub figures: Vec<Figure>,
    /// Distributions of latencies.
    pub distributions: Vec<Distribution>,
    /// Figures over time.
    pub series: Vec<Series>,
    /// Where the time went.
    pub stages: Vec<Stage>,
    /// What happened when, in seconds since the start: faults, phases.
    pub marks: Vec<(f64, String)>,
    /// What a reader has to know.
    pub notes: Vec<String>,
    /// Things that somebody should look at.
    pub alerts: Vec<String>,
    /// The worst of the alerts.
    pub worst: Option<Status>,
    /// What went wrong, if something did.
    pub errors: Vec<String>,
    /// Figures of the machine, by name: not part of what is compared.
    #[serde(skip)]
    pub machine: BTreeMap<String, (f64, Unit)>,
    /// Likewise, over time.
    #[serde(skip)]
    pub machine_series: Vec<Series>,
}

impl Measurement {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A figure that has a target. Takes the place of one that was reported by this name.
    pub fn judge(&mut self, name: &str, value: f64, unit: Unit, target: Target) {
        self.figures.retain(|figure| figure.name != name);
        let place = self.figures.iter().position(|it| it.target.is_none());
        let figure = Figure {
            name: name.to_owned(),
            value: Some(value),
            unit,
            target: Some(target),
            met: target.is_met(value),
        };
        self.figures
            .insert(place.unwrap_or(self.figures.len()), figure);
    }

    /// A figure of the machine that has a target: its value, and whether it meets it,
    /// are kept out of what is compared.
    pub fn judge_machine(&mut self, name: &str, value: f64, unit: Unit, target: Target) {
        self.judge(name, value, unit, target);
        if let Some(figure) = self.figures.iter_mut().find(|it| it.name == name) {
            figure.value = None;
            figure.met = true;
        }
        self.machine.insert(name.to_owned(), (value, unit));
    }

    /// A figure of the machine, to know.
    pub fn report_machine(&mut self, name: &str, value: f64, unit: Unit) {
        self.report(name, value, unit);
        if let Some(figure) = self.figures.iter_mut().find(|it| it.name == name) {
            figure.value = None;
        }
        self.machine.insert(name.to_owned(), (value, unit));
    }

    /// A figure to know.
    pub fn report(&mut self, name: &str, value: f64, unit: Unit) {
        self.figures.push(Figure {
            name: name.to_owned(),
            value: Some(value),
            unit,
            target: None,
            met: true,
        });
    }

    /// Something that must hold.
    pub fn require(&mut self, what: &str, holds: bool) {
        if !holds {
            self.errors.push(what.to_owned());
        }
    }

    /// Violations of invariants; of many the first.
    pub fn violations(&mut self, violations: &[retake_system::invariants::Violation]) {
        const MOST: usize = 5;
        let shown = violations.iter().take(MOST).map(ToString::to_string);
        self.errors.extend(shown);
        if let Some(more) = violations.len().checked_sub(MOST).filter(|more| *more > 0) {
            self.errors.push(format!("and {more} violations more"));
        }
    }

    /// A p99 with its bound.
    pub fn p99(&mut self, name: &str, latencies: &Latencies, most: Duration) {
        let value = latencies.summary().p99_ns as f64;
        let target = Target::AtMost(most.as_nanos() as f64);
        self.judge(&format!("{name} p99"), value, Unit::Nanoseconds, target);
        self.distribution(name, latencies);
    }

    /// Operations in a second, with their bound.
    pub fn rate(&mut self, name: &str, count: u64, elapsed: Duration, least: f64) {
        let rate = count as f64 / elapsed.as_secs_f64().max(1e-9);
        self.judge(name, rate, Unit::PerSecond, Target::AtLeast(least));
    }

    /// A distribution of latencies.
    pub fn distribution(&mut self, name: &str, latencies: &Latencies) {
        self.distributions.push(Distribution {
            name: name.to_owned(),
            summary: latencies.summary(),
            curve: curve(latencies.histogram()),
        });
    }

    /// A part of the way of so many requests.
    pub fn stage(&mut self, name: &str, total: Duration, count: u64) {
        self.stages.push(Stage {
            name: name.to_owned(),
            total_ns: u64::try_from(total.as_nanos()).unwrap_or(u64::MAX),
            count,
            is_behind: false,
        });
    }

    /// Raise an alert if the slowest of the distributions calls for one.
    pub fn alert_by_latencies(&mut self) {
        let slowest = self.distributions.iter().map(|it| it.summary.p99_ns).max();
        self.alert(&Figures {
            p99: slowest.map(Duration::from_nanos),
            ..Figures::default()
        });
    }

    /// Raise alerts by these figures. How fast memory grows belongs to the machine.
    pub fn alert(&mut self, figures: &Figures) {
        if let Some(growth) = figures.memory_growth {
            let growth = (growth, Unit::MegabytesPerSecond);
            self.machine.insert(GROWTH.to_owned(), growth);
        }
        let figures = Figures {
            memory_growth: None,
            ..*figures
        };
        let raised = alerts::evaluate(&figures, &Limits::default());
        for alert in raised {
            let status = match alert.severity {
                Severity::Warning => Status::Warning,
                Severity::Alert => Status::Alert,
            };
            self.worst = self.worst.max(Some(status));
            self.alerts.push(alert.to_string());
        }
    }

    /// How it ended.
    #[must_use]
    pub fn status(&self) -> Status {
        if !self.errors.is_empty() || self.figures.iter().any(|figure| !figure.met) {
            return Status::Fail;
        }
        self.worst.unwrap_or(Status::Pass)
    }
}

/// Shares at which a curve has its points: closer to 1 they are closer together.
fn curve(histogram: &Histogram<u64>) -> Vec<(f64, u64)> {
    let shares = [
        0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.925, 0.95, 0.97, 0.98,
        0.99, 0.995, 0.998, 0.999, 0.9995, 0.9999, 1.0,
    ];
    if histogram.is_empty() {
        return Vec::new();
    }
    shares
        .into_iter()
        .map(|share| (share, histogram.value_at_quantile(share)))
        .collect()
}
