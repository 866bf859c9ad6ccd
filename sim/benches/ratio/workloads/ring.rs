//! Actors in a circle, with many tokens on their way: the cost of a message when
//! many actors can run.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ractor::{Actor, ActorProcessingErr, ActorRef};
use tokio::sync::Notify;

enum Message {
    Next(ActorRef<Message>),
    /// Hops left.
    Token(u64),
}

struct Member {
    tokens_left: Arc<AtomicU64>,
    done: Arc<Notify>,
}

gate! {
    impl Actor for Member {
        type Msg = Message;
        type State = Option<ActorRef<Message>>;
        type Arguments = ();

        async fn pre_start(
            &self,
            _: ActorRef<Message>,
            (): (),
        ) -> Result<Self::State, ActorProcessingErr> {
            Ok(None)
        }

        async fn handle(
            &self,
            _: ActorRef<Message>,
            message: Message,
            next: &mut Self::State,
        ) -> Result<(), ActorProcessingErr> {
            match (message, next) {
                (Message::Next(member), next) => *next = Some(member),
                (Message::Token(hops), Some(next)) if hops > 0 => next.cast(Message::Token(hops - 1))?,
                (Message::Token(_), _) => {
                    if self.tokens_left.fetch_sub(1, Ordering::Relaxed) == 1 {
                        self.done.notify_one();
                    }
                }
            }
            Ok(())
        }
    }
}

/// Pass `tokens` tokens on among `members` until about `messages` messages are sent.
pub(crate) async fn run(members: usize, tokens: usize, messages: u64) -> u64 {
    let hops = messages / tokens as u64;
    let done = Arc::new(Notify::new());
    let tokens_left = Arc::new(AtomicU64::new(tokens as u64));
    let mut ring = Vec::with_capacity(members);
    for _ in 0..members {
        let member = Member {
            tokens_left: Arc::clone(&tokens_left),
            done: Arc::clone(&done),
        };
        ring.push(Actor::spawn(None, member, ()).await.unwrap().0);
    }
    for (place, member) in ring.iter().enumerate() {
        member
            .cast(Message::Next(ring[(place + 1) % members].clone()))
            .unwrap();
    }
    for token in 0..tokens {
        ring[token * members / tokens]
            .cast(Message::Token(hops))
            .unwrap();
    }
    done.notified().await;
    hops * tokens as u64
}
