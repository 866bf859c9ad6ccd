//! `retake serve` keeps what it acknowledged, whatever happens to its process.

use std::fs;
use std::io::Read as _;
use std::net::TcpStream;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use crate::command::Folder;
use crate::server::{Server, ask, get, push, receipt};

#[test]
fn twenty_kills_under_load_lose_nothing_that_was_acknowledged() {
    let folder = Folder::new();
    let mut acknowledged = Vec::new();
    for round in 0..20_u64 {
        let server = folder.serve("");
        let (over, answers) = (AtomicBool::new(false), AtomicU64::new(0));
        let client = |client: u32| {
            let mut accepted = Vec::new();
            let Ok(mut stream) = TcpStream::connect(&server.address) else {
                return accepted;
            };
            for number in 0.. {
                let request = push(&format!("{round}-{client}-{number}"), 50.0);
                let Some((200, body)) = ask(&mut stream, &request) else {
                    break;
                };
                accepted.push(receipt(&body));
                answers.fetch_add(1, Ordering::Relaxed);
                if over.load(Ordering::Relaxed) {
                    break;
                }
            }
            accepted
        };
        let before = acknowledged.len();
        std::thread::scope(|scope| {
            let client = &client;
            let clients = [0, 1, 2, 3].map(|number| scope.spawn(move || client(number)));
            for _ in 0..30_000 {
                if answers.load(Ordering::Relaxed) > 5 * round {
                    break;
                }
                std::thread::sleep(Duration::from_millis(1));
            }
            server.signal("-KILL");
            over.store(true, Ordering::Relaxed);
            for client in clients {
                acknowledged.extend(client.join().unwrap());
            }
        });
        server.kill();
        assert!(acknowledged.len() > before, "round {round} got answers");
        let store = folder.recover();
        for (id, hash) in &acknowledged {
            let found = &store.get(id.unwrap()).unwrap().hash;
            assert_eq!(*hash, found.to_string(), "receipt {id:?}, round {round}");
        }
    }
    assert!(acknowledged.len() > 200, "{} answers", acknowledged.len());
}

#[test]
fn a_server_that_is_told_to_stop_finishes_and_its_successor_remembers() {
    let folder = Folder::new();
    let server = folder.serve("");
    let mut client = server.connect();
    let (status, first) = ask(&mut client, &push("m-1", 70.0)).unwrap();
    assert_eq!(status, 200, "{first}");
    assert_eq!(ask(&mut client, &get("/health")).unwrap().0, 200);
    let (_, metrics) = ask(&mut client, &get("/metrics")).unwrap();
    assert!(metrics.contains("retake_requests_total"), "{metrics}");
    let text = server.stop();
    assert!(text.contains("stopped after 1 connection, 0 cut"), "{text}");
    let server = folder.serve("--durability fsync");
    let (status, again) = server.ask(&push("m-1", 70.0));
    assert_eq!((status, receipt(&again).0), (200, receipt(&first).0));
}

/// Without its log nothing that the server takes would last. It acknowledges nothing more,
/// and its root supervisor gives up.
#[test]
fn a_server_whose_log_is_deleted_acknowledges_nothing_more_and_ends_with_4() {
    type Change = fn(&Folder);
    let changes: [(&str, Change); 3] = [
        ("fsync", |it| fs::remove_dir_all(it.at("data")).unwrap()),
        ("group-commit", |it| {
            fs::remove_file(it.at("data/ledger.log")).unwrap();
        }),
        ("fsync", |it| {
            it.write("data/copy", it.bytes("data/ledger.log"));
            fs::rename(it.at("data/copy"), it.at("data/ledger.log")).unwrap();
        }),
    ];
    for (durability, change) in changes {
        let folder = Folder::new();
        let line = "serve --addr 127.0.0.1:0 --entitle acme --data data --durability";
        let mut command = folder.command(&format!("{line} {durability}"));
        let mut server = Server::of(command.stderr(Stdio::piped()));
        assert_eq!(server.ask(&push("before", 1.0)).0, 200);
        change(&folder);
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
    let folder = Folder::new();
    folder.write("file", "short");
    fs::create_dir(folder.at("damaged")).unwrap();
    folder.write("damaged/ledger.log", "something else");
    let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let in_use = other.local_addr().unwrap();
    folder.refuses(
        2,
        &[
            "serve --data . --addr nowhere => --addr",
            &format!("serve --data . --addr {in_use} => cannot listen on"),
            "serve --data file => cannot keep the ledger in",
            "serve --data damaged => no ledger log",
            "serve --data . --secret nothing => cannot use the secret in nothing",
            "serve --data . --secret file => give at least 16",
            "serve => --data",
        ],
    );
}

#[test]
fn a_checklist_says_what_to_do_before_serving() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = Folder::new();
    let server = folder.serve("");
    server.push("m", 1);
    server.stop();
    folder.write("secret", "0123456789abcdefghijklmnopqrstuv");
    let set_mode = |mode: u32| {
        fs::set_permissions(folder.at("secret"), fs::Permissions::from_mode(mode)).unwrap();
    };
    set_mode(0o644);
    let open = folder.checklist("--secret secret").ends(1);
    let open = open.says("others may read it (mode 644): chmod 600");
    open.says("receipts, all chains verify");
    set_mode(0o600);
    let closed = folder.checklist("--secret secret");
    closed.says("PASS orders are signed");
    // A damaged ledger is found, and left as it is.
    let mut bytes = folder.bytes("data/ledger.log");
    bytes[40] ^= 1;
    folder.write("data/ledger.log", &bytes);
    let damaged = folder.checklist("").ends(1);
    let damaged = damaged.says("FAIL the ledger is whole");
    damaged.says("none: give --secret FILE");
    assert_eq!(folder.bytes("data/ledger.log"), bytes);
}
