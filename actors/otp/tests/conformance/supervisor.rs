//! Supervisors, after `supervisor_SUITE`.

use std::sync::Arc;
use std::time::Duration;

use ractor::{Actor, ActorCell, ActorProcessingErr, ActorRef, ActorStatus};
use retake_otp::supervisor::{
    AutoShutdown, ChildCount, ChildError, ChildKind, ChildSpec, INTENSITY_EXCEEDED, Restart,
    Shutdown, SpecError, StartedChild, Strategy, SupervisorRef, SupervisorSpec,
};

use crate::family::{ChildMessage, Family, children, kill, settle, start, status, tell};
use crate::under_seeds;

const STATIC: [Strategy; 3] = [
    Strategy::OneForOne,
    Strategy::OneForAll,
    Strategy::RestForOne,
];

/// A child that can be told to fail its start, apart from its siblings.
fn apart(family: &Family) -> Family {
    Family {
        refuses: Arc::default(),
        ignores: Arc::default(),
        ..family.clone()
    }
}

fn refuse(family: &Family, times: u32) {
    *family.refuses.lock().unwrap() = times;
}

fn ignore(family: &Family, on: bool) {
    *family.ignores.lock().unwrap() = on;
}

async fn count(supervisor: &SupervisorRef) -> (usize, usize, usize, usize) {
    let ChildCount {
        specs,
        active,
        supervisors,
        workers,
    } = supervisor.count_children().await.unwrap();
    (specs, active, supervisors, workers)
}

/// A dynamic supervisor and its children.
async fn dynamic(family: &Family, number: usize) -> (SupervisorRef, Vec<ActorCell>) {
    let spec = SupervisorSpec::new(Strategy::SimpleOneForOne);
    let supervisor = start(spec.intensity(1_000_000, Duration::from_secs(1))).await;
    let mut actors = Vec::new();
    for _ in 0..number {
        let child = family.child("child").unregistered();
        let started = supervisor.start_child(child).await.unwrap();
        actors.push(started.actor().unwrap());
    }
    (supervisor, actors)
}

// --- start and stop ---

#[test]
fn what_is_not_said_is_as_in_otp() {
    under_seeds(1, || async {
        let family = Family::default();
        let spec = SupervisorSpec::new(Strategy::default())
            .child(family.child("worker"))
            .child(ChildSpec::supervisor("below", || {
                SupervisorSpec::new(Strategy::OneForOne)
            }));
        let supervisor = start(spec).await;
        let described = supervisor.describe().await.unwrap();
        assert_eq!(described.strategy, Strategy::OneForOne);
        assert_eq!(
            (described.intensity, described.period),
            (1, Duration::from_secs(5))
        );
        let worker = supervisor.child("worker").await.unwrap();
        let below = supervisor.child("below").await.unwrap();
        assert_eq!(worker.kind, ChildKind::Worker);
        assert_eq!(worker.shutdown, Shutdown::Timeout(Duration::from_secs(5)));
        assert_eq!(below.kind, ChildKind::Supervisor);
        assert_eq!(below.shutdown, Shutdown::Infinity);
        for child in [worker, below] {
            assert_eq!(child.restart, Restart::Permanent);
            assert!(!child.significant && !child.restarting);
        }
        // Auto shutdown is never: a significant child is a mistake.
        let significant = family.child("s").restart(Restart::Temporary).significant();
        let refused = supervisor.start_child(significant).await.unwrap_err();
        assert!(matches!(
            refused,
            ChildError::Spec(SpecError::SignificantWithoutAutoShutdown(_))
        ));
    });
}

#[test]
fn children_start_one_after_another_and_a_failed_start_undoes_those_before() {
    under_seeds(5, || async {
        let family = Family::default();
        let failing = apart(&family);
        refuse(&failing, 1);
        let spec = SupervisorSpec::new(Strategy::OneForOne)
            .child(family.child("a"))
            .child(family.child("b"))
            .child(failing.child("c"))
            .child(family.child("d"));
        let (parent, _) = Actor::spawn(None, Parent, ()).await.unwrap();
        let failed = SupervisorRef::start_linked(None, spec, parent.get_cell()).await;
        let reason = failed.unwrap_err().to_string();
        assert!(
            reason.contains("`c`") && reason.contains("not now"),
            "{reason}"
        );
        assert_eq!(
            family.take_log(),
            "a starts, b starts, c refuses, b stops, a stops"
        );
        assert_eq!(parent.get_status(), ActorStatus::Running);
    });
}

