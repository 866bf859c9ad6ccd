//! Tests that are campaigns run each seed in a process of its own: the test binary starts
//! itself again. Here it does so with tests that are ignored otherwise.

use std::io::Write as _;
use std::path::Path;
use std::pin::Pin;
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use retake_sim::explore::test_runner::Test;

/// Where a tried test keeps its cases.
const FOLDER: &str = "ISOLATION_TEST_FOLDER";

type Body = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Run a scenario as the attribute would, with another folder for its cases.
fn run(name: &'static str, seeds: u64, scenario: fn() -> Body) {
    let folder = std::env::var(FOLDER).expect("it is run by another test");
    let test = Test {
        crate_folder: folder.leak(),
        crate_name: "retake-workloads",
        module: module_path!(),
        name,
        seeds,
        strategy: "mix",
        faults: "none",
        config: match name {
            "tried_strict" => |config| (config.step_limit, config.strict) = (10_000, true),
            _ => |config| config.step_limit = 10_000,
        },
        horizon: "1h",
        isolation: "process",
        timeout: "120s",
        memory_mb: 4096,
    };
    test.run(scenario);
}

/// Run one of the ignored tests of this binary; gives whether it passed, and all it printed.
fn tried(folder: &Path, test: &str, variables: &[(&str, &str)]) -> (bool, String) {
    let output = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            &format!("isolation::{test}"),
            "--ignored",
            "--nocapture",
        ])
        .env(FOLDER, folder)
        .env_remove("RUST_BACKTRACE")
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8(text).unwrap();
    assert!(text.contains("running 1 test"), "{text}");
    (output.status.success(), text)
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

/// The line of a text that has this part.
fn line<'a>(text: &'a str, part: &str) -> &'a str {
    let found = text.lines().find(|line| line.contains(part));
    found.unwrap_or_else(|| panic!("`{part}` is missing: {text}"))
}

#[test]
#[ignore = "run by other tests"]
fn tried_lazy() {
    static LAZY: OnceLock<u64> = OnceLock::new();
    run("tried_lazy", 200, || {
        Box::pin(async {
            use rand::Rng as _;
            let value = LAZY.get_or_init(|| retake::rng().next_u64());
            retake::always!(value % 7 != 3, "the value that is drawn once");
        })
    });
}

#[test]
fn what_a_process_draws_once_is_a_function_of_the_seed() {
    let folder = folder();
    let (passed, text) = tried(folder.path(), "tried_lazy", &[("RETAKE_SEEDS", "1..100")]);
    assert!(!passed, "{text}");
    let seed = line(&text, " fails (strategy ").split(' ').nth(1).unwrap();
    let cases = folder.path().join("retake-cases");
    std::fs::remove_dir_all(&cases).unwrap();
    let one = |seed: u64| {
        let seed = seed.to_string();
        tried(folder.path(), "tried_lazy", &[("RETAKE_SEED", &seed)])
    };
    let seed: u64 = seed.parse().unwrap();
    let (passed, text) = one(seed);
    assert!(
        !passed && text.contains(&format!("seed {seed} fails")),
        "{text}"
    );
    // The saved case fails as well, in yet another process.
    let (passed, text) = one(seed - 1);
    assert!(!passed && text.contains("the saved case "), "{text}");
    std::fs::remove_dir_all(&cases).unwrap();
    let (passed, text) = one(seed - 1);
    assert!(passed, "{text}");
}

/// Panics in a call of the user's.
#[inline(never)]
fn settle(account: Option<u32>) -> u32 {
    std::hint::black_box(account).unwrap()
}

#[test]
#[ignore = "run by other tests"]
fn tried_panic() {
    run("tried_panic", 3, || {
        Box::pin(async {
            settle(None);
        })
    });
}

