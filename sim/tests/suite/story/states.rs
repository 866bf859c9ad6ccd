//! States of actors in the story.

use ractor::{Actor, ActorRef};
use retake_sim::{Outcome, Sim, Strategy};
use retake_testkit::{
    ActorResult, MS, Order, fragile_family, label, lonely_actor, recorded, servant,
};
use retake_traces::MemorySink;
use retake_traces::record::{Record, StepKind};

use crate::attributes::foreign::{Foreign, Request};

/// Each recorded state on one line, with the label of its actor.
fn states(sink: &MemorySink) -> Vec<(String, String)> {
    let records = sink.records();
    let states = records.iter().filter_map(|record| match record {
        Record::State(state) => Some((label(&records, state.task), &state.text)),
        _ => None,
    });
    states
        .map(|(who, text)| (who, text.split_whitespace().collect::<Vec<_>>().join(" ")))
        .collect()
}

fn orders(who: &str, orders: u32) -> (String, String) {
    let text = format!("Memory {{ orders: {orders}, kept: [], }}");
    (who.to_owned(), text)
}

#[test]
fn a_state_is_recorded_where_the_next_callback_finds_it_and_at_the_end() {
    let (run, sink) = recorded(Sim::new().states(true), || async {
        let a = servant("a").await;
        a.cast(Order::Note(1)).unwrap();
        a.cast(Order::Note(2)).unwrap();
        retake::sleep(MS).await;
    });
    assert!(run.passed(), "{run}");
    // As `post_start`, the second message and the end find it.
    assert_eq!(states(&sink), [0, 1, 2].map(|n| orders("a", n)));
    let records = sink.records();
    let place = |wanted: &str| {
        let is =
            |record: &Record| matches!(record, Record::State(state) if state.text.contains(wanted));
        records.iter().position(is).unwrap()
    };
    let step_before = |place: usize| match &records[place - 1] {
        Record::Step(step) => step.kind,
        other => panic!("{other:?}"),
    };
    assert_eq!(step_before(place("orders: 0")), StepKind::PostStart);
    assert_eq!(step_before(place("orders: 1")), StepKind::Handle);
    assert_eq!(place("orders: 2"), records.len() - 2);
}

#[test]
fn an_actor_that_waits_for_its_turn_at_the_end_has_a_state() {
    let sim = Sim::new().strategy(Strategy::Fifo).states(true);
    let (_, sink) = recorded(sim, || async {
        let a = servant("a").await;
        a.cast(Order::Note(1)).unwrap();
        retake::sleep(MS).await;
        a.cast(Order::Note(2)).unwrap();
    });
    assert_eq!(states(&sink).last(), Some(&orders("a", 1)));
}

#[test]
fn states_of_a_standstill_are_those_before_anyone_was_killed_to_explain_it() {
    let (run, sink) = recorded(Sim::new().states(true), || async {
        let (a, b) = (servant("a").await, servant("b").await);
        b.cast(Order::Note(1)).unwrap();
        let _ = ractor::call!(a, |reply| Order::AskFor(a.clone(), reply));
    });
    assert!(matches!(run.outcome, Outcome::Deadlock { .. }), "{run}");
    assert_eq!(states(&sink).last(), Some(&orders("b", 1)));
    let last = sink.records().pop();
    assert!(matches!(last, Some(Record::End(end)) if end.outcome.word() == "deadlock"));
}

#[test]
fn recording_states_changes_nothing_else() {
    let run = |seed, states: bool, scenario: u32| {
        let sim = Sim::new().seed(seed).states(states);
        let sim = sim.fault("kill child-a @step 12".parse().unwrap());
        let (run, sink) = recorded(sim, move || async move {
            match scenario {
                0 => fragile_family().await,
                1 => lonely_actor().await,
                _ => {
                    let (a, b) = (servant("a").await, servant("b").await);
                    let (c, d) = (b.clone(), a.clone());
                    retake::spawn(async move {
                        let _ = ractor::call!(a, |reply| Order::AskFor(c, reply));
                    });
                    let _ = ractor::call!(b, |reply| Order::AskFor(d, reply));
                }
            }
        });
        let mut records = sink.records();
        let recorded = records.len();
        records.retain(Record::is_schedule);
        assert_eq!(states, records.len() < recorded);
        let what = format!("{}{:?}{:?}", run.outcome, run.stats, run.goals);
        (what, run.warnings, run.event_hash, records)
    };
    for scenario in 0..3 {
        for seed in 0..30 {
            assert_eq!(run(seed, true, scenario), run(seed, false, scenario));
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_states() {
    let record = |seed| {
        let (_, sink) = recorded(Sim::new().seed(seed).states(true), fragile_family);
        sink.records()
    };
    for seed in 0..10 {
        assert_eq!(record(seed), record(seed));
    }
}

/// An actor whose state does as it is made to.
struct Odd;

enum State {
    Panics,
    Large,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Panics => panic!("no text"),
            Self::Large => (0..100_000).try_for_each(|n| writeln!(f, "line {n}")),
        }
    }
}

#[retake::simulated]
impl Actor for Odd {
    type Msg = ();
    type State = State;
    type Arguments = State;

    async fn pre_start(&self, _: ActorRef<()>, state: State) -> ActorResult<State> {
        Ok(state)
    }
}

#[test]
fn a_state_whose_debug_panics_or_is_endless_does_no_harm() {
    let (run, sink) = recorded(Sim::new().states(true), || async {
        for state in [State::Panics, State::Large] {
            Actor::spawn(None, Odd, state).await.unwrap();
        }
        retake::sleep(MS).await;
    });
    assert!(run.passed(), "{run}");
    let mut states = states(&sink);
    states.sort_by_key(|(_, text)| text.len());
    assert!(states[0].1 == "(its `Debug` panics)", "{:.80}", states[0].1);
    assert!(states[1].1.starts_with("line 0 line 1 ") && states[1].1.ends_with('…'));
    assert!(states[1].1.len() < retake_traces::TEXT_MAX);
}

#[test]
fn a_wrapped_actor_tells_its_state_if_asked_to() {
    let (run, sink) = recorded(Sim::new().states(true), || async {
        let told = retake::SimulatedActor::with_debug_state(Foreign);
        let silent = retake::SimulatedActor::with_debug(Foreign);
        let told = Actor::spawn(None, told, "told".to_owned()).await;
        let silent = Actor::spawn(None, silent, "silent".to_owned()).await;
        for (actor, _) in [told.unwrap(), silent.unwrap()] {
            actor.cast(Request::SpawnAndFail).unwrap();
        }
        retake::sleep(5 * MS).await;
    });
    assert!(run.passed(), "{run}");
    let texts: Vec<String> = states(&sink).into_iter().map(|(_, text)| text).collect();
    assert!(texts.iter().all(|it| it.contains("told")), "{texts:?}");
    assert_eq!(texts[0], r#"[ "told pre_start", ]"#);
    let last = r#"[ "told pre_start", "post_start", "child failed as asked", ]"#;
    assert_eq!(texts.last().unwrap(), last);
}
