//! Each bug of the zoo is found within its budget, and each fixed program survives it.

use retake_sim::explore::{Exhaustive, ExhaustiveReport, Explorer, shrink};
use retake_workloads::zoo::{self, CONTROLS, PROGRAMS};

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
        let why = retake_testkit::truth::check(buggy.name, &shrunk.case, buggy.run);
        if std::env::var_os("SHOW").is_some() {
            println!("=== {}\n{}\n", buggy.name, why.to_text(110));
        }
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

fn exhausted(control: &str, set: impl FnOnce(Exhaustive) -> Exhaustive) -> ExhaustiveReport {
    let control = CONTROLS.iter().find(|it| it.name == control).unwrap();
    let found = set(Exhaustive::new(control.name)).run(control.run, |_| {});
    assert!(found.found.passed() && found.complete, "{found:?}");
    found
}

#[test]
fn exhaustive_search_counts_the_interleavings_of_six_readers() {
    let within = |delays| exhausted("control/readers", |all| all.delays(Some(delays)));
    let counts: Vec<u64> = (0..8).map(|it| within(it).interleavings).collect();
    assert_eq!(counts, [1, 2, 8, 23, 43, 58, 64, 64]);
    let all = exhausted("control/readers", |all| all);
    // Seven tasks of one step each, in every order.
    assert_eq!((all.schedules, all.interleavings), (5040, 64));
    let reduced = exhausted("control/readers", |all| all.reduce(true));
    assert_eq!(reduced.interleavings, 64);
    assert!(reduced.schedules < 1000, "{reduced:?}");
}

/// Not the 88 of the program after which this one is made: see docs/exploring.md.
#[test]
fn exhaustive_search_counts_the_interleavings_of_a_registry() {
    let all = exhausted("control/registry", |all| all.reduce(true));
    assert_eq!(all.interleavings, 42, "{all:?}");
}

#[test]
fn exhaustive_search_finds_a_bug_that_needs_a_rare_schedule() {
    let buggy = zoo::find("zoo/ladder/lock_order/buggy").unwrap();
    let search = Exhaustive::new(buggy.name).delays(Some(2));
    let found = search.run(buggy.run, |_| {});
    let case = &found.found.failures[0].case;
    assert!(case.signature.starts_with("deadlock"), "{case:?}");
    let shrunk = shrink(case, buggy.run, |_| {}).unwrap();
    assert!(shrunk.case.size() <= 2, "{shrunk:?}");
}
