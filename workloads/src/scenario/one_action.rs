//! The smallest story of a recovery: short enough to read from end to end.

use std::time::Duration;

use retake_otp::PoolConfig;
use retake_sim::{Fault, inject};
use retake_system::{ServiceTime, Signal, System, SystemConfig, Verdict};

use super::{SETTLE, settle};
use crate::load::LoadResult;
use crate::report::Report;

pub(super) const VIRTUAL_TIME: Duration = Duration::from_secs(2 * SETTLE.as_secs());

pub(super) async fn run() -> Report {
    let config = SystemConfig {
        pool: PoolConfig {
            size: 1,
            max_overflow: 0,
            ..PoolConfig::default()
        },
        action_time: ServiceTime::Fixed(Duration::from_millis(20)),
        ..SystemConfig::default()
    };
    let system = match System::start(config).await {
        Ok(system) => system,
        Err(error) => panic!("the system does not start: {error}"),
    };
    let entitled = system.entitle("acme", true).await;
    inject(Fault::kill("pool/worker-1").at(Duration::from_millis(10)));
    let first = act(&system).await;
    settle().await;
    let second = act(&system).await;
    settle().await;

    let mut report = Report::of(&LoadResult::default(), &system).await;
    report.check(
        "the tenant was entitled",
        entitled.is_ok(),
        format!("{entitled:?}"),
    );
    report.check(
        "both signals were acted upon",
        first && second,
        format!("{first}, {second}"),
    );
    let ends = |outcome: &str| report.actions.get(outcome).copied().unwrap_or(0);
    let (errors, successes) = (ends("error"), ends("success"));
    report.check(
        "the first action failed and the second succeeded",
        (errors, successes) == (1, 1),
        format!("{errors} failed, {successes} succeeded"),
    );
    system.stop().await;
    report
}

async fn act(system: &System) -> bool {
    let signal = Signal {
        id: None,
        tenant: "acme".to_owned(),
        metric: "cpu".to_owned(),
        value: 90.0,
        ..Signal::default()
    };
    matches!(system.signal(signal).await, Ok(Verdict::Acting(_)))
}
