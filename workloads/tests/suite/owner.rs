//! A data folder, and a recording, have one owner; what is in them is not lost, by whatever
//! happens to their servers, their disk and their files.

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpStream;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::{Command, Stdio};

use retake_system::invariants;

use crate::command::{retake, told};
use crate::server::{Server, ask, push, recover, serve};

/// Each file of a folder, with its content.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let files = entries.map(|entry| {
        let name = entry.file_name().into_string().unwrap();
        (name, fs::read(entry.path()).unwrap())
    });
    files.collect()
}

/// Run a server that is expected not to start; gives its exit code and error.
fn refused(data: &Path, more: &[&str]) -> (i32, String) {
    let arguments = ["serve", "--data", data.to_str().unwrap()];
    let (code, out, error) = told(retake(Path::new("."), &[&arguments, more].concat()));
    assert!(!out.contains("listening"), "{out}");
    (code, error)
}

/// Signals that are taken; gives the receipt of the last one.
fn take(server: &Server, name: &str, count: u64) -> u64 {
    let mut client = TcpStream::connect(&server.address).unwrap();
    let mut receipt = 0;
    for number in 0..count {
        let (status, body) = ask(&mut client, &push(&format!("{name}-{number}"), 1.0)).unwrap();
        assert_eq!(status, 200, "{body}");
        let body: serde_json::Value = serde_json::from_str(&body).unwrap();
        receipt = body["receipt"].as_u64().unwrap();
    }
    receipt
}

/// Also of a server that runs, and under names that are not there yet.
#[test]
fn nothing_is_written_over_a_ledger_or_into_its_folder() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let first = serve(&data, &[]);
    take(&first, "before", 3);
    let link = folder.path().join("link");
    symlink(data.join("ledger.log"), &link).unwrap();
    let before = files(&data);
    let second = folder.path().join("second");
    for target in [
        &*data.join("ledger.log"),
        &*data.join("ledger.mark"),
        &*data.join("new.retake"),
        &*link,
    ] {
        let target = target.to_str().unwrap();
        let traced = ["run", "recovery/one_action", "--trace", target];
        let (code, _, error) = told(retake(folder.path(), &traced));
        assert_eq!(code, 3, "{error}");
        assert!(error.contains("a ledger is here"), "{error}");
        let (code, error) = refused(&second, &["--addr", "127.0.0.1:0", "--record", target]);
        assert_ne!(code, 0, "{error}");
        assert!(error.contains("a ledger is here"), "{error}");
    }
    assert_eq!(files(&data), before);
    take(&first, "after", 1);
}

#[test]
fn a_second_server_on_one_folder_is_refused_and_writes_no_byte() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let first = serve(&data, &[]);
    take(&first, "before", 3);
    let link = folder.path().join("link");
    symlink(&data, &link).unwrap();
    let before = files(&data);
    let other_port = ["--addr", "127.0.0.1:0"];
    let same_port = ["--addr", &first.address];
    let record = folder.path().join("second.retake");
    let recorded = [
        "--addr",
        "127.0.0.1:0",
        "--record",
        record.to_str().unwrap(),
    ];
    let entitling = ["--addr", "127.0.0.1:0", "--entitle", "newco"];
    let in_memory = ["--addr", "127.0.0.1:0", "--durability", "memory"];
    for (data, more) in [
        (&data, &other_port[..]),
        (&data, &same_port),
        (&data, &recorded),
        (&data, &entitling),
        (&data, &in_memory),
        (&link, &other_port),
    ] {
        let (code, error) = refused(data, more);
        assert_eq!(code, 5, "{more:?}: {error}");
        let owner = format!("in use by process {}, for ", first.process.id());
        assert!(error.contains(&owner), "{error}");
    }
    assert_eq!(files(&data), before);
    assert!(!folder.path().join("second.retake.partial").exists());
    let checklist = ["checklist", "--addr", "127.0.0.1:0", "--data", "data"];
    let (code, text, _) = told(retake(folder.path(), &checklist));
    assert_eq!(code, 1);
    let what = "FAIL no other server has the data folder";
    assert!(text.contains(what), "{text}");
    // The first one is served on, and a crash of it frees the folder.
    let last = take(&first, "after", 3);
    assert_eq!(first.end("-KILL").0, None, "killed");
    let third = serve(&data, &[]);
    assert!(take(&third, "third", 1) > last);
    assert_eq!(third.end("-TERM").0, Some(0));
    assert_eq!(invariants::ledger(&recover(&data)), []);
}

