//! `retake serve` keeps what it acknowledged, whatever happens to its process.

use std::fs;
use std::io::Read as _;
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use retake_system::invariants;

use crate::command::{retake, told};
use crate::server::{Server, ask, push, recover, serve};

#[test]
fn twenty_kills_under_load_lose_nothing_that_was_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let mut acknowledged: Vec<(u64, String)> = Vec::new();
    for round in 0..20_u64 {
        let server = serve(folder.path(), &[]);
        let over = Arc::new(AtomicBool::new(false));
        let answers = Arc::new(AtomicU64::new(0));
        let clients: Vec<_> = (0..4)
            .map(|client| {
                let (address, over) = (server.address.clone(), Arc::clone(&over));
                let answers = Arc::clone(&answers);
                std::thread::spawn(move || {
                    let mut taken = Vec::new();
                    let Ok(mut stream) = TcpStream::connect(&address) else {
                        return taken;
                    };
                    for number in 0.. {
                        let request = push(&format!("{round}-{client}-{number}"), 50.0);
                        match ask(&mut stream, &request) {
                            Some((200, body)) => {
                                let body: serde_json::Value = serde_json::from_str(&body).unwrap();
                                let hash = body["hash"].as_str().unwrap().to_owned();
                                taken.push((body["receipt"].as_u64().unwrap(), hash));
                                answers.fetch_add(1, Ordering::Relaxed);
                            }
                            _ => break,
                        }
                        if over.load(Ordering::Relaxed) {
                            break;
                        }
                    }
                    taken
                })
            })
            .collect();
        let mut patience = 30_000;
        while answers.load(Ordering::Relaxed) <= 5 * round && patience > 0 {
            std::thread::sleep(Duration::from_millis(1));
            patience -= 1;
        }
        assert_eq!(server.end("-KILL").0, None, "killed");
        over.store(true, Ordering::Relaxed);
        let before = acknowledged.len();
        for client in clients {
            acknowledged.extend(client.join().unwrap());
        }
        assert!(acknowledged.len() > before, "round {round} got answers");
        let store = recover(folder.path());
        for (id, hash) in &acknowledged {
            let receipt = store.get(*id).unwrap();
            assert_eq!(
                receipt.hash.to_string(),
                *hash,
                "receipt {id}, round {round}"
            );
        }
        assert_eq!(invariants::ledger(&store), []);
    }
    assert!(acknowledged.len() > 200, "{} answers", acknowledged.len());
}

#[test]
fn a_server_that_is_told_to_stop_finishes_and_its_successor_remembers() {
    let folder = tempfile::tempdir().unwrap();
    let server = serve(folder.path(), &[]);
    let mut client = TcpStream::connect(&server.address).unwrap();
    let (status, first) = ask(&mut client, &push("m-1", 70.0)).unwrap();
    assert_eq!(status, 200, "{first}");
    let health = "GET /health HTTP/1.1\r\nhost: r\r\n\r\n";
    assert_eq!(ask(&mut client, health).unwrap().0, 200);
    let metrics = ask(&mut client, "GET /metrics HTTP/1.1\r\nhost: r\r\n\r\n").unwrap();
    assert!(metrics.1.contains("retake_requests_total"), "{}", metrics.1);
    let (code, text) = server.end("-TERM");
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("stopped after 1 connection, 0 cut"), "{text}");
    let server = serve(folder.path(), &["--durability", "fsync"]);
    let mut client = TcpStream::connect(&server.address).unwrap();
    let (status, again) = ask(&mut client, &push("m-1", 70.0)).unwrap();
    let receipt =
        |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap()["receipt"].clone();
    assert_eq!((status, receipt(&again)), (200, receipt(&first)));
    server.end("-TERM");
}

