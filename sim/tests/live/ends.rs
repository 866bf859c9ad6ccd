//! What ends with an actor or task ends in its last step, also in a live process.
#![allow(
    clippy::disallowed_methods,
    reason = "real processes, clocks and threads"
)]

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use ractor::{Actor, ActorRef, RpcReplyPort};
use retake_testkit::ActorResult;
use tokio::sync::Notify;

use super::{one_at_a_time, record_and_follow};

/// Lets the caller run when it is dropped, which takes far longer in a live process than a step
/// of the caller's would.
struct Slow(Arc<Notify>);

impl Drop for Slow {
    fn drop(&mut self) {
        let other = self.0.clone();
        if retake::is_simulated() {
            return other.notify_one();
        }
        // By a thread of its own, and with another task in the place that tokio keeps for the
        // task woken last, or what is woken here would be queued behind this poll.
        drop(tokio::spawn(async {}));
        let _ = std::thread::spawn(move || other.notify_one()).join();
        std::thread::sleep(Duration::from_millis(500));
    }
}

/// Ends in a way that it is asked for, with callers that have no answer.
struct Debtor;

enum Ask {
    Keep(RpcReplyPort<()>),
    End(End, Arc<Notify>),
    Slow(#[allow(dead_code, reason = "it is dropped")] Slow),
    Call(#[allow(dead_code, reason = "it is dropped")] RpcReplyPort<()>),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    Panic,
    Fail,
    Stop,
    Kill,
}

struct Debts {
    /// Dropped before the ports.
    #[allow(dead_code, reason = "it is dropped")]
    slow: Option<Slow>,
    ports: Vec<RpcReplyPort<()>>,
}

#[retake::simulated]
impl Actor for Debtor {
    type Msg = Ask;
    type State = Debts;
    type Arguments = Option<Slow>;

    async fn pre_start(&self, _: ActorRef<Ask>, slow: Option<Slow>) -> ActorResult<Debts> {
        Ok(Debts {
            slow,
            ports: Vec::new(),
        })
    }

    async fn handle(&self, myself: ActorRef<Ask>, message: Ask, debts: &mut Debts) -> ActorResult {
        match message {
            Ask::Keep(port) => debts.ports.push(port),
            Ask::Slow(_) | Ask::Call(_) => {}
            Ask::End(End::Panic, _) => panic!("asked to"),
            Ask::End(End::Fail, _) => return Err("asked to".into()),
            Ask::End(End::Stop, _) => myself.stop(None),
            Ask::End(End::Kill, is_waiting) => {
                is_waiting.notify_one();
                std::future::pending::<()>().await;
            }
        }
        Ok(())
    }
}

/// What a caller hears that has something else to look at, `other`, while the one that it calls
/// ends.
async fn hear<T>(answer: impl Future<Output = T>, other: &Notify) -> &'static str {
    tokio::select! {
        biased;
        _ = answer => "no answer",
        () = other.notified() => "nothing yet",
    }
}

/// The replay hears what the live process heard: that no answer comes, since the turn was not
/// another's before the end.
fn assert_heard_alike<F>(scenario: impl Fn() -> F + Send + Sync + 'static)
where
    F: Future<Output = &'static str> + Send + 'static,
{
    let _one = one_at_a_time();
    let (live, again, _) = record_and_follow("ends", scenario);
    assert_eq!((live, again), ("no answer", "no answer"));
}

/// Give the actor something to end with, and wait for the answer that it owes.
async fn owed(end: End, has_slow_state: bool) -> &'static str {
    let other = Arc::new(Notify::new());
    let slow = Slow(other.clone());
    let (port, kept) = tokio::sync::oneshot::channel();
    let is_waiting = Arc::new(Notify::new());
    let ask = Ask::End(end, is_waiting.clone());
    let (state, asks) = match has_slow_state {
        true => (Some(slow), vec![Ask::Keep(port.into()), ask]),
        false => (None, vec![ask, Ask::Slow(slow), Ask::Call(port.into())]),
    };
    let (debtor, _) = Actor::spawn(None, Debtor, state).await.unwrap();
    for ask in asks {
        debtor.cast(ask).unwrap();
    }
    if end == End::Kill {
        drop(retake::spawn(async move {
            is_waiting.notified().await;
            debtor.kill();
        }));
    }
    hear(kept, &other).await
}

#[test]
fn callers_hear_of_the_mailbox_and_the_state_of_an_actor_in_the_step_that_ends_it() {
    for end in [End::Panic, End::Fail, End::Stop, End::Kill] {
        for has_slow_state in [false, true] {
            assert_heard_alike(move || owed(end, has_slow_state));
        }
    }
}

/// A task that is over in its first step, and takes long to drop what it was made of.
struct Over(#[allow(dead_code, reason = "it is dropped")] Slow);

impl Future for Over {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }
}

#[test]
fn a_task_is_over_for_those_who_join_it_in_its_last_step() {
    assert_heard_alike(|| async {
        let other = Arc::new(Notify::new());
        hear(retake::spawn(Over(Slow(other.clone()))), &other).await
    });
}
