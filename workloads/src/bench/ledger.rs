//! Receipts.

use std::sync::Arc;
use std::time::Duration;

use ractor::Actor;
use rand::RngExt as _;
use retake_system::ledger::{
    Draft, Durability, FileDisk, Ledger, LedgerArguments, ReceiptKind, SimulatedDisk,
};
use retake_system::{LedgerRef, Store, invariants};

use super::context::{Context, Mode};
use super::measure::Measurement;
use super::target::{Target, Unit};
use super::{Benchmark, benchmarks};
use crate::load::Latencies;

pub(super) const BENCHMARKS: &[Benchmark] = benchmarks![
    "ledger/write_latency", "10,000 single writes", write_latency;
    "ledger/concurrent_writes", "10 writers x 1,000", concurrent_writes;
    "ledger/read_performance", "10,000 writes, then 10,000 reads", read_performance;
    "ledger/index_lookups", "5,000 lookups by id, signal, tenant, time", index_lookups;
    "ledger/batch_operations", "100 batches x 100 receipts", batch_operations;
    "ledger/storage_efficiency", "10,000 receipts", storage_efficiency;
];

const MICRO: Duration = Duration::from_micros(1);
/// Tenants of a ledger's load.
const TENANTS: u64 = 50;

fn draft(number: u64) -> Draft {
    Draft {
        tenant: format!("tenant-{}", number % TENANTS),
        kind: ReceiptKind::Transition {
            from: "stable".to_owned(),
            to: "warning".to_owned(),
        },
        payload: "cpu 70.0".to_owned(),
        signal: Some(format!("signal-{number}")),
        key: Some(format!("key-{number}")),
    }
}

/// A ledger of its own.
struct Stage {
    ledger: LedgerRef,
    actor: ractor::ActorCell,
    store: Store,
}

impl Stage {
    async fn start(context: &Context, durability: Durability) -> Result<Self, String> {
        let name = context.system(Default::default()).names.of("ledger");
        let arguments = LedgerArguments {
            durability,
            append_time: context.append_time(),
            failures: context.failures(),
            ..LedgerArguments::default()
        };
        let store = arguments.store.clone();
        let started = Actor::spawn(Some(retake::scoped_name(&name)), Ledger, arguments).await;
        let (actor, _) = started.map_err(|error| format!("the ledger does not start: {error}"))?;
        Ok(Self {
            ledger: LedgerRef::new(&name),
            actor: actor.get_cell(),
            store,
        })
    }

    async fn stop(self, measured: &mut Measurement) {
        // An error means that it has ended.
        let _ = self.actor.stop_and_wait(None, None).await;
        measured.violations(&invariants::ledger(&self.store));
    }
}

/// A disk of this mode; the folder of a live one goes with the guard.
fn disk(
    context: &Context,
) -> Result<
    (
        Arc<dyn retake_system::ledger::Disk>,
        Option<tempfile::TempDir>,
    ),
    String,
> {
    match context.mode {
        Mode::Sim | Mode::Program => {
            let disk = SimulatedDisk::new().sync_time(context.commit_time());
            Ok((Arc::new(disk), None))
        }
        Mode::Live => {
            let folder = context.scratch()?;
            let disk = FileDisk::open(folder.path().join("ledger.log"));
            Ok((
                Arc::new(disk.map_err(|error| error.to_string())?),
                Some(folder),
            ))
        }
    }
}

/// A benchmark that may fail on the way.
async fn measured(
    measure: impl AsyncFnOnce(&mut Measurement) -> Result<(), String>,
) -> Measurement {
    let mut measured = Measurement::new();
    if let Err(error) = measure(&mut measured).await {
        measured.errors.push(error);
    }
    measured
}

async fn write_all(ledger: &LedgerRef, numbers: std::ops::Range<u64>) -> Result<Latencies, String> {
    let mut times = Latencies::default();
    for number in numbers {
        let draft = draft(number);
        let start = retake::now();
        let written = ledger.append(draft).await;
        times.record(start.elapsed());
        written.map_err(|error| error.to_string())?;
    }
    Ok(times)
}

