//! The first thing in a trace: what was run, and how to run it again.

use bincode::{Decode, Encode};
use serde::Serialize;

use crate::fault::Fault;

/// Identity and configuration of a recorded run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct Header {
    /// The program that recorded, for example `retake 0.1.0`.
    pub program: String,
    /// Name of the scenario.
    pub scenario: String,
    /// The seed from which every random stream of the run derives.
    pub seed: u64,
    /// The strategy in the form that it parses from, for example `random`.
    pub strategy: String,
    /// End of virtual time, in nanoseconds.
    pub horizon_ns: u64,
    /// Largest number of steps.
    pub step_limit: u64,
    /// True when causes of messages were recorded.
    pub causality: bool,
    /// True when the story layer was recorded.
    pub story: bool,
    /// The faults that were planned.
    pub faults: Vec<Fault>,
    /// True when the scenario's own faults are among them, and it injects no others.
    pub only_planned_faults: bool,
    /// Name and version of the crates that matter to a replay.
    pub versions: Vec<(String, String)>,
    /// A hash of the recording program's sources; empty when unknown.
    pub code: String,
    /// True when states of actors were recorded.
    pub states: bool,
    /// What avoids the failure of the run, a sentence each, where it is a case that was
    /// explained.
    pub reasons: Vec<String>,
    /// The steps that these sentences name: where to look first.
    pub decisive: Vec<u64>,
}

impl Header {
    /// The faults that were planned, as text.
    #[must_use]
    pub fn fault_lines(&self) -> Vec<String> {
        self.faults.iter().map(ToString::to_string).collect()
    }
}
