//! The supervisor restarts, gives up and stops as OTP's does.
#![allow(missing_docs)]

mod family;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use family::{Child, ChildMessage, Family, children, kill, settle, start, status, tell};
use ractor::{Actor, ActorRef, ActorStatus};
use retake_otp::supervisor::{
    AutoShutdown, Backoff, ChildError, ChildSpec, Restart, Shutdown, Strategy, Supervisor,
    SupervisorRef, SupervisorSpec,
};
use retake_sim::{Fault, Run, Sim};

fn run<F, Fut>(scenario: F) -> Run<Fut::Output>
where
    F: Fn(Family) -> Fut + Send + Sync + 'static,
    Fut: Future + Send + 'static,
    Fut::Output: Send + 'static,
{
    Sim::new().seed(3).run(move || scenario(Family::default()))
}

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
        run(move |family| async move {
            let spec = SupervisorSpec::new(strategy);
            start(
                spec.child(family.child("a"))
                    .child(family.child("b"))
                    .child(family.child("c")),
            )
            .await;
            assert_eq!(family.take_log(), "a starts, b starts, c starts");
            kill("b");
            settle().await;
            assert_eq!(family.take_log(), expected);
        })
        .expect_passed();
    }
}

#[test]
fn stopping_goes_in_reverse_and_a_child_that_hangs_is_killed() {
    run(|family| async move {
        let spec = SupervisorSpec::new(Strategy::OneForOne)
            .child(family.child("a"))
            .child(
                family
                    .child("hangs")
                    .shutdown(Shutdown::Timeout(Duration::from_secs(2))),
            )
            .child(family.child("brutal").shutdown(Shutdown::Brutal))
            .child(family.child("d"));
        let supervisor = start(spec).await;
        family.take_log();
        let hanging: ActorRef<ChildMessage> = retake::where_is("hangs").unwrap().into();
        hanging.cast(ChildMessage::Hang).unwrap();
        settle().await;
        let before = retake::now();
        supervisor.stop().await;
        assert_eq!(family.take_log(), "d stops, a stops");
        assert_eq!(before.elapsed(), Duration::from_secs(2));
        assert_eq!(hanging.get_status(), ActorStatus::Stopped);
    })
    .expect_passed();
}

#[test]
fn one_restart_too_many_ends_the_supervisor_and_its_children() {
    run(|family| async move {
        let spec = SupervisorSpec::new(Strategy::OneForOne).intensity(2, Duration::from_secs(10));
        let supervisor = start(spec.child(family.child("a")).child(family.child("b"))).await;
        for wait in [6, 6, 1] {
            kill("b");
            retake::sleep(Duration::from_secs(wait)).await;
            assert_eq!(status(&supervisor), ActorStatus::Running);
        }
        kill("b");
        settle().await;
        assert_eq!(status(&supervisor), ActorStatus::Stopped);
        assert!(family.take_log().ends_with("b starts, a stops"));
        assert!(retake::where_is("a").is_none());
    })
    .expect_passed();
}

#[test]
fn only_what_should_be_restarted_is() {
    run(|family| async move {
        let spec = SupervisorSpec::new(Strategy::OneForOne)
            .intensity(10, Duration::from_secs(1))
            .child(family.child("permanent"))
            .child(family.child("transient").restart(Restart::Transient))
            .child(family.child("temporary").restart(Restart::Temporary));
        let supervisor = start(spec).await;
        kill("transient");
        settle().await;
        tell("permanent", ChildMessage::Stop);
        tell("transient", ChildMessage::Stop);
        kill("temporary");
        settle().await;
        // A transient child that ended normally keeps its spec, a temporary one does not.
        assert_eq!(children(&supervisor).await, "permanent (transient)");
    })
    .expect_passed();
}

#[test]
fn a_restart_that_fails_is_tried_again_and_counts() {
    run(|family| async move {
        let spec = SupervisorSpec::new(Strategy::OneForOne).intensity(3, Duration::from_secs(10));
        let supervisor = start(spec.child(family.child("a"))).await;
        *family.refuses.lock().unwrap() = 2;
        kill("a");
        settle().await;
        assert_eq!(
            family.take_log(),
            "a starts, a refuses, a refuses, a starts"
        );
        *family.refuses.lock().unwrap() = 1;
        kill("a");
        settle().await;
        assert_eq!(
            status(&supervisor),
            ActorStatus::Stopped,
            "the fourth restart is one too many"
        );
    })
    .expect_passed();
}

