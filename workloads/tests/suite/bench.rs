//! `retake bench` from outside: judged, repeated, compared, reported.

use crate::command::{Folder, Outcome, parse};

fn bench(folder: &Folder, arguments: &str) -> Outcome {
    folder.run(format!("bench {arguments} --out ."))
}

#[test]
fn a_simulated_run_is_the_same_to_the_byte_and_says_how_many_passed() {
    let folder = Folder::new();
    // One benchmark of each suite, small.
    let some = "http/pubsub governor/event_postponement ledger/write_latency \
                executor/queue_latency stress/mixed --scale 0.05";
    let runs = ["a", "b"].map(|out| {
        let run = folder.run(format!("bench {some} --report --out {out}"));
        run.ends(0).says("\n5 passed, 0 failed, ");
        folder.bytes(&format!("{out}/results.json"))
    });
    assert!(runs[0] == runs[1]);
    let concurrent = "governor/concurrent --scale 0.05 --json --seed";
    let json = |seed: u32| bench(&folder, &format!("{concurrent} {seed}")).out;
    assert_eq!(json(1), json(1));
    assert_ne!(json(1), json(2));
}

/// What `cargo retake run` simulates as a whole; here it takes a second or two of the real clock.
#[test]
fn a_stress_scenario_runs_as_an_ordinary_program() {
    let program = "stress/mixed --mode program --scale 0.01 --json";
    // A busy machine misses goals on the real clock.
    let results = bench(&Folder::new(), program).runs().json();
    assert_eq!(results["mode"], "program");
    let figures = results["rows"][0]["measured"]["figures"].as_array();
    let mut figures = figures.unwrap().iter();
    let success = figures.find(|it| it["name"] == "weighted success").unwrap();
    assert_eq!(success["value"], 100.0);
    assert!(results["rows"][0]["event_hash"].is_null());
}

/// The costs that come along, with one of them changed, as a file.
fn write_costs(folder: &Folder, name: &str, us: f64) {
    let mut costs = parse(include_str!("../../costs.json"));
    costs[name] = serde_json::json!({ "exponential_us": us });
    folder.write("slower.json", costs.to_string());
}

#[test]
fn what_is_slowed_down_on_purpose_fails_where_it_is_slow() {
    let folder = Folder::new();
    let names = "ledger/write_latency governor/signal_processing http/health \
                 ledger/read_performance";
    for (cost, us, failing) in [
        ("append", 3_000.0, "ledger/write_latency"),
        ("signal", 2_000.0, "governor/signal_processing"),
        ("request", 300_000.0, "http/health"),
        ("read", 100.0, "ledger/read_performance"),
    ] {
        write_costs(&folder, cost, us);
        let slow = bench(
            &folder,
            &format!("{names} --scale 0.02 --costs slower.json"),
        );
        let slow = slow.ends(1).says("MISSED");
        slow.says(&format!("FAIL {failing}\n"));
    }
}

/// How a row ended.
fn row<'a>(text: &'a str, id: &str) -> &'a str {
    let is_row = |line: &&str| line.split_whitespace().nth(1) == Some(id);
    text.lines().find(is_row).unwrap()
}

/// Something is broken on purpose: the right rows fail, the comparison names them and the
/// part that is slow, and the report shows when it was and where the time went.
#[test]
fn what_is_broken_on_purpose_is_found_where_it_is() {
    let folder = Folder::new();
    let names = "ledger/write_latency governor/signal_processing executor/pool_throughput \
                 executor/pool_concurrent http/pubsub --scale 0.05";
    bench(&folder, &format!("{names} --save-baseline good")).ends(0);
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
        let more = format!("--fail '{failure}' --baseline good --report");
        let mut broken = bench(&folder, &format!("{names} {more}")).ends(1);
        broken = broken.says(&format!("fails on purpose: {failure}\n"));
        for (ids, verdict, compared) in [
            (failing, "FAIL", "CHANGED  "),
            (untouched, "PASS", "SAME     "),
        ] {
            for id in ids {
                assert!(row(&broken.out, id).starts_with(verdict), "{broken}");
                broken = broken.says(&format!("{compared} {id}\n"));
            }
        }
        let (id, part) = grown;
        let named = format!("it takes longer in: {part}, ");
        let compared = broken
            .out
            .split(&format!("CHANGED   {id}\n"))
            .nth(1)
            .unwrap();
        let mut compared = compared.lines().take_while(|it| it.starts_with(' '));
        assert!(compared.any(|it| it.contains(&named)), "{broken}");
        let page = folder.text("report.html");
        assert!(page.contains(&format!("Fails on purpose: <code>{failure}</code>")));
        assert!(page.contains(&named), "{failure}");
        let summary = folder.text("summary.md");
        assert!(
            summary.contains(&format!("- **CHANGED** {}", failing[0])),
            "{summary}"
        );
        assert!(folder.text("junit.xml").contains("CHANGED"), "{failure}");
    }
}

