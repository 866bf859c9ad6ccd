//! `retake bench` from outside: judged, repeated, compared, reported.

use std::path::Path;
use std::process::{Command, Output};

use crate::command::{retake, stderr, stdout};

fn bench(arguments: &[&str], out: &Path) -> Output {
    let out = ["--out", out.to_str().unwrap()];
    retake(Path::new("."), &[&["bench"], arguments, &out].concat())
}

/// One benchmark of each suite, small.
const SOME: [&str; 7] = [
    "http/pubsub",
    "governor/event_postponement",
    "ledger/write_latency",
    "executor/queue_latency",
    "stress/mixed",
    "--scale",
    "0.05",
];

#[test]
fn a_simulated_run_is_the_same_to_the_byte_and_says_how_many_passed() {
    let folder = tempfile::tempdir().unwrap();
    let runs = ["a", "b"].map(|name| {
        let out = folder.path().join(name);
        let output = bench(&[&SOME[..], &["--report"]].concat(), &out);
        let text = stdout(&output);
        assert_eq!(output.status.code(), Some(0), "{text}{}", stderr(&output));
        assert!(text.contains("\n5 passed, 0 failed, "), "{text}");
        std::fs::read(out.join("results.json")).unwrap()
    });
    assert!(runs[0] == runs[1]);
    let json = |seed: &str| {
        stdout(&bench(
            &[
                "governor/concurrent",
                "--scale",
                "0.05",
                "--json",
                "--seed",
                seed,
            ],
            folder.path(),
        ))
    };
    assert_eq!(json("1"), json("1"));
    assert_ne!(json("1"), json("2"));
}

/// What `cargo retake run` simulates as a whole; here it takes a second or two of the real clock.
#[test]
fn a_stress_scenario_runs_as_an_ordinary_program() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = [
        "stress/mixed",
        "--mode",
        "program",
        "--scale",
        "0.01",
        "--json",
    ];
    let output = bench(&arguments, folder.path());
    // A busy machine misses goals on the real clock.
    assert!(
        matches!(output.status.code(), Some(0 | 1)),
        "{}",
        stderr(&output)
    );
    let results: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(results["mode"], "program");
    let figures = results["rows"][0]["measured"]["figures"].as_array();
    let mut figures = figures.unwrap().iter();
    let success = figures.find(|it| it["name"] == "weighted success").unwrap();
    assert_eq!(success["value"], 100.0);
    assert!(results["rows"][0]["event_hash"].is_null());
}

/// The costs that come along, with one of them changed.
fn costs(folder: &Path, name: &str, us: f64) -> String {
    let text = std::fs::read_to_string("costs.json").unwrap();
    let mut costs: serde_json::Value = serde_json::from_str(&text).unwrap();
    costs[name] = serde_json::json!({ "exponential_us": us });
    let file = folder.join(format!("{name}.json"));
    std::fs::write(&file, costs.to_string()).unwrap();
    file.to_str().unwrap().to_owned()
}

#[test]
fn what_is_slowed_down_on_purpose_fails_where_it_is_slow() {
    let folder = tempfile::tempdir().unwrap();
    for (cost, us, failing) in [
        ("append", 3_000.0, "ledger/write_latency"),
        ("signal", 2_000.0, "governor/signal_processing"),
        ("request", 300_000.0, "http/health"),
        ("read", 100.0, "ledger/read_performance"),
    ] {
        let file = costs(folder.path(), cost, us);
        let names = [
            "ledger/write_latency",
            "governor/signal_processing",
            "http/health",
            "ledger/read_performance",
        ];
        let more = ["--scale", "0.02", "--costs", &file];
        let output = bench(&[&names[..], &more].concat(), folder.path());
        let text = stdout(&output);
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(
            text.contains(&format!("FAIL {failing}\n")),
            "{cost}: {text}"
        );
        assert!(text.contains("MISSED"), "{text}");
    }
}

/// The lines of one row: how it ended, its figures and what went wrong.
fn row<'a>(text: &'a str, id: &str) -> Vec<&'a str> {
    let is_row = |line: &&str| line.split_whitespace().nth(1) == Some(id);
    let start = text.lines().position(|line| is_row(&line)).unwrap();
    let lines = text.lines().skip(start);
    let more = lines
        .clone()
        .skip(1)
        .take_while(|it| it.starts_with("    "));
    lines.take(1).chain(more).collect()
}

