//! `retake debug` without a terminal: questions and answers about a bug of the zoo.

use std::path::Path;

use retake_testkit::traces::small::write_empty;
use serde_json::Value;
use tempfile::TempDir;

use crate::command::told;

fn retake(folder: &Path, arguments: &[&str]) -> (i32, String, String) {
    told(crate::command::retake(folder, arguments))
}

/// A folder with the trace `a` of a run in which a client waits for a worker that was
/// leased to one that had given up.
fn recorded(layers: &str) -> TempDir {
    let folder = TempDir::new().unwrap();
    let run = [
        "run",
        "zoo/pool_timeout/buggy",
        "--seed",
        "0",
        "--trace",
        "a",
    ];
    let (code, out, err) = retake(folder.path(), &[&run[..], &[layers]].concat());
    assert_eq!((code, &*err), (1, ""), "{out}");
    folder
}

fn debug(folder: &TempDir, arguments: &[&str]) -> (i32, String, String) {
    retake(folder.path(), &[&["debug"], arguments].concat())
}

#[test]
fn what_cannot_be_answered_exits_with_2_and_says_what_to_do() {
    let folder = recorded("--states");
    for (arguments, expected) in [
        (
            &["a", "--print", "state", "poool"][..],
            "near it are `pool`",
        ),
        (
            &["a", "--print", "state", "x"],
            "some of those there are `scenario`, `pool`",
        ),
        (
            &["a", "--print", "mailbox"],
            "--print mailbox needs the name of an actor",
        ),
        (
            &["a", "--print", "stat"],
            "write actors, state NAME, mailbox NAME, why,",
        ),
        (
            &["a", "--print", "why", "--at", "99"],
            "there is no step 99: the run has 14 steps",
        ),
        (
            &["a", "--print", "why", "--at", "5s"],
            "the run ends after 0.102 s",
        ),
        (
            &["a", "--print", "why", "--at", "noon"],
            "`noon` is no place in the run",
        ),
        (&["a", "--break", "pool"], "`pool` is no condition"),
        (&["a", "--break", "actor=poool"], "near it are `pool`"),
        (&["a", "--json"], "--print"),
        (&["a"], "standard output is no terminal: say what to print"),
    ] {
        let (code, out, err) = debug(&folder, arguments);
        assert_eq!((code, &*out), (2, ""), "{arguments:?}: {err}");
        assert!(err.contains(expected), "{arguments:?}: {err}");
    }
    // What is wrong with the file comes first.
    let (code, _, err) = debug(&folder, &["nowhere"]);
    assert_eq!(code, 3);
    assert!(err.contains("nowhere"), "{err}");
}

#[test]
fn a_run_that_passed_has_no_failure_to_go_to() {
    let folder = TempDir::new().unwrap();
    let run = ["run", "recovery/one_action", "--trace", "b", "--states"];
    assert_eq!(retake(folder.path(), &run).0, 0);
    let (code, _, err) = debug(&folder, &["b", "--print", "why", "--at", "failure"]);
    assert_eq!(code, 2);
    assert!(
        err.contains("the run passed: there is no failure to go to"),
        "{err}"
    );
}

#[test]
fn what_is_left_of_a_damaged_file_is_shown_and_exits_with_3() {
    let folder = recorded("--states");
    let bytes = std::fs::read(folder.path().join("a")).unwrap();
    let mut flipped = bytes.clone();
    flipped[bytes.len() / 2] ^= 4;
    let end = bytes.len() - 9;
    let (cut, behind) = (
        "note: the trace is cut short after step 0: `",
        "note: the trace is damaged behind the run's end: `",
    );
    for (name, bytes, note, why) in [
        ("cut", &bytes[..300], cut, "the run is cut short: `"),
        ("flipped", &flipped, cut, "the run is cut short: `"),
        ("end", &bytes[..end], behind, "the run violated: "),
    ] {
        std::fs::write(folder.path().join(name), bytes).unwrap();
        let (code, out, err) = debug(&folder, &[name, "--print", "why", "--print", "actors"]);
        assert_eq!(code, 3, "{name}: {err}");
        assert!(err.starts_with("error: `") && err.contains(name), "{err}");
        assert!(out.contains(note) && out.contains(why), "{name}: {out}");
        let (code, out, _) = debug(&folder, &[name, "--print", "actors", "--json"]);
        let found: Value = serde_json::from_str(&out).unwrap();
        assert_eq!(code, 3);
        assert_eq!(found["outcome"] == "cut short", name != "end", "{found}");
    }
    std::fs::write(folder.path().join("other"), "hello").unwrap();
    for name in ["missing", "other"] {
        let (code, out, err) = debug(&folder, &[name, "--print", "why"]);
        assert!((code, &*out) == (3, "") && err.contains(name), "{err}");
    }
}

