//! What a recording costs: signals through a live system, with one and without, in turns.
#![allow(
    missing_docs,
    clippy::disallowed_methods,
    reason = "real clocks and threads"
)]

use std::time::{Duration, Instant};

use retake::record;
use retake_live::Config;
use retake_otp::Names;
use retake_system::{Signal, System, SystemConfig};

const ROUNDS: usize = 9;
const CLIENTS: usize = 16;
const ROUND: Duration = Duration::from_millis(700);

/// Signals of this many clients, each after the answer to the one before; how many a second.
async fn load(round: usize) -> f64 {
    let config = SystemConfig {
        names: Names::with_prefix(&format!("round-{round}")),
        ..SystemConfig::default()
    };
    let system = System::start(config).await.expect("it starts");
    for client in 0..CLIENTS {
        let entitled = system.entitle(&format!("t-{client}"), true).await;
        entitled.expect("there is nobody yet");
    }
    let begun = Instant::now();
    let clients: Vec<_> = (0..CLIENTS)
        .map(|client| {
            let system = system.clone();
            retake::spawn_named("client", async move {
                let mut answers = 0_u64;
                while begun.elapsed() < ROUND {
                    let signal = Signal {
                        id: Some(format!("{client}-{answers}")),
                        tenant: format!("t-{client}"),
                        metric: "cpu".to_owned(),
                        value: 50.0,
                        ..Signal::default()
                    };
                    system.signal(signal).await.expect("an answer");
                    answers += 1;
                }
                answers
            })
        })
        .collect();
    let mut answers = 0;
    for client in clients {
        answers += client.await.expect("it ends");
    }
    let rate = answers as f64 / begun.elapsed().as_secs_f64();
    system.stop().await;
    rate
}

fn median(mut rates: Vec<f64>) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}

fn main() {
    // A test run builds this, so that it stays correct, and measures nothing.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    for threads in [1, 2] {
        let (mut bare, mut recorded) = (Vec::new(), Vec::new());
        let (mut steps, mut bytes) = (0, 0);
        for round in 0..2 * ROUNDS {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(threads)
                .enable_all()
                .build()
                .expect("a runtime");
            let run = |scenario| runtime.block_on(runtime.spawn(scenario)).expect("it ends");
            if round % 2 == 0 {
                bare.push(run(record::scenario(load(round))));
                continue;
            }
            let path = folder.path().join("bench.retake");
            let recording = retake_live::start(path, Config::new("bench"));
            let recording = recording.expect("the first recording");
            recorded.push(run(record::scenario(load(round))));
            let sizes = recording.finish().expect("a file");
            steps += sizes.steps;
            bytes += sizes.bytes;
        }
        let (bare, recorded) = (median(bare), median(recorded));
        println!(
            "{threads} threads, {CLIENTS} clients: {bare:.0} signals/s, recorded {recorded:.0} \
             signals/s, ratio {:.2}; {:.1} bytes a step",
            recorded / bare,
            bytes as f64 / steps as f64
        );
    }
}
