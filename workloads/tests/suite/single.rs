//! Commands that run one case: each run has a process of its own, and Ctrl-C ends it.

use std::path::Path;
#[cfg(unix)]
use std::process::{Child, Command, Stdio};

use crate::command::{retake, stderr, stdout};
#[cfg(target_os = "linux")]
use retake_traces::{Header, RunConfig, Sink as _, TraceReader, TraceWriter};
use serde_json::Value;

fn parse(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn run(folder: &Path, arguments: &[&str]) -> Value {
    let output = retake(folder, &[&["run"], arguments, &["--json"]].concat());
    assert!(
        matches!(output.status.code(), Some(0 | 1)),
        "{}",
        stderr(&output)
    );
    parse(&stdout(&output))
}

/// What a campaign finds of one seed, without other seeds and the plain run.
fn explored(folder: &Path, scenario: &str, seed: u64, more: &[&str]) -> Value {
    let seeds = format!("{seed}..={seed}");
    let arguments = ["explore", scenario, "--seeds", &seeds, "--keep-going"];
    let options = ["--no-shrink", "--json", "--check-determinism", "0"];
    let output = retake(folder, &[&arguments[..], &options, more].concat());
    parse(&stdout(&output))
}

#[test]
fn a_run_is_the_one_that_a_campaign_has_of_its_seed() {
    let folder = tempfile::tempdir().unwrap();
    let mut failed = 0;
    // A static that a seed draws, the order of a map by ids of actors, and drawn faults.
    for (scenario, strategy, faults, seeds) in [
        ("canary/lazy", "random", "none", 0..8),
        ("canary/leases", "random", "none", 0..4),
        ("recovery/chaos", "pos", "swarm", 195..199),
    ] {
        for seed in seeds {
            let settings = ["--strategy", strategy, "--faults", faults];
            let found = explored(folder.path(), scenario, seed, &settings);
            let of_seed = seed.to_string();
            let arguments = [scenario, "--seed", &of_seed];
            let ran = run(folder.path(), &[&arguments[..], &settings].concat());
            assert_eq!(ran["stats"]["steps"], found["steps"], "{scenario} {seed}");
            let hash = ran["event_hash"].as_str().unwrap();
            let hash = u64::from_str_radix(hash, 16).unwrap();
            let schedules = found["schedules"].as_array().unwrap();
            assert!(schedules.contains(&hash.into()), "{scenario} {seed}");
            let failure = found["failures"].as_array().unwrap().last();
            let fails = failure.is_some_and(|it| it["case"]["strategy"] == strategy);
            let passed = ran["outcome"]["kind"] == "passed";
            assert_eq!(passed, !fails, "{scenario} {seed}: {found}");
            failed += u32::from(!passed);
        }
    }
    assert!(failed > 1);
}

#[test]
fn a_trace_with_drawn_faults_replays_by_its_schedule_and_by_its_seed() {
    let folder = tempfile::tempdir().unwrap();
    let mut had_buggify = false;
    for seed in 195..203 {
        let seed = seed.to_string();
        let arguments = ["run", "recovery/chaos", "--seed", &seed, "--states"];
        let options = ["--faults", "swarm", "--trace", "a.retake"];
        retake(folder.path(), &[&arguments[..], &options].concat());
        let shown = stdout(&retake(folder.path(), &["verify", "a.retake", "--json"]));
        had_buggify |= shown.contains("\"buggify @step 1\"");
        for how in [&[][..], &["--from-seed"]] {
            let replayed = retake(folder.path(), &[&["replay", "a.retake"], how].concat());
            let text = stdout(&replayed);
            assert!(text.contains("identical: "), "{seed} {how:?}: {text}");
        }
    }
    assert!(had_buggify);
}

#[test]
fn two_traces_of_a_program_with_statics_are_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    for scenario in ["canary/lazy", "canary/leases", "zoo/raft/buggy"] {
        let bytes = ["a.retake", "b.retake"].map(|trace| {
            let arguments = ["run", scenario, "--seed", "3", "--states", "--trace", trace];
            retake(folder.path(), &arguments);
            std::fs::read(folder.path().join(trace)).unwrap()
        });
        assert!(bytes[0] == bytes[1], "{scenario}");
        let replayed = retake(folder.path(), &["replay", "a.retake"]);
        assert_eq!(replayed.status.code(), Some(0), "{}", stdout(&replayed));
    }
}

