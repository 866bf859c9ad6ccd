//! Events, calls and ends.

use super::*;

#[test]
fn data_waits_for_the_connection_and_comes_in_its_order() {
    under_seeds(10, || async {
        let it = Machine::start(PATIENT).await;
        let calls = [it.data(0).await, it.data(1).await, it.data(2).await];
        it.cast(Ask::Connect);
        assert_eq!(it.log().await, "idle > wfor_conf");
        let postponed = it.machine.inspect().await.unwrap().postponed;
        assert_eq!(postponed, 3, "and again");
        it.cast(Ask::Confirm);
        let log = it.log().await;
        assert_eq!(log, "wfor_conf > connected, data 0, data 1, data 2");
        for call in calls {
            assert_eq!(call.await.unwrap(), Ok(Ok(Connected)));
        }
    });
}

#[test]
fn postponed_events_are_retried_when_the_state_changes_and_not_before() {
    under_seeds(5, || async {
        let it = Machine::start(PATIENT).await;
        it.act(|it| {
            it.postpone(Ask::Note("retried"));
            Next::Keep
        });
        let stays: [Act; 3] = [|_| Next::Keep, |_| Next::Repeat, |_| Next::Goto(Idle)];
        for stay in stays {
            it.act(stay);
        }
        assert_eq!(
            it.log().await,
            "idle > idle",
            "the enter action of a repeat"
        );
        it.act(|_| Next::Goto(Waiting));
        assert_eq!(it.log().await, "idle > wfor_conf, retried");
    });
}

#[test]
fn inserted_events_come_first_then_what_was_postponed_then_the_mailbox() {
    under_seeds(10, || async {
        let it = Machine::start(PATIENT).await;
        let data = it.data(1).await;
        it.act(|it| {
            it.postpone(Ask::Note("postponed"));
            Next::Keep
        });
        it.act(|it| {
            // What it inserts comes before what was inserted before.
            it.insert(Ask::Do(|it| {
                it.insert(Ask::Note("first"));
                it.insert(Ask::Note("second"));
                Next::Keep
            }));
            it.insert(Ask::Note("third"));
            Next::Goto(Connected)
        });
        it.cast(Ask::Note("mail"));
        let log = it.log().await;
        let expected = "idle > connected, first, second, third, data 1, postponed, mail";
        assert_eq!(log, expected);
        assert_eq!(data.await.unwrap(), Ok(Ok(Connected)));
    });
}

#[test]
fn an_enter_actions_timeout_of_zero_comes_after_the_queue_and_before_the_mailbox() {
    under_seeds(5, || async {
        let it = Machine::start(OnWaiting::GiveUpAfter(Duration::ZERO)).await;
        it.act(|it| {
            it.insert(Ask::Note("inserted"));
            Next::Goto(Waiting)
        });
        it.cast(Ask::Note("mail"));
        let expected = "idle > wfor_conf, inserted, wfor_conf > idle, mail";
        assert_eq!(it.log().await, expected);
    });
}

#[test]
fn an_enter_action_may_stop_the_machine_before_any_event() {
    under_seeds(5, || async {
        let it = Machine::start(OnWaiting::Stop).await;
        let waits = it.data(1).await;
        it.cast(Ask::Connect);
        it.cast(Ask::Confirm);
        let expected = "idle > wfor_conf, discards data: Stopped(Some(\"not today\"))";
        assert_eq!(it.log().await, expected);
        assert_eq!(waits.await.unwrap(), Ok(Err(Some("not today".to_owned()))));
        assert!(!it.is_running());
    });
}

#[test]
fn stopping_answers_first_and_tells_the_reason_to_those_who_wait() {
    under_seeds(10, || async {
        let it = Machine::start(PATIENT).await;
        let waits = it.data(1).await;
        it.act(|it| {
            it.postpone(Ask::Note("postponed"));
            Next::Keep
        });
        let stops = it.machine.call(|reply| Ask::Stop("enough", reply), None);
        assert_eq!(stops.await, Ok(Ok(Idle)));
        assert_eq!(waits.await.unwrap(), Ok(Err(Some("enough".to_owned()))));
        let discards = ["inserted", "data", "postponed"]
            .map(|name| format!("discards {name}: Stopped(Some(\"enough\"))"));
        assert_eq!(it.log().await, discards.join(", "));
        assert!(!it.is_running());
        assert_eq!(it.data(2).await.await.unwrap(), Err(CallError::Closed));
        assert!(it.machine.cast(Ask::Connect).is_err());
    });
}

#[test]
fn one_that_is_stopped_from_outside_leaves_nobody_waiting() {
    for kill in [false, true] {
        under_seeds(10, move || async move {
            let it = Machine::start(PATIENT).await;
            let waits = it.data(1).await;
            let actor = it.machine.actor().clone();
            match kill {
                true => actor.kill(),
                false => actor.stop(None),
            }
            let answer = waits.await.unwrap();
            match kill {
                // Without a word: the question is dropped.
                true => assert_eq!(answer, Err(CallError::Closed)),
                false => assert_eq!(answer, Ok(Err(None))),
            }
        });
    }
}

#[test]
fn a_call_that_times_out_is_answered_to_nobody() {
    under_seeds(5, || async {
        let it = Machine::start(PATIENT).await;
        let late = it.machine.call(|reply| Ask::Data(1, reply), Some(10 * MS));
        assert_eq!(late.await, Err(CallError::Timeout(10 * MS)));
        it.cast(Ask::Connect);
        it.cast(Ask::Confirm);
        // The work is done all the same.
        let log = it.log().await;
        assert_eq!(log, "idle > wfor_conf, wfor_conf > connected, data 1");
    });
}

#[test]
fn a_machine_is_a_child_and_a_parent_like_any_actor() {
    use retake_otp::supervisor::{ChildSpec, Restart, Strategy, SupervisorSpec};
    under_seeds(5, || async {
        let log = Arc::<Mutex<Vec<String>>>::default();
        let connection = Arc::clone(&log);
        let child = ChildSpec::new("connection", move || {
            (Statem(Connection(Arc::clone(&connection))), PATIENT)
        });
        let spec = SupervisorSpec::new(Strategy::OneForOne);
        let supervisor = crate::family::start(spec.child(child.restart(Restart::Transient))).await;
        let find = || {
            let actor = retake::where_is("connection").unwrap();
            StatemRef::<Connection>::from(ActorRef::from(actor))
        };
        let machine = find();
        let it = Machine { machine, log };
        let parent = it.machine.actor().get_cell();
        Actor::spawn_linked(None, Brief, (), parent).await.unwrap();
        assert_eq!(it.log().await, "enter idle, started, child ended");
        // It fails, and is restarted in its first state.
        it.cast(Ask::Connect);
        it.cast(Ask::Fail);
        let log = it.log().await;
        assert_eq!(log, "idle > wfor_conf, enter idle, started");
        assert_eq!(find().inspect().await.unwrap().state, Idle);
        let stops = find();
        let _ = stops.call(|reply| Ask::Stop("shutdown", reply), None).await;
        it.log().await;
        let child = supervisor.child("connection").await.unwrap();
        assert!(child.actor.is_none());
    });
}
