//! The order of events, postponed ones and enter actions.

use super::common::*;

#[test]
fn inserted_events_come_before_postponed_ones_and_those_before_the_mailbox() {
    run(|| async {
        let stage = Stage::start(vec![], None).await;
        let log = stage
            .play([
                event("p1", [Postpone]),
                event("p2", [Postpone]),
                event("go", [Insert(plain("i1")), Insert(plain("i2")), Goto(B)]),
                plain("mail"),
            ])
            .await;
        assert_eq!(log, "start>A p1@A p2@A go@A A>B i1@B i2@B p1@B p2@B mail@B");
    });
}

#[test]
fn what_was_inserted_before_comes_after_what_is_inserted_now() {
    run(|| async {
        let stage = Stage::start(vec![], None).await;
        let first = event("i1", [Insert(plain("i1a")), Insert(plain("i1b"))]);
        let log = stage
            .play([event("go", [Insert(first), Insert(plain("i2"))])])
            .await;
        assert_eq!(log, "start>A go@A i1@A i1a@A i1b@A i2@A");
    });
}

#[test]
fn postponed_events_are_retried_when_the_state_changes_and_not_before() {
    run(|| async {
        let stage = Stage::start(vec![], None).await;
        let log = stage
            .play([
                event("p", [Postpone]),
                plain("keep"),
                event("repeat", [Repeat]),
                event("same", [Goto(A)]),
                event("go", [Goto(B)]),
            ])
            .await;
        assert_eq!(log, "start>A p@A keep@A repeat@A A>A same@A go@A A>B p@B");
    });
}

#[test]
fn a_postponed_event_may_be_postponed_again() {
    run(|| async {
        let stage = Stage::start(vec![], None).await;
        let player = stage.player.clone();
        let asked = retake::spawn(async move { player.call(Scripted::Ask, None).await });
        stage.log_after(0).await;
        stage.play([event("to b", [Goto(B)])]).await;
        assert_eq!(stage.player.inspect().await.unwrap().postponed, 1);
        stage.play([event("to c", [Goto(C)])]).await;
        assert_eq!(asked.await.unwrap(), Ok(C));
    });
}

#[test]
fn enter_actions_run_at_the_start_on_a_change_and_on_a_repeat_before_any_event() {
    run(|| async {
        let init = vec![Insert(plain("first"))];
        let stage = Stage::start(init, Some(plain("entered"))).await;
        let log = stage
            .play([event("go", [Goto(B), Insert(plain("i"))]), plain("mail")])
            .await;
        // The enter action's timeout of zero comes after the queue, before the mailbox.
        assert_eq!(log, "start>A first@A go@A A>B i@B entered@B mail@B");
    });
}
