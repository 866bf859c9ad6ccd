//! What it takes to open a trace and to go to steps of it.
//!
//! `cargo run --release -p retake-sim --example long_run -- 1000000 long.retake`, then
//! `cargo run --release -p retake-inspect --example timeline -- long.retake`

use std::process::ExitCode;
use std::time::Duration;

use retake_inspect::Timeline;
use retake_inspect::timeline::{Condition, Direction};
use retake_traces::TraceError;

/// Steps that are gone to, all over the run and in no order.
const JUMPS: u64 = 100;

fn main() -> ExitCode {
    let Some(path) = std::env::args().nth(1) else {
        eprintln!("error: say which trace");
        return ExitCode::from(2);
    };
    match measure(&path) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(3)
        }
    }
}

fn measure(path: &str) -> Result<(), TraceError> {
    let begun = Watch::start();
    let mut timeline = Timeline::open(path)?;
    let steps = timeline.steps();
    println!(
        "open: {} for {steps} steps of {} tasks",
        begun.elapsed(),
        timeline.tasks().len()
    );
    println!("memory after that: {}", memory_mb());
    let mut times: Vec<Duration> = Vec::new();
    for jump in 0..JUMPS {
        // A walk over all residues, far from one to the next.
        let step = 1 + (jump * 618_033_989) % steps.max(1);
        let begun = Watch::start();
        let world = timeline.world(step)?;
        timeline.lines(step.saturating_sub(20), step + 20)?;
        timeline.causes(step, 20)?;
        timeline.effects(step)?;
        if let Some(line) = timeline.step(step)?
            && let Some(it) = line.as_step()
        {
            timeline.state(it.task, step)?;
            timeline.state(it.task, step - 1)?;
            timeline.mailbox(it.task, step, 20)?;
        }
        for at in world.alive.iter().take(10) {
            timeline.state(at.task, step)?;
        }
        times.push(begun.busy());
    }
    times.sort_unstable();
    println!(
        "all there is to see at one of {JUMPS} steps: median {:?}, longest {:?} of the processor",
        times[times.len() / 2],
        times[times.len() - 1]
    );
    let begun = Watch::start();
    timeline.find(0, Direction::Forward, |line| {
        line.what().contains("no such text")
    })?;
    println!("a text that is nowhere: {}", begun.elapsed());
    let begun = Watch::start();
    let nowhere = Condition {
        state: Some("no such state".to_owned()),
        ..Condition::default()
    };
    timeline.find_hit(0, Direction::Forward, &nowhere)?;
    println!("a breakpoint that is never hit: {}", begun.elapsed());
    println!("memory at the most: {}", memory_mb());
    Ok(())
}

/// Time on the clock and on the processor: other programs make the first longer.
struct Watch {
    clock: std::time::Instant,
    busy: Duration,
}

impl Watch {
    #[allow(
        clippy::disallowed_methods,
        reason = "what is measured is how long it really takes"
    )]
    fn start() -> Self {
        Self {
            clock: std::time::Instant::now(),
            busy: busy(),
        }
    }

    fn busy(&self) -> Duration {
        busy().saturating_sub(self.busy)
    }

    fn elapsed(&self) -> String {
        format!(
            "{:.0?} ({:.0?} of the processor)",
            self.clock.elapsed(),
            self.busy()
        )
    }
}

/// Time of this thread on the processor so far (Linux; else nothing).
fn busy() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let ns = text.split_whitespace().next();
    Duration::from_nanos(ns.and_then(|ns| ns.parse().ok()).unwrap_or(0))
}

/// The largest resident size of this process so far.
fn memory_mb() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let kb = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
    kb.map_or_else(|| "unknown".to_owned(), |kb| format!("{} MB", kb / 1000))
}
