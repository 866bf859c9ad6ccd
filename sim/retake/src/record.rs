//! For processes that record what they do live, so that a simulator can follow it.
//!
//! A recorder (the crate `retake-live`) takes part in every gate of the process: it lets
//! one step run at a time and writes down which. What comes from outside has to be passed to
//! it, by the functions here; without a recorder all of them pass straight through, each
//! for one relaxed load. In a replay the simulator gives recorded values back.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> std::io::Result<()> {
//! use retake::record;
//!
//! // The answer of a service that no simulator knows.
//! async fn ask() -> std::io::Result<String> {
//!     Ok("42".to_owned())
//! }
//!
//! let answer = record::outside("oracle", ask()).await?;
//! assert_eq!(answer, "42");
//! # Ok(())
//! # }
//! ```

use std::future::Future;
use std::io;
use std::pin::pin;
use std::task::Poll;

use tokio::task::JoinHandle;

use crate::engine::{self, Engine, Outside, TaskId};
use crate::gate;

/// A value that can be kept in a recording.
pub trait Value: Sized {
    /// As bytes.
    fn to_bytes(&self) -> Vec<u8>;
    /// From these bytes; `None` if they are no such value.
    fn from_bytes(bytes: &[u8]) -> Option<Self>;
}

/// True while this process is recorded, and outside simulations.
#[must_use]
pub fn is_recording() -> bool {
    engine::recording(|_| ()).is_some()
}

/// The task that starts everything else: the counterpart of a simulation's scenario. Use
/// it once, around the future that a runtime's `block_on` is given.
pub async fn scenario<F: Future>(future: F) -> F::Output {
    let task = engine::recording(|_| TaskId(0));
    match task {
        Some(task) => gate::existing_task(task, future).await,
        None => future.await,
    }
}

/// Work that something outside asks for: a request of a client. `payload` is everything it
/// depends on.
///
/// In a recorded process it is a task of its own, whose end is not tied to its client:
/// a client that goes away does not cancel it. A replay starts it again from its payload.
///
/// # Panics
/// As the future does.
pub async fn input<F>(name: &str, payload: impl FnOnce() -> Vec<u8>, future: F) -> F::Output
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let task = engine::recording(|recorder| {
        let task = recorder.task_starting(name);
        recorder.input(task, name, payload());
        task
    });
    let Some(task) = task else {
        return future.await;
    };
    match spawn(gate::existing_task(task, future)).await {
        Ok(output) => output,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime shuts down.
            Err(_) => std::future::pending().await,
        },
    }
}

/// Spawn a task that reads and writes sockets or the like. In a simulation it is gated as
/// by [`spawn_named`](crate::spawn_named); in a recorded process it is not, and a replay
/// does without it: what it asks of actors has to go through [`input`].
///
/// # Panics
/// Outside a tokio runtime.
pub fn spawn_outside<F>(name: &str, future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    if is_recording() {
        return spawn(future);
    }
    crate::spawn_named(name, future)
}

#[allow(
    clippy::disallowed_methods,
    reason = "what is spawned here is gated, or is not to be"
)]
fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    tokio::spawn(future)
}

/// Await a value that comes from outside: of a disk, another service, a thread.
///
/// Recorded with the step in which it comes; in a replay `future` is not polled at all.
pub async fn outside<T: Value, F: Future<Output = T>>(name: &str, future: F) -> T {
    let mut future = pin!(future);
    std::future::poll_fn(|context| {
        match engine::gating(|engine| engine.outside(name, false)).unwrap_or(Outside::Unseen) {
            Outside::Unseen => future.as_mut().poll(context),
            Outside::Recorded => {
                let polled = future.as_mut().poll(context);
                if let Poll::Ready(value) = &polled {
                    let bytes = value.to_bytes();
                    engine::gating(|engine| engine.external(name, &bytes));
                }
                polled
            }
            // The replay polls again in the step in which it came.
            Outside::Replayed(bytes) => match bytes.and_then(|bytes| T::from_bytes(&bytes)) {
                Some(value) => Poll::Ready(value),
                None => Poll::Pending,
            },
        }
    })
    .await
}

/// A value from outside that is there at once: whether a signature fits a secret that is
/// not to be recorded, for example.
pub fn known<T: Value>(name: &str, value: impl FnOnce() -> T) -> T {
    match engine::gating(|engine| engine.outside(name, true)).unwrap_or(Outside::Unseen) {
        Outside::Unseen => value(),
        Outside::Recorded => {
            let value = value();
            let bytes = value.to_bytes();
            engine::gating(|engine| engine.external(name, &bytes));
            value
        }
        // Without a recorded value the replay has diverged, and ends with this step.
        Outside::Replayed(bytes) => bytes
            .and_then(|bytes| T::from_bytes(&bytes))
            .unwrap_or_else(value),
    }
}

