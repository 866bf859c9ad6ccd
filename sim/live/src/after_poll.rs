//! The rest of a poll: what ractor and tokio do behind the last step of an actor or task.
//!
//! An actor's end gives its name back, tells its supervisor, and drops its mailbox and state, by
//! which its callers learn that no answer comes. All this belongs to the step, as it does in a
//! simulation, so the turn lasts until the poll has returned to the runtime.

use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Wake, Waker};

use ractor::{ActorCell, ActorStatus};
use tokio::runtime::Handle;
use tokio::task::AbortHandle;

/// What has come about when the poll is over.
pub(crate) enum Until {
    /// The actor has this status, or a later one.
    Status(ActorCell, ActorStatus),
    /// The task is over for those who join it.
    Finished(AbortHandle),
}

impl Until {
    fn has_come(&self) -> bool {
        match self {
            Self::Status(actor, status) => actor.get_status() >= *status,
            Self::Finished(task) => task.is_finished(),
        }
    }
}

/// Does its work when it is dropped, in whatever way that comes about.
struct OnDrop(Option<Box<dyn FnOnce() + Send>>);

impl Drop for OnDrop {
    fn drop(&mut self) {
        if let Some(work) = self.0.take() {
            work();
        }
    }
}

/// Runs as a task of its own, since tokio allows its waker little.
struct AfterPoll {
    runtime: Handle,
    work: Mutex<Option<(OnDrop, Option<Until>)>>,
}

impl Wake for AfterPoll {
    #[allow(
        clippy::disallowed_methods,
        reason = "it is no code of the recorded program"
    )]
    fn wake(self: Arc<Self>) {
        let mut work = self.work.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((work, until)) = work.take() {
            self.runtime.spawn(async move {
                let _work = work;
                if let Some(until) = until {
                    wait_for(&until).await;
                }
            });
        }
    }
}

/// A poll that tokio cannot see the end of, since its thread has left the runtime by
/// `block_in_place`, is given this long to bring about what it should.
const UNSEEN_POLL_MAX_NS: u64 = 1_000_000_000;

async fn wait_for(until: &Until) {
    let start_ns = retake::live::now_ns();
    while !until.has_come() && retake::live::now_ns() - start_ns < UNSEEN_POLL_MAX_NS {
        tokio::task::yield_now().await;
    }
}

/// Do this work when the poll that runs on this thread is over.
pub(crate) fn call(until: Option<Until>, work: impl FnOnce() + Send + 'static) {
    let work = OnDrop(Some(Box::new(work)));
    let Ok(runtime) = Handle::try_current() else {
        // Its runtime is gone.
        return;
    };
    let work = Mutex::new(Some((work, until)));
    let waker = Waker::from(Arc::new(AfterPoll { runtime, work }));
    // Who yields is woken by the thread that polls it, behind that poll. A flag or a message to
    // another task would not do: that task runs on another thread at the same time.
    let _ = pin!(tokio::task::yield_now()).poll(&mut Context::from_waker(&waker));
}
