//! The `retake` command as its users meet it: output, errors, exit codes.

use retake_testkit::traces::small::write_empty;

use crate::command::{Folder, Outcome, parse};

fn recorded() -> Folder {
    let folder = Folder::new();
    let run = folder.run("run recovery/one_action --seed 5 --trace a.retake");
    run.succeeds();
    folder
}

#[test]
fn wrong_usage_exits_with_2_and_says_what_to_do() {
    let folder = Folder::new();
    folder.refuses(
        2,
        &[
            " => Usage: retake <COMMAND>",
            "run => <SCENARIO>",
            "run nosuch => this program has no scenario `nosuch`; see `retake list`",
            "run recovery/one_action --seed x => invalid value 'x' for '--seed <SEED>'",
            "run recovery/one_action --strategy chaos => write fifo, random, pct",
            "run recovery/one_action --horizon 5 => lacks a unit",
            "run recovery/one_action --horizon 0s => must be above zero",
            "run recovery/one_action --step-limit 0 => 0 is not in 1..",
            "run recovery/one_action --fault kill => kill",
            "run recovery/one_action --faults no.toml => cannot read the fault plan `no.toml`",
            "run recovery/one_action --schedule-only => --trace",
            "show a --from 2 --to 1 => --from 2 is after --to 1",
            "export a --format mermaid --from 2 --to 1 => --from 2 is after --to 1",
            "export a --format dot => one of perfetto, mermaid, shiviz, otlp, jsonl",
        ],
    );
    // A trace of another program.
    write_empty(folder.path(), "a", "other/program");
    folder.refuses(
        2,
        &["replay a => this program has no scenario `other/program`"],
    );
}

#[test]
fn a_file_that_is_no_good_exits_with_3_on_every_command() {
    let folder = recorded();
    let good = folder.bytes("a.retake");
    let last = good.len() - 1;
    let (mut flipped, mut bad_end) = (good.clone(), good.clone());
    flipped[good.len() / 2] ^= 0x10;
    bad_end[last] ^= 1;
    let files: [(&str, &[u8], &str); 4] = [
        ("flipped", &flipped, "is damaged at byte"),
        ("bad-end", &bad_end, "is damaged at byte"),
        ("cut", &good[..last], "ends after byte"),
        ("text", b"not a trace", "is not a Retake trace"),
    ];
    for (name, bytes, expected) in files {
        folder.write(name, bytes);
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
            let refused = folder.run(command.replace('X', name)).ends(3);
            let refused = refused.complains(expected);
            assert!(refused.err.starts_with("error: "), "{refused}");
            assert!(!folder.has("out"), "{refused}");
        }
    }
    folder.refuses(
        3,
        &[
            "verify nowhere.retake => cannot open `nowhere.retake`",
            "run recovery/one_action --trace no/a => cannot create `no/a`: there is no folder `no`",
            "export a.retake --format jsonl -o no/such/folder \
             => cannot create `no/such/folder`: there is no folder `no/such`",
        ],
    );
}

#[test]
fn a_cut_trace_is_shown_up_to_its_last_good_step() {
    let folder = Folder::new();
    folder.run("run recovery/worker_crash --trace a --schedule-only");
    let bytes = folder.bytes("a");
    folder.write("cut", &bytes[..bytes.len() - 1000]);
    let shown = folder.run("show cut").ends(3);
    let last = shown.out.lines().filter_map(|line| {
        let number = line.split_whitespace().next()?;
        number.trim_end_matches(['*', '+']).parse::<u64>().ok()
    });
    let last = last.max().unwrap();
    assert!(last > 1000, "{last}");
    shown.complains(&format!("its first {last} steps are good"));
}

#[test]
fn a_recorded_run_replays_and_the_same_seed_gives_the_same_bytes() {
    let folder = recorded();
    for replay in ["replay a.retake", "replay a.retake --from-seed"] {
        folder.run(replay).succeeds().starts("identical: ");
    }
    folder.run("run recovery/one_action --seed 5 --trace b.retake");
    assert_eq!(folder.bytes("a.retake"), folder.bytes("b.retake"));
    folder.run("diff a.retake b.retake").ends(0);
}

