//! The command over programs of the zoo, as the plain tests that `workloads` makes of them:
//! their bugs are found, and none in the fixed ones.
#![cfg(target_os = "linux")]

mod package;

use std::path::PathBuf;

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
    let workloads = package::repository().join("workloads");
    let zoo = workloads.join("src/zoo/mod.rs");
    let library = format!("#[path = {:?}]\npub mod zoo;\n", zoo.display().to_string());
    package::make(
        "zoo",
        MANIFEST,
        &library,
        &workloads.join("tests/plain_zoo.rs"),
    )
}

#[test]
#[ignore = "it builds all of the workloads once more, for some minutes"]
fn bugs_of_the_zoo_are_found_in_plain_tests_and_none_in_fixed_programs() {
    let folder = package();
    // A violated check, a deadlock, a panic of an actor's own, and a livelock.
    let arguments = "--test plain_zoo --seeds 40 --until-failure -- --include-ignored raft:: \
                     lock_order:: bounded_buffer:: queued_job::";
    let arguments: Vec<&str> = arguments.split(' ').collect();
    let (output, report) = package::report(&folder, &arguments);
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
