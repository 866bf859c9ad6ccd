//! A supervisor: starts children in order, restarts those that die, gives up
//! when they die too often, and stops them in reverse order.
//!
//! After OTP's `supervisor` (man page supervisor(3erl), "Supervision Principles").

mod intensity;
mod spec;

use std::sync::Arc;
use std::time::Duration;

use ractor::{
    Actor, ActorCell, ActorProcessingErr, ActorRef, ActorStatus, RpcReplyPort, SupervisionEvent,
};

use intensity::Restarts;
pub use spec::{ChildSpec, Restart, Shutdown, Strategy, SupervisorSpec};

/// The actor. Its arguments are a [`SupervisorSpec`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Supervisor;

/// What a supervisor is asked.
#[derive(Debug)]
pub enum SupervisorMessage {
    /// The children in the order of starting.
    WhichChildren(RpcReplyPort<Vec<ChildInfo>>),
    /// A restart that failed is tried again; sent by the supervisor to itself, so
    /// that other requests are served between tries.
    RetryStart(String),
}

/// One child, as `which_children` shows it.
#[derive(Clone, Debug)]
pub struct ChildInfo {
    /// The id from its spec.
    pub id: String,
    /// The running actor; none while it is not running.
    pub actor: Option<ActorCell>,
    /// Its last restart failed and is being tried again.
    pub restarting: bool,
}

/// The supervisor's own state.
#[derive(Debug)]
pub struct SupervisorState {
    strategy: Strategy,
    restarts: Restarts,
    children: Vec<Child>,
}

#[derive(Debug)]
struct Child {
    spec: Arc<ChildSpec>,
    actor: Option<ActorCell>,
    restarting: bool,
}

/// How a child ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Exit {
    /// It stopped of its own accord, or was told to shut down.
    Normal,
    /// It failed, panicked or was killed.
    Abnormal,
}

impl Exit {
    /// ractor gives a reason with a stop, and `killed` for a kill.
    fn of_reason(reason: Option<&str>) -> Self {
        match reason {
            None => Self::Normal,
            Some(reason) if reason == "normal" || reason.starts_with("shutdown") => Self::Normal,
            Some(_) => Self::Abnormal,
        }
    }
}

/// The reason with which a supervisor ends that gave up.
pub const INTENSITY_EXCEEDED: &str = "shutdown: restart intensity exceeded";

#[retake::simulated]
impl Actor for Supervisor {
    type Msg = SupervisorMessage;
    type State = SupervisorState;
    type Arguments = SupervisorSpec;

    async fn pre_start(
        &self,
        myself: ActorRef<SupervisorMessage>,
        spec: SupervisorSpec,
    ) -> Result<SupervisorState, ActorProcessingErr> {
        spec.check()?;
        let mut state = SupervisorState {
            strategy: spec.strategy,
            restarts: Restarts::new(spec.intensity, spec.period),
            children: Vec::new(),
        };
        for spec in spec.children {
            let started = spec.start(myself.get_cell()).await;
            let spec = Arc::new(spec);
            match started {
                Ok(actor) => state.children.push(Child {
                    spec,
                    actor: Some(actor),
                    restarting: false,
                }),
                Err(error) => {
                    state.stop_children(0).await;
                    return Err(format!("child `{}` failed to start: {error}", spec.id).into());
                }
            }
        }
        Ok(state)
    }