/// Something is broken on purpose: the right rows fail, the comparison names them and the
/// part that is slow, and the report shows when it was and where the time went.
#[test]
fn what_is_broken_on_purpose_is_found_where_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let names = [
        "ledger/write_latency",
        "governor/signal_processing",
        "executor/pool_throughput",
        "executor/pool_concurrent",
        "http/pubsub",
        "--scale",
        "0.05",
    ];
    let with = |more: &[&str]| bench(&[&names[..], more].concat(), folder.path());
    assert_eq!(with(&["--save-baseline", "good"]).status.code(), Some(0));
    for (failure, failing, untouched, grown) in [
        (
            "break worker slow by 60ms @0s",
            &["executor/pool_throughput"][..],
            &["ledger/write_latency", "governor/signal_processing"][..],
            ("http/pubsub", "work of actions"),
        ),
        (
            "break ledger slow by 2ms @0s",
            &["ledger/write_latency"],
            &["executor/pool_throughput", "executor/pool_concurrent"],
            ("http/pubsub", "ledger"),
        ),
        (
            "break check-in unavailable rate 20% @0s",
            &["executor/pool_throughput", "executor/pool_concurrent"],
            &["ledger/write_latency", "governor/signal_processing"],
            ("executor/pool_concurrent", "wait for a worker"),
        ),
    ] {
        let output = with(&["--fail", failure, "--baseline", "good", "--report"]);
        let text = stdout(&output);
        assert_eq!(output.status.code(), Some(1), "{failure}: {text}");
        assert!(text.contains(&format!("fails on purpose: {failure}\n")));
        for id in failing {
            assert!(row(&text, id)[0].starts_with("FAIL"), "{failure}: {text}");
            assert!(text.contains(&format!("CHANGED   {id}\n")), "{text}");
        }
        for id in untouched {
            assert!(row(&text, id)[0].starts_with("PASS"), "{failure}: {text}");
            assert!(text.contains(&format!("SAME      {id}\n")), "{text}");
        }
        let (id, part) = grown;
        let compared = text.split(&format!("CHANGED   {id}\n")).nth(1).unwrap();
        let named = format!("it takes longer in: {part}, ");
        let named = compared
            .lines()
            .take_while(|it| it.starts_with(' '))
            .any(|it| it.contains(&named));
        assert!(named, "{failure}: {text}");
        let page = std::fs::read_to_string(folder.path().join("report.html")).unwrap();
        assert!(page.contains(&format!("Fails on purpose: <code>{failure}</code>")));
        assert!(
            page.contains(&format!("it takes longer in: {part}, ")),
            "{failure}"
        );
        let summary = std::fs::read_to_string(folder.path().join("summary.md")).unwrap();
        assert!(
            summary.contains(&format!("- **CHANGED** {}", failing[0])),
            "{summary}"
        );
        let junit = std::fs::read_to_string(folder.path().join("junit.xml")).unwrap();
        assert!(junit.contains("CHANGED"), "{junit}");
    }
}

#[test]
fn a_failure_for_a_while_is_marked_on_the_report_and_over_before_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let failure = "break ingress unavailable rate 50% @2s until 4s";
    let more = [
        "stress/recovery",
        "--scale",
        "0.1",
        "--report",
        "--fail",
        failure,
    ];
    let output = bench(&more, folder.path());
    assert_eq!(output.status.code(), Some(0), "{}", stdout(&output));
    let page = std::fs::read_to_string(folder.path().join("report.html")).unwrap();
    for mark in ["ingress unavailable", "end of ingress unavailable", "spike"] {
        // One in the chart of each series; drawn texts are lines of their own.
        let found = page.lines().filter(|line| *line == mark).count();
        assert!(found >= 3, "{mark}: {found}");
    }
    let results = std::fs::read_to_string(folder.path().join("results.json")).unwrap();
    let results: serde_json::Value = serde_json::from_str(&results).unwrap();
    assert_eq!(results["failures"][0], failure);
    let series = results["rows"][0]["measured"]["series"].as_array().unwrap();
    let failed = series.iter().find(|it| it["name"] == "failed").unwrap();
    let at = |second: usize| failed["points"][second][1].as_f64().unwrap();
    assert!(at(2) > 0.0 && at(3) > 0.0, "{failed}");
    // The failure's time counts from the server's start, a moment before the load's.
    assert_eq!([at(0), at(4), at(5), at(6)], [0.0; 4], "{failed}");
}

#[test]
fn what_takes_too_long_is_given_up_and_counts_as_failed() {
    let folder = tempfile::tempdir().unwrap();
    let output = bench(&["stress/ramp_up", "--timeout", "1"], folder.path());
    let text = stdout(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("it did not end within 2s"), "{text}");
    assert!(text.ends_with("0 passed, 1 failed, 0 alerts\n"), "{text}");
}

