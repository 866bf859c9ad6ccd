//! What a load measured: its curves and series, and what must hold after it.

use std::collections::BTreeMap;
use std::time::Duration;

use retake_system::alerts::Figures;
use retake_system::ledger::ReceiptId;
use retake_system::stages::Stage;
use retake_system::{IngressConfig, invariants};

use super::{Kind, Sample};
use crate::bench::context::{Context, LEASED, Mode};
use crate::bench::measure::{Measurement, Series};
use crate::bench::target::{Target, Unit};
use crate::bench::wire::{Gauges, Server};
use crate::load::Latencies;

/// What a load measured.
#[derive(Debug)]
pub(in crate::bench) struct Load {
    /// In the order of beginning.
    pub(in crate::bench) samples: Vec<Sample>,
    pub(in crate::bench) errors: BTreeMap<String, u64>,
    pub(in crate::bench) gauges: Vec<(Duration, Gauges)>,
    pub(super) warm_up: Duration,
    pub(in crate::bench) elapsed: Duration,
    /// The server's figures soon after the load.
    pub(super) settled: Gauges,
    pub(super) server_cpu: Option<Duration>,
    pub(super) client_cpu: Option<Duration>,
}

impl Load {
    /// Those that began within a time, warm-up left out.
    pub(in crate::bench) fn within(
        &self,
        from: Duration,
        to: Duration,
    ) -> impl Iterator<Item = &Sample> {
        let from = from.max(self.warm_up);
        self.samples
            .iter()
            .filter(move |sample| (from..to).contains(&sample.at))
    }

    pub(in crate::bench) fn counted(&self) -> impl Iterator<Item = &Sample> {
        self.within(Duration::ZERO, Duration::MAX)
    }

