//! Supervisors.

use super::common::*;

// --- supervisor ---

#[test]
fn the_counts_tell_of_children_that_are_being_restarted() {
    simulate(|| async {
        let family = Family::default();
        let spec = family.supervisor(Strategy::OneForOne, &["a", "b", "c"]);
        let supervisor = start(spec.backoff(Backoff {
            first: Duration::from_secs(10),
            longest: Duration::from_secs(10),
        }))
        .await;
        let count = |active| ChildCount {
            specs: 3,
            active,
            supervisors: 0,
            workers: 3,
        };
        assert_eq!(supervisor.count_children().await.unwrap(), count(3));
        kill("a");
        kill("b");
        settle().await;
        assert_eq!(supervisor.count_children().await.unwrap(), count(1));
        supervisor.terminate_child("a").await.unwrap();
        retake::sleep(Duration::from_secs(20)).await;
        assert_eq!(supervisor.count_children().await.unwrap(), count(2));
        assert_eq!(children(&supervisor).await, "(a) b c");
    });
}

#[test]
fn a_child_that_never_starts_again_leaves_the_supervisor_able_to_answer() {
    simulate(|| async {
        let family = Family::default();
        let spec = family.supervisor(Strategy::RestForOne, &["a", "b"]);
        let supervisor = start(spec.intensity(2_000, Duration::from_secs(1))).await;
        *family.refuses.lock().unwrap() = 1_000;
        kill("a");
        for _ in 0..20 {
            tokio::task::yield_now().await;
            // It is asked between its tries, and answers.
            supervisor.count_children().await.unwrap();
        }
        let refused = family.take_log().matches("refuses").count();
        assert!((2..1_000).contains(&refused), "{refused} tries so far");
        supervisor.terminate_child("a").await.unwrap();
        let left = *family.refuses.lock().unwrap();
        settle().await;
        assert_eq!(
            *family.refuses.lock().unwrap(),
            left,
            "the tries have ended"
        );
        supervisor.stop().await;
        assert_eq!(status(&supervisor), ActorStatus::Stopped);
    });
}

#[test]
fn each_shutdown_is_as_patient_as_it_says() {
    for (shutdown, log, took_ms) in [
        (Shutdown::Brutal, "slow starts", 0),
        (
            Shutdown::Timeout(Duration::from_millis(300)),
            "slow starts",
            300,
        ),
        (
            Shutdown::Timeout(Duration::from_secs(2)),
            "slow starts, slow stops",
            1_000,
        ),
        (Shutdown::Infinity, "slow starts, slow stops", 1_000),
    ] {
        simulate(move || async move {
            struct Slow(crate::family::Log);
            #[retake::simulated]
            impl Actor for Slow {
                type Msg = ();
                type State = ();
                type Arguments = ();
                async fn pre_start(
                    &self,
                    _: ActorRef<()>,
                    (): (),
                ) -> Result<(), ActorProcessingErr> {
                    self.0.lock().unwrap().push("slow starts".to_owned());
                    Ok(())
                }
                async fn post_stop(
                    &self,
                    _: ActorRef<()>,
                    (): &mut (),
                ) -> Result<(), ActorProcessingErr> {
                    retake::sleep(Duration::from_secs(1)).await;
                    self.0.lock().unwrap().push("slow stops".to_owned());
                    Ok(())
                }
            }
            let family = Family::default();
            let told = family.log.clone();
            let child = ChildSpec::new("slow", move || (Slow(told.clone()), ()));
            let spec = SupervisorSpec::new(Strategy::OneForOne).child(child.shutdown(shutdown));
            let supervisor = start(spec).await;
            let begin = retake::now();
            supervisor.terminate_child("slow").await.unwrap();
            assert_eq!(family.take_log(), log, "{shutdown:?}");
            assert_eq!(
                begin.elapsed(),
                Duration::from_millis(took_ms),
                "{shutdown:?}"
            );
            assert!(retake::where_is("slow").is_none());
        });
    }
}

