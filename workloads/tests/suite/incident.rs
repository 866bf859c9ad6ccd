//! What a server records under load is followed by a simulation, to the same receipts.

use std::net::TcpStream;
use std::path::Path;

use retake_system::Store;
use retake_system::ingress::{Order, Secret};
use serde_json::Value;

use crate::command::told;
use crate::server::{Server, ask, push, recover, serve};

const SECRET: &str = "a secret of more than sixteen bytes";

/// What a client sends as its request of this number.
fn request(client: usize, number: usize) -> String {
    let order = |action: &str, secret: &str| {
        let order = Order {
            entitlement_id: format!("e-{client}"),
            tenant_id: ["acme", "beta", "gamma"][number % 3].to_owned(),
            action: action.to_owned(),
            timestamp: std::time::UNIX_EPOCH.elapsed().unwrap().as_millis() as u64,
            signature: String::new(),
        };
        let body = serde_json::to_string(&order.sign(&Secret::new(secret))).unwrap();
        post("marketplace", &body)
    };
    match number % 20 {
        // All clients race to be the first with this one.
        3 | 9 => push(&format!("shared-{number}"), 85.0),
        5 => post("pubsub", "rubbish"),
        7 => order(
            ["grant", "approve", "suspend", "reinstate"][number / 20 % 4],
            SECRET,
        ),
        11 => order("scale", "a guess"),
        13 => order("rollback", SECRET),
        17 => "GET /health HTTP/1.1\r\nhost: r\r\n\r\n".to_owned(),
        19 => "GET /metrics HTTP/1.1\r\nhost: r\r\n\r\n".to_owned(),
        _ => push(&format!("{client}-{number}"), (number * 7 % 100) as f64),
    }
}

fn post(path: &str, body: &str) -> String {
    let length = body.len();
    format!("POST /{path} HTTP/1.1\r\nhost: r\r\ncontent-length: {length}\r\n\r\n{body}")
}