    /// Share of good answers, from 0 to 1.
    pub(in crate::bench) fn success<'a>(samples: impl Iterator<Item = &'a Sample>) -> f64 {
        let (mut all, mut good) = (0_u64, 0_u64);
        for sample in samples {
            all += 1;
            good += u64::from(sample.is_good());
        }
        if all == 0 {
            0.0
        } else {
            good as f64 / all as f64
        }
    }

    pub(in crate::bench) fn latencies<'a>(samples: impl Iterator<Item = &'a Sample>) -> Latencies {
        let mut latencies = Latencies::default();
        for sample in samples {
            latencies.record(sample.latency);
        }
        latencies
    }

    /// Good answers a second.
    pub(in crate::bench) fn rate(&self) -> f64 {
        let good = self.counted().filter(|sample| sample.is_good()).count();
        good as f64 / (self.elapsed - self.warm_up).as_secs_f64().max(1e-9)
    }

    /// The curves, series and alerts that every load has.
    pub(in crate::bench) fn describe(&self, context: &Context, measured: &mut Measurement) {
        let mut kinds: Vec<Kind> = self.samples.iter().map(|sample| sample.kind).collect();
        kinds.sort_unstable();
        kinds.dedup();
        for kind in kinds {
            let of_kind = self.counted().filter(|sample| sample.kind == kind);
            measured.distribution(kind.word(), &Self::latencies(of_kind));
        }
        self.add_series(measured);
        measured.require(LEASED, self.settled.leased == 0.0);
        let (warm_up, count) = (self.warm_up.as_secs_f64(), self.counted().count());
        measured.notes.push(format!(
            "{count} requests counted; those of the first {warm_up} s are warm-up and left out"
        ));
        for (error, count) in &self.errors {
            measured
                .notes
                .push(format!("{count} without an answer: {error}"));
        }
        if let (Some(server), Some(client)) = (self.server_cpu, self.client_cpu) {
            let (server, client) = (server.as_secs_f64(), client.as_secs_f64());
            let share = 100.0 * client / (server + client).max(1e-9);
            measured.report("client's share of processor time", share, Unit::Percent);
        }
        measured.report("throughput", self.rate(), Unit::PerSecond);
        let success = Self::success(self.counted());
        measured.report("error rate", 100.0 * (1.0 - success), Unit::Percent);
        let waiting = self.gauges.iter().map(|(_, gauges)| gauges.waiting);
        measured.alert(&Figures {
            p99: None,
            success: Some(success),
            memory_growth: Some(self.memory_growth()),
            queue_depth: Some(waiting.fold(0.0, f64::max) as u64),
        });
        let what = match context.mode {
            Mode::Live => "memory is the resident size of the server's process",
            Mode::Sim | Mode::Program => {
                "memory is what the program has allocated, clients included, counted"
            }
        };
        measured.notes.push(what.to_owned());
    }

    fn add_series(&self, measured: &mut Measurement) {
        // What is over in the middle of a second would look like the end of all.
        let seconds = self.elapsed.as_secs().max(1);
        let mut throughput = vec![0.0; seconds as usize];
        let mut failed = vec![0.0; seconds as usize];
        let mut latencies: Vec<Vec<u64>> = vec![Vec::new(); seconds as usize];
        for sample in &self.samples {
            let second = (sample.at.as_secs() as usize).min(throughput.len() - 1);
            throughput[second] += 1.0;
            failed[second] += f64::from(u8::from(!sample.is_good()));
            latencies[second].push(u64::try_from(sample.latency.as_nanos()).unwrap_or(u64::MAX));
        }
        let p99 = latencies.into_iter().map(|mut latencies| {
            latencies.sort_unstable();
            let place = (latencies.len() * 99).div_ceil(100).saturating_sub(1);
            latencies.get(place).copied().unwrap_or(0) as f64
        });
        let by_second = |values: Vec<f64>| {
            let points = values.into_iter().enumerate();
            points
                .map(|(second, value)| (second as f64, value))
                .collect()
        };
        let mut add = |name: &str, unit: Unit, points: Vec<(f64, f64)>| {
            measured.series.push(Series {
                name: name.to_owned(),
                unit,
                points,
            });
        };
        add("throughput", Unit::PerSecond, by_second(throughput));
        add("failed", Unit::PerSecond, by_second(failed));
        add("p99", Unit::Nanoseconds, by_second(p99.collect()));
        let gauge = |pick: fn(&Gauges) -> f64| -> Vec<(f64, f64)> {
            let points = self.gauges.iter();
            points
                .map(|(at, gauges)| (at.as_secs_f64(), pick(gauges)))
                .collect()
        };
        add("queue depth", Unit::Count, gauge(|it| it.depth));
        add("workers leased", Unit::Count, gauge(|it| it.leased));
        add("waiting for a worker", Unit::Count, gauge(|it| it.waiting));
        let of_machine = |name: &str, unit: Unit, points: Vec<(f64, f64)>| Series {
            name: name.to_owned(),
            unit,
            points,
        };
        let memory = of_machine("memory", Unit::Bytes, gauge(|it| it.memory));
        measured.machine_series.push(memory);
        if self.server_cpu.is_some() {
            let share = self.gauges.windows(2).map(|pair| {
                let ((before, old), (after, new)) = (pair[0], pair[1]);
                let (used, time) = (new.cpu - old.cpu, (after - before).as_secs_f64());
                (after.as_secs_f64(), 100.0 * used / time.max(1e-9))
            });
            let name = "processor time of the server, of one core";
            let used = of_machine(name, Unit::Percent, share.collect());
            measured.machine_series.push(used);
        }
        self.add_stages(measured);
        let depth_max = self
            .gauges
            .last()
            .map_or(0.0, |(_, gauges)| gauges.depth_max);
        measured.report("most requests at once", depth_max, Unit::Count);
    }

    /// Where the requests' time went: what is the server's and what is on the way, from
    /// the clients' latencies and the server's stages.
    fn add_stages(&self, measured: &mut Measurement) {
        let (Some((_, first)), Some((_, last))) = (self.gauges.first(), self.gauges.last()) else {
            return;
        };
        let spent =
            |stage: Stage| (last.stages[stage as usize] - first.stages[stage as usize]).max(0.0);
        let all: f64 = self.samples.iter().map(|it| it.latency.as_secs_f64()).sum();
        let (body, governor) = (spent(Stage::Body), spent(Stage::Governor));
        let ledger = spent(Stage::Ledger).min(governor);
        let count = self.samples.len() as u64;
        for (name, seconds) in [
            ("HTTP, network and client", all - body - governor),
            ("reading bodies", body),
            ("governor and its queue", governor - ledger),
            ("ledger", ledger),
        ] {
            measured.stage(name, Duration::from_secs_f64(seconds.max(0.0)), count);
        }
        for (name, stage) in [
            ("wait for a worker", Stage::PoolWait),
            ("work of actions", Stage::Work),
        ] {
            measured.stage(name, Duration::from_secs_f64(spent(stage)), count);
            if let Some(stage) = measured.stages.last_mut() {
                stage.is_behind = true;
            }
        }
    }

    /// Slope of the memory by least squares, in megabytes a second.
    pub(in crate::bench) fn memory_growth(&self) -> f64 {
        let points: Vec<(f64, f64)> = self
            .gauges
            .iter()
            .filter(|(at, _)| *at >= self.warm_up)
            .map(|(at, gauges)| (at.as_secs_f64(), gauges.memory / 1e6))
            .collect();
        // The last one is read when the load is over.
        slope(&points[..points.len().saturating_sub(1)])
    }

    /// First, mean, largest and last size of the memory, in bytes, without the receipts,
    /// which are there to stay.
    pub(in crate::bench) fn memory(&self) -> (f64, f64, f64, f64) {
        // What is left at the end belongs to the measuring.
        let loaded = self.gauges.len().saturating_sub(1);
        let sizes: Vec<f64> = self.gauges[..loaded]
            .iter()
            .filter(|(at, _)| *at >= self.warm_up)
            .map(|(_, gauges)| (gauges.memory - gauges.receipt_bytes).max(0.0))
            .collect();
        let mean = sizes.iter().sum::<f64>() / (sizes.len().max(1) as f64);
        let largest = sizes.iter().copied().fold(0.0, f64::max);
        let first = sizes.first().copied().unwrap_or(0.0);
        (first, mean, largest, sizes.last().copied().unwrap_or(0.0))
    }

    /// What clients that want a receipt got, for invariant 32.
    fn answers(&self) -> Vec<(u16, Option<ReceiptId>)> {
        let wanting = self.samples.iter().filter(|it| it.kind != Kind::Health);
        let answers = wanting.filter_map(|sample| sample.answer);
        answers.map(|it| (it.status, it.receipt)).collect()
    }

    /// Judge a p99 over everything that is counted.
    pub(in crate::bench) fn judge_p99(&self, measured: &mut Measurement, most: Duration) {
        let p99 = Self::latencies(self.counted()).summary().p99_ns as f64;
        let target = Target::AtMost(most.as_nanos() as f64);
        measured.judge("p99", p99, Unit::Nanoseconds, target);
    }

    pub(in crate::bench) fn judge_success(&self, measured: &mut Measurement, least: f64) {
        let success = 100.0 * Self::success(self.counted());
        let target = Target::AtLeast(100.0 * least);
        measured.judge("success", success, Unit::Percent, target);
    }
}