#[test]
fn a_child_that_ignores_its_start_is_kept_without_an_actor_unless_it_is_temporary() {
    under_seeds(1, || async {
        let family = Family::default();
        let ignoring = apart(&family);
        ignore(&ignoring, true);
        let supervisor = start(family.supervisor(Strategy::OneForOne, &["a"])).await;
        for restart in [Restart::Permanent, Restart::Transient, Restart::Temporary] {
            let child = ignoring.child("i").restart(restart);
            let started = supervisor.start_child(child).await.unwrap();
            assert!(matches!(started, StartedChild::Ignored));
            if restart == Restart::Temporary {
                assert_eq!(children(&supervisor).await, "a");
            } else {
                assert_eq!(children(&supervisor).await, "a (i)");
                assert_eq!(count(&supervisor).await, (2, 1, 0, 2));
                supervisor.delete_child("i").await.unwrap();
            }
        }
        // A dynamic one keeps nothing of it either.
        let (supervisor, _) = {
            supervisor.stop().await;
            dynamic(&family, 1).await
        };
        let child = ignoring.child("i").unregistered();
        assert!(
            supervisor
                .start_child(child)
                .await
                .unwrap()
                .actor()
                .is_none()
        );
        assert_eq!(count(&supervisor).await, (1, 1, 0, 1));
    });
}

#[test]
fn a_restart_on_request_that_fails_leaves_the_child_as_it_was() {
    under_seeds(1, || async {
        let family = Family::default();
        let supervisor = start(family.supervisor(Strategy::OneForOne, &["a", "b"])).await;
        supervisor.terminate_child("a").await.unwrap();
        refuse(&family, 1);
        let failed = supervisor.restart_child("a").await.unwrap_err();
        assert_eq!(failed.to_string(), "the child `a` did not start: not now");
        assert_eq!(children(&supervisor).await, "(a) b");
        // Nor does it count as a restart, or is tried again.
        settle().await;
        assert_eq!(children(&supervisor).await, "(a) b");
        supervisor.restart_child("a").await.unwrap();
        assert_eq!(children(&supervisor).await, "a b");
    });
}

#[test]
fn children_stop_last_started_first_and_a_dynamic_supervisors_together() {
    for strategy in STATIC {
        under_seeds(5, move || async move {
            let family = Family::default();
            let supervisor = start(family.supervisor(strategy, &["a", "b", "c"])).await;
            family.take_log();
            supervisor.stop().await;
            assert_eq!(family.take_log(), "c stops, b stops, a stops");
        });
    }
    under_seeds(5, || async {
        let family = Family::default();
        let (supervisor, actors) = dynamic(&family, 20).await;
        for actor in &actors {
            let child = ActorRef::<ChildMessage>::from(actor.clone());
            child.cast(ChildMessage::Hang).unwrap();
        }
        settle().await;
        let before = retake::now();
        supervisor.stop().await;
        // 5 s each, all at the same time.
        assert_eq!(before.elapsed(), Duration::from_secs(5));
    });
}

// --- on request ---

