//! The command over a project of its own, in `tests/fixture`: with a bug that depends on the
//! order of two tasks, a test that fails in any order, and others that pass.
#![cfg(target_os = "linux")]

mod faults;
mod picture;
mod shop;

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::shop::{BUGGY, copy, project};

#[test]
fn a_bug_of_order_is_found_made_small_and_run_again_and_nothing_of_the_project_changes() {
    let project = project();
    // What an earlier run of this test has left could hide what this one leaves.
    let left = fs::remove_file(project.folder.join("target/.rustc_info.json"));
    drop(left);
    let ordinary = project.folder.join("target/debug");
    fs::create_dir_all(&ordinary).unwrap();
    fs::write(ordinary.join("built"), "by cargo build").unwrap();
    let before = project.files();

    let text = project.succeeds("test --test orders --seeds 30", 1);
    assert!(
        text.contains(&format!("\nshop::orders\n  {BUGGY} ... FAILED under ")),
        "{text}"
    );
    assert!(text.contains(" of 30 seeds: seed "), "{text}");
    assert!(
        text.contains("panicked: pay at src/lib.rs:13:23: there is an order: Empty"),
        "{text}"
    );
    assert!(text.contains("passes if `order` begins (step "), "{text}");
    assert!(text.contains(") before `pay` begins (step "), "{text}");
    let case = project.case();
    let replay = format!("cargo retake replay {}", case.display());
    assert!(text.contains(&format!("replay: {replay}\n")), "{text}");

    let replay = replay.strip_prefix("cargo retake ").unwrap();
    let text = project.succeeds(replay, 1);
    assert!(
        text.starts_with("fails as it did: panicked: pay at src/lib.rs:13:23"),
        "{text}"
    );

    assert_eq!(before, project.files());
}

#[test]
fn a_run_that_takes_too_long_says_what_waits() {
    let project = project();
    let text = project.succeeds(
        "test --test endless --seeds 1 --timeout 2s --step-limit 1000000000 --horizon 8760h -- --ignored",
        1,
    );
    assert!(
        text.contains("lost: it did not end within 2s of real time: it hangs\nit has taken "),
        "{text}"
    );
    assert!(text.contains(" of virtual time\n"), "{text}");
    assert!(!text.contains("not the same"), "{text}");
    assert!(
        text.contains(
            "an_answer_never_comes (blocks at tests/endless.rs:15) awaits a oneshot channel"
        ),
        "{text}"
    );
}

#[test]
fn a_saved_case_comes_first_the_next_time_and_passes_once_the_bug_is_fixed() {
    let project = project();
    project.succeeds("test --test orders --seeds 10", 1);
    let case = project.case();
    let text = project.succeeds("test --test orders --seeds 10", 1);
    assert!(
        text.contains(&format!("{BUGGY} ... FAILED: 1 saved case")),
        "{text}"
    );
    assert!(text.contains(" still fails\npanicked: pay at "), "{text}");

    let library = project.folder.join("src/lib.rs");
    let fixed = fs::read_to_string(&library).unwrap();
    let fixed = fixed.replace(
        "tokio::spawn(pay(receive))",
        "tokio::spawn(wait_and_pay(receive))",
    );
    fs::write(&library, fixed).unwrap();
    let text = project.succeeds(&format!("replay {}", case.display()), 0);
    assert_eq!(text, "passes now: passed\n");
    let text = project.succeeds("test --test orders --seeds 10", 0);
    assert!(text.contains(&format!("{BUGGY} ... 10 seeds, ")), "{text}");
}

