//! One seed, one run: on any thread, in any process.
//!
//! `RETAKE_SEEDS` sets how many seeds are tried.

use std::collections::BTreeSet;

use retake_cli::run::{Progress, Runner, Settings};
use retake_snapshots::{explain_divergence, program, record, scenario};
use retake_traces::Record;

use crate::common::{another_process, here};

const SCENARIO: &str = "recovery/worker_crash";
/// Tells a child process which seeds to run.
const CHILD: &str = "RETAKE_DETERMINISM_CHILD";

fn seeds() -> u64 {
    let seeds = std::env::var("RETAKE_SEEDS").ok();
    seeds.and_then(|seeds| seeds.parse().ok()).unwrap_or(6)
}

fn settings(seed: u64) -> Settings {
    let strategies = ["random", "pct", "fifo", "defer"];
    let strategy = strategies[seed as usize % strategies.len()];
    let mut settings = Settings::of_seed(seed);
    settings.config.strategy = strategy.parse().unwrap();
    settings
}

fn hash(seed: u64) -> String {
    let runner = Runner::here(program());
    let finished = runner.run(scenario(SCENARIO), &settings(seed), &Progress::default());
    assert!(finished.passed(), "seed {seed}: {}", finished.outcome);
    finished.event_hash
}

fn hashes() -> Vec<String> {
    (0..seeds()).map(hash).collect()
}

fn assert_same(one: &[String], other: &[String], what: &str) {
    assert_eq!(one.len(), other.len());
    for (seed, (one, other)) in one.iter().zip(other).enumerate() {
        assert!(
            one == other,
            "seed {seed} gave {one} and {other} {what}\n{}",
            explain_divergence(SCENARIO, &settings(seed as u64))
        );
    }
}

#[test]
fn a_seed_gives_the_same_run_on_two_threads_at_once() {
    let (one, other) = std::thread::scope(|scope| {
        let (one, other) = (scope.spawn(hashes), scope.spawn(hashes));
        (one.join().unwrap(), other.join().unwrap())
    });
    assert_same(&one, &other, "on two threads");
    let distinct: BTreeSet<_> = one.iter().collect();
    assert_eq!(distinct.len(), one.len(), "seeds give different runs");
}

#[test]
fn a_seed_gives_the_same_run_in_another_process() {
    if std::env::var_os(CHILD).is_some() {
        println!("hashes: {}", hashes().join(" "));
        return;
    }
    let output = another_process(here!()).env(CHILD, "1").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let mut lines = text.lines();
    let list = lines.find_map(|line| Some(line.split_once("hashes: ")?.1));
    let list = list.unwrap_or_else(|| panic!("no hashes in {text}"));
    let theirs: Vec<String> = list.split(' ').map(str::to_owned).collect();
    assert_same(&hashes(), &theirs, "in two processes");
}

#[test]
fn a_seed_gives_the_same_states_of_actors() {
    let states = || {
        let mut settings = settings(1);
        settings.layers.states = true;
        settings.config.horizon_ns = 5_000_000_000;
        let (_, mut records) = record(SCENARIO, &settings);
        records.retain(|record| matches!(record, Record::State(_)));
        records
    };
    let (one, other) = (states(), states());
    assert!(one.len() > 100);
    let differs = one.iter().zip(&other).find(|(one, other)| one != other);
    assert_eq!(differs, None);
    assert_eq!(one.len(), other.len());
}
