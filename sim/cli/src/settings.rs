//! What to run, and what to record of it.

use retake_sim::explore::Case;
use retake_traces::{Header, Layers, RunConfig};

use crate::program::Program;
use crate::scenario::Scenario;

/// What to run, and what to record of it.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// What makes the run.
    pub config: RunConfig,
    /// What is recorded of it.
    pub layers: Layers,
}

impl Settings {
    /// The run of this seed, with all else as usual.
    #[must_use]
    pub fn of_seed(seed: u64) -> Self {
        let config = RunConfig {
            seed,
            ..RunConfig::default()
        };
        Self {
            config,
            layers: Layers::default(),
        }
    }

    /// The case that `explore` would have of a seed with these settings.
    pub(crate) fn case(&self, scenario: &Scenario) -> Case {
        Case::new(scenario.name(), self.config.clone())
    }

    /// The header of a trace of this.
    #[must_use]
    pub fn header(&self, program: &Program, scenario: &Scenario) -> Header {
        Header {
            program: program.name_and_version(),
            scenario: scenario.name().to_owned(),
            config: self.config.clone(),
            layers: self.layers,
            versions: program.library_versions().to_vec(),
            code: program.identity().to_owned(),
            ..Header::default()
        }
    }

    /// The settings that a trace was recorded with.
    pub(crate) fn of_header(header: &Header) -> Result<Self, String> {
        let horizon = header.config.horizon();
        if horizon.is_zero() || horizon > retake_sim::HORIZON_MAX {
            return Err(format!(
                "its horizon of {} ns is out of range",
                header.config.horizon_ns
            ));
        }
        Ok(Self {
            config: header.config.clone(),
            layers: header.layers,
        })
    }
}
