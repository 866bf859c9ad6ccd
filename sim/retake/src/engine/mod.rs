//! The contract between this facade and a simulation engine.
//!
//! An engine installs itself for the current thread; from then on every gate,
//! sleep and random draw on that thread asks it. Application code never needs
//! this module: it is public for `retake-sim`.

mod asked;
mod contract;
mod whole_program;

pub use asked::{
    EngineGuard, Recorder, gating, install, install_recorder, recording, simulating,
    uninstall_recorder, with,
};
pub use contract::*;
