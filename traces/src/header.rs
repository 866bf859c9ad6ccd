//! The first thing in a trace: what was run, and how to run it again.

use bincode::{Decode, Encode};
use serde::Serialize;

use crate::run::{Layers, RunConfig};

/// Identity and configuration of a recorded run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct Header {
    /// The program that recorded, for example `retake 0.1.0`.
    pub program: String,
    /// Name of the scenario.
    pub scenario: String,
    /// What made the run.
    #[serde(flatten)]
    pub config: RunConfig,
    /// What was recorded of it.
    #[serde(flatten)]
    pub layers: Layers,
    /// Name and version of the crates that matter to a replay.
    pub versions: Vec<(String, String)>,
    /// A hash of the recording program's sources; empty when unknown.
    pub code: String,
    /// What avoids the failure of the run, a sentence each, where it is a case that was
    /// explained.
    pub reasons: Vec<String>,
    /// The steps that these sentences name: where to look first.
    pub decisive: Vec<u64>,
}
