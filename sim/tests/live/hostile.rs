//! Recordings of live processes that say what no process could have recorded: they are
//! refused, or followed up to the first step that makes no sense. `traces/fuzz/run SECONDS
//! recording` looks for new ones; this repeats what it found.
#![allow(
    clippy::disallowed_methods,
    reason = "a real process, clocks and threads"
)]

use retake_sim::recording::Recording;
use retake_testkit::followed::{drive, record_live};
use retake_testkit::traces::hostile::{
    Numbers, corpus, input_of, input_of_file, mutate, write_input,
};
use retake_traces::{Record, TraceReader};
use tempfile::TempDir;

use super::one_at_a_time;

fn follow(input: &[u8], folder: &TempDir) {
    let path = folder.path().join("input.retake");
    if write_input(input, &path) {
        drive(&path);
    }
}

#[test]
fn what_is_recorded_of_the_program_is_followed_to_its_end() {
    let _one = one_at_a_time();
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("live.retake");
    record_live(&path);
    drive(&path);
    let recording = Recording::open(&path).unwrap();
    let shared = Default::default();
    let replayed = recording.replay_inputs(None, std::future::pending::<()>, move |input| {
        retake_testkit::followed::serve(std::sync::Arc::clone(&shared), input)
    });
    let followed = replayed.unwrap().followed;
    assert!(followed.is_complete(), "{:?}", followed.divergence);
    assert_eq!(followed.outputs["sum"], (6, 6));
    // The way to a new first input of the fuzzer's corpus.
    if let Some(to) = std::env::var_os("RECORDING_INPUT") {
        let reader = TraceReader::open(&path).unwrap();
        let header = reader.header().clone();
        let records: Vec<Record> = reader.map(Result::unwrap).collect();
        std::fs::write(to, input_of(&header, &records)).unwrap();
    }
}

#[test]
fn what_fuzzing_kept_is_followed_without_a_finding() {
    let folder = TempDir::new().unwrap();
    let corpus = corpus("recording");
    assert!(corpus.len() >= 20, "{}", corpus.len());
    for (name, input) in corpus {
        println!("{name}");
        follow(&input, &folder);
    }
}

#[test]
fn hundreds_of_changed_recordings_are_followed_without_a_finding() {
    let folder = TempDir::new().unwrap();
    let real = corpus("recording")
        .into_iter()
        .find(|(name, _)| name == "real");
    let (_, real) = real.expect("what was recorded");
    let path = folder.path().join("real.retake");
    assert!(write_input(&real, &path));
    let mut inputs = vec![real, input_of_file(&std::fs::read(&path).unwrap())];
    let mut numbers = Numbers(3);
    for round in 0..600 {
        let mut input = inputs[numbers.below(inputs.len())].clone();
        mutate(&mut input, &mut numbers);
        println!("round {round}");
        follow(&input, &folder);
        // Changes add up.
        if inputs.len() < 100 {
            inputs.push(input);
        } else {
            let place = 2 + numbers.below(inputs.len() - 2);
            inputs[place] = input;
        }
    }
}
