//! What makes a run, and what is recorded of it: each setting once, for simulations, traces,
//! saved cases, requests to worker processes and command lines.

use std::time::Duration;

use bincode::{Decode, Encode};
use retake_core::time::nanos;
use serde::{Deserialize, Serialize};

use crate::fault::Fault;
use crate::strategy::Strategy;

/// The settings of a run of a scenario: the same program with the same settings takes the same
/// steps.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub struct RunConfig {
    /// From which every random stream of the run derives.
    pub seed: u64,
    /// Who chooses each step.
    pub strategy: Strategy,
    /// The faults that are injected, in files by their texts.
    #[serde(default)]
    pub faults: Vec<Fault>,
    /// Inject these and no others: the scenario's own are among them.
    #[serde(default)]
    pub only_planned_faults: bool,
    /// A tokio task that no gate guards fails the run.
    #[serde(default)]
    pub strict: bool,
    /// The run may start threads, which otherwise fail it.
    #[serde(default)]
    pub allow_threads: bool,
    /// End of virtual time, in nanoseconds.
    pub horizon_ns: u64,
    /// Largest number of steps.
    pub step_limit: u64,
    /// So many steps at one instant of virtual time without anything new are a livelock.
    #[serde(default = "livelock_steps")]
    pub livelock_steps: u64,
    /// What is counted of messages, and fails the run.
    #[serde(default)]
    pub watch: Option<Watch>,
}

const fn livelock_steps() -> u64 {
    10_000
}

impl Default for RunConfig {
    /// Seed 0, strategy `random`, no faults, an hour of virtual time, 100 million steps.
    fn default() -> Self {
        Self {
            seed: 0,
            strategy: Strategy::default(),
            faults: Vec::new(),
            only_planned_faults: false,
            strict: false,
            allow_threads: false,
            horizon_ns: nanos(Duration::from_secs(3600)),
            step_limit: 100_000_000,
            livelock_steps: livelock_steps(),
            watch: None,
        }
    }
}

impl RunConfig {
    /// End of virtual time.
    #[must_use]
    pub fn horizon(&self) -> Duration {
        Duration::from_nanos(self.horizon_ns)
    }

    /// The faults, as text.
    #[must_use]
    pub fn fault_lines(&self) -> Vec<String> {
        self.faults.iter().map(ToString::to_string).collect()
    }
}

/// What the count of messages may not show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Watch {
    /// A message that is lost although no actor has ended.
    Conservation,
    /// Any message that is lost.
    Lossless,
}

/// What is recorded of a run in addition to its schedule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub struct Layers {
    /// Which step sent each message.
    pub causality: bool,
    /// Texts of messages and events.
    pub story: bool,
    /// States of actors.
    pub states: bool,
}

impl Layers {
    /// Everything that can be recorded.
    pub const ALL: Self = Self {
        causality: true,
        story: true,
        states: true,
    };

    /// Texts and causes.
    pub const STORY: Self = Self {
        states: false,
        ..Self::ALL
    };
}