#[test]
fn a_child_lives_through_all_requests() {
    for strategy in STATIC {
        under_seeds(1, move || async move {
            let family = Family::default();
            let supervisor = start(family.supervisor(strategy, &[])).await;
            for missing in [
                supervisor.terminate_child("a").await,
                supervisor.delete_child("a").await,
                supervisor.restart_child("a").await.map(drop),
                supervisor.child("a").await.map(drop),
            ] {
                assert!(matches!(missing, Err(ChildError::NotFound(_))));
            }
            let started = supervisor.start_child(family.child("a")).await.unwrap();
            let actor = started.actor().unwrap();
            match supervisor.start_child(family.child("a")).await {
                Err(ChildError::AlreadyStarted { id, actor: runs }) => {
                    assert_eq!((id.as_str(), runs.get_id()), ("a", actor.get_id()));
                }
                other => panic!("{other:?}"),
            }
            for running in [
                supervisor.delete_child("a").await,
                supervisor.restart_child("a").await.map(drop),
            ] {
                assert!(matches!(running, Err(ChildError::Running(_))));
            }
            assert!(matches!(
                supervisor.terminate_actor(actor).await,
                Err(ChildError::NotDynamic)
            ));
            supervisor.terminate_child("a").await.unwrap();
            supervisor.terminate_child("a").await.unwrap();
            assert_eq!(count(&supervisor).await, (1, 0, 0, 1));
            assert!(matches!(
                supervisor.start_child(family.child("a")).await,
                Err(ChildError::AlreadyPresent(_))
            ));
            supervisor.restart_child("a").await.unwrap();
            assert_eq!(count(&supervisor).await, (1, 1, 0, 1));
            supervisor.terminate_child("a").await.unwrap();
            supervisor.delete_child("a").await.unwrap();
            assert_eq!(count(&supervisor).await, (0, 0, 0, 0));
        });
    }
}

#[test]
fn children_of_a_dynamic_supervisor_are_known_by_their_actors() {
    under_seeds(1, || async {
        let family = Family::default();
        let (supervisor, actors) = dynamic(&family, 3).await;
        assert_eq!(count(&supervisor).await, (3, 3, 0, 3));
        for refused in [
            supervisor.terminate_child("child").await,
            supervisor.delete_child("child").await,
            supervisor.restart_child("child").await.map(drop),
        ] {
            assert!(matches!(refused, Err(ChildError::Dynamic)));
        }
        supervisor.terminate_actor(actors[0].clone()).await.unwrap();
        assert_eq!(actors[0].get_status(), ActorStatus::Stopped);
        assert_eq!(count(&supervisor).await, (2, 2, 0, 2));
        supervisor.terminate_actor(actors[0].clone()).await.unwrap();
        let (stranger, _) = Actor::spawn(None, Parent, ()).await.unwrap();
        assert!(matches!(
            supervisor.terminate_actor(stranger.get_cell()).await,
            Err(ChildError::NotFound(_))
        ));
        assert_eq!(stranger.get_status(), ActorStatus::Running);
    });
}

#[test]
fn children_that_are_being_restarted_are_counted_as_not_active_and_can_be_ended() {
    under_seeds(5, || async {
        let family = Family::default();
        let (supervisor, actors) = dynamic(&family, 3).await;
        refuse(&family, u32::MAX);
        actors[0].kill();
        actors[1].kill();
        // It answers between its tries.
        let mut restarting = 0;
        while restarting < 2 {
            let listed = supervisor.which_children().await.unwrap();
            restarting = listed.iter().filter(|child| child.restarting).count();
        }
        assert_eq!(count(&supervisor).await, (3, 1, 0, 3));
        // The actor that it was is how one is known.
        supervisor.terminate_actor(actors[0].clone()).await.unwrap();
        assert_eq!(count(&supervisor).await, (2, 1, 0, 2));
        refuse(&family, 0);
        settle().await;
        assert_eq!(count(&supervisor).await, (2, 2, 0, 2));
    });
}

#[test]
fn requests_are_served_while_a_restart_fails_again_and_again() {
    for strategy in STATIC {
        under_seeds(5, move || async move {
            let family = Family::default();
            let failing = apart(&family);
            let spec = SupervisorSpec::new(strategy)
                .intensity(100_000, Duration::from_secs(1))
                .child(failing.child("a"))
                .child(family.child("b"));
            let supervisor = start(spec).await;
            refuse(&failing, u32::MAX);
            kill("a");
            while !supervisor.child("a").await.unwrap().restarting {}
            assert!(matches!(
                supervisor.delete_child("a").await,
                Err(ChildError::Restarting(_))
            ));
            assert!(matches!(
                supervisor.restart_child("a").await,
                Err(ChildError::Restarting(_))
            ));
            assert!(matches!(
                supervisor.start_child(failing.child("a")).await,
                Err(ChildError::AlreadyPresent(_))
            ));
            supervisor.start_child(family.child("c")).await.unwrap();
            supervisor.terminate_child("a").await.unwrap();
            refuse(&failing, 0);
            settle().await;
            assert!(supervisor.child("a").await.unwrap().actor.is_none());
            supervisor.delete_child("a").await.unwrap();
            supervisor.stop().await;
        });
    }
}

