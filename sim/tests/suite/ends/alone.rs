//! Tests that run in a process of their own.

use std::process::Command;

/// Set for a process that runs one test alone.
const ALONE: &str = "SUITE_TEST_ALONE";

/// Whether this process was started by [`alone!`].
pub(super) fn is_alone() -> bool {
    std::env::var_os(ALONE).is_some()
}

pub(super) fn command(test: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture"]);
    command.env(ALONE, "1");
    command
}

/// A command that runs a test of this module in a process of its own.
macro_rules! alone {
    ($test:ident) => {
        super::alone::command(&$crate::path(module_path!(), stringify!($test)))
    };
}
pub(super) use alone;
