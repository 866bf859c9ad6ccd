//! Checks inside actors fail the run, wherever they are.

use std::time::Duration;

use ractor::ActorRef;
use retake_sim::Sim;
use retake_testkit::{MS, Order, actor_below, join, servant, tell, violated};

/// A child that is sent numbers, and violates a check at 3, below a supervisor that catches
/// whatever happens to it.
async fn family(is_never: bool, numbers: u32) {
    let parent = servant("parent").await.get_cell();
    let child = actor_below(parent, "child", (), move |_, number: u32, ()| {
        if !is_never {
            retake::always!(number < 3, "{number} is too much");
        } else if number == 3 {
            retake::never!("three of {number}");
        }
    })
    .await;
    for number in 0..numbers {
        tell(&child, number);
    }
    retake::sleep(MS).await;
}

#[test]
fn a_violated_check_fails_the_run_below_any_supervisor() {
    for (is_never, text) in [(false, "3 is too much"), (true, "three of 3")] {
        Sim::new().run(move || family(is_never, 3)).expect_passed();
        let run = Sim::new().run(move || family(is_never, 9));
        assert_eq!(violated(&run), ("child", text));
    }
}

#[test]
fn what_must_happen_eventually_fails_the_run_when_it_does_not() {
    let wait = |time: u64| {
        Sim::new().run(move || async move {
            let work = retake::sleep(Duration::from_secs(time));
            retake::eventually("the work ends", Duration::from_secs(5), work).await;
        })
    };
    assert!(wait(4).passed());
    assert_eq!(violated(&wait(6)).1, "the work ends: not within 5s");
}

#[test]
fn goals_are_told_whether_they_were_reached() {
    let run = Sim::new().run(|| async {
        retake::sometimes!(false, "a full queue");
        for number in 0..3 {
            retake::sometimes!(number == 1, "one");
        }
    });
    let goals: Vec<_> = run.goals.into_iter().collect();
    assert_eq!(goals, [("a full queue", false), ("one", true)]);
}

#[test]
fn marked_places_misbehave_in_some_runs_at_some_times_and_never_unasked() {
    let fired = |seed, on| {
        let sim = Sim::new().seed(seed);
        let sim = if on { sim.buggify() } else { sim };
        let run = sim.run(|| async { (0..100).filter(|_| retake::buggify!()).count() });
        run.expect_passed()
    };
    assert!((0..50).all(|seed| fired(seed, false) == 0));
    let counts: Vec<usize> = (0..200).map(|seed| fired(seed, true)).collect();
    let active = counts.iter().filter(|count| **count > 0).count();
    assert!((30..70).contains(&active), "{active} of 200");
    assert!(counts.iter().all(|count| *count < 50));
    assert_eq!(
        counts[..20],
        (0..20).map(|seed| fired(seed, true)).collect::<Vec<_>>()
    );
    assert!(!retake::buggify!(), "outside a simulation");
}

#[test]
fn a_monitor_sees_every_event_and_can_fail_the_run() {
    let watched = |limit: u32| {
        Sim::new()
            .monitor(move || {
                let mut open = 0;
                move |task: &str, event: &str| {
                    match event {
                        "open" => open += 1,
                        "close" => open -= 1,
                        _ => {}
                    }
                    if open > limit {
                        return Err(format!("{task} is number {open}"));
                    }
                    Ok(())
                }
            })
            .run(|| async {
                let doors: Vec<_> = (0..3)
                    .map(|number| {
                        retake::spawn_named("door", async move {
                            retake::event!("open");
                            retake::sleep(Duration::from_millis(5 * number)).await;
                            retake::event!("close");
                        })
                    })
                    .collect();
                join(doors).await;
            })
    };
    assert!(watched(3).passed());
    let run = watched(1);
    let (task, what) = violated(&run);
    assert!(task.starts_with("door"), "{run}");
    assert!(what.ends_with("is number 2"), "{run}");
}

#[test]
fn a_load_may_be_limited_but_not_to_nothing() {
    let load = |most: Option<u32>| {
        let faults =
            most.map(|most| retake_sim::Fault::new("", retake_sim::kinds::Load::AtMost(most)));
        Sim::new()
            .faults(faults)
            .run(|| async { retake::workload(20) })
    };
    assert_eq!(load(None).expect_passed(), 20);
    assert_eq!(load(Some(5)).expect_passed(), 5);
    assert_eq!(load(Some(50)).expect_passed(), 20);
    assert_eq!(load(Some(0)).expect_passed(), 1);
}

/// An actor that is sent five messages, each of which takes 10 ms, and how it ends after 15 ms.
async fn a_busy_actor(ends: Option<fn(&ActorRef<Order>)>) {
    let busy = servant("busy").await;
    for _ in 0..5 {
        busy.cast(Order::Sleep(10 * MS)).unwrap();
    }
    retake::sleep(15 * MS).await;
    if let Some(end) = ends {
        end(&busy);
        retake::sleep(Duration::from_secs(1)).await;
        assert!(busy.cast(Order::Note(9)).is_err());
    }
}

#[test]
fn each_message_is_handled_refused_lost_or_queued() {
    type Ends = Option<fn(&ActorRef<Order>)>;
    let stop: Ends = Some(|actor| actor.stop(None));
    let rows: [(&str, Ends, [u64; 5]); 4] = [
        ("none", None, [5, 2, 0, 0, 3]),
        ("stop", stop, [5, 2, 0, 3, 0]),
        ("kill", Some(|actor| actor.kill()), [5, 2, 0, 3, 0]),
        ("drain", Some(|actor| drop(actor.drain())), [5, 5, 0, 0, 0]),
    ];
    for (name, ends, expected) in rows {
        let run = Sim::new().conservation().run(move || a_busy_actor(ends));
        assert!(run.passed(), "{name}: {run}");
        let it = run.messages.unwrap();
        let counts = [it.sent, it.handled, it.refused, it.lost, it.queued];
        assert_eq!(counts, expected, "{name}");
    }
    let run = Sim::new().lossless().run(move || a_busy_actor(stop));
    let what = "3 of 5 messages were lost, the first one sent by step 1";
    assert_eq!(violated(&run).1, what);
}

#[test]
fn pairs_of_state_and_event_are_counted_also_those_never_met() {
    let run = Sim::new().run(|| async {
        for _ in 0..2 {
            let pairs = [("open", "close"), ("closed", "open"), ("closed", "lock")];
            retake::coverable("Door", pairs);
            retake::covered("Door", "open", "close");
        }
    });
    let door = &run.coverage["Door"];
    assert_eq!(door["open"]["close"], 2);
    assert_eq!(door["closed"]["open"], 0);
    assert_eq!(door["closed"]["lock"], 0);
}
