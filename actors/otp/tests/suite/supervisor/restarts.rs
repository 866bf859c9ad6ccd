//! Who is restarted, how often, and in which order.

use super::*;

#[test]
fn each_strategy_restarts_its_set_in_order() {
    for (strategy, expected) in [
        (Strategy::OneForOne, "b starts"),
        (
            Strategy::OneForAll,
            "c stops, a stops, a starts, b starts, c starts",
        ),
        (Strategy::RestForOne, "c stops, b starts, c starts"),
    ] {
        with_family(1, move |family| async move {
            let _supervisor = start(family.supervisor(strategy, &["a", "b", "c"])).await;
            assert_eq!(family.take_log(), "a starts, b starts, c starts");
            kill("b");
            settle().await;
            assert_eq!(family.take_log(), expected);
        });
    }
}

#[test]
fn restart_type_and_reason_decide_under_every_strategy() {
    type End = fn();
    let ends: [(End, bool); 8] = [
        (|| tell("a", ChildMessage::Stop), false),
        (|| tell("a", ChildMessage::StopFor("normal")), false),
        (|| tell("a", ChildMessage::StopFor("shutdown")), false),
        (
            || tell("a", ChildMessage::StopFor("shutdown: enough")),
            false,
        ),
        (|| tell("a", ChildMessage::StopFor("shut")), true),
        (|| tell("a", ChildMessage::StopFor("trouble")), true),
        (|| tell("a", ChildMessage::Fail), true),
        (|| kill("a"), true),
    ];
    for strategy in STATIC {
        for (number, (end, is_abnormal)) in ends.into_iter().enumerate() {
            for (restart, expected) in [
                (Restart::Permanent, "a b"),
                (
                    Restart::Transient,
                    if is_abnormal { "a b" } else { "(a) b" },
                ),
                (Restart::Temporary, "b"),
            ] {
                with_family(1, move |family| async move {
                    let spec = SupervisorSpec::new(strategy)
                        .child(family.child("a").restart(restart))
                        .child(family.child("b"));
                    let supervisor = start(spec).await;
                    end();
                    settle().await;
                    let seen = children(&supervisor).await;
                    assert_eq!(seen, expected, "{strategy}, {restart}, end {number}");
                });
            }
        }
    }
}

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
        with_family(3, move |family| async move {
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
fn a_restart_that_fails_is_tried_again_and_counts() {
    with_family(1, |family| async move {
        let spec = family.supervisor(Strategy::OneForOne, &["a"]);
        let supervisor = start(spec.intensity(3, 10 * SECOND)).await;
        family.refuse(2);
        kill("a");
        settle().await;
        let log = "a starts, a refuses, a refuses, a starts";
        assert_eq!(family.take_log(), log);
        family.refuse(1);
        kill("a");
        settle().await;
        // The fourth restart is one too many.
        assert_eq!(status(&supervisor), ActorStatus::Stopped);
    });
}

#[test]
fn a_failed_restart_goes_on_at_the_child_that_failed() {
    for (strategy, expected) in [
        (
            Strategy::OneForAll,
            "c stops, b stops, a starts, b refuses, a stops, a starts, b starts, c starts",
        ),
        (
            Strategy::RestForOne,
            "c stops, b stops, a starts, b refuses, b starts, c starts",
        ),
    ] {
        with_family(1, move |family| async move {
            let refusing = family.apart();
            let spec = family.supervisor(strategy, &["a"]);
            let spec = spec.child(refusing.child("b")).child(family.child("c"));
            let _supervisor = start(spec).await;
            family.take_log();
            refusing.refuse(1);
            kill("a");
            settle().await;
            assert_eq!(family.take_log(), expected);
        });
    }
}

#[test]
fn an_injected_panic_is_a_restart_under_every_seed() {
    for seed in 0..50 {
        let fault = Fault::panic("b").at(MS);
        let run = Sim::new().seed(seed).fault(fault).run(|| async {
            let family = Family::default();
            let supervisor = start(family.supervisor(Strategy::OneForAll, &["a", "b"])).await;
            retake::sleep(2 * MS).await;
            tell("b", ChildMessage::Hang);
            settle().await;
            let log = "a starts, b starts, a stops, a starts, b starts";
            assert_eq!(family.take_log(), log);
            supervisor.stop().await;
            assert_eq!(family.take_log(), "b stops, a stops");
        });
        assert_eq!(run.stats.faults, 1);
        run.expect_passed();
    }
}

#[test]
fn a_back_off_waits_before_each_restart_and_twice_as_long_before_the_next() {
    with_family(1, |family| async move {
        let backoff = Backoff {
            first: SECOND,
            longest: 3 * SECOND,
        };
        let spec = family.supervisor(Strategy::OneForOne, &["a"]);
        let supervisor = start(spec.intensity(10, 60 * SECOND).backoff(backoff)).await;
        for seconds in [1, 2, 3, 3] {
            kill("a");
            retake::sleep(seconds * SECOND - MS).await;
            assert_eq!(children(&supervisor).await, "a?", "{seconds}");
            retake::sleep(2 * MS).await;
            assert_eq!(children(&supervisor).await, "a", "{seconds}");
        }
    });
}

#[test]
fn too_many_restarts_end_a_supervisor_of_any_strategy_as_a_shutdown() {
    for strategy in STATIC.into_iter().chain([Strategy::SimpleOneForOne]) {
        with_family(3, move |family| async move {
            let (parent, ends) = parent().await;
            let spec = SupervisorSpec::new(strategy).intensity(2, 10 * SECOND);
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
            family.take_log();
            kill("a");
            settle().await;
            assert_eq!(status(&supervisor), ActorStatus::Stopped);
            assert_eq!(family.take_log(), "b stops");
            assert!(retake::where_is("b").is_none());
            assert_eq!(*ends.lock().unwrap(), [INTENSITY_EXCEEDED]);
        });
    }
}

#[test]
fn an_intensity_of_zero_allows_no_restart_and_the_window_slides() {
    with_family(1, |family| async move {
        let spec = family.supervisor(Strategy::OneForOne, &["a"]);
        let supervisor = start(spec.intensity(0, SECOND)).await;
        kill("a");
        settle().await;
        assert_eq!(status(&supervisor), ActorStatus::Stopped);

        let period = 10 * SECOND;
        for (wait, survives) in [(period, false), (period + Duration::from_nanos(1), true)] {
            let spec = family.supervisor(Strategy::OneForOne, &["a"]);
            let supervisor = start(spec.intensity(1, period)).await;
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
fn a_supervisor_that_gives_up_is_restarted_by_its_own_unless_it_is_transient() {
    for (restart, expected) in [
        (Restart::Permanent, "below"),
        (Restart::Transient, "(below)"),
    ] {
        with_family(1, move |family| async move {
            let of_below = family.clone();
            let below = ChildSpec::supervisor("below", move || {
                let spec = of_below.supervisor(Strategy::OneForOne, &["a", "b"]);
                spec.intensity(0, 5 * SECOND)
            });
            let spec = SupervisorSpec::new(Strategy::OneForOne).child(below.restart(restart));
            let supervisor = start(spec).await;
            family.take_log();
            kill("a");
            settle().await;
            assert_eq!(children(&supervisor).await, expected);
            let log = family.take_log();
            assert!(log.starts_with("b stops"), "{log}");
            let runs = retake::where_is("b").is_some();
            assert_eq!(runs, restart == Restart::Permanent);
        });
    }
}

#[test]
fn a_supervisor_tree_restarts_only_what_is_below_the_failure() {
    with_family(5, |family| async move {
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
    with_family(50, |family| async move {
        let spec = family.supervisor(Strategy::OneForAll, &["a", "b", "c"]);
        let supervisor = start(spec.intensity(1, 10 * SECOND)).await;
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

#[test]
fn the_counts_tell_of_children_that_are_being_restarted() {
    with_family(1, |family| async move {
        let backoff = Backoff {
            first: 10 * SECOND,
            longest: 10 * SECOND,
        };
        let spec = family.supervisor(Strategy::OneForOne, &["a", "b", "c"]);
        let supervisor = start(spec.backoff(backoff)).await;
        assert_eq!(count(&supervisor).await, (3, 3, 0, 3));
        kill("a");
        kill("b");
        settle().await;
        assert_eq!(children(&supervisor).await, "a? b? c");
        assert_eq!(count(&supervisor).await, (3, 1, 0, 3));
        supervisor.terminate_child("a").await.unwrap();
        retake::sleep(20 * SECOND).await;
        assert_eq!(count(&supervisor).await, (3, 2, 0, 3));
        assert_eq!(children(&supervisor).await, "(a) b c");
    });
}

#[test]
fn children_that_are_being_restarted_are_counted_as_not_active_and_can_be_ended() {
    with_family(5, |family| async move {
        let (supervisor, actors) = dynamic(&family, 3).await;
        family.refuse(u32::MAX);
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
        family.refuse(0);
        settle().await;
        assert_eq!(count(&supervisor).await, (2, 2, 0, 2));
    });
}

#[test]
fn requests_are_served_while_a_restart_fails_again_and_again() {
    for strategy in STATIC {
        with_family(5, move |family| async move {
            let failing = family.apart();
            let spec = SupervisorSpec::new(strategy)
                .intensity(100_000, SECOND)
                .child(failing.child("a"))
                .child(family.child("b"));
            let supervisor = start(spec).await;
            failing.refuse(u32::MAX);
            kill("a");
            while !supervisor.child("a").await.unwrap().restarting {}
            assert_eq!(refusal(supervisor.delete_child("a").await), "Restarting");
            assert_eq!(refusal(supervisor.restart_child("a").await), "Restarting");
            let again = supervisor.start_child(failing.child("a")).await;
            assert_eq!(refusal(again), "AlreadyPresent");
            supervisor.start_child(family.child("c")).await.unwrap();
            supervisor.terminate_child("a").await.unwrap();
            failing.refuse(0);
            settle().await;
            assert!(supervisor.child("a").await.unwrap().actor.is_none());
            supervisor.delete_child("a").await.unwrap();
            supervisor.stop().await;
        });
    }
}

#[test]
fn what_a_dead_child_held_is_free_before_its_successor_starts() {
    use tokio::sync::{Mutex, OwnedMutexGuard};
    /// Does not start while another one holds it.
    struct Holder(Arc<Mutex<()>>);
    #[retake::simulated]
    impl Actor for Holder {
        type Msg = ();
        type State = OwnedMutexGuard<()>;
        type Arguments = ();
        async fn pre_start(
            &self,
            _: ActorRef<()>,
            (): (),
        ) -> Result<Self::State, ActorProcessingErr> {
            Ok(Arc::clone(&self.0).try_lock_owned()?)
        }
    }
    under_seeds(50, || async {
        let held = Arc::<Mutex<()>>::default();
        let child = ChildSpec::new("holder", move || (Holder(Arc::clone(&held)), ()));
        let spec = SupervisorSpec::new(Strategy::OneForOne).child(child);
        let supervisor = start(spec.intensity(2, SECOND)).await;
        for end in [|it: ActorCell| it.kill(), |it: ActorCell| it.stop(None)] {
            end(retake::where_is("holder").unwrap());
            settle().await;
        }
        // A start that failed would have been a third restart.
        assert_eq!(children(&supervisor).await, "holder");
    });
}