/// Clients that ask as fast as they are answered; gives the answers, by status.
fn load(server: &Server, clients: usize, requests: usize) -> std::thread::JoinHandle<Vec<u16>> {
    let address = server.address.clone();
    std::thread::spawn(move || {
        let clients: Vec<_> = (0..clients)
            .map(|client| {
                let mut stream = TcpStream::connect(&address).unwrap();
                std::thread::spawn(move || {
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

fn recorded(folder: &Path, file: &Path) -> Server {
    let secret = folder.join("secret");
    std::fs::write(&secret, SECRET).unwrap();
    let arguments = ["--secret", secret.to_str().unwrap()];
    let record = ["--record", file.to_str().unwrap(), "--fail-workers", "0.2"];
    serve(
        &folder.join("data"),
        &[arguments, [record[0], record[1]], [record[2], record[3]]].concat(),
    )
}

fn retake(arguments: &[&str]) -> (i32, String, String) {
    told(crate::command::retake(Path::new("."), arguments))
}

/// Replay, and check that all of it was honoured; gives the report.
fn replay(file: &Path, more: &[&str]) -> Value {
    let file = file.to_str().unwrap();
    let (code, out, error) = retake(&[&["replay", file, "--json"], more].concat());
    let report: Value = serde_json::from_str(&out).unwrap_or_else(|_| panic!("{out}{error}"));
    let followed = &report["replay"]["followed"];
    assert_eq!(code, 0, "{}\n{error}", followed["divergence"]);
    assert_eq!(report["complete"], true);
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
        assert_eq!(
            receipts[length - 1].hash.to_string(),
            chain[2].as_str().unwrap()
        );
        length
    });
    lengths.sum()
}

#[test]
fn an_incident_under_load_replays_to_the_same_receipts_and_answers() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("incident.retake");
    let server = recorded(folder.path(), &file);
    let answers = load(&server, 8, 250).join().unwrap();
    assert_eq!(answers.len(), 2_000);
    for status in [200, 400, 401, 403] {
        assert!(answers.contains(&status), "no answer {status}");
    }
    let (code, text) = server.end("-TERM");
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("recorded "), "{text}");
    let bytes = std::fs::read(&file).unwrap();
    let contains = |text: &str| {
        bytes
            .windows(text.len())
            .any(|part| part == text.as_bytes())
    };
    assert!(
        contains("rubbish") && !contains(SECRET),
        "the secret is not in it"
    );

    let trace = folder.path().join("replay.retake");
    let report = replay(&file, &["--trace", trace.to_str().unwrap()]);
    let store = recover(&folder.path().join("data"));
    assert_eq!(compare_chains(&report, &store), store.len());
    let outputs = &report["followed"]["outputs"];
    assert_eq!(outputs["receipt"][1], store.len() as u64);
    // All but what shows figures, which are not compared.
    let compared = answers.len() - 8 * (250 / 20);
    assert_eq!(outputs["answer"][1], compared as u64);

    let trace = trace.to_str().unwrap();
    assert_eq!(retake(&["verify", trace]).0, 0);
    for command in ["replay", "why", "shrink"] {
        let (code, _, error) = retake(&[command, trace]);
        assert_eq!(code, 2, "{command}: {error}");
        assert!(
            error.contains("only the recording brings about again"),
            "{error}"
        );
    }
    let (code, story, _) = retake(&["show", trace, "--actor", "ledger"]);
    assert_eq!(code, 0);
    assert!(
        story.contains("handles AppendAll"),
        "{}",
        &story[..2000.min(story.len())]
    );
}

#[test]
fn what_a_killed_server_has_recorded_replays_and_so_does_its_successor() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("killed.retake");
    let server = recorded(folder.path(), &file);
    let clients = load(&server, 4, 2_000);
    std::thread::sleep(std::time::Duration::from_millis(700));
    assert_eq!(server.end("-KILL").0, None, "killed");
    let answers = clients.join().unwrap();
    assert!(!file.exists(), "it has no end");
    let (code, text, error) = retake(&["replay", file.to_str().unwrap()]);
    assert_eq!(code, 0, "{text}{error}");
    assert!(text.contains("before its end mark"), "{text}");
    let report = replay(&file, &[]);
    let store = recover(&folder.path().join("data"));
    let receipts = compare_chains(&report, &store);
    assert!(
        receipts > 20,
        "{receipts} receipts, {} answers",
        answers.len()
    );

    // One that begins with what is on the disk.
    let file = folder.path().join("successor.retake");
    let server = recorded(folder.path(), &file);
    load(&server, 2, 60).join().unwrap();
    assert_eq!(server.end("-TERM").0, Some(0));
    let report = replay(&file, &[]);
    let store = recover(&folder.path().join("data"));
    assert_eq!(compare_chains(&report, &store), store.len());
}

#[test]
fn what_cannot_be_replayed_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.retake");
    let server = recorded(folder.path(), &file);
    assert_eq!(load(&server, 1, 20).join().unwrap().len(), 20);
    server.end("-TERM");
    let path = file.to_str().unwrap();
    let mut bytes = std::fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    let damaged = folder.path().join("damaged.retake");
    std::fs::write(&damaged, bytes).unwrap();
    let (code, _, error) = retake(&["replay", damaged.to_str().unwrap()]);
    assert_eq!(code, 3);
    assert!(error.contains("is damaged at byte"), "{error}");
    let nowhere = folder.path().join("nowhere/a.retake");
    let data = folder.path().join("data");
    let (code, _, error) = retake(&[
        "serve",
        "--addr",
        "127.0.0.1:0",
        "--data",
        data.to_str().unwrap(),
        "--record",
        nowhere.to_str().unwrap(),
    ]);
    assert_eq!(code, 3, "{error}");
    assert!(error.contains("cannot create"), "{error}");
    let (code, _, error) = retake(&["replay", path, "--from-seed"]);
    assert_ne!(code, 0, "{error}");
}
