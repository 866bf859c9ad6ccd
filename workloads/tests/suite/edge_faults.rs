//! Faults of services, networks and disks from the command line to a replay.

use tempfile::TempDir;

use crate::command::{retake, told};

fn run(folder: &TempDir, arguments: &[&str]) -> (String, String) {
    let (code, out, err) = told(retake(folder.path(), arguments));
    assert_eq!(code, 0, "{arguments:?}: {out}{err}");
    (out, err)
}

#[test]
fn faults_of_each_edge_are_recorded_shown_and_replayed() {
    let folder = TempDir::new().unwrap();
    let faults = [
        "break ledger quota rate 50% @0s until 20s",
        "lose packets 50% on client -> server @0s until 6s",
        "delay packets by 5ms @0s",
        "crash disk ledger @12s",
    ];
    let command = [
        "run",
        "recovery/bad_edges",
        "--seed",
        "4",
        "--trace",
        "a.retake",
    ];
    let faults = faults.iter().flat_map(|fault| ["--fault", fault]);
    let arguments: Vec<&str> = command.into_iter().chain(faults).collect();
    let (out, _) = run(&folder, &arguments);
    assert!(out.contains(" 4 faults, "), "{out}");
    assert!(!out.contains("was not injected"), "{out}");
    let (shown, _) = run(&folder, &["show", "a.retake"]);
    for text in [
        "ledger is broken: 50% of its requests end as quota exceeded until 20.000000000 s",
        "50% of the packets of client -> server are lost until 6.000000000 s",
        "packets are 0.005000000 s late",
        "disk ledger: power is lost",
    ] {
        let line = format!("FAULT: {text}");
        assert_eq!(shown.matches(&line).count(), 1, "{line}");
    }
    let (replayed, _) = run(&folder, &["replay", "a.retake"]);
    assert!(replayed.contains("identical: "), "{replayed}");
}

#[test]
fn names_of_services_hosts_and_disks_that_there_are_not_are_reported() {
    let folder = TempDir::new().unwrap();
    let (out, _) = run(
        &folder,
        &[
            "run",
            "recovery/bad_edges",
            "--fault",
            "break ledgr quota @0s",
            "--fault",
            "cut cleint - server @0s",
            "--fault",
            "fill disk leger @0s",
        ],
    );
    let words: Vec<&str> = out.split_whitespace().collect();
    let words = words.join(" ");
    for why in [
        "no service of this name was asked: did you mean `ledger`?",
        "the network has no host `cleint`: did you mean `client`?",
        "no disk of this name was asked: did you mean `ledger`?",
    ] {
        assert!(words.contains(why), "{out}");
    }
}
