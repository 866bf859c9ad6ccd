//! A `retake serve` of its own, and its clients.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use retake_system::ingress::Envelope;
use retake_system::{Signal, Store};

/// A server on a port of its own.
pub(crate) struct Server {
    pub(crate) process: Child,
    pub(crate) address: String,
    stdout: BufReader<std::process::ChildStdout>,
}

pub(crate) fn serve(data: &Path, more: &[&str]) -> Server {
    let process = Command::new(env!("CARGO_BIN_EXE_retake"))
        .args([
            "serve",
            "--addr",
            "127.0.0.1:0",
            "--log-level",
            "error",
            "--data",
        ])
        .arg(data)
        .args(["--entitle", "acme"])
        .args(more)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    Server::of(process)
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Server {
    /// The server of this process, when it listens.
    pub(crate) fn of(mut process: Child) -> Self {
        let mut stdout = BufReader::new(process.stdout.take().unwrap());
        // A recording may have been announced before.
        let mut text = String::new();
        while !text.contains("http://") {
            let read = stdout.read_line(&mut text).unwrap();
            assert!(read > 0, "it does not listen: {text}");
        }
        let address = text.split("http://").nth(1).unwrap();
        let address = address.split(',').next().unwrap().to_owned();
        Self {
            process,
            address,
            stdout,
        }
    }

    pub(crate) fn signal(&self, signal: &str) {
        let pid = self.process.id().to_string();
        Command::new("kill").args([signal, &pid]).status().unwrap();
    }

    /// End it with this signal; gives its exit code and what it printed last.
    pub(crate) fn end(mut self, signal: &str) -> (Option<i32>, String) {
        self.signal(signal);
        self.wait()
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

pub(crate) fn push(id: &str, value: f64) -> String {
    let signal = Signal {
        tenant: "acme".to_owned(),
        metric: "cpu".to_owned(),
        value,
        ..Signal::default()
    };
    let body = Envelope::to_json(&signal, id, 1);
    let length = body.len();
    format!("POST /pubsub HTTP/1.1\r\nhost: r\r\ncontent-length: {length}\r\n\r\n{body}")
}

/// What the ledger in this folder recovers to.
pub(crate) fn recover(data: &Path) -> Store {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let file = data.join("ledger.log");
    let receipts = runtime.block_on(retake_workloads::recover::receipts(&file));
    receipts.unwrap().expect("a ledger")
}
