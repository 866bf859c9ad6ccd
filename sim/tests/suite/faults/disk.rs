//! Faults of disks: what happens to reads, writes and syncs, what is recorded, replayed, kept and
//! left out when a failure is made small.

use std::collections::BTreeSet;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};

use retake_sim::{Fault, Run, Sim, fs};
use retake_testkit::MS;
use retake_testkit::faulted::{
    each_changes_the_run_and_is_replayed, each_is_reported_and_changes_nothing, faults, injected,
    kept, said,
};
use retake_traces::record::Record;

const LINE: &str = "0123456789\n";

/// What came of twenty lines that were appended to a file, one each 10 ms.
#[derive(Clone, Debug, PartialEq)]
struct Log {
    /// Why lines were not written or synced, with their numbers.
    errors: Vec<(u32, String)>,
    /// Lines that were synced.
    synced: usize,
    /// What the file has in the end; the reason if it cannot be read.
    text: Result<String, String>,
}

fn append(file: &mut fs::File) -> io::Result<()> {
    file.write_all(LINE.as_bytes())?;
    file.sync_data()
}

fn text(file: &mut fs::File) -> io::Result<String> {
    file.seek(SeekFrom::Start(0))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn disk(name: &str) -> fs::FileSystem {
    fs::FileSystem::new(fs::FsConfig::default()).named(name)
}

async fn log() -> Log {
    let disk = disk("log");
    disk.create_dir("/data").unwrap();
    let mut file = disk.open("/data/log").unwrap();
    let mut log = Log {
        text: Ok(String::new()),
        errors: Vec::new(),
        synced: 0,
    };
    for number in 0..20 {
        match append(&mut file) {
            Ok(()) => log.synced += 1,
            Err(error) => log.errors.push((number, error.to_string())),
        }
        if number == 10 {
            // What is not synced is lost at a crash.
            let _ = file.write_all(b"unsynced");
        }
        retake::sleep(10 * MS).await;
        if file.seek(SeekFrom::End(0)).is_err() {
            file = disk.open("/data/log").unwrap();
        }
    }
    log.text = text(&mut file).map_err(|error| error.to_string());
    log
}

fn run(seed: u64, faults: Vec<Fault>) -> (Run<Log>, Vec<Record>) {
    retake_testkit::faulted::run(seed, faults, log)
}

fn logged(seed: u64, texts: &[&str]) -> Log {
    let (run, _) = run(seed, faults(texts));
    assert_eq!(run.warnings, Vec::<String>::new(), "{texts:?}");
    run.expect_passed()
}

fn expected_text() -> String {
    format!("{}unsynced{}", LINE.repeat(11), LINE.repeat(9))
}

#[test]
fn without_faults_every_line_is_there() {
    let log = logged(1, &[]);
    assert_eq!((log.synced, log.errors), (20, Vec::new()));
    assert_eq!(log.text, Ok(expected_text()));
}

#[test]
fn a_crash_takes_what_was_not_synced_and_what_was_open_is_of_no_use_any_more() {
    for fault in ["crash disk log @105ms", "crash disk @105ms"] {
        let (run, records) = run(1, faults(&[fault]));
        let name = ["disks", "disk log"][usize::from(fault.contains("log"))];
        let injected = injected(&records);
        assert_eq!(injected, [format!("scenario FAULT: {name}: power is lost")]);
        assert_eq!(said(&records, "crashes, and loses what was not synced"), 1);
        let log = run.expect_passed();
        assert_eq!((log.synced, log.errors.len()), (20, 0), "{log:?}");
        assert_eq!(log.text, Ok(LINE.repeat(20)), "{fault}");
    }
    // One that is asked for in the middle of a step comes with the next operation.
    let log = logged(1, &["crash disk @50ms", "crash disk @150ms"]);
    assert!(log.text.unwrap().len() >= 18 * LINE.len());
}

#[test]
fn each_disk_crashes_once() {
    let sim = Sim::new().faults(faults(&["crash disk @5ms"]));
    let run = sim.run(|| async {
        let disks = ["one", "other"].map(disk);
        let files = disks.clone().map(|disk| {
            disk.create_dir("/data").unwrap();
            disk.open("/data/file").unwrap()
        });
        retake::sleep(10 * MS).await;
        let ends = files.map(|mut file| file.sync_data().is_err());
        let again = disks.map(|disk| disk.open("/data/file").unwrap().sync_data().is_ok());
        (ends, again)
    });
    assert_eq!(run.stats.faults, 1);
    assert_eq!(run.expect_passed(), ([true, true], [true, true]));
}

#[test]
fn a_full_disk_takes_nothing_until_its_time() {
    let log = logged(1, &["fill disk @45ms until 75ms"]);
    let numbers: Vec<u32> = log.errors.iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers, [5, 6, 7]);
    assert_eq!(log.errors[0].1, "no storage space");
    assert_eq!(log.text.unwrap().matches(LINE).count(), 17);
    let log = logged(1, &["fill disk @45ms", "heal @95ms"]);
    assert_eq!(log.errors.len(), 5);
}

