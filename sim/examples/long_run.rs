//! A long run with a trace, and the memory that it took: a trace is streamed, so
//! memory does not grow with the number of steps.
//!
//! `cargo run --release -p retake-sim --example long_run -- 10000000 [FILE [SEED]]`
//!
//! FILE keeps the trace, to try other commands on a long one.
//!
//! Exits with 1 when the process has used more than 200 MB (Linux).

use std::process::ExitCode;

use ractor::{Actor, ActorProcessingErr, ActorRef};
use retake_sim::{Outcome, Sim};
use retake_traces::{Header, Layers, RunConfig, TraceWriter, verify};

/// Passes a number on to a new actor every so often, so that actors come and go as well.
struct Relay;

#[derive(Debug)]
struct Pass(u64);

/// Messages that one relay handles before it starts the next one.
const MESSAGES: u64 = 50;

#[retake::simulated]
impl Actor for Relay {
    type Msg = Pass;
    type State = u64;
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<Pass>, (): ()) -> Result<u64, ActorProcessingErr> {
        Ok(0)
    }

    async fn handle(
        &self,
        myself: ActorRef<Pass>,
        Pass(number): Pass,
        handled: &mut u64,
    ) -> Result<(), ActorProcessingErr> {
        *handled += 1;
        retake::sleep(std::time::Duration::from_micros(10)).await;
        if *handled < MESSAGES {
            myself.cast(Pass(number + 1))?;
        } else {
            let (next, _) = Actor::spawn(None, Relay, ()).await?;
            next.cast(Pass(number + 1))?;
            myself.stop(None);
        }
        Ok(())
    }
}

/// Relays at one time.
const RELAYS: u64 = 100;
const MEMORY_MAX_KB: u64 = 200_000;

fn main() -> ExitCode {
    let steps = match std::env::args().nth(1).map(|steps| steps.parse()) {
        None => 10_000_000,
        Some(Ok(steps)) => steps,
        Some(Err(error)) => {
            eprintln!("error: the number of steps: {error}");
            return ExitCode::from(2);
        }
    };
    let kept = std::env::args_os().nth(2).map(std::path::PathBuf::from);
    let path = kept.clone().unwrap_or_else(|| {
        std::env::temp_dir().join(format!("long_run-{}.retake", std::process::id()))
    });
    let seed = std::env::args().nth(3).and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or(0);
    let writer = match TraceWriter::create(
        &path,
        &Header {
            config: RunConfig {
                seed,
                step_limit: steps,
                ..RunConfig::default()
            },
            layers: Layers::ALL,
            ..Header::default()
        },
    ) {
        Ok(writer) => writer,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::from(3);
        }
    };
    let run = Sim::new()
        .seed(seed)
        .step_limit(steps)
        .record(Layers::ALL)
        .trace(writer)
        .run(|| async {
            for number in 0..RELAYS {
                let started = Actor::spawn(None, Relay, ()).await;
                if let Ok((relay, _)) = started {
                    let _ = relay.cast(Pass(number));
                }
            }
            std::future::pending::<()>().await;
        });
    let summary = verify(&path);
    if kept.is_none() {
        // Only a left-over file would show that this failed.
        let _ = std::fs::remove_file(&path);
    }
    println!("{run}");
    match &summary {
        Ok(summary) => println!(
            "trace: {} bytes, {} records",
            summary.bytes, summary.records
        ),
        Err(error) => println!("trace: {error}"),
    }
    let peak_kb = peak_memory_kb();
    println!(
        "peak memory: {}",
        peak_kb.map_or_else(|| "unknown".to_owned(), |kb| format!("{} MB", kb / 1000))
    );
    let is_small = peak_kb.is_none_or(|kb| kb <= MEMORY_MAX_KB);
    let went_on = matches!(run.outcome, Outcome::StepLimit { .. }) && run.stats.steps == steps;
    ExitCode::from(u8::from(!(is_small && went_on && summary.is_ok())))
}

/// The largest resident size of this process so far.
fn peak_memory_kb() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}