// --- restarts ---

#[test]
fn bystanders_are_restarted_with_the_set_unless_they_are_temporary() {
    for (strategy, restart, expected) in [
        (Strategy::OneForAll, Restart::Permanent, "by a"),
        (Strategy::OneForAll, Restart::Transient, "by a"),
        (Strategy::OneForAll, Restart::Temporary, "a"),
        (Strategy::RestForOne, Restart::Permanent, "a by"),
        (Strategy::RestForOne, Restart::Transient, "a by"),
        (Strategy::RestForOne, Restart::Temporary, "a"),
    ] {
        under_seeds(3, move || async move {
            let family = Family::default();
            let bystander = family.child("by").restart(restart);
            let spec = SupervisorSpec::new(strategy);
            let spec = match strategy {
                Strategy::OneForAll => spec.child(bystander).child(family.child("a")),
                _ => spec.child(family.child("a")).child(bystander),
            };
            let supervisor = start(spec).await;
            let before = retake::where_is("by").unwrap();
            kill("a");
            settle().await;
            assert_eq!(children(&supervisor).await, expected);
            assert_eq!(before.get_status(), ActorStatus::Stopped);
        });
    }
}

#[test]
fn too_many_restarts_end_a_supervisor_of_any_strategy_as_a_shutdown() {
    for strategy in STATIC.into_iter().chain([Strategy::SimpleOneForOne]) {
        under_seeds(3, move || async move {
            let family = Family::default();
            let ends = Ends::default();
            let (parent, _) = Actor::spawn(None, Watcher, ends.clone()).await.unwrap();
            let spec = SupervisorSpec::new(strategy).intensity(2, Duration::from_secs(10));
            let started = SupervisorRef::start_linked(None, spec, parent.get_cell());
            let supervisor = started.await.unwrap();
            for id in ["a", "b"] {
                supervisor.start_child(family.child(id)).await.unwrap();
            }
            for _ in 0..2 {
                kill("a");
                settle().await;
                assert_eq!(children(&supervisor).await, "a b");
            }
            kill("a");
            settle().await;
            assert_eq!(status(&supervisor), ActorStatus::Stopped);
            assert!(retake::where_is("b").is_none());
            assert_eq!(*ends.lock().unwrap(), [INTENSITY_EXCEEDED]);
        });
    }
}

#[test]
fn an_intensity_of_zero_allows_no_restart_and_the_window_slides() {
    under_seeds(1, || async {
        let family = Family::default();
        let spec = SupervisorSpec::new(Strategy::OneForOne)
            .intensity(0, Duration::from_secs(1))
            .child(family.child("a"));
        let supervisor = start(spec).await;
        kill("a");
        settle().await;
        assert_eq!(status(&supervisor), ActorStatus::Stopped);

        let period = Duration::from_secs(10);
        for (wait, survives) in [(period, false), (period + Duration::from_nanos(1), true)] {
            let spec = SupervisorSpec::new(Strategy::OneForOne)
                .intensity(1, period)
                .child(family.child("a"));
            let supervisor = start(spec).await;
            let first = retake::now();
            kill("a");
            retake::sleep(wait - first.elapsed()).await;
            kill("a");
            settle().await;
            assert_eq!(status(&supervisor) == ActorStatus::Running, survives);
            supervisor.stop().await;
        }
    });
}

