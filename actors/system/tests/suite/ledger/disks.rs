//! Faults of the disk.

use super::*;

/// The power goes at this operation, and again at each one of the recovery. Returns whether it
/// went during the load, what was acknowledged, and how often the recovery was cut.
async fn lose_power(mode: fn(&SimulatedDisk) -> Durability, cut_at: u64) -> (bool, usize, u64) {
    let time = ServiceTime::Fixed(Duration::from_micros(300));
    let disk = SimulatedDisk::new().sync_time(time);
    disk.cut_power_at(cut_at);
    let (mut acknowledged, mut written) = (Vec::new(), Vec::new());
    if let Ok((ledger, store)) = start(mode(&disk)).await {
        acknowledged = load(&ledger).await;
        check(&store, &acknowledged);
        stop().await;
        written = [store.all(), store.unacknowledged()].concat();
    }
    stop().await;
    let was_cut = disk.operations() >= cut_at;
    disk.power_on();
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
    let (_, recovered) = start(mode(&disk)).await.unwrap();
    check(&recovered, &acknowledged);
    let seen = acknowledged.len();
    assert_eq!(recovery(&written, seen, &recovered), []);
    stop().await;
    let bytes = disk.bytes();
    let (ledger, store) = start(mode(&disk)).await.unwrap();
    assert_eq!(same_recovery(&recovered, &store), []);
    assert_eq!(disk.bytes(), bytes);
    // It continues from there.
    let next = ledger.append(draft("a", 7)).await.unwrap();
    assert_eq!(next.id, recovered.len() as u64 + 1);
    store.verify().unwrap();
    assert!(cuts >= 1, "recovery syncs what it builds upon");
    (was_cut, seen, cuts)
}

#[test]
fn a_loss_of_power_at_any_operation_loses_nothing_that_was_acknowledged() {
    let modes: [fn(&SimulatedDisk) -> Durability; 3] =
        [fsync, |it| group(it, 2), |it| group(it, 9)];
    for mode in modes {
        let (mut losses, mut most_cuts) = (0, 0);
        let is_over = |cut_at: &u64| {
            let runs = (0..5).map(|seed| {
                let sim = Sim::new().seed(seed).isolation(Isolation::Inline);
                let cut_at = *cut_at;
                let run = sim.run(move || lose_power(mode, cut_at));
                let (was_cut, acknowledged, cuts) = run.expect_passed();
                most_cuts = most_cuts.max(cuts);
                losses += u32::from(was_cut && acknowledged < 15);
                was_cut
            });
            runs.filter(|was_cut| *was_cut).count() == 0
        };
        let cut_at = (1..).find(is_over).unwrap();
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
                // It continues, and the power goes.
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

/// Start on a disk with this content; gives the receipts that are served, if any are.
async fn served(disk: &SimulatedDisk, log: &[u8], mark: u64) -> Result<Store, String> {
    disk.corrupt(|bytes| bytes.clone_from(&log.to_vec()));
    disk.set_mark(mark);
    let store = start(fsync(disk)).await.map(|(_, store)| store);
    kill().await;
    store
}

/// What a disk does silently is found when the log is read: nothing wrong is served.
#[test]
fn writes_that_are_misdirected_or_repeated_are_detected() {
    simulate(|| async {
        let (disk, acknowledged) = loaded().await;
        let good = disk.bytes();
        // The last one is the end mark.
        let mut starts = frames(&good);
        let good = good[..starts.pop().unwrap()].to_vec();
        let last = good[starts[starts.len() - 1]..].to_vec();
        for (number, at) in starts.iter().copied().enumerate() {
            // The last batch went to where another one was.
            if number < starts.len() - 1 {
                let mut log = good.clone();
                let end = (at + last.len()).min(log.len());
                log[at..end].copy_from_slice(&last[..end - at]);
                let error = served(&disk, &log, 0).await.unwrap_err();
                assert!(error.contains("is damaged at byte"), "{error}");
            }
            // One batch was written twice.
            let end = starts.get(number + 1).copied().unwrap_or(good.len());
            let mut log = good.clone();
            log.splice(end..end, good[at..end].to_vec());
            let error = served(&disk, &log, 0).await.unwrap_err();
            assert!(error.contains("does not continue its chain"), "{error}");
        }
        // An old state of the whole disk looks like a shorter life: what is there is whole.
        let old = &good[..starts[3]];
        let store = served(&disk, old, old.len() as u64).await.unwrap();
        check(&store, &acknowledged[..store.len()]);
        assert!(store.len() < acknowledged.len());
    });
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
            let system = file_system(config);
            let open = || group_on(log_on(&system), 3);
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
            let (disk, ledger, _) = start_fsync().await;
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

#[test]
fn decay_of_what_was_acknowledged_is_detected_and_located_never_served() {
    simulate(|| async {
        let (disk, ledger, _) = start_fsync().await;
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
}

/// With an end mark, nothing but the end mark itself looks like a torn write.
#[test]
fn without_its_mark_a_log_that_was_stopped_in_order_loses_nothing_to_decay() {
    simulate(|| async {
        let (disk, acknowledged) = loaded().await;
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
}

/// Texts that look like the framing of a log, in this format, the one before, and unescaped.
#[test]
fn text_of_a_client_in_a_torn_batch_is_not_taken_for_a_batch() {
    simulate(|| async {
        let (disk, ledger, _) = start_fsync().await;
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
}