#[test]
fn a_failing_test_lists_the_calls_of_a_panic_if_asked_for_and_says_how_otherwise() {
    let folder = folder();
    let cases = folder.path().join("retake-cases");
    for setting in ["1", "full"] {
        let (passed, text) = tried(folder.path(), "tried_panic", &[("RUST_BACKTRACE", setting)]);
        assert!(!passed, "{text}");
        let report = text.split("what led to it:").next().unwrap();
        let call = line(report, "settle at ");
        let (_, place) = call.split_once(" at ").unwrap();
        // Neither where the project is on this machine nor an address.
        assert!(place.starts_with("tests/suite/isolation.rs:"), "{call}");
        assert!(!report.contains("note: run with"), "{report}");
        std::fs::remove_dir_all(&cases).unwrap();
    }
    for setting in [&[("RUST_BACKTRACE", "0")][..], &[]] {
        let (passed, text) = tried(folder.path(), "tried_panic", setting);
        assert!(!passed, "{text}");
        let report = text.split("what led to it:").next().unwrap();
        let note = "note: run with `RUST_BACKTRACE=1` to list the calls of your own code";
        assert_eq!(line(report, "note: run with").trim(), note);
        assert!(!report.contains("settle at "), "{report}");
        std::fs::remove_dir_all(&cases).unwrap();
    }
}

/// Whether this process has read the debug information of its program, which maps its file once
/// more.
#[cfg(target_os = "linux")]
fn has_read_debug_information() -> bool {
    let program = std::env::current_exe().unwrap();
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let starts = maps.lines().filter(|line| {
        let of_program = line.ends_with(program.to_str().unwrap());
        of_program
            && line
                .split(' ')
                .nth(2)
                .is_some_and(|offset| offset == "00000000")
    });
    starts.count() > 1
}

/// Notes it down for each run, after the panic.
#[cfg(target_os = "linux")]
struct Note;

#[cfg(target_os = "linux")]
impl Drop for Note {
    fn drop(&mut self) {
        let file = Path::new(&std::env::var_os(FOLDER).unwrap()).join("runs");
        let file = std::fs::OpenOptions::new().append(true).open(file);
        let has_read = has_read_debug_information();
        file.unwrap()
            .write_all(if has_read { b"+" } else { b"-" })
            .unwrap();
    }
}

#[cfg(target_os = "linux")]
#[test]
#[ignore = "run by other tests"]
fn tried_debug_information() {
    run("tried_debug_information", 3, || {
        Box::pin(async {
            let _note = Note;
            settle(None);
        })
    });
}

#[cfg(target_os = "linux")]
#[test]
fn calls_are_listed_of_the_runs_that_are_shown_and_not_of_trials() {
    let folder = folder();
    let runs = folder.path().join("runs");
    std::fs::write(&runs, "").unwrap();
    let setting = [("RUST_BACKTRACE", "1")];
    let (passed, text) = tried(folder.path(), "tried_debug_information", &setting);
    assert!(!passed, "{text}");
    line(&text, "settle at ");
    let runs = std::fs::read_to_string(runs).unwrap();
    let with = runs.matches('+').count();
    assert!((1..=3).contains(&with) && runs.len() > 50, "{runs}");
}

#[test]
#[ignore = "run by other tests"]
fn tried_arrival() {
    run("tried_arrival", 20, || {
        Box::pin(async {
            let arrived = std::sync::Arc::new(AtomicU32::new(0));
            let tasks: Vec<_> = (0..12)
                .map(|number| {
                    let arrived = arrived.clone();
                    retake::spawn(async move {
                        if arrived.load(Ordering::Relaxed) == number {
                            arrived.fetch_add(1, Ordering::Relaxed);
                        }
                    })
                })
                .collect();
            for task in tasks {
                task.await.unwrap();
            }
            let all = arrived.load(Ordering::Relaxed) == 12;
            retake::always!(!all, "all come in their order");
        })
    });
}

#[test]
fn a_test_that_fails_in_the_order_of_arrival_alone_fails() {
    let folder = folder();
    let (passed, text) = tried(folder.path(), "tried_arrival", &[]);
    assert!(!passed, "{text}");
    line(
        &text,
        "the plain run fails (first in, first out, without faults)",
    );
    line(&text, "violated: scenario: all come in their order");
    line(&text, "case: ");
}

