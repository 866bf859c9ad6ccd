//! Outside a simulation, gated actors and tasks behave as plain ones.
#![allow(missing_docs)]

use std::time::Duration;

use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort, SupervisionEvent};

enum Message {
    Add(u64),
    Total(RpcReplyPort<u64>),
    Fail,
}

struct Counter;

#[retake::simulated]
impl Actor for Counter {
    type Msg = Message;
    type State = u64;
    type Arguments = u64;

    async fn pre_start(&self, _: ActorRef<Message>, start: u64) -> Result<u64, ActorProcessingErr> {
        Ok(start)
    }

    async fn handle(
        &self,
        _: ActorRef<Message>,
        message: Message,
        total: &mut u64,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            Message::Add(n) => {
                *total += n;
                if n == 0 {
                    return Ok(());
                }
                tokio::task::yield_now().await;
            }
            Message::Total(port) => port.send(*total)?,
            Message::Fail => {
                "not a number".parse::<u64>()?;
            }
        }
        Ok(())
    }
}

/// Callbacks written as functions that return a future, and a generic actor.
struct Echo<T>(std::marker::PhantomData<fn() -> T>);

#[retake::simulated]
impl<T: Send + Clone + 'static> Actor for Echo<T> {
    type Msg = (T, RpcReplyPort<T>);
    type State = ();
    type Arguments = ();

    fn pre_start(
        &self,
        _: ActorRef<Self::Msg>,
        (): (),
    ) -> impl Future<Output = Result<(), ActorProcessingErr>> + Send {
        std::future::ready(Ok(()))
    }

    async fn handle(
        &self,
        _: ActorRef<Self::Msg>,
        (value, port): Self::Msg,
        (): &mut (),
    ) -> Result<(), ActorProcessingErr> {
        port.send(value)?;
        Ok(())
    }
}

struct Watcher(tokio::sync::mpsc::UnboundedSender<String>);

#[retake::simulated]
impl Actor for Watcher {
    type Msg = ();
    type State = ();
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<()>, (): ()) -> Result<(), ActorProcessingErr> {
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        _: ActorRef<()>,
        event: SupervisionEvent,
        (): &mut (),
    ) -> Result<(), ActorProcessingErr> {
        if let SupervisionEvent::ActorFailed(_, error) = event {
            self.0.send(error.to_string())?;
        }
        Ok(())
    }
}

#[tokio::test]
async fn an_error_in_a_gated_handler_reaches_the_supervisor() {
    let (sender, mut failures) = tokio::sync::mpsc::unbounded_channel();
    let (watcher, _) = Actor::spawn(None, Watcher(sender), ()).await.unwrap();
    let (counter, _) = Actor::spawn_linked(None, Counter, 0, watcher.get_cell())
        .await
        .unwrap();
    counter.cast(Message::Fail).unwrap();
    assert_eq!(
        failures.recv().await.unwrap(),
        "invalid digit found in string"
    );
}

#[tokio::test]
async fn gated_actors_answer_calls() {
    let (counter, _) = Actor::spawn(None, Counter, 5).await.unwrap();
    counter.cast(Message::Add(2)).unwrap();
    counter.cast(Message::Add(0)).unwrap();
    assert_eq!(ractor::call!(counter, Message::Total).unwrap(), 7);

    let (echo, _) = Actor::spawn(None, Echo(std::marker::PhantomData), ())
        .await
        .unwrap();
    assert_eq!(
        ractor::call!(echo, |port| ("hello", port)).unwrap(),
        "hello"
    );
}

#[tokio::test]
async fn a_wrapped_actor_answers_calls() {
    struct Plain;
    #[cfg_attr(feature = "async-trait", ractor::async_trait)]
    impl Actor for Plain {
        type Msg = RpcReplyPort<u32>;
        type State = ();
        type Arguments = ();
        async fn pre_start(
            &self,
            _: ActorRef<Self::Msg>,
            (): (),
        ) -> Result<(), ActorProcessingErr> {
            Ok(())
        }
        async fn handle(
            &self,
            _: ActorRef<Self::Msg>,
            port: Self::Msg,
            (): &mut (),
        ) -> Result<(), ActorProcessingErr> {
            port.send(9)?;
            Ok(())
        }
    }
    let (plain, _) = Actor::spawn(None, retake::SimulatedActor::with_debug(Plain), ())
        .await
        .unwrap();
    assert_eq!(ractor::call!(plain, |port| port).unwrap(), 9);
}

#[tokio::test(start_paused = true)]
async fn time_and_randomness_come_from_the_system() {
    assert!(!retake::is_simulated());
    retake::sleep(Duration::from_millis(3)).await;
    assert!(
        retake::timeout(Duration::from_millis(1), std::future::pending::<()>())
            .await
            .is_err()
    );
    assert_eq!(
        retake::timeout(Duration::ZERO, std::future::ready(4)).await,
        Ok(4)
    );
    assert_eq!(retake::spawn(async { 3 }).await.unwrap(), 3);
    let draws: Vec<u64> = (0..4)
        .map(|_| rand_core::Rng::next_u64(&mut retake::rng()))
        .collect();
    assert!(draws.windows(2).any(|pair| pair[0] != pair[1]));
    assert_eq!(retake::scoped_name("ledger"), "ledger");
}