#[test]
fn a_supervisor_tree_restarts_only_what_is_below_the_failure() {
    under_seeds(5, || async {
        let family = Family::default();
        let below = |name: &'static str, id: &'static str| {
            let family = family.clone();
            ChildSpec::supervisor(name, move || {
                SupervisorSpec::new(Strategy::OneForOne).child(family.child(id))
            })
        };
        let spec = SupervisorSpec::new(Strategy::RestForOne)
            .child(below("first", "a"))
            .child(below("second", "b"))
            .child(below("third", "c"));
        let top = start(spec).await;
        family.take_log();
        kill("b");
        settle().await;
        assert_eq!(family.take_log(), "b starts");
        // One more is too much for `second`; `third` is behind it.
        kill("b");
        settle().await;
        assert_eq!(family.take_log(), "c stops, b starts, c starts");
        assert_eq!(count(&top).await, (3, 3, 3, 0));
        top.stop().await;
        assert_eq!(family.take_log(), "c stops, b stops, a stops");
    });
}

#[test]
fn a_child_that_ends_while_its_sibling_is_stopped_is_not_restarted_twice() {
    under_seeds(50, || async {
        let family = Family::default();
        let spec = family.supervisor(Strategy::OneForAll, &["a", "b", "c"]);
        let supervisor = start(spec.intensity(1, Duration::from_secs(10))).await;
        for id in ["a", "b", "c"] {
            kill(id);
        }
        settle().await;
        assert_eq!(children(&supervisor).await, "a b c");
        let log = family.take_log();
        for id in ["a starts", "b starts", "c starts"] {
            assert_eq!(log.matches(id).count(), 2, "{log}");
        }
    });
}

// --- automatic shutdown ---

#[test]
fn a_significant_child_ends_its_supervisor_only_by_itself_and_for_good() {
    for auto_shutdown in [AutoShutdown::Any, AutoShutdown::All] {
        under_seeds(3, move || async move {
            let family = Family::default();
            let significant = |id| family.child(id).restart(Restart::Transient).significant();
            let spec = SupervisorSpec::new(Strategy::RestForOne)
                .intensity(10, Duration::from_secs(1))
                .auto_shutdown(auto_shutdown)
                .child(family.child("plain"))
                .child(significant("s"))
                .child(family.child("t").restart(Restart::Temporary).significant());
            let supervisor = start(spec).await;
            // A restart, a bystander's end, a request: none of these.
            kill("s");
            settle().await;
            assert_eq!(children(&supervisor).await, "plain s");
            kill("plain");
            settle().await;
            supervisor.terminate_child("s").await.unwrap();
            settle().await;
            assert_eq!(children(&supervisor).await, "plain (s)");
            // Nor the end of one that is not significant.
            let temporary = family.child("u").restart(Restart::Temporary);
            supervisor.start_child(temporary).await.unwrap();
            kill("u");
            settle().await;
            assert_eq!(status(&supervisor), ActorStatus::Running);
            supervisor.restart_child("s").await.unwrap();
            tell("s", ChildMessage::Stop);
            settle().await;
            assert_eq!(status(&supervisor), ActorStatus::Stopped);
            assert!(retake::where_is("plain").is_none());
        });
    }
}

#[test]
fn automatic_shutdown_goes_up_the_tree_through_significant_supervisors() {
    for (is_significant, ends) in [(true, true), (false, false)] {
        under_seeds(3, move || async move {
            let family = Family::default();
            let below = {
                let family = family.clone();
                ChildSpec::supervisor("below", move || {
                    let child = family.child("s").restart(Restart::Transient);
                    SupervisorSpec::new(Strategy::OneForOne)
                        .auto_shutdown(AutoShutdown::Any)
                        .child(child.significant())
                })
            };
            let below = below.restart(Restart::Transient);
            let below = match is_significant {
                true => below.significant(),
                false => below,
            };
            let spec = SupervisorSpec::new(Strategy::OneForOne)
                .auto_shutdown(AutoShutdown::Any)
                .child(below);
            let top = start(spec).await;
            tell("s", ChildMessage::Stop);
            settle().await;
            assert_eq!(status(&top) == ActorStatus::Stopped, ends);
            if !ends {
                assert_eq!(children(&top).await, "(below)");
            }
        });
    }
}

