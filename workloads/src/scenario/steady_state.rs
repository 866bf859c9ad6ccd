//! Steady load on the whole system.

use std::time::Duration;

use retake_system::{ServiceTime, SystemConfig};

use super::{SETTLE, send_signal, settle, start};
use crate::load::ClosedLoop;
use crate::report::{Report, human_ns};

const LOAD: ClosedLoop = ClosedLoop {
    clients: 20,
    duration: Duration::from_secs(60),
    think_time: Duration::from_millis(50),
};

pub(super) const VIRTUAL_TIME: Duration = Duration::from_secs(60 + SETTLE.as_secs());

/// Answered requests, in percent.
const SUCCESS_MIN: f64 = 95.0;
const P99_MAX_NS: u64 = 1_000_000_000;

pub(super) async fn run() -> Report {
    let system = start(config()).await;
    let clients = system.clone();
    let load = LOAD
        .run(move |client| send_signal(clients.clone(), client))
        .await;
    settle().await;
    let mut report = Report::of(&load, &system).await;
    let success = report.success_percent;
    report.check(
        format!("more than {SUCCESS_MIN} % answered"),
        success > SUCCESS_MIN,
        format!("{success:.2} %"),
    );
    let p99_ns = report.latency.p99_ns;
    report.check(
        format!("p99 below {}", human_ns(P99_MAX_NS)),
        p99_ns < P99_MAX_NS,
        human_ns(p99_ns),
    );
    system.stop().await;
    report
}

/// Service times are stated, not measured: this is a queueing model of the system.
pub(super) fn config() -> SystemConfig {
    SystemConfig {
        action_time: ServiceTime::Exponential(Duration::from_millis(20)),
        append_time: ServiceTime::Exponential(Duration::from_micros(20)),
        signal_time: ServiceTime::Exponential(Duration::from_micros(50)),
        ..SystemConfig::default()
    }
}
