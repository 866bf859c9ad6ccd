//! The whole system, through HTTP.

use std::time::Duration;

use super::context::Context;
use super::measure::Measurement;
use super::target::{NEVER_NS, Target, Unit};
use super::traffic::{Kind, Load, Stay, Traffic};
use super::{Benchmark, benchmarks};

pub(super) const BENCHMARKS: &[Benchmark] = benchmarks![
    "stress/steady_state", "20 clients, 60 s", steady_state;
    "stress/ramp_up", "10 to 100 clients over 120 s", ramp_up;
    "stress/burst", "spike to 100 clients for 30 s", burst;
    "stress/mixed", "30 clients, 60 s: 30 % health, 50 % pubsub, 20 % marketplace", mixed;
    "stress/memory_stability", "15 clients, 180 s", memory_stability;
    "stress/recovery", "steady, spike to 100 clients, steady", recovery;
];

const SECOND: Duration = Duration::from_secs(1);
/// Clients think so long on average before each request.
const THINK: Duration = Duration::from_millis(50);

async fn steady_state(context: Context) -> Measurement {
    let mut measured = Measurement::new();
    let time = context.time(60 * SECOND);
    let traffic = Traffic::steady(20, time, Kind::Pubsub).think(THINK);
    if let Some(load) = traffic.run_alone(&context, &mut measured).await {
        load.judge_success(&mut measured, 0.95);
        load.judge_p99(&mut measured, SECOND);
        let what = "peak and mean without the receipts, which are there to stay";
        measured.notes.push(what.to_owned());
        let (_, mean, largest, _) = load.memory();
        let target = Target::AtMost(1.5);
        measured.judge_machine(
            "peak over mean memory",
            largest / mean.max(1.0),
            Unit::Ratio,
            target,
        );
    }
    measured
}

async fn ramp_up(context: Context) -> Measurement {
    let mut measured = Measurement::new();
    let time = context.time(120 * SECOND);
    // Ten at the start, the last of the others at the end.
    let clients = (0..100_u32).map(|number| Stay {
        from: time.mul_f64(f64::from(number.saturating_sub(9)) / 91.0),
        to: time,
    });
    let traffic = Traffic {
        clients: clients.collect(),
        ..Traffic::steady(0, time, Kind::Pubsub).think(THINK)
    };
    if let Some(load) = traffic.run_alone(&context, &mut measured).await {
        load.judge_success(&mut measured, 0.9);
        for (from, to, most_ms) in [(10, 30, 100.0), (30, 60, 200.0), (60, 100, 500.0)] {
            let at = |clients: u32| time.mul_f64(f64::from(clients - 10) / 90.0);
            let end = if to == 100 { Duration::MAX } else { at(to) };
            let latencies = Load::latencies(load.within(at(from), end));
            let p99 = latencies.summary().p99_ns as f64;
            let name = format!("p99 at {from} to {to} clients");
            measured.judge(&name, p99, Unit::Nanoseconds, Target::AtMost(most_ms * 1e6));
            measured.distribution(&format!("{from} to {to} clients"), &latencies);
            measured
                .marks
                .push((at(from).as_secs_f64(), format!("{from} clients")));
        }
    }
    measured
}

/// Ten clients all the time, and more of them for a while.
fn spike(time: Duration, from: Duration, to: Duration) -> Traffic {
    let steady = Stay {
        from: Duration::ZERO,
        to: time,
    };
    let mut clients = vec![steady; 10];
    clients.extend([Stay { from, to }; 90]);
    Traffic {
        clients,
        ..Traffic::steady(0, time, Kind::Pubsub).think(THINK)
    }
}

/// The p99 of so long is compared with that before a spike: of a second alone it would be
/// the second worst of some two hundred requests.
const WINDOW: Duration = Duration::from_secs(5);

/// Time after `end` until a [`WINDOW`] begins whose p99 is within 20 % of what it was
/// before `start`, and that p99 in nanoseconds.
fn recovery_time(load: &Load, start: Duration, end: Duration) -> (Option<Duration>, u64) {
    let p99 = |from, to| Load::latencies(load.within(from, to)).summary();
    let before = p99(Duration::ZERO, start).p99_ns;
    let last = load.elapsed.saturating_sub(end + WINDOW).as_secs();
    let recovered = (0..=last).map(Duration::from_secs).find(|after| {
        let window = p99(end + *after, end + *after + WINDOW);
        window.count > 0 && window.p99_ns as f64 <= 1.2 * before as f64
    });
    (recovered, before)
}

