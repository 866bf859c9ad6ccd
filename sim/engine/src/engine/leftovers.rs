//! What a run leaves behind: messages in mailboxes, and the states of its actors.

use std::task::Waker;

use retake_traces::record::UnhandledMessage;

use super::Engine;
use crate::core::{Leftovers, Mode};

impl Engine {
    /// Learn what is left in mailboxes, now that the run is over.
    ///
    /// Each callback that has started or is about to ends where it is, like one whose message
    /// a fault loses, so that ractor takes the next message. None of the user's code runs,
    /// but that which drops what is left, and none of this is recorded.
    pub(crate) async fn look_at_mailboxes(&self) -> Vec<UnhandledMessage> {
        let actors = {
            let mut core = self.core.borrow_mut();
            core.mode = Mode::Mailboxes(Leftovers::default());
            core.wakers()
        };
        actors.into_iter().for_each(Waker::wake);
        let mut seen = None;
        loop {
            // All tasks that are queued, and those that they wake, come before.
            for _ in 0..2 {
                tokio::task::yield_now().await;
            }
            let ended = match &self.core.borrow().mode {
                Mode::Mailboxes(left) => Some(left.ended),
                _ => None,
            };
            if ended == seen {
                break;
            }
            seen = ended;
        }
        let mut messages = self.core.borrow_mut().mode.end_mailboxes().messages;
        messages.sort_by_key(|message| message.task);
        messages
    }

    /// Learn the states of actors that wait for a message, now that the run is over.
    ///
    /// They are asked to stop, and ractor calls their `post_stop` with the state. No gate
    /// opens any more, so nothing of theirs runs, and none of it is recorded.
    pub(crate) async fn look_at_states(&self) {
        let (idle, stats, goals) = {
            let mut core = self.core.borrow_mut();
            core.mode = Mode::States;
            (core.idle_actors(), core.stats.clone(), core.goals.clone())
        };
        for actor in idle {
            actor.stop(None);
        }
        // Each time all tasks that are queued, and those that they wake, come before.
        for _ in 0..2 {
            tokio::task::yield_now().await;
        }
        let mut core = self.core.borrow_mut();
        core.mode = Mode::Steps;
        core.stats = stats;
        core.goals = goals;
    }
}
