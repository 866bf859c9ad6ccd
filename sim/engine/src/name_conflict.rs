//! An actor that has a name which others want.

use std::cell::Cell;
use std::future::Future;
use std::time::Duration;

use ractor::{Actor, ActorProcessingErr, ActorRef};

thread_local! {
    /// Tokio tasks of holders that are alive on this thread.
    static ALIVE: Cell<usize> = const { Cell::new(0) };
}

/// Counts a tokio task while it is alive.
struct Alive;

impl Alive {
    fn new() -> Self {
        ALIVE.set(ALIVE.get() + 1);
        Self
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        ALIVE.set(ALIVE.get().saturating_sub(1));
    }
}

/// Tokio tasks that are the simulator's own, not the user's.
pub(crate) fn alive() -> usize {
    ALIVE.get()
}

/// Does nothing, under its name.
struct NameHolder;

#[retake::gate::callbacks]
impl Actor for NameHolder {
    type Msg = ();
    type State = ();
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<()>, (): ()) -> Result<(), ActorProcessingErr> {
        Ok(())
    }
}

/// Take a name of ractor's registry until this virtual time since the start of the run.
pub(crate) fn hold_name(
    name: String,
    until: tokio::time::Instant,
) -> impl Future<Output = ()> + Send + 'static {
    let alive = Alive::new();
    async move {
        let _alive = alive;
        take(name, until).await;
    }
}

async fn take(name: String, until: tokio::time::Instant) {
    // Somebody may have been sooner.
    if let Ok((holder, ended)) = Actor::spawn(Some(name), NameHolder, ()).await {
        let _alive = Alive::new();
        tokio::time::sleep_until(until).await;
        holder.stop(None);
        let _ = tokio::time::timeout(Duration::from_secs(1), ended).await;
    }
}
