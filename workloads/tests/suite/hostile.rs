//! `retake serve` among clients that mean no good: each gets the answer that it deserves,
//! honest ones are served at the same time, and memory stays within bounds.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use retake_system::invariants;

use crate::command::{Folder, parse};
use crate::server::{Server, answer, ask, get, order, post, push, receipt};

const MB: u64 = 1_000_000;

impl Server {
    /// The largest resident size that the process has ever had, in bytes.
    fn memory_max(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id()));
        let status = status.unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kilobytes = line.unwrap().trim().trim_end_matches(" kB");
        kilobytes.parse::<u64>().unwrap() * 1024
    }

    /// Until it has accepted, and still holds, as many.
    fn wait_for_connections(&self, count: u64) {
        // Generous: only a failing test waits as long.
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let connections = self.gauge("retake_connections ");
            if connections >= count {
                break;
            }
            assert!(Instant::now() < deadline, "{connections} of {count}");
            thread::sleep(Duration::from_millis(10));
        }
    }

    fn gauge(&self, name: &str) -> u64 {
        let (_, text) = self.ask(&get("/metrics"));
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap().trim().parse().unwrap()
    }
}

/// Do something while an honest client asks, again and again; gives how often it did.
fn beside_an_honest_client(server: &Server, name: &str, work: impl FnOnce()) -> u64 {
    let (over, served) = (AtomicBool::new(false), AtomicU64::new(0));
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut client = server.connect();
            while !over.load(Ordering::Relaxed) {
                let number = served.fetch_add(1, Ordering::Relaxed);
                let request = push(&format!("{name}-{number}"), 1.0);
                let (status, body) = ask(&mut client, &request).expect("an answer");
                assert_eq!(status, 200, "{name}: {body}");
            }
        });
        // Also when the work panics, or the test would not end.
        struct Over<'a>(&'a AtomicBool);
        impl Drop for Over<'_> {
            fn drop(&mut self) {
                self.0.store(true, Ordering::Relaxed);
            }
        }
        let _over = Over(&over);
        while served.load(Ordering::Relaxed) == 0 {
            thread::yield_now();
        }
        work();
    });
    served.into_inner()
}

#[test]
fn malformed_and_forged_requests_are_refused_with_receipts() {
    let folder = Folder::new();
    let server = folder.serve("");
    let pubsub = |body: &str| post("/pubsub", body);
    let no_data = r#"{"message":{"messageId":"m"}}"#;
    let other_data = r#"{"message":{"messageId":"m","data":"%"}}"#;
    let mut refusals = Vec::new();
    for (request, status, error) in [
        (pubsub("{"), 400, "invalid_envelope"),
        (pubsub("[[[[[[[["), 400, "invalid_envelope"),
        (pubsub(&"[".repeat(100_000)), 400, "invalid_envelope"),
        (pubsub(no_data), 400, "missing_data"),
        (pubsub(other_data), 400, "undecodable_data"),
        (post("/marketplace", "null"), 400, "invalid_order"),
        (order("e", "acme", "scale", "a guess"), 401, "bad_signature"),
    ] {
        let (got, body) = server.ask(&request);
        assert_eq!(
            (got, &parse(&body)["error"]),
            (status, &error.into()),
            "{body}"
        );
        refusals.push((got, receipt(&body).0));
    }
    assert!(refusals.iter().all(|(_, receipt)| receipt.is_some()));
    server.stop();
    assert_eq!(invariants::answers(&folder.recover(), &refusals), []);
}

