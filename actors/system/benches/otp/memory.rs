//! What actors and receipts take.

use ractor::Actor;
use retake_sim::memory;
use retake_system::{Signal, Store};

use crate::figure::Figure;
use crate::governor::{signal, system};
use crate::ledger::draft;
use crate::pool::Echo;

/// Bytes that each of so many takes, made since so many bytes were live.
fn bytes_of_each(count: usize, before: isize) -> Figure {
    Figure::Bytes((memory::live_bytes() - before).unsigned_abs() / count)
}

pub(crate) async fn actor_memory() -> Figure {
    let mut actors = Vec::with_capacity(5_000);
    let before = memory::live_bytes();
    for _ in 0..5_000 {
        actors.push(Actor::spawn(None, Echo, ()).await.unwrap().0);
    }
    bytes_of_each(actors.len(), before)
}

pub(crate) async fn governor_memory() -> Figure {
    let (system, _) = system().await;
    let before = memory::live_bytes();
    for number in 0..2_000 {
        let tenant = format!("tenant-{number}");
        let signal = Signal {
            tenant,
            ..signal(1, false)
        };
        system.signal(signal).await.unwrap();
    }
    let figure = bytes_of_each(2_000, before);
    system.stop().await;
    figure
}

pub(crate) async fn receipt_memory() -> Figure {
    let store = Store::new();
    let before = memory::live_bytes();
    for number in 0..20_000 {
        store.append(draft(number));
    }
    bytes_of_each(20_000, before)
}
