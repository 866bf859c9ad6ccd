//! What a campaign says about timelines that it has not seen, against those that later seeds show.

use std::collections::BTreeSet;
use std::sync::Mutex;

use retake_sim::explore::{Explorer, SeedRun, TimelineFigures, Watch};
use retake_workloads::zoo::{self, Variant};

/// Seeds that an estimate is made of, and seeds that show whether it is true.
const SEEDS: u64 = 300;
/// New timelines from which on a count is large enough to be compared: its standard deviation is
/// below a quarter.
const COUNT_MIN: u64 = 20;

/// Keeps the timelines of all seeds, in their order.
#[derive(Default)]
struct Timelines(Mutex<Vec<u64>>);

impl Watch for Timelines {
    fn ended(&self, run: &SeedRun, _: bool) {
        self.0.lock().unwrap().extend(run.timeline);
    }
}

/// What the first seeds say, and how many of the next ones show a timeline that the first ones
/// have not shown.
fn estimate_and_truth(program: Variant) -> (TimelineFigures, u64) {
    let explorer = Explorer::new(program.name)
        .step_limit(10_000)
        .keep_going(true)
        .timelines(true);
    let run = |seeds| {
        let watch = Timelines::default();
        let (campaign, done) = explorer.run_seeds(&program.run.into(), seeds, &watch);
        done.unwrap();
        (campaign.timelines.figures(), watch.0.into_inner().unwrap())
    };
    let (figures, first) = run(0..SEEDS);
    let (_, next) = run(SEEDS..2 * SEEDS);
    assert_eq!(next.len() as u64, SEEDS, "{}", program.name);
    let first: BTreeSet<u64> = first.into_iter().collect();
    let new = next.iter().filter(|timeline| !first.contains(timeline));
    (figures, new.count() as u64)
}

#[test]
fn the_estimate_of_new_timelines_is_within_a_factor_of_two_of_the_truth() {
    let mut compared = 0;
    for name in [
        "raft/buggy",
        "raft/fixed",
        "failure_detector/fixed",
        "commit_read_back/fixed",
        "commit_crash/buggy",
        "bounded_buffer/buggy",
        "bounded_buffer/fixed",
        "register/buggy",
    ] {
        let program = zoo::find(&format!("zoo/{name}")).unwrap();
        let (figures, new) = estimate_and_truth(program);
        let estimate = figures.next_new * SEEDS as f64;
        let text = format!("{name}: {estimate:.0} estimated, {new} new: {figures:?}");
        assert!(new as f64 <= figures.next_new_max * SEEDS as f64, "{text}");
        if figures.once >= COUNT_MIN && new >= COUNT_MIN {
            let ratio = estimate / new as f64;
            assert!((0.5..=2.0).contains(&ratio), "{text}");
            compared += 1;
        } else {
            // Few are few.
            assert!(
                figures.once < 2 * COUNT_MIN && new < 2 * COUNT_MIN,
                "{text}"
            );
        }
    }
    assert!(compared >= 4, "{compared} programs");
}