#[test]
fn what_a_scenario_prints_stays_out_of_json() {
    let folder = tempfile::tempdir().unwrap();
    let trace = ["run", "canary/print", "--seed", "1", "--trace", "a.retake"];
    retake(folder.path(), &trace);
    for arguments in [
        &["run", "canary/print", "--seed", "1", "--json"][..],
        &["replay", "a.retake", "--json"],
        &["explore", "canary/print", "--exhaustive", "--json"],
        &[
            "explore",
            "canary/print",
            "--exhaustive",
            "--json",
            "--isolation",
            "shared",
        ],
    ] {
        let output = retake(folder.path(), arguments);
        parse(&stdout(&output));
        assert!(
            stderr(&output).contains("line 2 of the canary"),
            "{arguments:?}"
        );
    }
}

#[test]
fn a_run_that_aborts_ends_its_process_and_not_the_command() {
    let folder = tempfile::tempdir().unwrap();
    let found = retake(
        folder.path(),
        &["explore", "canary/abort", "--no-shrink", "--json"],
    );
    let case = &parse(&stdout(&found))["failures"][0]["case"];
    let (seed, strategy) = (case["seed"].to_string(), case["strategy"].as_str().unwrap());
    let arguments = ["canary/abort", "--seed", &seed, "--strategy", strategy];
    let ran = run(
        folder.path(),
        &[&arguments[..], &["--trace", "a.retake"]].concat(),
    );
    assert_eq!(ran["outcome"]["kind"], "lost", "{ran}");
    let shown = retake(folder.path(), &["show", "a.retake"]);
    assert!(stdout(&shown).contains("SIGABRT"), "{}", stdout(&shown));
}

#[test]
fn of_a_run_that_passes_nothing_is_explained() {
    let folder = tempfile::tempdir().unwrap();
    run(folder.path(), &["zoo/bank/fixed", "--trace", "a.retake"]);
    let why = retake(folder.path(), &["why", "a.retake"]);
    assert_eq!(why.status.code(), Some(0), "{}", stderr(&why));
    assert_eq!(
        stdout(&why),
        "passed\nnothing failed: there is nothing to explain\n"
    );
}