#[test]
fn a_case_is_explained_and_becomes_a_trace_and_a_page() {
    let project = project();
    project.succeeds("test --test orders --seeds 10 --step-ns 500", 1);
    let case = project.case();
    let case = case.display();
    let text = project.succeeds(&format!("explain {case}"), 0);
    assert!(text.contains("passes if `order` begins"), "{text}");
    let text = project.succeeds(&format!("show {case}"), 0);
    let head = format!("shop::orders {BUGGY}, seed ");
    assert!(
        text.starts_with(&head) && text.contains("pay                    begins"),
        "{text}"
    );
    assert!(
        text.contains(&format!("{BUGGY} new scenario, by main")),
        "{text}"
    );
    let trace = "target/retake/case.retake";
    // The case has the time that a step takes.
    assert!(text.contains("\n       1     0.0000005"), "{text}");
    let said = project.succeeds(&format!("replay {case} --trace {trace}"), 1);
    assert!(said.starts_with("fails as it did"), "{said}");
    let again = project.succeeds(&format!("show {trace}"), 0);
    assert_eq!(text, again);
    let page = "target/retake/case.html";
    project.succeeds(&format!("view {case} --out {page}"), 0);
    assert!(
        fs::read_to_string(project.folder.join(page))
            .unwrap()
            .starts_with("<!")
    );
}

#[test]
fn a_test_that_fails_in_any_order_is_told_from_one_that_depends_on_it() {
    let project = project();
    let text = project.succeeds("test --test red --seeds 10", 1);
    let line = "this_fails_in_any_order ... FAILS without Retake as well";
    assert!(text.contains(line) && text.contains("as it is"), "{text}");
    assert!(!project.folder.join("retake-cases").exists());
}

#[test]
fn a_test_that_is_no_function_of_its_seed_is_found_out() {
    let project = project();
    let command =
        "test --test counted --seeds 5 --junit target/retake/report --json target/retake/json";
    let text = project.succeeds(command, 3);
    assert!(
        text.contains("each_run_has_one_task_more ... NOT REPEATABLE, passes 5 seeds"),
        "{text}"
    );
    let xml = fs::read_to_string(project.folder.join("target/retake/report")).unwrap();
    assert!(
        xml.contains("<error type=\"not repeatable\" message="),
        "{xml}"
    );
    let json = fs::read(project.folder.join("target/retake/json")).unwrap();
    let json: Value = serde_json::from_slice(&json).unwrap();
    assert_eq!(json["tests"][0]["verdict"], "not_repeatable");
    assert!(
        text.contains("two runs of one seed are not the same\n        first divergence at step "),
        "{text}"
    );
    let text = project.succeeds("test --test counted --seeds 2 --allow-unrepeatable", 0);
    assert!(
        text.contains("... 2 seeds, not repeatable: allowed"),
        "{text}"
    );
    assert!(
        text.contains("two runs of one seed are not the same"),
        "{text}"
    );
}

#[test]
fn tests_that_pass_say_how_many_orders_they_were_run_in() {
    let project = project();
    let report = project.folder.join("target/retake/report");
    let arguments = "test --lib --seeds 10 --junit target/retake/report --json target/retake/json";
    let text = project.succeeds(arguments, 0);
    assert!(
        text.contains("tests::nothing_of_this_is_about_tasks ... passes, without tasks"),
        "{text}"
    );
    assert!(
        text.contains("tests::a_till_that_waits_can_pay ... 10 seeds, 2 orders"),
        "{text}"
    );
    assert!(
        text.contains("2 passed, 0 failed, 1 ignored, 1 of them without tasks; 10 runs"),
        "{text}"
    );
    let xml = fs::read_to_string(report).unwrap();
    assert!(
        xml.contains("<testsuite name=\"shop\" tests=\"2\" failures=\"0\" errors=\"0\">"),
        "{xml}"
    );
    let json = fs::read(project.folder.join("target/retake/json")).unwrap();
    let json: Value = serde_json::from_slice(&json).unwrap();
    assert_eq!(json["tests"][0]["verdict"], "passed");
    assert_eq!(json["tests"][0]["seeds"], 10);

    let text = project.succeeds("test --lib --seeds 3 waits -- --exact nobody", 0);
    assert!(text.contains("0 passed, 0 failed"), "{text}");
    let text = project.succeeds("test --lib --seeds 3 -- --ignored", 1);
    assert!(text.contains("tests::nobody_runs_this ... FAILS"), "{text}");
}

