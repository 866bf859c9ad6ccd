//! A recorded schedule gives the recorded run, whichever strategy made it.

use std::sync::Arc;
use std::time::Duration;

use rand_core::Rng;
use retake_inspect::compare;
use retake_sim::{Fault, Run, Sim, Strategy};
use retake_testkit::{MS, Order, child, diverged, join, recorded, servant};
use retake_traces::{Record, Schedule};

/// Children that are called, cast to, stopped and killed, with timers of all kinds.
async fn busy(clients: u32) {
    let parent = servant("parent").await;
    let mut children = Vec::new();
    for number in 0..8 {
        children.push(child(&format!("child-{number}"), &parent).await);
    }
    let tasks: Vec<_> = (0..clients)
        .map(|client| {
            let children = children.clone();
            retake::spawn(async move {
                for _ in 0..6 {
                    let one = &children[retake::rng().next_u32() as usize % 8];
                    let two = &children[retake::rng().next_u32() as usize % 8];
                    let _ = one.cast(Order::Tell(two.clone(), client));
                    if one.get_id() != two.get_id() {
                        let _ = ractor::call_t!(one, |reply| Order::AskFor(two.clone(), reply), 5);
                    }
                    retake::sleep(Duration::from_micros(u64::from(
                        retake::rng().next_u32() % 3000,
                    )))
                    .await;
                    one.send_after(2 * MS, || Order::Note(99));
                }
            })
        })
        .collect();
    children[3].stop(None);
    join(tasks).await;
    // One after the other: ractor would walk them in the order of a randomly seeded
    // map, which eager steps (`defer`) follow unless entropy is interposed.
    for child in &children {
        child.stop(None);
        retake::sleep(MS).await;
    }
}

fn record(sim: Sim, clients: u32) -> (Run<()>, Vec<Record>) {
    let faults = [
        Fault::kill("child-5").at(3 * MS),
        Fault::panic("child-6").at_step(60),
        Fault::delay("child-1", 4 * MS).at(MS),
    ];
    let (run, sink) = recorded(sim.faults(faults), move || busy(clients));
    (run, sink.records())
}

fn schedule(records: &[Record]) -> Arc<Schedule> {
    Arc::new(Schedule::read(records.iter().cloned().map(Ok)).unwrap())
}

#[track_caller]
fn assert_same(recorded: &[Record], again: &[Record], what: &str) {
    if let Some(divergence) = compare(("recorded", "again"), recorded, again) {
        panic!("{what}: {divergence}");
    }
}

#[test]
fn every_strategy_replays_from_its_schedule_and_from_its_seed() {
    for strategy in [
        "fifo",
        "random",
        "pct",
        "pct:depth=5,steps=200",
        "defer",
        "defer:percent=50",
        "defer:percent=100",
        "defer:percent=0",
        "pos",
        "starve:steps=9",
        "delays:count=3,steps=200",
        "inbox",
    ] {
        for seed in 0..10 {
            let record = |strategy: Strategy| {
                let sim = Sim::new().seed(seed).strategy(strategy);
                record(sim.story(true).causality(true), 5)
            };
            let (run, recorded) = record(strategy.parse().unwrap());
            assert!(run.passed(), "{run}");
            let replay = Strategy::Replay(schedule(&recorded));
            for again in [strategy.parse().unwrap(), replay] {
                let what = format!("{strategy}, seed {seed}, again by {again}");
                assert_same(&recorded, &record(again).1, &what);
            }
        }
    }
}

#[test]
fn deviations_from_first_in_first_out_are_all_that_a_schedule_needs() {
    for seed in 0..10 {
        let (_, recorded) = record(Sim::new().seed(seed), 5);
        let schedule = schedule(&recorded);
        assert!(schedule.deviations().len() > 20);
        let deviations = Strategy::Deviations(schedule.deviations().into());
        let (_, replayed) = record(Sim::new().seed(seed).strategy(deviations), 5);
        assert_same(&recorded, &replayed, &format!("seed {seed}"));
    }
}

#[test]
fn a_replay_of_another_program_or_of_a_part_of_a_schedule_stops_where_it_differs() {
    let (_, recorded) = record(Sim::new(), 5);
    for (records, clients, parts) in [
        (&recorded[..], 4, ["at step ", "cannot run now"]),
        (
            &recorded[..100],
            5,
            ["the recorded run ends after step ", "there is more to run"],
        ),
    ] {
        let replay = Strategy::Replay(schedule(records));
        let (run, _) = record(Sim::new().strategy(replay), clients);
        let reason = diverged(&run);
        assert!(
            reason.starts_with(parts[0]) && reason.contains(parts[1]),
            "{reason}"
        );
    }
}

#[test]
fn deviations_survive_a_change_of_the_program() {
    let (_, recorded) = record(Sim::new(), 5);
    let deviations = Strategy::Deviations(schedule(&recorded).deviations().into());
    let (run, _) = record(Sim::new().strategy(deviations), 6);
    assert!(run.passed(), "{run}");
}

#[test]
fn story_and_causality_do_not_change_the_event_hash() {
    let hash = |story, causality| {
        let (run, _) = record(Sim::new().seed(4).story(story).causality(causality), 5);
        run.event_hash
    };
    let others = [hash(true, false), hash(false, true), hash(true, true)];
    assert_eq!(others, [hash(false, false); 3]);
}
