//! The `retake` command as its users meet it: output, errors, exit codes.

use retake_testkit::traces::small::write_empty;
use tempfile::TempDir;

use crate::command::{retake, told};

/// Exit code, standard output, standard error.
fn run(folder: &TempDir, arguments: &str) -> (i32, String, String) {
    let arguments: Vec<&str> = arguments.split(' ').collect();
    let output = retake(folder.path(), &arguments);
    told(output)
}

fn recorded() -> TempDir {
    let folder = TempDir::new().unwrap();
    let (code, out, err) = run(&folder, "run recovery/one_action --seed 5 --trace a.retake");
    assert_eq!((code, &*err), (0, ""), "{out}");
    folder
}

#[test]
fn wrong_usage_exits_with_2_and_says_what_to_do() {
    let folder = TempDir::new().unwrap();
    for (arguments, expected) in [
        ("", "Usage: retake <COMMAND>"),
        ("run", "<SCENARIO>"),
        (
            "run nosuch",
            "this program has no scenario `nosuch`; see `retake list`",
        ),
        (
            "run recovery/one_action --seed x",
            "invalid value 'x' for '--seed <SEED>'",
        ),
        (
            "run recovery/one_action --strategy chaos",
            "write fifo, random, pct",
        ),
        ("run recovery/one_action --horizon 5", "lacks a unit"),
        ("run recovery/one_action --horizon 0s", "must be above zero"),
        ("run recovery/one_action --step-limit 0", "0 is not in 1.."),
        ("run recovery/one_action --fault kill", "kill"),
        (
            "run recovery/one_action --faults nowhere.toml",
            "cannot read the fault plan `nowhere.toml`",
        ),
        ("run recovery/one_action --schedule-only", "--trace"),
        ("show a --from 2 --to 1", "--from 2 is after --to 1"),
        (
            "export a --format mermaid --from 2 --to 1",
            "--from 2 is after --to 1",
        ),
        (
            "export a --format dot",
            "one of perfetto, mermaid, shiviz, otlp, jsonl",
        ),
    ] {
        let arguments: Vec<&str> = arguments
            .split(' ')
            .filter(|argument| !argument.is_empty())
            .collect();
        let output = retake(folder.path(), &arguments);
        let err = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {err}");
        assert!(err.contains(expected), "{arguments:?}: {err}");
    }
}

#[test]
fn a_file_that_is_no_good_exits_with_3_on_every_command() {
    let folder = recorded();
    let good = std::fs::read(folder.path().join("a.retake")).unwrap();
    let mut flipped = good.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 0x10;
    let last = good.len() - 1;
    let mut bad_end = good.clone();
    bad_end[last] ^= 1;
    let files: [(&str, &[u8], &str); 4] = [
        ("flipped", &flipped, "is damaged at byte"),
        ("bad-end", &bad_end, "is damaged at byte"),
        ("cut", &good[..last], "ends after byte"),
        ("text", b"not a trace", "is not a Retake trace"),
    ];
    for (name, bytes, expected) in files {
        std::fs::write(folder.path().join(name), bytes).unwrap();
        for command in [
            "replay X",
            "replay X --from-seed",
            "show X",
            "diff X a.retake",
            "diff a.retake X",
            "verify X",
            "export X --format perfetto -o out",
            "export X --format mermaid -o out",
            "export X --format shiviz -o out",
            "export X --format otlp -o out",
            "export X --format jsonl -o out",
        ] {
            let (code, _, err) = run(&folder, &command.replace('X', name));
            assert_eq!(code, 3, "{command} of {name}: {err}");
            assert!(
                err.starts_with("error: ") && err.contains(expected),
                "{command} of {name}: {err}"
            );
            assert!(!folder.path().join("out").exists(), "{command} of {name}");
        }
    }
    let (code, _, err) = run(&folder, "verify nowhere.retake");
    assert_eq!(code, 3);
    assert!(err.contains("cannot open `nowhere.retake`"), "{err}");
    let (code, _, err) = run(&folder, "run recovery/one_action --trace no/such/folder/a");
    assert_eq!(code, 3);
    assert!(
        err.contains("cannot create `no/such/folder/a`: there is no folder `no/such/folder`"),
        "{err}"
    );
}

#[test]
fn a_cut_trace_is_shown_up_to_its_last_good_step() {
    let folder = TempDir::new().unwrap();
    run(
        &folder,
        "run recovery/worker_crash --trace a --schedule-only",
    );
    let bytes = std::fs::read(folder.path().join("a")).unwrap();
    std::fs::write(folder.path().join("cut"), &bytes[..bytes.len() - 1000]).unwrap();
    let (code, out, err) = run(&folder, "show cut");
    assert_eq!(code, 3);
    let last = out.lines().filter_map(|line| {
        line.split_whitespace()
            .next()?
            .trim_end_matches(['*', '+'])
            .parse::<u64>()
            .ok()
    });
    let last = last.max().unwrap();
    assert!(
        last > 1000 && err.contains(&format!("its first {last} steps are good")),
        "{last}: {err}"
    );
}

