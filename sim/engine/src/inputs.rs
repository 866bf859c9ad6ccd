//! What a recorded process was given from outside, in the run that follows its recording.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use crate::engine::current;

/// Something that came from outside: what `retake::record::input` was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    /// Its name.
    pub name: String,
    /// What it was started with.
    pub payload: Vec<u8>,
}

type Work = Pin<Box<dyn Future<Output = ()> + Send>>;
pub(crate) type OnInput = Arc<dyn Fn(Input) -> Work + Send + Sync>;

/// The next input of the recording that the run on this thread follows.
async fn next_input() -> Option<Input> {
    std::future::poll_fn(|context| {
        let Some(engine) = current() else {
            return std::task::Poll::Ready(None);
        };
        let mut core = engine.core.borrow_mut();
        let input = core
            .follow
            .as_mut()
            .and_then(|follow| follow.next_input(context.waker()));
        match input {
            Some((name, payload)) => std::task::Poll::Ready(Some(Input { name, payload })),
            None => std::task::Poll::Pending,
        }
    })
    .await
}

/// Starts a task for each input.
pub(crate) async fn drive(on_input: OnInput) {
    while let Some(input) = next_input().await {
        let name = input.name.clone();
        drop(retake::spawn_named(&name, on_input(input)));
    }
}