#[test]
fn the_environment_can_say_what_the_command_line_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let run = |more: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_retake"))
            .arg("bench")
            .args(more)
            .env(
                "RETAKE_BENCH_NAMES",
                "governor/concurrent ledger/write_latency",
            )
            .env("RETAKE_BENCH_SCALE", "0.02")
            .env("RETAKE_BENCH_SEED", "7")
            .env("RETAKE_BENCH_OUT", folder.path())
            .env("RETAKE_BENCH_REPORT", "1")
            .env("RETAKE_BENCH_MODE", "sim")
            .output()
            .unwrap();
        // Whether it is fast enough here is not for a test to say.
        assert!(output.status.code() <= Some(1), "{}", stderr(&output));
        stdout(&output)
    };
    let text = run(&[]);
    assert!(
        text.starts_with("2 benchmarks, sim, scale 0.02, seed 7:"),
        "{text}"
    );
    assert!(folder.path().join("report.html").exists());
    let text = run(&["--seed", "8", "--live", "ledger/read_performance"]);
    assert!(
        text.starts_with("1 benchmark, live, scale 0.02\n"),
        "{text}"
    );
}

#[test]
fn a_table_has_eighty_columns() {
    let folder = tempfile::tempdir().unwrap();
    let names = ["governor", "ledger", "executor", "stress/mixed"];
    let more = ["--scale", "0.02", "--verbose"];
    let text = stdout(&bench(&[&names[..], &more].concat(), folder.path()));
    assert!(text.contains("most of the time ("), "{text}");
    for line in text.lines() {
        assert!(line.chars().count() <= 80, "{line}");
    }
}

#[test]
fn a_baseline_shows_what_has_changed_since() {
    let folder = tempfile::tempdir().unwrap();
    let names = [
        "ledger/write_latency",
        "executor/action_execution",
        "--scale",
        "0.05",
    ];
    let with = |more: &[&str]| bench(&[&names[..], more].concat(), folder.path());
    let kept = with(&["--save-baseline", "main"]);
    assert_eq!(kept.status.code(), Some(0), "{}", stderr(&kept));
    let same = with(&["--baseline", "main"]);
    assert_eq!(same.status.code(), Some(0));
    assert!(
        stdout(&same).contains("SAME      ledger/write_latency\n"),
        "{}",
        stdout(&same)
    );
    let slower = costs(folder.path(), "append", 4.0);
    let changed = with(&["--baseline", "main", "--costs", &slower, "--report"]);
    let text = stdout(&changed);
    assert_eq!(changed.status.code(), Some(1));
    assert!(text.contains("CHANGED   ledger/write_latency"), "{text}");
    assert!(text.contains("write (memory) p99: "), "{text}");
    assert!(text.contains("  first divergence at step "), "{text}");
    assert!(
        text.contains("SAME      executor/action_execution"),
        "{text}"
    );
    let page = std::fs::read_to_string(folder.path().join("report.html")).unwrap();
    assert!(page.contains("Compared with the baseline") && page.contains("CHANGED"));
    let trace = folder
        .path()
        .join("baselines/main.traces/ledger-write_latency.retake");
    std::fs::remove_file(trace).unwrap();
    let changed = with(&["--baseline", "main", "--costs", &slower]);
    let text = stdout(&changed);
    assert!(text.contains("first divergence is not known: "), "{text}");
    for (more, what) in [
        (vec!["--baseline", "nothing"], "the baseline"),
        (vec!["--baseline", "../main"], "is no name for a baseline"),
        (vec!["--baseline", "main", "--seed", "9"], "has the seed 0"),
        (
            vec!["--baseline", "main", "--save-baseline", "main"],
            "have one name",
        ),
        (
            vec!["--baseline", "main", "--scale", "0.04"],
            "cannot be used multiple times",
        ),
    ] {
        let output = with(&more);
        assert_eq!(output.status.code(), Some(2), "{more:?}");
        assert!(
            stderr(&output).contains(what),
            "{more:?}: {}",
            stderr(&output)
        );
    }
}