/// A longer run, of which a killed process has left the first blocks.
#[test]
fn a_run_that_was_killed_is_looked_at_up_to_its_last_whole_block() {
    let folder = TempDir::new().unwrap();
    let run = "run stress/steady_state --horizon 2s --trace a";
    let run: Vec<&str> = run.split(' ').collect();
    // It wants to run for longer.
    assert_eq!(retake(folder.path(), &run).0, 1);
    let bytes = std::fs::read(folder.path().join("a")).unwrap();
    assert!(
        bytes.len() > 300_000,
        "{} bytes are a few blocks",
        bytes.len()
    );
    let partial = "b.retake.partial";
    std::fs::write(folder.path().join(partial), &bytes[..200_000]).unwrap();
    let ask = |file: &str, at: &str| {
        let questions = "--print mailbox ledger --print causes --print effects";
        let questions: Vec<&str> = questions.split(' ').collect();
        let arguments = [&[file, "--json", "--at", at][..], &questions].concat();
        let (code, out, err) = debug(&folder, &arguments);
        (code, serde_json::from_str::<Value>(&out).unwrap(), err)
    };
    let (code, end, err) = ask(partial, "failure");
    assert!(code == 3 && err.contains("ends after byte 200000"), "{err}");
    let steps = end["steps"].as_u64().unwrap();
    assert!(steps > 1_000 && end["at"] == steps, "{end}");
    let (first, second) = (&end["notes"][0], &end["notes"][1]);
    assert_eq!(
        first,
        "the trace has no states, and what is left of a run is not executed again"
    );
    let said = format!("the trace is cut short after step {steps}: ");
    assert!(second.as_str().unwrap().starts_with(&said), "{second}");
    // Its own name is enough, for `show` too.
    assert_eq!(ask("b.retake", "500"), ask(partial, "500"));
    let (code, _, err) = retake(folder.path(), &["show", "b.retake"]);
    assert!(code == 3 && err.contains(partial), "{err}");
    // Long before its end, what is left tells what the whole trace tells.
    let (there, here) = (ask("a", "500").1, ask(partial, "500").1);
    assert_eq!(there["answers"], here["answers"]);
}

#[test]
fn the_answers_about_a_bug_are_readable_in_80_columns() {
    let folder = recorded("--states");
    let questions = ["--print", "why", "--print", "actors", "--print", "faults"];
    let (code, why, _) = debug(&folder, &[&["a"], &questions[..]].concat());
    assert_eq!(code, 0);
    let questions =
        "--print step --print state pool --print mailbox pool --print causes --print effects";
    let questions: Vec<&str> = questions.split(' ').collect();
    let search = ["--find", "checkout", "--break", "actor=pool state=9"];
    let (code, at, _) = debug(
        &folder,
        &[&["a", "--at", "11"], &questions[..], &search].concat(),
    );
    assert_eq!(code, 0);
    let text = format!("{why}---\n{at}");
    assert!(
        text.lines().all(|line| line.chars().count() <= 80),
        "{text}"
    );
    insta::assert_snapshot!(text);
}

fn answers(folder: &TempDir, file: &str, questions: &[&str]) -> Value {
    let (code, out, err) = debug(folder, &[&[file, "--json"], questions].concat());
    assert_eq!(code, 0, "{err}");
    serde_json::from_str(&out).unwrap()
}

#[test]
fn layers_that_a_trace_lacks_are_recorded_by_executing_it_again() {
    let full = recorded("--states");
    for layers in ["--schedule-only", "--horizon=1h"] {
        let folder = recorded(layers);
        let questions =
            "--at 11 --print actors --print state pool --print mailbox pool --print step";
        let questions: Vec<&str> = questions.split(' ').collect();
        let (mut one, other) = (
            answers(&folder, "a", &questions),
            answers(&full, "a", &questions),
        );
        let note = one["notes"][0].as_str().unwrap().to_owned();
        assert!(note.starts_with("executed again to record "), "{note}");
        one["notes"] = serde_json::json!([]);
        assert_eq!(one, other);
        let mailbox = &other["answers"][2];
        assert_eq!(mailbox["depth"], 2, "{mailbox}");
        assert_eq!(mailbox["messages"][1]["text"], "Checkout(9, reply)");
    }
}

#[test]
fn what_is_never_handled_stays_in_the_mailbox() {
    let folder = TempDir::new().unwrap();
    let run = "run zoo/chain_replication/buggy --seed 2 --trace a --states";
    let run: Vec<&str> = run.split(' ').collect();
    assert_eq!(retake(folder.path(), &run).0, 1);
    let questions = ["a", "--at", "end", "--print", "mailbox", "server-2"];
    let (code, out, err) = debug(&folder, &questions);
    assert_eq!((code, &*err), (0, ""));
    let (_, mailbox) = out.split_once("\n\n").unwrap();
    assert_eq!(
        mailbox,
        "mailbox of `server-2`: 2 messages\n  \
         Update(2) (sent by server-0 at step 18, never handled)\n  \
         Update(3) (sent by server-0 at step 18, never handled)\n"
    );
    let found = answers(
        &folder,
        "a",
        &["--at", "17", "--print", "mailbox", "server-2"],
    );
    assert_eq!(found["answers"][0]["depth"], 0, "before they were sent");
}

#[test]
fn a_trace_that_this_program_did_not_record_is_shown_as_it_is() {
    let folder = TempDir::new().unwrap();
    write_empty(&folder, "a", "other/program");
    let found = answers(&folder, "a", &["--print", "actors", "--print", "why"]);
    let note = found["notes"][0].as_str().unwrap();
    assert!(
        note.contains("no texts, causes, states") && note.contains("no scenario `other/program`"),
        "{note}"
    );
}

#[test]
fn a_saved_case_is_executed() {
    let folder = recorded("--states");
    assert_eq!(
        retake(folder.path(), &["shrink", "a", "--out", "case.json"]).0,
        0
    );
    let found = answers(
        &folder,
        "case.json",
        &["--print", "state", "pool", "--print", "why"],
    );
    assert_eq!(found["outcome"], "violated");
    let state = found["answers"][0]["state"]["text"].as_str().unwrap();
    assert!(state.contains("lent_to"), "{state}");
}
