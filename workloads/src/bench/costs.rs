//! What operations cost in a simulation, as a file states it.

use std::path::Path;
use std::time::Duration;

use retake_system::{Quantiles, ServiceTime};
use retake_traces::file::{FileError, read_text};
use serde::{Deserialize, Serialize};

/// What an operation costs in a simulation: a distribution, in microseconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cost {
    /// Always this much.
    FixedUs(f64),
    /// Exponentially distributed with this mean.
    ExponentialUs(f64),
    /// By quantiles, straight between them: shares from 0 to 1, and what so many cost at
    /// most.
    QuantilesUs(Vec<(f64, f64)>),
}

impl Cost {
    /// The shares of what is measured that a file states.
    const SHARES: [f64; 14] = [
        0.0, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999, 1.0,
    ];

    /// The distribution of what was measured; nothing measured costs nothing.
    #[must_use]
    pub fn of(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        let Some(last) = times.len().checked_sub(1) else {
            return Self::FixedUs(0.0);
        };
        let at = |share: f64| (share, micros(times[(share * last as f64).round() as usize]));
        Self::QuantilesUs(Self::SHARES.map(at).into())
    }

    /// As what an operation takes.
    ///
    /// # Errors
    /// What is no time, or no quantile, in words.
    pub fn service_time(&self) -> Result<ServiceTime, String> {
        Ok(match self {
            Self::FixedUs(us) => ServiceTime::Fixed(time(*us)?),
            Self::ExponentialUs(us) => ServiceTime::Exponential(time(*us)?),
            Self::QuantilesUs(points) => {
                let points: Result<Vec<_>, String> = points
                    .iter()
                    .map(|(share, us)| Ok((*share, time(*us)?)))
                    .collect();
                let quantiles = Quantiles::new(points?);
                ServiceTime::Measured(quantiles.map_err(|error| error.to_string())?)
            }
        })
    }

    /// Its mean, median and 99th percentile, in microseconds.
    #[must_use]
    pub fn summary(&self) -> [f64; 3] {
        match (self, self.service_time()) {
            (Self::FixedUs(us), _) => [*us; 3],
            (Self::ExponentialUs(us), _) => [*us, us * 2_f64.ln(), us * 100_f64.ln()],
            (_, Ok(ServiceTime::Measured(it))) => {
                [it.mean(), it.at(0.5), it.at(0.99)].map(|time| time.as_secs_f64() * 1e6)
            }
            // What was read is checked.
            _ => [f64::NAN; 3],
        }
    }
}

/// To a hundredth of a microsecond.
fn micros(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e8).round() / 100.0
}

fn time(us: f64) -> Result<Duration, String> {
    if us.is_finite() && (0.0..=1e9).contains(&us) {
        Ok(Duration::from_secs_f64(us / 1e6))
    } else {
        Err(format!("{us} is no time"))
    }
}

/// What operations cost in a simulation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Costs {
    /// What the file is.
    pub about: String,
    /// Where it was measured.
    pub machine: String,
    /// Everything about an HTTP request but its work.
    pub request: Cost,
    /// A governor's evaluation of a signal.
    pub signal: Cost,
    /// An append to the ledger, in memory.
    pub append: Cost,
    /// A read from the ledger's store.
    pub read: Cost,
    /// Making a batch of receipts durable.
    pub commit: Cost,
    /// By how much a timer is late: real ones are a millisecond coarse.
    pub timer: Cost,
}

/// The largest file of costs, in bytes.
const COSTS_BYTES_MAX: u64 = 1 << 20;

/// Why a file of costs cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CostsError {
    /// It cannot be read.
    #[error(transparent)]
    Read(#[from] FileError),
    /// It is not a file of costs.
    #[error("{0} is no file of costs: {1}")]
    Malformed(String, String),
}

impl Costs {
    /// Those that come with the program.
    #[must_use]
    pub fn built_in() -> Self {
        let text = include_str!("../../costs.json");
        serde_json::from_str(text).expect("the file is tested")
    }

    /// Read a file.
    ///
    /// # Errors
    /// If it cannot be read, or a cost is no distribution of times.
    pub fn read(file: &Path) -> Result<Self, CostsError> {
        let name = file.display().to_string();
        let text = read_text(file, COSTS_BYTES_MAX)?;
        let costs: Self = serde_json::from_str(&text)
            .map_err(|error| CostsError::Malformed(name.clone(), error.to_string()))?;
        for (what, cost) in costs.all() {
            if let Err(why) = cost.service_time() {
                return Err(CostsError::Malformed(name, format!("{what}: {why}")));
            }
        }
        Ok(costs)
    }

    /// Each cost by its name.
    #[must_use]
    pub fn all(&self) -> [(&'static str, &Cost); 6] {
        [
            ("request", &self.request),
            ("signal", &self.signal),
            ("append", &self.append),
            ("read", &self.read),
            ("commit", &self.commit),
            ("timer", &self.timer),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_costs_that_come_along_can_be_read_and_wrong_ones_are_refused() {
        let built_in = Costs::built_in();
        assert_eq!(built_in.about, crate::bench::calibrate::ABOUT);
        for (what, cost) in built_in.all() {
            cost.service_time().unwrap();
            assert!(cost.summary().iter().all(|us| *us > 0.0), "{what}");
        }
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("costs.json");
        assert!(matches!(Costs::read(&file), Err(CostsError::Read(..))));
        std::fs::write(&file, serde_json::to_string(&built_in).unwrap()).unwrap();
        assert_eq!(Costs::read(&file).unwrap(), built_in);
        for (wrong, why) in [
            (r#"{"fixed_us": -1.0}"#, "-1 is no time"),
            (r#"{"exponential_us": 1e300}"#, "is no time"),
            (r#"{"quantiles_us": [[0.0, 5.0]]}"#, "the last 1"),
            (
                r#"{"quantiles_us": [[0.0, 5.0], [1.0, 4.0]]}"#,
                "below the one before",
            ),
            (r#"{"normal_us": 5.0}"#, "unknown variant `normal_us`"),
            ("5.0", "no file of costs"),
        ] {
            let mut json = serde_json::to_value(&built_in).unwrap();
            json["signal"] = serde_json::from_str(wrong).unwrap();
            std::fs::write(&file, json.to_string()).unwrap();
            let error = Costs::read(&file).unwrap_err().to_string();
            assert!(
                error.contains("no file of costs") && error.contains(why),
                "{error}"
            );
        }
    }

    #[test]
    fn what_was_measured_is_stated_by_its_quantiles() {
        let times = (1..=1001).map(Duration::from_micros).collect();
        let cost = Cost::of(times);
        for (stated, measured) in cost.summary().into_iter().zip([501.0, 501.0, 991.0]) {
            assert!((stated - measured).abs() < 0.1, "{stated}");
        }
        assert_eq!(Cost::of(Vec::new()), Cost::FixedUs(0.0));
    }
}
