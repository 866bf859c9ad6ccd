//! Planted nondeterminism is made deterministic, or detected.

use std::collections::HashMap;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::common::{Listener, tell};
use ractor::{Actor, ActorProcessingErr, ActorRef, SupervisionEvent};
use rand::TryRng as _;
use retake_inspect::compare;
use retake_sim::{Outcome, Run, Sim};
use retake_traces::MemorySink;

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

/// What `getrandom` and `uuid` do: no generator is between them and the system.
async fn system_entropy() {
    tell([rand::rngs::SysRng.try_next_u64().unwrap()]).await;
}

#[test]
fn entropy_of_the_system_is_made_deterministic() {
    assert_eq!(twice(1, system_entropy).1, None);
    assert_ne!(story(1, system_entropy), story(2, system_entropy));
}

#[test]
#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code, reason = "an instruction of the processor")]
fn entropy_that_does_not_come_from_the_c_library_is_detected() {
    // SAFETY: every processor of this kind counts its cycles.
    let scenario = || async { tell([unsafe { std::arch::x86_64::_rdtsc() }]).await };
    assert!(twice(1, scenario).1.unwrap().contains("heard ["));
}

/// Branches that are ready at once, without `biased`.
async fn selected_branches() {
    let mut taken = Vec::new();
    for _ in 0..20 {
        taken.push(tokio::select! {
            () = std::future::ready(()) => 1,
            () = std::future::ready(()) => 2,
            () = std::future::ready(()) => 3,
        });
    }
    tell(taken).await;
}

#[test]
fn the_branch_that_a_select_takes_is_detected() {
    assert!(twice(1, selected_branches).1.unwrap().contains("heard ["));
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

#[test]
fn what_is_awaited_of_a_thread_is_a_deadlock() {
    let run = Sim::new().allow_threads(true).run(|| async {
        let (reply, answer) = tokio::sync::oneshot::channel();
        let (over, is_over) = std::sync::mpsc::channel::<()>();
        std::thread::spawn(move || {
            // Slower than any run.
            let _ = is_over.recv();
            let _ = reply.send(1);
        });
        let _ = answer.await;
        drop(over);
    });
    assert!(
        matches!(run.outcome, Outcome::Deadlock { .. }),
        "{}",
        run.outcome
    );
}

#[test]
fn tasks_of_tokios_own_are_told_and_fail_a_strict_run() {
    let scenario = || async {
        let mut tasks = tokio::task::JoinSet::new();
        tasks.spawn(std::future::pending::<()>());
        tasks.spawn(async {});
        tasks.join_next().await;
        retake::sleep(Duration::from_millis(1)).await;
    };
    let lenient = Sim::new().run(scenario);
    assert!(lenient.warnings[0].contains("2 tokio tasks"), "{lenient}");
    let strict = Sim::new().strict(true).run(scenario);
    assert!(
        matches!(strict.outcome, Outcome::Escaped { .. }),
        "{strict}"
    );
}

#[test]
fn an_id_of_an_actor_is_replaced_as_debug_prints_it_and_detected_as_a_number() {
    let replaced = || async {
        let (listener, _) = Actor::spawn(None, Listener, ()).await.unwrap();
        retake::event!("{listener:?}");
    };
    assert_eq!(twice(1, replaced).1, None);
    let number = || async {
        let (listener, _) = Actor::spawn(None, Listener, ()).await.unwrap();
        retake::event!("number {}", listener.get_id());
    };
    assert!(twice(1, number).1.unwrap().contains("number 0."));
}

#[test]
fn an_address_is_left_out_of_texts_and_detected_as_a_number() {
    // One that is not freed is not given out again.
    let place = || -> &'static u8 { Box::leak(Box::new(0)) };
    let text = move || async move { retake::event!("at {:p}", place()) };
    assert_eq!(twice(1, text).1, None);
    let number = move || tell([std::ptr::from_ref(place()) as u64]);
    assert!(twice(1, number).1.unwrap().contains("heard ["));
}

#[test]
fn a_thread_in_a_text_is_detected() {
    let thread = || async { retake::event!("on {:?}", std::thread::current().id()) };
    assert!(twice(1, thread).1.unwrap().contains("on ThreadId("));
}

#[test]
fn a_file_that_a_run_leaves_behind_is_detected() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_owned();
    let scenario = move || {
        let path = path.clone();
        async move {
            let count = std::fs::read_dir(&path).unwrap().count() as u64;
            std::fs::write(path.join(count.to_string()), "").unwrap();
            tell([count]).await;
        }
    };
    let divergence = twice(1, scenario).1.unwrap();
    assert!(
        divergence.contains("heard [0]") && divergence.contains("heard [1]"),
        "{divergence}"
    );
}

const VARIABLE: &str = "RETAKE_PLANTED";

/// What two runs of one process have in common, and two processes need not.
async fn environment() {
    let variable = std::env::var(VARIABLE).ok();
    tell(variable.map(|value| value.parse().unwrap())).await;
}

#[test]
fn a_variable_of_the_environment_is_seen_by_comparing_processes_only() {
    assert_eq!(twice(1, environment).1, None);
    let mine = story(1, environment);
    if std::env::var_os(VARIABLE).is_some() {
        println!("story: {mine}");
        return;
    }
    let output = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "planted::a_variable_of_the_environment_is_seen_by_comparing_processes_only",
            "--nocapture",
        ])
        .env(VARIABLE, "7")
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.contains("story: [") && text.contains("heard [7]"),
        "{text}"
    );
    assert!(!text.contains(&mine));
}
