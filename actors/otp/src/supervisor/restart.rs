//! What a supervisor does when a child has ended by itself.

use ractor::{ActorCell, ActorRef};

use super::children::{Child, SupervisorState};
use super::message::{Retry, SupervisorMessage};
use super::reason::{AUTO_SHUTDOWN, INTENSITY_EXCEEDED, SHUTDOWN};
use super::spec::{AutoShutdown, Restart, Strategy};
use crate::journal::Event;

/// How a child ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exit {
    /// It stopped by itself, or was asked to shut down.
    Normal,
    /// It failed, panicked or was killed.
    Abnormal,
}

impl Exit {
    /// ractor gives a reason with a stop, and `killed` for a kill.
    pub(super) fn of_reason(reason: Option<&str>) -> Self {
        match reason {
            None | Some("normal" | SHUTDOWN) => Self::Normal,
            Some(reason) if reason.starts_with("shutdown:") => Self::Normal,
            Some(_) => Self::Abnormal,
        }
    }
}

impl SupervisorState {
    /// A child has ended, unless this supervisor ended it.
    pub(super) async fn ended(
        &mut self,
        actor: &ActorCell,
        exit: Exit,
        myself: &ActorRef<SupervisorMessage>,
    ) {
        let Some(key) = self.keys.remove(&actor.get_id().pid()) else {
            return;
        };
        self.note(key, Event::ChildExited);
        let Some(child) = self.children.get_mut(&key) else {
            return;
        };
        child.actor = None;
        child.was = Some(actor.get_id());
        let restarts = match child.spec.restart {
            Restart::Permanent => true,
            Restart::Transient => exit == Exit::Abnormal,
            Restart::Temporary => false,
        };
        if restarts {
            return self.restart(key, myself).await;
        }
        let significant = child.spec.significant;
        if child.spec.restart == Restart::Temporary || self.is_dynamic() {
            self.children.remove(&key);
        }
        let stops = match self.auto_shutdown {
            AutoShutdown::Never => false,
            AutoShutdown::Any => significant,
            AutoShutdown::All => significant && !self.has_significant(),
        };
        if stops {
            myself.stop(Some(AUTO_SHUTDOWN.to_owned()));
        }
    }

    /// True if a significant child runs, or is to.
    fn has_significant(&self) -> bool {
        self.children.values().any(|child| {
            child.spec.significant && (child.actor.is_some() || child.restarting.is_some())
        })
    }

    /// One more restart, of this child and of those that the strategy adds.
    async fn restart(&mut self, key: u64, myself: &ActorRef<SupervisorMessage>) {
        if !self.restarts.allow_another(retake::now()) {
            let id = &self.children[&key].spec.id;
            retake::event!("restart intensity exceeded by `{id}`");
            self.note(key, Event::GaveUp);
            // post_stop stops the other children.
            myself.stop(Some(INTENSITY_EXCEEDED.to_owned()));
            return;
        }
        self.note(key, Event::Restart);
        self.stop_set(key).await;
        match self.backoff {
            None => self.start_set(key, myself).await,
            Some(backoff) => {
                let wait = backoff.before(self.restarts.recent());
                let retry = self.note_restarting(key, true);
                let timer =
                    retake::send_after(myself, wait, move || SupervisorMessage::Retry(retry));
                if let Some(child) = self.children.get_mut(&key) {
                    child.timer = Some(timer);
                }
            }
        }
    }

    pub(super) async fn retry(&mut self, retry: Retry, myself: &ActorRef<SupervisorMessage>) {
        let child = self.children.get_mut(&retry.key);
        let Some(child) = child.filter(|child| child.restarting == Some(retry.try_number)) else {
            return;
        };
        child.timer = None;
        if retry.is_counted {
            self.start_set(retry.key, myself).await;
        } else {
            self.restart(retry.key, myself).await;
        }
    }

    fn note_restarting(&mut self, key: u64, is_counted: bool) -> Retry {
        self.tries += 1;
        if let Some(child) = self.children.get_mut(&key) {
            child.restarting = Some(self.tries);
        }
        Retry {
            key,
            try_number: self.tries,
            is_counted,
        }
    }

    /// Whom the strategy restarts with this child, in the order of starting.
    fn set(&self, key: u64) -> Vec<u64> {
        let keys = self.children.keys().copied();
        match self.strategy {
            Strategy::OneForOne | Strategy::SimpleOneForOne => vec![key],
            Strategy::OneForAll => keys.collect(),
            Strategy::RestForOne => keys.filter(|other| *other >= key).collect(),
        }
    }

    async fn stop_set(&mut self, key: u64) {
        for other in self.set(key).into_iter().rev() {
            self.stop(other).await;
            if other != key && self.children[&other].spec.restart == Restart::Temporary {
                self.children.remove(&other);
            }
        }
    }

    /// Start the set. When one fails, it is the one to be tried again.
    async fn start_set(&mut self, key: u64, myself: &ActorRef<SupervisorMessage>) {
        for other in self.set(key) {
            let child = &self.children[&other];
            // Started on request while a back-off was waited for.
            if child.actor.is_some() {
                continue;
            }
            let id = child.spec.id.clone();
            if let Err(error) = self.start(other, myself).await {
                retake::event!("child `{id}` failed to restart: {error}");
                let key_child = self.children.get_mut(&key);
                key_child.into_iter().for_each(Child::end_restarting);
                let retry = self.note_restarting(other, false);
                // An error means that this supervisor is ending.
                let _ = myself.cast(SupervisorMessage::Retry(retry));
                return;
            }
        }
    }
}