#[test]
fn reports_are_written_and_the_page_needs_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let output = bench(
        &[
            "stress/ramp_up",
            "ledger/batch_operations",
            "--scale",
            "0.02",
            "--report",
        ],
        folder.path(),
    );
    assert_eq!(output.status.code(), Some(0), "{}", stdout(&output));
    let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
    assert!(read("junit.xml").contains("<testcase classname=\"stress\" name=\"ramp_up\""));
    assert!(read("summary.md").contains("| PASS | ledger/batch_operations |"));
    let machine: serde_json::Value = serde_json::from_str(&read("machine.json")).unwrap();
    assert!(
        machine["rows"]["stress/ramp_up"]["took_s"]
            .as_f64()
            .unwrap()
            > 0.0
    );
    let page = read("report.html");
    assert!(page.contains("<svg role=\"img\""));
    for link in ["http://", "https://", "<script", "<link", "@import", "url("] {
        let links = page.matches(link).count()
            - page.matches("http://www.w3.org/2000/svg").count() * usize::from(link == "http://");
        assert_eq!(links, 0, "{link}");
    }
    assert!(read("logs/ledger.log").contains("PASS    ledger/batch_operations"));
    assert!(read("summary.md").contains("| stress/ramp_up | "));
    let again = bench(
        &["ledger/batch_operations", "--scale", "0.05", "--clean"],
        folder.path(),
    );
    assert_eq!(again.status.code(), Some(0));
    assert!(!folder.path().join("report.html").exists());
    assert!(!folder.path().join("logs/ledger.log").exists());
    let archived = std::fs::read_dir(folder.path().join("archive")).unwrap();
    let archived: Vec<_> = archived.map(|it| it.unwrap().path()).collect();
    assert_eq!(archived.len(), 1);
    assert!(archived[0].join("report.html").exists());
    assert!(archived[0].join("logs/stress.log").exists());
}

#[test]
fn mistakes_are_named() {
    let folder = tempfile::tempdir().unwrap();
    for (arguments, what) in [
        (vec!["nothing"], "no benchmark or suite `nothing`"),
        (vec!["--scale", "2"], "must be above 0 and at most 1"),
        (vec!["--scale", "x"], "must be above 0 and at most 1"),
        (vec!["--live", "--sim"], "cannot be used with"),
        (vec!["--timeout", "0"], "--timeout"),
        (
            vec!["--costs", "nothing.json"],
            "cannot open `nothing.json`",
        ),
        (
            vec!["--fail", "break disk timeout @0s"],
            "no service `disk`",
        ),
        (
            vec!["--fail", "ledger:timeout"],
            "write a fault, such as `break ledger",
        ),
    ] {
        let output = bench(&arguments, folder.path());
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(
            stderr(&output).contains(what),
            "{arguments:?}: {}",
            stderr(&output)
        );
    }
    let list = stdout(&bench(&["--list"], folder.path()));
    assert_eq!(list.lines().count(), 31, "{list}");
    assert!(list.lines().all(|line| line.chars().count() <= 94));
}

#[test]
fn a_live_benchmark_runs_against_a_server_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let output = bench(
        &[
            "http/pubsub",
            "ledger/read_performance",
            "--live",
            "--scale",
            "0.1",
            "--verbose",
        ],
        folder.path(),
    );
    let text = stdout(&output);
    // Whether it is fast enough here is not for a test to say.
    assert!(
        text.contains("http/pubsub") && text.contains("throughput"),
        "{text}{}",
        stderr(&output)
    );
    assert!(text.contains("client's share of processor"), "{text}");
    assert!(
        text.contains("success                              100.00 %"),
        "{text}"
    );
}

#[cfg(unix)]
#[test]
fn ctrl_c_keeps_what_was_measured_and_exits_with_130() {
    use std::io::{BufRead as _, BufReader, Read as _};
    let folder = tempfile::tempdir().unwrap();
    let mut bench = std::process::Command::new(env!("CARGO_BIN_EXE_retake"))
        .args([
            "bench",
            "ledger/read_performance",
            "governor",
            "stress",
            "--report",
            "--out",
            ".",
        ])
        .current_dir(folder.path())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let mut out = BufReader::new(bench.stdout.take().unwrap());
    let mut text = String::new();
    // The first row is there, and many are not.
    while !text.contains("event hash") {
        assert!(out.read_line(&mut text).unwrap() > 0, "{text}");
    }
    let sent = std::process::Command::new("kill")
        .args(["-INT", &bench.id().to_string()])
        .status();
    assert!(sent.unwrap().success());
    out.read_to_string(&mut text).unwrap();
    assert_eq!(bench.wait().unwrap().code(), Some(130), "{text}");
    assert!(text.contains("stopped after "), "{text}");
    let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
    let results: serde_json::Value = serde_json::from_str(&read("results.json")).unwrap();
    let rows = results["rows"].as_array().unwrap().len();
    assert!((1..13).contains(&rows), "{rows}");
    assert!(read("report.html").contains("governor") || rows == 1);
}