async fn write_latency(context: Context) -> Measurement {
    measured(async |measured| {
        let count = context.count(10_000);
        let stage = Stage::start(&context, Durability::Memory).await?;
        let start = retake::now();
        let times = write_all(&stage.ledger, 0..count).await?;
        measured.p99("write (memory)", &times, 50 * MICRO);
        measured.rate("writes (memory)", count, start.elapsed(), 10_000.0);
        stage.stop(measured).await;
        // What durability costs, to know.
        let (on_disk, _folder) = disk(&context)?;
        let stage = Stage::start(&context, Durability::Fsync(on_disk)).await?;
        let times = write_all(&stage.ledger, 0..(count / 20).max(1)).await?;
        let p99 = times.summary().p99_ns as f64;
        measured.report("write p99 (fsync)", p99, Unit::Nanoseconds);
        measured.distribution("write (fsync)", &times);
        stage.stop(measured).await;
        measured.notes.push(
            "judged in the mode `memory`: acknowledged means kept by the \
            process; `fsync` is reported beside it"
                .to_owned(),
        );
        Ok(())
    })
    .await
}

async fn write_concurrently(ledger: &LedgerRef, each: u64) -> Result<(Latencies, u64), String> {
    const WRITERS: u64 = 10;
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let ledger = ledger.clone();
            retake::spawn(
                async move { write_all(&ledger, writer * each..(writer + 1) * each).await },
            )
        })
        .collect();
    let mut times = Latencies::default();
    for writer in writers {
        times.add(&writer.await.map_err(|error| error.to_string())??);
    }
    Ok((times, WRITERS * each))
}

async fn concurrent_writes(context: Context) -> Measurement {
    measured(async |measured| {
        let each = context.count(1_000);
        let stage = Stage::start(&context, Durability::Memory).await?;
        let start = retake::now();
        let (times, count) = write_concurrently(&stage.ledger, each).await?;
        measured.rate("writes (memory)", count, start.elapsed(), 50_000.0);
        measured.distribution("write (memory)", &times);
        measured.require("no write is lost", stage.store.len() as u64 == count);
        stage.stop(measured).await;
        let (on_disk, _folder) = disk(&context)?;
        let group = Durability::GroupCommit {
            disk: on_disk,
            delay: context.commit_delay(),
            batch: 10,
        };
        let stage = Stage::start(&context, group).await?;
        let start = retake::now();
        let (times, count) = write_concurrently(&stage.ledger, (each / 5).max(1)).await?;
        let rate = count as f64 / start.elapsed().as_secs_f64();
        measured.report("writes (group-commit)", rate, Unit::PerSecond);
        measured.distribution("write (group-commit)", &times);
        stage.stop(measured).await;
        Ok(())
    })
    .await
}

/// A store with so many receipts.
fn filled(count: u64) -> Store {
    let store = Store::new();
    for number in 0..count {
        store.append(draft(number));
    }
    store
}

async fn read_performance(context: Context) -> Measurement {
    measured(async |measured| {
        let count = context.count(10_000);
        let store = filled(count);
        let mut times = Latencies::default();
        let read_time = context.read_time();
        let start = retake::now();
        for _ in 0..count {
            let id = retake::rng().random_range(1..=count);
            let start = retake::now();
            read_time.spend().await;
            let found = store.get(id).is_some();
            times.record(start.elapsed());
            measured.require("every receipt is found", found);
        }
        measured.p99("read", &times, 20 * MICRO);
        measured.rate("reads", count, start.elapsed(), 100_000.0);
        Ok(())
    })
    .await
}