#[test]
fn a_child_that_does_not_start_stops_those_before_it() {
    run(|family| async move {
        let spec = SupervisorSpec::new(Strategy::OneForOne)
            .child(family.child("a"))
            .child(ChildSpec::new("b", {
                let family = Family {
                    refuses: Arc::new(Mutex::new(1)),
                    ..family.clone()
                };
                move || {
                    let child = Child {
                        id: "b",
                        log: family.log.clone(),
                        refuses: family.refuses.clone(),
                        ignores: family.ignores.clone(),
                    };
                    (child, ())
                }
            }))
            .child(family.child("c"));
        let error = Actor::spawn(None, Supervisor, spec).await.unwrap_err();
        assert!(
            error.to_string().contains("child `b` failed to start"),
            "{error}"
        );
        assert_eq!(family.take_log(), "a starts, b refuses, a stops");
    })
    .expect_passed();
}

#[test]
fn a_spec_with_a_mistake_is_refused() {
    run(|family| async move {
        let spec = SupervisorSpec::new(Strategy::OneForOne)
            .child(family.child("a"))
            .child(family.child("a"));
        assert!(
            spec.check()
                .unwrap_err()
                .to_string()
                .contains("two children have the id `a`")
        );
        assert!(Actor::spawn(None, Supervisor, spec).await.is_err());
        let spec = SupervisorSpec::new(Strategy::OneForOne).intensity(1, Duration::ZERO);
        assert!(
            spec.check()
                .unwrap_err()
                .to_string()
                .contains("period is zero")
        );
    })
    .expect_passed();
}

#[test]
fn an_injected_panic_is_a_restart_under_every_seed() {
    for seed in 0..50 {
        let run = Sim::new()
            .seed(seed)
            .fault(Fault::panic("b").at(Duration::from_millis(1)))
            .run(|| async {
                let family = Family::default();
                let supervisor = start(
                    SupervisorSpec::new(Strategy::OneForAll)
                        .child(family.child("a"))
                        .child(family.child("b")),
                )
                .await;
                retake::sleep(Duration::from_millis(2)).await;
                let b: ActorRef<ChildMessage> = retake::where_is("b").unwrap().into();
                b.cast(ChildMessage::Hang).unwrap();
                settle().await;
                assert_eq!(
                    family.take_log(),
                    "a starts, b starts, a stops, a starts, b starts"
                );
                supervisor.stop().await;
                assert_eq!(family.take_log(), "b stops, a stops");
            });
        assert_eq!(run.stats.faults, 1);
        run.expect_passed();
    }
}

#[test]
fn the_reason_of_an_end_decides_whether_a_transient_child_comes_back() {
    for (message, comes_back) in [
        (ChildMessage::Stop, false),
        (ChildMessage::StopFor("normal"), false),
        (ChildMessage::StopFor("shutdown"), false),
        (ChildMessage::StopFor("shutdown: no more work"), false),
        (ChildMessage::StopFor("shut"), true),
        (ChildMessage::Fail, true),
    ] {
        let message = Mutex::new(Some(message));
        run(move |family| {
            let message = message.lock().unwrap().take();
            async move {
                let spec = SupervisorSpec::new(Strategy::OneForOne);
                let child = family.child("a").restart(Restart::Transient);
                let supervisor = start(spec.child(child)).await;
                let text = format!("{message:?}");
                tell("a", message.unwrap());
                settle().await;
                let expected = if comes_back { "a" } else { "(a)" };
                assert_eq!(children(&supervisor).await, expected, "{text}");
            }
        })
        .expect_passed();
    }
}

#[test]
fn a_child_that_does_not_want_to_run_keeps_its_spec_unless_it_is_temporary() {
    run(|family| async move {
        *family.ignores.lock().unwrap() = true;
        let spec = family
            .supervisor(Strategy::OneForOne, &["a"])
            .child(family.child("b").restart(Restart::Temporary));
        let supervisor = start(spec).await;
        assert_eq!(children(&supervisor).await, "(a)");
        *family.ignores.lock().unwrap() = false;
        supervisor.restart_child("a").await.unwrap();
        assert_eq!(children(&supervisor).await, "a");
        *family.ignores.lock().unwrap() = true;
        kill("a");
        settle().await;
        assert_eq!(children(&supervisor).await, "(a)", "also when restarted");
    })
    .expect_passed();
}

