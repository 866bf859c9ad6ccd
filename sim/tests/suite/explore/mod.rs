//! Searches: campaigns, cases, shrinking, explanations, worker processes.

mod bugs;
mod campaigns;
mod cases;
mod explained;
mod external;
mod isolated;
mod prose;
mod strangers;
mod test_runner;
mod timelines;

use std::pin::Pin;

use retake_sim::explore::{Case, Explorer, Scenario, shrink};

type Body = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The first failure that is found.
fn found(explorer: &Explorer, scenario: impl Into<Scenario>) -> Case {
    let failures = explorer.run(scenario).failures;
    failures.into_iter().next().expect("it is found").case
}

/// A case made small.
fn shrunk(case: &Case, scenario: impl Into<Scenario>) -> Case {
    shrink(case, scenario, |_| {}).expect("it fails again").case
}
