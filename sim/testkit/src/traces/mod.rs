//! Runs to read, and files that may say anything.

pub mod hostile;
pub mod runs;
pub mod small;
