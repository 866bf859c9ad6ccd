//! Arguments that several commands take.

use std::time::Duration;

use retake_sim::parse_duration;

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
