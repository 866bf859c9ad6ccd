//! Planted nondeterminism is made deterministic, or detected.
#![allow(missing_docs, clippy::disallowed_types, clippy::disallowed_methods)]

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use ractor::{Actor, ActorProcessingErr, ActorRef, SupervisionEvent};
use retake_sim::{Outcome, Run, Sim};
use retake_traces::{MemorySink, compare};

/// Logs numbers, so that what it is sent and in which order is in the records.
struct Listener;

#[retake::simulated]
impl Actor for Listener {
    type Msg = u64;
    type State = Vec<u64>;
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<u64>, (): ()) -> Result<Vec<u64>, ActorProcessingErr> {
        Ok(Vec::new())
    }

    async fn handle(
        &self,
        _: ActorRef<u64>,
        number: u64,
        heard: &mut Vec<u64>,
    ) -> Result<(), ActorProcessingErr> {
        heard.push(number);
        retake::event!("heard {heard:?}");
        Ok(())
    }
}

async fn tell(numbers: impl IntoIterator<Item = u64>) {
    let (listener, _) = Actor::spawn(None, Listener, ()).await.unwrap();
    for number in numbers {
        listener.cast(number).unwrap();
    }
    listener.drain().unwrap();
    listener.wait(None).await.unwrap();
}

fn twice<F, Fut>(seed: u64, scenario: F) -> (Run<()>, Option<String>)
where
    F: Fn() -> Fut + Send + Sync + Clone + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    let run = |sink: MemorySink| {
        Sim::new()
            .seed(seed)
            .story(true)
            .trace(sink)
            .run(scenario.clone())
    };
    let (first, second) = (MemorySink::new(), MemorySink::new());
    let outcome = run(first.clone());
    run(second.clone());
    let divergence = compare(
        ("first run", "second run"),
        &first.records(),
        &second.records(),
    );
    (
        outcome,
        divergence.map(|divergence| divergence.to_text(100)),
    )
}

/// The story of a run, to compare seeds.
fn story<F, Fut>(seed: u64, scenario: F) -> String
where
    F: Fn() -> Fut + Send + Sync + Clone + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    let sink = MemorySink::new();
    Sim::new()
        .seed(seed)
        .story(true)
        .trace(sink.clone())
        .run(scenario)
        .expect_passed();
    format!("{:?}", sink.records())
}

async fn hash_map_order() {
    let map: HashMap<u64, ()> = (0..50).map(|number| (number, ())).collect();
    tell(map.into_keys()).await;
}

#[test]
fn the_order_of_a_hash_map_is_made_deterministic() {
    assert_eq!(twice(1, hash_map_order).1, None);
    assert_ne!(
        story(1, hash_map_order),
        story(2, hash_map_order),
        "seeds explore orders"
    );
}

async fn system_randomness() {
    let numbers: [u64; 2] = rand::random();
    tell(numbers).await;
}

#[test]
fn randomness_of_the_system_is_made_deterministic() {
    assert_eq!(twice(1, system_randomness).1, None);
    assert_ne!(story(1, system_randomness), story(2, system_randomness));
}

#[test]
fn clocks_of_the_system_show_virtual_time() {
    let scenario = || async {
        let (wall, monotonic) = (SystemTime::now(), Instant::now());
        retake::sleep(Duration::from_secs(100)).await;
        assert_eq!(wall.elapsed().unwrap(), Duration::from_secs(100));
        assert_eq!(monotonic.elapsed(), Duration::from_secs(100));
        tell([SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap()
            .as_nanos() as u64])
        .await;
    };
    let (run, divergence) = twice(1, scenario);
    run.expect_passed();
    assert_eq!(divergence, None);
    // Outside a simulation the clocks are real: it is later than the year 2025.
    assert!(UNIX_EPOCH.elapsed().unwrap() > Duration::from_secs(1_750_000_000));
}

#[test]
fn state_that_outlives_a_run_is_detected_and_located() {
    static RUNS: AtomicU32 = AtomicU32::new(0);
    let scenario = || async {
        let run = RUNS.fetch_add(1, Ordering::Relaxed);
        tell([7, 7, u64::from(run)]).await;
    };
    let (_, divergence) = twice(1, scenario);
    let divergence = divergence.expect("two runs that differ");
    assert!(
        divergence.starts_with("first divergence at step"),
        "{divergence}"
    );
    assert!(
        divergence.contains("heard [7, 7, 0]") && divergence.contains("heard [7, 7, 1]"),
        "{divergence}"
    );
}

/// A child without the attribute, below a parent with it.
struct Ungated;

impl Actor for Ungated {
    type Msg = ();
    type State = ();
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<()>, (): ()) -> Result<(), ActorProcessingErr> {
        Ok(())
    }
}

struct Parent;

#[retake::simulated]
impl Actor for Parent {
    type Msg = ();
    type State = ();
    type Arguments = ();

    async fn pre_start(&self, myself: ActorRef<()>, (): ()) -> Result<(), ActorProcessingErr> {
        myself
            .spawn_linked(Some(retake::scoped_name("ungated")), Ungated, ())
            .await?;
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        _: ActorRef<()>,
        _: SupervisionEvent,
        (): &mut (),
    ) -> Result<(), ActorProcessingErr> {
        Ok(())
    }
}

#[test]
fn a_child_that_no_gate_guards_fails_the_run_by_name() {
    let run = Sim::new().run(|| async {
        let (_parent, _) = Actor::spawn(None, Parent, ()).await.unwrap();
        retake::sleep(Duration::from_secs(1)).await;
    });
    let Outcome::Escaped { what, remedy } = run.outcome else {
        panic!("{}", run.outcome)
    };
    assert_eq!(
        what,
        "the actor `ungated` runs outside the simulation: no gate guards it"
    );
    assert!(remedy.contains("#[retake::simulated]"));
}

#[test]
fn work_on_another_thread_fails_the_run() {
    let run = Sim::new().run(|| async {
        tokio::task::spawn_blocking(|| ()).await.unwrap();
    });
    assert!(
        matches!(run.outcome, Outcome::Escaped { .. }),
        "{}",
        run.outcome
    );
}