#[test]
fn a_flood_of_refused_requests_takes_little_memory_and_disk() {
    let folder = Folder::new();
    let server = folder.serve("");
    // Answers to several clients wait for the disk together.
    const CLIENTS: u32 = 20;
    let flood = |name: &str, count: u32| {
        let client = |number: u32| {
            let mut client = server.connect();
            for request in 0..count / CLIENTS / 2 {
                let id = format!("{name}-{number}-{request}");
                let no_data = format!(r#"{{"message":{{"messageId":"{id}","data":"%"}}}}"#);
                for request in [post("/pubsub", &id), post("/pubsub", &no_data)] {
                    let (status, body) = ask(&mut client, &request).unwrap();
                    assert_eq!(status, 400, "{body}");
                    assert!(!body.contains("\"receipt\":null"), "{body}");
                }
            }
        };
        thread::scope(|scope| {
            for number in 0..CLIENTS {
                scope.spawn(move || client(number));
            }
        });
    };
    flood("warm", 4_000);
    let (memory, receipts) = (server.memory_max(), server.gauge("retake_receipts "));
    let length = || {
        std::fs::metadata(folder.at("data/ledger.log"))
            .unwrap()
            .len()
    };
    let disk = length();
    flood("flood", 20_000);
    // Each of its own would be 20,000 receipts, 15 MB of memory and 5 MB of disk.
    let more = server.gauge("retake_receipts ") - receipts;
    assert!(more < 1_000, "{more} receipts");
    let (memory, disk) = (server.memory_max() - memory, length() - disk);
    assert!(
        memory < 5 * MB && disk < MB,
        "{memory} bytes, {disk} on the disk"
    );
    server.stop();
    folder.recover();
}

#[test]
fn bodies_of_a_hundred_megabytes_are_refused_and_take_no_memory() {
    const BODY: u64 = 100 * MB;
    let folder = Folder::new();
    let server = folder.serve("");
    let before = server.memory_max();
    // Says how long it is, or does not.
    let heads = [
        format!("content-length: {BODY}\r\n\r\n"),
        format!("transfer-encoding: chunked\r\n\r\n{BODY:x}\r\n"),
    ];
    beside_an_honest_client(&server, "large", || {
        thread::scope(|scope| {
            for head in heads.iter().cycle().take(16) {
                let mut client = server.connect();
                scope.spawn(move || {
                    let head = format!("POST /pubsub HTTP/1.1\r\nhost: r\r\n{head}");
                    client.write_all(head.as_bytes()).unwrap();
                    let mut writer = client.try_clone().unwrap();
                    scope.spawn(move || {
                        let part = vec![b'x'; 1 << 16];
                        let mut left = BODY as usize;
                        while left > 0 && writer.write_all(&part[..left.min(1 << 16)]).is_ok() {
                            left = left.saturating_sub(1 << 16);
                        }
                    });
                    // Closed at once, so the answer may be lost with what was sent.
                    if let Some((status, _)) = answer(&mut client, &mut Vec::new()) {
                        assert_eq!(status, 413);
                    }
                    let _ = client.shutdown(Shutdown::Both);
                });
            }
        });
    });
    let head = format!("POST /pubsub HTTP/1.1\r\nhost: r\r\n{}", heads[0]);
    assert_eq!(server.ask(&head).0, 413, "before it is sent");
    // 16 times the limit of a body, and buffers; the bodies have 1,600 MB.
    let grown = server.memory_max() - before;
    assert!(grown < 100 * MB, "{grown} bytes");
    server.stop();
}

#[test]
fn slow_bodies_are_given_up_and_keep_nobody_out() {
    let folder = Folder::new();
    let server = folder.serve("--request-timeout 1");
    let slow: Vec<TcpStream> = (0..600)
        .map(|_| {
            let mut client = server.connect();
            let head = "POST /pubsub HTTP/1.1\r\nhost: r\r\ncontent-length: 1000\r\n\r\nx";
            client.write_all(head.as_bytes()).unwrap();
            client
        })
        .collect();
    let honest = beside_an_honest_client(&server, "slow", || {
        for mut client in slow {
            assert_eq!(answer(&mut client, &mut Vec::new()).unwrap().0, 408);
            assert!(answer(&mut client, &mut Vec::new()).is_none(), "and closed");
        }
    });
    assert!(honest > 10, "{honest}");
    server.stop();
}

#[test]
fn pipelined_requests_are_answered_in_order_and_random_bytes_with_400() {
    let folder = Folder::new();
    let server = folder.serve("");
    let mut client = server.connect();
    let burst: String = (0..1000).map(|it| push(&format!("m-{it}"), 1.0)).collect();
    let mut writer = client.try_clone().unwrap();
    let (mut bytes, mut receipts) = (Vec::new(), Vec::new());
    thread::scope(|scope| {
        scope.spawn(move || writer.write_all(burst.as_bytes()).unwrap());
        for _ in 0..1000 {
            let (status, body) = answer(&mut client, &mut bytes).unwrap();
            receipts.push((status, receipt(&body).0));
        }
    });
    let before = server.memory_max();
    beside_an_honest_client(&server, "random", || {
        for seed in 0..500_u64 {
            let mut client = server.connect();
            let mut state = seed;
            let rubbish: Vec<u8> = (0..20_000)
                .map(|_| {
                    state = state
                        .wrapping_mul(6_364_136_223_846_793_005)
                        .wrapping_add(1);
                    (state >> 56) as u8
                })
                .collect();
            // It may be cut off before it has said all.
            let _ = client.write_all(&rubbish);
            let _ = client.shutdown(Shutdown::Write);
            let mut text = Vec::new();
            let _ = client.read_to_end(&mut text);
            let is_refused = text.starts_with(b"HTTP/1.1 400 ") || text.is_empty();
            assert!(is_refused, "{}", String::from_utf8_lossy(&text));
        }
    });
    assert!(server.memory_max() - before < 50 * MB);
    server.stop();
    assert!(receipts.iter().all(|(status, _)| *status == 200));
    let ids = receipts.iter().map(|(_, receipt)| receipt.unwrap());
    assert!(ids.is_sorted(), "in order");
    assert_eq!(invariants::answers(&folder.recover(), &receipts), []);
}

#[test]
fn a_burst_of_connections_waits_and_loses_none() {
    let most = std::fs::read_to_string("/proc/sys/net/core/somaxconn").unwrap();
    let count = 1_000.min(most.trim().parse::<usize>().unwrap());
    let folder = Folder::new();
    // Nothing is given up before it is its turn.
    let server = folder.serve("--request-timeout 600");
    let address = server.address.parse().unwrap();
    // It accepts none, as if it were busy, so all of them have to wait.
    server.signal("-STOP");
    let mut clients: Vec<_> = (0..count)
        .map(|number| {
            let client = TcpStream::connect_timeout(&address, Duration::from_secs(20));
            client.unwrap_or_else(|error| panic!("{number}: {error}"))
        })
        .collect();
    server.signal("-CONT");
    for (number, client) in clients.iter_mut().enumerate() {
        let (status, body) = ask(client, &push(&format!("burst-{number}"), 1.0)).unwrap();
        assert_eq!(status, 200, "{body}");
    }
    server.stop();
}

#[test]
fn ten_thousand_connections_are_held_in_little_memory() {
    // As many as this machine lets two processes have.
    let limit = rlimit::increase_nofile_limit(10_500).unwrap();
    let count = 10_000.min(limit.saturating_sub(200));
    let folder = Folder::new();
    // Nothing is given up while they come.
    let server = folder.serve("--request-timeout 600");
    let before = server.memory_max();
    let mut held = Vec::new();
    let honest = beside_an_honest_client(&server, "many", || {
        for number in 0..count {
            let mut client = server.connect();
            // Every other one begins a request.
            if number % 2 == 0 {
                client
                    .write_all(b"POST /pubsub HTTP/1.1\r\nhost: ")
                    .unwrap();
            }
            held.push(client);
            // No more at once than wait to be accepted: the kernel may leave one that it
            // has no room for open at the client's end alone.
            if held.len() % 500 == 0 {
                server.wait_for_connections(held.len() as u64);
            }
        }
    });
    assert!(honest > 0);
    server.wait_for_connections(count);
    let each = (server.memory_max() - before) / count;
    assert!(each < 40_000, "{each} bytes a connection");
    drop(held);
    server.push("after", 1);
    server.stop();
}
