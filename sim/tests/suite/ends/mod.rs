//! How runs and actors end, and what is reported of it.

mod actors;
mod alone;
mod blame;
mod checks;
mod deadlocks;
mod livelock;
mod outcomes;
mod panics;
mod ungated;
mod unhandled;
mod watchdog;