#[test]
fn a_dynamic_supervisor_has_significant_children_too() {
    under_seeds(3, || async {
        let family = Family::default();
        let spec = SupervisorSpec::new(Strategy::SimpleOneForOne);
        let supervisor = start(spec.auto_shutdown(AutoShutdown::All)).await;
        let mut actors = Vec::new();
        for _ in 0..2 {
            let child = family.child("s").unregistered().restart(Restart::Temporary);
            let started = supervisor.start_child(child.significant()).await.unwrap();
            actors.push(started.actor().unwrap());
        }
        actors[0].kill();
        settle().await;
        assert_eq!(status(&supervisor), ActorStatus::Running);
        actors[1].kill();
        settle().await;
        assert_eq!(status(&supervisor), ActorStatus::Stopped);
    });
}

// --- ends that come at a bad time ---

#[test]
fn a_supervisor_that_is_killed_takes_its_children_along_also_while_one_starts() {
    /// Takes a second to start.
    struct Slow;
    #[retake::simulated]
    impl Actor for Slow {
        type Msg = ();
        type State = ();
        type Arguments = ();
        async fn pre_start(&self, _: ActorRef<()>, (): ()) -> Result<(), ActorProcessingErr> {
            retake::sleep(Duration::from_secs(1)).await;
            Ok(())
        }
    }
    for after_ms in [0, 500, 1_500] {
        under_seeds(5, move || async move {
            let family = Family::default();
            let spec = || {
                SupervisorSpec::new(Strategy::OneForOne)
                    .child(family.child("a"))
                    .child(ChildSpec::new("slow", || (Slow, ())))
            };
            let supervisor = start(spec()).await;
            kill("slow");
            retake::sleep(Duration::from_millis(after_ms)).await;
            supervisor.actor().kill();
            retake::sleep(Duration::from_secs(5)).await;
            assert!(retake::where_is("a").is_none());
            assert!(retake::where_is("slow").is_none());
            // Their names are free.
            let supervisor = start(spec()).await;
            assert_eq!(children(&supervisor).await, "a slow");
        });
    }
}

#[test]
fn a_child_that_left_its_supervisor_is_stopped_with_it_all_the_same() {
    for shutdown in [Shutdown::Brutal, Shutdown::default(), Shutdown::Infinity] {
        under_seeds(3, move || async move {
            let family = Family::default();
            let child = family.child("a").shutdown(shutdown);
            let supervisor = start(SupervisorSpec::new(Strategy::OneForOne).child(child)).await;
            let child = retake::where_is("a").unwrap();
            child.unlink(supervisor.actor().get_cell());
            let before = retake::now();
            supervisor.terminate_child("a").await.unwrap();
            assert_eq!(child.get_status(), ActorStatus::Stopped);
            assert_eq!(before.elapsed(), Duration::ZERO);
        });
    }
}

/// Hears of ends, and does nothing about them.
struct Parent;

#[retake::simulated]
impl Actor for Parent {
    type Msg = ();
    type State = ();
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<()>, (): ()) -> Result<(), ActorProcessingErr> {
        Ok(())
    }
}

type Ends = Arc<std::sync::Mutex<Vec<String>>>;

/// Writes down for which reasons its children ended.
struct Watcher;

#[retake::simulated]
impl Actor for Watcher {
    type Msg = ();
    type State = Ends;
    type Arguments = Ends;

    async fn pre_start(&self, _: ActorRef<()>, ends: Ends) -> Result<Ends, ActorProcessingErr> {
        Ok(ends)
    }

    async fn handle_supervisor_evt(
        &self,
        _: ActorRef<()>,
        event: ractor::SupervisionEvent,
        ends: &mut Ends,
    ) -> Result<(), ActorProcessingErr> {
        if let ractor::SupervisionEvent::ActorTerminated(_, _, reason) = event {
            ends.lock().unwrap().push(reason.unwrap_or_default());
        }
        Ok(())
    }
}
