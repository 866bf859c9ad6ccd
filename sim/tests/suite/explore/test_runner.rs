//! `#[retake_sim::test]`: a campaign as an ordinary test.

use std::path::Path;
use std::time::Duration;

use retake_sim::explore::ScenarioOutput;
use retake_sim::explore::test_runner::Test;

use super::Body;
use super::campaigns::race;

/// A test, and the folder of its crate.
fn a_test() -> (Test, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let test = Test {
        crate_folder: folder.path().to_str().unwrap().to_owned().leak(),
        crate_name: "crate-of-the-test",
        module: "tests::order",
        name: "the_last_is_not_first",
        seeds: 500,
        strategy: "mix",
        faults: "none",
        config: |config| config.step_limit = 10_000,
        horizon: "1h",
        isolation: "shared",
        timeout: "120s",
        memory_mb: 4096,
    };
    (test, folder)
}

/// What a test says when it fails.
fn message(test: &Test, scenario: fn() -> Body) -> Option<String> {
    let test = test.clone();
    let failed = std::panic::catch_unwind(move || test.run(scenario));
    let panic = failed.err()?;
    Some(*panic.downcast::<String>().unwrap())
}

#[test]
fn a_failing_test_tells_its_story_and_its_saved_case_runs_first_until_it_is_fixed() {
    let (test, _folder) = a_test();
    let broken: fn() -> Body = || Box::pin(race());
    let story = message(&test, broken).expect("it fails");
    for part in [
        " fails (strategy ",
        " and 0 faults to ",
        "order::the_last_is_not_first at step ",
        "violated: scenario: the last is first",
        "passes if `racer",
        "what led to it:",
        "-p crate-of-the-test order::the_last_is_not_first -- --exact",
    ] {
        assert!(story.contains(part), "{part}: {story}");
    }
    let line = |start: &str| story.lines().find_map(|line| line.strip_prefix(start));
    let (case, trace) = (line("case: ").unwrap(), line("trace: ").unwrap());
    assert!(case.contains("retake-cases/tests-order-the_last_is_not_first/"));
    assert!(trace.contains("retake/tests-order-the_last_is_not_first/"));
    let verified = retake_traces::verify(trace).unwrap();
    assert_eq!(verified.outcome.word(), "violated");
    // Without any seed the saved one fails; fixed, it passes.
    let none = Test { seeds: 1, ..test };
    let story = message(&none, broken).expect("the saved case fails");
    assert!(
        !story.contains("strategy ") && story.contains(case) && story.contains(trace),
        "{story}"
    );
    assert_eq!(message(&none, || Box::pin(async {})), None);
    std::fs::write(case, "{}").unwrap();
    let story = message(&none, || Box::pin(async {})).expect("the file is damaged");
    assert!(story.contains("is no saved case"), "{story}");
}

#[test]
fn a_test_ends_at_its_horizon() {
    let sleep: fn() -> Body = || Box::pin(retake::sleep(Duration::from_secs(90)));
    let (test, _folder) = a_test();
    assert_eq!(message(&test, sleep), None);
    for (horizon, part) in [
        ("60", "the horizon `60`"),
        ("60s", "did not return before the end of virtual time"),
    ] {
        let test = Test {
            horizon,
            ..test.clone()
        };
        let story = message(&test, sleep).expect("it fails");
        assert!(story.contains(part), "{horizon}: {story}");
    }
}

#[test]
fn a_test_that_is_no_function_of_its_seed_says_so_and_where() {
    use std::sync::atomic::{AtomicU32, Ordering};
    static RUNS: AtomicU32 = AtomicU32::new(0);
    // The first run of all measures, the others are those of the seeds.
    let differs: fn() -> Body = || {
        let is_odd = RUNS.fetch_add(1, Ordering::Relaxed) % 2 == 1;
        Box::pin(async move {
            let name = if is_odd { "odd" } else { "even" };
            retake::spawn_named(name, async {}).await.unwrap();
            if is_odd {
                tokio::task::yield_now().await;
            }
        })
    };
    let (test, _folder) = a_test();
    let story = message(&test, differs).expect("two runs of a seed are not the same");
    for part in [
        "not deterministic: two runs of the seed",
        "not a function of the seed. Two further runs part here",
        " odd ",
        " even ",
        "docs/determinism.md",
    ] {
        assert!(story.contains(part), "{part}: {story}");
    }
    assert!(!Path::new(test.crate_folder).join("retake-cases").exists());
}

/// What another target's test of the same name saved is not run.
#[test]
fn a_case_is_run_by_the_test_whose_folder_it_lies_in() {
    let (test, _folder) = a_test();
    let folder = Path::new(test.crate_folder).join("retake-cases");
    let broken: fn() -> Body = || Box::pin(race());
    message(&test, broken).expect("it fails and is saved");
    let of = |module: &str| folder.join(format!("{module}-order-the_last_is_not_first"));
    std::fs::rename(of("tests"), of("others")).unwrap();
    let none = |module| Test {
        seeds: 1,
        module,
        ..test.clone()
    };
    assert_eq!(message(&none("tests::order"), broken), None);
    assert!(message(&none("others::order"), broken).is_some());
}

/// The attribute, on something that holds.
#[retake_sim::test(seeds = 20, strategy = "pos", faults = "swarm")]
async fn an_attribute_makes_a_campaign_of_a_test() {
    assert!(retake::is_simulated());
    retake_testkit::lonely_actor().await;
}

/// `?` works in it, as in any test.
#[retake_sim::test(seeds = 5)]
async fn an_attribute_goes_on_a_test_that_gives_a_result() -> Result<(), std::num::ParseIntError> {
    let one: u32 = "1".parse()?;
    assert_eq!(one, 1);
    Ok(())
}

#[test]
fn a_test_that_ends_with_an_error_fails_and_names_it() {
    let (test, _folder) = a_test();
    let story = message(&test, || {
        Box::pin(async { drop("x".parse::<u32>().map(drop).into_text()) })
    });
    let story = story.expect("it ends with an error");
    let part = "the test ends with an error: ParseIntError";
    assert!(story.contains(part), "{story}");
}
