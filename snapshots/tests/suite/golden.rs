//! Recorded traces are replayed: the same program still runs the same.
//!
//! A change of behaviour that is intended is recorded again, from the top folder:
//! `cargo run --release -- run recovery/one_action --seed 1 --trace snapshots/traces/one_action.retake`

use std::path::Path;

use retake_cli::run::{Progress, ReplayOptions, Runner};
use retake_snapshots::program;
use retake_traces::{Schedule, TraceReader, verify};

fn golden() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("traces/one_action.retake")
}

#[test]
fn the_golden_trace_replays_to_the_last_record() {
    for from_seed in [false, true] {
        let how = ReplayOptions { from_seed };
        let replayed = Runner::here(program()).replay(&golden(), how, &Progress::default());
        let replayed = replayed.unwrap();
        if let Some(divergence) = replayed.divergence {
            panic!("{}", divergence.to_text(100));
        }
        let hash = verify(golden()).unwrap().event_hash;
        assert_eq!(replayed.finished.event_hash, format!("{hash:016x}"));
    }
}

#[test]
fn the_golden_trace_exercises_the_scheduler() {
    let schedule = Schedule::read(TraceReader::open(golden()).unwrap()).unwrap();
    assert!(schedule.len() > 50 && schedule.deviations().len() > 10);
}