#[test]
fn a_failure_for_a_while_is_marked_on_the_report_and_over_before_the_end() {
    let folder = Folder::new();
    let failure = "break ingress unavailable rate 50% @2s until 4s";
    let recovery = format!("stress/recovery --scale 0.1 --report --fail '{failure}'");
    bench(&folder, &recovery).ends(0);
    let page = folder.text("report.html");
    for mark in ["ingress unavailable", "end of ingress unavailable", "spike"] {
        // One in the chart of each series; drawn texts are lines of their own.
        let found = page.lines().filter(|line| *line == mark).count();
        assert!(found >= 3, "{mark}: {found}");
    }
    let results = folder.json("results.json");
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
    let late = bench(&Folder::new(), "stress/ramp_up --timeout 1").ends(1);
    let late = late.says("it did not end within 2s");
    assert!(
        late.out.ends_with("0 passed, 1 failed, 0 alerts\n"),
        "{late}"
    );
}

#[test]
fn the_environment_can_say_what_the_command_line_does_not() {
    let folder = Folder::new();
    let run = |more: &str| {
        let names = "governor/concurrent ledger/write_latency";
        let mut command = folder.command(&format!("bench {more}"));
        let settings = [
            ("NAMES", names),
            ("SCALE", "0.02"),
            ("SEED", "7"),
            ("OUT", "out"),
            ("REPORT", "1"),
            ("MODE", "sim"),
        ];
        let settings = settings.map(|(name, value)| (format!("RETAKE_BENCH_{name}"), value));
        // Whether it is fast enough here is not for a test to say.
        Outcome::of(command.envs(settings)).runs()
    };
    run("").starts("2 benchmarks, sim, scale 0.02, seed 7:");
    assert!(folder.has("out/report.html"));
    let live = run("--seed 8 --live ledger/read_performance");
    live.starts("1 benchmark, live, scale 0.02\n");
}

#[test]
fn a_table_has_eighty_columns() {
    let names = "governor ledger executor stress/mixed --scale 0.02 --verbose";
    let table = bench(&Folder::new(), names).fits(80);
    table.says("most of the time (");
}

#[test]
fn a_baseline_shows_what_has_changed_since() {
    let folder = Folder::new();
    let names = "ledger/write_latency executor/action_execution --scale 0.05";
    let with = |more: &str| bench(&folder, &format!("{names} {more}"));
    with("--save-baseline main").ends(0);
    let same = with("--baseline main").ends(0);
    same.says("SAME      ledger/write_latency\n");
    write_costs(&folder, "append", 4.0);
    let changed = with("--baseline main --costs slower.json --report").ends(1);
    let changed = changed.says("CHANGED   ledger/write_latency");
    let changed = changed.says("write (memory) p99: ");
    let changed = changed.says("  first divergence at step ");
    changed.says("SAME      executor/action_execution");
    let page = folder.text("report.html");
    assert!(page.contains("Compared with the baseline") && page.contains("CHANGED"));
    let trace = folder.at("baselines/main.traces/ledger-write_latency.retake");
    std::fs::remove_file(trace).unwrap();
    let changed = with("--baseline main --costs slower.json");
    changed.says("first divergence is not known: ");
    for (more, what) in [
        ("--baseline nothing", "the baseline"),
        ("--baseline ../main", "is no name for a baseline"),
        ("--baseline main --seed 9", "has the seed 0"),
        ("--baseline main --save-baseline main", "have one name"),
        (
            "--baseline main --scale 0.04",
            "cannot be used multiple times",
        ),
    ] {
        with(more).ends(2).complains(what);
    }
}

