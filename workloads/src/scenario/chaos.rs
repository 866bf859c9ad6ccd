//! Whatever faults are injected while the system works, it recovers when they end:
//! made for `explore --faults swarm`.

use std::time::Duration;

use rand::RngExt as _;
use retake_otp::{PoolConfig, pool::PoolState};
use retake_system::{ServiceTime, Signal, System, SystemConfig, Verdict, invariants};

use super::settle;

pub(super) const VIRTUAL_TIME: Duration = Duration::from_secs(60);

const TENANTS: u32 = 3;
const CLIENTS: u32 = 4;
const SIGNALS: u32 = 5;
/// Within this time after the last fault all is as it should be.
const RECOVERS: Duration = Duration::from_secs(120);

fn tenant(number: u32) -> String {
    format!("tenant-{number}")
}

async fn client(system: System) {
    for _ in 0..retake::workload(SIGNALS) {
        let signal = Signal {
            tenant: tenant(retake::rng().random_range(0..TENANTS)),
            metric: "cpu".to_owned(),
            value: retake::rng().random_range(0.0..100.0),
            ..Signal::default()
        };
        // Anything may be the answer now.
        let _ = system.signal(signal).await;
        retake::sleep(Duration::from_millis(20)).await;
    }
}

/// Ask until it is granted.
async fn entitle(system: &System, tenant: &str) {
    while system.entitle(tenant, true).await.is_err() {
        retake::sleep(Duration::from_millis(100)).await;
    }
}

/// Signal until it is acted upon.
async fn act(system: &System, tenant: String) {
    loop {
        let signal = Signal {
            tenant: tenant.clone(),
            metric: "cpu".to_owned(),
            value: 95.0,
            ..Signal::default()
        };
        if let Ok(Verdict::Acting(_)) = system.signal(signal).await {
            return;
        }
        retake::sleep(Duration::from_millis(500)).await;
    }
}

async fn pool_is_idle(system: &System, config: &PoolConfig) {
    loop {
        if let Ok(status) = system.pool().status().await
            && (status.state, status.leased, status.waiting) == (PoolState::Ready, 0, 0)
            && status.idle == config.size as usize
        {
            return;
        }
        retake::sleep(Duration::from_millis(100)).await;
    }
}

pub(super) async fn run() {
    let pool = PoolConfig {
        size: 2,
        max_overflow: 1,
        ..PoolConfig::default()
    };
    let config = SystemConfig {
        pool: pool.clone(),
        action_time: ServiceTime::Exponential(Duration::from_millis(20)),
        ..SystemConfig::default()
    };
    let Ok(system) = System::start(config).await else {
        // What starts for the first time is not restarted.
        retake::sometimes!(true, "a fault hits the start");
        return;
    };
    for number in 0..TENANTS {
        entitle(&system, &tenant(number)).await;
    }
    let clients: Vec<_> = (0..retake::workload(CLIENTS))
        .map(|_| retake::spawn_named("client", client(system.clone())))
        .collect();
    for client in clients {
        let _ = client.await;
    }
    retake::healed().await;
    settle().await;
    for number in 0..TENANTS {
        let what = format!("{} is served again", tenant(number));
        retake::eventually(&what, RECOVERS, act(&system, tenant(number))).await;
    }
    settle().await;
    let idle = pool_is_idle(&system, &pool);
    retake::eventually("all workers are idle again", RECOVERS, idle).await;
    let violations = invariants::ledger(system.store());
    retake::always!(violations.is_empty(), "the ledger: {}", violations[0]);
    system.stop().await;
}