#[cfg(unix)]
fn start(folder: &Path, arguments: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_retake"))
        .args(arguments)
        .current_dir(folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Wait until something is so, interrupt the command, and give its exit code and all it
/// printed.
#[cfg(unix)]
fn interrupted(child: Child, is_so: impl Fn() -> bool) -> (Option<i32>, String) {
    let id = child.id().to_string();
    interrupted_as(child, &id, is_so)
}

/// The same with a signal for this process, or for the group of `-ID`.
#[cfg(unix)]
fn interrupted_as(mut child: Child, to: &str, is_so: impl Fn() -> bool) -> (Option<i32>, String) {
    while !is_so() {
        assert_eq!(child.try_wait().unwrap(), None, "it ended before");
        std::thread::yield_now();
    }
    let kill = Command::new("kill").args(["-INT", "--", to]).status();
    assert!(kill.unwrap().success());
    let output = child.wait_with_output().unwrap();
    let text = stdout(&output) + &stderr(&output);
    (output.status.code(), text)
}

/// Whether a process has a child process that has one in turn: a worker's run.
#[cfg(unix)]
fn has_run(of: u32) -> bool {
    let children = |of: &str| {
        let path = format!("/proc/{of}/task/{of}/children");
        std::fs::read_to_string(path).unwrap_or_default()
    };
    let workers = children(&of.to_string());
    let mut workers = workers.split_whitespace();
    workers.any(|worker| {
        let tasks = std::fs::read_dir(format!("/proc/{worker}/task"));
        tasks.into_iter().flatten().flatten().any(|task| {
            let path = task.path().join("children");
            std::fs::read_to_string(path).is_ok_and(|text| !text.trim().is_empty())
        })
    })
}

/// As `timeout` sends them: to the process and to its group, in a row.
#[cfg(unix)]
#[test]
fn two_signals_in_a_row_are_one_request_to_stop() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["explore", "zoo/raft/buggy", "--seeds", "0..10000000"];
    let more = ["--keep-going", "--out", "found.json"];
    let child = start(folder.path(), &[&arguments[..], &more[..]].concat());
    let id = child.id();
    let (code, text) = {
        while !has_run(id) {
            std::thread::yield_now();
        }
        let twice = format!("kill -INT {id}; kill -INT {id}");
        let kill = Command::new("sh").args(["-c", &twice]).status();
        assert!(kill.unwrap().success());
        let output = child.wait_with_output().unwrap();
        (output.status.code(), stdout(&output) + &stderr(&output))
    };
    assert_eq!(code, Some(130), "{text}");
    assert!(text.contains("stopping; once more ends at once"), "{text}");
    assert!(folder.path().join("found.json").exists(), "{text}");
}

#[cfg(unix)]
#[test]
fn a_run_that_is_interrupted_leaves_the_part_of_its_trace() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["run", "stress/steady_state", "--trace", "a.retake"];
    let part = folder.path().join("a.retake.partial");
    // Some blocks are in the file by then.
    let has_begun = || std::fs::metadata(&part).is_ok_and(|it| it.len() > 300_000);
    let (code, text) = interrupted(start(folder.path(), &arguments), has_begun);
    assert_eq!(code, Some(130), "{text}");
    assert!(text.contains("interrupted after "), "{text}");
    assert!(text.contains("a.retake.partial"), "{text}");
    assert!(!folder.path().join("a.retake").exists());
    let shown = retake(folder.path(), &["show", "a.retake.partial", "--to", "50"]);
    assert!(stdout(&shown).contains("entitle"), "{}", stdout(&shown));
}

/// The seed of `canary/hang` that hangs, and its saved case.
#[cfg(unix)]
fn hanging(folder: &Path) -> (String, String) {
    let arguments = [
        "explore",
        "canary/hang",
        "--seed-timeout",
        "1s",
        "--no-shrink",
    ];
    let output = retake(folder, &[&arguments[..], &["--json"]].concat());
    let case = &parse(&stdout(&output))["failures"][0]["case"];
    let cases = folder.join("retake-cases/canary-hang");
    let file = std::fs::read_dir(cases).unwrap().next().unwrap().unwrap();
    let strategy = case["strategy"].as_str().unwrap();
    let settings = format!("{} {strategy}", case["seed"]);
    (settings, file.path().to_str().unwrap().to_owned())
}