#[test]
#[ignore = "run by other tests"]
fn tried_print() {
    run("tried_print", 50, || {
        Box::pin(async {
            println!("it begins");
            eprintln!("it complains");
            let tasks = [0, 1, 2].map(|number| {
                retake::spawn(async move {
                    println!("task {number}");
                    number
                })
            });
            for task in tasks {
                task.await.unwrap();
            }
            use rand::Rng as _;
            retake::always!(!retake::rng().next_u32().is_multiple_of(10), "one in ten");
        })
    });
}

#[test]
fn what_user_code_prints_is_shown_once_and_for_the_failing_run_alone() {
    let folder = folder();
    let (passed, text) = tried(folder.path(), "tried_print", &[]);
    assert!(!passed, "{text}");
    assert_eq!(text.matches("it begins\n").count(), 1, "{text}");
    assert_eq!(text.matches("it complains\n").count(), 1, "{text}");
    assert_eq!(text.matches("task 2\n").count(), 1, "{text}");
    line(&text, "it prints:");
}

#[test]
#[ignore = "run by other tests"]
fn tried_abort() {
    run("tried_abort", 50, || {
        Box::pin(async {
            use rand::Rng as _;
            if retake::rng().next_u32().is_multiple_of(10) {
                std::process::abort();
            }
        })
    });
}

#[test]
#[ignore = "run by other tests"]
fn tried_overflow() {
    fn depth(of: u64) -> u64 {
        match std::hint::black_box(of) {
            u64::MAX => 0,
            of => depth(of + 1) + 1,
        }
    }
    run("tried_overflow", 1, || {
        Box::pin(async {
            let _ = depth(0);
        })
    });
}

/// All three raise the same signal.
#[test]
#[cfg(unix)]
fn a_stack_overflow_a_lack_of_memory_and_an_abort_are_three_failures() {
    let limit = ("RETAKE_MEMORY_MB", "512");
    for (test, what) in [
        ("tried_overflow", "a stack overflowed (SIGABRT)"),
        ("tried_memory", "it got no more memory (SIGABRT)"),
        ("tried_abort", "it aborted (SIGABRT)"),
    ] {
        let folder = folder();
        let (passed, text) = tried(folder.path(), test, &[limit]);
        assert!(!passed, "{text}");
        line(&text, what);
    }
}

#[test]
fn a_seed_that_aborts_fails_its_test_and_is_saved() {
    let folder = folder();
    let (passed, text) = tried(folder.path(), "tried_abort", &[]);
    assert!(!passed, "{text}");
    line(&text, " fails (strategy ");
    line(&text, "it aborted (SIGABRT)");
    line(&text, "case: ");
    // The test says so, its process is not what aborted.
    assert!(
        text.contains("test result: FAILED. 0 passed; 1 failed"),
        "{text}"
    );
}

#[test]
#[ignore = "run by other tests"]
fn tried_alone() {
    run("tried_alone", 20, || {
        Box::pin(retake::sleep(Duration::from_secs(1)))
    });
}

#[test]
fn a_test_without_choices_says_so() {
    let folder = folder();
    let (passed, text) = tried(folder.path(), "tried_alone", &[]);
    assert!(passed, "{text}");
    line(&text, "tried_alone: 1 schedule in 20 seeds");
}

/// A task that the scheduler does not see.
#[allow(clippy::disallowed_methods, reason = "what is outside is tested")]
async fn outside() {
    let task = tokio::spawn(std::future::pending::<()>());
    retake::sleep(Duration::from_secs(1)).await;
    task.abort();
}

#[test]
#[ignore = "run by other tests"]
fn tried_outside() {
    run("tried_outside", 20, || Box::pin(outside()));
}

#[test]
#[ignore = "run by other tests"]
fn tried_strict() {
    run("tried_strict", 20, || Box::pin(outside()));
}

#[test]
fn what_runs_outside_the_scheduler_is_reported_and_fails_a_strict_test() {
    let folder = folder();
    let (passed, text) = tried(folder.path(), "tried_outside", &[]);
    assert!(passed, "{text}");
    line(
        &text,
        "tried_outside: up to 1 tokio tasks ran outside the scheduler",
    );
    for _ in 0..2 {
        // Found, and then as a saved case.
        let (passed, text) = tried(folder.path(), "tried_strict", &[]);
        assert!(!passed && text.contains("escaped: "), "{text}");
    }
}