#[test]
fn a_recorded_run_replays_and_the_same_seed_gives_the_same_bytes() {
    let folder = recorded();
    for arguments in ["replay a.retake", "replay a.retake --from-seed"] {
        let (code, out, err) = run(&folder, arguments);
        assert_eq!((code, &*err), (0, ""), "{out}");
        assert!(out.starts_with("identical: "), "{out}");
    }
    run(&folder, "run recovery/one_action --seed 5 --trace b.retake");
    let read = |name: &str| std::fs::read(folder.path().join(name)).unwrap();
    assert_eq!(read("a.retake"), read("b.retake"));
    assert_eq!(run(&folder, "diff a.retake b.retake").0, 0);
}

#[test]
fn a_count_of_one_is_in_the_singular() {
    let folder = TempDir::new().unwrap();
    let (code, out, _) = run(&folder, "run recovery/one_action --seed 1");
    assert_eq!(code, 0, "{out}");
    assert!(out.contains(" actors, 1 fault, "), "{out}");
    assert!(out.contains(": 1 governor\n"), "{out}");
    let (_, out, _) = run(&folder, "explore recovery/one_action --seeds 1..2");
    assert!(out.contains("1 seed, "), "{out}");
    assert!(out.contains(", 1 fault in "), "{out}");
}

#[test]
fn json_of_a_run_is_the_same_twice_and_says_what_happened() {
    let folder = TempDir::new().unwrap();
    let (code, first, err) = run(&folder, "run recovery/one_action --seed 5 --json");
    assert_eq!((code, &*err), (0, ""));
    assert_eq!(
        run(&folder, "run recovery/one_action --seed 5 --json").1,
        first
    );
    let value: serde_json::Value = serde_json::from_str(&first).unwrap();
    assert_eq!(value["outcome"]["kind"], "passed");
    assert_eq!(value["report"]["actions"]["error"], 1);
}

#[test]
fn a_run_that_fails_exits_with_1_and_its_trace_replays_the_failure() {
    let folder = TempDir::new().unwrap();
    let fault = ["--fault", "kill executor @36.01s"];
    let mut arguments = vec!["run", "recovery/one_action", "--trace", "a"];
    arguments.extend(fault);
    let output = retake(folder.path(), &arguments);
    let out = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{out}");
    assert!(
        out.contains("check failed: the first action failed"),
        "{out}"
    );
    let (code, out, _) = run(&folder, "replay a");
    assert_eq!(code, 0, "{out}");
    assert!(out.contains("outcome panicked"), "{out}");
    assert!(
        run(&folder, "show a")
            .1
            .contains("with fault: kill executor @36010ms")
    );
}

#[test]
fn run_and_replay_list_the_calls_of_a_panic_if_asked_for_and_say_how_otherwise() {
    let folder = TempDir::new().unwrap();
    let tried = |setting: Option<&str>, arguments: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_retake"));
        command.current_dir(folder.path()).args(arguments);
        match setting {
            Some(setting) => command.env("RUST_BACKTRACE", setting),
            None => command.env_remove("RUST_BACKTRACE"),
        };
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    };
    let fault = "kill executor @36.01s";
    let runs = [
        "run",
        "recovery/one_action",
        "--trace",
        "a",
        "--fault",
        fault,
    ];
    for arguments in [&runs[..], &["replay", "a"]] {
        let note = "note: run with `RUST_BACKTRACE=1` to list the calls of your own code";
        let out = tried(None, arguments);
        assert!(out.contains(note), "{out}");
        let out = tried(Some("1"), arguments);
        // Relative, and without the name of a function that is inlined.
        let mut calls = out.lines().filter(|line| line.starts_with("  at "));
        let first = calls.next().unwrap_or_else(|| panic!("{out}"));
        assert!(first.starts_with("  at workloads/src/scenario/"), "{first}");
        assert!(!out.contains("note: run with"), "{out}");
    }
}

