//! Programs that depend on where they run: on the number of processors, on where the
//! system puts memory, on the time of day. Each runs as a process of its own in two
//! environments that differ in all of this, and is the same in both, or fails by name, or
//! is noticed.
//!
//! `harness` runs them, the other modules have a kind of program each.
mod addresses;
mod campaigns;
mod chance;
mod clocks;
mod counters;
mod harness;
mod host;
mod outside;
mod threads;
mod waits;