#[test]
fn a_checklist_writes_into_nothing_that_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    fs::create_dir(&data).unwrap();
    let other = folder.path().join("other");
    fs::write(&other, "kept").unwrap();
    symlink(&other, data.join(".checklist")).unwrap();
    let checklist = ["checklist", "--addr", "127.0.0.1:0", "--data", "data"];
    let (_, text, _) = told(retake(folder.path(), &checklist));
    assert!(text.contains("for each sync"), "{text}");
    assert_eq!(fs::read_to_string(&other).unwrap(), "kept");
    let left = fs::read_dir(&data).unwrap();
    let left: Vec<_> = left.map(|it| it.unwrap().file_name()).collect();
    assert_eq!(left, [".checklist"], "nothing of its own");
}

#[test]
fn a_server_that_cannot_listen_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let server = serve(&data, &[]);
    take(&server, "m", 3);
    server.end("-TERM");
    let mut before = files(&data);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let record = folder.path().join("a.retake");
    let record = ["--record", record.to_str().unwrap()];
    let (code, error) = refused(
        &data,
        &[&["--addr", &taken, "--entitle", "newco"], &record[..]].concat(),
    );
    assert_eq!(code, 2, "{error}");
    assert!(error.contains("cannot listen on"), "{error}");
    let mut after = files(&data);
    // It says who had the folder last.
    before.remove("lock");
    after.remove("lock");
    assert_eq!(after, before);
    assert!(!folder.path().join("a.retake.partial").exists());
}

