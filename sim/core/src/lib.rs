//! What Retake's simulators share with each other and with the readers of their traces.
//!
//! [`runnable`] is the set of tasks that can run, [`strategy`] has what chooses among them, and
//! [`random`] is what it draws from, [`chacha`] a generator. [`step`] has the kinds of steps, [`fault`] what a fault does
//! and when, [`planned`] writes that as a line, [`service`] how requests fail and how many of them, [`packet`] what happens to
//! packets, [`disk`] to operations on disks, [`task`] has the kinds of tasks, [`outcome`] how a run
//! ends, [`label`] names tasks, [`cycle`] finds tasks that wait for each other, [`time`] durations as people write them. Nothing here knows a runtime or actors, and there are no dependencies: these sources are also compiled as a
//! part of other crates.

pub mod chacha;
pub mod cycle;
pub mod disk;
pub mod fault;
pub mod label;
pub mod outcome;
pub mod packet;
pub mod planned;
pub mod random;
pub mod runnable;
pub mod service;
#[cfg(feature = "sources")]
pub mod sources;
pub mod step;
pub mod strategy;
pub mod task;
pub mod time;
