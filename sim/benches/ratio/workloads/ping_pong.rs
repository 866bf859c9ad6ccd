//! Two actors that send each other one message to and fro: nothing but the cost
//! of a message.

use std::sync::Arc;

use ractor::{Actor, ActorProcessingErr, ActorRef};
use tokio::sync::Notify;

enum Message {
    Serve(ActorRef<Message>, u64),
    Ball(ActorRef<Message>, u64),
}

struct Player(Arc<Notify>);

gate! {
    impl Actor for Player {
        type Msg = Message;
        type State = u64;
        type Arguments = ();

        async fn pre_start(&self, _: ActorRef<Message>, (): ()) -> Result<u64, ActorProcessingErr> {
            Ok(0)
        }

        async fn handle(
            &self,
            myself: ActorRef<Message>,
            message: Message,
            hits: &mut u64,
        ) -> Result<(), ActorProcessingErr> {
            match message {
                Message::Serve(other, left) => other.cast(Message::Ball(myself, left))?,
                Message::Ball(_, 0) => self.0.notify_one(),
                Message::Ball(other, left) => {
                    *hits += 1;
                    other.cast(Message::Ball(myself, left - 1))?;
                }
            }
            Ok(())
        }
    }
}

/// Exchange `messages` messages.
pub(crate) async fn run(messages: u64) -> u64 {
    let done = Arc::new(Notify::new());
    let (first, _) = Actor::spawn(None, Player(Arc::clone(&done)), ())
        .await
        .unwrap();
    let (second, _) = Actor::spawn(None, Player(Arc::clone(&done)), ())
        .await
        .unwrap();
    first.cast(Message::Serve(second, messages)).unwrap();
    done.notified().await;
    messages
}
