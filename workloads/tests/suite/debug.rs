//! `retake debug` without a terminal: questions and answers about a bug of the zoo.

use retake_testkit::traces::small::write_empty;
use serde_json::Value;

use crate::command::Folder;

/// A folder with the trace `a` of a run in which a client waits for a worker that was
/// leased to one that had given up.
fn recorded(layers: &str) -> Folder {
    let folder = Folder::new();
    let run = format!("run zoo/pool_timeout/buggy --seed 0 --trace a {layers}");
    assert_eq!(folder.run(run).ends(1).err, "");
    folder
}

fn answers(folder: &Folder, questions: &str) -> Value {
    folder
        .run(format!("debug {questions} --json"))
        .ends(0)
        .json()
}

#[test]
fn what_cannot_be_answered_exits_with_2_and_says_what_to_do() {
    let folder = recorded("--states");
    folder.refuses(
        2,
        &[
            "debug a --print state poool => near it are `pool`",
            "debug a --print state x => some of those there are `scenario`, `pool`",
            "debug a --print mailbox => --print mailbox needs the name of an actor",
            "debug a --print stat => write actors, state NAME, mailbox NAME, why,",
            "debug a --print why --at 99 => there is no step 99: the run has 14 steps",
            "debug a --print why --at 5s => the run ends after 0.102 s",
            "debug a --print why --at noon => `noon` is no place in the run",
            "debug a --break pool => `pool` is no condition",
            "debug a --break actor=poool => near it are `pool`",
            "debug a --json => --print",
            "debug a => standard output is no terminal: say what to print",
        ],
    );
    // What is wrong with the file comes first.
    folder.refuses(3, &["debug nowhere => nowhere"]);
    folder
        .run("run recovery/one_action --trace b --states")
        .ends(0);
    let passed = "debug b --print why --at failure => the run passed: there is no failure to go to";
    folder.refuses(2, &[passed]);
}

#[test]
fn what_is_left_of_a_damaged_file_is_shown_and_exits_with_3() {
    let folder = recorded("--states");
    let bytes = folder.bytes("a");
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
        folder.write(name, bytes);
        let shown = folder.run(format!("debug {name} --print why --print actors"));
        let shown = shown.ends(3).complains(name).says(note).says(why);
        assert!(shown.err.starts_with("error: `"), "{shown}");
        let found = folder.run(format!("debug {name} --print actors --json"));
        let found = found.ends(3).json();
        assert_eq!(found["outcome"] == "cut short", name != "end", "{found}");
    }
    folder.write("other", "hello");
    folder.refuses(
        3,
        &[
            "debug missing --print why => missing",
            "debug other --print why => other",
        ],
    );
}

/// A longer run, of which a killed process has left the first blocks.
#[test]
fn a_run_that_was_killed_is_looked_at_up_to_its_last_whole_block() {
    let folder = Folder::new();
    // It wants to run for longer.
    folder
        .run("run stress/steady_state --horizon 2s --trace a")
        .ends(1);
    let bytes = folder.bytes("a");
    assert!(
        bytes.len() > 300_000,
        "{} bytes are a few blocks",
        bytes.len()
    );
    let partial = "b.retake.partial";
    folder.write(partial, &bytes[..200_000]);
    let ask = |file: &str, at: &str| {
        let questions = "--print mailbox ledger --print causes --print effects";
        folder.run(format!("debug {file} --json --at {at} {questions}"))
    };
    let end = ask(partial, "failure").ends(3);
    let end = end.complains("ends after byte 200000").json();
    let steps = end["steps"].as_u64().unwrap();
    assert!(steps > 1_000 && end["at"] == steps, "{end}");
    assert_eq!(
        end["notes"][0],
        "the trace has no states, and what is left of a run is not executed again"
    );
    let note = end["notes"][1].as_str().unwrap();
    let expected = format!("the trace is cut short after step {steps}: ");
    assert!(note.starts_with(&expected), "{note}");
    // Its own name is enough, for `show` too.
    let (by_name, here) = (ask("b.retake", "500"), ask(partial, "500"));
    assert_eq!(
        (by_name.code, by_name.json(), by_name.err),
        (here.code, here.json(), here.err.clone())
    );
    folder.run("show b.retake").ends(3).complains(partial);
    // Long before its end, what is left has the answers of the whole trace.
    assert_eq!(ask("a", "500").json()["answers"], here.json()["answers"]);
}

#[test]
fn the_answers_about_a_bug_are_readable_in_80_columns() {
    let folder = recorded("--states");
    let why = folder.run("debug a --print why --print actors --print faults");
    let why = why.ends(0).fits(80).out;
    let questions =
        "--print step --print state pool --print mailbox pool --print causes --print effects";
    let search = "--find checkout --break 'actor=pool state=9'";
    let at = folder.run(format!("debug a --at 11 {questions} {search}"));
    let at = at.ends(0).fits(80).out;
    insta::assert_snapshot!(format!("{why}---\n{at}"));
}

#[test]
fn layers_that_a_trace_lacks_are_recorded_by_executing_it_again() {
    let questions = "a --at 11 --print actors --print state pool --print mailbox pool --print step";
    let whole = answers(&recorded("--states"), questions);
    let mailbox = &whole["answers"][2];
    assert_eq!(mailbox["depth"], 2, "{mailbox}");
    assert_eq!(mailbox["messages"][1]["text"], "Checkout(9, reply)");
    for layers in ["--schedule-only", "--horizon=1h"] {
        let mut found = answers(&recorded(layers), questions);
        let note = found["notes"][0].as_str().unwrap().to_owned();
        assert!(note.starts_with("executed again to record "), "{note}");
        found["notes"] = serde_json::json!([]);
        assert_eq!(found, whole);
    }
}

#[test]
fn what_is_never_handled_stays_in_the_mailbox() {
    let folder = Folder::new();
    let run = folder.run("run zoo/chain_replication/buggy --seed 2 --trace a --states");
    run.ends(1);
    let found = folder
        .run("debug a --at end --print mailbox server-2")
        .succeeds();
    let (_, mailbox) = found.out.split_once("\n\n").unwrap();
    assert_eq!(
        mailbox,
        "mailbox of `server-2`: 2 messages\n  \
         Update(2) (sent by server-0 at step 18, never handled)\n  \
         Update(3) (sent by server-0 at step 18, never handled)\n"
    );
    let found = answers(&folder, "a --at 17 --print mailbox server-2");
    assert_eq!(found["answers"][0]["depth"], 0, "before they were sent");
}

#[test]
fn a_trace_that_this_program_did_not_record_is_shown_as_it_is() {
    let folder = Folder::new();
    write_empty(folder.path(), "a", "other/program");
    let found = answers(&folder, "a --print actors --print why");
    let note = found["notes"][0].as_str().unwrap();
    for part in ["no texts, causes, states", "no scenario `other/program`"] {
        assert!(note.contains(part), "{note}");
    }
}

#[test]
fn a_saved_case_is_executed() {
    let folder = recorded("--states");
    folder.run("shrink a --out case.json").ends(0);
    let found = answers(&folder, "case.json --print state pool --print why");
    assert_eq!(found["outcome"], "violated");
    let state = found["answers"][0]["state"]["text"].as_str().unwrap();
    assert!(state.contains("lent_to"), "{state}");
}
