//! What is declared, and what is not.

use super::*;

#[test]
fn an_undeclared_event_is_reported_and_changes_nothing() {
    under_seeds(5, || async {
        let it = Machine::start(PATIENT).await;
        it.cast(Ask::Confirm);
        it.cast(Ask::Disconnect);
        let discards = "discards confirm: Undeclared(Idle), discards disconnect: Ignored(Idle)";
        assert_eq!(it.log().await, discards);
        let seen = it.machine.inspect().await.unwrap();
        assert_eq!((seen.state, seen.undeclared), (Idle, 1));
        let met: Vec<_> = seen.met.into_iter().collect();
        let kinds = [Kind::Confirm, Kind::Disconnect, Kind::Note];
        assert_eq!(met, kinds.map(|kind| ((Idle, kind), 1)));
    });
}

#[test]
fn an_undeclared_transition_or_a_handler_that_fails_ends_the_machine_and_its_timeouts() {
    for end in [|| Ask::Leap, || Ask::Fail] {
        under_seeds(5, move || async move {
            let it = Machine::start(PATIENT).await;
            it.act(|it| {
                it.timeout("a", 5 * MS, Ask::Note("late"));
                Next::Keep
            });
            it.cast(end());
            assert_eq!(it.log_after(20 * MS).await, "");
            assert!(!it.is_running());
            assert_eq!(it.machine.inspect().await.unwrap_err(), CallError::Closed);
        });
    }
}

#[test]
fn a_table_with_a_mistake_is_refused() {
    let table = || Table::<_, Kind>::new([Idle]).on(Idle, Kind::Do, [Waiting]);
    for (table, expected) in [
        (
            Table::<_, Kind>::new([]).on(Idle, Kind::Do, [Waiting]),
            "no initial state",
        ),
        (
            table().ignore(Idle, Kind::Do),
            "two rules for the event `do`",
        ),
        (
            table().on(Connected, Kind::Do, [Idle]),
            "state `connected` cannot be reached",
        ),
    ] {
        let error = table.check().unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    assert_eq!(Connection::table().check(), Ok(()));
}

#[test]
fn a_table_draws_itself() {
    let table = Table::<_, Kind>::new([Idle])
        .on(Idle, Kind::Do, [Waiting])
        .on(Waiting, Kind::Do, [Idle, Connected])
        .on(Connected, Kind::Do, [Idle])
        .postpone(Idle, Kind::Data)
        .postpone(Waiting, Kind::Data)
        .on(Connected, Kind::Data, [])
        .on(Waiting, Kind::Stop, [])
        .ignore(Connected, Kind::Stop);
    insta::assert_snapshot!(table.to_mermaid(), @r"
    stateDiagram-v2
        [*] --> idle
        idle --> wfor_conf: do
        wfor_conf --> idle: do
        wfor_conf --> wfor_conf: stop
        wfor_conf --> connected: do
        connected --> idle: do
        connected --> connected: data
        note right of idle: postpones data
        note right of wfor_conf: postpones data
        note right of connected: ignores stop
    ");
}
