//! Starting, stopping and requests.

use super::common::*;

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
