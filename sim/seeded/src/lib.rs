//! Makes a tokio that a seed schedules, from the sources of a locked tokio.
//!
//! [`generate`] copies a tokio's package and adds two things: a driver, in `src/retake`, and a
//! few calls of it, at places that are found by the structure of tokio's sources. A program that
//! is built with the copy is as before, unless `RETAKE_SEED` is in its environment. Then one of
//! its threads runs at a time, its time is virtual, and each task, timer and thread takes its
//! turn by the seed. [`child`] starts and reads such a run.
//!
//! The driver interposes functions of the C library on Linux with glibc. Elsewhere the copy is
//! as the original is, and `RETAKE_SEED` has no effect.

mod answer;
pub mod child;
mod edits;
mod event;
mod generate;
mod source;
mod visitors;

pub use generate::{DRIVER, GenerateError, VERSIONS, generate};
