//! Starting, listing and requests.

use super::*;

#[test]
fn what_is_not_said_is_as_in_otp() {
    with_family(1, |family| async move {
        let below = || SupervisorSpec::new(Strategy::OneForOne);
        let spec = SupervisorSpec::new(Strategy::default())
            .child(family.child("worker"))
            .child(ChildSpec::supervisor("below", below));
        let supervisor = start(spec).await;
        let described = supervisor.describe().await.unwrap();
        assert_eq!(described.strategy, Strategy::OneForOne);
        let (intensity, period) = (described.intensity, described.period);
        assert_eq!((intensity, period), (1, 5 * SECOND));
        let worker = supervisor.child("worker").await.unwrap();
        let below = supervisor.child("below").await.unwrap();
        assert_eq!(worker.kind, ChildKind::Worker);
        assert_eq!(worker.shutdown, Shutdown::Timeout(5 * SECOND));
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
fn a_spec_with_a_mistake_is_refused() {
    with_family(1, |family| async move {
        let spec = |strategy| SupervisorSpec::new(strategy);
        let one_for_one = || spec(Strategy::OneForOne);
        let child = || family.child("a");
        let backoff = Backoff {
            first: Duration::ZERO,
            longest: Duration::ZERO,
        };
        for (spec, expected) in [
            (
                one_for_one().child(child()).child(child()),
                "two children have the id `a`",
            ),
            (one_for_one().intensity(1, Duration::ZERO), "period is zero"),
            (one_for_one().backoff(backoff), "back-off is zero"),
            (
                one_for_one().child(child().significant()),
                "auto shutdown is `Never`",
            ),
            (
                one_for_one()
                    .auto_shutdown(AutoShutdown::Any)
                    .child(child().significant()),
                "significant and permanent",
            ),
            (
                spec(Strategy::SimpleOneForOne).child(child()),
                "starts with no children",
            ),
        ] {
            let error = spec.check().unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
            assert!(Actor::spawn(None, Supervisor, spec).await.is_err());
        }
    });
}

#[test]
fn children_start_one_after_another_and_a_failed_start_undoes_those_before() {
    with_family(5, |family| async move {
        let failing = family.apart();
        failing.refuse(1);
        let spec = family.supervisor(Strategy::OneForOne, &["a", "b"]);
        let spec = spec.child(failing.child("c")).child(family.child("d"));
        let (outer, _) = Actor::spawn(None, Idler, ()).await.unwrap();
        let failed = SupervisorRef::start_linked(None, spec, outer.get_cell()).await;
        let reason = failed.unwrap_err().to_string();
        assert!(reason.contains("child `c` failed to start"), "{reason}");
        assert!(reason.contains("not now"), "{reason}");
        let log = "a starts, b starts, c refuses, b stops, a stops";
        assert_eq!(family.take_log(), log);
        assert_eq!(outer.get_status(), ActorStatus::Running);
    });
}

#[test]
fn a_child_that_ignores_its_start_is_kept_without_an_actor_unless_it_is_temporary() {
    with_family(1, |family| async move {
        let ignoring = family.apart();
        ignoring.ignore(true);
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
        // Also when it is started with its supervisor or restarted.
        supervisor.stop().await;
        let supervisor = start(ignoring.supervisor(Strategy::OneForOne, &["a"])).await;
        assert_eq!(children(&supervisor).await, "(a)");
        ignoring.ignore(false);
        supervisor.restart_child("a").await.unwrap();
        assert_eq!(children(&supervisor).await, "a");
        ignoring.ignore(true);
        kill("a");
        settle().await;
        assert_eq!(children(&supervisor).await, "(a)");
        // A dynamic one keeps nothing of it either.
        supervisor.stop().await;
        let (supervisor, _) = dynamic(&family, 1).await;
        let child = ignoring.child("i").unregistered();
        let started = supervisor.start_child(child).await.unwrap();
        assert!(started.actor().is_none());
        assert_eq!(count(&supervisor).await, (1, 1, 0, 1));
    });
}

#[test]
fn a_restart_on_request_that_fails_leaves_the_child_as_it_was() {
    with_family(1, |family| async move {
        let supervisor = start(family.supervisor(Strategy::OneForOne, &["a", "b"])).await;
        supervisor.terminate_child("a").await.unwrap();
        family.refuse(1);
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
fn a_child_lives_through_all_requests() {
    for strategy in STATIC {
        with_family(1, move |family| async move {
            let supervisor = start(family.supervisor(strategy, &[])).await;
            for missing in [
                supervisor.terminate_child("a").await,
                supervisor.delete_child("a").await,
                supervisor.restart_child("a").await.map(drop),
                supervisor.child("a").await.map(drop),
            ] {
                assert_eq!(refusal(missing), "NotFound");
            }
            let started = supervisor.start_child(family.child("a")).await.unwrap();
            let actor = started.actor().unwrap();
            match supervisor.start_child(family.child("a")).await {
                Err(ChildError::AlreadyStarted { id, actor: runs }) => {
                    assert_eq!((id.as_str(), runs.get_id()), ("a", actor.get_id()));
                }
                other => panic!("{other:?}"),
            }
            assert_eq!(refusal(supervisor.delete_child("a").await), "Running");
            assert_eq!(refusal(supervisor.restart_child("a").await), "Running");
            assert_eq!(
                refusal(supervisor.terminate_actor(actor).await),
                "NotDynamic"
            );
            supervisor.terminate_child("a").await.unwrap();
            supervisor.terminate_child("a").await.unwrap();
            assert_eq!(count(&supervisor).await, (1, 0, 0, 1));
            let again = supervisor.start_child(family.child("a")).await;
            assert_eq!(refusal(again), "AlreadyPresent");
            supervisor.restart_child("a").await.unwrap();
            assert_eq!(count(&supervisor).await, (1, 1, 0, 1));
            supervisor.terminate_child("a").await.unwrap();
            supervisor.delete_child("a").await.unwrap();
            let temporary = family.child("t").restart(Restart::Temporary);
            supervisor.start_child(temporary).await.unwrap();
            supervisor.terminate_child("t").await.unwrap();
            assert_eq!(count(&supervisor).await, (0, 0, 0, 0));
            family.refuse(1);
            let failed = supervisor.start_child(family.child("c")).await.unwrap_err();
            assert_eq!(failed.to_string(), "the child `c` did not start: not now");
            assert_eq!(children(&supervisor).await, "", "its spec is not kept");
            supervisor.stop().await;
            assert_eq!(refusal(supervisor.which_children().await), "Closed");
        });
    }
}

#[test]
fn children_of_a_dynamic_supervisor_are_known_by_their_actors() {
    with_family(1, |family| async move {
        let (supervisor, actors) = dynamic(&family, 3).await;
        assert_eq!(count(&supervisor).await, (3, 3, 0, 3));
        for refused in [
            supervisor.terminate_child("child").await,
            supervisor.delete_child("child").await,
            supervisor.restart_child("child").await.map(drop),
        ] {
            assert_eq!(refusal(refused), "Dynamic");
        }
        supervisor.terminate_actor(actors[0].clone()).await.unwrap();
        assert_eq!(actors[0].get_status(), ActorStatus::Stopped);
        assert_eq!(count(&supervisor).await, (2, 2, 0, 2));
        supervisor.terminate_actor(actors[0].clone()).await.unwrap();
        let (stranger, _) = Actor::spawn(None, Idler, ()).await.unwrap();
        let answer = supervisor.terminate_actor(stranger.get_cell()).await;
        assert_eq!(refusal(answer), "NotFound");
        assert_eq!(stranger.get_status(), ActorStatus::Running);
    });
}

#[test]
fn children_are_listed_last_started_first_and_counted() {
    with_family(1, |family| async move {
        let of_below = family.clone();
        let below = move || of_below.supervisor(Strategy::OneForAll, &["c"]);
        let spec = family.supervisor(Strategy::OneForOne, &["a", "b"]);
        let supervisor = start(spec.child(ChildSpec::supervisor("below", below))).await;
        supervisor.terminate_child("a").await.unwrap();
        let listed = supervisor.which_children().await.unwrap();
        let ids: Vec<_> = listed.into_iter().map(|child| child.id).collect();
        assert_eq!(ids, ["below", "b", "a"]);
        let count = supervisor.count_children().await.unwrap().to_string();
        assert_eq!(count, "3 specs, 2 active, 1 supervisors, 2 workers");
        insta::assert_snapshot!(supervisor.tree().await.unwrap(), @r"
        supervisor: one_for_one, at most 100 restarts in 1s
        ├─ a: permanent, not running
        ├─ b: permanent
        └─ below: one_for_all, at most 100 restarts in 1s, permanent
           └─ c: permanent
        ");
    });
}

#[test]
fn thousands_of_temporary_children_come_and_go() {
    under_seeds(1, || async {
        let supervisor = start(SupervisorSpec::new(Strategy::SimpleOneForOne)).await;
        for _ in 0..5_000 {
            let child = ChildSpec::new("brief", || (Brief, ())).unregistered();
            let child = child.restart(Restart::Temporary);
            let started = supervisor.start_child(child).await.unwrap();
            assert!(matches!(started, StartedChild::Running(_)));
        }
        settle().await;
        assert_eq!(count(&supervisor).await, (0, 0, 0, 0));
        assert_eq!(status(&supervisor), ActorStatus::Running);
    });
}
