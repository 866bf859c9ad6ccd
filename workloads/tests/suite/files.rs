//! The files that commands read and write: devices, FIFOs, links, full disks, folders that
//! are not there, and files named twice.

use std::fs;
use std::os::unix::fs::{FileTypeExt as _, symlink};
use std::process::{Command, Stdio};

use crate::command::{Folder, Outcome};

/// A folder with a trace, a failing trace and a saved case.
fn folder() -> Folder {
    let folder = Folder::new();
    folder.run("run recovery/one_action --trace a.retake");
    folder.run("run zoo/raft/buggy --seed 2 --trace b.retake");
    folder.run("shrink b.retake -o case.json").ends(0);
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

fn mkfifo(folder: &Folder) {
    let made = Command::new("mkfifo").arg(folder.at("fifo")).status();
    assert!(made.unwrap().success());
}

#[test]
fn a_device_is_written_into_and_stays_a_device() {
    let folder = folder();
    symlink("/dev/null", folder.at("link")).unwrap();
    for writer in WRITERS {
        for name in ["/dev/null", "link"] {
            folder.run(writer.replace('X', name)).ends(0);
            let link = fs::symlink_metadata(folder.at("link")).unwrap();
            assert!(link.is_symlink(), "{writer}");
        }
        // A disk without room.
        let refused = folder.run(writer.replace('X', "/dev/full")).ends(3);
        let refused = refused.complains("cannot write `/dev/full`: ");
        refused.complains("make room");
    }
    for device in ["/dev/null", "/dev/full"] {
        let kind = fs::symlink_metadata(device).unwrap().file_type();
        assert!(kind.is_char_device(), "{device}");
    }
}

#[test]
fn a_fifo_and_standard_output_get_what_a_file_would() {
    let folder = folder();
    let export = "export a.retake --format jsonl -o";
    let whole = folder.run("export a.retake --format jsonl").out;
    mkfifo(&folder);
    let fifo = folder.at("fifo");
    let mut reader = Command::new("cat");
    let reader = reader.arg(&fifo).stdout(Stdio::piped()).spawn();
    folder.run(format!("{export} fifo")).ends(0);
    Outcome::of_child(reader.unwrap()).prints(&whole);
    assert!(fs::metadata(&fifo).unwrap().file_type().is_fifo());
    let exported = folder.run(format!("{export} /dev/stdout"));
    exported.succeeds().prints(&whole);
    // Standard output is a file, which has something in it already.
    let script = format!("(echo first; \"$0\" {export} /dev/stdout; echo last) > all");
    Outcome::of(&mut folder.shell(&script)).ends(0);
    assert_eq!(folder.text("all"), format!("first\n{whole}last\n"));
}

#[test]
fn a_file_is_written_through_a_link_and_replaced_as_a_whole() {
    let folder = folder();
    fs::create_dir(folder.at("far")).unwrap();
    let link = folder.at("link");
    symlink("far/target", &link).unwrap();
    for writer in WRITERS {
        folder.write("far/target", "old");
        folder.run(writer.replace('X', "link")).ends(0);
        assert!(
            fs::symlink_metadata(&link).unwrap().is_symlink(),
            "{writer}"
        );
        assert_ne!(folder.bytes("far/target"), b"old", "{writer}");
        // No half of a file is left, under whatever name.
        let left = fs::read_dir(folder.at("far")).unwrap().count();
        assert_eq!(left, 1, "{writer}");
    }
}

#[test]
fn a_disk_that_fills_up_leaves_the_old_file_whole() {
    let folder = folder();
    folder.write("old", "old");
    // What the others write is less than the least that a file can be limited to.
    let are_short = ["bench", "explore", "shrink"];
    for writer in WRITERS {
        if are_short.iter().any(|name| writer.starts_with(name)) {
            continue;
        }
        // As if the disk had room for no more than this: files may not grow larger.
        let command = writer.replace('X', "old");
        let script = format!("trap '' XFSZ; ulimit -f 1; exec \"$0\" {command}");
        let refused = Outcome::of(&mut folder.shell(&script)).ends(3);
        refused.complains("cannot write `old`: ");
        assert_eq!(folder.text("old"), "old", "{writer}");
    }
}

#[test]
fn a_folder_that_is_not_there_is_found_before_the_work() {
    let folder = folder();
    // A benchmark makes the folder.
    for writer in WRITERS.iter().filter(|it| !it.starts_with("bench")) {
        let what = "cannot create `no/such/folder`: there is no folder `no/such`";
        let command = writer.replace('X', "no/such/folder");
        folder.refuses(3, &[&format!("{command} => {what}")]);
    }
    for command in [
        "explore recovery/one_action --seeds 0..2 --cases a.retake/cases",
        "bench ledger/read_performance --scale 0.01 --report --out a.retake/bench",
        "bench ledger/read_performance --scale 0.01 --summary a.retake/bench/file",
        "calibrate -o no/such/file",
    ] {
        let refused = folder.run(command).ends(3).prints("");
        assert!(refused.err.starts_with("error: cannot "), "{refused}");
    }
}

#[test]
fn no_command_writes_over_what_it_reads() {
    let folder = folder();
    folder.write("plan.toml", "faults = []\n");
    for (name, input) in [("a", "a.retake"), ("c", "case.json"), ("p", "plan.toml")] {
        let name = |kind: &str| folder.at(&format!("{name}-{kind}"));
        fs::hard_link(folder.at(input), name("hard")).unwrap();
        symlink(input, name("soft")).unwrap();
    }
    // Named so that the place of its page or case is the file itself.
    fs::copy(folder.at("b.retake"), folder.at("b.html")).unwrap();
    fs::copy(folder.at("b.retake"), folder.at("b.json")).unwrap();
    let inputs = ["a.retake", "case.json", "plan.toml", "b.html", "b.json"];
    let before = inputs.map(|name| folder.bytes(name));
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
        folder.refuses(
            3,
            &[&format!("{command} => is read: write to another place")],
        );
        let after = inputs.map(|name| folder.bytes(name));
        assert!(before == after, "{command}");
    }
    // A smaller case takes the place of the case, if no other is named.
    folder.run("shrink case.json").ends(0);
}

#[test]
fn no_command_waits_for_a_fifo_or_reads_a_device_to_no_end() {
    let folder = folder();
    mkfifo(&folder);
    symlink("/dev/zero", folder.at("zeros")).unwrap();
    for reader in READERS {
        for name in ["fifo", "/dev/zero", "zeros", "/dev/null", "."] {
            let refused = folder.run(reader.replace('X', name));
            assert!(matches!(refused.code, Some(2 | 3)), "{refused}");
            let reasons = ["not a regular file", "it is a folder"];
            assert!(
                reasons.iter().any(|it| refused.err.contains(it)),
                "{refused}"
            );
        }
    }
}

#[test]
fn a_file_of_seven_gigabytes_does_not_fill_the_memory() {
    let folder = folder();
    let file = fs::File::create(folder.at("huge")).unwrap();
    // Sparse, and within the limits of file sizes that test runners set.
    file.set_len(7 << 30).unwrap();
    for reader in READERS {
        let refused = folder.run(reader.replace('X', "huge")).complains("huge");
        assert!(matches!(refused.code, Some(2 | 3)), "{refused}");
    }
}
