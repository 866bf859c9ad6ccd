//! A data folder, and a recording, have one owner; what is in them is not lost, by whatever
//! happens to their servers, their disk and their files.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::process::{Command, Stdio};

use crate::command::Folder;
use crate::server::{SECRET, Server, ask, order, push, receipt};

/// Each file of the data folder, with its content.
fn files(folder: &Folder) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(folder.at("data")).unwrap();
    let files = entries.map(|entry| {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        (name, fs::read(entry.path()).unwrap())
    });
    files.collect()
}

/// A folder whose server has taken some signals and was ended in order.
fn served() -> Folder {
    let folder = Folder::new();
    let server = folder.serve("");
    server.push("before", 3);
    server.stop();
    folder
}

fn mkfifo(folder: &Folder, name: &str) {
    let made = Command::new("mkfifo").arg(folder.at(name)).status();
    assert!(made.unwrap().success());
}

/// Also of a server that runs, and under names that are not there yet.
#[test]
fn nothing_is_written_over_a_ledger_or_into_its_folder() {
    let folder = Folder::new();
    let first = folder.serve("");
    first.push("before", 3);
    symlink("data/ledger.log", folder.at("link")).unwrap();
    let before = files(&folder);
    for target in [
        "data/ledger.log",
        "data/ledger.mark",
        "data/new.retake",
        "link",
    ] {
        let run = folder.run(format!("run recovery/one_action --trace {target}"));
        run.ends(3).complains("a ledger is here");
        let record = format!("serve --data second --addr 127.0.0.1:0 --record {target}");
        let refused = folder.run(record).complains("a ledger is here");
        assert_ne!(refused.code, Some(0));
    }
    assert_eq!(files(&folder), before);
    first.push("after", 1);
}

#[test]
fn a_second_server_on_one_folder_is_refused_and_writes_no_byte() {
    let folder = Folder::new();
    let first = folder.serve("");
    first.push("before", 3);
    symlink("data", folder.at("link")).unwrap();
    let before = files(&folder);
    let owner = format!("in use by process {}, for ", first.process.id());
    for arguments in [
        "--data data --addr 127.0.0.1:0",
        &format!("--data data --addr {}", first.address),
        "--data data --addr 127.0.0.1:0 --record second.retake",
        "--data data --addr 127.0.0.1:0 --entitle newco",
        "--data data --addr 127.0.0.1:0 --durability memory",
        "--data link --addr 127.0.0.1:0",
    ] {
        let refused = folder.run(format!("serve {arguments}")).ends(5);
        refused.never_says("listening").complains(&owner);
    }
    assert_eq!(files(&folder), before);
    assert!(!folder.has("second.retake.partial"));
    let checked = folder.checklist("").ends(1);
    checked.says("FAIL no other server has the data folder");
    // The first one is served on, and a crash of it frees the folder.
    let last = first.push("after", 3);
    first.kill();
    let third = folder.serve("");
    assert!(third.push("third", 1) > last);
    third.stop();
    folder.recover();
}

#[test]
fn a_checklist_writes_into_nothing_that_is_there() {
    let folder = Folder::new();
    fs::create_dir(folder.at("data")).unwrap();
    folder.write("other", "kept");
    symlink("../other", folder.at("data/.checklist")).unwrap();
    folder.checklist("").says("for each sync");
    assert_eq!(folder.text("other"), "kept");
    let names: Vec<_> = files(&folder).into_keys().collect();
    assert_eq!(names, [".checklist"], "nothing of its own");
}

#[test]
fn a_server_that_cannot_listen_changes_nothing() {
    let folder = served();
    let mut before = files(&folder);
    let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let in_use = other.local_addr().unwrap();
    let more = "--entitle newco --record a.retake";
    let refused = folder.run(format!("serve --data data --addr {in_use} {more}"));
    let refused = refused.ends(2).never_says("listening");
    refused.complains("cannot listen on");
    let mut after = files(&folder);
    // It says who had the folder last.
    before.remove("lock");
    after.remove("lock");
    assert_eq!(after, before);
    assert!(!folder.has("a.retake.partial"));
}

