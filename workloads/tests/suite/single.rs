//! Commands that run one case: each run has a process of its own, and Ctrl-C ends it.

use crate::command::Folder;
use serde_json::Value;

fn run(folder: &Folder, arguments: &str) -> Value {
    folder.run(format!("run {arguments} --json")).runs().json()
}

#[test]
fn a_run_is_the_one_that_a_campaign_has_of_its_seed() {
    let folder = Folder::new();
    let mut failed = 0;
    // A static that a seed draws, the order of a map by ids of actors, and drawn faults.
    for (scenario, strategy, faults, seeds) in [
        ("canary/lazy", "random", "none", 0..8),
        ("canary/leases", "random", "none", 0..4),
        ("recovery/chaos", "pos", "swarm", 195..199),
    ] {
        for seed in seeds {
            let settings = format!("{scenario} --strategy {strategy} --faults {faults}");
            // Without other seeds and the plain run.
            let alone = "--keep-going --no-shrink --json --check-determinism 0";
            let explore = format!("explore {settings} --seeds {seed}..={seed} {alone}");
            let found = folder.run(explore).json();
            let ran = run(&folder, &format!("{settings} --seed {seed}"));
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
    let folder = Folder::new();
    let mut had_buggify = false;
    for seed in 195..203 {
        let more = "--states --faults swarm --trace a.retake";
        folder.run(format!("run recovery/chaos --seed {seed} {more}"));
        let verified = folder.run("verify a.retake --json").out;
        had_buggify |= verified.contains("\"buggify @step 1\"");
        folder.run("replay a.retake").says("identical: ");
        folder
            .run("replay a.retake --from-seed")
            .says("identical: ");
    }
    assert!(had_buggify);
}

#[test]
fn two_traces_of_a_program_with_statics_are_the_same_bytes() {
    let folder = Folder::new();
    for scenario in ["canary/lazy", "canary/leases", "zoo/raft/buggy"] {
        let bytes = ["a.retake", "b.retake"].map(|trace| {
            folder.run(format!("run {scenario} --seed 3 --states --trace {trace}"));
            folder.bytes(trace)
        });
        assert!(bytes[0] == bytes[1], "{scenario}");
        folder.run("replay a.retake").ends(0);
    }
}

#[test]
fn what_a_scenario_prints_stays_out_of_json() {
    let folder = Folder::new();
    folder.run("run canary/print --seed 1 --trace a.retake");
    for command in [
        "run canary/print --seed 1 --json",
        "replay a.retake --json",
        "explore canary/print --exhaustive --json",
        "explore canary/print --exhaustive --json --isolation shared",
    ] {
        folder.run(command).complains("line 2 of the canary").json();
    }
}

#[test]
fn a_run_that_aborts_ends_its_process_and_not_the_command() {
    let folder = Folder::new();
    let found = folder.run("explore canary/abort --no-shrink --json").json();
    let settings = settings(&found);
    let ran = run(
        &folder,
        &format!("canary/abort {settings} --trace a.retake"),
    );
    assert_eq!(ran["outcome"]["kind"], "lost", "{ran}");
    folder.run("show a.retake").says("SIGABRT");
}

/// The seed and the strategy of the first failure of a campaign.
fn settings(found: &Value) -> String {
    let case = &found["failures"][0]["case"];
    let strategy = case["strategy"].as_str().unwrap();
    format!("--seed {} --strategy {strategy}", case["seed"])
}

#[test]
fn of_a_run_that_passes_nothing_is_explained() {
    let folder = Folder::new();
    run(&folder, "zoo/bank/fixed --trace a.retake");
    let why = folder.run("why a.retake").ends(0);
    why.prints("passed\nnothing failed: there is nothing to explain\n");
}

/// They look into `/proc` to know when to interrupt.
#[cfg(target_os = "linux")]
mod interrupted {
    use std::path::Path;
    use std::process::Child;

    use super::settings;
    use crate::command::{Folder, Outcome, signal};
    use retake_traces::{Header, RunConfig, Sink as _, TraceReader, TraceWriter};

    fn wait_until(child: &mut Child, is_so: impl Fn() -> bool) {
        while !is_so() {
            assert_eq!(child.try_wait().unwrap(), None, "it ended before");
            std::thread::yield_now();
        }
    }

    /// Wait until something is so, and interrupt the command.
    fn interrupted(mut child: Child, is_so: impl Fn() -> bool) -> Outcome {
        wait_until(&mut child, is_so);
        signal("-INT", child.id());
        Outcome::of_child(child).ends(130)
    }

    /// Interrupt a command while it runs a case.
    fn interrupted_in_run(folder: &Folder, line: &str) -> Outcome {
        let child = folder.start(line);
        let id = child.id();
        interrupted(child, || has_run(id))
    }

    /// The processes that threads of this process have started.
    fn children(of: &str) -> String {
        let tasks = std::fs::read_dir(format!("/proc/{of}/task"));
        let tasks = tasks.into_iter().flatten().flatten();
        let children = tasks.map(|it| std::fs::read_to_string(it.path().join("children")));
        children.flatten().collect()
    }

    /// Whether a process has a child process that has one in turn: a worker's run.
    fn has_run(of: u32) -> bool {
        let workers = children(&of.to_string());
        let mut workers = workers.split_whitespace();
        workers.any(|worker| !children(worker).trim().is_empty())
    }

    /// As `timeout` sends them: to the process and to its group, in a row.
    #[test]
    fn two_signals_in_a_row_are_one_request_to_stop() {
        let folder = Folder::new();
        let explore = "explore zoo/raft/buggy --seeds 0..10000000 --keep-going --out found.json";
        let mut child = folder.start(explore);
        let id = child.id();
        wait_until(&mut child, || has_run(id));
        let twice = folder
            .shell(&format!("kill -INT {id}; kill -INT {id}"))
            .status();
        assert!(twice.unwrap().success());
        let stopped = Outcome::of_child(child).ends(130);
        stopped.complains("stopping; once more ends at once");
        assert!(folder.has("found.json"));
    }

    #[test]
    fn a_run_that_is_interrupted_leaves_the_part_of_its_trace() {
        let folder = Folder::new();
        let child = folder.start("run stress/steady_state --trace a.retake");
        let part = folder.at("a.retake.partial");
        // Some blocks are in the file by then.
        let has_begun = || std::fs::metadata(&part).is_ok_and(|it| it.len() > 300_000);
        let stopped = interrupted(child, has_begun).says("interrupted after ");
        stopped.says("a.retake.partial");
        assert!(!folder.has("a.retake"));
        folder.run("show a.retake.partial --to 50").says("entitle");
    }

    /// A trace whose replay from the seed hangs: that of a run that passed, with other settings.
    fn forge_hanging_trace(folder: &Folder, settings: &str) {
        let run = "run canary/hang --strategy fifo --trace passed.retake";
        folder.run(run).ends(0);
        let reader = TraceReader::open(folder.at("passed.retake")).unwrap();
        let words: Vec<&str> = settings.split(' ').collect();
        let header = Header {
            config: RunConfig {
                seed: words[1].parse().unwrap(),
                strategy: words[3].parse().unwrap(),
                ..reader.header().config.clone()
            },
            ..reader.header().clone()
        };
        let mut writer = TraceWriter::create(folder.at("forged.retake"), &header).unwrap();
        for record in reader {
            writer.record(&record.unwrap()).unwrap();
        }
        writer.finish().unwrap();
    }

    #[test]
    fn a_command_whose_run_hangs_can_be_interrupted() {
        let folder = Folder::new();
        let explore = "explore canary/hang --seed-timeout 1s --no-shrink --json";
        let settings = settings(&folder.run(explore).json());
        forge_hanging_trace(&folder, &settings);
        let cases = std::fs::read_dir(folder.at("retake-cases/canary-hang"));
        let case = cases.unwrap().next().unwrap().unwrap().path();
        std::fs::copy(case, folder.at("case.json")).unwrap();
        for command in [
            &*format!("run canary/hang {settings}"),
            "shrink case.json -o small.json",
            "why case.json",
            "replay case.json",
            "replay forged.retake --from-seed",
            "export case.json --format jsonl -o made.jsonl",
            "view case.json -o made.html",
            "view case.json --serve",
            "debug case.json --print why",
            "debug forged.retake --print why",
        ] {
            let stopped = interrupted_in_run(&folder, command);
            let text = stopped.out + &stopped.err;
            assert!(text.contains("interrupted "), "{command}: {text}");
        }
        for file in ["small.json", "made.jsonl", "made.html"] {
            assert!(!folder.has(file), "{file}");
        }
    }

    #[test]
    fn a_search_that_is_interrupted_says_what_it_has_found() {
        let folder = Folder::new();
        // Within one program of the zoo.
        let zoo = interrupted_in_run(&folder, "zoo zoo/raft --campaigns 100000");
        zoo.says("Schedules to the first failure");
        let search = interrupted_in_run(&folder, "explore control/readers --exhaustive");
        search.says("there are more");
    }

    /// As in a terminal, its server gets the signal as well.
    #[test]
    fn a_calibration_that_is_interrupted_leaves_the_costs_that_were_there_and_no_server() {
        use std::os::unix::process::CommandExt as _;
        use std::process::Stdio;
        for is_for_group in [false, true] {
            let folder = Folder::new();
            folder.write("costs.json", "as it was");
            let mut calibrate = folder.command("calibrate");
            calibrate.process_group(0);
            calibrate.stdout(Stdio::piped()).stderr(Stdio::piped());
            let child = calibrate.spawn().unwrap();
            let id = child.id().to_string();
            let mut server = String::new();
            while server.is_empty() {
                server = children(&id);
                std::thread::yield_now();
            }
            signal("-INT", if is_for_group { format!("-{id}") } else { id });
            let stopped = Outcome::of_child(child).ends(130);
            let text = stopped.out + &stopped.err;
            assert!(text.contains("costs.json is as it was"), "{text}");
            assert_eq!(folder.text("costs.json"), "as it was");
            assert_eq!(folder.names(), ["costs.json"]);
            let server = format!("/proc/{}", server.trim());
            assert!(!Path::new(&server).exists(), "its server still runs");
        }
    }

    #[test]
    fn a_calibration_that_is_interrupted_while_it_is_checked_keeps_what_was_measured() {
        let folder = Folder::new();
        let costs = folder.at("costs.json");
        let child = folder.start("calibrate --check-scale 1");
        let stopped = interrupted(child, || costs.exists());
        let text = stopped.out + &stopped.err;
        assert!(text.contains("not all benchmarks were run"), "{text}");
        let costs = folder.json("costs.json");
        assert!(costs["commit"].is_object(), "{costs}");
    }
}
