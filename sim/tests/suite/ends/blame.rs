//! Whose failure it is, and which failures are one.

use ractor::{Actor, ActorRef};
use rand::RngExt as _;
use retake_inspect::story::lines;
use retake_sim::explore::Explorer;
use retake_sim::{Sim, Strategy};
use retake_testkit::{ActorResult, MS, recorded, start, violated};
use retake_traces::Record;

/// Starts another one below it until none is left, in its `pre_start`.
struct Nested;

/// Cannot start if it is not well.
pub(super) struct Leaf;

#[retake::simulated]
impl Actor for Leaf {
    type Msg = ();
    type State = ();
    type Arguments = bool;

    async fn pre_start(&self, _: ActorRef<()>, is_well: bool) -> ActorResult {
        retake::always!(is_well, "the leaf starts in a bad state");
        is_well.then_some(()).ok_or("not well".into())
    }
}

#[retake::simulated]
impl Actor for Nested {
    type Msg = ();
    type State = ();
    type Arguments = (u32, bool);

    async fn pre_start(&self, myself: ActorRef<()>, (below, is_well): (u32, bool)) -> ActorResult {
        let cell = myself.get_cell();
        if below > 0 {
            Actor::spawn_linked(None, Self, (below - 1, is_well), cell).await?;
        } else {
            Actor::spawn_linked(None, Leaf, is_well, cell).await?;
        }
        Ok(())
    }

    async fn post_start(&self, _: ActorRef<()>, (): &mut ()) -> ActorResult {
        Actor::spawn(None, Leaf, true).await?;
        Ok(())
    }
}

async fn nested(is_well: bool) {
    let root = start("root", Nested, (1, is_well)).await;
    Actor::spawn(None, Leaf, true).await.unwrap();
    retake::sleep(MS).await;
    drop(root);
}

#[test]
fn a_check_in_a_childs_pre_start_is_the_childs() {
    let (run, sink) = recorded(Sim::new().story(true), || nested(false));
    assert_eq!(violated(&run).0, "root/Nested/Leaf");
    let said = lines(&sink.records()).into_iter().map(|line| line.what());
    let expected =
        "| violated: the leaf starts in a bad state (in pre_start of `root/Nested/Leaf`)";
    assert!(said.into_iter().any(|line| line == expected));
}

#[test]
fn what_is_spawned_in_pre_start_is_named_after_its_actor_and_not_after_the_scenario() {
    let (run, sink) = recorded(Sim::new().strategy(Strategy::Fifo), || nested(true));
    run.expect_passed();
    let records = sink.records();
    let tasks = records.iter().filter_map(|record| match record {
        Record::Task(task) => Some((task.label.to_string(), task.parent)),
        _ => None,
    });
    let tasks: Vec<_> = tasks.collect();
    let tasks: Vec<(&str, Option<u32>)> = tasks.iter().map(|(a, b)| (&**a, *b)).collect();
    assert_eq!(
        tasks[..5],
        [
            ("scenario", None),
            ("root", Some(0)),
            ("root/Nested", Some(1)),
            ("root/Nested/Leaf", Some(2)),
            // After a `pre_start` it is the spawner's step again.
            ("scenario/Leaf", Some(0)),
        ]
    );
}

#[test]
fn lists_and_words_in_a_message_do_not_make_several_failures_of_one() {
    async fn many_values() {
        let number = retake::rng().random_range(0..7_usize);
        let jobs: Vec<usize> = (0..number).collect();
        let name = ["ann", "bob", "cid", "dan", "eve", "fay", "gus"][number];
        match retake::rng().random_range(0..4) {
            0 => retake::never!("{name} has lost {jobs:?}"),
            1 => retake::never!("{}", format!("jobs {jobs:?} of {:?} are lost", name)),
            2 => panic!("job {number} of {name:?} is not in {jobs:?}"),
            _ => retake::event!("well"),
        }
    }
    let campaign = Explorer::new("values").seeds(0..300).keep_going(true);
    let campaign = campaign.run(many_values);
    let mut found: Vec<&str> = campaign
        .failures
        .iter()
        .map(|failure| &*failure.case.signature)
        .collect();
    found.sort_unstable();
    assert_eq!(found.len(), 3, "{found:#?}");
    assert!(found[0].starts_with("panicked: scenario: job # of \"…\" is not in […] ("));
    assert_eq!(found[1], "violated: scenario: # has lost #");
    assert_eq!(found[2], "violated: scenario: jobs […] of \"…\" are lost");
}