#[test]
fn a_ledger_that_was_cut_emptied_or_damaged_is_refused_with_what_to_do() {
    for signal in ["-TERM", "-KILL"] {
        let folder = tempfile::tempdir().unwrap();
        let server = serve(folder.path(), &[]);
        take(&server, "m", 3);
        server.end(signal);
        let log = folder.path().join("ledger.log");
        let good = fs::read(&log).unwrap();
        // The last receipt is in the last frame, or before the end mark.
        let mut changes: Vec<Vec<u8>> = [0, 1, 8, 9, good.len() / 2, good.len() - 1]
            .map(|length| good[..length].to_vec())
            .to_vec();
        for at in [8, good.len() - 60, good.len() - 1] {
            let mut damaged = good.clone();
            damaged[at] ^= 1;
            changes.push(damaged);
        }
        for change in &changes {
            fs::write(&log, change).unwrap();
            let (code, error) = refused(folder.path(), &["--addr", "127.0.0.1:0"]);
            assert_eq!(code, 2, "{error}");
            assert!(error.contains("estore it from a copy"), "{error}");
            assert_eq!(&fs::read(&log).unwrap(), change, "it is left as it is");
        }
        fs::remove_file(&log).unwrap();
        let (_, error) = refused(folder.path(), &["--addr", "127.0.0.1:0"]);
        assert!(error.contains("it was cut or emptied"), "{error}");
        fs::write(&log, &good).unwrap();
        let server = serve(folder.path(), &[]);
        take(&server, "m", 3);
        server.end("-TERM");
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
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("ledger.log");
    let check = |what: &str| {
        let (code, error) = refused(folder.path(), &["--addr", "127.0.0.1:0"]);
        assert_eq!(code, 2, "{error}");
        assert!(error.contains(what), "{error}");
        let data = folder.path().to_str().unwrap();
        let checklist = ["checklist", "--addr", "127.0.0.1:0", "--data", data];
        let (code, text, _) = told(retake(folder.path(), &checklist));
        assert_eq!(code, 1);
        assert!(text.contains("FAIL the ledger is whole"), "{text}");
        assert!(text.contains(what), "{text}");
    };
    fs::write(&log, format_1).unwrap();
    check("has format 1");
    fs::remove_file(&log).unwrap();
    fs::create_dir(&log).unwrap();
    check("is no regular file");
    fs::remove_dir(&log).unwrap();
    let fifo = Command::new("mkfifo").arg(&log).status().unwrap();
    assert!(fifo.success());
    check("is no regular file");
}

#[test]
fn a_full_disk_is_survived_and_nothing_acknowledged_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    // A limit on the size of files is as a full disk to the server, and can be lifted.
    let program = env!("CARGO_BIN_EXE_retake");
    let data = folder.path().to_str().unwrap();
    let script = format!(
        "trap '' XFSZ; ulimit -S -f 60; exec {program} serve --addr 127.0.0.1:0 --data {data} \
         --log-level error --entitle acme"
    );
    let process = Command::new("sh")
        .args(["-c", &script])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let server = Server::of(process);
    let mut client = TcpStream::connect(&server.address).unwrap();
    let mut acknowledged = Vec::new();
    let mut ask_one = |number: u32| {
        let (status, body) = ask(&mut client, &push(&format!("m-{number}"), 90.0)).unwrap();
        let body: serde_json::Value = serde_json::from_str(&body).unwrap();
        if status == 200 {
            let hash = body["hash"].as_str().unwrap().to_owned();
            acknowledged.push((body["receipt"].as_u64().unwrap(), hash));
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
    let served = (0..50)
        .filter(|more| ask_one(number + 1 + more) == 200)
        .count();
    assert!(served >= 49, "{served} of 50 after there is room again");
    let (code, text) = server.end("-TERM");
    assert_eq!(code, Some(0), "{text}");
    let store = recover(folder.path());
    for (id, hash) in acknowledged {
        assert_eq!(store.get(id).unwrap().hash.to_string(), hash);
    }
    assert_eq!(invariants::ledger(&store), []);
}

#[test]
fn a_recording_that_a_crash_has_left_is_never_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let file = folder.path().join("incident.retake");
    let partial = folder.path().join("incident.retake.partial");
    let record = ["--record", file.to_str().unwrap()];
    let replay = |file: &Path| {
        let arguments = ["replay", file.to_str().unwrap()];
        let (code, text, error) = told(retake(Path::new("."), &arguments));
        assert_eq!(code, 0, "{text}{error}");
        text
    };
    // One that ends in order, then one of the same name that does not.
    let server = serve(&data, &record);
    take(&server, "a", 3);
    assert_eq!(server.end("-TERM").0, Some(0));
    assert!(!replay(&file).contains("is younger"));
    let server = serve(&data, &record);
    take(&server, "b", 20);
    // Another server must not write into it.
    let other = folder.path().join("other");
    let (code, error) = refused(&other, &[&["--addr", "127.0.0.1:0"], &record[..]].concat());
    assert_eq!(code, 5, "{error}");
    assert!(
        error.contains("another process is recording to it"),
        "{error}"
    );
    std::thread::sleep(std::time::Duration::from_millis(300));
    assert_eq!(server.end("-KILL").0, None);
    let crash = fs::read(&partial).unwrap();
    let text = replay(&file);
    assert!(
        text.contains("incident.retake.partial` is younger"),
        "{text}"
    );
    replay(&partial);
    // Restarts, one of which crashes as well.
    let kept = |number: u32| {
        folder
            .path()
            .join(format!("incident.retake.crash-{number}"))
    };
    for signal in ["-KILL", "-TERM"] {
        let server = serve(&data, &record);
        take(&server, signal, 3);
        std::thread::sleep(std::time::Duration::from_millis(300));
        assert_eq!(fs::read(kept(1)).unwrap(), crash);
        replay(&kept(1));
        server.end(signal);
    }
    assert!(!partial.exists() && kept(2).exists());
    replay(&kept(2));
    replay(&file);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    for path in [
        &kept(1),
        &file,
        &data.join("ledger.log"),
        &data.join("ledger.mark"),
    ] {
        assert_eq!(mode(path), 0o600, "{}", path.display());
    }
    assert_eq!(mode(&data), 0o700);
}

#[test]
fn a_recording_goes_over_nothing_of_the_data_folder() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let server = serve(&data, &[]);
    take(&server, "m", 1);
    server.end("-TERM");
    let before = fs::read(data.join("ledger.log")).unwrap();
    let link = folder.path().join("link");
    symlink(data.join("ledger.log"), &link).unwrap();
    let link_to_folder = folder.path().join("folder");
    symlink(&data, &link_to_folder).unwrap();
    let same = folder.path().join("same");
    fs::hard_link(data.join("ledger.log"), &same).unwrap();
    for file in [
        data.join("ledger.log"),
        data.join("ledger"),
        data.join("new.retake"),
        link_to_folder.join("new.retake"),
        link,
        same,
        "/dev/null".into(),
    ] {
        let record = ["--addr", "127.0.0.1:0", "--record", file.to_str().unwrap()];
        let (code, error) = refused(&data, &record);
        assert_eq!(code, 2, "{error}");
        assert!(error.contains("--record"), "{error}");
        assert_eq!(fs::read(data.join("ledger.log")).unwrap(), before);
    }
}