#[test]
fn children_are_listed_last_started_first_and_counted() {
    run(|family| async move {
        let spec =
            family
                .supervisor(Strategy::OneForOne, &["a", "b"])
                .child(ChildSpec::supervisor("below", {
                    let family = family.clone();
                    move || family.supervisor(Strategy::OneForAll, &["c"])
                }));
        let supervisor = start(spec).await;
        supervisor.terminate_child("a").await.unwrap();
        let listed = supervisor.which_children().await.unwrap();
        let ids: Vec<_> = listed.into_iter().map(|child| child.id).collect();
        assert_eq!(ids, ["below", "b", "a"]);
        let count = supervisor.count_children().await.unwrap();
        assert_eq!(
            count.to_string(),
            "3 specs, 2 active, 1 supervisors, 2 workers"
        );
        let below = supervisor.child("below").await.unwrap();
        assert_eq!(below.shutdown, Shutdown::Infinity);
        insta::assert_snapshot!(supervisor.tree().await.unwrap(), @r"
        supervisor: one_for_one, at most 100 restarts in 1s
        ├─ a: permanent, not running
        ├─ b: permanent
        └─ below: one_for_all, at most 100 restarts in 1s, permanent
           └─ c: permanent
        ");
    })
    .expect_passed();
}

#[test]
fn children_are_added_terminated_restarted_and_deleted() {
    run(|family| async move {
        let supervisor = start(family.supervisor(Strategy::OneForOne, &["a"])).await;
        supervisor.start_child(family.child("b")).await.unwrap();
        assert_eq!(children(&supervisor).await, "a b");
        let again = supervisor.start_child(family.child("b")).await;
        assert!(matches!(again, Err(ChildError::AlreadyStarted { .. })));
        let deleted = supervisor.delete_child("b").await;
        assert!(matches!(deleted, Err(ChildError::Running(_))));
        let restarted = supervisor.restart_child("b").await;
        assert!(matches!(restarted, Err(ChildError::Running(_))));

        supervisor.terminate_child("b").await.unwrap();
        supervisor.terminate_child("b").await.unwrap();
        assert_eq!(children(&supervisor).await, "a (b)");
        let again = supervisor.start_child(family.child("b")).await;
        assert!(matches!(again, Err(ChildError::AlreadyPresent(_))));
        supervisor.restart_child("b").await.unwrap();
        supervisor.terminate_child("b").await.unwrap();
        supervisor.delete_child("b").await.unwrap();
        let gone = supervisor.terminate_child("b").await;
        assert!(matches!(gone, Err(ChildError::NotFound(_))));

        let temporary = family.child("t").restart(Restart::Temporary);
        supervisor.start_child(temporary).await.unwrap();
        supervisor.terminate_child("t").await.unwrap();
        assert_eq!(children(&supervisor).await, "a");

        *family.refuses.lock().unwrap() = 1;
        let error = supervisor.start_child(family.child("c")).await.unwrap_err();
        assert_eq!(error.to_string(), "the child `c` did not start: not now");
        assert_eq!(children(&supervisor).await, "a", "its spec is not kept");
        let error = supervisor
            .start_child(family.child("s").significant())
            .await;
        assert!(matches!(error, Err(ChildError::Spec(_))));

        supervisor.stop().await;
        assert!(matches!(
            supervisor.which_children().await,
            Err(ChildError::Closed)
        ));
    })
    .expect_passed();
}

/// A child whose restart has failed once and waits for the next try.
async fn while_restarting(family: &Family) -> SupervisorRef {
    let spec = family
        .supervisor(Strategy::OneForOne, &["a", "b"])
        .backoff(Backoff {
            first: Duration::from_secs(10),
            longest: Duration::from_secs(10),
        });
    let supervisor = start(spec).await;
    kill("a");
    settle().await;
    assert_eq!(children(&supervisor).await, "a? b");
    supervisor
}

#[test]
fn a_child_that_is_being_restarted_says_so_and_can_be_terminated() {
    run(|family| async move {
        let supervisor = while_restarting(&family).await;
        let answers = (
            supervisor.delete_child("a").await,
            supervisor.restart_child("a").await,
            supervisor.start_child(family.child("a")).await,
        );
        assert!(matches!(
            answers,
            (
                Err(ChildError::Restarting(_)),
                Err(ChildError::Restarting(_)),
                Err(ChildError::AlreadyPresent(_))
            )
        ));
        supervisor.terminate_child("a").await.unwrap();
        assert_eq!(children(&supervisor).await, "(a) b");
        retake::sleep(Duration::from_secs(20)).await;
        assert_eq!(children(&supervisor).await, "(a) b", "the tries have ended");
    })
    .expect_passed();
}

#[test]
fn a_back_off_waits_before_each_restart_and_twice_as_long_before_the_next() {
    run(|family| async move {
        let spec = family
            .supervisor(Strategy::OneForOne, &["a"])
            .intensity(10, Duration::from_secs(60))
            .backoff(Backoff {
                first: Duration::from_secs(1),
                longest: Duration::from_secs(3),
            });
        let supervisor = start(spec).await;
        for seconds in [1, 2, 3, 3] {
            kill("a");
            retake::sleep(Duration::from_secs(seconds) - Duration::from_millis(1)).await;
            assert_eq!(children(&supervisor).await, "a?", "{seconds}");
            retake::sleep(Duration::from_millis(2)).await;
            assert_eq!(children(&supervisor).await, "a", "{seconds}");
        }
    })
    .expect_passed();
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
        run(move |family| async move {
            let supervisor = start(family.supervisor(strategy, &["a"])).await;
            let refusing = Family {
                refuses: Arc::default(),
                ..family.clone()
            };
            supervisor.start_child(refusing.child("b")).await.unwrap();
            supervisor.start_child(family.child("c")).await.unwrap();
            family.take_log();
            *refusing.refuses.lock().unwrap() = 1;
            kill("a");
            settle().await;
            assert_eq!(family.take_log(), expected);
        })
        .expect_passed();
    }
}

