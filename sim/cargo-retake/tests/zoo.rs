//! The command over programs of the zoo, as the plain tests that `workloads` makes of them:
//! their bugs are found, and none in the fixed ones.
#![cfg(target_os = "linux")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

const MANIFEST: &str = r#"
[workspace]

[package]
name = "retake-workloads"
version = "0.1.0"
edition = "2024"
publish = false

[profile.dev]
debug = false

[dependencies]
ractor = "0.16"
rand = { version = "0.10", default-features = false, features = ["thread_rng"] }
retake = { path = "REPOSITORY/sim/retake" }
retake-sim = { path = "REPOSITORY/sim" }
tokio = { version = "1.52", default-features = false, features = ["macros", "rt", "sync", "time"] }
tracing = { version = "0.1", default-features = false }
tracing-subscriber = { version = "0.3", default-features = false, features = ["std", "registry"] }
"#;

/// A package of the zoo and its tests alone: those of all of `workloads` would take minutes to
/// build.
fn package() -> PathBuf {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let repository = repository.canonicalize().unwrap();
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("zoo");
    for inner in ["src", "tests"] {
        fs::create_dir_all(folder.join(inner)).unwrap();
    }
    let _ = fs::remove_dir_all(folder.join("retake-cases"));
    let repository = repository.display();
    let manifest = MANIFEST.replace("REPOSITORY", &repository.to_string());
    fs::write(folder.join("Cargo.toml"), manifest).unwrap();
    // Of this, cargo keeps what is needed.
    fs::copy(
        format!("{repository}/Cargo.lock"),
        folder.join("Cargo.lock"),
    )
    .unwrap();
    let library = format!("#[path = \"{repository}/workloads/src/zoo/mod.rs\"]\npub mod zoo;\n");
    fs::write(folder.join("src/lib.rs"), library).unwrap();
    let tests = "tests/plain_zoo.rs";
    fs::copy(
        format!("{repository}/workloads/{tests}"),
        folder.join(tests),
    )
    .unwrap();
    let locked = Command::new(env!("CARGO"))
        .args(["metadata", "--offline", "--format-version", "1"])
        .current_dir(&folder)
        .output()
        .unwrap();
    assert!(locked.status.success(), "{locked:?}");
    folder
}

#[test]
#[ignore = "it builds all of the workloads once more, for some minutes"]
fn bugs_of_the_zoo_are_found_in_plain_tests_and_none_in_fixed_programs() {
    let folder = package();
    let mut command = Command::new(env!("CARGO_BIN_EXE_cargo-retake"));
    command.current_dir(&folder).args(["retake", "test"]);
    command.args("--test plain_zoo --seeds 40 --until-failure --offline --json report".split(' '));
    // A violated check, a deadlock, a panic of an actor's own, and a livelock.
    command
        .args("-- --include-ignored raft:: lock_order:: bounded_buffer:: queued_job::".split(' '));
    for name in ["CARGO_TARGET_DIR", "RUST_BACKTRACE", "RUST_TEST_THREADS"] {
        command.env_remove(name);
    }
    let output = command.output().unwrap();
    let report = fs::read(folder.join("report")).unwrap_or_default();
    let report: Value = serde_json::from_slice(&report).unwrap_or_default();
    let tests = report["tests"].as_array();
    let tests = tests.unwrap_or_else(|| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    assert_eq!((output.status.code(), tests.len()), (Some(1), 8));
    for test in tests {
        let name = test["test"].as_str().unwrap();
        let expected = match name.ends_with("::buggy") {
            true => "failed",
            false => "passed",
        };
        assert_eq!(test["verdict"], expected, "{name}: {test}");
    }
    let outcome = |test: &str| {
        let found = tests.iter().find(|it| it["test"] == test).unwrap();
        found["failures"][0]["case"]["outcome"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    assert!(outcome("raft::buggy").starts_with("violated: server-"));
    assert!(outcome("lock_order::buggy").starts_with("deadlock: "));
}