#[test]
#[ignore = "run by other tests"]
fn tried_hang() {
    run("tried_hang", 40, || {
        Box::pin(async {
            use rand::Rng as _;
            let hangs = retake::rng().next_u32().is_multiple_of(10);
            if hangs {
                loop {
                    std::hint::spin_loop();
                }
            }
        })
    });
}

#[test]
#[ignore = "run by other tests"]
fn tried_memory() {
    run("tried_memory", 5, || {
        Box::pin(async {
            let large = vec![1_u8; 600 << 20];
            assert_eq!(std::hint::black_box(large)[5], 1);
        })
    });
}

#[test]
fn the_time_and_the_memory_of_a_run_are_limited() {
    let folder = folder();
    let limits = [("RETAKE_TIMEOUT", "1s")];
    let (passed, text) = tried(folder.path(), "tried_hang", &limits);
    assert!(!passed, "{text}");
    line(&text, "it did not end within 1s: it hangs");
    let (passed, text) = tried(folder.path(), "tried_memory", &[]);
    assert!(passed, "{text}");
    let limits = [("RETAKE_MEMORY_MB", "512")];
    let (passed, text) = tried(folder.path(), "tried_memory", &limits);
    assert!(!passed, "{text}");
    line(&text, "it got no more memory (SIGABRT): see its limit");
}

/// Systems without `fork` start a process for each run. The variable has this one do so.
#[test]
fn tests_do_the_same_where_processes_serve_once() {
    let folder = folder();
    let portable = ("RETAKE_WORKER_PORTABLE", "1");
    let (passed, text) = tried(folder.path(), "tried_print", &[portable]);
    assert!(!passed, "{text}");
    for part in ["it begins\n", "it complains\n", "task 2\n"] {
        assert_eq!(text.matches(part).count(), 1, "{part}: {text}");
    }
    let failing = line(&text, " fails (strategy ").to_owned();
    std::fs::remove_dir_all(folder.path().join("retake-cases")).unwrap();
    let (_, text) = tried(folder.path(), "tried_print", &[]);
    assert_eq!(line(&text, " fails (strategy "), failing);
    let (passed, text) = tried(folder.path(), "tried_abort", &[portable]);
    assert!(!passed, "{text}");
    line(&text, "it aborted (SIGABRT)");
    let limits = [portable, ("RETAKE_TIMEOUT", "1s")];
    let (passed, text) = tried(folder.path(), "tried_hang", &limits);
    assert!(!passed, "{text}");
    line(&text, "it did not end within 1s: it hangs");
}

#[test]
fn variables_that_have_no_sense_fail_the_test() {
    let folder = folder();
    for (name, value, part) in [
        ("RETAKE_SEEDS", "abc", "invalid RETAKE_SEEDS `abc`"),
        ("RETAKE_SEED", "1..2", "invalid RETAKE_SEED `1..2`"),
        ("RETAKE_SEEEDS", "5", "did you mean `RETAKE_SEEDS`"),
        ("RETAKE_ISOLATION", "no", "write `process` or `shared`"),
        ("RETAKE_STRATEGY", "best", "there is no such strategy"),
        ("RETAKE_REPLAY", "none.json", "none.json"),
        ("RETAKE_TIMEOUT", "5", "invalid RETAKE_TIMEOUT"),
        ("RETAKE_MEMORY_MB", "5", "write 64 or more"),
    ] {
        let (passed, text) = tried(folder.path(), "tried_alone", &[(name, value)]);
        assert!(!passed && text.contains(part), "{name}: {text}");
    }
    let (passed, text) = tried(
        folder.path(),
        "tried_alone",
        &[("RETAKE_ISOLATION", "shared")],
    );
    assert!(passed, "{text}");
}

