//! What is declared, and how machines end.

use super::common::*;

#[test]
fn stopping_tells_those_who_wait() {
    run(|| async {
        let stage = Stage::start(vec![], None).await;
        let player = stage.player.clone();
        let asked = retake::spawn(async move { player.call(Scripted::Ask, None).await });
        stage.log_after(0).await;
        let log = stage
            .play([
                event("p", [Postpone]),
                event("stop", [Insert(plain("i")), Stop("enough")]),
            ])
            .await;
        let why = "Stopped(Some(\"enough\"))";
        let expected =
            format!("p@A stop@A discards i: {why} discards ask: {why} discards p: {why}");
        assert_eq!(log, expected);
        assert_eq!(asked.await.unwrap(), Err(CallError::Closed));
        assert_eq!(stage.player.actor().get_status(), ActorStatus::Stopped);
    });
}

#[test]
fn an_undeclared_event_is_reported_and_changes_nothing() {
    run(|| async {
        let stage = Stage::start(vec![], None).await;
        stage.player.cast(Scripted::OnlyInB).unwrap();
        let log = stage.log_after(0).await;
        assert_eq!(log, "start>A discards only_in_b: Undeclared(A)");
        let seen = stage.player.inspect().await.unwrap();
        assert_eq!((seen.state, seen.undeclared), (A, 1));
        stage
            .play([event("b", [Goto(B)]), event("c", [Goto(C)])])
            .await;
        stage.player.cast(Scripted::OnlyInB).unwrap();
        let log = stage.log_after(0).await;
        assert_eq!(log, "discards only_in_b: Ignored(C)");
        assert_eq!(stage.player.inspect().await.unwrap().undeclared, 1);
    });
}

#[test]
fn an_undeclared_transition_fails_the_machine() {
    let run = Sim::new().run(|| async {
        let stage = Stage::start(vec![], None).await;
        stage.play([event("leap", [Goto(C)])]).await;
        assert_eq!(stage.player.actor().get_status(), ActorStatus::Stopped);
        assert_eq!(stage.player.inspect().await.unwrap_err(), CallError::Closed);
    });
    run.expect_passed();
}

#[test]
fn a_handler_that_fails_ends_the_machine_and_its_timeouts() {
    run(|| async {
        let stage = Stage::start(vec![], None).await;
        stage
            .play([event("set", [Timeout("t", 5, plain("late"))])])
            .await;
        assert_eq!(stage.play([event("fails", [Fail])]).await, "fails@A");
        assert_eq!(stage.log_after(20).await, "");
        assert_eq!(stage.player.actor().get_status(), ActorStatus::Stopped);
    });
}

#[test]
fn the_machine_counts_which_states_have_met_which_events() {
    run(|| async {
        let stage = Stage::start(vec![], None).await;
        stage
            .play([plain("x"), event("go", [Goto(B)]), plain("y")])
            .await;
        let met = stage.player.inspect().await.unwrap().met;
        let met: Vec<_> = met.into_iter().collect();
        assert_eq!(met, [((A, Kind::Run), 2), ((B, Kind::Run), 1)]);
    });
}

#[test]
fn a_table_with_a_mistake_is_refused() {
    let table = || Table::<_, Kind>::new([A]).on(A, Kind::Run, [B]);
    for (table, expected) in [
        (
            Table::<_, Kind>::new([]).on(A, Kind::Run, [B]),
            "no initial state",
        ),
        (
            table().ignore(A, Kind::Run),
            "two rules for the event `run`",
        ),
        (table().on(C, Kind::Run, [A]), "state `C` cannot be reached"),
    ] {
        let error = table.check().unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    assert_eq!(Player::table().check(), Ok(()));
}

#[test]
fn a_table_draws_itself() {
    insta::assert_snapshot!(Player::table().to_mermaid(), @r"
    stateDiagram-v2
        [*] --> A
        A --> B: run
        B --> A: run
        B --> B: only_in_b
        B --> C: run
        C --> A: run
        C --> C: ask
        note right of A: postpones ask
        note right of B: postpones ask
        note right of C: ignores only_in_b
    ");
}
