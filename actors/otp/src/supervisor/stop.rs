//! How actors are stopped: asked first, killed when they take too long.
//!
//! ractor kills the children of an actor that ends, at once and without `post_stop`;
//! an ordered shutdown has to be written.

use std::time::Duration;

use ractor::{ActorCell, ActorStatus};

use super::reason::SHUTDOWN;
use super::spec::Shutdown;

fn shutdown() -> Option<String> {
    Some(SHUTDOWN.to_owned())
}

/// Stop an actor and wait for its end. It need not be linked any more.
pub(super) async fn stop_actor(actor: &ActorCell, how: Shutdown) {
    // An error means that it takes too long, or has ended already.
    match how {
        Shutdown::Brutal => {}
        Shutdown::Timeout(timeout) => {
            let _ = actor.stop_and_wait(shutdown(), Some(timeout)).await;
        }
        Shutdown::Infinity => {
            let _ = actor.stop_and_wait(shutdown(), None).await;
        }
    }
    if actor.get_status() != ActorStatus::Stopped {
        let _ = actor.kill_and_wait(None).await;
    }
}

/// Stop actors at the same time; their timeouts count from now.
pub(super) async fn stop_together(actors: &[(ActorCell, Shutdown)]) {
    let start = retake::now();
    for (actor, how) in actors {
        match how {
            Shutdown::Brutal => actor.kill(),
            Shutdown::Timeout(_) | Shutdown::Infinity => actor.stop(shutdown()),
        }
    }
    for (actor, how) in actors {
        let patience = match how {
            Shutdown::Timeout(timeout) => Some(start + *timeout - retake::now()),
            Shutdown::Brutal | Shutdown::Infinity => None,
        };
        let _ = actor.wait(patience).await;
        if actor.get_status() != ActorStatus::Stopped {
            let _ = actor.kill_and_wait(None).await;
        }
    }
}

/// Stop actors at the same time, and kill those that have not ended after `timeout`.
pub async fn stop_all(actors: &[ActorCell], timeout: Duration) {
    let how = Shutdown::Timeout(timeout);
    let actors: Vec<_> = actors.iter().map(|actor| (actor.clone(), how)).collect();
    stop_together(&actors).await;
}
