//! What a server records under load is followed by a simulation, to the same receipts.

use std::net::TcpStream;
use std::thread::{JoinHandle, spawn};

use retake_system::Store;
use serde_json::Value;

use crate::command::Folder;
use crate::server::{SECRET, Server, ask, get, order, post, push};

/// What a client sends as its request of this number.
fn request(client: usize, number: usize) -> String {
    let order = |action: &str, secret: &str| {
        let tenant = ["acme", "beta", "gamma"][number % 3];
        order(&format!("e-{client}"), tenant, action, secret)
    };
    match number % 20 {
        // All clients race to be the first with this one.
        3 | 9 => push(&format!("shared-{number}"), 85.0),
        5 => post("/pubsub", "rubbish"),
        7 => order(
            ["grant", "approve", "suspend", "reinstate"][number / 20 % 4],
            SECRET,
        ),
        11 => order("scale", "a guess"),
        13 => order("rollback", SECRET),
        17 => get("/health"),
        19 => get("/metrics"),
        _ => push(&format!("{client}-{number}"), (number * 7 % 100) as f64),
    }
}

/// Clients that ask as fast as they are answered; gives the answers, by status.
fn load(server: &Server, clients: usize, requests: usize) -> JoinHandle<Vec<u16>> {
    let address = server.address.clone();
    spawn(move || {
        let clients: Vec<_> = (0..clients)
            .map(|client| {
                let mut stream = TcpStream::connect(&address).unwrap();
                spawn(move || {
                    let answers = (0..requests)
                        .map_while(|number| ask(&mut stream, &request(client, number)));
                    answers.map(|(status, _)| status).collect::<Vec<_>>()
                })
            })
            .collect();
        let clients = clients.into_iter().map(|client| client.join().unwrap());
        clients.flatten().collect()
    })
}

fn recorded(folder: &Folder, file: &str) -> Server {
    folder.write("secret", SECRET);
    folder.serve(&format!(
        "--secret secret --record {file} --fail-workers 0.2"
    ))
}

/// Replay, and check that all of it was honoured; gives the report.
fn replay(folder: &Folder, arguments: &str) -> Value {
    let replayed = folder.run(format!("replay {arguments} --json")).ends(0);
    let report = replayed.json();
    assert_eq!(report["complete"], true);
    let followed = &report["replay"]["followed"];
    assert_eq!(followed["honoured"], followed["recorded"]);
    for values in followed["outputs"].as_object().unwrap().values() {
        assert_eq!(values[0], values[1], "made again, and recorded");
    }
    report["replay"].clone()
}

/// The chains of a replay are those of the store, or their beginnings.
fn compare_chains(report: &Value, store: &Store) -> usize {
    let chains = report["tenants"].as_array().unwrap();
    assert!(chains.len() >= 3, "{chains:?}");
    let lengths = chains.iter().map(|chain| {
        let receipts = store.of_tenant(chain[0].as_str().unwrap());
        let length = usize::try_from(chain[1].as_u64().unwrap()).unwrap();
        assert_eq!(chain[2], receipts[length - 1].hash.to_string());
        length
    });
    lengths.sum()
}

#[test]
fn an_incident_under_load_replays_to_the_same_receipts_and_answers() {
    let folder = Folder::new();
    let server = recorded(&folder, "incident.retake");
    let answers = load(&server, 8, 250).join().unwrap();
    assert_eq!(answers.len(), 2_000);
    for status in [200, 400, 401, 403] {
        assert!(answers.contains(&status), "no answer {status}");
    }
    let text = server.stop();
    assert!(text.contains("recorded "), "{text}");
    let bytes = folder.bytes("incident.retake");
    let contains = |text: &str| {
        bytes
            .windows(text.len())
            .any(|part| part == text.as_bytes())
    };
    assert!(contains("rubbish"));
    assert!(!contains(SECRET), "the secret is not in it");

    let report = replay(&folder, "incident.retake --trace replay.retake");
    let store = folder.recover();
    assert_eq!(compare_chains(&report, &store), store.len());
    let outputs = &report["followed"]["outputs"];
    assert_eq!(outputs["receipt"][1], store.len() as u64);
    // All but what shows figures, which are not compared.
    let compared = answers.len() - 8 * (250 / 20);
    assert_eq!(outputs["answer"][1], compared as u64);

    folder.run("verify replay.retake").ends(0);
    for command in ["replay", "why", "shrink"] {
        let refused = folder.run(format!("{command} replay.retake")).ends(2);
        refused.complains("only the recording brings about again");
    }
    let story = folder.run("show replay.retake --actor ledger").ends(0);
    assert!(story.out.contains("handles AppendAll"));
}

#[test]
fn what_a_killed_server_has_recorded_replays_and_so_does_its_successor() {
    let folder = Folder::new();
    let server = recorded(&folder, "killed.retake");
    let clients = load(&server, 4, 2_000);
    std::thread::sleep(std::time::Duration::from_millis(700));
    server.kill();
    let answers = clients.join().unwrap().len();
    assert!(!folder.has("killed.retake"), "it has no end");
    let replayed = folder.run("replay killed.retake").ends(0);
    replayed.says("before its end mark");
    let report = replay(&folder, "killed.retake");
    let receipts = compare_chains(&report, &folder.recover());
    assert!(receipts > 20, "{receipts} receipts, {answers} answers");

    // One that begins with what is on the disk.
    let server = recorded(&folder, "successor.retake");
    load(&server, 2, 60).join().unwrap();
    server.stop();
    let report = replay(&folder, "successor.retake");
    let store = folder.recover();
    assert_eq!(compare_chains(&report, &store), store.len());
}

#[test]
fn what_cannot_be_replayed_is_named() {
    let folder = Folder::new();
    let server = recorded(&folder, "a.retake");
    assert_eq!(load(&server, 1, 20).join().unwrap().len(), 20);
    server.end("-TERM");
    let mut bytes = folder.bytes("a.retake");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    folder.write("damaged.retake", bytes);
    folder.refuses(
        3,
        &[
            "replay damaged.retake => is damaged at byte",
            "serve --addr 127.0.0.1:0 --data data --record nowhere/a.retake => cannot create",
        ],
    );
    let from_seed = folder.run("replay a.retake --from-seed");
    assert_ne!(from_seed.code, Some(0), "{from_seed}");
}
