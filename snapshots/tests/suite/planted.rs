//! Planted nondeterminism is detected. What is made deterministic is in `environments`.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::common::{Program, Ungated, listener, select, tell};
use ractor::{Actor, ActorProcessingErr, ActorRef, SupervisionEvent};
use retake_inspect::compare;
use retake_sim::{Outcome, Sim};
use retake_testkit::{escaped, recorded};

/// Where two runs of a seed part.
fn divergence(program: impl Program<()>) -> Option<String> {
    let run = || recorded(Sim::new().seed(1).story(true), program.clone()).1;
    let [first, second] = [run(), run()].map(|sink| sink.records());
    let divergence = compare(("first run", "second run"), &first, &second);
    divergence.map(|it| it.to_text(100))
}

/// Two runs differ, which is located, and these are the two.
#[track_caller]
fn is_detected(sides: &[&str], program: impl Program<()>) {
    let divergence = divergence(program).expect("two runs that differ");
    let is_located = divergence.starts_with("first divergence at step");
    assert!(is_located, "{divergence}");
    for side in sides {
        assert!(divergence.contains(side), "{side}: {divergence}");
    }
}

#[test]
#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code, reason = "an instruction of the processor")]
fn entropy_that_does_not_come_from_the_c_library_is_detected() {
    // SAFETY: every processor of this kind counts its cycles.
    let cycles = || unsafe { std::arch::x86_64::_rdtsc() };
    is_detected(&["heard ["], move || tell([cycles()]));
}

#[test]
fn the_branch_that_a_select_takes_is_detected() {
    is_detected(&["heard ["], || async {
        let mut taken = Vec::new();
        for _ in 0..20 {
            taken.push(select().await);
        }
        tell(taken).await;
    });
}

#[test]
fn state_that_outlives_a_run_is_detected_and_located() {
    static RUNS: AtomicU32 = AtomicU32::new(0);
    is_detected(&["heard [7, 7, 0]", "heard [7, 7, 1]"], || {
        tell([7, 7, RUNS.fetch_add(1, Ordering::Relaxed).into()])
    });
}

/// It has the attribute, its child has not.
struct Parent;

#[retake::simulated]
impl Actor for Parent {
    type Msg = ();
    type State = ();
    type Arguments = ();

    async fn pre_start(&self, myself: ActorRef<()>, (): ()) -> Result<(), ActorProcessingErr> {
        let name = retake::scoped_name("ungated");
        myself.spawn_linked(Some(name), Ungated, ()).await?;
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
    let (what, remedy) = escaped(&run);
    let expected = "the actor `ungated` runs outside the simulation: no gate guards it";
    assert_eq!(what, expected);
    assert!(remedy.contains("#[retake::simulated]"));
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
    assert!(matches!(run.outcome, Outcome::Deadlock { .. }), "{run}");
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
    escaped(&Sim::new().strict(true).run(scenario));
}

#[test]
fn an_id_of_an_actor_is_replaced_as_debug_prints_it_and_detected_as_a_number() {
    let replaced = || async {
        let listener = listener().await;
        retake::event!("{listener:?}");
    };
    assert_eq!(divergence(replaced), None);
    let number = || async {
        let listener = listener().await;
        retake::event!("number {}", listener.get_id());
    };
    is_detected(&["number 0."], number);
}

#[test]
fn an_address_is_left_out_of_texts_and_detected_as_a_number() {
    // One that is not freed is not given out again.
    let place = || -> &'static u8 { Box::leak(Box::new(0)) };
    let text = move || async move { retake::event!("at {:p}", place()) };
    assert_eq!(divergence(text), None);
    let number = move || tell([std::ptr::from_ref(place()) as u64]);
    is_detected(&["heard ["], number);
}

#[test]
fn a_thread_in_a_text_is_detected() {
    let thread = || async { retake::event!("on {:?}", std::thread::current().id()) };
    is_detected(&["on ThreadId("], thread);
}

#[test]
fn a_file_that_a_run_leaves_behind_is_detected() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_owned();
    is_detected(&["heard [0]", "heard [1]"], move || {
        let count = std::fs::read_dir(&path).unwrap().count() as u64;
        std::fs::write(path.join(count.to_string()), "").unwrap();
        tell([count])
    });
}
