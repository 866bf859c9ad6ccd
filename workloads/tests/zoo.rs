//! Each bug of the zoo is found within its budget, and each fixed program survives it.
#![allow(missing_docs)]

use retake_sim::explore::{Explorer, explain, shrink};
use retake_workloads::zoo::PROGRAMS;

fn explorer(name: &str, seeds: u64) -> Explorer {
    Explorer::new(name)
        .seeds(0..seeds)
        .step_limit(10_000)
        .jobs(2)
}

#[test]
fn each_bug_is_found_within_its_budget_and_made_small_with_a_reason() {
    let mut shrunk_to = Vec::new();
    for program in PROGRAMS {
        let [buggy, _] = program.variants();
        let campaign = explorer(buggy.name, program.budget).run(buggy.run);
        let failure = campaign.failures.first();
        let failure = failure.unwrap_or_else(|| panic!("{} is not found", buggy.name));
        let shrunk = shrink(&failure.case, buggy.run, |_| {}).unwrap();
        assert_eq!(shrunk.case.signature, failure.case.signature);
        assert!(shrunk.case.size() <= 4, "{}: {shrunk:?}", buggy.name);
        if shrunk.deviations_before > 0 {
            let left = shrunk.case.holds().len() as f64;
            shrunk_to.push(left / shrunk.deviations_before as f64);
        }
        let why = explain(&shrunk.case, buggy.run);
        // What fails in every schedule has no change that avoids it.
        let needs_nothing = shrunk.case.size() == 0;
        assert!(
            needs_nothing || !why.changes.is_empty(),
            "{}: {why}",
            buggy.name
        );
    }
    shrunk_to.sort_by(f64::total_cmp);
    let median = shrunk_to[shrunk_to.len() / 2];
    assert!(median <= 0.1, "{shrunk_to:?}");
}

#[test]
fn each_fixed_program_survives_the_budget() {
    for program in PROGRAMS {
        let [_, fixed] = program.variants();
        let campaign = explorer(fixed.name, program.budget).run(fixed.run);
        if let Some(failure) = campaign.failures.first() {
            panic!("{}: {}", fixed.name, failure.case.outcome);
        }
        assert!(
            campaign.missed_goals().is_empty(),
            "{}: {campaign:?}",
            fixed.name
        );
    }
}
