//! Messages that were sent and never handled are recorded at the end of the run.

use std::time::Duration;

use ractor::{Actor, ActorRef, MessagingErr};
use retake_inspect::Timeline;
use retake_inspect::story::lines;
use retake_sim::{Outcome, Run, Sim, Strategy};
use retake_testkit::{ActorResult, MS, Order, child, label, recorded, servant};
use retake_traces::TraceWriter;
use retake_traces::record::Record;

const HOUR: Duration = Duration::from_secs(3600);

/// A run with texts and causes, and what is left of it: to whom, by whom, what.
fn run<F: Future<Output = ()> + Send + 'static>(
    sim: Sim,
    scenario: fn() -> F,
) -> (Run<()>, Vec<Record>, Vec<String>) {
    let (run, sink) = recorded(sim.story(true).causality(true), scenario);
    let records = sink.records();
    let lines = lines(&records);
    let sender = |step: u64| {
        let is_step = |line: &&retake_inspect::Line| line.step == step && line.is_step();
        lines.iter().find(is_step).unwrap().who.clone()
    };
    let left = records.iter().filter_map(|record| match record {
        Record::Unhandled(it) => Some((label(&records, it.task), sender(it.sent), &it.text)),
        _ => None,
    });
    let left = left.map(|(to, by, text)| format!("{by} -> {to}: {text}"));
    let left = left.collect();
    (run, records, left)
}

/// Two are busy when the scenario returns, one of them with messages of two senders; one
/// has just been sent its message, and one has handled all.
async fn busy() {
    let (a, b) = (servant("a").await, servant("b").await);
    let (idle, late) = (servant("idle").await, servant("late").await);
    retake::sleep(MS).await;
    a.cast(Order::Sleep(HOUR)).unwrap();
    b.cast(Order::Sleep(HOUR)).unwrap();
    retake::sleep(MS).await;
    a.cast(Order::Note(1)).unwrap();
    a.cast(Order::Panic("it must not run")).unwrap();
    idle.cast(Order::Tell(a.clone(), 2)).unwrap();
    retake::sleep(MS).await;
    a.cast(Order::Note(3)).unwrap();
    late.cast(Order::Note(4)).unwrap();
}

#[test]
fn what_is_left_in_mailboxes_is_recorded_in_the_order_of_handling() {
    let expected = [
        "scenario -> a: Note(1)",
        "scenario -> a: Panic(\"it must not run\")",
        "idle -> a: Note(2)",
        "scenario -> a: Note(3)",
        "scenario -> late: Note(4)",
    ];
    for strategy in ["fifo", "random", "defer:percent=100"] {
        let strategy: Strategy = strategy.parse().unwrap();
        let (run, records, left) = run(Sim::new().strategy(strategy.clone()), busy);
        assert!(run.passed(), "{run}");
        assert_eq!(left, expected, "{strategy}");
        let panics = records.iter().any(|it| matches!(it, Record::Panic(_)));
        assert!(!panics, "nothing of it runs");
        assert!(matches!(records.last(), Some(Record::End(_))));
        // The same run without all this has the same hash.
        let bare = Sim::new().strategy(strategy).run(busy);
        assert_eq!(bare.event_hash, run.event_hash);
    }
}

#[test]
fn the_states_at_the_end_are_the_same_whether_or_not_mailboxes_are_looked_into() {
    let states = |sim: Sim| {
        let (_, sink) = recorded(sim.states(true).seed(5), busy);
        let mut records = sink.records();
        records.retain(|record| matches!(record, Record::State(_)));
        records
    };
    let without = states(Sim::new());
    assert!(without.len() >= 4, "{without:?}");
    assert_eq!(states(Sim::new().story(true).causality(true)), without);
}

#[test]
fn those_of_a_deadlock_are_recorded_although_its_search_kills_the_actors() {
    let (run, _, left) = run(Sim::new(), || async {
        let (a, b) = (servant("a").await, servant("b").await);
        let ring = vec![b, a.clone(), servant("unused").await];
        let _ = ractor::call!(a, |reply| Order::AskAround(ring, reply));
    });
    assert!(matches!(run.outcome, Outcome::Deadlock { .. }), "{run}");
    assert_eq!(left.len(), 1, "{left:?}");
    assert!(left[0].starts_with("b -> a: AskAround("), "{left:?}");
}