/// True in a step that is recorded or replayed: [`output`] has an effect there.
#[must_use]
pub fn is_compared() -> bool {
    engine::gating(Engine::wants_output) == Some(true)
}

/// Something that the running step makes and that a replay is to make as well: an answer, a
/// receipt. `bytes` is asked for only when a recording or a replay wants it.
pub fn output(name: &str, bytes: impl FnOnce() -> Vec<u8>) {
    if is_compared() {
        let bytes = bytes();
        engine::gating(|engine| engine.output(name, &bytes));
    }
}

impl Value for () {
    fn to_bytes(&self) -> Vec<u8> {
        Vec::new()
    }
    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.is_empty().then_some(())
    }
}

impl Value for bool {
    fn to_bytes(&self) -> Vec<u8> {
        vec![u8::from(*self)]
    }
    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [0] => Some(false),
            [1] => Some(true),
            _ => None,
        }
    }
}

impl Value for u64 {
    fn to_bytes(&self) -> Vec<u8> {
        self.to_le_bytes().to_vec()
    }
    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Some(Self::from_le_bytes(bytes.try_into().ok()?))
    }
}

impl Value for Vec<u8> {
    fn to_bytes(&self) -> Vec<u8> {
        self.clone()
    }
    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Some(bytes.to_vec())
    }
}

impl Value for String {
    fn to_bytes(&self) -> Vec<u8> {
        self.as_bytes().to_vec()
    }
    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Self::from_utf8(bytes.to_vec()).ok()
    }
}

impl<T: Value> Value for Option<T> {
    fn to_bytes(&self) -> Vec<u8> {
        self.as_ref()
            .map_or_else(Vec::new, |value| tagged(1, value))
    }
    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        match bytes.split_first() {
            None => Some(None),
            Some((1, value)) => T::from_bytes(value).map(Some),
            Some(_) => None,
        }
    }
}

impl<T: Value, E: Value> Value for Result<T, E> {
    fn to_bytes(&self) -> Vec<u8> {
        match self {
            Ok(value) => tagged(0, value),
            Err(error) => tagged(1, error),
        }
    }
    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        match bytes.split_first()? {
            (0, value) => T::from_bytes(value).map(Ok),
            (1, error) => E::from_bytes(error).map(Err),
            _ => None,
        }
    }
}

fn tagged(tag: u8, value: &impl Value) -> Vec<u8> {
    let mut bytes = vec![tag];
    bytes.extend(value.to_bytes());
    bytes
}

/// With the system's number where there is one, else with its text alone.
impl Value for io::Error {
    fn to_bytes(&self) -> Vec<u8> {
        match self.raw_os_error() {
            Some(number) => number.to_le_bytes().to_vec(),
            None => [&[0_u8; 4], self.to_string().as_bytes()].concat(),
        }
    }
    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (number, text) = bytes.split_first_chunk()?;
        Some(match i32::from_le_bytes(*number) {
            0 => Self::other(String::from_utf8(text.to_vec()).ok()?),
            number => Self::from_raw_os_error(number),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_back_and_rubbish_does_not() {
        fn there_and_back<T: Value + PartialEq + std::fmt::Debug>(value: T) {
            assert_eq!(T::from_bytes(&value.to_bytes()), Some(value));
        }
        there_and_back(());
        there_and_back(true);
        there_and_back(u64::MAX - 1);
        there_and_back(vec![0_u8, 255]);
        there_and_back("ä".to_owned());
        there_and_back(Some(String::new()));
        there_and_back(None::<String>);
        there_and_back(Ok::<u64, String>(7));
        there_and_back(Err::<u64, String>("no".to_owned()));
        assert_eq!(bool::from_bytes(&[2]), None);
        assert_eq!(u64::from_bytes(&[1, 2]), None);
        assert_eq!(String::from_bytes(&[0xff]), None);
        assert_eq!(Result::<bool, ()>::from_bytes(&[7]), None);
        let full = io::Error::from_raw_os_error(28);
        let again = io::Error::from_bytes(&full.to_bytes()).unwrap();
        assert_eq!(again.kind(), full.kind());
        let other = io::Error::from_bytes(&io::Error::other("gone").to_bytes()).unwrap();
        assert_eq!(other.to_string(), "gone");
    }
}