#[test]
fn a_tokio_in_a_folder_is_replaced_as_one_of_a_registry_is() {
    let project = project();
    let metadata = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked"])
        .current_dir(&project.folder)
        .output()
        .unwrap();
    let metadata: Value = serde_json::from_slice(&metadata.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let tokio = packages.iter().find(|it| it["name"] == "tokio").unwrap();
    let manifest = Path::new(tokio["manifest_path"].as_str().unwrap());
    copy(
        manifest.parent().unwrap(),
        &Path::new(env!("CARGO_TARGET_TMPDIR")).join("tokio"),
    );
    project.edit(
        "Cargo.toml",
        "tokio = { version = \"1.47\"",
        "tokio = { path = \"../tokio\"",
    );
    let lock = fs::read_to_string(project.folder.join("Cargo.lock")).unwrap();
    let (_, entry) = lock.split_once("name = \"tokio\"\n").unwrap();
    let (_, source) = entry.split_once("\"\nsource").unwrap();
    let (source, _) = source.split_once("dependencies").unwrap();
    project.edit("Cargo.lock", &format!("source{source}"), "");

    let text = project.succeeds("test --test orders --seeds 10 --locked --until-failure", 1);
    assert!(
        text.contains(&format!("{BUGGY} ... FAILED under seed ")),
        "{text}"
    );
}

#[test]
fn a_program_is_run_under_many_seeds() {
    let project = project();
    let text = project.succeeds("run --seeds 20", 1);
    assert!(text.contains("shop::bin/shop ... FAILED under "), "{text}");
    assert!(text.contains("passes if `order` begins"), "{text}");
    let folder = project.folder.join("retake-cases/shop-bin-shop");
    let case = fs::read_dir(folder)
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    project.succeeds(&format!("replay {}", case.display()), 1);
}

#[test]
fn a_program_without_the_harness_is_one_test() {
    let project = project();
    let text = project.succeeds("test --test whole --seeds 20", 1);
    assert!(
        text.contains("\nshop::whole\n  shop::whole ... FAILED under "),
        "{text}"
    );
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("replay: cargo retake "));
    let text = project.succeeds(line.unwrap(), 1);
    assert!(text.starts_with("fails as it did"), "{text}");
    let text = project.succeeds("test --test whole another_name", 0);
    assert!(text.contains("0 passed, 0 failed"), "{text}");
}

#[test]
fn a_test_without_a_runtime_that_waits_for_another_program_is_run_as_it_is() {
    let project = project();
    let test = r#"
        use std::process::{Command, Stdio};

        #[test]
        fn another_program_answers() {
            let ends = tokio::sync::Semaphore::new(1);
            let mut command = Command::new("sleep");
            command.arg("1").stdout(Stdio::piped()).stderr(Stdio::piped());
            let program = command.spawn().unwrap();
            let waiting = std::thread::spawn(move || program.wait_with_output().unwrap());
            assert!(waiting.join().unwrap().status.success());
            assert_eq!(ends.available_permits(), 1);
        }
    "#;
    fs::write(project.folder.join("tests/programs.rs"), test).unwrap();
    let text = project.succeeds("test --test programs --seeds 3", 0);
    assert!(
        text.contains("another_program_answers ... passes, without tasks\n"),
        "{text}"
    );
    assert!(text.contains("note: it starts other programs"), "{text}");
    assert!(
        text.contains("note: it has no runtime: run as it is"),
        "{text}"
    );
}

#[test]
fn a_test_starts_an_example_of_its_package_as_under_cargo() {
    let project = project();
    let folder = &project.folder;
    fs::create_dir(folder.join("examples")).unwrap();
    fs::write(folder.join("examples/greeter.rs"), "fn main() {}").unwrap();
    let test = r#"
        #[test]
        fn an_example_starts() {
            let test = std::env::current_exe().unwrap();
            let example = test.ancestors().nth(2).unwrap().join("examples/greeter");
            assert!(std::process::Command::new(example).status().unwrap().success());
        }
    "#;
    fs::write(folder.join("tests/starts.rs"), test).unwrap();
    let text = project.succeeds("test --seeds 1 an_example_starts", 0);
    assert!(text.contains("an_example_starts ... passes"), "{text}");
}

