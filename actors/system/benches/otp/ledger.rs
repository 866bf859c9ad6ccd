//! The ledger.

use std::time::{Duration, Instant};

use ractor::Actor;
use retake_system::ledger::{Draft, Durability, FileDisk, Ledger, LedgerArguments, ReceiptKind};
use retake_system::{Failures, LedgerRef, ServiceTime, Store};

use crate::figure::{Figure, note, per_second, times};

pub(crate) fn draft(number: u64) -> Draft {
    Draft {
        tenant: "acme".to_owned(),
        kind: ReceiptKind::Transition {
            from: "stable".to_owned(),
            to: "warning".to_owned(),
        },
        payload: "cpu 70.0".to_owned(),
        signal: Some(format!("signal-{number}")),
        key: Some(format!("key-{number}")),
    }
}

async fn ledger(durability: Durability) -> (LedgerRef, ractor::ActorCell) {
    let arguments = LedgerArguments {
        store: Store::new(),
        durability,
        append_time: ServiceTime::None,
        failures: Failures::default(),
    };
    let (actor, _) = Actor::spawn(Some("ledger".to_owned()), Ledger, arguments)
        .await
        .unwrap();
    (LedgerRef::new("ledger"), actor.get_cell())
}

pub(crate) async fn write_directly() -> Figure {
    let store = Store::new();
    let start = Instant::now();
    for number in 0..20_000 {
        store.append(draft(number));
    }
    per_second(20_000, start)
}

pub(crate) async fn write_times_directly() -> Figure {
    let store = Store::new();
    let mut times = times();
    for number in 0..20_000 {
        let draft = draft(number);
        let start = Instant::now();
        store.append(draft);
        note(&mut times, start);
    }
    Figure::Times(times)
}

pub(crate) async fn write(durably: bool) -> Figure {
    let folder = tempfile::tempdir().unwrap();
    let durability = if durably {
        let disk = FileDisk::open(folder.path().join("log")).unwrap();
        Durability::GroupCommit {
            disk: std::sync::Arc::new(disk),
            delay: Duration::from_millis(1),
            batch: 100,
        }
    } else {
        Durability::Memory
    };
    let (ledger, actor) = ledger(durability).await;
    let writers = if durably { 100 } else { 1 };
    let each = 20_000 / writers;
    let start = Instant::now();
    let writers: Vec<_> = (0..writers)
        .map(|writer| {
            let ledger = ledger.clone();
            tokio::spawn(async move {
                for number in 0..each {
                    ledger.append(draft(writer * each + number)).await.unwrap();
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    let figure = per_second(20_000, start);
    actor.stop_and_wait(None, None).await.unwrap();
    figure
}

pub(crate) async fn write_times() -> Figure {
    let (ledger, actor) = ledger(Durability::Memory).await;
    let mut times = times();
    for number in 0..20_000 {
        let draft = draft(number);
        let start = Instant::now();
        ledger.append(draft).await.unwrap();
        note(&mut times, start);
    }
    actor.stop_and_wait(None, None).await.unwrap();
    Figure::Times(times)
}

pub(crate) async fn write_batches() -> Figure {
    let (ledger, actor) = ledger(Durability::Memory).await;
    let start = Instant::now();
    for batch in 0..200_u64 {
        let drafts = (0..100).map(|number| draft(100 * batch + number)).collect();
        ledger.append_all(drafts).await.unwrap();
    }
    let figure = per_second(20_000, start);
    actor.stop_and_wait(None, None).await.unwrap();
    figure
}

pub(crate) async fn read() -> Figure {
    let store = Store::new();
    for number in 0..10_000 {
        store.append(draft(number));
    }
    let start = Instant::now();
    for id in 1..=10_000 {
        std::hint::black_box(store.get(id).unwrap());
    }
    per_second(10_000, start)
}

pub(crate) async fn read_times() -> Figure {
    let store = Store::new();
    for number in 0..10_000 {
        store.append(draft(number));
    }
    let mut times = times();
    for id in 1..=10_000 {
        let start = Instant::now();
        std::hint::black_box(store.get(id).unwrap());
        note(&mut times, start);
    }
    Figure::Times(times)
}
