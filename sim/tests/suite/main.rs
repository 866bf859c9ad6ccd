//! The rules of the simulator, by family. In binaries of their own are only the tests that need a
//! process for themselves: recordings of live processes (`live`), and a program that is simulated
//! as a whole (`whole_program`).

mod attributes;
mod explore;

// Without interposition, only what differs then is built.
#[cfg(feature = "interpose")]
mod ends;
#[cfg(feature = "interpose")]
mod faults;
#[cfg(feature = "interpose")]
mod schedule;
#[cfg(feature = "interpose")]
mod story;

/// The name by which this program runs a test of a module.
fn path(module: &str, test: &str) -> String {
    let (_, module) = module.split_once("::").expect("the crate comes first");
    format!("{module}::{test}")
}
