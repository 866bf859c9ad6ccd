//! `retake bench` from outside: judged, repeated, compared, reported.
#![allow(missing_docs)]

use std::path::Path;
use std::process::{Command, Output};

fn bench(arguments: &[&str], out: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_retake"))
        .arg("bench")
        .args(arguments)
        .arg("--out")
        .arg(out)
        .output()
        .unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// One benchmark of each suite, small.
const SOME: [&str; 7] = [
    "http/pubsub",
    "governor/event_postponement",
    "ledger/write_latency",
    "executor/queue_latency",
    "stress/burst",
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
        assert!(text.ends_with("5 passed, 0 failed\n"), "{text}");
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

/// The costs that come along, with one of them changed.
fn costs(folder: &Path, name: &str, us: f64) -> String {
    let text = std::fs::read_to_string("costs.json").unwrap();
    let mut costs: serde_json::Value = serde_json::from_str(&text).unwrap();
    costs[name] = us.into();
    let file = folder.join(format!("{name}.json"));
    std::fs::write(&file, costs.to_string()).unwrap();
    file.to_str().unwrap().to_owned()
}

#[test]
fn what_is_slowed_down_on_purpose_fails_where_it_is_slow() {
    let folder = tempfile::tempdir().unwrap();
    for (cost, us, failing) in [
        ("append_us", 3_000.0, "ledger/write_latency"),
        ("signal_us", 2_000.0, "governor/signal_processing"),
        ("request_us", 300_000.0, "http/health"),
        ("read_us", 100.0, "ledger/read_performance"),
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
    let slower = costs(folder.path(), "append_us", 4.0);
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
    assert!(page.contains("Beside the baseline") && page.contains("CHANGED"));
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
            "0.05",
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
    let again = bench(
        &["ledger/batch_operations", "--scale", "0.05", "--clean"],
        folder.path(),
    );
    assert_eq!(again.status.code(), Some(0));
    assert!(!folder.path().join("report.html").exists());
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
        (vec!["--costs", "nothing.json"], "cannot read nothing.json"),
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
    assert!(list.lines().all(|line| line.chars().count() <= 100));
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
        text.contains("success                        100.00 %"),
        "{text}"
    );
}
