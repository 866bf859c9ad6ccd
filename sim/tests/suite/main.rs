//! The rules of the simulator, by family. In binaries of their own are only the tests that need a
//! process for themselves: recordings of live processes (`live`), and a program that is simulated
//! as a whole (`whole_program`).

mod attributes;
mod ends;
mod explore;
mod faults;
mod schedule;
mod story;

use std::process::Command;

/// Set for a process that runs one test alone.
const ALONE: &str = "SUITE_TEST_ALONE";

/// Whether this process was started by [`alone!`].
fn is_alone() -> bool {
    std::env::var_os(ALONE).is_some()
}

/// The name by which this program runs a test of a module.
fn path(module: &str, test: &str) -> String {
    let (_, module) = module.split_once("::").expect("the crate comes first");
    format!("{module}::{test}")
}

fn command(test: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture"]);
    command.env(ALONE, "1");
    command
}

/// A command that runs a test of this module in a process of its own.
macro_rules! alone {
    ($test:ident) => {
        $crate::command(&$crate::path(module_path!(), stringify!($test)))
    };
}
use alone;
