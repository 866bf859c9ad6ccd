//! What the ledger acknowledged it keeps, whatever happens to its disk.
#![allow(missing_docs)]

mod files;

use std::collections::BTreeSet;
use std::io::{Read, Seek, SeekFrom, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use files::SimulatedFile;
use ractor::Actor;
use retake_sim::{Isolation, Sim, fs};
use retake_system::invariants::{self, recovery, same_recovery};
use retake_system::ledger::{
    DRAFT_BYTES_MAX, Disk, DiskFault, DiskFile, Draft, Durability, FileDisk, Ledger,
    LedgerArguments, LedgerError, Receipt, ReceiptKind, SimulatedDisk, verify,
};
use retake_system::{Failures, LedgerRef, ServiceTime, Store};

fn draft(tenant: &str, payload: u64) -> Draft {
    Draft {
        tenant: tenant.to_owned(),
        kind: ReceiptKind::Refusal {
            reason: "not entitled".to_owned(),
        },
        payload: payload.to_string(),
        signal: None,
        key: None,
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
    for client in clients {
        client.await.unwrap();
    }
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

#[test]
fn a_loss_of_power_at_any_operation_loses_nothing_that_was_acknowledged() {
    let modes: [fn(&SimulatedDisk) -> Durability; 3] =
        [fsync, |it| group(it, 2), |it| group(it, 9)];
    for mode in modes {
        let mut cut_at = 0;
        let mut losses = 0;
        let mut most_cuts = 0;
        loop {
            cut_at += 1;
            let mut is_over = true;
            for seed in 0..5 {
                let run =
                    Sim::new()
                        .seed(seed)
                        .isolation(Isolation::Inline)
                        .run(move || async move {
                            let disk = SimulatedDisk::new()
                                .sync_time(ServiceTime::Fixed(Duration::from_micros(300)));
                            disk.cut_power_at(cut_at);
                            let (mut acknowledged, mut all) = (Vec::new(), 0);
                            let mut written = Vec::new();
                            if let Ok((ledger, store)) = start(mode(&disk)).await {
                                acknowledged = load(&ledger).await;
                                all = acknowledged.len();
                                check(&store, &acknowledged);
                                stop().await;
                                written = [store.all(), store.unacknowledged()].concat();
                            }
                            stop().await;
                            let was_cut = disk.operations() >= cut_at;
                            disk.power_on();
                            // And again while it recovers, at each of its operations.
                            let mut cuts = 0;
                            loop {
                                disk.cut_power_at(disk.operations() + cuts + 1);
                                if start(mode(&disk)).await.is_ok() {
                                    break;
                                }
                                stop().await;
                                disk.power_on();
                                cuts += 1;
                            }
                            stop().await;
                            disk.power_on();
                            let (ledger, store) = start(mode(&disk)).await.unwrap();
                            check(&store, &acknowledged);
                            let recovered = store;
                            let seen = acknowledged.len();
                            assert_eq!(recovery(&written, seen, &recovered), []);
                            stop().await;
                            let bytes = disk.bytes();
                            let (_, store) = start(mode(&disk)).await.unwrap();
                            assert_eq!(same_recovery(&recovered, &store), []);
                            assert_eq!(disk.bytes(), bytes);
                            // It goes on from there.
                            let next = ledger.append(draft("a", 7)).await.unwrap();
                            assert_eq!(next.id, recovered.len() as u64 + 1);
                            store.verify().unwrap();
                            assert!(cuts >= 1, "recovery syncs what it builds upon");
                            (was_cut, all, cuts)
                        });
                let (was_cut, acknowledged, cuts) = run.expect_passed();
                is_over &= !was_cut;
                most_cuts = most_cuts.max(cuts);
                losses += u32::from(was_cut && acknowledged < 15);
            }
            if is_over {
                break;
            }
        }
        assert!(cut_at > 5 && losses > 10, "{cut_at} cuts, {losses} losses");
        // What was torn is cut off before that is synced.
        assert!(most_cuts >= 2, "recovery was cut {most_cuts} times at most");
    }
}

/// A ledger that is restarted after an error of its disk has lost nothing that it
/// acknowledged, not even when the power goes later.
#[test]
fn an_error_of_the_disk_at_any_operation_loses_nothing_that_was_acknowledged() {
    let faults = [
        DiskFault::Error,
        DiskFault::ShortWrite,
        DiskFault::OutOfSpace,
        DiskFault::LostSync,
    ];
    for fault in faults {
        let mut struck = 0;
        for at in 1..40 {
            let run = Sim::new().seed(at).run(move || async move {
                let disk = SimulatedDisk::new();
                disk.fail_at(at, fault);
                let mut acknowledged = Vec::new();
                if let Ok((ledger, _)) = start(group(&disk, 2)).await {
                    acknowledged = load(&ledger).await;
                }
                let failed = acknowledged.len() < 15;
                stop().await;
                disk.heal();
                let (ledger, store) = start(group(&disk, 2)).await.unwrap();
                check(&store, &acknowledged);
                // It goes on, and the power goes.
                acknowledged.push(ledger.append(draft("a", 9)).await.unwrap());
                disk.cut_power_at(disk.operations() + 1);
                stop().await;
                disk.power_on();
                let (_, store) = start(group(&disk, 2)).await.unwrap();
                check(&store, &acknowledged);
                failed
            });
            struck += u32::from(run.expect_passed());
        }
        assert!(struck >= 8, "{fault:?} struck {struck} times");
    }
}

/// What a disk does silently is found when the log is read: nothing wrong is served.
#[test]
fn writes_that_are_misdirected_or_repeated_are_detected() {
    let run = Sim::new().run(|| async {
        let disk = SimulatedDisk::new();
        let (ledger, _) = start(fsync(&disk)).await.unwrap();
        let acknowledged = load(&ledger).await;
        stop().await;
        let good = disk.bytes();
        // The last one is the end mark.
        let mut starts = frames(&good);
        let good = good[..starts.pop().unwrap()].to_vec();
        disk.set_mark(0);
        let last = good[starts[starts.len() - 1]..].to_vec();
        for (number, at) in starts.iter().copied().enumerate() {
            // The last batch went to where another one was.
            if number < starts.len() - 1 {
                disk.corrupt(|bytes| {
                    bytes.clone_from(&good);
                    let end = (at + last.len()).min(bytes.len());
                    bytes[at..end].copy_from_slice(&last[..end - at]);
                });
                let error = start(fsync(&disk)).await.unwrap_err();
                assert!(error.contains("is damaged at byte"), "{error}");
                stop().await;
            }
            // One batch was written twice.
            let end = starts.get(number + 1).copied().unwrap_or(good.len());
            disk.corrupt(|bytes| {
                bytes.clone_from(&good);
                bytes.splice(end..end, good[at..end].to_vec());
            });
            let error = start(fsync(&disk)).await.unwrap_err();
            assert!(error.contains("does not continue its chain"), "{error}");
            stop().await;
        }
        // An old state of the whole disk looks like a shorter life: what is there is whole.
        disk.corrupt(|bytes| bytes.clone_from(&good[..starts[3]].to_vec()));
        disk.set_mark(starts[3] as u64);
        let (_, store) = start(fsync(&disk)).await.unwrap();
        check(&store, &acknowledged[..store.len()]);
        assert!(store.len() < acknowledged.len());
    });
    run.expect_passed();
}

#[test]
fn over_a_simulated_file_system_crashes_and_errors_lose_nothing_acknowledged() {
    let mut lost = 0;
    for seed in 0..60 {
        let run = Sim::new().seed(seed).run(move || async move {
            let mut config = fs::FsConfig::default();
            config.sync_probability(0.2).block_size(16);
            if seed % 3 == 1 {
                config.io_error_probability(0.05);
            }
            if seed % 3 == 2 {
                config.capacity(3000);
            }
            let system = fs::FileSystem::new(config);
            system.create_dir("/data").unwrap();
            let open = || {
                let file = SimulatedFile(system.open("/data/receipts.log").unwrap());
                group_on(Arc::new(FileDisk::over(file)), 3)
            };
            let (mut acknowledged, mut crashed_early) = (Vec::new(), 0);
            for life in 0_u64..4 {
                let crash = {
                    let system = system.clone();
                    let after = Duration::from_micros((seed * 7919 + life * 4321) % 9000);
                    retake::spawn(async move {
                        retake::sleep(after).await;
                        system.crash();
                    })
                };
                // Where reading fails there is no start; try again.
                if let Ok((ledger, store)) = start(open()).await {
                    check(&store, &acknowledged);
                    let new = load(&ledger).await;
                    crashed_early += u32::from(new.len() < 15);
                    acknowledged.extend(new);
                    check(&store, &acknowledged);
                }
                crash.await.unwrap();
                stop().await;
            }
            crashed_early
        });
        lost += run.expect_passed();
    }
    assert!(lost > 60, "{lost} of 240 loads were cut");
}

/// Acknowledge before the disk has synced, and the test above must notice.
#[test]
fn a_disk_that_lies_about_syncing_is_found_out() {
    let lost = (0..50).any(|seed| {
        let run = Sim::new().seed(seed).run(|| async {
            let disk = SimulatedDisk::new();
            let (ledger, _) = start(fsync(&disk)).await.unwrap();
            let mut acknowledged = Vec::new();
            for number in 0..3 {
                acknowledged.push(ledger.append(draft("a", number)).await.unwrap());
            }
            stop().await;
            // As if the last sync had not happened.
            let last = *frames(&disk.bytes()).iter().rev().nth(1).unwrap();
            disk.corrupt(|bytes| bytes.truncate(last + 30));
            disk.set_mark(last as u64);
            let (_, store) = start(fsync(&disk)).await.unwrap();
            check(&store, &acknowledged);
        });
        !run.passed()
    });
    assert!(lost);
}

/// Start on a disk with this content; gives the receipts that are served, if any are.
async fn served(disk: &SimulatedDisk, log: &[u8], mark: u64) -> Result<Store, String> {
    disk.corrupt(|bytes| bytes.clone_from(&log.to_vec()));
    disk.set_mark(mark);
    let store = start(fsync(disk)).await.map(|(_, store)| store);
    kill().await;
    store
}

#[test]
fn decay_of_what_was_acknowledged_is_detected_and_located_never_served() {
    let run = Sim::new().run(|| async {
        let disk = SimulatedDisk::new();
        let (ledger, _) = start(fsync(&disk)).await.unwrap();
        let acknowledged = load(&ledger).await;
        let mut states = Vec::new();
        kill().await;
        states.push(disk.bytes());
        start(fsync(&disk)).await.unwrap();
        let ledger = LedgerRef::new("ledger");
        ledger.append(draft("a", 9)).await.unwrap();
        // It writes the end mark.
        stop().await;
        states.push(disk.bytes());
        for good in states {
            let mark = good.len() as u64;
            let store = served(&disk, &good, mark).await.unwrap();
            check(&store, &acknowledged);
            for at in 0..good.len() {
                let mut log = good.clone();
                log[at] ^= 1 << (at % 8);
                let error = served(&disk, &log, mark).await.unwrap_err();
                let what = if at < 8 {
                    "no ledger log"
                } else {
                    "is damaged at byte"
                };
                assert!(error.contains(what), "byte {at}: {error}");
            }
            for length in 0..good.len() {
                let error = served(&disk, &good[..length], mark).await.unwrap_err();
                assert!(error.contains("it was cut or emptied"), "{length}: {error}");
            }
        }
    });
    run.expect_passed();
}

/// With an end mark, nothing but the end mark itself looks like a torn write.
#[test]
fn without_its_mark_a_log_that_was_stopped_in_order_loses_nothing_to_decay() {
    let run = Sim::new().run(|| async {
        let disk = SimulatedDisk::new();
        let (ledger, _) = start(fsync(&disk)).await.unwrap();
        let acknowledged = load(&ledger).await;
        stop().await;
        let good = disk.bytes();
        let end_mark = *frames(&good).last().unwrap();
        for at in 8..good.len() {
            let mut log = good.clone();
            log[at] ^= 1 << (at % 8);
            match served(&disk, &log, 0).await {
                Ok(store) => {
                    assert!(at >= end_mark, "byte {at}");
                    check(&store, &acknowledged);
                }
                Err(error) => assert!(error.contains("is damaged at byte"), "{error}"),
            }
        }
        // What is cut at a place of its own looks like a shorter life: what is there is whole.
        for length in 0..good.len() {
            let store = served(&disk, &good[..length], 0).await.unwrap();
            check(&store, &acknowledged[..store.len()]);
        }
    });
    run.expect_passed();
}

/// Texts that look like the framing of a log, in this format, the one before, and unescaped.
#[test]
fn text_of_a_client_in_a_torn_batch_is_not_taken_for_a_batch() {
    let run = Sim::new().run(|| async {
        let disk = SimulatedDisk::new();
        let (ledger, _) = start(fsync(&disk)).await.unwrap();
        let first = ledger.append(draft("a", 1)).await.unwrap();
        kill().await;
        let good = disk.bytes();
        let frame = good[8..].to_vec();
        // As a client could know it: every whole frame, and what they look like as text.
        let as_text: String = frame.iter().map(|byte| char::from(*byte)).collect();
        let imitations = [
            as_text,
            String::from_utf8_lossy(&frame).into_owned(),
            "RTKLEDG2BTCH\0\0\0\0\u{ff}\u{fe}\u{1}".repeat(20),
            "\u{0}".repeat(64),
        ];
        for text in imitations {
            disk.corrupt(|bytes| bytes.clone_from(&good));
            disk.set_mark(good.len() as u64);
            let (ledger, _) = start(fsync(&disk)).await.unwrap();
            let imitation = Draft {
                payload: text.clone(),
                ..draft("a", 2)
            };
            ledger.append(imitation).await.unwrap();
            kill().await;
            let written = disk.bytes();
            // Torn anywhere, cut or with zeros behind, before it was acknowledged.
            for at in good.len()..written.len() {
                let mut zeros = written.clone();
                zeros[at..].fill(0);
                // Or the start of it is lost and the rest is there.
                let mut holed = written.clone();
                holed[good.len()..at].fill(0);
                for log in [written[..at].to_vec(), zeros, holed] {
                    if log == written {
                        continue;
                    }
                    let store = served(&disk, &log, good.len() as u64).await;
                    let store = store.unwrap_or_else(|error| panic!("{text:?}, {at}: {error}"));
                    assert_eq!(store.all(), std::slice::from_ref(&first));
                }
            }
        }
    });
    run.expect_passed();
}

#[test]
fn a_full_disk_refuses_and_is_served_again_when_there_is_room() {
    for mode in [fsync, |disk: &SimulatedDisk| group(disk, 2)] {
        let run = Sim::new().run(move || async move {
            let disk = SimulatedDisk::new();
            let (ledger, store) = start(mode(&disk)).await.unwrap();
            let mut acknowledged = vec![ledger.append(draft("a", 1)).await.unwrap()];
            let before = disk.bytes();
            for number in 0..100 {
                disk.fail_at(disk.operations() + 1, DiskFault::OutOfSpace);
                let keyed = Draft {
                    key: Some("again".to_owned()),
                    signal: Some("signal".to_owned()),
                    ..draft(["a", "b"][number % 2], 2)
                };
                let refused = ledger.append(keyed).await;
                assert_eq!(refused, Err(LedgerError::Full));
                assert_eq!((store.len(), store.unacknowledged().len()), (1, 0));
                assert_eq!(store.of_signal("signal"), []);
            }
            assert_eq!(disk.bytes(), before, "nothing is left of what did not fit");
            disk.heal();
            let keyed = Draft {
                key: Some("again".to_owned()),
                ..draft("b", 2)
            };
            acknowledged.push(ledger.append(keyed).await.unwrap());
            acknowledged.push(ledger.append(draft("a", 3)).await.unwrap());
            check(&store, &acknowledged);
            stop().await;
            let (_, store) = start(mode(&disk)).await.unwrap();
            assert_eq!(store.all(), acknowledged);
        });
        run.expect_passed();
    }
}

#[test]
fn a_flood_of_refusals_shares_receipts_and_is_counted() {
    let run = Sim::new().run(|| async {
        let disk = SimulatedDisk::new();
        let (ledger, store) = start(fsync(&disk)).await.unwrap();
        for number in 0..20_000 {
            let tenant = ["acme", ""][number % 2];
            let receipt = ledger.refuse(draft(tenant, number as u64)).await.unwrap();
            let kept = store.get(receipt.id).expect("it is durable");
            assert_eq!((kept.tenant.as_str(), &kept.kind), (tenant, &receipt.kind));
        }
        let own = store.len();
        assert!((1_000..1_100).contains(&own), "{own}");
        retake::sleep(Duration::from_secs(61)).await;
        let counted = |store: &Store| {
            let counts = store
                .all()
                .into_iter()
                .filter_map(|receipt| match receipt.kind {
                    ReceiptKind::Refusals { count, .. } => Some(count),
                    _ => None,
                });
            counts.collect::<Vec<_>>()
        };
        let counts = counted(&store);
        assert_eq!(counts.len(), 2, "one for each tenant");
        assert_eq!(counts.iter().sum::<u64>() as usize + own, 20_000);
        // One more a second has a receipt of its own again.
        let before = store.len();
        ledger.refuse(draft("acme", 1)).await.unwrap();
        assert_eq!(store.len(), before + 1);
        // What was counted when it stops is written.
        for number in 0..2_000 {
            ledger.refuse(draft("acme", number)).await.unwrap();
        }
        stop().await;
        let (_, store) = start(fsync(&disk)).await.unwrap();
        let all = store.all();
        let own = all
            .iter()
            .filter(|it| matches!(it.kind, ReceiptKind::Refusal { .. }));
        let own = own.count() as u64;
        assert_eq!(own + counted(&store).iter().sum::<u64>(), 22_001);
        assert_eq!(invariants::ledger(&store), []);
    });
    run.expect_passed();
}

#[test]
fn a_receipt_that_could_not_be_read_again_is_not_written() {
    let run = Sim::new().run(|| async {
        let disk = SimulatedDisk::new();
        let (ledger, store) = start(fsync(&disk)).await.unwrap();
        let large = |bytes: usize| Draft {
            payload: "x".repeat(bytes),
            ..draft("a", 1)
        };
        let refused = ledger.append(large(DRAFT_BYTES_MAX)).await;
        assert_eq!(refused, Err(LedgerError::TooLarge));
        assert_eq!(store.len(), 0);
        ledger.append(large(DRAFT_BYTES_MAX - 100)).await.unwrap();
        stop().await;
        assert_eq!(start(fsync(&disk)).await.unwrap().1.len(), 1);
    });
    run.expect_passed();
}

#[test]
fn one_key_gives_one_receipt_also_after_a_loss_of_power() {
    let run = Sim::new().run(|| async {
        let disk = SimulatedDisk::new();
        let (ledger, _) = start(group(&disk, 10)).await.unwrap();
        let keyed = |payload| Draft {
            key: Some("order-1".to_owned()),
            ..draft("a", payload)
        };
        let both = ledger.append_all(vec![keyed(1), keyed(2)]).await.unwrap();
        assert_eq!(both[0], both[1]);
        stop().await;
        disk.power_on();
        let (ledger, store) = start(group(&disk, 10)).await.unwrap();
        assert_eq!(ledger.append(keyed(3)).await.unwrap(), both[0]);
        assert_eq!(
            (store.len(), store.of_key("order-1")),
            (1, Some(both[0].clone()))
        );
    });
    run.expect_passed();
}

#[test]
fn a_group_waits_for_its_delay_or_its_size_and_syncs_once() {
    let run = Sim::new().run(|| async {
        let disk = SimulatedDisk::new().sync_time(ServiceTime::Fixed(Duration::from_millis(1)));
        let (ledger, store) = start(group(&disk, 3)).await.unwrap();
        let append = |number| {
            let ledger = ledger.clone();
            retake::spawn(async move {
                let before = retake::now();
                ledger.append(draft("a", number)).await.unwrap();
                before.elapsed()
            })
        };
        let before = disk.operations();
        let alone = append(0);
        retake::sleep(Duration::from_millis(1)).await;
        assert_eq!(store.len(), 0, "not seen before it is acknowledged");
        assert_eq!(alone.await.unwrap(), Duration::from_millis(3));
        assert_eq!(disk.operations() - before, 2, "a write and a sync");
        let together = [append(1), append(2), append(3)];
        for one in together {
            assert_eq!(one.await.unwrap(), Duration::from_millis(1));
        }
        assert_eq!(disk.operations() - before, 4);
    });
    run.expect_passed();
}

#[test]
fn a_ledger_that_stops_writes_what_waits() {
    let run = Sim::new().run(|| async {
        let disk = SimulatedDisk::new();
        let (ledger, _) = start(group(&disk, 100)).await.unwrap();
        let asked = retake::spawn(async move { ledger.append(draft("a", 1)).await });
        retake::sleep(Duration::from_millis(1)).await;
        stop().await;
        assert_eq!(asked.await.unwrap().unwrap().id, 1);
        let (_, store) = start(group(&disk, 100)).await.unwrap();
        assert_eq!(store.len(), 1);
    });
    run.expect_passed();
}

#[test]
fn after_an_error_of_the_disk_nothing_more_is_acknowledged() {
    let run = Sim::new().run(|| async {
        let disk = SimulatedDisk::new();
        let (ledger, store) = start(fsync(&disk)).await.unwrap();
        ledger.append(draft("a", 1)).await.unwrap();
        disk.cut_power_at(disk.operations() + 2);
        let answer = ledger.append(draft("a", 2)).await;
        assert_eq!(answer.unwrap_err(), LedgerError::Closed);
        let answer = ledger.append(draft("a", 3)).await;
        assert_eq!(answer.unwrap_err(), LedgerError::Closed);
        assert_eq!(store.len(), 1);
    });
    run.expect_passed();
}

/// A file that gives and takes a few bytes at a time, as the system may, and is
/// interrupted now and then.
#[derive(Debug, Default)]
struct Trickle {
    bytes: Vec<u8>,
    at: usize,
    calls: usize,
}

impl Trickle {
    fn some(&mut self, wanted: usize) -> std::io::Result<usize> {
        self.calls += 1;
        match self.calls % 3 {
            0 => Err(std::io::ErrorKind::Interrupted.into()),
            few => Ok(wanted.min(few)),
        }
    }
}

impl Read for Trickle {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let some = self.some(into.len().min(self.bytes.len() - self.at))?;
        into[..some].copy_from_slice(&self.bytes[self.at..self.at + some]);
        self.at += some;
        Ok(some)
    }
}

impl Write for Trickle {
    fn write(&mut self, from: &[u8]) -> std::io::Result<usize> {
        let some = self.some(from.len())?;
        self.bytes.extend(&from[..some]);
        Ok(some)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Seek for Trickle {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        assert_eq!(to, SeekFrom::Start(0), "only the whole is read");
        self.at = 0;
        Ok(0)
    }
}

impl DiskFile for Trickle {
    fn sync_data(&mut self) -> std::io::Result<()> {
        Ok(())
    }

    fn truncate(&mut self, length: u64) -> std::io::Result<()> {
        self.bytes.truncate(length as usize);
        Ok(())
    }
}

#[test]
fn short_reads_and_writes_lose_nothing() {
    let run = Sim::new().run(|| async {
        let disk = FileDisk::over(Trickle::default());
        let on = || Durability::Fsync(Arc::new(disk.clone()));
        let (ledger, _) = start(on()).await.unwrap();
        let acknowledged = load(&ledger).await;
        assert_eq!(acknowledged.len(), 15);
        stop().await;
        let (_, store) = start(on()).await.unwrap();
        assert_eq!(store.all(), acknowledged);
    });
    run.expect_passed();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_keeps_receipts_between_processes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("receipts.log");
    let open = || {
        let disk = Arc::new(FileDisk::open(&path).unwrap());
        Durability::GroupCommit {
            disk,
            delay: Duration::from_millis(1),
            batch: 100,
        }
    };
    let (ledger, _) = start(open()).await.unwrap();
    let acknowledged = load(&ledger).await;
    assert_eq!(acknowledged.len(), 15);
    stop().await;
    let bytes = std::fs::read(&path).unwrap();
    let frames = frames(&bytes);
    std::fs::write(&path, &bytes[..frames[frames.len() - 1] - 1]).unwrap();
    let error = start(open()).await.unwrap_err();
    assert!(error.contains("it was cut or emptied"), "{error}");
    std::fs::remove_file(path.with_extension("mark")).unwrap();
    let (_, store) = start(open()).await.unwrap();
    assert!(store.len() < 15, "the torn batch is cut off");
    check(&store, &acknowledged[..store.len()]);
    stop().await;
    std::fs::write(&path, b"something else").unwrap();
    let error = start(open()).await.unwrap_err();
    assert!(error.contains("this is no ledger log"), "{error}");
}

/// One receipt of each kind, with those of another tenant in between.
fn one_of_each_kind() -> Vec<Receipt> {
    let text = |text: &str| text.to_owned();
    let kinds = [
        ReceiptKind::Entitlement {
            from: text("pending_review"),
            to: text("entitled"),
            entitlement_id: Some(text("e-1")),
            ordered_ms: 7,
        },
        ReceiptKind::Transition {
            from: text("boot"),
            to: text("stable"),
        },
        ReceiptKind::Signal {
            verdict: text("warning"),
        },
        ReceiptKind::Attempt {
            action: text("scale"),
        },
        ReceiptKind::Result {
            attempt: 4,
            outcome: text("success"),
            duration_ns: 20_000_000,
        },
        ReceiptKind::Refusal {
            reason: text("not entitled"),
        },
        ReceiptKind::Refusals {
            reason: text("not entitled"),
            count: 3,
        },
    ];
    let store = Store::new();
    for (number, kind) in kinds.into_iter().enumerate() {
        store.append(draft("other", 0));
        store.append(Draft {
            kind,
            signal: (number % 2 == 0).then(|| format!("signal-{number}")),
            key: (number % 3 == 0).then(|| format!("key-{number}")),
            ..draft("acme", number as u64)
        });
    }
    store.all()
}

/// Every way to change one thing in a receipt's content, with a name for each.
fn changed(receipt: &Receipt) -> Vec<(String, Receipt)> {
    fn visit(
        path: &str,
        whole: &serde_json::Value,
        pointer: &str,
        changes: &mut Vec<(String, serde_json::Value)>,
    ) {
        use serde_json::Value;
        let mut replace = |value: Value| {
            let mut other = whole.clone();
            *other.pointer_mut(pointer).unwrap() = value;
            changes.push((path.to_owned(), other));
        };
        match whole.pointer(pointer).unwrap().clone() {
            Value::Null => replace("".into()),
            Value::String(text) => {
                replace(format!("{text}x").into());
                replace(format!("X{}", &text[1..]).into());
                if ["/signal", "/key", "/kind/entitlement/entitlement_id"].contains(&pointer) {
                    replace(Value::Null);
                }
            }
            Value::Number(number) => {
                let number = number.as_u64().unwrap();
                replace((number ^ 1).into());
            }
            Value::Array(items) => {
                for place in 0..items.len() {
                    visit(path, whole, &format!("{pointer}/{place}"), changes);
                }
            }
            Value::Object(fields) => {
                for field in fields.keys() {
                    visit(field, whole, &format!("{pointer}/{field}"), changes);
                }
            }
            Value::Bool(_) => panic!("a receipt has none"),
        }
    }
    let whole = serde_json::to_value(receipt).unwrap();
    let mut changes = Vec::new();
    visit("", &whole, "", &mut changes);
    // Another type with the same content.
    let kind = match receipt.kind.clone() {
        ReceiptKind::Transition { from, to } => Some(ReceiptKind::Entitlement {
            from,
            to,
            entitlement_id: None,
            ordered_ms: 0,
        }),
        ReceiptKind::Entitlement { from, to, .. } => Some(ReceiptKind::Transition { from, to }),
        ReceiptKind::Refusals { reason, .. } => Some(ReceiptKind::Refusal { reason }),
        ReceiptKind::Refusal { reason } => Some(ReceiptKind::Signal { verdict: reason }),
        ReceiptKind::Signal { verdict } => Some(ReceiptKind::Attempt { action: verdict }),
        ReceiptKind::Attempt { action } => Some(ReceiptKind::Refusal { reason: action }),
        ReceiptKind::Result { .. } => None,
    };
    let other_kind = kind.map(|kind| {
        let kind = serde_json::to_value(kind).unwrap();
        let mut other = whole.clone();
        other["kind"] = kind;
        ("type".to_owned(), other)
    });
    changes.extend(other_kind);
    // The same bytes, divided otherwise.
    if let ReceiptKind::Transition { from, to } = &receipt.kind {
        let mut other = whole.clone();
        other["kind"]["transition"] = serde_json::json!({
            "from": format!("{from}{}", &to[..1]),
            "to": &to[1..],
        });
        changes.push(("borders".to_owned(), other));
    }
    let parsed = changes
        .into_iter()
        .map(|(field, value)| (field, serde_json::from_value(value).unwrap()));
    parsed.collect()
}

#[test]
fn a_change_of_any_field_of_any_kind_of_receipt_is_reported_at_its_position() {
    let good = one_of_each_kind();
    verify(&good).unwrap();
    let mut fields = BTreeSet::new();
    for (place, receipt) in good.iter().enumerate() {
        // Its place in its own tenant's chain.
        let position = place / 2;
        for (field, other) in changed(receipt) {
            assert_ne!(other, *receipt, "{field}");
            let mut receipts = good.clone();
            receipts[place] = other.clone();
            let broken = verify(&receipts).expect_err(&field);
            let found = (broken.tenant, broken.position, broken.id);
            // Of another tenant it stands in another chain, which begins with it.
            let position = if field == "tenant" { 0 } else { position };
            assert_eq!(found, (other.tenant, position, other.id), "{field}");
            fields.insert(field);
        }
    }
    let fields: Vec<_> = fields.iter().map(String::as_str).collect();
    insta::assert_snapshot!(fields.join(" "), @"action attempt borders count duration_ns entitlement_id from hash id key ordered_ms outcome payload previous reason signal tenant time_ns to type verdict");
}

#[test]
fn a_receipt_that_is_missing_or_moved_is_reported_where_the_chain_breaks() {
    let good = one_of_each_kind();
    for place in 0..good.len() - 2 {
        let mut receipts = good.clone();
        receipts.remove(place);
        assert_eq!(verify(&receipts).unwrap_err().position, place / 2);
        let mut receipts = good.clone();
        receipts.swap(place, place + 2);
        assert_eq!(verify(&receipts).unwrap_err().position, place / 2);
    }
}

/// Computed by another program: the numbers as 8 bytes, little end first, and the texts with
/// their lengths before them.
#[test]
fn a_hash_is_the_sha_256_of_the_content_and_a_chain_begins_with_zeros() {
    let run = Sim::new().run(|| async {
        let store = Store::new();
        store.append(draft("acme", 7));
        store.append(Draft {
            kind: ReceiptKind::Result {
                attempt: 1,
                outcome: "partial".to_owned(),
                duration_ns: 5,
            },
            signal: Some("s".to_owned()),
            key: Some("k".to_owned()),
            ..draft("acme", 8)
        });
        store.all()
    });
    let receipts = run.expect_passed();
    assert_eq!(receipts[0].previous.to_string(), "0".repeat(64));
    assert_eq!(receipts[1].previous, receipts[0].hash);
    let hashes: Vec<_> = receipts.iter().map(|it| it.hash.to_string()).collect();
    assert_eq!(
        hashes,
        [
            "bea92765675c38c939bf32891a8f1eb2d154ad19a50d466b2913560217626db2",
            "6bda548e0e0e4d65c49e1ed8f4becb10c6067ca0e35c35f21627cb5e9c59dad0"
        ]
    );
}
