//! Running both sides of a comparison, in turns.

use std::future::Future;
use std::time::{Duration, Instant};

use retake_sim::{Isolation, Run, Sim, Strategy};

/// How long a measurement takes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scale {
    /// Number of times that each side runs.
    pub(crate) rounds: usize,
    /// After so long a case has no further round, if it has had `ROUNDS_MIN`.
    pub(crate) enough: Duration,
    /// What loads are divided by.
    pub(crate) divisor: u64,
}

pub(crate) const FULL: Scale = Scale {
    rounds: 15,
    enough: Duration::from_secs(12),
    divisor: 1,
};
pub(crate) const QUICK: Scale = Scale {
    rounds: 5,
    enough: Duration::from_secs(2),
    divisor: 4,
};
const ROUNDS_MIN: usize = 3;

/// What a sample's number is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Units of work a second of wall time: more is better.
    PerSecond(&'static str),
    /// Microseconds of wall time: less is better.
    Micros,
    /// Bytes for each actor: less is better.
    Bytes,
}

/// What is to be reached.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Goal {
    /// A ratio to bare ractor of at least this.
    Ratio(f64),
    /// A figure of the simulation of at most this.
    AtMost(f64),
    /// At most this on top of bare ractor.
    OnTop(f64),
    /// Nothing is set.
    Open,
}

/// Gives one sample.
type Sample = Box<dyn Fn() -> f64>;

/// One way to run a workload in a simulation: one row.
pub(crate) struct Row {
    pub(crate) name: String,
    goal: Goal,
    sample: Sample,
}

/// A workload: bare, and one or more ways to simulate it.
pub(crate) struct Case {
    unit: Unit,
    bare: Sample,
    rows: Vec<Row>,
}

/// A row as measured.
#[derive(Clone, Debug)]
pub(crate) struct Measurement {
    pub(crate) name: String,
    pub(crate) unit: Unit,
    pub(crate) goal: Goal,
    /// Medians over the rounds.
    pub(crate) bare: f64,
    pub(crate) simulated: f64,
    /// Speed of the simulation relative to bare ractor: lower quartile, median
    /// and upper quartile of the rounds' ratios.
    pub(crate) ratios: [f64; 3],
}

impl Case {
    pub(crate) fn new(unit: Unit, bare: impl Fn() -> f64 + 'static) -> Self {
        Self {
            unit,
            bare: Box::new(bare),
            rows: Vec::new(),
        }
    }

    pub(crate) fn row(
        mut self,
        name: impl Into<String>,
        goal: Goal,
        sample: impl Fn() -> f64 + 'static,
    ) -> Self {
        self.rows.push(Row {
            name: name.into(),
            goal,
            sample: Box::new(sample),
        });
        self
    }

    pub(crate) fn keep(&mut self, selects: impl Fn(&str) -> bool) {
        self.rows.retain(|row| selects(&row.name));
    }

    pub(crate) fn measure(&self, scale: &Scale) -> Vec<Measurement> {
        if self.rows.is_empty() {
            return Vec::new();
        }
        // The first time, caches are cold and pages untouched.
        (self.bare)();
        let mut bare = Vec::new();
        let mut simulated = vec![Vec::new(); self.rows.len()];
        for row in &self.rows {
            (row.sample)();
        }
        let start = Instant::now();
        for round in 0..scale.rounds {
            if round >= ROUNDS_MIN && start.elapsed() > scale.enough {
                break;
            }
            bare.push((self.bare)());
            for (row, samples) in self.rows.iter().zip(&mut simulated) {
                samples.push((row.sample)());
            }
        }
        let measured = |(row, samples): (&Row, &Vec<f64>)| {
            let ratio = |(bare, simulated): (&f64, &f64)| match self.unit {
                Unit::PerSecond(_) => simulated / bare,
                Unit::Micros | Unit::Bytes => bare / simulated,
            };
            let ratios: Vec<f64> = bare.iter().zip(samples).map(ratio).collect();
            Measurement {
                name: row.name.clone(),
                unit: self.unit,
                goal: row.goal,
                bare: quantile(&bare, 0.5),
                simulated: quantile(samples, 0.5),
                ratios: [0.25, 0.5, 0.75].map(|part| quantile(&ratios, part)),
            }
        };
        self.rows.iter().zip(&simulated).map(measured).collect()
    }
}

impl Measurement {
    /// Whether the goal is reached, where there is one.
    pub(crate) fn reached(&self) -> Option<bool> {
        match self.goal {
            Goal::Ratio(least) => Some(self.ratios[1] >= least),
            Goal::AtMost(most) => Some(self.simulated <= most),
            Goal::OnTop(most) => Some(self.simulated - self.bare <= most),
            Goal::Open => None,
        }
    }
}

fn quantile(samples: &[f64], part: f64) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[((sorted.len() - 1) as f64 * part).round() as usize]
}

/// Run on a stock current-thread runtime. The runtime is dropped before this returns.
pub(crate) fn bare<Fut>(paused: bool, body: impl FnOnce() -> Fut) -> Fut::Output
where
    Fut: Future + Send + 'static,
    Fut::Output: Send + 'static,
{
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(paused)
        .build()
        .unwrap();
    let body = body();
    // As a task of its own, as in a simulation: tokio polls `block_on`'s future differently.
    runtime.block_on(async { tokio::spawn(body).await.unwrap() })
}

/// Run as a simulation on this thread, to its end.
pub(crate) fn simulated<F, Fut>(sim: Sim, body: F) -> Fut::Output
where
    F: Fn() -> Fut + Send + Sync + 'static,
    Fut: Future + Send + 'static,
    Fut::Output: Send + 'static,
{
    let run: Run<Fut::Output> = sim.isolation(Isolation::Inline).run(body);
    run.expect_passed()
}

/// The `Random` strategy, without anything recorded but the event hash.
pub(crate) fn random() -> Sim {
    endless().strategy(Strategy::Random)
}

/// The strategy that defers one step in ten.
pub(crate) fn defer() -> Sim {
    endless().strategy(Strategy::Defer { percent: 10 })
}

/// Loads pass the same messages on for hundreds of thousands of steps at one instant, which looks
/// like a livelock.
fn endless() -> Sim {
    Sim::new().seed(1).livelock_after(u64::MAX)
}

/// Units of work a second.
pub(crate) fn per_second(work: impl FnOnce() -> u64) -> f64 {
    let start = Instant::now();
    let units = work();
    units as f64 / start.elapsed().as_secs_f64()
}

/// Microseconds that each of `times` repetitions takes.
pub(crate) fn micros(times: u64, work: impl Fn(u64)) -> f64 {
    let start = Instant::now();
    (0..times).for_each(work);
    in_micros(start.elapsed()) / times as f64
}

pub(crate) fn in_micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}
