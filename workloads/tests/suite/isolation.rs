//! Tests that are campaigns run each seed in a process of its own: the test binary starts
//! itself again. Here it does so with tests that are ignored otherwise.

use std::pin::Pin;
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rand::Rng as _;
use retake_sim::explore::test_runner::Test;

use crate::command::{Folder, Outcome};

/// Where a tried test keeps its cases.
const FOLDER: &str = "ISOLATION_TEST_FOLDER";

type Body = Pin<Box<dyn Future<Output = ()> + Send>>;

fn settings(folder: String, name: &'static str, seeds: u64) -> Test {
    Test {
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
    }
}

/// Run a scenario as the attribute would, with another folder for its cases.
fn run(name: &'static str, seeds: u64, scenario: fn() -> Body) {
    let folder = std::env::var(FOLDER).expect("it is run by another test");
    settings(folder, name, seeds).run(scenario);
}

/// A test of this name, with so many seeds, that others try.
macro_rules! tried {
    ($name:ident, $seeds:literal, $scenario:block) => {
        #[test]
        #[ignore = "run by other tests"]
        fn $name() {
            run(stringify!($name), $seeds, || Box::pin(async $scenario));
        }
    };
}

/// Run one of the ignored tests of this binary, as a command with its output.
#[track_caller]
fn tried(folder: &Folder, test: &str, variables: &[(&str, &str)]) -> Outcome {
    let test = format!("isolation::tried_{test}");
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", &test, "--ignored", "--nocapture"]);
    command.env(FOLDER, folder.path());
    command.env_remove("RUST_BACKTRACE");
    let mut outcome = Outcome::of(command.envs(variables.iter().copied()));
    outcome.out += &outcome.err;
    outcome.says("running 1 test")
}

#[track_caller]
fn passes(folder: &Folder, test: &str, variables: &[(&str, &str)]) -> Outcome {
    tried(folder, test, variables).ends(0)
}

#[track_caller]
fn fails(folder: &Folder, test: &str, variables: &[(&str, &str)]) -> Outcome {
    tried(folder, test, variables).ends(101)
}

/// The line of a text that has this part.
#[track_caller]
fn line<'a>(text: &'a str, part: &str) -> &'a str {
    let found = text.lines().find(|line| line.contains(part));
    found.unwrap_or_else(|| panic!("`{part}` is missing: {text}"))
}

fn remove_cases(folder: &Folder) {
    std::fs::remove_dir_all(folder.at("retake-cases")).unwrap();
}

/// True for one seed in ten.
fn one_in_ten() -> bool {
    retake::rng().next_u32().is_multiple_of(10)
}

tried!(tried_lazy, 200, {
    static LAZY: OnceLock<u64> = OnceLock::new();
    let value = LAZY.get_or_init(|| retake::rng().next_u64());
    retake::always!(value % 7 != 3, "the value that is drawn once");
});

#[test]
fn what_a_process_draws_once_is_a_function_of_the_seed() {
    let folder = Folder::new();
    let found = fails(&folder, "lazy", &[("RETAKE_SEEDS", "1..100")]);
    let seed = line(&found.out, " fails (strategy ").split(' ').nth(1);
    let seed: u64 = seed.unwrap().parse().unwrap();
    let (this, other) = (seed.to_string(), (seed - 1).to_string());
    let (this, other) = ([("RETAKE_SEED", &*this)], [("RETAKE_SEED", &*other)]);
    remove_cases(&folder);
    let alone = fails(&folder, "lazy", &this);
    alone.says(&format!("seed {seed} fails"));
    // The saved case fails as well, in yet another process.
    fails(&folder, "lazy", &other).says("the saved case ");
    remove_cases(&folder);
    passes(&folder, "lazy", &other);
}

/// Panics in a call of the user's.
#[inline(never)]
fn settle(account: Option<u32>) -> u32 {
    std::hint::black_box(account).unwrap()
}

tried!(tried_panic, 3, {
    settle(None);
});

#[test]
fn a_failing_test_lists_the_calls_of_a_panic_if_asked_for_and_says_how_otherwise() {
    for (setting, lists) in [
        (Some("1"), true),
        (Some("full"), true),
        (Some("0"), false),
        (None, false),
    ] {
        let setting = setting.map(|value| ("RUST_BACKTRACE", value));
        let failed = fails(&Folder::new(), "panic", setting.as_slice());
        let report = failed.out.split("what led to it:").next().unwrap();
        if lists {
            let call = line(report, "settle at ");
            let (_, place) = call.split_once(" at ").unwrap();
            // Neither where the project is on this machine nor an address.
            assert!(place.starts_with("tests/suite/isolation.rs:"), "{call}");
            assert!(!report.contains("note: run with"), "{report}");
        } else {
            let note = "note: run with `RUST_BACKTRACE=1` to list the calls of your own code";
            assert_eq!(line(report, "note: run with").trim(), note);
            assert!(!report.contains("settle at "), "{report}");
        }
    }
}

