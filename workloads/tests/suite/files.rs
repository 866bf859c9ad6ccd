//! The files that commands read and write: devices, FIFOs, links, full disks, folders that
//! are not there, and files named twice.

use std::fs;
use std::os::unix::fs::{FileTypeExt as _, symlink};
use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::command::{retake, told};

fn run(folder: &TempDir, command: &str) -> (i32, String, String) {
    let words: Vec<&str> = command.split(' ').collect();
    told(retake(folder.path(), &words))
}

/// A folder with a trace, a failing trace and a saved case.
fn folder() -> TempDir {
    let folder = TempDir::new().unwrap();
    run(&folder, "run recovery/one_action --trace a.retake");
    run(&folder, "run zoo/raft/buggy --seed 2 --trace b.retake");
    let (code, out, err) = run(&folder, "shrink b.retake -o case.json");
    assert_eq!(code, 0, "{out}{err}");
    folder
}

/// Commands that write to the file `X`.
const WRITERS: [&str; 7] = [
    "run recovery/one_action --trace X",
    "export a.retake --format jsonl -o X",
    "export a.retake --format mermaid --to 40 -o X",
    "view a.retake --open-nothing -o X",
    "shrink case.json -o X",
    "explore recovery/one_action --seeds 0..2 --jobs 1 --out X",
    "bench ledger/read_performance --scale 0.01 --out bench --summary X",
];

/// Commands that read the file `X`, which may be a trace, a case or something else.
const READERS: [&str; 16] = [
    "show X",
    "verify X",
    "replay X",
    "why X",
    "shrink X -o small.json",
    "debug X --print why",
    "diff X a.retake",
    "diff a.retake X",
    "diff a.retake X --strict",
    "view X --open-nothing -o page.html",
    "view a.retake X --open-nothing -o page.html",
    "export X --format jsonl",
    "merge X",
    "run recovery/one_action --faults X",
    "explore recovery/one_action --seeds 0..2 --jobs 1 --faults X",
    "bench ledger/read_performance --scale 0.01 --costs X",
];

fn mkfifo(path: &Path) {
    let made = Command::new("mkfifo").arg(path).status();
    assert!(made.unwrap().success());
}

#[test]
fn a_device_is_written_into_and_stays_a_device() {
    let folder = folder();
    symlink("/dev/null", folder.path().join("link")).unwrap();
    for writer in WRITERS {
        for name in ["/dev/null", "link"] {
            let (code, out, err) = run(&folder, &writer.replace('X', name));
            assert_eq!(code, 0, "{writer}: {out}{err}");
            let link = fs::symlink_metadata(folder.path().join("link")).unwrap();
            assert!(link.is_symlink(), "{writer}");
        }
        // A disk without room.
        let (code, _, err) = run(&folder, &writer.replace('X', "/dev/full"));
        assert_eq!(code, 3, "{writer}: {err}");
        assert!(
            err.contains("cannot write `/dev/full`: ") && err.contains("make room"),
            "{writer}: {err}"
        );
    }
    for device in ["/dev/null", "/dev/full"] {
        let kind = fs::symlink_metadata(device).unwrap().file_type();
        assert!(kind.is_char_device(), "{device}");
    }
}

#[test]
fn a_fifo_and_standard_output_get_what_a_file_would() {
    let folder = folder();
    let export = "export a.retake --format jsonl -o X";
    let (_, whole, _) = run(&folder, "export a.retake --format jsonl");
    let fifo = folder.path().join("fifo");
    mkfifo(&fifo);
    let reader = Command::new("cat")
        .arg(&fifo)
        .stdout(Stdio::piped())
        .spawn();
    assert_eq!(run(&folder, &export.replace('X', "fifo")).0, 0);
    let read = reader.unwrap().wait_with_output().unwrap();
    assert_eq!(String::from_utf8(read.stdout).unwrap(), whole);
    assert!(fs::metadata(&fifo).unwrap().file_type().is_fifo());
    let (code, out, err) = run(&folder, &export.replace('X', "/dev/stdout"));
    assert_eq!((code, &*err), (0, ""));
    assert_eq!(out, whole);
    // Standard output is a file, which has something in it already.
    let script = "echo first; \"$0\" export a.retake --format jsonl -o /dev/stdout; echo last";
    let file = fs::File::create(folder.path().join("all")).unwrap();
    let done = Command::new("sh")
        .args(["-c", script, env!("CARGO_BIN_EXE_retake")])
        .current_dir(folder.path())
        .stdout(file)
        .status();
    assert!(done.unwrap().success());
    let all = fs::read_to_string(folder.path().join("all")).unwrap();
    assert_eq!(all, format!("first\n{whole}last\n"));
}

#[test]
fn a_file_is_written_through_a_link_and_replaced_as_a_whole() {
    let folder = folder();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(at("far")).unwrap();
    for writer in WRITERS {
        fs::write(at("far/target"), "old").unwrap();
        symlink("far/target", at("link")).unwrap();
        let (code, out, err) = run(&folder, &writer.replace('X', "link"));
        assert_eq!(code, 0, "{writer}: {out}{err}");
        assert!(
            fs::symlink_metadata(at("link")).unwrap().is_symlink(),
            "{writer}"
        );
        assert_ne!(fs::read(at("far/target")).unwrap(), b"old", "{writer}");
        fs::remove_file(at("link")).unwrap();
        // No half of a file is left, under whatever name.
        let left = fs::read_dir(at("far")).unwrap().count();
        assert_eq!(left, 1, "{writer}");
    }
}