async fn index_lookups(context: Context) -> Measurement {
    measured(async |measured| {
        let count = context.count(5_000);
        let store = filled(count);
        let first_ns = store.get(1).map_or(0, |receipt| receipt.time_ns);
        let mut by_id = Latencies::default();
        let (mut by_signal, mut by_tenant) = (by_id.clone(), by_id.clone());
        let mut by_time = by_id.clone();
        let mut found = 0;
        let read_time = context.read_time();
        for lookup in 0..count {
            let number = retake::rng().random_range(0..count);
            let start = retake::now();
            read_time.spend().await;
            match lookup % 4 {
                0 => {
                    found += u64::from(store.get(number + 1).is_some());
                    by_id.record(start.elapsed());
                }
                1 => {
                    found += store.of_signal(&format!("signal-{number}")).len() as u64;
                    by_signal.record(start.elapsed());
                }
                2 => {
                    // The last of a tenant: the whole chain is a range.
                    let tenant = format!("tenant-{}", number % TENANTS);
                    found += u64::from(store.last_of_tenant(&tenant, |_| true).is_some());
                    by_tenant.record(start.elapsed());
                }
                _ => {
                    let upto = first_ns + 1_000;
                    found += u64::from(!store.in_time(first_ns..=upto).is_empty());
                    by_time.record(start.elapsed());
                }
            }
        }
        for (name, times) in [
            ("lookup by id", &by_id),
            ("lookup by signal", &by_signal),
            ("lookup by tenant", &by_tenant),
        ] {
            measured.p99(name, times, 15 * MICRO);
        }
        let p99 = by_time.summary().p99_ns as f64;
        measured.report("range by time p99", p99, Unit::Nanoseconds);
        measured.distribution("range by time", &by_time);
        measured.require("every lookup finds its receipts", found >= count);
        Ok(())
    })
    .await
}

async fn batch_operations(context: Context) -> Measurement {
    measured(async |measured| {
        const BATCH: u64 = 100;
        let batches = context.count(100);
        let stage = Stage::start(&context, Durability::Memory).await?;
        let mut times = Latencies::default();
        let start = retake::now();
        for batch in 0..batches {
            let drafts = (batch * BATCH..(batch + 1) * BATCH).map(draft).collect();
            let start = retake::now();
            let written = stage.ledger.append_all(drafts).await;
            times.record(start.elapsed() / BATCH as u32);
            written.map_err(|error| error.to_string())?;
        }
        let elapsed = start.elapsed();
        measured.p99("receipt in a batch", &times, Duration::from_millis(5));
        measured.rate("receipts", batches * BATCH, elapsed, 10_000.0);
        let first = batches * BATCH;
        let start = retake::now();
        write_all(&stage.ledger, first..2 * first).await?;
        let gain = start.elapsed().as_secs_f64() / elapsed.as_secs_f64().max(1e-9);
        measured.report("gain over single writes", gain, Unit::Ratio);
        stage.stop(measured).await;
        Ok(())
    })
    .await
}

async fn storage_efficiency(context: Context) -> Measurement {
    measured(async |measured| {
        let count = context.count(10_000);
        let disk = SimulatedDisk::new();
        let stage = Stage::start(&context, Durability::Fsync(Arc::new(disk.clone()))).await?;
        for batch in 0..count.div_ceil(100) {
            let drafts = (100 * batch..count.min(100 * (batch + 1)))
                .map(draft)
                .collect();
            let written = stage.ledger.append_all(drafts).await;
            written.map_err(|error| error.to_string())?;
        }
        let bytes = disk.bytes().len() as f64 / count as f64;
        measured.judge(
            "bytes a receipt on disk",
            bytes,
            Unit::Bytes,
            Target::AtMost(300.0),
        );
        stage.stop(measured).await;
        if retake_sim::memory::is_enabled() {
            let live = || retake_sim::memory::live_bytes() as f64;
            let before = live();
            let store = filled(count);
            let with_indices = live();
            let receipts = store.all();
            let alone = live() - with_indices;
            let each = (with_indices - before) / count as f64;
            measured.report_machine("bytes a receipt in memory", each, Unit::Bytes);
            let overhead = each - alone / count as f64;
            measured.report_machine("of them for indices", overhead, Unit::Bytes);
            drop((store, receipts));
        }
        Ok(())
    })
    .await
}
