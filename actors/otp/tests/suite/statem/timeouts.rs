//! Timeouts.

use super::*;

fn mail(context: &Context<'_, Connection>) {
    let mail = StatemMessage::Event(Ask::Note("mail"));
    context.myself().cast(mail).unwrap();
}

/// What a handler does, and what comes of it.
const CASES: [(&str, Act, &str); 16] = [
    (
        "named timeouts are independent of each other",
        |it| {
            it.timeout("b", 2 * MS, Ask::Note("b"));
            it.timeout("a", MS, Ask::Note("a"));
            it.state_timeout(3 * MS, Ask::Note("state"));
            Next::Keep
        },
        "a, b, state",
    ),
    (
        "an event ends the event timeout",
        |it| {
            it.timeout("a", MS, Ask::Note("a"));
            it.event_timeout(2 * MS, Ask::Note("event"));
            Next::Keep
        },
        "a",
    ),
    (
        "also one that was inserted",
        |it| {
            it.event_timeout(Duration::ZERO, Ask::Note("event"));
            it.insert(Ask::Note("inserted"));
            Next::Keep
        },
        "inserted",
    ),
    (
        "also one from the mailbox",
        |it| {
            it.event_timeout(2 * MS, Ask::Note("event"));
            mail(it);
            Next::Keep
        },
        "mail",
    ),
    (
        "without one it comes",
        |it| {
            it.event_timeout(2 * MS, Ask::Note("event"));
            Next::Keep
        },
        "event",
    ),
    (
        "the last of a kind counts",
        |it| {
            it.timeout("a", MS, Ask::Note("old"));
            it.timeout("a", 2 * MS, Ask::Note("new"));
            it.state_timeout(MS, Ask::Note("old"));
            it.state_timeout(3 * MS, Ask::Note("new"));
            Next::Keep
        },
        "new, new",
    ),
    (
        "an update keeps the time",
        |it| {
            it.timeout("a", 2 * MS, Ask::Note("old"));
            it.timeout("b", 3 * MS, Ask::Note("b"));
            it.state_timeout(MS, Ask::Note("old"));
            it.update_timeout("a", Ask::Note("named"));
            it.update_state_timeout(Ask::Note("state"));
            Next::Keep
        },
        "state, named, b",
    ),
    (
        "an update of nothing comes at once",
        |it| {
            it.state_timeout(Duration::ZERO, Ask::Note("first"));
            it.update_timeout("a", Ask::Note("second"));
            Next::Keep
        },
        "first, second",
    ),
    (
        "also of what is about to come",
        |it| {
            it.state_timeout(Duration::ZERO, Ask::Note("old"));
            it.update_state_timeout(Ask::Note("new"));
            Next::Keep
        },
        "new",
    ),
    (
        "cancelling goes by kind",
        |it| {
            it.timeout("a", MS, Ask::Note("a"));
            it.timeout("b", MS, Ask::Note("b"));
            it.state_timeout(2 * MS, Ask::Note("state"));
            it.cancel_timeout("a");
            it.cancel_state_timeout();
            it.event_timeout(3 * MS, Ask::Note("event"));
            it.cancel_event_timeout();
            it.cancel_timeout("never set");
            Next::Keep
        },
        "b",
    ),
    (
        "what was cancelled can be set again",
        |it| {
            it.timeout("a", MS, Ask::Note("old"));
            it.cancel_timeout("a");
            it.timeout("a", MS, Ask::Note("new"));
            Next::Keep
        },
        "new",
    ),
    (
        "zero comes before the mailbox, in order, after what is inserted",
        |it| {
            it.timeout("a", Duration::ZERO, Ask::Note("1"));
            it.state_timeout(Duration::ZERO, Ask::Note("old"));
            it.insert(Ask::Note("inserted"));
            it.timeout("b", Duration::ZERO, Ask::Note("2"));
            it.state_timeout(Duration::ZERO, Ask::Note("3"));
            mail(it);
            Next::Keep
        },
        "inserted, 1, 2, 3, mail",
    ),
    (
        "a state timeout that is set while the state changes belongs to the new one",
        |it| {
            it.state_timeout(MS, Ask::Note("state"));
            Next::Goto(Connected)
        },
        "idle > connected, state",
    ),
    (
        "a change of the state ends its timeout, and no named one",
        |it| {
            it.state_timeout(MS, Ask::Note("state"));
            it.timeout("a", MS, Ask::Note("a"));
            it.insert(Ask::Do(|_| Next::Goto(Connected)));
            Next::Keep
        },
        "idle > connected, a",
    ),
    (
        "keeping and repeating the state leave it",
        |it| {
            it.state_timeout(MS, Ask::Note("state"));
            it.insert(Ask::Do(|_| Next::Repeat));
            it.insert(Ask::Do(|_| Next::Goto(Idle)));
            Next::Keep
        },
        "idle > idle, state",
    ),
    (
        "an enter action sets one",
        |_| Next::Goto(Waiting),
        "idle > wfor_conf, wfor_conf > idle",
    ),
];

#[test]
fn timeouts_of_each_kind_are_set_replaced_updated_and_cancelled() {
    for (case, act, expected) in CASES {
        under_seeds(3, move || async move {
            let it = Machine::start(OnWaiting::GiveUpAfter(10 * MS)).await;
            it.act(act);
            assert_eq!(it.log_after(20 * MS).await, expected, "{case}");
        });
    }
}

#[test]
fn an_enter_action_can_cancel_what_the_handler_before_it_set() {
    under_seeds(5, || async {
        let it = Machine::start(OnWaiting::CancelAll).await;
        it.act(|it| {
            it.state_timeout(SECOND, Ask::Note("state"));
            it.event_timeout(SECOND, Ask::Note("event"));
            it.timeout("name", SECOND, Ask::Note("named"));
            it.timeout("other", SECOND, Ask::Note("other"));
            Next::Goto(Waiting)
        });
        let log = it.log_after(5 * SECOND).await;
        assert_eq!(log, "idle > wfor_conf, other");
    });
}

/// It comes at the same instant as the event that cancels it: either order is right, but
/// not both.
#[test]
fn a_timeout_that_is_cancelled_on_its_way_does_not_come() {
    let logs = (0..30).map(|seed| {
        let run = Sim::new().seed(seed).run(|| async {
            let it = Machine::start(PATIENT).await;
            it.act(|it| {
                it.state_timeout(10 * MS, Ask::Note("late"));
                Next::Keep
            });
            it.log().await;
            retake::sleep(10 * MS - Duration::from_nanos(1)).await;
            it.act(|_| Next::Goto(Connected));
            it.log_after(5 * MS).await
        });
        run.expect_passed()
    });
    let logs: std::collections::BTreeSet<String> = logs.collect();
    let logs: Vec<&str> = logs.iter().map(String::as_str).collect();
    assert_eq!(logs, ["idle > connected", "late, idle > connected"]);
}
