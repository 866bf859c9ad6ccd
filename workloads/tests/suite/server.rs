//! A `retake serve` of its own, and its clients.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, ChildStdout, Command, Stdio};

use retake_system::ingress::{Envelope, Order, Secret};
use retake_system::{Signal, Store, invariants};
use serde_json::Value;

use crate::command::{Folder, Outcome, parse, signal};

/// Of orders.
pub(crate) const SECRET: &str = "a secret of more than sixteen bytes";

impl Folder {
    /// A server of the folder `data`, on a port of its own.
    pub(crate) fn serve(&self, more: &str) -> Server {
        let log = "--log-level error --entitle acme";
        let line = format!("serve --addr 127.0.0.1:0 {log} --data data {more}");
        Server::of(&mut self.command(&line))
    }

    /// The server of `data` does not start with these arguments.
    #[track_caller]
    pub(crate) fn does_not_serve(&self, code: i32, arguments: &str) -> Outcome {
        let line = format!("serve --data data --addr 127.0.0.1:0 {arguments}");
        self.run(line).ends(code).never_says("listening")
    }

    pub(crate) fn checklist(&self, more: &str) -> Outcome {
        self.run(format!("checklist --addr 127.0.0.1:0 --data data {more}"))
    }

    /// What the ledger in `data` recovers to, whose receipts are in order.
    #[track_caller]
    pub(crate) fn recover(&self) -> Store {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_all().build().unwrap();
        let file = self.at("data/ledger.log");
        let receipts = runtime.block_on(retake_workloads::recover::receipts(&file));
        let store = receipts.unwrap().expect("a ledger");
        assert_eq!(invariants::ledger(&store), []);
        store
    }
}

pub(crate) struct Server {
    pub(crate) process: Child,
    pub(crate) address: String,
    stdout: BufReader<ChildStdout>,
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Server {
    /// The server that this command starts, when it listens.
    pub(crate) fn of(command: &mut Command) -> Self {
        let mut process = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut stdout = BufReader::new(process.stdout.take().unwrap());
        // A recording may have been announced before.
        let mut text = String::new();
        while !text.contains("http://") {
            let read = stdout.read_line(&mut text).unwrap();
            assert!(read > 0, "it does not listen: {text}");
        }
        let address = text.split("http://").nth(1).unwrap();
        let address = address.split([',', '/']).next().unwrap().to_owned();
        Self {
            process,
            address,
            stdout,
        }
    }

    pub(crate) fn connect(&self) -> TcpStream {
        TcpStream::connect(&self.address).unwrap()
    }

    /// The status and body of the answer to one request.
    #[track_caller]
    pub(crate) fn ask(&self, request: &str) -> (u16, String) {
        ask(&mut self.connect(), request).expect("an answer")
    }

    /// Send signals that are accepted; gives the receipt of the last one.
    #[track_caller]
    pub(crate) fn push(&self, name: &str, count: u64) -> u64 {
        let mut client = self.connect();
        let mut receipt = 0;
        for number in 0..count {
            let (status, body) = ask(&mut client, &push(&format!("{name}-{number}"), 1.0)).unwrap();
            assert_eq!(status, 200, "{body}");
            receipt = parse(&body)["receipt"].as_u64().unwrap();
        }
        receipt
    }

    pub(crate) fn signal(&self, name: &str) {
        signal(name, self.process.id());
    }

    /// End it with this signal; gives its exit code and what it printed last.
    pub(crate) fn end(mut self, signal: &str) -> (Option<i32>, String) {
        self.signal(signal);
        self.wait()
    }

    /// Stop it in order; gives what it printed last.
    #[track_caller]
    pub(crate) fn stop(self) -> String {
        let (code, text) = self.end("-TERM");
        assert_eq!(code, Some(0), "{text}");
        text
    }

    #[track_caller]
    pub(crate) fn kill(self) {
        assert_eq!(self.end("-KILL").0, None, "killed");
    }

    /// Wait until it has ended; gives its exit code and what it printed last.
    pub(crate) fn wait(&mut self) -> (Option<i32>, String) {
        let code = self.process.wait().unwrap().code();
        let mut text = String::new();
        self.stdout.read_to_string(&mut text).unwrap();
        (code, text)
    }
}

/// Ask on a connection that stays; the status and body of the answer.
pub(crate) fn ask(stream: &mut TcpStream, request: &str) -> Option<(u16, String)> {
    stream.write_all(request.as_bytes()).ok()?;
    answer(stream, &mut Vec::new())
}

/// The status and body of the next answer. What has come behind it stays in `bytes`.
pub(crate) fn answer(stream: &mut TcpStream, bytes: &mut Vec<u8>) -> Option<(u16, String)> {
    let mut part = [0; 4096];
    loop {
        if let Some(end) = bytes.windows(4).position(|it| it == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "))?;
            let all = end + 4 + length.parse::<usize>().ok()?;
            if bytes.len() >= all {
                let status = head.split(' ').nth(1)?.parse().ok()?;
                let rest = bytes.split_off(all);
                let body = String::from_utf8_lossy(&bytes[end + 4..]).into_owned();
                *bytes = rest;
                return Some((status, body));
            }
        }
        match stream.read(&mut part) {
            Ok(0) | Err(_) => return None,
            Ok(count) => bytes.extend(&part[..count]),
        }
    }
}

pub(crate) fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: r\r\n\r\n")
}

pub(crate) fn post(path: &str, body: &str) -> String {
    let length = body.len();
    format!("POST {path} HTTP/1.1\r\nhost: r\r\ncontent-length: {length}\r\n\r\n{body}")
}

/// A signal of `acme`.
pub(crate) fn push(id: &str, value: f64) -> String {
    let signal = Signal {
        tenant: "acme".to_owned(),
        metric: "cpu".to_owned(),
        value,
        ..Signal::default()
    };
    post("/pubsub", &Envelope::to_json(&signal, id, 1))
}

/// A signed order, as the marketplace sends it.
pub(crate) fn order(entitlement: &str, tenant: &str, action: &str, secret: &str) -> String {
    let now = std::time::UNIX_EPOCH.elapsed().unwrap();
    let order = Order {
        entitlement_id: entitlement.to_owned(),
        tenant_id: tenant.to_owned(),
        action: action.to_owned(),
        timestamp: u64::try_from(now.as_millis()).unwrap(),
        signature: String::new(),
    };
    let order = order.sign(&Secret::new(secret));
    post("/marketplace", &serde_json::to_string(&order).unwrap())
}

/// The receipt of an answer, with its hash.
pub(crate) fn receipt(body: &str) -> (Option<u64>, Value) {
    let body = parse(body);
    (body["receipt"].as_u64(), body["hash"].clone())
}