/// Stop the server, and check what must hold after these loads: the chains, a receipt for
/// each answer, nothing shed without need and nothing left over.
pub(in crate::bench) async fn finish(server: Server, loads: &[&Load], measured: &mut Measurement) {
    let shed = |load: &&Load| {
        let answers = load.samples.iter().filter_map(|sample| sample.answer);
        answers.filter(|answer| answer.is_shed).count()
    };
    let most = loads.iter().map(|load| load.settled.depth_max);
    let most = most.fold(0.0, f64::max) as usize;
    let max = IngressConfig::default().requests_max;
    let shed = loads.iter().map(shed).sum();
    measured.violations(&invariants::shedding(shed, most, max));
    let left = loads.iter().map(|load| load.settled.depth as usize).sum();
    measured.violations(&invariants::drained(left));
    match server.stop().await {
        Ok(store) => {
            measured.violations(&invariants::ledger(&store));
            for load in loads {
                measured.violations(&invariants::answers(&store, &load.answers()));
            }
        }
        Err(error) => measured.errors.push(error),
    }
}

/// The slope of a line through points, by least squares.
fn slope(points: &[(f64, f64)]) -> f64 {
    let count = points.len() as f64;
    if points.len() < 2 {
        return 0.0;
    }
    let mean_x = points.iter().map(|(x, _)| x).sum::<f64>() / count;
    let mean_y = points.iter().map(|(_, y)| y).sum::<f64>() / count;
    let covariance: f64 = points
        .iter()
        .map(|(x, y)| (x - mean_x) * (y - mean_y))
        .sum();
    let variance: f64 = points.iter().map(|(x, _)| (x - mean_x).powi(2)).sum();
    if variance == 0.0 {
        0.0
    } else {
        covariance / variance
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slope_is_found_by_least_squares() {
        assert_eq!(slope(&[(0.0, 1.0), (1.0, 3.0), (2.0, 5.0)]), 2.0);
        assert_eq!(slope(&[(0.0, 1.0), (1.0, 3.0), (2.0, 2.0)]), 0.5);
        assert_eq!(slope(&[(1.0, 1.0)]), 0.0);
    }
}