fn judge_recovery(measured: &mut Measurement, load: &Load, start: Duration, end: Duration) {
    let (recovered, before) = recovery_time(load, start, end);
    let target = Target::AtMost(30e9);
    let value = recovered.map_or(NEVER_NS, |time| time.as_nanos() as f64);
    measured.judge("recovery of p99", value, Unit::Nanoseconds, target);
    measured.report("p99 before the spike", before as f64, Unit::Nanoseconds);
    let during = Load::latencies(load.within(start, end)).summary().p99_ns;
    measured.report("p99 in the spike", during as f64, Unit::Nanoseconds);
    measured.notes.push(format!(
        "recovered: the p99 of the next {} s is at most 1.2 times that before the spike",
        WINDOW.as_secs()
    ));
    measured
        .marks
        .push((start.as_secs_f64(), "spike".to_owned()));
    measured
        .marks
        .push((end.as_secs_f64(), "end of the spike".to_owned()));
}

async fn burst(context: Context) -> Measurement {
    let mut measured = Measurement::new();
    // Before it and behind it there is a calm to compare.
    let spiked = context.time(30 * SECOND);
    let start = context.time(15 * SECOND).max(WINDOW);
    let end = start + spiked;
    let time = end + context.time(30 * SECOND).max(2 * WINDOW);
    if let Some(load) = spike(time, start, end)
        .run_alone(&context, &mut measured)
        .await
    {
        load.judge_success(&mut measured, 0.8);
        judge_recovery(&mut measured, &load, start, end);
        measured.require("the server answers to the end", load.errors.is_empty());
    }
    measured
}

async fn mixed(context: Context) -> Measurement {
    let mut measured = Measurement::new();
    let time = context.time(60 * SECOND);
    let mix = [
        (Kind::Health, 30),
        (Kind::Pubsub, 50),
        (Kind::Marketplace, 20),
    ];
    let traffic = Traffic::steady(30, time, Kind::Health)
        .mix(&mix)
        .think(THINK);
    if let Some(load) = traffic.run_alone(&context, &mut measured).await {
        let weighted: f64 = mix
            .iter()
            .map(|(kind, weight)| {
                let of_kind = load.counted().filter(|sample| sample.kind == *kind);
                f64::from(*weight) * Load::success(of_kind)
            })
            .sum();
        let target = Target::AtLeast(90.0);
        measured.judge("weighted success", weighted, Unit::Percent, target);
        load.judge_p99(&mut measured, Duration::from_millis(300));
    }
    measured
}

async fn memory_stability(context: Context) -> Measurement {
    let mut measured = Measurement::new();
    // Caches and buffers take half a minute to fill up, at any scale.
    let time = context.time(180 * SECOND).max(60 * SECOND);
    let traffic = Traffic {
        warm_up: 30 * SECOND,
        ..Traffic::steady(15, time, Kind::Health).think(THINK)
    };
    // Nothing has to be kept of what came before: what grows all the same is a leak.
    measured.notes.push(
        "half of the requests are pushes that came before: nothing has to be kept of them, \
         so what grows is a leak; what receipts take is in the other rows"
            .to_owned(),
    );
    let mix = [(Kind::Health, 1), (Kind::Redelivered, 1)];
    if let Some(load) = traffic.mix(&mix).run_alone(&context, &mut measured).await {
        let target = Target::AtMost(0.5);
        let growth = load.memory_growth();
        measured.judge_machine("growth of memory", growth, Unit::MegabytesPerSecond, target);
        let (first, _, _, last) = load.memory();
        let change = 100.0 * (last / first.max(1.0) - 1.0);
        let target = Target::AtMost(5.0);
        measured.judge_machine(
            "memory at the end over baseline",
            change,
            Unit::Percent,
            target,
        );
        load.judge_success(&mut measured, 0.95);
    }
    measured
}

async fn recovery(context: Context) -> Measurement {
    let mut measured = Measurement::new();
    let start = context.time(30 * SECOND).max(WINDOW);
    let end = start + context.time(15 * SECOND);
    let time = end + context.time(45 * SECOND).max(2 * WINDOW);
    if let Some(load) = spike(time, start, end)
        .run_alone(&context, &mut measured)
        .await
    {
        judge_recovery(&mut measured, &load, start, end);
        let lost = load.samples.iter().filter(|sample| sample.answer.is_none());
        let lost = lost.count() as f64;
        measured.judge(
            "requests without an answer",
            lost,
            Unit::Count,
            Target::AtMost(0.0),
        );
        load.judge_success(&mut measured, 0.95);
    }
    measured
}
