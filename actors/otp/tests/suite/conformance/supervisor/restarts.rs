//! Restarts and automatic shutdown.

use super::common::*;

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