#[test]
fn a_count_of_one_is_in_the_singular() {
    let folder = Folder::new();
    let run = folder.run("run recovery/one_action --seed 1").ends(0);
    run.says(" actors, 1 fault, ").says(": 1 governor\n");
    let explored = folder.run("explore recovery/one_action --seeds 1..2");
    explored.says("1 seed, ").says(", 1 fault in ");
}

#[test]
fn json_of_a_run_is_the_same_twice_and_says_what_happened() {
    let folder = Folder::new();
    let run = || folder.run("run recovery/one_action --seed 5 --json");
    let first = run().succeeds();
    run().prints(&first.out);
    let value = first.json();
    assert_eq!(value["outcome"]["kind"], "passed");
    assert_eq!(value["report"]["actions"]["error"], 1);
}

#[test]
fn a_run_that_fails_exits_with_1_and_its_trace_replays_the_failure() {
    let folder = Folder::new();
    let run = folder.run("run recovery/one_action --trace a --fault 'kill executor @36.01s'");
    run.ends(1).says("check failed: the first action failed");
    folder.run("replay a").ends(0).says("outcome panicked");
    let shown = folder.run("show a");
    shown.says("with fault: kill executor @36010ms");
}

#[test]
fn run_and_replay_list_the_calls_of_a_panic_if_asked_for_and_say_how_otherwise() {
    let folder = Folder::new();
    let run = "run recovery/one_action --trace a --fault 'kill executor @36.01s'";
    for line in [run, "replay a"] {
        let mut command = folder.command(line);
        let silent = Outcome::of(command.env_remove("RUST_BACKTRACE"));
        silent.says("note: run with `RUST_BACKTRACE=1` to list the calls of your own code");
        let listed = Outcome::of(command.env("RUST_BACKTRACE", "1"));
        let listed = listed.never_says("note: run with");
        // Relative, and without the name of a function that is inlined.
        let mut lines = listed.out.lines();
        let first = lines.find(|line| line.starts_with("  at "));
        let first = first.unwrap_or_else(|| panic!("{listed}"));
        assert!(first.starts_with("  at workloads/src/scenario/"), "{first}");
    }
}

#[test]
fn a_reader_that_leaves_early_does_not_change_the_exit_code() {
    let folder = Folder::new();
    for (at, expected) in [("36.01s", 1), ("1h", 0)] {
        let run = format!("run recovery/one_action --fault 'kill executor @{at}'");
        let mut child = folder.start(&run);
        drop(child.stdout.take());
        assert_eq!(child.wait().unwrap().code(), Some(expected), "{at}");
    }
}

#[test]
fn two_seeds_differ_and_the_first_divergence_is_shown() {
    let folder = recorded();
    folder.run("run recovery/one_action --seed 6 --trace b.retake");
    let diff = folder.run("diff a.retake b.retake --strict").ends(1);
    let diff = diff.says("header: seed is `5` and `6`");
    assert_eq!(diff.says("first divergence at step").err, "");
    let json = folder.run("diff a.retake b.retake --strict --json");
    assert!(json.ends(1).json()["divergence"]["left"].is_array());
}

#[test]
fn show_filters_by_actor_and_step() {
    let folder = recorded();
    let shown = folder.run("show a.retake --actor pool/worker-1 --from 20 --width 80");
    let shown = shown.ends(0).fits(80).says("FAULT: killed");
    let lines: Vec<&str> = shown.out.lines().skip(3).collect();
    let of_worker = |line: &&str| line.contains("pool/worker-1");
    assert!(lines.len() >= 4 && lines.iter().all(of_worker), "{shown}");
    shown.says("pool/worker-1#2");
    let shown = folder.run("show a.retake --from 10 --to 12 --json");
    let steps = shown.out.lines().map(|line| parse(line)["step"].as_u64());
    let steps: Vec<_> = steps.map(Option::unwrap).collect();
    assert_eq!((steps.first(), steps.last()), (Some(&10), Some(&12)));
}