#[test]
fn a_set_that_is_restarted_loses_its_temporary_children() {
    run(|family| async move {
        let spec = family
            .supervisor(Strategy::OneForAll, &["a"])
            .child(family.child("t").restart(Restart::Temporary));
        let supervisor = start(spec).await;
        kill("a");
        settle().await;
        assert_eq!(children(&supervisor).await, "a");
    })
    .expect_passed();
}

#[test]
fn children_that_die_with_the_one_that_is_restarted_are_not_counted() {
    run(|family| async move {
        let spec = SupervisorSpec::new(Strategy::OneForAll)
            .intensity(1, Duration::from_secs(5))
            .child(family.child("a"))
            .child(family.child("b"));
        let supervisor = start(spec).await;
        kill("a");
        kill("b");
        settle().await;
        assert_eq!(children(&supervisor).await, "a b");
        assert_eq!(status(&supervisor), ActorStatus::Running);
    })
    .expect_passed();
}

#[test]
fn a_supervisor_that_gives_up_is_restarted_by_its_own_unless_it_is_transient() {
    for (restart, expected) in [
        (Restart::Permanent, "below"),
        (Restart::Transient, "(below)"),
    ] {
        run(move |family| async move {
            let below = family.clone();
            let below = ChildSpec::supervisor("below", move || {
                SupervisorSpec::new(Strategy::OneForOne)
                    .intensity(0, Duration::from_secs(5))
                    .child(below.child("a"))
                    .child(below.child("b"))
            });
            let spec = SupervisorSpec::new(Strategy::OneForOne).child(below.restart(restart));
            let supervisor = start(spec).await;
            family.take_log();
            kill("a");
            settle().await;
            assert_eq!(children(&supervisor).await, expected);
            let log = family.take_log();
            assert!(log.starts_with("b stops"), "{log}");
            assert_eq!(
                retake::where_is("b").is_some(),
                restart == Restart::Permanent
            );
        })
        .expect_passed();
    }
}

