//! Governors.

use std::time::Instant;

use ractor::ActorRef;
use retake_otp::Names;
use retake_system::governor::{GovernorEvent, GovernorRef};
use retake_system::{Signal, System, SystemConfig};

use crate::figure::{Figure, note, per_second, times};

/// Names differ between rounds: an earlier round's actors may still be ending.
pub(crate) async fn system() -> (System, Names) {
    static ROUND: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let round = ROUND.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let names = Names::with_prefix(&format!("round-{round}"));
    let config = SystemConfig {
        names: names.clone(),
        ..SystemConfig::default()
    };
    let system = System::start(config).await.unwrap();
    system.entitle("acme", true).await.unwrap();
    system.signal(signal(1, false)).await.unwrap();
    (system, names)
}

/// The governor of a tenant that has sent a signal.
fn governor(names: &Names, tenant: &str) -> GovernorRef {
    let name = names.of(&retake_system::part::governor(tenant));
    GovernorRef::from(ActorRef::from(retake::where_is(&name).unwrap()))
}

async fn call(governor: &GovernorRef, signal: Signal) {
    let event = |reply| GovernorEvent::Signal(signal, reply);
    governor.call(event, None).await.unwrap();
}

/// With receipts each signal changes the state, without none does.
pub(crate) fn signal(number: u64, with_receipts: bool) -> Signal {
    let is_high = with_receipts && number.is_multiple_of(2);
    Signal {
        id: None,
        tenant: "acme".to_owned(),
        metric: "cpu".to_owned(),
        value: if is_high { 70.0 } else { 10.0 },
        ..Signal::default()
    }
}

pub(crate) async fn calls(with_receipts: bool) -> Figure {
    let (system, names) = system().await;
    let governor = governor(&names, "acme");
    let count = if with_receipts { 20_000 } else { 50_000 };
    let start = Instant::now();
    for number in 0..count {
        call(&governor, signal(number, with_receipts)).await;
    }
    let figure = per_second(count, start);
    system.stop().await;
    figure
}

pub(crate) async fn call_times() -> Figure {
    let (system, names) = system().await;
    let governor = governor(&names, "acme");
    let mut times = times();
    for number in 0..20_000 {
        let signal = signal(number, true);
        let start = Instant::now();
        call(&governor, signal).await;
        note(&mut times, start);
    }
    system.stop().await;
    Figure::Times(times)
}

/// As clients do it: by the tenant's name, with a time limit, and timed.
pub(crate) async fn signals() -> Figure {
    let (system, _) = system().await;
    let start = Instant::now();
    for number in 0..20_000 {
        system.signal(signal(number, true)).await.unwrap();
    }
    let figure = per_second(20_000, start);
    system.stop().await;
    figure
}

/// A hundred governors and clients, whose signals each change a state.
pub(crate) async fn many_calls() -> Figure {
    const TENANTS: u64 = 100;
    const EACH: u64 = 400;
    let (system, names) = system().await;
    let mut governors = Vec::new();
    for tenant in 0..TENANTS {
        let tenant = format!("tenant-{tenant}");
        system.entitle(&tenant, true).await.unwrap();
        let first = Signal {
            tenant: tenant.clone(),
            ..signal(1, false)
        };
        system.signal(first).await.unwrap();
        governors.push((governor(&names, &tenant), tenant));
    }
    let start = Instant::now();
    let clients: Vec<_> = governors
        .into_iter()
        .map(|(governor, tenant)| {
            tokio::spawn(async move {
                for number in 0..EACH {
                    let tenant = tenant.clone();
                    let signal = Signal {
                        tenant,
                        ..signal(number, true)
                    };
                    call(&governor, signal).await;
                }
            })
        })
        .collect();
    for client in clients {
        client.await.unwrap();
    }
    let figure = per_second(TENANTS * EACH, start);
    system.stop().await;
    figure
}