/// A trace whose replay from the seed hangs: that of a run that passed, with another seed.
#[cfg(target_os = "linux")]
fn forge_hanging_trace(folder: &Path, seed: &str, strategy: &str) {
    let file = folder.join("passed.retake");
    let arguments = ["run", "canary/hang", "--strategy", "fifo", "--trace"];
    let output = retake(folder, &[&arguments[..], &["passed.retake"]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", stdout(&output));
    let reader = TraceReader::open(&file).unwrap();
    let header = Header {
        config: RunConfig {
            seed: seed.parse().unwrap(),
            strategy: strategy.parse().unwrap(),
            ..reader.header().config.clone()
        },
        ..reader.header().clone()
    };
    let mut writer = TraceWriter::create(folder.join("forged.retake"), &header).unwrap();
    for record in reader {
        writer.record(&record.unwrap()).unwrap();
    }
    writer.finish().unwrap();
}

#[cfg(target_os = "linux")]
#[test]
fn a_command_whose_run_hangs_can_be_interrupted() {
    let folder = tempfile::tempdir().unwrap();
    let (settings, case) = hanging(folder.path());
    let (seed, strategy) = settings.split_once(' ').unwrap();
    forge_hanging_trace(folder.path(), seed, strategy);
    for arguments in [
        &["run", "canary/hang", "--seed", seed, "--strategy", strategy][..],
        &["shrink", &case, "-o", "small.json"],
        &["why", &case],
        &["replay", &case],
        &["replay", "forged.retake", "--from-seed"],
        &["export", &case, "--format", "jsonl", "-o", "made.jsonl"],
        &["view", &case, "-o", "made.html"],
        &["view", &case, "--serve"],
        &["debug", &case, "--print", "why"],
        &["debug", "forged.retake", "--print", "why"],
    ] {
        let child = start(folder.path(), arguments);
        let id = child.id();
        let (code, text) = interrupted(child, || has_run(id));
        assert_eq!(code, Some(130), "{arguments:?}: {text}");
        assert!(text.contains("interrupted "), "{arguments:?}: {text}");
    }
    for file in ["small.json", "made.jsonl", "made.html"] {
        assert!(!folder.path().join(file).exists(), "{file}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn the_zoo_can_be_interrupted_within_one_program() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["zoo", "zoo/raft", "--campaigns", "100000"];
    let child = start(folder.path(), &arguments);
    let id = child.id();
    let (code, text) = interrupted(child, || has_run(id));
    assert_eq!(code, Some(130), "{text}");
    assert!(text.contains("Schedules to the first failure"), "{text}");
}

#[cfg(target_os = "linux")]
#[test]
fn an_exhaustive_search_that_is_interrupted_says_what_it_has_found() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["explore", "control/readers", "--exhaustive"];
    let child = start(folder.path(), &arguments);
    let id = child.id();
    let (code, text) = interrupted(child, || has_run(id));
    assert_eq!(code, Some(130), "{text}");
    assert!(text.contains("there are more"), "{text}");
}

/// As in a terminal, its server gets the signal as well.
#[cfg(target_os = "linux")]
#[test]
fn a_calibration_that_is_interrupted_leaves_the_costs_that_were_there_and_no_server() {
    use std::os::unix::process::CommandExt as _;
    for is_for_group in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let costs = folder.path().join("costs.json");
        std::fs::write(&costs, "as it was").unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_retake"))
            .arg("calibrate")
            .current_dir(folder.path())
            .process_group(0)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let id = child.id().to_string();
        let servers = || {
            let tasks = std::fs::read_dir(format!("/proc/{id}/task"));
            let tasks = tasks.into_iter().flatten().flatten();
            let children = tasks.map(|it| std::fs::read_to_string(it.path().join("children")));
            children.flatten().collect::<String>()
        };
        let to = if is_for_group {
            format!("-{id}")
        } else {
            id.clone()
        };
        let mut server = String::new();
        while server.is_empty() {
            server = servers();
            std::thread::yield_now();
        }
        let (code, text) = interrupted_as(child, &to, || true);
        assert_eq!(code, Some(130), "{text}");
        assert!(text.contains("costs.json is as it was"), "{text}");
        assert_eq!(std::fs::read_to_string(&costs).unwrap(), "as it was");
        let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
        assert_eq!(left.len(), 1, "{left:?}");
        let server = format!("/proc/{}", server.trim());
        assert!(!Path::new(&server).exists(), "its server still runs");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_calibration_that_is_interrupted_while_it_is_checked_keeps_what_was_measured() {
    let folder = tempfile::tempdir().unwrap();
    let costs = folder.path().join("costs.json");
    let child = start(folder.path(), &["calibrate", "--check-scale", "1"]);
    let (code, text) = interrupted(child, || costs.exists());
    assert_eq!(code, Some(130), "{text}");
    assert!(text.contains("not all benchmarks were run"), "{text}");
    let costs = parse(&std::fs::read_to_string(&costs).unwrap());
    assert!(costs["commit"].is_object(), "{costs}");
}
