//! The ingress over HTTP.

use std::time::Duration;

use super::context::Context;
use super::measure::Measurement;
use super::target::{Target, Unit};
use super::traffic::{Kind, Load, Traffic, finish};
use super::wire::Server;
use super::{Benchmark, benchmarks};

pub(super) const BENCHMARKS: &[Benchmark] = benchmarks![
    "http/health", "GET /health, 10 clients, 10 s", health;
    "http/pubsub", "POST /pubsub, 5 clients, 10 s", pubsub;
    "http/marketplace", "POST /marketplace, 5 clients, 10 s", marketplace;
    "http/concurrent", "GET /health at 10, 25 and 50 clients, 15 s each", concurrent;
    "http/large_payloads", "POST /pubsub with 1 MB of data, 5 clients, 10 s", large_payloads;
    "http/error_handling", "malformed bodies, 10 clients, 10 s", error_handling;
];

const MS: Duration = Duration::from_millis(1);

async fn endpoint(
    context: Context,
    kind: Kind,
    clients: u64,
    p99: Duration,
    rate: f64,
    errors: f64,
) -> Measurement {
    let mut measured = Measurement::new();
    let time = context.time(Duration::from_secs(10));
    let traffic = Traffic::steady(clients, time, kind);
    if let Some(load) = traffic.run_alone(&context, &mut measured).await {
        load.judge_p99(&mut measured, p99);
        let target = Target::AtLeast(rate);
        measured.judge("throughput", load.rate(), Unit::PerSecond, target);
        load.judge_success(&mut measured, 1.0 - errors);
    }
    measured
}

async fn health(context: Context) -> Measurement {
    endpoint(context, Kind::Health, 10, 100 * MS, 100.0, 0.01).await
}

async fn pubsub(context: Context) -> Measurement {
    endpoint(context, Kind::Pubsub, 5, 500 * MS, 20.0, 0.05).await
}

async fn marketplace(context: Context) -> Measurement {
    endpoint(context, Kind::Marketplace, 5, 500 * MS, 20.0, 0.05).await
}

async fn concurrent(context: Context) -> Measurement {
    let mut measured = Measurement::new();
    let time = context.time(Duration::from_secs(15));
    let server = match Server::start(&context).await {
        Ok(server) => server,
        Err(error) => {
            measured.errors.push(error);
            return measured;
        }
    };
    let mut before: Option<f64> = None;
    let mut loads = Vec::new();
    for clients in [10, 25, 50] {
        let load = Traffic::steady(clients, time, Kind::Health)
            .run(&context, &server)
            .await;
        let latencies = Load::latencies(load.counted());
        let p99 = latencies.summary().p99_ns as f64;
        if clients == 50 {
            load.judge_success(&mut measured, 0.95);
            let target = Target::AtMost(300e6);
            measured.judge("p99 at 50 clients", p99, Unit::Nanoseconds, target);
            load.describe(&context, &mut measured);
        } else {
            let name = format!("p99 at {clients} clients");
            measured.report(&name, p99, Unit::Nanoseconds);
            measured.distribution(&format!("health at {clients} clients"), &latencies);
        }
        if let Some(before) = before.replace(p99) {
            let growth = 100.0 * (p99 / before.max(1.0) - 1.0);
            let name = format!("growth of p99 to {clients} clients");
            measured.report(&name, growth, Unit::Percent);
        }
        loads.push(load);
    }
    let loads: Vec<&Load> = loads.iter().collect();
    finish(server, &loads, &mut measured).await;
    measured
}

async fn large_payloads(context: Context) -> Measurement {
    let mut measured = Measurement::new();
    let time = context.time(Duration::from_secs(10));
    let small = Traffic::steady(5, time / 2, Kind::Pubsub);
    let mut beside = Measurement::new();
    let small = small.run_alone(&context, &mut beside).await;
    let large = Traffic::steady(5, time, Kind::Large);
    let large = large.run_alone(&context, &mut measured).await;
    measured.errors.extend(beside.errors);
    if let (Some(small), Some(large)) = (small, large) {
        large.judge_success(&mut measured, 0.9);
        let of = |load: &Load| Load::latencies(load.counted()).summary();
        let (small, large) = (of(&small), of(&large));
        for (name, large, small) in [
            ("p50 relative to small payloads", large.p50_ns, small.p50_ns),
            ("p99 relative to small payloads", large.p99_ns, small.p99_ns),
        ] {
            let ratio = large as f64 / small.max(1) as f64;
            measured.report(name, ratio, Unit::Ratio);
        }
    }
    measured
}

async fn error_handling(context: Context) -> Measurement {
    let mut measured = Measurement::new();
    let time = context.time(Duration::from_secs(10));
    let mix = [(Kind::Malformed, 9), (Kind::Pubsub, 1)];
    let traffic = Traffic::steady(10, time, Kind::Malformed).mix(&mix);
    if let Some(load) = traffic.run_alone(&context, &mut measured).await {
        let of = |kind: Kind| load.counted().filter(move |sample| sample.kind == kind);
        let refused = 100.0 * Load::success(of(Kind::Malformed));
        let target = Target::AtLeast(90.0);
        measured.judge("refused with a receipt", refused, Unit::Percent, target);
        let served = 100.0 * Load::success(of(Kind::Pubsub));
        let target = Target::AtLeast(99.0);
        measured.judge("valid requests served", served, Unit::Percent, target);
        // Each refusal names its receipt, or it is not counted above; that it is in the
        // ledger is an invariant of every load.
        measured.require("the server answers to the end", load.errors.is_empty());
    }
    measured
}