#[test]
fn restart_type_and_reason_decide_under_every_strategy() {
    for strategy in [
        Strategy::OneForOne,
        Strategy::OneForAll,
        Strategy::RestForOne,
    ] {
        for (restart, reason, expected) in [
            (Restart::Permanent, "normal", "a b"),
            (Restart::Permanent, "shutdown", "a b"),
            (Restart::Permanent, "shutdown: enough", "a b"),
            (Restart::Permanent, "trouble", "a b"),
            (Restart::Transient, "normal", "(a) b"),
            (Restart::Transient, "shutdown", "(a) b"),
            (Restart::Transient, "shutdown: enough", "(a) b"),
            (Restart::Transient, "trouble", "a b"),
            (Restart::Temporary, "normal", "b"),
            (Restart::Temporary, "shutdown", "b"),
            (Restart::Temporary, "shutdown: enough", "b"),
            (Restart::Temporary, "trouble", "b"),
        ] {
            simulate(move || async move {
                let family = Family::default();
                let spec = SupervisorSpec::new(strategy)
                    .child(family.child("a").restart(restart))
                    .child(family.child("b"));
                let supervisor = start(spec).await;
                tell("a", ChildMessage::StopFor(reason));
                settle().await;
                let seen = children(&supervisor).await;
                assert_eq!(seen, expected, "{strategy}, {restart}, {reason}");
            });
        }
    }
}

#[test]
fn thousands_of_temporary_children_come_and_go() {
    struct Brief;
    #[retake::simulated]
    impl Actor for Brief {
        type Msg = ();
        type State = ();
        type Arguments = ();
        async fn pre_start(&self, myself: ActorRef<()>, (): ()) -> Result<(), ActorProcessingErr> {
            myself.stop(None);
            Ok(())
        }
    }
    simulate(|| async {
        let supervisor = start(SupervisorSpec::new(Strategy::SimpleOneForOne)).await;
        for _ in 0..5_000 {
            let child = ChildSpec::new("brief", || (Brief, ())).unregistered();
            let child = child.restart(Restart::Temporary);
            let started = supervisor.start_child(child).await.unwrap();
            assert!(matches!(started, StartedChild::Running(_)));
        }
        settle().await;
        assert_eq!(
            supervisor.count_children().await.unwrap(),
            ChildCount::default()
        );
        assert_eq!(status(&supervisor), ActorStatus::Running);
    });
}

#[test]
fn what_a_dead_child_held_is_free_before_its_successor_starts() {
    struct Holder(Arc<AtomicU32>);
    struct Held(Arc<AtomicU32>);
    impl Drop for Held {
        fn drop(&mut self) {
            self.0.fetch_sub(1, Ordering::Relaxed);
        }
    }
    #[retake::simulated]
    impl Actor for Holder {
        type Msg = ();
        type State = Held;
        type Arguments = ();
        async fn pre_start(&self, _: ActorRef<()>, (): ()) -> Result<Held, ActorProcessingErr> {
            if self.0.fetch_add(1, Ordering::Relaxed) > 0 {
                self.0.fetch_sub(1, Ordering::Relaxed);
                return Err("somebody holds it".into());
            }
            Ok(Held(Arc::clone(&self.0)))
        }
        async fn handle(
            &self,
            myself: ActorRef<()>,
            (): (),
            _: &mut Held,
        ) -> Result<(), ActorProcessingErr> {
            myself.stop(None);
            Ok(())
        }
    }
    for_seeds(50, || async {
        let holders = Arc::new(AtomicU32::new(0));
        let child = ChildSpec::new("holder", move || (Holder(Arc::clone(&holders)), ()));
        let spec = SupervisorSpec::new(Strategy::OneForOne).child(child);
        let supervisor = start(spec.intensity(2, Duration::from_secs(1))).await;
        for end in ["kill", "stop"] {
            let holder = retake::where_is("holder").unwrap();
            match end {
                "kill" => holder.kill(),
                _ => ActorRef::<()>::from(holder).cast(()).unwrap(),
            }
            settle().await;
        }
        // A start that failed would have been a third restart.
        assert_eq!(children(&supervisor).await, "holder");
    });
}