    async fn handle(
        &self,
        myself: ActorRef<SupervisorMessage>,
        message: SupervisorMessage,
        state: &mut SupervisorState,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            SupervisorMessage::WhichChildren(reply) => {
                let children = state.children.iter().map(|child| ChildInfo {
                    id: child.spec.id.clone(),
                    actor: child.actor.clone(),
                    restarting: child.restarting,
                });
                // Who asked may be gone.
                let _ = reply.send(children.collect());
            }
            SupervisorMessage::RetryStart(id) => {
                let place = state
                    .children
                    .iter()
                    .position(|child| child.spec.id == id && child.restarting);
                if let Some(place) = place {
                    state.restart(place, &myself).await;
                }
            }
        }
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        myself: ActorRef<SupervisorMessage>,
        event: SupervisionEvent,
        state: &mut SupervisorState,
    ) -> Result<(), ActorProcessingErr> {
        let (actor, exit) = match event {
            SupervisionEvent::ActorTerminated(actor, _, reason) => {
                (actor, Exit::of_reason(reason.as_deref()))
            }
            SupervisionEvent::ActorFailed(actor, _) => (actor, Exit::Abnormal),
            _ => return Ok(()),
        };
        // The exit of one that this supervisor stopped itself is no news.
        let Some(place) = state.place_of(&actor) else {
            return Ok(());
        };
        state.children[place].actor = None;
        let restart = match state.children[place].spec.restart {
            Restart::Permanent => true,
            Restart::Transient => exit == Exit::Abnormal,
            Restart::Temporary => {
                state.children.remove(place);
                false
            }
        };
        if restart {
            state.restart(place, &myself).await;
        }
        Ok(())
    }

    async fn post_stop(
        &self,
        _: ActorRef<SupervisorMessage>,
        state: &mut SupervisorState,
    ) -> Result<(), ActorProcessingErr> {
        state.stop_children(0).await;
        Ok(())
    }
}

impl SupervisorState {
    fn place_of(&self, actor: &ActorCell) -> Option<usize> {
        self.children.iter().position(|child| {
            child
                .actor
                .as_ref()
                .is_some_and(|running| running.get_id() == actor.get_id())
        })
    }

    /// Restart the child that died, and others as the strategy says.
    async fn restart(&mut self, place: usize, myself: &ActorRef<SupervisorMessage>) {
        if !self.restarts.allow_another(retake::now()) {
            retake::event!(
                "restart intensity exceeded by `{}`",
                self.children[place].spec.id
            );
            // post_stop stops the other children.
            myself.stop(Some(INTENSITY_EXCEEDED.to_owned()));
            return;
        }
        let range = match self.strategy {
            Strategy::OneForOne => place..place + 1,
            Strategy::OneForAll => 0..self.children.len(),
            Strategy::RestForOne => place..self.children.len(),
        };
        let failed_id = self.children[place].spec.id.clone();
        let mut end = range.end;
        for at in range.clone().rev() {
            self.stop_child(at).await;
            if self.children[at].spec.restart == Restart::Temporary
                && self.children[at].spec.id != failed_id
            {
                self.children.remove(at);
                end -= 1;
            }
        }
        for at in range.start.min(end)..end {
            let child = &mut self.children[at];
            match child.spec.start(myself.get_cell()).await {
                Ok(actor) => {
                    child.actor = Some(actor);
                    child.restarting = false;
                }
                Err(error) => {
                    retake::event!("child `{}` failed to restart: {error}", child.spec.id);
                    child.restarting = true;
                    let _ = myself.cast(SupervisorMessage::RetryStart(child.spec.id.clone()));
                    return;
                }
            }
        }
    }

    /// Stop the children from the last one down to `first`.
    async fn stop_children(&mut self, first: usize) {
        for at in (first..self.children.len()).rev() {
            self.stop_child(at).await;
        }
    }

    async fn stop_child(&mut self, place: usize) {
        let child = &mut self.children[place];
        child.restarting = false;
        let Some(actor) = child.actor.take() else {
            return;
        };
        let reason = || Some("shutdown".to_owned());
        let timeout = match child.spec.shutdown {
            Shutdown::Brutal => None,
            Shutdown::Timeout(timeout) => Some(timeout),
            Shutdown::Infinity => {
                // An error means that it is gone already.
                let _ = actor.stop_and_wait(reason(), None).await;
                return;
            }
        };
        if let Some(timeout) = timeout {
            let _ = actor.stop_and_wait(reason(), Some(timeout)).await;
        }
        if actor.get_status() != ActorStatus::Stopped {
            let _ = actor.kill_and_wait(None).await;
        }
    }
}

/// Stop actors at the same time, and kill those that have not ended after `timeout`.
pub(crate) async fn stop_all(actors: &[ActorCell], timeout: Duration) {
    let deadline = retake::now() + timeout;
    for actor in actors {
        actor.stop(Some("shutdown".to_owned()));
    }
    for actor in actors {
        // An error means that it takes too long, or is gone already.
        let _ = actor.wait(Some(deadline - retake::now())).await;
        if actor.get_status() != ActorStatus::Stopped {
            let _ = actor.kill_and_wait(None).await;
        }
    }
}
