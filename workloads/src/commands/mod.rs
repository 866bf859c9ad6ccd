//! The commands of `retake` that are about the system, its benchmarks and the zoo.

pub(crate) mod bench;
pub(crate) mod calibrate;
pub(crate) mod checklist;
mod keys;
mod progress;
pub(crate) mod serve;
pub(crate) mod zoo;
