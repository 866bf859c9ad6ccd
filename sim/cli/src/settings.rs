//! What to run, and how.

use std::time::Duration;

use retake_sim::explore::Case;
use retake_sim::{Fault, Sim, Strategy};
use retake_traces::Header;

use crate::program::Program;
use crate::scenario::Scenario;

/// What to run, and how.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The seed.
    pub seed: u64,
    /// The strategy.
    pub strategy: Strategy,
    /// End of virtual time.
    pub horizon: Duration,
    /// Largest number of steps.
    pub step_limit: u64,
    /// Record texts.
    pub story: bool,
    /// Record causes.
    pub causality: bool,
    /// Record states of actors.
    pub states: bool,
    /// Faults to inject.
    pub faults: Vec<Fault>,
    /// Inject no others.
    pub only_planned_faults: bool,
    /// Let the run start threads.
    pub allow_threads: bool,
}

/// Steps that a run may take by default.
pub const STEP_LIMIT: u64 = 100_000_000;

impl Settings {
    /// Seed 0, strategy random, an hour.
    #[must_use]
    pub fn new() -> Self {
        Self {
            seed: 0,
            strategy: Strategy::default(),
            horizon: Duration::from_secs(3600),
            step_limit: STEP_LIMIT,
            story: false,
            causality: false,
            states: false,
            faults: Vec::new(),
            only_planned_faults: false,
            allow_threads: false,
        }
    }

    pub(crate) fn sim(&self) -> Sim {
        Sim::new()
            .seed(self.seed)
            .strategy(self.strategy.clone())
            .horizon(self.horizon)
            .step_limit(self.step_limit)
            .story(self.story)
            .causality(self.causality)
            .states(self.states)
            .faults(self.faults.iter().cloned())
            .only_planned_faults(self.only_planned_faults)
            .allow_threads(self.allow_threads)
    }

    /// The case that `explore` would have of a seed with these settings.
    pub(crate) fn case(&self, scenario: &Scenario) -> Case {
        Case {
            scenario: scenario.name().to_owned(),
            seed: self.seed,
            strategy: self.strategy.to_string(),
            holds: None,
            faults: self.faults.clone(),
            only_planned_faults: self.only_planned_faults,
            strict: false,
            allow_threads: self.allow_threads,
            horizon_ns: self.horizon_ns(),
            step_limit: self.step_limit,
            signature: String::new(),
            outcome: String::new(),
            steps: 0,
            virtual_time_ns: 0,
            code: String::new(),
        }
    }

    fn horizon_ns(&self) -> u64 {
        retake_traces::time::nanos(self.horizon)
    }

    /// The header of a trace of this.
    #[must_use]
    pub fn header(&self, program: &Program, scenario: &Scenario) -> Header {
        Header {
            program: program.name_and_version(),
            scenario: scenario.name().to_owned(),
            seed: self.seed,
            strategy: self.strategy.to_string(),
            horizon_ns: self.horizon_ns(),
            step_limit: self.step_limit,
            causality: self.causality,
            story: self.story,
            faults: self.faults.clone(),
            only_planned_faults: self.only_planned_faults,
            versions: program.library_versions().to_vec(),
            code: program.identity().to_owned(),
            states: self.states,
            ..Header::default()
        }
    }

    /// The settings that a trace was recorded with, but for its strategy.
    pub(crate) fn of_header(header: &Header) -> Result<Self, String> {
        if header.horizon_ns == 0 || header.horizon_ns > retake_sim::HORIZON_MAX.as_nanos() as u64 {
            return Err(format!(
                "its horizon of {} ns is out of range",
                header.horizon_ns
            ));
        }
        Ok(Self {
            seed: header.seed,
            strategy: Strategy::default(),
            horizon: Duration::from_nanos(header.horizon_ns),
            step_limit: header.step_limit,
            story: header.story,
            causality: header.causality,
            states: header.states,
            faults: header.faults.clone(),
            only_planned_faults: header.only_planned_faults,
            allow_threads: false,
        })
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self::new()
    }
}