#[cfg(target_os = "linux")]
mod debug_information {
    use std::io::Write as _;
    use std::path::Path;

    use super::FOLDER;

    /// Whether this process has read the debug information of its program, which maps its file
    /// once more.
    fn is_read() -> bool {
        let program = std::env::current_exe().unwrap();
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        let of_program = maps
            .lines()
            .filter(|line| line.ends_with(program.to_str().unwrap()));
        let starts = of_program.filter(|line| line.split(' ').nth(2) == Some("00000000"));
        starts.count() > 1
    }

    /// Notes it down for each run, after the panic.
    pub(super) struct Note;

    impl Drop for Note {
        fn drop(&mut self) {
            let file = Path::new(&std::env::var_os(FOLDER).unwrap()).join("runs");
            let file = std::fs::OpenOptions::new().append(true).open(file);
            let note = if is_read() { b"+" } else { b"-" };
            file.unwrap().write_all(note).unwrap();
        }
    }
}

#[cfg(target_os = "linux")]
tried!(tried_debug_information, 3, {
    let _note = debug_information::Note;
    settle(None);
});

#[cfg(target_os = "linux")]
#[test]
fn calls_are_listed_of_the_runs_that_are_shown_and_not_of_trials() {
    let folder = Folder::new();
    folder.write("runs", "");
    let listed = fails(&folder, "debug_information", &[("RUST_BACKTRACE", "1")]);
    listed.says("settle at ");
    let runs = folder.text("runs");
    let with = runs.matches('+').count();
    assert!((1..=3).contains(&with) && runs.len() > 50, "{runs}");
}

tried!(tried_arrival, 20, {
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
});

#[test]
fn a_test_that_fails_in_the_order_of_arrival_alone_fails() {
    let failed = fails(&Folder::new(), "arrival", &[]);
    let failed = failed.says("the plain run fails (first in, first out, without faults)");
    let failed = failed.says("violated: scenario: all come in their order");
    failed.says("case: ");
}

tried!(tried_print, 50, {
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
    retake::always!(!one_in_ten(), "one in ten");
});

#[track_caller]
fn prints_once(failed: &Outcome) {
    for part in ["it begins\n", "it complains\n", "task 2\n"] {
        assert_eq!(failed.out.matches(part).count(), 1, "{part}: {failed}");
    }
}

#[test]
fn what_user_code_prints_is_shown_once_and_for_the_failing_run_alone() {
    let failed = fails(&Folder::new(), "print", &[]);
    prints_once(&failed);
    failed.says("it prints:");
}

tried!(tried_abort, 50, {
    if one_in_ten() {
        std::process::abort();
    }
});

fn depth(of: u64) -> u64 {
    match std::hint::black_box(of) {
        u64::MAX => 0,
        of => depth(of + 1) + 1,
    }
}

tried!(tried_overflow, 1, {
    let _ = depth(0);
});

/// All three raise the same signal.
#[test]
#[cfg(unix)]
fn a_stack_overflow_a_lack_of_memory_and_an_abort_are_three_failures() {
    for (test, what) in [
        ("overflow", "a stack overflowed (SIGABRT)"),
        ("memory", "it got no more memory (SIGABRT): see its limit"),
        ("abort", "it aborted (SIGABRT)"),
    ] {
        let limit = [("RETAKE_MEMORY_MB", "512")];
        fails(&Folder::new(), test, &limit).says(what);
    }
}

#[test]
fn a_seed_that_aborts_fails_its_test_and_is_saved() {
    let failed = fails(&Folder::new(), "abort", &[]);
    let failed = failed.says(" fails (strategy ").says("case: ");
    let failed = failed.says("it aborted (SIGABRT)");
    // The test says so, its process is not what aborted.
    failed.says("test result: FAILED. 0 passed; 1 failed");
}

tried!(tried_alone, 20, {
    retake::sleep(Duration::from_secs(1)).await;
});

#[test]
fn a_test_without_choices_says_so() {
    let passed = passes(&Folder::new(), "alone", &[]);
    passed.says("tried_alone: 1 schedule in 20 seeds");
}

/// A task that the scheduler does not see.
#[allow(clippy::disallowed_methods, reason = "what is outside is tested")]
async fn outside() {
    let task = tokio::spawn(std::future::pending::<()>());
    retake::sleep(Duration::from_secs(1)).await;
    task.abort();
}

tried!(tried_outside, 20, {
    outside().await;
});

tried!(tried_strict, 20, {
    outside().await;
});

