//! Packages that tests make, and the command in them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

/// This repository.
pub(crate) fn repository() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.join("../..").canonicalize().unwrap()
}

/// A package with this manifest, in which `REPOSITORY` is the path of this one, with this library and
/// this file as a test. What was built of it before is kept.
pub(crate) fn make(name: &str, manifest: &str, library: &str, test: &Path) -> PathBuf {
    let repository = repository();
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    for inner in ["src", "tests"] {
        fs::create_dir_all(folder.join(inner)).unwrap();
    }
    let manifest = manifest.replace("REPOSITORY", &repository.display().to_string());
    fs::write(folder.join("Cargo.toml"), manifest).unwrap();
    // Of this, cargo keeps what is needed.
    fs::copy(repository.join("Cargo.lock"), folder.join("Cargo.lock")).unwrap();
    fs::write(folder.join("src/lib.rs"), library).unwrap();
    let copy = folder.join("tests").join(test.file_name().unwrap());
    fs::copy(test, copy).unwrap();
    let locked = Command::new(env!("CARGO"))
        .args(["metadata", "--offline", "--format-version", "1"])
        .current_dir(&folder)
        .output()
        .unwrap();
    assert!(locked.status.success(), "{locked:?}");
    folder
}

/// What `cargo retake test` prints in this folder with these arguments, and its report.
pub(crate) fn report(folder: &Path, arguments: &[&str]) -> (Output, Value) {
    let _ = fs::remove_dir_all(folder.join("retake-cases"));
    let mut command = Command::new(env!("CARGO_BIN_EXE_cargo-retake"));
    command.current_dir(folder);
    command.args("retake test --offline --json report".split(' '));
    command.args(arguments);
    for name in ["CARGO_TARGET_DIR", "RUST_BACKTRACE", "RUST_TEST_THREADS"] {
        command.env_remove(name);
    }
    let output = command.output().unwrap();
    let report = fs::read(folder.join("report")).unwrap_or_default();
    (output, serde_json::from_slice(&report).unwrap_or_default())
}