#[test]
fn a_disk_that_fills_up_leaves_the_old_file_whole() {
    let folder = folder();
    // As if the disk had room for no more than this: files may not grow larger.
    let script = "trap '' XFSZ; ulimit -f 1; exec \"$0\" $1";
    for writer in WRITERS {
        let is_short = writer.starts_with("bench") || writer.starts_with("explore");
        if is_short || writer.starts_with("shrink") {
            // Less than the least that a file can be limited to.
            continue;
        }
        fs::write(folder.path().join("old"), "old").unwrap();
        let done = Command::new("sh")
            .args(["-c", script, env!("CARGO_BIN_EXE_retake")])
            .arg(writer.replace('X', "old"))
            .current_dir(folder.path())
            .output();
        let (code, _, err) = told(done.unwrap());
        assert_eq!(code, 3, "{writer}: {err}");
        assert!(err.contains("cannot write `old`: "), "{writer}: {err}");
        let old = fs::read_to_string(folder.path().join("old")).unwrap();
        assert_eq!(old, "old", "{writer}");
    }
}

#[test]
fn a_folder_that_is_not_there_is_found_before_the_work() {
    let folder = folder();
    for writer in WRITERS {
        if writer.starts_with("bench") {
            // It makes the folder.
            continue;
        }
        let (code, out, err) = run(&folder, &writer.replace('X', "no/such/folder"));
        assert_eq!((code, &*out), (3, ""), "{writer}: {err}");
        assert!(
            err.contains("cannot create `no/such/folder`: there is no folder `no/such`"),
            "{writer}: {err}"
        );
    }
    for command in [
        "explore recovery/one_action --seeds 0..2 --cases a.retake/cases",
        "bench ledger/read_performance --scale 0.01 --report --out a.retake/bench",
        "bench ledger/read_performance --scale 0.01 --summary a.retake/bench/file",
        "calibrate -o no/such/file",
    ] {
        let (code, out, err) = run(&folder, command);
        assert_eq!((code, &*out), (3, ""), "{command}: {err}");
        assert!(err.starts_with("error: cannot "), "{command}: {err}");
    }
}

#[test]
fn no_command_writes_over_what_it_reads() {
    let folder = folder();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("plan.toml"), "faults = []\n").unwrap();
    for (name, input) in [("a", "a.retake"), ("c", "case.json"), ("p", "plan.toml")] {
        fs::hard_link(at(input), at(&format!("{name}-hard"))).unwrap();
        symlink(input, at(&format!("{name}-soft"))).unwrap();
    }
    // Named so that the place of its page or case is the file itself.
    fs::copy(at("b.retake"), at("b.html")).unwrap();
    fs::copy(at("b.retake"), at("b.json")).unwrap();
    for command in [
        "export a.retake --format jsonl -o a-hard",
        "export a-soft --format jsonl -o a.retake",
        "view a.retake --open-nothing -o a-soft",
        "view b.retake a.retake --open-nothing -o a-hard",
        "view b.html --open-nothing",
        "shrink b.json",
        "shrink case.json -o c-soft",
        "run recovery/one_action --faults plan.toml --trace p-hard",
        "explore recovery/one_action --seeds 0..2 --faults p-soft --out plan.toml",
    ] {
        let before: Vec<_> = ["a.retake", "case.json", "plan.toml", "b.html", "b.json"]
            .map(|it| fs::read(at(it)).unwrap())
            .into();
        let (code, out, err) = run(&folder, command);
        assert_eq!((code, &*out), (3, ""), "{command}: {err}");
        assert!(
            err.contains("is read: write to another place"),
            "{command}: {err}"
        );
        let after: Vec<_> = ["a.retake", "case.json", "plan.toml", "b.html", "b.json"]
            .map(|it| fs::read(at(it)).unwrap())
            .into();
        assert!(before == after, "{command}");
    }
    // A smaller case takes the place of the case, if no other is named.
    let (code, out, err) = run(&folder, "shrink case.json");
    assert_eq!(code, 0, "{out}{err}");
}

#[test]
fn no_command_waits_for_a_fifo_or_reads_a_device_to_no_end() {
    let folder = folder();
    mkfifo(&folder.path().join("fifo"));
    symlink("/dev/zero", folder.path().join("zeros")).unwrap();
    for reader in READERS {
        for name in ["fifo", "/dev/zero", "zeros", "/dev/null", "."] {
            let (code, _, err) = run(&folder, &reader.replace('X', name));
            assert!(matches!(code, 2 | 3), "{reader} {name}: {code} {err}");
            assert!(
                err.contains("not a regular file") || err.contains("it is a folder"),
                "{reader} {name}: {err}"
            );
        }
    }
}

#[test]
fn a_file_of_seven_gigabytes_does_not_fill_the_memory() {
    let folder = folder();
    let file = fs::File::create(folder.path().join("huge")).unwrap();
    // Sparse, and within the limits of file sizes that test runners set.
    file.set_len(7 << 30).unwrap();
    for reader in READERS {
        let (code, _, err) = run(&folder, &reader.replace('X', "huge"));
        assert!(matches!(code, 2 | 3), "{reader}: {code} {err}");
        assert!(err.contains("huge"), "{reader}: {err}");
    }
}