#[test]
fn a_run_that_a_panic_or_a_limit_ends_has_them_as_well() {
    let panics = || async {
        let (a, b) = (servant("a").await, servant("b").await);
        let below = child("below", &a).await;
        retake::sleep(MS).await;
        below.cast(Order::Sleep(HOUR)).unwrap();
        retake::sleep(MS).await;
        below.cast(Order::Note(1)).unwrap();
        b.cast(Order::Panic("no more")).unwrap();
        retake::sleep(MS).await;
    };
    let (panicked, _, left) = run(Sim::new(), panics);
    assert!(
        matches!(panicked.outcome, Outcome::Panicked { .. }),
        "{panicked}"
    );
    assert_eq!(left, ["scenario -> below: Note(1)"]);

    let bounces = || async {
        let (a, b) = (servant("a").await, servant("b").await);
        for _ in 0..3 {
            a.cast(Order::Bounce(b.clone())).unwrap();
        }
        retake::sleep(HOUR).await;
    };
    let (limited, _, left) = run(Sim::new().step_limit(1_000), bounces);
    assert!(
        matches!(limited.outcome, Outcome::StepLimit { .. }),
        "{limited}"
    );
    assert_eq!(left.len(), 3, "{left:?}");
    let is_bounced = |it: &String| it.starts_with("a -> b: ") || it.starts_with("b -> a: ");
    assert!(left.iter().all(is_bounced), "{left:?}");
}

/// Sends itself again when it is dropped.
#[derive(Debug)]
struct Undead(ActorRef<Undead>);

impl Drop for Undead {
    fn drop(&mut self) {
        if let Err(MessagingErr::SendErr(refused)) = self.0.cast(Self(self.0.clone())) {
            std::mem::forget(refused);
        }
    }
}

struct Crypt;

#[retake::simulated]
impl Actor for Crypt {
    type Msg = Undead;
    type State = ();
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<Undead>, (): ()) -> ActorResult {
        Ok(())
    }

    async fn handle(&self, _: ActorRef<Undead>, message: Undead, (): &mut ()) -> ActorResult {
        let _kept = message;
        std::future::pending().await
    }
}

#[test]
fn messages_that_send_messages_when_they_are_dropped_come_to_an_end() {
    let (run, _, left) = run(Sim::new(), || async {
        let (crypt, _) = Actor::spawn(None, Crypt, ()).await.unwrap();
        retake::sleep(MS).await;
        for _ in 0..2 {
            crypt.cast(Undead(crypt.clone())).unwrap();
        }
        retake::sleep(MS).await;
    });
    assert!(run.passed(), "{run}");
    // The first one is being handled; those that no step sent are not counted.
    assert_eq!(left.len(), 1);
}

#[test]
fn a_mailbox_shows_what_was_never_handled_up_to_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.retake");
    let header = retake_traces::Header {
        layers: retake_traces::Layers::STORY,
        ..Default::default()
    };
    let writer = TraceWriter::create(&path, &header).unwrap();
    let sim = Sim::new().story(true).causality(true).trace(writer);
    assert!(sim.run(busy).passed());
    let mut timeline = Timeline::open(&path).unwrap();
    let a = timeline.find_task("a").unwrap();
    let end = timeline.steps();
    let there = timeline.mailbox(a, end, 10).unwrap();
    let texts: Vec<_> = there.iter().map(|it| it.text.as_deref().unwrap()).collect();
    let panic = "Panic(\"it must not run\")";
    assert_eq!(texts, ["Note(1)", panic, "Note(2)", "Note(3)"]);
    assert!(there.iter().all(|it| it.handled.is_none()));
    // Before the last of them was sent.
    let before = there[3].sent - 1;
    assert_eq!(timeline.mailbox(a, before, 10).unwrap(), there[..3]);
    let world = timeline.world(before).unwrap();
    let at = world.alive.iter().find(|at| at.task == a).unwrap();
    assert_eq!(at.mailbox, 3);
    // The callback that sleeps was in the mailbox, and then handled.
    let sleeps = timeline.mailbox(a, there[0].sent - 1, 10).unwrap();
    assert_eq!(sleeps, []);
}
