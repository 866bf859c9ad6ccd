//! Governors.

use std::time::Instant;

use retake_actors::{Names, Signal, System, SystemConfig};

use crate::figure::{Figure, note, per_second, times};

/// Names differ between rounds: an earlier round's actors may still be ending.
pub(crate) async fn system() -> System {
    static ROUND: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let round = ROUND.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let config = SystemConfig {
        names: Names::with_prefix(&format!("round-{round}")),
        ..SystemConfig::default()
    };
    let system = System::start(config).await.unwrap();
    system.entitle("acme", true).await.unwrap();
    system
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

pub(crate) async fn signals(with_receipts: bool) -> Figure {
    let system = system().await;
    let count = if with_receipts { 20_000 } else { 50_000 };
    system.signal(signal(1, false)).await.unwrap();
    let start = Instant::now();
    for number in 0..count {
        system.signal(signal(number, with_receipts)).await.unwrap();
    }
    let figure = per_second(count, start);
    system.stop().await;
    figure
}

pub(crate) async fn signal_times() -> Figure {
    let system = system().await;
    system.signal(signal(1, false)).await.unwrap();
    let mut times = times();
    for number in 0..20_000 {
        let start = Instant::now();
        system.signal(signal(number, true)).await.unwrap();
        note(&mut times, start);
    }
    system.stop().await;
    Figure::Times(times)
}

/// A hundred governors and clients, whose signals each change a state.
pub(crate) async fn many_governors() -> Figure {
    const TENANTS: u64 = 100;
    const EACH: u64 = 400;
    let system = system().await;
    for tenant in 0..TENANTS {
        let tenant = format!("tenant-{tenant}");
        system.entitle(&tenant, true).await.unwrap();
        let signal = Signal {
            tenant,
            ..signal(1, false)
        };
        system.signal(signal).await.unwrap();
    }
    let start = Instant::now();
    let clients: Vec<_> = (0..TENANTS)
        .map(|tenant| {
            let system = system.clone();
            tokio::spawn(async move {
                let tenant = format!("tenant-{tenant}");
                for number in 0..EACH {
                    let tenant = tenant.clone();
                    let signal = Signal {
                        tenant,
                        ..signal(number, true)
                    };
                    system.signal(signal).await.unwrap();
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
