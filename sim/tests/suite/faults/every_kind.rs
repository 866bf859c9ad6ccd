//! Each kind of fault is in the trace, makes another run and is replayed.

use std::collections::BTreeSet;

use retake_inspect::compare;
use retake_sim::Strategy;
use retake_testkit::faulted::{self, is_replayed_by, run_by};
use retake_testkit::{MS, Order, child, servant, start};

use super::kinds::{Keeper, numbers};

/// Something for each kind of fault to strike: a child that is kept alive, three that are
/// not, timers, a load, a marked place, and an end of the chaos.
async fn everything() {
    let _keeper = start("keeper", Keeper, 0).await;
    let parent = servant("parent").await;
    let mut children = Vec::new();
    for name in ["one", "two", "three"] {
        children.push(child(name, &parent).await);
    }
    let numbers = numbers().await;
    for number in 0..retake::workload(6) {
        if let Some(kept) = retake::where_is("kept") {
            let _ = kept.send_message(Order::Note(number));
        }
        for child in &children {
            let _ = child.cast(Order::Sleep(4 * MS));
        }
        numbers.cast(number).unwrap();
        retake::event!("jams: {}", retake::buggify!("the door jams"));
        retake::event!("the till: {:?}", retake::service("till"));
        retake::event!("it is {:?}", retake::unix_time());
        retake::sleep(10 * MS).await;
    }
    retake::healed().await;
}

/// Texts of faults that strike there. What has to come before is in the same line.
const KINDS: [&str; 33] = [
    "kill one @15ms",
    "kill one in await @15ms",
    "kill two with 2 siblings @15ms",
    "kill t* @15ms",
    "kill *supervised @step 12",
    "kill *child @step 12",
    "kill one @15ms; panic kept in pre_start @11ms; kill kept @16ms",
    "panic kept in post_start @step 1",
    "panic kept @15ms",
    "panic keeper in supervision @1ms; kill kept @15ms",
    "panic kept in post_stop @1ms; stop kept @15ms",
    "fail kept in pre_start @11ms; kill kept @15ms",
    "fail kept in post_start @step 1",
    "fail kept @15ms",
    "fail keeper in supervision @1ms; kill kept @15ms",
    "fail kept in post_stop @1ms; stop kept @15ms",
    "stop one @15ms",
    "drain one @15ms",
    "lose one @15ms",
    "delay one @15ms until 45ms",
    "slow one by 3ms @15ms until 45ms",
    "slow kept in pre_start by 7ms @11ms; kill kept @15ms",
    "squat kept @14ms until 31ms; kill kept @15ms",
    "pause @15ms until 45ms",
    "late by 2ms @step 1 until 1s; coalesce by 10ms @30ms until 1s",
    "clock +5s @15ms",
    "clock drift +100ms @15ms; clock wave 2s per 40s @25ms",
    "load x3 @step 1",
    "duplicate numbers @15ms",
    "point the door jams @step 9",
    "buggify @15ms",
    "break till timeout rate 50% @15ms",
    "heal @30ms within 5s; delay one @15ms until 10s",
];

#[test]
fn each_kind_strikes_is_in_the_trace_and_is_replayed() {
    let mut kinds = BTreeSet::new();
    for line in KINDS {
        let texts: Vec<&str> = line.split("; ").collect();
        let faults = faulted::faults(&texts);
        kinds.extend(faults.iter().map(|fault| fault.action.verb()));
        for strategy in ["random", "pct", "defer"] {
            if strategy == "defer" && line.contains("post_start") {
                // It runs eagerly, before any step is chosen at which a fault could strike.
                continue;
            }
            let what = format!("{line}, {strategy}");
            let strategy: Strategy = strategy.parse().unwrap();
            let (struck, recorded) = run_by(&strategy, 3, faults.clone(), everything);
            let mut warnings = struck.warnings.iter();
            let missed = warnings.find(|it| it.contains("was not injected"));
            assert_eq!(missed, None, "{what}");
            let count = faulted::injected(&recorded).len();
            assert!(count >= faults.len(), "{what}: {count} faults");
            let (without, plain) = run_by(&strategy, 3, Vec::new(), everything);
            assert!(without.passed(), "{without}");
            let difference = compare(("faulty", "plain"), &recorded, &plain);
            assert!(difference.is_some(), "{what}");
            is_replayed_by(&strategy, 3, &texts, everything);
        }
    }
    // Those of networks and disks are in `network.rs` and `disk.rs`.
    let is_elsewhere = |verb: &&str| {
        ["cut", "reset"].contains(verb) || verb.contains("packets") || verb.contains("disk")
    };
    let all = retake_sim::kinds::verbs().filter(|verb| !is_elsewhere(verb));
    assert_eq!(kinds, all.collect(), "each kind has a line above");
}
