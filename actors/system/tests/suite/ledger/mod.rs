//! What the ledger acknowledged it keeps, whatever happens to its disk.

mod chains;
mod disk_faults;
mod disks;
mod writing;

use ractor::Actor;
use retake_system::invariants::{self, recovery, same_recovery};
use retake_system::ledger::{
    DRAFT_BYTES_MAX, Disk, DiskFault, DiskFile, Durability, FileDisk, Ledger, LedgerArguments,
    LedgerError, SimulatedDisk, verify,
};
use retake_system::{Failures, LedgerRef};
use std::collections::BTreeSet;
use std::io::{Read, Seek, SeekFrom, Write};
use std::sync::Mutex;

use crate::common::*;

fn draft(tenant: &str, payload: u64) -> Draft {
    Draft {
        tenant: tenant.to_owned(),
        payload: payload.to_string(),
        ..crate::common::draft(refusal())
    }
}

/// Start a ledger; an error tells why it did not start.
async fn start(durability: Durability) -> Result<(LedgerRef, Store), String> {
    let store = Store::new();
    let arguments = LedgerArguments {
        store: store.clone(),
        durability,
        append_time: ServiceTime::None,
        failures: Failures::default(),
    };
    let name = Some(retake::scoped_name("ledger"));
    match Actor::spawn(name, Ledger, arguments).await {
        Ok(_) => Ok((LedgerRef::new("ledger"), store)),
        Err(error) => Err(error.to_string()),
    }
}

async fn stop() {
    if let Some(ledger) = retake::where_is("ledger") {
        let _ = ledger.stop_and_wait(None, None).await;
    }
}

/// A ledger on a disk that it syncs after each write.
async fn start_fsync() -> (SimulatedDisk, LedgerRef, Store) {
    let disk = SimulatedDisk::new();
    let (ledger, store) = start(fsync(&disk)).await.unwrap();
    (disk, ledger, store)
}

/// The disk of such a ledger that was stopped after a load, and what it acknowledged.
async fn loaded() -> (SimulatedDisk, Vec<Receipt>) {
    let (disk, ledger, _) = start_fsync().await;
    let acknowledged = load(&ledger).await;
    stop().await;
    (disk, acknowledged)
}

fn fsync(disk: &SimulatedDisk) -> Durability {
    Durability::Fsync(Arc::new(disk.clone()))
}

fn group(disk: &SimulatedDisk, batch: usize) -> Durability {
    group_on(Arc::new(disk.clone()), batch)
}

fn group_on(disk: Arc<dyn Disk>, batch: usize) -> Durability {
    Durability::GroupCommit {
        disk,
        delay: Duration::from_millis(2),
        batch,
    }
}

/// Three clients append until the ledger fails; gives what was acknowledged.
async fn load(ledger: &LedgerRef) -> Vec<Receipt> {
    let acknowledged = Arc::new(Mutex::new(Vec::new()));
    let clients = ["a", "b", "c"].map(|tenant| {
        let (ledger, acknowledged) = (ledger.clone(), Arc::clone(&acknowledged));
        retake::spawn(async move {
            for number in 0..4 {
                let receipts = if number == 2 {
                    let drafts = vec![draft(tenant, number), draft(tenant, 100 + number)];
                    ledger.append_all(drafts).await
                } else {
                    ledger
                        .append(draft(tenant, number))
                        .await
                        .map(|it| vec![it])
                };
                match receipts {
                    Ok(receipts) => acknowledged.lock().unwrap().extend(receipts),
                    Err(_) => break,
                }
            }
        })
    });
    all(clients).await;
    let mut receipts = acknowledged.lock().unwrap().clone();
    receipts.sort_by_key(|receipt| receipt.id);
    receipts
}

/// End a ledger as a crash does.
async fn kill() {
    if let Some(ledger) = retake::where_is("ledger") {
        let _ = ledger.kill_and_wait(None).await;
    }
}

/// Where the frames of a log begin.
fn frames(log: &[u8]) -> Vec<usize> {
    (0..log.len()).filter(|at| log[*at] == 0xFF).collect()
}

/// Nothing acknowledged is missing or changed, nothing is broken or missing in between.
fn check(store: &Store, acknowledged: &[Receipt]) {
    assert_eq!(invariants::ledger(store), []);
    assert_eq!(invariants::acknowledged(store, acknowledged), []);
}
