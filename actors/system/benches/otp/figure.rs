//! What a row measures.

use std::fmt::Write as _;
use std::time::Instant;

use hdrhistogram::Histogram;

/// What one round gives.
pub(crate) enum Figure {
    PerSecond(f64),
    Times(Histogram<u64>),
    /// Waiting times, shown in milliseconds.
    Waits(Histogram<u64>),
    Bytes(usize),
}

impl Figure {
    /// The better of two rounds.
    pub(crate) fn better(self, other: Self) -> Self {
        match (self, other) {
            (Self::PerSecond(a), Self::PerSecond(b)) => Self::PerSecond(a.max(b)),
            (Self::Times(a), Self::Times(b)) => {
                let median = |times: &Histogram<u64>| times.value_at_quantile(0.5);
                Self::Times(if median(&a) <= median(&b) { a } else { b })
            }
            (Self::Waits(a), Self::Waits(b)) => {
                let median = |times: &Histogram<u64>| times.value_at_quantile(0.5);
                Self::Waits(if median(&a) <= median(&b) { a } else { b })
            }
            (Self::Bytes(a), Self::Bytes(b)) => Self::Bytes(a.min(b)),
            (first, _) => first,
        }
    }
}

/// What counts of a figure when two are compared: its median, rate or size.
#[derive(Clone, Copy)]
pub(crate) struct Score {
    value: f64,
    more_is_better: bool,
}

impl Score {
    /// How many times as good as the other one.
    pub(crate) fn times_as_good_as(self, other: Self) -> f64 {
        match self.more_is_better {
            true => self.value / other.value,
            false => other.value / self.value,
        }
    }
}

impl Figure {
    pub(crate) fn score(&self) -> Score {
        let (value, more_is_better) = match self {
            Self::PerSecond(rate) => (*rate, true),
            Self::Times(times) | Self::Waits(times) => (times.value_at_quantile(0.5) as f64, false),
            Self::Bytes(bytes) => (*bytes as f64, false),
        };
        Score {
            value,
            more_is_better,
        }
    }
}

/// Median and 99th percentile, in nanoseconds.
fn times_text(p50: f64, p99: f64) -> String {
    match p50 {
        1e6.. => format!("{:.1} / {:.1} ms", p50 / 1e6, p99 / 1e6),
        _ => format!("{:.1} / {:.1} µs", p50 / 1e3, p99 / 1e3),
    }
}

/// What Erlang prints, as [`Figure`] shows it.
pub(crate) fn parse(line: &str) -> Option<(String, Score)> {
    let mut words = line.split_whitespace();
    let kind = words.next()?;
    let value: f64 = words.next()?.parse().ok()?;
    let second: Option<f64> = words.next().and_then(|word| word.parse().ok());
    let text = match (kind, second) {
        ("per_second", None) => format!("{:.0} k/s", value / 1e3),
        ("times", Some(p99)) => times_text(value, p99),
        ("waits", Some(p99)) => format!("{:.0} / {:.0} ms", value / 1e6, p99 / 1e6),
        ("bytes", None) => format!("{value:.0} B"),
        _ => return None,
    };
    let more_is_better = kind == "per_second";
    let score = Score {
        value,
        more_is_better,
    };
    Some((text, score))
}

impl std::fmt::Display for Figure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut text = String::new();
        match self {
            Self::PerSecond(rate) => write!(text, "{:.0} k/s", rate / 1e3)?,
            Self::Times(times) => {
                let nanos = |quantile| times.value_at_quantile(quantile) as f64;
                text = times_text(nanos(0.5), nanos(0.99));
            }
            Self::Waits(times) => {
                let millis = |quantile| times.value_at_quantile(quantile) as f64 / 1e6;
                write!(text, "{:.0} / {:.0} ms", millis(0.5), millis(0.99))?;
            }
            Self::Bytes(bytes) => write!(text, "{bytes} B")?,
        }
        f.pad(&text)
    }
}

pub(crate) fn per_second(units: u64, start: Instant) -> Figure {
    Figure::PerSecond(units as f64 / start.elapsed().as_secs_f64())
}

pub(crate) fn times() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 60_000_000_000, 3).unwrap()
}

pub(crate) fn note(times: &mut Histogram<u64>, start: Instant) {
    times.saturating_record(u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX));
}