#[test]
fn a_case_that_nobody_runs_is_reported() {
    let folder = folder();
    let (_, text) = tried(folder.path(), "tried_arrival", &[]);
    let case = line(&text, "case: ")
        .trim_start_matches("case: ")
        .to_owned();
    let replay = |test: &str, case: &str| tried(folder.path(), test, &[("RETAKE_REPLAY", case)]);
    let (passed, text) = replay("tried_arrival", &case);
    assert!(!passed && text.contains("the saved case "), "{text}");
    let (passed, text) = replay("tried_alone", &case);
    assert!(passed, "{text}");
    line(
        &text,
        "isolation::tried_alone: not run, because RETAKE_REPLAY names a case of \
         `isolation::tried_arrival`",
    );

    // The test was renamed since.
    let renamed = std::fs::read_to_string(&case).unwrap();
    let renamed = renamed.replace("tried_arrival\"", "tried_departure\"");
    let other = folder.path().join("other.json");
    std::fs::write(&other, &renamed).unwrap();
    let (passed, text) = replay("tried_alone", other.to_str().unwrap());
    assert!(
        !passed && text.contains("has no test of this name"),
        "{text}"
    );

    let cases = folder.path().join("retake-cases");
    std::fs::rename(
        cases.join("suite-isolation-tried_arrival"),
        cases.join("suite-isolation-tried_departure"),
    )
    .unwrap();
    let (passed, text) = tried(folder.path(), "tried_alone", &[]);
    assert!(passed, "{text}");
    let warning = line(&text, "are of no test of this binary");
    assert!(
        warning.contains("suite-isolation-tried_departure"),
        "{warning}"
    );
    let (passed, text) = tried(folder.path(), "tried_arrival", &[("RETAKE_SEED", "3")]);
    assert!(passed, "{text}");
}

#[test]
fn a_saved_case_that_fails_says_what_it_is_and_what_was_not_run() {
    let folder = folder();
    let (_, text) = tried(folder.path(), "tried_arrival", &[]);
    let case = line(&text, "case: ")
        .trim_start_matches("case: ")
        .to_owned();
    let variables = [("RETAKE_SEEDS", "5"), ("RETAKE_STRATEGY", "pos")];
    let (passed, text) = tried(folder.path(), "tried_arrival", &variables);
    assert!(!passed, "{text}");
    let first = line(&text, "the saved case ");
    assert!(
        first.contains(&case) && first.contains("were not run"),
        "{first}"
    );
    assert!(text.contains(&format!("delete it: rm {case}")), "{text}");
}

#[test]
fn a_binary_that_is_no_worker_is_an_error_that_names_the_way_out() {
    let folder = folder();
    let test = Test {
        crate_folder: folder.path().to_str().unwrap().to_owned().leak(),
        crate_name: "retake-workloads",
        module: module_path!(),
        // There is no test of this name, so nobody serves.
        name: "nobody",
        seeds: 5,
        strategy: "mix",
        faults: "none",
        config: |config| config.step_limit = 10_000,
        horizon: "1h",
        isolation: "process",
        timeout: "120s",
        memory_mb: 4096,
    };
    let failed = std::panic::catch_unwind(move || test.run(|| async {}));
    let text = *failed.unwrap_err().downcast::<String>().unwrap();
    assert!(text.contains("did not become a worker process"), "{text}");
    assert!(text.contains("RETAKE_ISOLATION=shared"), "{text}");
}

/// The attribute itself, with the shared isolation.
#[retake_sim::test(seeds = 10, isolation = "shared")]
async fn runs_may_share_a_process() {
    static RUNS: AtomicU32 = AtomicU32::new(0);
    // The plain run and ten seeds, of which some are run twice.
    assert!(RUNS.fetch_add(1, Ordering::Relaxed) < 30);
}

/// The attribute itself: each run is the first one of its process.
#[retake_sim::test(seeds = 30, strict, timeout = "60s", memory_mb = 8192)]
async fn each_run_is_the_first_one_of_its_process() {
    static RUNS: AtomicU32 = AtomicU32::new(0);
    assert_eq!(RUNS.fetch_add(1, Ordering::Relaxed), 0);
}

/// The attribute itself, with a setting that needs no value.
#[retake_sim::test(seeds = 3, allow_threads)]
#[allow(clippy::disallowed_methods, reason = "threads are tested")]
async fn runs_may_start_threads() {
    std::thread::spawn(|| {}).join().unwrap();
}
