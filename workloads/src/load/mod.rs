//! Clients that put load on a system, and what they measure.
//!
//! A [`closed`] loop has a number of clients, each of which waits for an answer
//! before it asks again; it reports service time. An [`open`] loop has an arrival
//! rate whatever the answers; it reports response time from the intended start,
//! so a system that stalls cannot hide the requests that it kept from being sent.
//!
//! Time comes from the facade, so the same generators serve live and under
//! simulation. Every client draws from a stream of its own.

pub mod closed;
pub mod open;

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Exp1};
use serde::{Deserialize, Serialize};

pub use closed::ClosedLoop;
pub use open::OpenLoop;

/// How one request ended: a word for its kind, or why it failed.
pub type Answer = Result<&'static str, String>;

/// One client of a load.
#[derive(Debug)]
pub struct Client {
    /// From 0.
    pub number: u32,
    /// The client's own random numbers.
    pub rng: ChaCha8Rng,
}

impl Client {
    fn new(number: u32, seeds: &mut ChaCha8Rng) -> Self {
        Self {
            number,
            rng: ChaCha8Rng::seed_from_u64(seeds.next_u64()),
        }
    }
}

/// The source of clients' seeds, from the run's random numbers.
fn seeds() -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(retake::rng().next_u64())
}

/// An exponentially distributed time.
pub(crate) fn exponential(mean: Duration, rng: &mut ChaCha8Rng) -> Duration {
    let factor: f64 = Exp1.sample(rng);
    mean.mul_f64(factor)
}

/// Longest latency that is distinguished, in nanoseconds: an hour.
const LATENCY_MAX_NS: u64 = 3_600_000_000_000;

/// Latencies, to three digits.
#[derive(Clone, Debug)]
pub struct Latencies(Histogram<u64>);

impl Default for Latencies {
    fn default() -> Self {
        let histogram = Histogram::new_with_bounds(1, LATENCY_MAX_NS, 3);
        Self(histogram.expect("the bounds are in order and the digits within 0 to 5"))
    }
}

impl Latencies {
    /// Add one.
    pub fn record(&mut self, latency: Duration) {
        self.0
            .saturating_record(u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX));
    }

    /// Add those of another.
    pub fn add(&mut self, other: &Self) {
        let added = self.0.add(&other.0);
        debug_assert!(added.is_ok(), "both have the same bounds");
    }

    /// The histogram.
    #[must_use]
    pub fn histogram(&self) -> &Histogram<u64> {
        &self.0
    }

    /// The figures that people ask for.
    #[must_use]
    pub fn summary(&self) -> LatencySummary {
        let at = |quantile| self.0.value_at_quantile(quantile);
        LatencySummary {
            count: self.0.len(),
            mean_ns: self.0.mean().round() as u64,
            p50_ns: at(0.5),
            p90_ns: at(0.9),
            p99_ns: at(0.99),
            p999_ns: at(0.999),
            max_ns: self.0.max(),
        }
    }
}

/// Latencies in figures, in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LatencySummary {
    /// How many were measured.
    pub count: u64,
    /// Their mean.
    pub mean_ns: u64,
    /// Half of them are at most this.
    pub p50_ns: u64,
    /// 90 of 100 are at most this.
    pub p90_ns: u64,
    /// 99 of 100 are at most this.
    pub p99_ns: u64,
    /// 999 of 1,000 are at most this.
    pub p999_ns: u64,
    /// The longest.
    pub max_ns: u64,
}

/// What a load measured.
#[derive(Clone, Debug, Default)]
pub struct LoadResult {
    /// Latencies of all requests, failed ones included.
    pub latencies: Latencies,
    /// How many requests ended how.
    pub answers: BTreeMap<&'static str, u64>,
    /// How many requests failed, by reason.
    pub failures: BTreeMap<String, u64>,
    /// From the first request to the last answer.
    pub elapsed: Duration,
}

impl LoadResult {
    fn record(&mut self, latency: Duration, answer: Answer) {
        self.latencies.record(latency);
        match answer {
            Ok(kind) => *self.answers.entry(kind).or_default() += 1,
            Err(reason) => *self.failures.entry(reason).or_default() += 1,
        }
    }

    fn add(&mut self, other: Self) {
        self.latencies.add(&other.latencies);
        for (kind, count) in other.answers {
            *self.answers.entry(kind).or_default() += count;
        }
        for (reason, count) in other.failures {
            *self.failures.entry(reason).or_default() += count;
        }
        self.elapsed = self.elapsed.max(other.elapsed);
    }

    /// Requests made.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.successes() + self.failures.values().sum::<u64>()
    }

    /// Requests answered.
    #[must_use]
    pub fn successes(&self) -> u64 {
        self.answers.values().sum()
    }
}