#[test]
fn keys_that_are_weak_or_come_from_no_file_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let fifo = folder.path().join("fifo");
    assert!(
        Command::new("mkfifo")
            .arg(&fifo)
            .status()
            .unwrap()
            .success()
    );
    let files = [
        (write("short", "0123456789abcde\n"), "it has 15 bytes"),
        (write("same", &"x".repeat(64)), "different bytes"),
        (write("twice", "password1password1"), "repetition"),
        (
            write("large", &"0123456789abcdef".repeat(1000)),
            "more than 4096",
        ),
        (fifo.to_str().unwrap().to_owned(), "no regular file"),
        ("/dev/zero".to_owned(), "no regular file"),
    ];
    for option in ["--secret", "--push-token-file", "--metrics-token-file"] {
        for (file, what) in &files {
            let (code, error) = refused(&data, &["--addr", "127.0.0.1:0", option, file]);
            assert_eq!(code, 2, "{error}");
            assert!(
                error.contains("cannot use the") && error.contains(what),
                "{error}"
            );
        }
    }
    assert!(!data.exists(), "nothing is made before");
    let (code, error) = refused(&data, &["--addr", "127.0.0.1:0", "--entitle", ""]);
    assert_eq!(code, 2, "{error}");
}

/// A signed order, as the marketplace sends it.
fn order(entitlement: &str, action: &str, secret: &str) -> String {
    let now = std::time::UNIX_EPOCH.elapsed().unwrap();
    let order = retake_system::ingress::Order {
        entitlement_id: entitlement.to_owned(),
        tenant_id: "acme".to_owned(),
        action: action.to_owned(),
        timestamp: u64::try_from(now.as_millis()).unwrap(),
        signature: String::new(),
    };
    let order = order.sign(&retake_system::ingress::Secret::new(secret));
    let body = serde_json::to_string(&order).unwrap();
    let length = body.len();
    format!("POST /marketplace HTTP/1.1\r\nhost: r\r\ncontent-length: {length}\r\n\r\n{body}")
}

#[test]
fn a_restart_does_not_lift_what_an_order_has_suspended_or_revoked() {
    const SECRET: &str = "a secret of more than sixteen bytes";
    let folder = tempfile::tempdir().unwrap();
    let (data, secret) = (folder.path().join("data"), folder.path().join("secret"));
    fs::write(&secret, SECRET).unwrap();
    let with_secret = ["--secret", secret.to_str().unwrap()];
    let status_of = |server: &Server, request: &str| {
        let mut client = TcpStream::connect(&server.address).unwrap();
        ask(&mut client, request).unwrap()
    };
    // Each of them is started with `--entitle acme`.
    let server = serve(&data, &with_secret);
    let suspend = order("e9", "suspend", SECRET);
    assert_eq!(status_of(&server, &suspend).0, 200);
    assert_eq!(
        status_of(&server, &order("e77", "reinstate", SECRET)).0,
        403
    );
    server.end("-KILL");
    let server = serve(&data, &with_secret);
    assert_eq!(
        status_of(&server, &push("m-1", 1.0)).0,
        403,
        "it stays suspended"
    );
    assert!(status_of(&server, &suspend).1.contains("duplicate"));
    let reinstate = order("e9", "reinstate", SECRET);
    assert_eq!(status_of(&server, &reinstate).0, 200);
    assert_eq!(status_of(&server, &order("e9", "revoke", SECRET)).0, 200);
    server.end("-TERM");
    // Without the secret nobody can sign, not even with a known text.
    let server = serve(&data, &[]);
    assert_eq!(
        status_of(&server, &push("m-2", 1.0)).0,
        403,
        "it stays revoked"
    );
    for secret in ["", "not a secret", SECRET] {
        assert_eq!(status_of(&server, &order("e9", "archive", secret)).0, 401);
    }
    assert_eq!(server.end("-TERM").0, Some(0));
}
