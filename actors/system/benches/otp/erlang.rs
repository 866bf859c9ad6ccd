//! The same in Erlang/OTP, if it is installed: its own process, one row at a time.

use std::path::Path;
use std::process::Command;

use crate::figure::{Score, parse};

/// What is measured, compiled.
pub(crate) struct Erlang {
    folder: tempfile::TempDir,
    release: String,
}

impl Erlang {
    /// None if `erl` and `erlc` or the pool library are not there.
    pub(crate) fn find() -> Option<Self> {
        let folder = tempfile::tempdir().ok()?;
        std::fs::write(folder.path().join("otp.erl"), include_str!("otp.erl")).ok()?;
        let mut compile = Command::new("erlc");
        let compiled = compile.current_dir(folder.path()).arg("otp.erl").output();
        if !compiled.ok()?.status.success() {
            return None;
        }
        let ask = "{module, _} = code:ensure_loaded(poolboy), io:format(\"~s, ~s\", \
             [erlang:system_info(otp_release), erlang:system_info(emu_flavor)]), halt(0).";
        let release = run(folder.path(), &["-eval", ask])?;
        Some(Self { folder, release })
    }

    /// Its release and the flavour of its machine.
    pub(crate) fn release(&self) -> &str {
        &self.release
    }

    /// A row on so many schedulers; none if it is not measured in Erlang.
    pub(crate) fn measure(&self, row: &str, schedulers: usize) -> Option<(String, Score)> {
        let schedulers = schedulers.to_string();
        let arguments = ["+S", &schedulers, "-run", "otp", "main", row];
        parse(&run(self.folder.path(), &arguments)?)
    }
}

fn run(folder: &Path, arguments: &[&str]) -> Option<String> {
    let mut erl = Command::new("erl");
    erl.current_dir(folder).arg("-noshell").args(arguments);
    let output = erl.output().ok()?;
    let succeeded = output.status.success();
    succeeded.then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
