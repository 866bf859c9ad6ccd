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

use crate::recorder::Recorder;

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

/// What has the turn until the poll is over.
#[derive(Clone, Copy)]
pub(crate) enum Holder {
    /// The step that ran; the actor is gone with it if `exits`.
    Step { exits: bool },
    /// An actor that was killed.
    Killed,
}

/// Gives the turn back when it is dropped, in whatever way that comes about.
struct Release {
    recorder: Arc<Recorder>,
    holder: Holder,
}

impl Drop for Release {
    fn drop(&mut self) {
        match self.holder {
            Holder::Step { exits } => self.recorder.release(exits),
            Holder::Killed => self.recorder.exited(),
        }
    }
}

/// Runs as a task of its own, since tokio allows its waker little.
struct AfterPoll {
    runtime: Handle,
    release: Mutex<Option<(Release, Option<Until>)>>,
}

impl Wake for AfterPoll {
    #[allow(
        clippy::disallowed_methods,
        reason = "it is no code of the recorded program"
    )]
    fn wake(self: Arc<Self>) {
        let mut release = self.release.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((release, until)) = release.take() {
            self.runtime.spawn(async move {
                let _release = release;
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
    let start_ns = retake::engine::live_now_ns();
    while !until.has_come() && retake::engine::live_now_ns() - start_ns < UNSEEN_POLL_MAX_NS {
        tokio::task::yield_now().await;
    }
}

/// End a turn when the poll that runs on this thread is over.
pub(crate) fn release(recorder: Arc<Recorder>, holder: Holder, until: Option<Until>) {
    let release = Release { recorder, holder };
    let Ok(runtime) = Handle::try_current() else {
        // Its runtime is gone.
        return;
    };
    let release = Mutex::new(Some((release, until)));
    let waker = Waker::from(Arc::new(AfterPoll { runtime, release }));
    // Who yields is woken by the thread that polls it, behind that poll. A flag or a message to
    // another task would not do: that task runs on another thread at the same time.
    let _ = pin!(tokio::task::yield_now()).poll(&mut Context::from_waker(&waker));
}
