//! Checks inside actors fail the run, wherever they are.

use std::time::Duration;

use ractor::{Actor, ActorProcessingErr, ActorRef, SupervisionEvent};
use retake_sim::{Outcome, Sim};

#[derive(Clone, Copy)]
enum Wrong {
    Always,
    Never,
}

/// Violates what its message says.
struct Child;

#[retake::simulated]
impl Actor for Child {
    type Msg = u32;
    type State = Wrong;
    type Arguments = Wrong;

    async fn pre_start(&self, _: ActorRef<u32>, wrong: Wrong) -> Result<Wrong, ActorProcessingErr> {
        Ok(wrong)
    }

    async fn handle(
        &self,
        _: ActorRef<u32>,
        number: u32,
        wrong: &mut Wrong,
    ) -> Result<(), ActorProcessingErr> {
        match wrong {
            Wrong::Always => retake::always!(number < 3, "{number} is too much"),
            Wrong::Never if number == 3 => retake::never!("three of {number}"),
            Wrong::Never => {}
        }
        Ok(())
    }
}

/// Catches whatever happens to its child.
struct Parent;

#[retake::simulated]
impl Actor for Parent {
    type Msg = u32;
    type State = ActorRef<u32>;
    type Arguments = Wrong;

    async fn pre_start(
        &self,
        myself: ActorRef<u32>,
        wrong: Wrong,
    ) -> Result<ActorRef<u32>, ActorProcessingErr> {
        let (child, _) = myself
            .spawn_linked(Some(retake::scoped_name("child")), Child, wrong)
            .await?;
        Ok(child)
    }

    async fn handle(
        &self,
        _: ActorRef<u32>,
        number: u32,
        child: &mut ActorRef<u32>,
    ) -> Result<(), ActorProcessingErr> {
        child.cast(number)?;
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        _: ActorRef<u32>,
        _: SupervisionEvent,
        _: &mut ActorRef<u32>,
    ) -> Result<(), ActorProcessingErr> {
        Ok(())
    }
}

async fn family(wrong: Wrong, numbers: u32) {
    let (parent, _) = Actor::spawn(None, Parent, wrong).await.unwrap();
    for number in 0..numbers {
        parent.cast(number).unwrap();
    }
    retake::sleep(Duration::from_secs(1)).await;
}

#[test]
fn a_violated_check_fails_the_run_below_any_supervisor() {
    for (wrong, text) in [
        (Wrong::Always, "3 is too much"),
        (Wrong::Never, "three of 3"),
    ] {
        Sim::new().run(move || family(wrong, 3)).expect_passed();
        let run = Sim::new().run(move || family(wrong, 9));
        let Outcome::Violated { task, what, .. } = run.outcome else {
            panic!("{run}");
        };
        assert_eq!((&*task, &*what), ("child", text));
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
    let Outcome::Violated { what, .. } = wait(6).outcome else {
        panic!("it passes");
    };
    assert_eq!(what, "the work ends: not within 5s");
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
                for door in doors {
                    door.await.unwrap();
                }
            })
    };
    assert!(watched(3).passed());
    let Outcome::Violated { task, what, .. } = watched(1).outcome else {
        panic!("it passes");
    };
    assert!(
        task.starts_with("door") && what.ends_with("is number 2"),
        "{task}: {what}"
    );
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

/// A parent, and a child that is sent an order to sleep and then four more messages.
async fn a_busy_child(ends: Option<fn(&ActorRef<u32>)>) {
    let (child, _) = Actor::spawn(None, Sleeper, ()).await.unwrap();
    for number in 0..5 {
        child.cast(number).unwrap();
    }
    retake::sleep(Duration::from_millis(15)).await;
    if let Some(end) = ends {
        end(&child);
        retake::sleep(Duration::from_secs(1)).await;
        assert!(child.cast(9).is_err());
    }
}

/// Sleeps for 10 ms with each message.
struct Sleeper;

#[retake::simulated]
impl Actor for Sleeper {
    type Msg = u32;
    type State = ();
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<u32>, (): ()) -> Result<(), ActorProcessingErr> {
        Ok(())
    }

    async fn handle(
        &self,
        _: ActorRef<u32>,
        _: u32,
        (): &mut (),
    ) -> Result<(), ActorProcessingErr> {
        retake::sleep(Duration::from_millis(10)).await;
        Ok(())
    }
}

#[test]
fn each_message_is_handled_refused_lost_or_queued() {
    let counted = |ends: Option<fn(&ActorRef<u32>)>| {
        let run = Sim::new().conservation().run(move || a_busy_child(ends));
        assert!(run.passed(), "{run}");
        let messages = run.messages.unwrap();
        [
            messages.sent,
            messages.handled,
            messages.refused,
            messages.lost,
            messages.queued,
        ]
    };
    assert_eq!(counted(None), [5, 2, 0, 0, 3]);
    assert_eq!(counted(Some(|child| child.stop(None))), [5, 2, 0, 3, 0]);
    assert_eq!(counted(Some(|child| child.kill())), [5, 2, 0, 3, 0]);
    assert_eq!(counted(Some(|child| drop(child.drain()))), [5, 5, 0, 0, 0]);
    let stop: fn(&ActorRef<u32>) = |child| child.stop(None);
    let run = Sim::new().lossless().run(move || a_busy_child(Some(stop)));
    let Outcome::Violated { what, .. } = run.outcome else {
        panic!("it passes");
    };
    assert_eq!(
        what,
        "3 of 5 messages were lost, the first one sent by step 1"
    );
}

#[test]
fn a_message_lost_while_its_actor_lives_fails_the_run() {
    // A span taken and dropped by hand looks like such a message.
    let run = Sim::new().conservation().run(|| async {
        let (_child, _) = Actor::spawn(None, Sleeper, ()).await.unwrap();
        let span = tracing::Span::current();
        retake::sleep(Duration::from_millis(1)).await;
        drop(span);
        retake::sleep(Duration::from_millis(1)).await;
    });
    let text = run.outcome.to_string();
    assert!(text.contains("1 of 1 messages were lost"), "{text}");
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
