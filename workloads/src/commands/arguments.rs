//! Arguments that several commands take.

use retake_sim::did_you_mean;
use retake_system::{PlanError, PlannedFailure};

/// What fails on purpose, with a suggestion for a mistyped word.
pub(super) fn planned_failure(text: &str) -> Result<PlannedFailure, String> {
    text.parse().map_err(|error: PlanError| {
        let near = match &error {
            PlanError::Service(word) | PlanError::Kind(word) | PlanError::Option(word) => {
                did_you_mean(
                    word.split('=').next().unwrap_or(word),
                    PlannedFailure::words(),
                )
            }
            _ => String::new(),
        };
        format!("{error}{near}")
    })
}
