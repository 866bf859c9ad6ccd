//! Starting, stopping and listing children.

use super::common::*;

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
