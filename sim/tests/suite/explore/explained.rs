//! What is said of why a program fails is true, whatever the bug.

use retake_sim::FaultPlan;
use retake_sim::explore::{Case, Explorer, Reason};
use retake_testkit::faulted::faults;

use super::bugs::{Expects, PROGRAMS, Program};
use super::{found, shrunk};

fn failing_case(program: &Program) -> Case {
    let plan = FaultPlan {
        faults: faults(program.faults),
        swarm: None,
    };
    let explorer = Explorer::new(program.name).seeds(0..300);
    let case = found(&explorer.step_limit(2_000).faults(plan), program.run);
    shrunk(&case, program.run)
}

#[test]
fn each_explanation_of_a_bug_is_true_and_names_what_avoids_it() {
    retake_sim::panics::quiet();
    let mut wrong = Vec::new();
    for program in PROGRAMS {
        let case = failing_case(program);
        let why = retake_testkit::truth::check(program.name, &case, program.run);
        if std::env::var_os("SHOW").is_some() {
            println!("=== {}\n{}\n", program.name, why.to_text(110));
        }
        let orders = why.reasons.iter().filter_map(|reason| match reason {
            Reason::Ordering(ordering) => Some(ordering.orders.len()),
            Reason::Faults(_) | Reason::ArrivalOrder(_) => None,
        });
        let orders: Vec<usize> = orders.collect();
        let has_fault = why.reasons.iter().any(|it| matches!(it, Reason::Faults(_)));
        let is_met = match program.expects {
            Expects::Order => orders.contains(&1),
            Expects::Orders => !orders.is_empty(),
            Expects::Fault => has_fault,
            Expects::Seed => why.seeds.as_ref().is_some_and(|seeds| seeds.passed > 0),
            Expects::Nothing => why.seeds.as_ref().is_some_and(|seeds| seeds.passed == 0),
        };
        if !is_met {
            let Program { name, expects, .. } = program;
            wrong.push(format!("{name} expects {expects:?}:\n{why}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}