#[test]
fn the_list_names_every_scenario() {
    let list = Folder::new().run("list").ends(0).fits(80);
    list.says("stress/steady_state")
        .says("recovery/worker_crash");
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
        let exported = folder.run(&export).succeeds().starts(start).says("pool");
        folder.run(export + " -o out").ends(0).prints("");
        assert_eq!(folder.text("out"), exported.out);
    }
}

#[test]
fn a_diagram_that_is_too_large_is_refused_with_what_to_do() {
    let folder = Folder::new();
    folder.run("run recovery/worker_crash --trace a.retake");
    let what_to_do = "choose a part with --from and --to";
    let diagram = "export a.retake --format mermaid";
    folder.refuses(2, &[&format!("{diagram} => {what_to_do}")]);
    let part = folder.run(format!("{diagram} --from 100 --to 150"));
    part.ends(0);
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
    let folder = Folder::new();
    let plan = "faults = [\"kill ledger @1s\", \"buggify @2s\"]\n";
    folder.write("plan.toml", plan);
    let mut injected = 0;
    for (seed, faults) in [(1, "plan.toml"), (2, "swarm"), (3, "swarm"), (5, "swarm")] {
        let run = format!("run recovery/chaos --seed {seed} --fault 'drain executor @3s'");
        let traces = ["a", "b"].map(|name| {
            folder
                .run(format!("{run} --faults {faults} --trace {name}"))
                .ends(0);
            folder.bytes(name)
        });
        assert!(traces[0] == traces[1], "{faults} {seed}");
        folder.run("replay a").ends(0);
        let story = folder.run("show a").says("executor").says("FAULT: ");
        injected += story.out.matches("FAULT: ").count();
    }
    assert!(injected > 8, "{injected}");
}

#[test]
fn a_mistyped_name_is_answered_with_the_one_that_is_near() {
    recorded().refuses(
        2,
        &[
            "run recovry/chaos => recovery/chaos => `retake list`",
            "explore raft => zoo/raft/buggy => `retake list`",
            "zoo zoo/rft => zoo/raft => `retake list`",
            "bench ledgr => ledger => `retake bench --list`",
            "bench http/helth => http/health => `retake bench --list`",
            "run recovery/chaos --strategy rnadom => random => starve",
            "explore recovery/chaos --strategy mxi => mix => starve",
            "run recovery/chaos --strategy pct:dpth=3 => depth",
            "explore recovery/chaos --faults swrm => swarm => TOML file",
            "export a.retake --format perfeto => perfetto => mermaid",
            "debug a.retake --print actrs => actors => mailbox NAME",
            "debug a.retake --print state --print polo => pool",
            "bench --mode liv => live",
            "replya a.retake => replay",
            "show a.retake --widht 40 => width",
            "run recovery/chaos --fault 'kil ledger @1s' => did you mean `kill`?",
            "bench --fail 'break ledgr timeout @0s' => did you mean `ledger`? => check-in",
            "bench --fail 'break ledger timout @0s' => did you mean `timeout`? => unavailable",
        ],
    );
}

#[test]
fn help_fits_in_80_columns_and_breaks_no_word() {
    let folder = Folder::new();
    let all = folder.run("--help").ends(0).out;
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
            let help = folder.run(format!("{name} {option}"));
            help.succeeds().fits(80);
        }
    }
}

#[test]
fn at_40_columns_a_story_still_says_what_happened() {
    let folder = recorded();
    let wide = folder.run("show a.retake --width 0").out;
    let narrow = folder.run("show a.retake --width 40").ends(0).out;
    assert_eq!(narrow.lines().count(), wide.lines().count());
    let what = [
        "handles", "start", "new ", "begins", "FAULT", "PANIC", "resumes",
    ];
    let steps: Vec<&str> = narrow.lines().skip(3).collect();
    assert!(
        steps.iter().all(|line| line.chars().count() <= 40),
        "{narrow}"
    );
    let is_useful = |line: &&&str| what.iter().any(|word| line.contains(word));
    let useful = steps.iter().filter(is_useful).count();
    assert!(useful * 10 >= steps.len() * 7, "{useful} lines: {narrow}");
}
