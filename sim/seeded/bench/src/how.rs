//! How programs run: as they are, or with gates in a `Sim`.

use std::future::Future;

#[cfg(not(feature = "gated"))]
pub use tokio::{
    spawn,
    time::{sleep, timeout},
};

#[cfg(feature = "gated")]
pub use retake::{sleep, spawn, timeout};

#[cfg(not(feature = "gated"))]
pub fn run<F: Future<Output = ()> + Send + 'static>(program: impl Fn() -> F + Send + Sync + 'static) {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_all().start_paused(true).build().unwrap();
    runtime.block_on(program());
}

#[cfg(feature = "gated")]
pub fn run<F: Future<Output = ()> + Send + 'static>(program: impl Fn() -> F + Send + Sync + 'static) {
    let sim = retake_sim::Sim::new().seed(1).strategy(retake_sim::Strategy::Random);
    let sim = sim.horizon(retake_sim::HORIZON_MAX).step_limit(u64::MAX).livelock_after(u64::MAX);
    // As the others, which start no thread for it.
    let sim = sim.isolation(retake_sim::Isolation::Inline);
    sim.run(program).expect_passed();
}