#[test]
fn a_ledger_that_was_cut_emptied_or_damaged_is_refused_with_what_to_do() {
    for signal in ["-TERM", "-KILL"] {
        let folder = Folder::new();
        let server = folder.serve("");
        server.push("m", 3);
        server.end(signal);
        let log = "data/ledger.log";
        let good = folder.bytes(log);
        // The last receipt is in the last frame, or before the end mark.
        let cut =
            [0, 1, 8, 9, good.len() / 2, good.len() - 1].map(|length| good[..length].to_vec());
        let damaged = [8, good.len() - 60, good.len() - 1].map(|at| {
            let mut damaged = good.clone();
            damaged[at] ^= 1;
            damaged
        });
        for change in cut.into_iter().chain(damaged) {
            folder.write(log, &change);
            folder
                .does_not_serve(2, "")
                .complains("estore it from a copy");
            assert_eq!(folder.bytes(log), change, "it is left as it is");
        }
        fs::remove_file(folder.at(log)).unwrap();
        let refused = folder.run("serve --data data --addr 127.0.0.1:0");
        refused
            .never_says("listening")
            .complains("it was cut or emptied");
        folder.write(log, &good);
        folder.serve("").push("m", 3);
    }
}

/// A ledger of 37 bytes that says that it has 2^40 receipts, of format 1; a sparse file, and
/// what is no file.
#[test]
fn a_hostile_ledger_is_an_error() {
    let mut batch = 9_u32.to_le_bytes().to_vec();
    batch.extend(8_u64.to_le_bytes());
    let mut body = vec![253];
    body.extend((1_u64 << 40).to_le_bytes());
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&batch);
    hasher.update(&body);
    batch.extend(hasher.finalize().to_le_bytes());
    let format_1 = [&b"RTKLEDG1BTCH"[..], &batch, &body].concat();
    assert_eq!(format_1.len(), 37);
    let folder = Folder::new();
    fs::create_dir(folder.at("data")).unwrap();
    let log = folder.at("data/ledger.log");
    let check = |what: &str| {
        folder.does_not_serve(2, "").complains(what);
        let checked = folder.checklist("").ends(1).says(what);
        checked.says("FAIL the ledger is whole");
    };
    fs::write(&log, format_1).unwrap();
    check("has format 1");
    fs::remove_file(&log).unwrap();
    fs::create_dir(&log).unwrap();
    check("is no regular file");
    fs::remove_dir(&log).unwrap();
    mkfifo(&folder, "data/ledger.log");
    check("is no regular file");
}

#[test]
fn a_full_disk_is_survived_and_nothing_acknowledged_is_lost() {
    let folder = Folder::new();
    // A limit on the size of files is as a full disk to the server, and can be lifted.
    let script = "trap '' XFSZ; ulimit -S -f 60; exec \"$0\" serve --addr 127.0.0.1:0 --data data \
                  --log-level error --entitle acme";
    let server = Server::of(folder.shell(script).stderr(Stdio::null()));
    let mut client = server.connect();
    let mut acknowledged = Vec::new();
    let mut ask_one = |number: u32| {
        let (status, body) = ask(&mut client, &push(&format!("m-{number}"), 90.0)).unwrap();
        if status == 200 {
            acknowledged.push(receipt(&body));
        }
        status
    };
    let mut number = 0;
    let mut refused = 0;
    // Far more than the restarts that a supervisor allows.
    while refused < 500 {
        number += 1;
        assert!(number < 5_000, "it never gets full");
        refused += u32::from(ask_one(number) == 503);
    }
    let pid = server.process.id().cast_signed();
    let unlimited = Some((rlimit::INFINITY, rlimit::INFINITY));
    rlimit::prlimit(pid, rlimit::Resource::FSIZE, unlimited, None).unwrap();
    let more = number + 1..number + 51;
    let served = more.filter(|number| ask_one(*number) == 200).count();
    assert!(served >= 49, "{served} of 50 after there is room again");
    server.stop();
    let store = folder.recover();
    for (id, hash) in acknowledged {
        assert_eq!(hash, store.get(id.unwrap()).unwrap().hash.to_string());
    }
}

