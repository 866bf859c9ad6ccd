//! A real process that is killed while it writes: what it acknowledged is there. It is a program
//! of its own, because it starts itself again as the process that is killed.
#![allow(
    missing_docs,
    clippy::disallowed_methods,
    reason = "a live process, in real time"
)]

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use ractor::Actor;
use retake_system::ledger::{
    Draft, Durability, FileDisk, Ledger, LedgerArguments, Receipt, ReceiptKind,
};
use retake_system::{Failures, LedgerRef, ServiceTime, Store};

const LOG: &str = "RETAKE_TEST_LEDGER_LOG";
const KILLS: u64 = 50;
const WRITERS: u64 = 8;

async fn start(path: &Path, group: bool) -> (LedgerRef, Store) {
    let disk = Arc::new(FileDisk::open(path).unwrap());
    let durability = if group {
        Durability::GroupCommit {
            disk,
            delay: Duration::from_micros(200),
            batch: 5,
        }
    } else {
        Durability::Fsync(disk)
    };
    let store = Store::new();
    let arguments = LedgerArguments {
        store: store.clone(),
        durability,
        append_time: ServiceTime::None,
        failures: Failures::default(),
    };
    let ledger = Actor::spawn(Some("ledger".to_owned()), Ledger, arguments);
    ledger.await.unwrap();
    (LedgerRef::new("ledger"), store)
}

async fn stop() {
    let ledger = ractor::registry::where_is("ledger").unwrap();
    ledger.stop_and_wait(None, None).await.unwrap();
}

fn line(receipt: &Receipt) -> String {
    format!("acknowledged {} {}", receipt.id, receipt.hash)
}

/// Not a test of its own: what the killed process runs. It writes for ever, and
/// prints what was acknowledged.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_process_that_is_killed() {
    let Some(path) = std::env::var_os(LOG) else {
        return;
    };
    let group = std::env::var_os("RETAKE_TEST_GROUP").is_some();
    let (ledger, _) = start(Path::new(&path), group).await;
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| tokio::spawn(write_for_ever(writer, ledger.clone())))
        .collect();
    drop(ledger);
    for writer in writers {
        writer.await.unwrap();
    }
}

async fn write_for_ever(writer: u64, ledger: LedgerRef) {
    loop {
        let draft = Draft {
            tenant: format!("tenant-{}", writer % 3),
            kind: ReceiptKind::Refusal {
                reason: "not entitled".to_owned(),
            },
            payload: "x".repeat(writer as usize * 10),
            signal: None,
            key: None,
        };
        match ledger.append(draft).await {
            Ok(receipt) => println!("{}", line(&receipt)),
            Err(_) => return,
        }
    }
}

#[tokio::test]
async fn what_was_acknowledged_survives_the_killing_of_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let mut acknowledged_in_all = 0;
    for kill in 0..KILLS {
        // Every few kills a new log; between them each process continues the last one's.
        let path = folder.path().join(format!("log-{}", kill / 10));
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args(["--exact", "the_process_that_is_killed", "--nocapture"])
            .env(LOG, &path)
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        if kill % 2 == 0 {
            command.env("RETAKE_TEST_GROUP", "1");
        }
        let mut process = command.spawn().unwrap();
        let output = BufReader::new(process.stdout.take().unwrap());
        // Killed after a number of acknowledgements that differs each time.
        let enough = 1 + kill * 7 % 60;
        let mut acknowledged = Vec::new();
        for line in output.lines() {
            let line = line.unwrap();
            // A line that the kill has cut does not end with a whole hash.
            if line.starts_with("acknowledged ") && line.rsplit(' ').next().unwrap().len() == 64 {
                acknowledged.push(line);
            }
            if acknowledged.len() as u64 == enough {
                process.kill().unwrap();
            }
        }
        process.wait().unwrap();
        assert!(acknowledged.len() as u64 >= enough, "{acknowledged:?}");

        let (_, store) = start(&path, false).await;
        store.verify().unwrap();
        let kept: std::collections::BTreeSet<String> = store.all().iter().map(line).collect();
        for line in &acknowledged {
            assert!(kept.contains(line), "kill {kill}: lost {line}");
        }
        stop().await;
        acknowledged_in_all += acknowledged.len();
    }
    assert!(acknowledged_in_all > 1_000, "{acknowledged_in_all}");
}
