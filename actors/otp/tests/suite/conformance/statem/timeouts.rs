//! Timeouts.

use super::common::*;

#[test]
fn a_state_timeout_gives_up_and_is_gone_with_its_state() {
    under_seeds(5, || async {
        let second = Duration::from_secs(1);
        let it = Machine::start(OnWaiting::GiveUpAfter(second)).await;
        it.log().await;
        it.cast(Ask::Connect);
        assert_eq!(
            it.log_after(2 * second).await,
            "idle > wfor_conf, wfor_conf > idle"
        );
        it.cast(Ask::Connect);
        it.cast(Ask::Confirm);
        let log = it.log_after(2 * second).await;
        assert_eq!(log, "idle > wfor_conf, wfor_conf > connected");
    });
}

#[test]
fn timeouts_of_each_kind_are_set_replaced_updated_and_cancelled() {
    const MS: Duration = Duration::from_millis(1);
    type Do = fn(&mut Context<'_, Connection>) -> Next<State>;
    let cases: [(&str, Do, &str); 12] = [
        (
            "named timeouts stand beside each other",
            |it| {
                it.timeout("b", 2 * MS, Ask::Timeout("b"));
                it.timeout("a", MS, Ask::Timeout("a"));
                it.state_timeout(3 * MS, Ask::Timeout("state"));
                Next::Keep
            },
            "a, b, state",
        ),
        (
            "an event ends the event timeout",
            |it| {
                it.timeout("a", MS, Ask::Timeout("a"));
                it.event_timeout(2 * MS, Ask::Timeout("event"));
                Next::Keep
            },
            "a",
        ),
        (
            "without one it comes",
            |it| {
                it.event_timeout(2 * MS, Ask::Timeout("event"));
                Next::Keep
            },
            "event",
        ),
        (
            "the last of a kind counts",
            |it| {
                it.timeout("a", MS, Ask::Timeout("old"));
                it.timeout("a", 2 * MS, Ask::Timeout("new"));
                it.state_timeout(MS, Ask::Timeout("old"));
                it.state_timeout(3 * MS, Ask::Timeout("new"));
                Next::Keep
            },
            "new, new",
        ),
        (
            "an update keeps the time",
            |it| {
                it.timeout("a", 2 * MS, Ask::Timeout("old"));
                it.timeout("b", 3 * MS, Ask::Timeout("b"));
                it.state_timeout(MS, Ask::Timeout("old"));
                it.update_timeout("a", Ask::Timeout("named"));
                it.update_state_timeout(Ask::Timeout("state"));
                Next::Keep
            },
            "state, named, b",
        ),
        (
            "an update of nothing comes at once",
            |it| {
                it.state_timeout(Duration::ZERO, Ask::Timeout("first"));
                it.update_timeout("a", Ask::Timeout("second"));
                Next::Keep
            },
            "first, second",
        ),
        (
            "also of what is about to come",
            |it| {
                it.state_timeout(Duration::ZERO, Ask::Timeout("old"));
                it.update_state_timeout(Ask::Timeout("new"));
                Next::Keep
            },
            "new",
        ),
        (
            "cancelling goes by kind",
            |it| {
                it.timeout("a", MS, Ask::Timeout("a"));
                it.timeout("b", MS, Ask::Timeout("b"));
                it.state_timeout(2 * MS, Ask::Timeout("state"));
                it.cancel_timeout("a");
                it.cancel_state_timeout();
                it.event_timeout(3 * MS, Ask::Timeout("event"));
                it.cancel_event_timeout();
                it.cancel_timeout("never set");
                Next::Keep
            },
            "b",
        ),
        (
            "what was cancelled can be set again",
            |it| {
                it.timeout("a", MS, Ask::Timeout("old"));
                it.cancel_timeout("a");
                it.timeout("a", MS, Ask::Timeout("new"));
                Next::Keep
            },
            "new",
        ),
        (
            "zero comes before the mailbox, in order, after what is inserted",
            |it| {
                it.timeout("a", Duration::ZERO, Ask::Timeout("1"));
                it.state_timeout(Duration::ZERO, Ask::Timeout("2"));
                it.insert(Ask::Timeout("inserted"));
                it.timeout("b", Duration::ZERO, Ask::Timeout("3"));
                let _ = it
                    .myself()
                    .cast(retake_otp::statem::StatemMessage::Event(Ask::Timeout(
                        "mail",
                    )));
                Next::Keep
            },
            "inserted, 1, 2, 3, mail",
        ),
        (
            "a state timeout that is set while the state changes belongs to the new one",
            |it| {
                it.state_timeout(MS, Ask::Timeout("state"));
                Next::Goto(Connected)
            },
            "idle > connected, state",
        ),
        (
            "keeping and repeating the state leave it",
            |it| {
                it.state_timeout(MS, Ask::Timeout("state"));
                it.insert(Ask::Do(|_| Next::Repeat));
                it.insert(Ask::Do(|_| Next::Goto(Idle)));
                Next::Keep
            },
            "idle > idle, state",
        ),
    ];
    for (case, act, expected) in cases {
        under_seeds(3, move || async move {
            let it = Machine::start(PATIENT).await;
            it.log().await;
            it.act(act);
            assert_eq!(it.log_after(20 * MS).await, expected, "{case}");
        });
    }
}

#[test]
fn an_enter_action_can_cancel_what_the_handler_before_it_set() {
    under_seeds(5, || async {
        let it = Machine::start(OnWaiting::CancelAll).await;
        it.log().await;
        it.act(|it| {
            let second = Duration::from_secs(1);
            it.state_timeout(second, Ask::Timeout("state"));
            it.event_timeout(second, Ask::Timeout("event"));
            it.timeout("name", second, Ask::Timeout("named"));
            it.timeout("other", second, Ask::Timeout("other"));
            Next::Goto(Waiting)
        });
        let log = it.log_after(Duration::from_secs(5)).await;
        assert_eq!(log, "idle > wfor_conf, other");
    });
}
