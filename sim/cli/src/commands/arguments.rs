//! Arguments that several commands take.

use std::time::Duration;

use clap::Args;
use retake_sim::parse_duration;
use retake_traces::RunConfig;
use retake_traces::time::nanos;

/// The end of virtual time.
pub(crate) fn horizon(text: &str) -> Result<Duration, String> {
    let horizon = parse_duration(text)?;
    if horizon.is_zero() || horizon > retake_sim::HORIZON_MAX {
        return Err(format!(
            "must be above zero and at most {} h",
            retake_sim::HORIZON_MAX.as_secs() / 3600
        ));
    }
    Ok(horizon)
}

/// Which runs share a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Isolation {
    /// None: each starts from the same state.
    Process,
    /// Many. Each failure is repeated in a process of its own.
    Shared,
}

/// What makes a run, but for its seed, strategy and faults. `STEPS` is the usual limit of
/// steps.
#[derive(Clone, Debug, Args)]
pub(crate) struct RunFlags<const STEPS: u64> {
    /// End of virtual time, for example 90s or 2h; reaching it is a failure.
    #[arg(long, default_value = "1h", value_parser = horizon)]
    horizon: Duration,
    /// Largest number of steps of a run; reaching it is a failure.
    #[arg(long, default_value_t = STEPS, value_parser = clap::value_parser!(u64).range(1..))]
    step_limit: u64,
    /// Let the scenario start threads: they run outside the simulation, so a seed may not
    /// repeat. Traces and saved cases keep this.
    #[arg(long)]
    allow_threads: bool,
    /// A tokio task that the scheduler does not have fails the run: ractor's own helpers, such
    /// as `send_after`, are such tasks.
    #[arg(long)]
    strict: bool,
}

impl<const STEPS: u64> RunFlags<STEPS> {
    /// The run of seed 0 with these.
    pub(crate) fn config(&self) -> RunConfig {
        RunConfig {
            horizon_ns: nanos(self.horizon),
            step_limit: self.step_limit,
            allow_threads: self.allow_threads,
            strict: self.strict,
            ..RunConfig::default()
        }
    }
}
