//! How fast campaigns are: seeds a second of a loop written by hand, of an explorer with
//! one job and with one for each core. Best of five rounds, taken in turns.
//!
//! `cargo run --release -p retake-workloads --example campaign_speed [SCENARIO]`
#![allow(missing_docs, clippy::disallowed_methods)]

use std::time::Instant;

use retake_cli::{ReportSlot, Scenario};
use retake_sim::Sim;
use retake_sim::explore::{Explorer, Search};

const SEEDS: u64 = 3_000;

fn main() {
    let name = std::env::args().nth(1);
    let name = name.unwrap_or_else(|| "zoo/raft/fixed".to_owned());
    let program = retake_workloads::program();
    let scenario = program.named(&name).cloned().unwrap_or_else(|error| {
        eprintln!("{error}");
        std::process::exit(2)
    });
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    // Copied into each of the loops below, which end with the process.
    let scenario: &'static Scenario = Box::leak(Box::new(scenario));
    let code = move || Box::pin(scenario.run(ReportSlot::default()));
    let bare = || {
        let mut steps = 0;
        for seed in 0..SEEDS {
            let strategy = Search::Mix.strategy(seed, 50);
            let run = Sim::new().seed(seed).strategy(strategy).run(code);
            assert!(run.passed(), "{run}");
            steps += run.stats.steps;
        }
        steps
    };
    let explore = |jobs| {
        let explorer = Explorer::new(name.as_str()).seeds(0..SEEDS).jobs(jobs);
        let campaign = explorer.run(code);
        assert!(campaign.passed());
        campaign.steps
    };
    let mut best = [0.0_f64; 3];
    let mut steps = [0; 3];
    for _ in 0..5 {
        for (place, jobs) in [0, 1, cores].into_iter().enumerate() {
            let start = Instant::now();
            steps[place] = if jobs == 0 { bare() } else { explore(jobs) };
            let speed = SEEDS as f64 / start.elapsed().as_secs_f64();
            best[place] = best[place].max(speed);
        }
    }
    let labels = [
        "bare loop".to_owned(),
        "one job".to_owned(),
        format!("{cores} jobs"),
    ];
    println!("{name}: {SEEDS} seeds");
    for place in 0..3 {
        println!(
            "{:<10} {:>8.0} seeds/s {:>9.0} steps/s {:>6.2} of the bare loop {:>6.2} of one job",
            labels[place],
            best[place],
            best[place] * steps[place] as f64 / SEEDS as f64,
            best[place] / best[0],
            best[place] / best[1],
        );
    }
}
