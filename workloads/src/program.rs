//! The `retake` command.

use crate::commands::bench::bench;
use crate::commands::calibrate::calibrate;
use crate::commands::checklist::checklist;
use crate::commands::serve::serve;
use crate::commands::zoo::zoo;
use crate::scenario;
use crate::served::{self, FollowedServer};
use retake_cli::Program;

/// The `retake` command.
#[must_use]
pub fn program() -> Program {
    let versions = env!("RETAKE_VERSIONS").split(',');
    Program::new("retake", env!("CARGO_PKG_VERSION"))
        .code(env!("RETAKE_CODE"))
        .versions(versions.filter_map(|pair| pair.split_once('=')))
        .with_scenarios(scenario::all())
        .recording(served::SCENARIO, FollowedServer::default)
        .command(bench)
        .command(calibrate)
        .command(checklist)
        .command(zoo)
        .command(serve)
}
