//! Cases that the test suites of poolboy and OTP care about, written again against the
//! public API: `poolboy_tests`, `supervisor_SUITE`, `gen_statem_SUITE`.

mod poolboy;
mod statem;
mod supervisor;

use retake_sim::{Isolation, Sim};

/// Run a scenario under some seeds; it must hold under each.
pub(crate) fn under_seeds<F, Fut>(seeds: u64, scenario: F)
where
    F: Fn() -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    for seed in 0..seeds {
        let sim = Sim::new().seed(seed).isolation(Isolation::Inline);
        sim.run(scenario.clone()).expect_passed();
    }
}
