//! Events, calls and ends.

use super::common::*;

#[test]
fn data_waits_for_the_connection_and_comes_in_its_order() {
    under_seeds(10, || async {
        let it = Machine::start(PATIENT).await;
        let mut calls = Vec::new();
        for number in 0..3 {
            calls.push(it.data(number));
            it.log().await;
        }
        it.cast(Ask::Connect);
        assert_eq!(it.log().await, "idle > wfor_conf");
        assert_eq!(
            it.machine.inspect().await.unwrap().postponed,
            3,
            "and again"
        );
        it.cast(Ask::Confirm);
        assert_eq!(
            it.log().await,
            "wfor_conf > connected, data 0, data 1, data 2"
        );
        for call in calls {
            assert_eq!(call.await.unwrap(), Ok(Ok(Connected)));
        }
        it.cast(Ask::Disconnect);
        it.cast(Ask::Disconnect);
        assert_eq!(it.log().await, "connected > idle", "the second is ignored");
    });
}

#[test]
fn stopping_answers_first_and_tells_the_reason_to_those_who_wait() {
    under_seeds(10, || async {
        let it = Machine::start(PATIENT).await;
        let waits = it.data(1);
        it.log().await;
        let stops = it.machine.call(|reply| Ask::Stop("enough", reply), None);
        assert_eq!(stops.await, Ok(Ok(Idle)));
        assert_eq!(waits.await.unwrap(), Ok(Err(Some("enough".to_owned()))));
        assert!(!it.is_running());
        assert_eq!(it.data(2).await.unwrap(), Err(CallError::Closed));
        assert!(it.machine.cast(Ask::Connect).is_err());
    });
}

#[test]
fn one_that_is_stopped_from_outside_leaves_nobody_waiting() {
    for kill in [false, true] {
        under_seeds(10, move || async move {
            let it = Machine::start(PATIENT).await;
            let waits = it.data(1);
            it.log().await;
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
fn an_enter_action_may_stop_the_machine_before_any_event() {
    under_seeds(5, || async {
        let it = Machine::start(OnWaiting::Stop).await;
        let waits = it.data(1);
        it.log().await;
        it.cast(Ask::Connect);
        it.cast(Ask::Confirm);
        assert_eq!(it.log().await, "idle > wfor_conf");
        assert_eq!(waits.await.unwrap(), Ok(Err(Some("not today".to_owned()))));
        assert!(!it.is_running());
    });
}

#[test]
fn inserted_events_come_first_then_what_was_postponed_then_the_mailbox() {
    under_seeds(10, || async {
        let it = Machine::start(PATIENT).await;
        let data = it.data(1);
        it.log().await;
        it.act(|it| {
            it.insert(Ask::Timeout("first"));
            it.insert(Ask::Timeout("second"));
            Next::Goto(Connected)
        });
        it.cast(Ask::Timeout("mail"));
        let log = it.log().await;
        assert_eq!(log, "idle > connected, first, second, data 1, mail");
        assert_eq!(data.await.unwrap(), Ok(Ok(Connected)));
    });
}

#[test]
fn a_call_that_times_out_is_answered_to_nobody() {
    under_seeds(5, || async {
        let it = Machine::start(PATIENT).await;
        let short = Duration::from_millis(10);
        let late = it.machine.call(|reply| Ask::Data(1, reply), Some(short));
        assert_eq!(late.await, Err(CallError::Timeout(short)));
        it.log().await;
        it.cast(Ask::Connect);
        it.cast(Ask::Confirm);
        // The work is done all the same.
        let log = it.log().await;
        assert_eq!(log, "idle > wfor_conf, wfor_conf > connected, data 1");
    });
}

#[test]
fn a_machine_is_a_child_and_a_parent_like_any_actor() {
    /// Ends at once.
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
    under_seeds(5, || async {
        let log = Arc::<Mutex<Vec<String>>>::default();
        let child = {
            let log = Arc::clone(&log);
            ChildSpec::new("connection", move || {
                (Statem(Connection(Arc::clone(&log))), PATIENT)
            })
        };
        let spec = SupervisorSpec::new(Strategy::OneForOne);
        let supervisor = crate::family::start(spec.child(child.restart(Restart::Transient))).await;
        let find = || {
            let actor = retake::where_is("connection").unwrap();
            StatemRef::<Connection>::from(ActorRef::from(actor))
        };
        let it = Machine {
            machine: find(),
            log,
        };
        let parent = it.machine.actor().get_cell();
        Actor::spawn_linked(None, Brief, (), parent).await.unwrap();
        assert_eq!(it.log().await, "enter idle, child ended");
        // It fails, and is restarted in its first state.
        it.cast(Ask::Connect);
        it.log().await;
        it.cast(Ask::Stop("trouble", RpcReplyPort::from(retake_port())));
        assert_eq!(it.log().await, "enter idle");
        assert_eq!(find().inspect().await.unwrap().state, Idle);
        let stops = find();
        let _ = stops.call(|reply| Ask::Stop("shutdown", reply), None).await;
        it.log().await;
        assert!(
            supervisor
                .child("connection")
                .await
                .unwrap()
                .actor
                .is_none()
        );
    });
}

/// Nobody listens at its other end.
fn retake_port() -> tokio::sync::oneshot::Sender<Answer> {
    tokio::sync::oneshot::channel().0
}

#[test]
fn an_event_that_a_state_does_not_declare_changes_nothing_and_is_counted() {
    under_seeds(3, || async {
        let it = Machine::start(PATIENT).await;
        it.cast(Ask::Confirm);
        assert_eq!(it.log().await, "enter idle");
        let seen = it.machine.inspect().await.unwrap();
        assert_eq!((seen.state, seen.undeclared), (Idle, 1));
        assert_eq!(seen.met[&(Idle, Kind::Confirm)], 1);
        assert!(it.is_running());
    });
}