#[test]
fn significant_children_end_the_supervisor_when_they_end_by_themselves() {
    for (auto_shutdown, ends_after) in [(AutoShutdown::Any, 1), (AutoShutdown::All, 2)] {
        run(move |family| async move {
            let significant = |id| {
                let child = family.child(id).significant();
                child.restart(Restart::Transient)
            };
            let spec = family
                .supervisor(Strategy::OneForOne, &["plain"])
                .auto_shutdown(auto_shutdown)
                .child(significant("s1"))
                .child(significant("s2"))
                .child(significant("s3"));
            let supervisor = start(spec).await;
            // Neither a restart nor a request counts.
            kill("s1");
            supervisor.terminate_child("s3").await.unwrap();
            settle().await;
            assert_eq!(children(&supervisor).await, "plain s1 s2 (s3)");
            tell("s1", ChildMessage::Stop);
            settle().await;
            assert_eq!(status(&supervisor) == ActorStatus::Stopped, ends_after == 1);
            if ends_after == 2 {
                tell("s2", ChildMessage::Stop);
                settle().await;
                assert_eq!(status(&supervisor), ActorStatus::Stopped);
            }
            assert!(retake::where_is("plain").is_none());
        })
        .expect_passed();
    }
}

#[test]
fn mistakes_of_significant_and_dynamic_children_are_refused() {
    let family = Family::default();
    let spec = || SupervisorSpec::new(Strategy::OneForOne);
    let significant = || family.child("a").significant();
    for (spec, expected) in [
        (spec().child(significant()), "auto shutdown is `Never`"),
        (
            spec().auto_shutdown(AutoShutdown::Any).child(significant()),
            "significant and permanent",
        ),
        (
            SupervisorSpec::new(Strategy::SimpleOneForOne).child(family.child("a")),
            "starts with no children",
        ),
        (
            spec().backoff(Backoff {
                first: Duration::ZERO,
                longest: Duration::ZERO,
            }),
            "back-off is zero",
        ),
    ] {
        let error = spec.check().unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn a_dynamic_supervisor_goes_by_actor_and_stops_all_children_at_once() {
    run(|family| async move {
        let spec = family.supervisor(Strategy::SimpleOneForOne, &[]);
        let supervisor = start(spec).await;
        let child = || {
            let child = family.child("hangs").unregistered();
            child.shutdown(Shutdown::Timeout(Duration::from_secs(2)))
        };
        let mut actors = Vec::new();
        for _ in 0..10 {
            let started = supervisor.start_child(child()).await.unwrap();
            actors.push(started.actor().unwrap());
        }
        assert!(matches!(
            supervisor.terminate_child("hangs").await,
            Err(ChildError::Dynamic)
        ));
        assert!(matches!(
            supervisor.delete_child("hangs").await,
            Err(ChildError::Dynamic)
        ));
        let first = actors.remove(0);
        supervisor.terminate_actor(first.clone()).await.unwrap();
        assert_eq!(first.get_status(), ActorStatus::Stopped);
        supervisor.terminate_actor(first).await.unwrap();
        let stranger = supervisor.actor().get_cell();
        assert!(matches!(
            supervisor.terminate_actor(stranger).await,
            Err(ChildError::NotFound(_))
        ));
        actors[0].kill();
        settle().await;
        let count = supervisor.count_children().await.unwrap();
        assert_eq!((count.specs, count.active), (9, 9), "it was restarted");
        for actor in &actors[1..] {
            ActorRef::<ChildMessage>::from(actor.clone())
                .cast(ChildMessage::Hang)
                .unwrap();
        }
        settle().await;
        let before = retake::now();
        supervisor.stop().await;
        assert_eq!(
            before.elapsed(),
            Duration::from_secs(2),
            "one timer for all"
        );
        assert!(
            actors
                .iter()
                .all(|actor| actor.get_status() == ActorStatus::Stopped)
        );
    })
    .expect_passed();
}

#[test]
fn a_child_that_left_its_supervisor_does_not_hang_it() {
    run(|family| async move {
        let supervisor = start(family.supervisor(Strategy::OneForOne, &["a"])).await;
        let child = retake::where_is("a").unwrap();
        child.unlink(supervisor.actor().get_cell());
        let before = retake::now();
        supervisor.stop().await;
        assert_eq!(child.get_status(), ActorStatus::Stopped);
        assert_eq!(before.elapsed(), Duration::ZERO);
    })
    .expect_passed();
}