#[test]
fn what_runs_outside_the_scheduler_is_reported_and_fails_a_strict_test() {
    let folder = Folder::new();
    let passed = passes(&folder, "outside", &[]);
    passed.says("tried_outside: up to 1 tokio tasks ran outside the scheduler");
    // Found, and then as a saved case.
    fails(&folder, "strict", &[]).says("escaped: ");
    fails(&folder, "strict", &[]).says("escaped: ");
}

tried!(tried_hang, 40, {
    if one_in_ten() {
        loop {
            std::hint::spin_loop();
        }
    }
});

tried!(tried_memory, 5, {
    let large = vec![1_u8; 600 << 20];
    assert_eq!(std::hint::black_box(large)[5], 1);
});

#[test]
fn the_time_and_the_memory_of_a_run_are_limited() {
    let folder = Folder::new();
    let hanging = fails(&folder, "hang", &[("RETAKE_TIMEOUT", "1s")]);
    hanging.says("it did not end within 1s: it hangs");
    // With a lower limit it fails: see above.
    passes(&folder, "memory", &[]);
}

/// Systems without `fork` start a process for each run. The variable has this one do so.
#[test]
fn tests_do_the_same_where_processes_serve_once() {
    let folder = Folder::new();
    let portable = ("RETAKE_WORKER_PORTABLE", "1");
    let failed = fails(&folder, "print", &[portable]);
    prints_once(&failed);
    remove_cases(&folder);
    let elsewhere = tried(&folder, "print", &[]);
    let verdict = " fails (strategy ";
    assert_eq!(line(&elsewhere.out, verdict), line(&failed.out, verdict));
    fails(&folder, "abort", &[portable]).says("it aborted (SIGABRT)");
    let limits = [portable, ("RETAKE_TIMEOUT", "1s")];
    let hanging = fails(&folder, "hang", &limits);
    hanging.says("it did not end within 1s: it hangs");
}

#[test]
fn variables_that_have_no_sense_fail_the_test() {
    let folder = Folder::new();
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
        fails(&folder, "alone", &[(name, value)]).says(part);
    }
    passes(&folder, "alone", &[("RETAKE_ISOLATION", "shared")]);
}

/// A folder with a saved case, and the case.
fn with_case() -> (Folder, String) {
    let folder = Folder::new();
    let case = fails(&folder, "arrival", &[]).case().to_owned();
    (folder, case)
}

#[test]
fn a_case_that_nobody_runs_is_reported() {
    let (folder, case) = with_case();
    let replay = [("RETAKE_REPLAY", &*case)];
    fails(&folder, "arrival", &replay).says("the saved case ");
    let passed = passes(&folder, "alone", &replay);
    passed.says(
        "isolation::tried_alone: not run, because RETAKE_REPLAY names a case of \
         `isolation::tried_arrival`",
    );

    // The test was renamed since.
    let renamed = std::fs::read_to_string(&case).unwrap();
    folder.write("other.json", renamed.replace("arrival\"", "departure\""));
    let other = folder.at("other.json");
    let failed = fails(
        &folder,
        "alone",
        &[("RETAKE_REPLAY", other.to_str().unwrap())],
    );
    failed.says("has no test of this name");

    let cases = |test: &str| folder.at(&format!("retake-cases/suite-isolation-tried_{test}"));
    std::fs::rename(cases("arrival"), cases("departure")).unwrap();
    let passed = passes(&folder, "alone", &[]);
    let warning = line(&passed.out, "are of no test of this binary");
    assert!(
        warning.contains("suite-isolation-tried_departure"),
        "{warning}"
    );
    passes(&folder, "arrival", &[("RETAKE_SEED", "3")]);
}

#[test]
fn a_saved_case_that_fails_says_what_it_is_and_what_was_not_run() {
    let (folder, case) = with_case();
    let variables = [("RETAKE_SEEDS", "5"), ("RETAKE_STRATEGY", "pos")];
    let failed = fails(&folder, "arrival", &variables);
    let first = line(&failed.out, "the saved case ");
    assert!(
        first.contains(&case) && first.contains("were not run"),
        "{first}"
    );
    failed.says(&format!("delete it: rm {case}"));
}

#[test]
fn a_binary_that_is_no_worker_is_an_error_that_names_the_way_out() {
    let folder = Folder::new();
    let path = folder.path().to_str().unwrap().to_owned();
    // There is no test of this name, so nobody serves.
    let test = settings(path, "nobody", 5);
    let failed = std::panic::catch_unwind(move || test.run(|| async {}));
    let text = *failed.unwrap_err().downcast::<String>().unwrap();
    for part in ["did not become a worker process", "RETAKE_ISOLATION=shared"] {
        assert!(text.contains(part), "{text}");
    }
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
