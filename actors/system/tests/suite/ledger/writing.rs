//! What is written, and when.

use super::*;

#[test]
fn a_full_disk_refuses_and_is_served_again_when_there_is_room() {
    for mode in [fsync, |disk: &SimulatedDisk| group(disk, 2)] {
        simulate(move || async move {
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
    }
}

#[test]
fn a_flood_of_refusals_shares_receipts_and_is_counted() {
    simulate(|| async {
        let (disk, ledger, store) = start_fsync().await;
        for number in 0..20_000 {
            let tenant = ["acme", ""][number % 2];
            let receipt = ledger.refuse(draft(tenant, number as u64)).await.unwrap();
            let kept = store.get(receipt.id).expect("it is durable");
            assert_eq!((kept.tenant.as_str(), &kept.kind), (tenant, &receipt.kind));
        }
        let own = store.len();
        assert!((1_000..1_100).contains(&own), "{own}");
        retake::sleep(61 * SECOND).await;
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
}

#[test]
fn a_receipt_that_could_not_be_read_again_is_not_written() {
    simulate(|| async {
        let (disk, ledger, store) = start_fsync().await;
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
}

#[test]
fn one_key_gives_one_receipt_also_after_a_loss_of_power() {
    simulate(|| async {
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
}

#[test]
fn a_group_waits_for_its_delay_or_its_size_and_syncs_once() {
    simulate(|| async {
        let disk = SimulatedDisk::new().sync_time(ServiceTime::Fixed(MS));
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
        retake::sleep(MS).await;
        assert_eq!(store.len(), 0, "not seen before it is acknowledged");
        assert_eq!(alone.await.unwrap(), 3 * MS);
        assert_eq!(disk.operations() - before, 2, "a write and a sync");
        let together = [append(1), append(2), append(3)];
        for one in together {
            assert_eq!(one.await.unwrap(), MS);
        }
        assert_eq!(disk.operations() - before, 4);
    });
}

#[test]
fn a_ledger_that_stops_writes_what_waits() {
    simulate(|| async {
        let disk = SimulatedDisk::new();
        let (ledger, _) = start(group(&disk, 100)).await.unwrap();
        let asked = retake::spawn(async move { ledger.append(draft("a", 1)).await });
        retake::sleep(MS).await;
        stop().await;
        assert_eq!(asked.await.unwrap().unwrap().id, 1);
        let (_, store) = start(group(&disk, 100)).await.unwrap();
        assert_eq!(store.len(), 1);
    });
}

#[test]
fn after_an_error_of_the_disk_nothing_more_is_acknowledged() {
    simulate(|| async {
        let (disk, ledger, store) = start_fsync().await;
        ledger.append(draft("a", 1)).await.unwrap();
        disk.cut_power_at(disk.operations() + 2);
        let answer = ledger.append(draft("a", 2)).await;
        assert_eq!(answer.unwrap_err(), LedgerError::Closed);
        let answer = ledger.append(draft("a", 3)).await;
        assert_eq!(answer.unwrap_err(), LedgerError::Closed);
        assert_eq!(store.len(), 1);
    });
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
    simulate(|| async {
        let disk = FileDisk::over(Trickle::default());
        let on = || Durability::Fsync(Arc::new(disk.clone()));
        let (ledger, _) = start(on()).await.unwrap();
        let acknowledged = load(&ledger).await;
        assert_eq!(acknowledged.len(), 15);
        stop().await;
        let (_, store) = start(on()).await.unwrap();
        assert_eq!(store.all(), acknowledged);
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_keeps_receipts_between_processes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("receipts.log");
    let open = || {
        let disk = Arc::new(FileDisk::open(&path).unwrap());
        Durability::GroupCommit {
            disk,
            delay: MS,
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
