//! Stopping, kills and automatic shutdown.

use super::*;

#[test]
fn children_stop_last_started_first_and_a_dynamic_supervisors_together() {
    for strategy in STATIC {
        with_family(5, move |family| async move {
            let supervisor = start(family.supervisor(strategy, &["a", "b", "c"])).await;
            family.take_log();
            supervisor.stop().await;
            assert_eq!(family.take_log(), "c stops, b stops, a stops");
        });
    }
    with_family(5, |family| async move {
        let (supervisor, actors) = dynamic(&family, 20).await;
        for actor in &actors {
            let child = ActorRef::<ChildMessage>::from(actor.clone());
            child.cast(ChildMessage::Hang).unwrap();
        }
        settle().await;
        let before = retake::now();
        supervisor.stop().await;
        // 5 s each, all at the same time.
        assert_eq!(before.elapsed(), 5 * SECOND);
        let has_ended = |actor: &ActorCell| actor.get_status() == ActorStatus::Stopped;
        assert!(actors.iter().all(has_ended));
    });
}

#[test]
fn each_shutdown_is_as_patient_as_it_says() {
    struct Slow(Family);
    #[retake::simulated]
    impl Actor for Slow {
        type Msg = ();
        type State = ();
        type Arguments = ();
        async fn pre_start(&self, _: ActorRef<()>, (): ()) -> Result<(), ActorProcessingErr> {
            Ok(())
        }
        async fn post_stop(&self, _: ActorRef<()>, (): &mut ()) -> Result<(), ActorProcessingErr> {
            retake::sleep(SECOND).await;
            self.0.note("slow stops".to_owned());
            Ok(())
        }
    }
    for (shutdown, log, took) in [
        (Shutdown::Brutal, "", Duration::ZERO),
        (Shutdown::Timeout(300 * MS), "", 300 * MS),
        (Shutdown::Timeout(2 * SECOND), "slow stops", SECOND),
        (Shutdown::Infinity, "slow stops", SECOND),
    ] {
        with_family(1, move |family| async move {
            let slow = family.clone();
            let child = ChildSpec::new("slow", move || (Slow(slow.clone()), ()));
            let spec = SupervisorSpec::new(Strategy::OneForOne).child(child.shutdown(shutdown));
            let supervisor = start(spec).await;
            let before = retake::now();
            supervisor.terminate_child("slow").await.unwrap();
            let seen = (family.take_log(), before.elapsed());
            assert_eq!(seen, (log.to_owned(), took), "{shutdown:?}");
            assert!(retake::where_is("slow").is_none());
        });
    }
}

#[test]
fn a_child_that_left_its_supervisor_is_stopped_with_it_all_the_same() {
    for shutdown in [Shutdown::Brutal, Shutdown::default(), Shutdown::Infinity] {
        for is_asked in [true, false] {
            with_family(3, move |family| async move {
                let child = family.child("a").shutdown(shutdown);
                let supervisor = start(SupervisorSpec::new(Strategy::OneForOne).child(child)).await;
                let child = retake::where_is("a").unwrap();
                child.unlink(supervisor.actor().get_cell());
                let before = retake::now();
                match is_asked {
                    true => supervisor.terminate_child("a").await.unwrap(),
                    false => supervisor.stop().await,
                }
                assert_eq!(child.get_status(), ActorStatus::Stopped);
                assert_eq!(before.elapsed(), Duration::ZERO);
            });
        }
    }
}

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
            retake::sleep(SECOND).await;
            Ok(())
        }
    }
    for after in [Duration::ZERO, 500 * MS, 1_500 * MS] {
        with_family(5, move |family| async move {
            let spec = || {
                let slow = ChildSpec::new("slow", || (Slow, ()));
                family.supervisor(Strategy::OneForOne, &["a"]).child(slow)
            };
            let supervisor = start(spec()).await;
            kill("slow");
            retake::sleep(after).await;
            supervisor.actor().kill();
            retake::sleep(5 * SECOND).await;
            assert!(retake::where_is("a").is_none());
            assert!(retake::where_is("slow").is_none());
            // Their names are free.
            let supervisor = start(spec()).await;
            assert_eq!(children(&supervisor).await, "a slow");
        });
    }
}

#[test]
fn a_significant_child_ends_its_supervisor_only_by_itself_and_for_good() {
    for auto_shutdown in [AutoShutdown::Any, AutoShutdown::All] {
        with_family(3, move |family| async move {
            let significant = |id, restart| family.child(id).restart(restart).significant();
            let spec = family
                .supervisor(Strategy::RestForOne, &["plain"])
                .auto_shutdown(auto_shutdown)
                .child(significant("s", Restart::Transient))
                .child(significant("t", Restart::Temporary));
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
fn automatic_shutdown_comes_after_any_or_all_significant_children() {
    for strategy in STATIC.into_iter().chain([Strategy::SimpleOneForOne]) {
        for (auto_shutdown, after) in [(AutoShutdown::Any, 1), (AutoShutdown::All, 2)] {
            with_family(3, move |family| async move {
                let spec = family.supervisor(strategy, &[]);
                let supervisor = start(spec.auto_shutdown(auto_shutdown)).await;
                for id in ["s1", "s2"] {
                    let child = family.child(id).restart(Restart::Transient);
                    supervisor.start_child(child.significant()).await.unwrap();
                }
                tell("s1", ChildMessage::Stop);
                settle().await;
                let has_ended = status(&supervisor) == ActorStatus::Stopped;
                assert_eq!(has_ended, after == 1, "{strategy} {auto_shutdown:?}");
                if after == 2 {
                    tell("s2", ChildMessage::Stop);
                    settle().await;
                    assert_eq!(status(&supervisor), ActorStatus::Stopped);
                }
                assert!(retake::where_is("s2").is_none());
            });
        }
    }
}

#[test]
fn automatic_shutdown_goes_up_the_tree_through_significant_supervisors() {
    for is_significant in [true, false] {
        with_family(3, move |family| async move {
            let below = ChildSpec::supervisor("below", move || {
                let child = family.child("s").restart(Restart::Transient);
                SupervisorSpec::new(Strategy::OneForOne)
                    .auto_shutdown(AutoShutdown::Any)
                    .child(child.significant())
            });
            let below = below.restart(Restart::Transient);
            let below = match is_significant {
                true => below.significant(),
                false => below,
            };
            let spec = SupervisorSpec::new(Strategy::OneForOne);
            let spec = spec.auto_shutdown(AutoShutdown::Any).child(below);
            let top = start(spec).await;
            tell("s", ChildMessage::Stop);
            settle().await;
            assert_eq!(status(&top) == ActorStatus::Stopped, is_significant);
            if !is_significant {
                assert_eq!(children(&top).await, "(below)");
            }
        });
    }
}