#[test]
fn reports_are_written_and_the_page_needs_nothing_else() {
    let folder = Folder::new();
    bench(
        &folder,
        "stress/ramp_up ledger/batch_operations --scale 0.02 --report",
    )
    .ends(0);
    let page = folder.text("report.html");
    assert!(page.contains("<svg role=\"img\""));
    let foreign = page.replace("http://www.w3.org/2000/svg", "");
    for link in ["http://", "https://", "<script", "<link", "@import", "url("] {
        assert!(!foreign.contains(link), "{link}");
    }
    for (file, part) in [
        (
            "junit.xml",
            "<testcase classname=\"stress\" name=\"ramp_up\"",
        ),
        ("summary.md", "| PASS | ledger/batch_operations |"),
        ("summary.md", "| stress/ramp_up | "),
        ("logs/ledger.log", "PASS    ledger/batch_operations"),
    ] {
        assert!(folder.text(file).contains(part), "{file}: {part}");
    }
    let machine = folder.json("machine.json");
    let took_s = machine["rows"]["stress/ramp_up"]["took_s"].as_f64();
    assert!(took_s > Some(0.0));
    bench(&folder, "ledger/batch_operations --scale 0.05 --clean").ends(0);
    assert!(!folder.has("report.html") && !folder.has("logs/ledger.log"));
    let archived = std::fs::read_dir(folder.at("archive")).unwrap();
    let archived: Vec<_> = archived.map(|it| it.unwrap().path()).collect();
    assert_eq!(archived.len(), 1);
    assert!(archived[0].join("report.html").exists());
    assert!(archived[0].join("logs/stress.log").exists());
}

#[test]
fn mistakes_are_named() {
    let folder = Folder::new();
    folder.refuses(
        2,
        &[
            "bench nothing => no benchmark or suite `nothing`",
            "bench --scale 2 => must be above 0 and at most 1",
            "bench --scale x => must be above 0 and at most 1",
            "bench --live --sim => cannot be used with",
            "bench --timeout 0 => --timeout",
            "bench --costs nothing.json => cannot open `nothing.json`",
            "bench --fail 'break disk timeout @0s' => no service `disk`",
            "bench --fail ledger:timeout => write a fault, such as `break ledger",
        ],
    );
    let list = bench(&folder, "--list").fits(94).out;
    assert_eq!(list.lines().count(), 31, "{list}");
}

#[test]
fn a_live_benchmark_runs_against_a_server_of_its_own() {
    let names = "http/pubsub ledger/read_performance --live --scale 0.1 --verbose";
    // Whether it is fast enough here is not for a test to say.
    let live = bench(&Folder::new(), names).says("http/pubsub");
    let live = live.says("throughput").says("client's share of processor");
    live.says("success                              100.00 %");
}

#[cfg(unix)]
#[test]
fn ctrl_c_keeps_what_was_measured_and_exits_with_130() {
    use std::io::{BufRead as _, BufReader, Read as _};
    let folder = Folder::new();
    let mut bench = folder.start("bench ledger/read_performance governor stress --report --out .");
    let mut out = BufReader::new(bench.stdout.take().unwrap());
    let mut text = String::new();
    // The first row is there, and many are not.
    while !text.contains("event hash") {
        assert!(out.read_line(&mut text).unwrap() > 0, "{text}");
    }
    crate::command::signal("-INT", bench.id());
    out.read_to_string(&mut text).unwrap();
    assert_eq!(bench.wait().unwrap().code(), Some(130), "{text}");
    assert!(text.contains("stopped after "), "{text}");
    let results = folder.json("results.json");
    let rows = results["rows"].as_array().unwrap().len();
    assert!((1..13).contains(&rows), "{rows}");
    assert!(folder.text("report.html").contains("governor") || rows == 1);
}