/// Without its log nothing that the server takes would last. It acknowledges nothing more,
/// and its root supervisor gives up.
#[test]
fn a_server_whose_log_is_deleted_acknowledges_nothing_more_and_ends_with_4() {
    type Change = fn(&Path);
    let changes: [(&str, Change); 3] = [
        ("fsync", |data| fs::remove_dir_all(data).unwrap()),
        ("group-commit", |data| {
            fs::remove_file(data.join("ledger.log")).unwrap();
        }),
        ("fsync", |data| {
            fs::copy(data.join("ledger.log"), data.join("copy")).unwrap();
            fs::rename(data.join("copy"), data.join("ledger.log")).unwrap();
        }),
    ];
    for (durability, change) in changes {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let process = Command::new(env!("CARGO_BIN_EXE_retake"))
            .args(["serve", "--addr", "127.0.0.1:0", "--entitle", "acme"])
            .args(["--durability", durability, "--data"])
            .arg(&data)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let mut server = Server::of(process.unwrap());
        let mut client = TcpStream::connect(&server.address).unwrap();
        assert_eq!(ask(&mut client, &push("before", 1.0)).unwrap().0, 200);
        change(&data);
        let mut number = 0;
        while server.process.try_wait().unwrap().is_none() {
            number += 1;
            let Ok(mut client) = TcpStream::connect(&server.address) else {
                continue;
            };
            if let Some((status, body)) = ask(&mut client, &push(&format!("m-{number}"), 1.0)) {
                assert_eq!(status, 503, "{durability}: {body}");
            }
        }
        let (code, text) = server.wait();
        let mut log = String::new();
        let stderr = server.process.stderr.as_mut().unwrap();
        stderr.read_to_string(&mut log).unwrap();
        assert_eq!(code, Some(4), "{durability}: {text}{log}");
        assert!(text.contains("gave up"), "{text}");
        assert!(log.contains("the log was deleted or replaced"), "{log}");
    }
}

#[test]
fn mistakes_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "short").unwrap();
    let file = file.to_str().unwrap();
    let damaged = folder.path().join("damaged");
    std::fs::create_dir(&damaged).unwrap();
    std::fs::write(damaged.join("ledger.log"), "something else").unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    for (arguments, what) in [
        (vec!["--data", data, "--addr", "nowhere"], "--addr"),
        (vec!["--data", data, "--addr", &taken], "cannot listen on"),
        (vec!["--data", file], "cannot keep the ledger in"),
        (vec!["--data", damaged.to_str().unwrap()], "no ledger log"),
        (
            vec!["--data", data, "--secret", "nothing"],
            "cannot use the secret in nothing",
        ),
        (vec!["--data", data, "--secret", file], "give at least 16"),
        (vec![], "--data"),
    ] {
        let output = retake(folder.path(), &[&["serve"], &arguments[..]].concat());
        let (code, _, error) = told(output);
        assert_eq!(code, 2, "{arguments:?}: {error}");
        assert!(error.contains(what), "{arguments:?}: {error}");
    }
}

#[test]
fn a_checklist_says_what_to_do_before_serving() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let server = serve(&data, &[]);
    let mut client = TcpStream::connect(&server.address).unwrap();
    assert_eq!(ask(&mut client, &push("m", 1.0)).unwrap().0, 200);
    server.end("-TERM");
    let secret = folder.path().join("secret");
    std::fs::write(&secret, "0123456789abcdefghijklmnopqrstuv").unwrap();
    let check = |more: &[&str]| {
        let arguments = ["checklist", "--addr", "127.0.0.1:0", "--data", "data"];
        let (code, text, _) = told(retake(folder.path(), &[&arguments, more].concat()));
        (code, text)
    };
    let secret_text = secret.to_str().unwrap();
    std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o644)).unwrap();
    let (code, text) = check(&["--secret", secret_text]);
    assert_eq!(code, 1);
    assert!(
        text.contains("others may read it (mode 644): chmod 600"),
        "{text}"
    );
    assert!(text.contains("receipts, all chains verify"), "{text}");
    std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o600)).unwrap();
    let (_, text) = check(&["--secret", secret_text]);
    assert!(text.contains("PASS orders are signed"), "{text}");
    // A damaged ledger is found, and left as it is.
    let log = data.join("ledger.log");
    let mut bytes = std::fs::read(&log).unwrap();
    bytes[40] ^= 1;
    std::fs::write(&log, &bytes).unwrap();
    let (code, text) = check(&[]);
    assert_eq!(code, 1);
    assert!(text.contains("FAIL the ledger is whole"), "{text}");
    assert!(text.contains("none: give --secret FILE"), "{text}");
    assert_eq!(std::fs::read(&log).unwrap(), bytes);
}