#[test]
fn a_reader_that_leaves_early_does_not_change_the_exit_code() {
    use std::process::{Command, Stdio};
    let folder = TempDir::new().unwrap();
    for (fault, expected) in [("kill executor @36.01s", 1), ("kill executor @1h", 0)] {
        let mut child = Command::new(env!("CARGO_BIN_EXE_retake"))
            .args(["run", "recovery/one_action", "--fault", fault])
            .current_dir(folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        assert_eq!(child.wait().unwrap().code(), Some(expected), "{fault}");
    }
}

#[test]
fn two_seeds_differ_and_the_first_divergence_is_shown() {
    let folder = recorded();
    run(&folder, "run recovery/one_action --seed 6 --trace b.retake");
    let (code, out, err) = run(&folder, "diff a.retake b.retake --strict");
    assert_eq!((code, &*err), (1, ""));
    assert!(
        out.contains("header: seed is `5` and `6`") && out.contains("first divergence at step"),
        "{out}"
    );
    let (code, json, _) = run(&folder, "diff a.retake b.retake --strict --json");
    assert_eq!(code, 1);
    let value: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert!(value["divergence"]["left"].is_array());
}

#[test]
fn show_filters_by_actor_and_step() {
    let folder = recorded();
    let (code, out, _) = run(
        &folder,
        "show a.retake --actor pool/worker-1 --from 20 --width 80",
    );
    assert_eq!(code, 0);
    let lines: Vec<&str> = out.lines().skip(3).collect();
    assert!(
        lines.len() >= 4 && lines.iter().all(|line| line.contains("pool/worker-1")),
        "{out}"
    );
    assert!(
        out.contains("pool/worker-1#2") && out.contains("FAULT: killed"),
        "{out}"
    );
    assert!(out.lines().all(|line| line.chars().count() <= 80), "{out}");
    let (_, out, _) = run(&folder, "show a.retake --from 10 --to 12 --json");
    let steps: Vec<u64> = out
        .lines()
        .map(|line| {
            serde_json::from_str::<serde_json::Value>(line).unwrap()["step"]
                .as_u64()
                .unwrap()
        })
        .collect();
    assert_eq!((steps.first(), steps.last()), (Some(&10), Some(&12)));
}

#[test]
fn a_trace_of_an_unknown_scenario_is_refused() {
    let folder = TempDir::new().unwrap();
    write_empty(&folder, "a", "other/program");
    let (code, _, err) = run(&folder, "replay a");
    assert_eq!(code, 2);
    assert!(
        err.contains("this program has no scenario `other/program`"),
        "{err}"
    );
}

#[test]
fn the_list_names_every_scenario() {
    let folder = TempDir::new().unwrap();
    let (code, out, _) = run(&folder, "list");
    assert_eq!(code, 0);
    assert!(
        out.contains("stress/steady_state") && out.contains("recovery/worker_crash"),
        "{out}"
    );
    assert!(out.lines().all(|line| line.chars().count() <= 80), "{out}");
}

#[test]
fn a_trace_is_exported_in_every_format_to_a_file_or_to_standard_output() {
    let folder = recorded();
    for (format, start) in [
        ("perfetto", "{\"displayTimeUnit\":\"ns\""),
        ("mermaid", "sequenceDiagram\n"),
        ("shiviz", "(?<host>\\S*) (?<clock>{.*})\\n(?<event>.*)\n\n"),
        ("otlp", "{\"resourceSpans\":["),
        ("jsonl", "{\"record\":\"run\""),
    ] {
        let export = format!("export a.retake --format {format} --actor pool --from 2");
        let (code, out, err) = run(&folder, &export);
        assert_eq!((code, &*err), (0, ""), "{format}");
        assert!(out.starts_with(start) && out.contains("pool"), "{out}");
        let (code, nothing, _) = run(&folder, &format!("{export} -o out"));
        assert_eq!((code, &*nothing), (0, ""));
        let written = std::fs::read_to_string(folder.path().join("out")).unwrap();
        assert_eq!(written, out);
    }
    let (code, _, err) = run(&folder, "export a.retake --format jsonl -o no/such/folder");
    assert_eq!(code, 3);
    assert!(
        err.contains("cannot create `no/such/folder`: there is no folder `no/such`"),
        "{err}"
    );
}

#[test]
fn a_diagram_that_is_too_large_is_refused_with_what_to_do() {
    let folder = TempDir::new().unwrap();
    run(&folder, "run recovery/worker_crash --trace a.retake");
    let (code, out, err) = run(&folder, "export a.retake --format mermaid");
    assert_eq!((code, &*out), (2, ""), "{err}");
    assert!(err.contains("choose a part with --from and --to"), "{err}");
    let part = "export a.retake --format mermaid --from 100 --to 150";
    assert_eq!(run(&folder, part).0, 0);
}

#[test]
fn spans_begin_at_the_unix_time_at_which_simulations_begin() {
    let start = retake::SIMULATED_UNIX_START.as_nanos();
    assert_eq!(
        u128::from(retake_inspect::export::otlp::START_UNIX_NS),
        start
    );
}

#[test]
fn a_plan_strikes_one_run_as_it_does_a_campaign_and_the_trace_replays() {
    let folder = TempDir::new().unwrap();
    let plan = "faults = [\"kill ledger @1s\", \"buggify @2s\"]\n";
    std::fs::write(folder.path().join("plan.toml"), plan).unwrap();
    let mut struck = 0;
    for (seed, faults) in [(1, "plan.toml"), (2, "swarm"), (3, "swarm"), (5, "swarm")] {
        let traces = ["a", "b"].map(|name| {
            let seed = seed.to_string();
            let run = ["run", "recovery/chaos", "--seed", &seed, "--trace", name];
            let more = ["--fault", "drain executor @3s", "--faults", faults];
            let arguments = [&run[..], &more].concat();
            let (code, out, err) = told(retake(folder.path(), &arguments));
            assert_eq!(code, 0, "{faults} {seed}: {out}{err}");
            std::fs::read(folder.path().join(name)).unwrap()
        });
        assert!(traces[0] == traces[1], "{faults} {seed}");
        let (code, out, _) = run(&folder, "replay a");
        assert_eq!(code, 0, "{out}");
        let (_, story, _) = run(&folder, "show a");
        let faults = story.matches("FAULT: ").count();
        assert!(story.contains("executor") && faults >= 1, "{story}");
        struck += faults;
    }
    assert!(struck > 8, "{struck}");
}

#[test]
fn a_mistyped_name_is_answered_with_the_one_that_is_near() {
    let folder = recorded();
    for (command, near, list) in [
        ("run recovry/chaos", "recovery/chaos", "`retake list`"),
        ("explore raft", "zoo/raft/buggy", "`retake list`"),
        ("zoo zoo/rft", "zoo/raft", "`retake list`"),
        ("bench ledgr", "ledger", "`retake bench --list`"),
        ("bench http/helth", "http/health", "`retake bench --list`"),
        ("run recovery/chaos --strategy rnadom", "random", "starve"),
        ("explore recovery/chaos --strategy mxi", "mix", "starve"),
        ("run recovery/chaos --strategy pct:dpth=3", "depth", ""),
        ("explore recovery/chaos --faults swrm", "swarm", "TOML file"),
        ("export a.retake --format perfeto", "perfetto", "mermaid"),
        ("debug a.retake --print actrs", "actors", "mailbox NAME"),
        ("debug a.retake --print state --print polo", "pool", ""),
        ("bench --mode liv", "live", ""),
        ("replya a.retake", "replay", ""),
        ("show a.retake --widht 40", "width", ""),
    ] {
        let (code, out, err) = run(&folder, command);
        assert_eq!((code, &*out), (2, ""), "{command}: {err}");
        assert!(err.contains(near) && err.contains(list), "{command}: {err}");
    }
    for (command, fault, near, list) in [
        ("run recovery/chaos --fault", "kil ledger @1s", "kill", ""),
        (
            "bench --fail",
            "break ledgr timeout @0s",
            "ledger",
            "check-in",
        ),
        (
            "bench --fail",
            "break ledger timout @0s",
            "timeout",
            "unavailable",
        ),
    ] {
        let arguments: Vec<&str> = command.split(' ').chain([fault]).collect();
        let (code, _, err) = told(retake(folder.path(), &arguments));
        let near = format!("did you mean `{near}`?");
        assert!(
            code == 2 && err.contains(&near) && err.contains(list),
            "{err}"
        );
    }
}

#[test]
fn help_fits_in_80_columns_and_breaks_no_word() {
    let folder = TempDir::new().unwrap();
    let (code, all, _) = run(&folder, "--help");
    assert_eq!(code, 0);
    let commands = all.lines().skip_while(|line| *line != "Commands:").skip(1);
    let commands = commands.take_while(|line| !line.is_empty());
    let mut names: Vec<&str> = commands
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .collect();
    assert!(names.len() >= 17, "{names:?}");
    names.push("");
    for name in names {
        for option in ["--help", "-h"] {
            let command = format!("{name} {option}");
            let (code, text, err) = run(&folder, command.trim_start());
            assert_eq!((code, &*err), (0, ""), "{command}");
            for line in text.lines() {
                assert!(line.chars().count() <= 80, "{command}: {line}");
            }
        }
    }
}

#[test]
fn at_40_columns_a_story_still_says_what_happened() {
    let folder = recorded();
    let (_, wide, _) = run(&folder, "show a.retake --width 0");
    let (code, narrow, _) = run(&folder, "show a.retake --width 40");
    assert_eq!(code, 0);
    assert_eq!(narrow.lines().count(), wide.lines().count());
    let steps = narrow.lines().skip(3);
    let (mut all, mut useful) = (0, 0);
    for line in steps {
        assert!(line.chars().count() <= 40, "{line}");
        all += 1;
        let what = [
            "handles", "start", "new ", "begins", "FAULT", "PANIC", "resumes",
        ];
        useful += u32::from(what.iter().any(|word| line.contains(word)));
    }
    assert!(useful * 10 >= all * 7, "{useful} of {all} lines: {narrow}");
}