#[test]
fn reads_writes_and_syncs_fail_each_by_themselves() {
    let log = logged(1, &["fail disk writes @45ms until 55ms"]);
    assert_eq!(log.errors, [(5, "input/output error".to_owned())]);
    assert_eq!(log.text.unwrap().matches(LINE).count(), 19);
    let log = logged(1, &["fail disk syncs @45ms until 55ms"]);
    assert_eq!(log.errors, [(5, "input/output error".to_owned())]);
    assert_eq!(log.text, Ok(expected_text()));
    // Not synced is not durable.
    let log = logged(1, &["fail disk syncs @45ms until 55ms", "crash disk @56ms"]);
    assert_eq!(log.text.unwrap().matches(LINE).count(), 19);
    let log = logged(1, &["fail disk log reads @150ms"]);
    assert_eq!(log.text, Err("input/output error".to_owned()));
    assert_eq!(log.synced, 20);
}

#[test]
fn short_reads_and_writes_lose_nothing_for_those_who_ask_again() {
    for fault in ["shorten disk writes @0s", "shorten disk reads @0s"] {
        for seed in 0..5 {
            let (run, records) = run(seed, faults(&[fault]));
            assert!(said(&records, "is short") > 3, "{fault}");
            assert_eq!(run.expect_passed().text, Ok(expected_text()), "{fault}");
        }
    }
}

#[test]
fn a_corrupt_read_has_one_wrong_bit_each_time() {
    let (run, records) = run(1, faults(&["corrupt disk reads @150ms"]));
    assert!(said(&records, "has a wrong bit") > 0);
    let log = run.expect_passed();
    assert_ne!(log.text, Ok(expected_text()));
    assert_eq!(log.errors, []);
}

#[test]
fn a_share_of_the_operations_fails_which_ones_the_seed_says() {
    let of = |seed| logged(seed, &["fail disk writes rate 50% @0s"]).errors;
    assert_eq!(of(1), of(1));
    assert_ne!(of(1), of(2));
    let all: usize = (0..100).map(|seed| of(seed).len()).sum();
    assert!((800..1200).contains(&all), "{all} of 2000");
    // Whenever the fault begins.
    for seed in 0..20 {
        let late = logged(seed, &["fail disk writes rate 50% @45ms"]).errors;
        let expected: Vec<_> = of(seed).into_iter().filter(|it| it.0 >= 5).collect();
        assert_eq!(late, expected);
    }
}

#[test]
fn a_fault_of_a_disk_that_there_is_not_is_reported_and_changes_nothing() {
    let cases = [
        "crash disk lgo @0s => no disk of this name was asked: did you mean `log`?",
        "fill disk log @9s => it affected no request from then on",
        "fail disk reads rate 0.0001% @0s => it affected no request from then on",
    ];
    each_is_reported_and_changes_nothing(&cases, log);
    let sim = Sim::new().faults(faults(&["crash disk @1s"]));
    let alone = sim.run(|| async {});
    let why = "fault `crash disk @1s` was not injected: no disk was asked";
    assert_eq!(alone.warnings, [why]);
}

/// One for each kind.
const KINDS: [&str; 5] = [
    "crash disk @105ms",
    "fill disk log @45ms until 75ms",
    "fail disk writes rate 30% @20ms",
    "shorten disk writes rate 50% @0s",
    "corrupt disk reads @0s",
];

#[test]
fn each_kind_is_in_the_trace_changes_the_run_and_is_replayed() {
    each_changes_the_run_and_is_replayed(&KINDS, log);
    let kinds = faults(&KINDS);
    let verbs: BTreeSet<&str> = kinds.iter().map(|it| it.action.verb()).collect();
    let of_disks = retake_sim::kinds::verbs().filter(|verb| verb.ends_with(" disk"));
    assert_eq!(verbs, of_disks.collect(), "a kind has no line above");
}

async fn keeps_all() {
    let log = log().await;
    let kept = log.text.unwrap_or_default().matches(LINE).count();
    retake::always!(kept == 20, "lines are missing");
}

#[test]
fn a_fault_that_decides_is_kept_and_others_are_left_out() {
    let texts = [
        "shorten disk writes rate 50% @0s",
        "crash disk @25ms",
        "fill disk @45ms until 75ms",
        "break till quota @0s",
        "clock +5s @10ms",
    ];
    let kept = kept(0..2, &texts, keeps_all);
    assert!(kept.starts_with("fill disk @step "), "{kept}");
}
