//! Asking an actor and waiting for the answer.

use std::time::Duration;

use ractor::rpc::CallResult;
use ractor::{ActorRef, Message, RpcReplyPort};

/// Why there is no answer: the exits of `gen_server:call/3`, as an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The actor is not running, ended before it answered, or dropped the question.
    #[error("no answer: the actor is not running")]
    Closed,
    /// No answer in time. The question may still be served; its answer is dropped.
    #[error("no answer within {0:?}")]
    Timeout(Duration),
}

/// The timeout of a call that is impatient on purpose, at a [`retake::buggify!`] site.
pub const EARLY: Duration = Duration::from_millis(1);
/// How often a client asks that asks too often on purpose, at a [`retake::buggify!`] site.
pub const STORM: u32 = 20;

/// Ask an actor, and wait for its answer at most `timeout`, or as long as it takes.
///
/// After `gen_server`(3erl), `call/3`: an actor that is absent is an error at once. An
/// answer that comes too late is dropped; the actor has done the work all the same.
/// Unlike there, the error does not say why an actor ended: ractor reports that to
/// its supervisor only.
///
/// # Errors
/// If there is no answer, or none in time.
pub async fn call<M: Message, T: Send + 'static>(
    actor: &ActorRef<M>,
    message: impl FnOnce(RpcReplyPort<T>) -> M,
    timeout: Option<Duration>,
) -> Result<T, CallError> {
    let timeout = match timeout {
        Some(_) if retake::buggify!("call: gives up early") => Some(EARLY),
        timeout => timeout,
    };
    call_in_full(actor, message, timeout).await
}

/// The same without the [`retake::buggify!`] site at which [`call`] gives up early: for
/// clients that have sites of their own.
///
/// # Errors
/// If there is no answer, or none in time.
pub async fn call_in_full<M: Message, T: Send + 'static>(
    actor: &ActorRef<M>,
    message: impl FnOnce(RpcReplyPort<T>) -> M,
    timeout: Option<Duration>,
) -> Result<T, CallError> {
    match actor.call(message, timeout).await {
        Ok(CallResult::Success(answer)) => Ok(answer),
        Ok(CallResult::Timeout) => Err(CallError::Timeout(timeout.unwrap_or_default())),
        Ok(CallResult::SenderError) | Err(_) => Err(CallError::Closed),
    }
}
