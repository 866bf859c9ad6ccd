//! Timeouts.

use super::common::*;

#[test]
fn a_state_timeout_ends_with_its_state() {
    run(|| async {
        let stage = Stage::start(vec![], None).await;
        let set = |script| event("set", [StateTimeout(10, script)]);
        stage.play([set(plain("late"))]).await;
        assert_eq!(stage.log_after(20).await, "late@A");
        stage
            .play([set(plain("late")), event("go", [Goto(B)])])
            .await;
        assert_eq!(stage.log_after(20).await, "");
        // Neither other events nor a repeat end it; setting it again replaces it.
        stage
            .play([set(plain("old")), plain("x"), event("repeat", [Repeat])])
            .await;
        stage.play([set(plain("new"))]).await;
        assert_eq!(stage.log_after(20).await, "new@B");
        stage
            .play([set(plain("never")), event("cancel", [CancelState])])
            .await;
        assert_eq!(stage.log_after(20).await, "");
    });
}

#[test]
fn an_event_timeout_ends_with_any_event() {
    run(|| async {
        let stage = Stage::start(vec![], None).await;
        let set = || event("set", [EventTimeout(10, plain("late"))]);
        stage.play([set()]).await;
        assert_eq!(stage.log_after(20).await, "late@A");
        stage.play([set(), plain("x")]).await;
        assert_eq!(stage.log_after(20).await, "");
        stage
            .play([event(
                "set",
                [EventTimeout(0, plain("late")), Insert(plain("i"))],
            )])
            .await;
        assert_eq!(
            stage.log_after(20).await,
            "",
            "an inserted event is an event"
        );
    });
}

#[test]
fn a_named_timeout_ends_only_by_name() {
    run(|| async {
        let stage = Stage::start(vec![], None).await;
        let set = |name, script| {
            let after = if name == "t" { 10 } else { 11 };
            event("set", [Timeout(name, after, plain(script))])
        };
        stage.play([set("t", "late"), set("u", "other")]).await;
        stage.play([event("go", [Goto(B)]), plain("x")]).await;
        assert_eq!(stage.log_after(20).await, "late@B other@B");
        stage.play([set("t", "old"), set("u", "other")]).await;
        stage
            .play([set("t", "new"), event("cancel", [Cancel("u")])])
            .await;
        assert_eq!(stage.log_after(20).await, "new@B");
    });
}

#[test]
fn timeouts_of_zero_come_in_order_and_never_through_the_mailbox() {
    run(|| async {
        let stage = Stage::start(vec![], None).await;
        let zero = event(
            "go",
            [
                Timeout("t", 0, plain("t")),
                StateTimeout(0, plain("old")),
                Timeout("u", 0, plain("u")),
                StateTimeout(0, plain("s")),
                Insert(plain("i")),
            ],
        );
        let log = stage.play([zero, plain("mail")]).await;
        assert_eq!(log, "start>A go@A i@A t@A u@A s@A mail@A");
    });
}

#[test]
fn a_timeout_that_is_cancelled_on_its_way_does_not_come() {
    // It comes at the same instant as the event that cancels it: either order is right,
    // but not both.
    let mut seen = std::collections::BTreeSet::new();
    for seed in 0..30 {
        let run = Sim::new().seed(seed).run(|| async {
            let stage = Stage::start(vec![], None).await;
            stage
                .play([event("set", [StateTimeout(10, plain("late"))])])
                .await;
            retake::sleep(Duration::from_millis(10) - Duration::from_nanos(1)).await;
            stage.play([event("go", [Goto(B)])]).await + &stage.log_after(5).await
        });
        seen.insert(run.expect_passed());
    }
    let expected = ["go@A A>B", "late@A go@A A>B"];
    assert!(
        seen.iter().all(|log| expected.contains(&&**log)),
        "{seen:?}"
    );
    assert_eq!(seen.len(), 2, "seeds explore both: {seen:?}");
}