#[test]
fn a_recording_that_a_crash_has_left_is_never_overwritten() {
    let folder = Folder::new();
    let serve = || folder.serve("--record incident.retake");
    let replay = |name: &str| folder.run(format!("replay {name}")).ends(0);
    let pause = || std::thread::sleep(std::time::Duration::from_millis(300));
    // One that ends in order, then one of the same name that does not.
    let server = serve();
    server.push("a", 3);
    server.stop();
    replay("incident.retake").never_says("is younger");
    let server = serve();
    server.push("b", 20);
    // Another server must not write into it.
    let other = folder.run("serve --data other --addr 127.0.0.1:0 --record incident.retake");
    let other = other.ends(5).never_says("listening");
    other.complains("another process is recording to it");
    pause();
    server.kill();
    let partial = "incident.retake.partial";
    let crash = folder.bytes(partial);
    replay("incident.retake").says("incident.retake.partial` is younger");
    replay(partial);
    // Restarts, one of which crashes as well.
    let (first, second) = ("incident.retake.crash-1", "incident.retake.crash-2");
    for signal in ["-KILL", "-TERM"] {
        let server = serve();
        server.push(signal, 3);
        pause();
        assert_eq!(folder.bytes(first), crash);
        replay(first);
        server.end(signal);
    }
    assert!(!folder.has(partial));
    replay(second);
    replay("incident.retake");
    let mode = |name: &str| fs::metadata(folder.at(name)).unwrap().permissions().mode() & 0o777;
    for name in [
        first,
        "incident.retake",
        "data/ledger.log",
        "data/ledger.mark",
    ] {
        assert_eq!(mode(name), 0o600, "{name}");
    }
    assert_eq!(mode("data"), 0o700);
}

#[test]
fn a_recording_goes_over_nothing_of_the_data_folder() {
    let folder = served();
    let before = folder.bytes("data/ledger.log");
    symlink("data/ledger.log", folder.at("link")).unwrap();
    symlink("data", folder.at("folder")).unwrap();
    fs::hard_link(folder.at("data/ledger.log"), folder.at("same")).unwrap();
    for file in [
        "data/ledger.log",
        "data/ledger",
        "data/new.retake",
        "folder/new.retake",
        "link",
        "same",
        "/dev/null",
    ] {
        let refused = folder.does_not_serve(2, &format!("--record {file}"));
        refused.complains("--record");
        assert_eq!(folder.bytes("data/ledger.log"), before);
    }
}

#[test]
fn keys_that_are_weak_or_come_from_no_file_are_refused() {
    let folder = Folder::new();
    folder.write("short", "0123456789abcde\n");
    folder.write("same", "x".repeat(64));
    folder.write("twice", "password1password1");
    folder.write("large", "0123456789abcdef".repeat(1000));
    mkfifo(&folder, "fifo");
    for option in ["--secret", "--push-token-file", "--metrics-token-file"] {
        for (file, what) in [
            ("short", "it has 15 bytes"),
            ("same", "different bytes"),
            ("twice", "repetition"),
            ("large", "more than 4096"),
            ("fifo", "no regular file"),
            ("/dev/zero", "no regular file"),
        ] {
            let refused = folder.does_not_serve(2, &format!("{option} {file}"));
            refused.complains("cannot use the").complains(what);
        }
    }
    assert!(!folder.has("data"), "nothing is made before");
    folder.does_not_serve(2, "--entitle ''");
}

#[test]
fn a_restart_does_not_lift_what_an_order_has_suspended_or_revoked() {
    let folder = Folder::new();
    folder.write("secret", SECRET);
    let order = |entitlement: &str, action: &str| order(entitlement, "acme", action, SECRET);
    // Each of them is started with `--entitle acme`.
    let server = folder.serve("--secret secret");
    let suspend = order("e9", "suspend");
    assert_eq!(server.ask(&suspend).0, 200);
    assert_eq!(server.ask(&order("e77", "reinstate")).0, 403);
    server.kill();
    let server = folder.serve("--secret secret");
    assert_eq!(server.ask(&push("m-1", 1.0)).0, 403, "it stays suspended");
    assert!(server.ask(&suspend).1.contains("duplicate"));
    assert_eq!(server.ask(&order("e9", "reinstate")).0, 200);
    assert_eq!(server.ask(&order("e9", "revoke")).0, 200);
    server.stop();
    // Without the secret nobody can sign, not even with a known text.
    let server = folder.serve("");
    assert_eq!(server.ask(&push("m-2", 1.0)).0, 403, "it stays revoked");
    for secret in ["", "not a secret", SECRET] {
        let archive = crate::server::order("e9", "acme", "archive", secret);
        assert_eq!(server.ask(&archive).0, 401);
    }
    server.stop();
}
