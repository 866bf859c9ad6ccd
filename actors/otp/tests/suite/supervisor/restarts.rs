//! Who is restarted, how often, and in which order.

use super::common::*;

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