#[test]
fn tests_of_all_packages_of_a_workspace_are_run() {
    let project = project();
    let text = project.succeeds("test --workspace --lib --seeds 3", 0);
    assert!(
        text.contains("\nshop\n  tests::a_till_that_waits_can_pay ... 3 seeds"),
        "{text}"
    );
    assert!(
        text.contains("\ntill\n  a_till_of_another_package_can_pay ... 3 seeds"),
        "{text}"
    );
    let text = project.succeeds("test -p till --seeds 3", 0);
    assert!(
        !text.contains("shop") && text.contains("1 passed, 0 failed"),
        "{text}"
    );
}

#[test]
fn examples_of_documentation_are_run_as_tests() {
    let project = project();
    let text = project.succeeds("test --workspace --doc --seeds 20", 1);
    assert!(
        text.contains("\nshop::doc\n  src/lib.rs - serve (line 23) ... FAILED under "),
        "{text}"
    );
    // One of several in a program.
    assert!(
        text.contains("\ntill::doc\n  till/src/lib.rs - (line 3) ... 20 seeds"),
        "{text}"
    );
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("replay: cargo retake "));
    let text = project.succeeds(line.unwrap(), 1);
    assert!(text.starts_with("fails as it did"), "{text}");

    project.edit("till/src/lib.rs", "\"tea\".len()", "\"tea\".size()");
    let text = project.refuses("test -p till --doc");
    let named = "---- till/src/lib.rs - (line 8) stdout ----";
    assert!(
        text.contains("no method named `size`") && text.contains(named),
        "{text}"
    );
}

/// `cargo vendor`, and as few features as a test needs: they are all built again.
#[test]
fn vendored_sources_are_used_without_a_network() {
    let project = project();
    project.edit("Cargo.toml", "\"macros\", \"rt\"", "\"rt\"");
    // The lock file is that of all features.
    project.edit(
        "Cargo.toml",
        "[[test]]",
        "[features]\nmacros = [\"tokio/macros\"]\n\n[[test]]",
    );
    fs::remove_file(project.folder.join("src/main.rs")).unwrap();
    fs::remove_dir_all(project.folder.join("till")).unwrap();
    project.edit("Cargo.toml", "members = [\"till\"]", "");
    let lock = fs::read_to_string(project.folder.join("Cargo.lock")).unwrap();
    let (head, till) = lock.split_once("[[package]]\nname = \"till\"").unwrap();
    let rest = till.split_once("[[package]]").map_or("", |(_, rest)| rest);
    let separator = if rest.is_empty() { "" } else { "[[package]]" };
    fs::write(
        project.folder.join("Cargo.lock"),
        format!("{head}{separator}{rest}"),
    )
    .unwrap();
    let vendored = Command::new(env!("CARGO"))
        .args(["vendor", "--locked", "vendor"])
        .current_dir(&project.folder)
        .output()
        .unwrap();
    assert!(vendored.status.success(), "{vendored:?}");
    let settings = project.folder.join(".cargo");
    fs::create_dir_all(&settings).unwrap();
    fs::write(settings.join("config.toml"), vendored.stdout).unwrap();

    let output = project.retake("test --test whole --seeds 20 --frozen");
    // They are of this test alone.
    for folder in [settings, project.folder.join("vendor")] {
        fs::remove_dir_all(folder).unwrap();
    }
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("shop::whole ... FAILED under "), "{output:?}");
}

#[test]
fn what_cannot_be_judged_is_refused() {
    let project = project();
    let text = project.refuses("test --test nothing");
    assert!(text.contains("error: `cargo test` failed"), "{text}");
    let text = project.refuses("replay src/lib.rs");
    assert!(text.contains("is no saved case"), "{text}");
    let text = project.refuses("test --seeds 0");
    assert!(text.contains("there is no seed in it"), "{text}");

    let lock = project.folder.join("Cargo.lock");
    fs::remove_file(&lock).unwrap();
    let text = project.refuses("test --locked");
    assert!(
        text.contains("there is no ") && text.contains("Cargo.lock"),
        "{text}"
    );
    assert!(!lock.exists());

    let manifest = project.folder.join("Cargo.toml");
    let text = fs::read_to_string(&manifest).unwrap();
    let (head, _) = text.split_once("[dependencies]").unwrap();
    let head = head.replace("members = [\"till\"]", "");
    fs::write(&manifest, head).unwrap();
    let text = project.refuses("test");
    assert!(text.contains("does not depend on tokio"), "{text}");
}
