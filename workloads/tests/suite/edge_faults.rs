//! Faults of services, networks and disks from the command line to a replay.

use crate::command::Folder;

#[test]
fn faults_of_each_edge_are_recorded_shown_and_replayed() {
    let folder = Folder::new();
    let faults = [
        "break ledger quota rate 50% @0s until 20s",
        "lose packets 50% on client -> server @0s until 6s",
        "delay packets by 5ms @0s",
        "crash disk ledger @12s",
    ];
    let faults = faults.map(|fault| format!("--fault '{fault}'")).join(" ");
    let run = format!("run recovery/bad_edges --seed 4 --trace a.retake {faults}");
    let run = folder.run(run).ends(0).says(" 4 faults, ");
    run.never_says("was not injected");
    let shown = folder.run("show a.retake").ends(0);
    for text in [
        "ledger is broken: 50% of its requests end as quota exceeded until 20.000000000 s",
        "50% of the packets of client -> server are lost until 6.000000000 s",
        "packets are 0.005000000 s late",
        "disk ledger: power is lost",
    ] {
        let line = format!("FAULT: {text}");
        assert_eq!(shown.out.matches(&line).count(), 1, "{line}");
    }
    folder.run("replay a.retake").ends(0).says("identical: ");
}

#[test]
fn names_of_services_hosts_and_disks_that_there_are_not_are_reported() {
    let faults = "--fault 'break ledgr quota @0s' --fault 'cut cleint - server @0s' \
                  --fault 'fill disk leger @0s'";
    let run = Folder::new().run(format!("run recovery/bad_edges {faults}"));
    let run = run.ends(0);
    let words: Vec<&str> = run.out.split_whitespace().collect();
    let words = words.join(" ");
    for reason in [
        "no service of this name was asked: did you mean `ledger`?",
        "the network has no host `cleint`: did you mean `client`?",
        "no disk of this name was asked: did you mean `ledger`?",
    ] {
        assert!(words.contains(reason), "{run}");
    }
}
