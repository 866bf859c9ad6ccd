//! Workers are killed under load, busy and idle ones: no accepted action is lost.

use std::time::Duration;

use rand::RngExt;
use retake_sim::{Fault, inject};
use retake_system::{ServiceTime, SystemConfig};
use retake_traces::counted;

use super::{SETTLE, send_signal, settle, start, steady_state};
use crate::load::ClosedLoop;
use crate::report::Report;

const LOAD: ClosedLoop = ClosedLoop {
    clients: 20,
    duration: Duration::from_secs(10),
    think_time: Duration::from_millis(100),
};

pub(super) const VIRTUAL_TIME: Duration = Duration::from_secs(10 + SETTLE.as_secs());

const KILLS: u32 = 40;

pub(super) async fn run() -> Report {
    let config = SystemConfig {
        action_time: ServiceTime::Exponential(Duration::from_millis(50)),
        ..steady_state::config()
    };
    let workers = config.pool.size;
    let system = start(config).await;
    let mut rng = retake::rng();
    for _ in 0..KILLS {
        let at = Duration::from_micros(rng.random_range(0..LOAD.duration.as_micros() as u64));
        inject(Fault::kill(format!("pool/worker-{}", rng.random_range(1..=workers))).at(at));
    }
    let clients = system.clone();
    let load = LOAD
        .run(move |client| send_signal(clients.clone(), client))
        .await;
    settle().await;
    let mut report = Report::of(&load, &system).await;
    let failed: u64 = report.failures.values().sum();
    report.check(
        "no request went without an answer",
        failed == 0,
        format!("{failed} failed"),
    );
    let actions: u64 = report.actions.values().sum();
    let errors = report.actions.get("error").copied().unwrap_or(0);
    report.check(
        "only actions of killed workers failed",
        errors <= u64::from(KILLS) && !report.actions.contains_key("timeout"),
        format!(
            "{errors} of {actions} failed, {} killed",
            counted(KILLS, "worker")
        ),
    );
    system.stop().await;
    report
}
