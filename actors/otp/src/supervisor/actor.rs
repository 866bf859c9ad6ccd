//! The supervisor itself.

use std::collections::BTreeMap;

use ractor::{Actor, ActorCell, ActorProcessingErr, ActorRef, RpcReplyPort, SupervisionEvent};

use super::children::Child;
use super::handle::{ChildError, Description, StartedChild};
use super::intensity::{Backoff, Restarts};
use super::restart::{Exit, Retry};
use super::spec::{AutoShutdown, ChildSpec, Strategy, SupervisorSpec};
use crate::by_actor::ByActor;
use crate::journal::{Incarnation, Life};

/// The actor. Its arguments are a [`SupervisorSpec`]; talk to it through a
/// [`SupervisorRef`](super::SupervisorRef).
#[derive(Clone, Copy, Debug, Default)]
pub struct Supervisor;

/// What a supervisor is asked.
#[derive(Debug)]
pub enum SupervisorMessage {
    /// Add a child and start it.
    StartChild(
        Box<ChildSpec>,
        RpcReplyPort<Result<StartedChild, ChildError>>,
    ),
    /// Stop the child with this id.
    TerminateChild(String, RpcReplyPort<Result<(), ChildError>>),
    /// Stop this child of a dynamic supervisor.
    TerminateActor(ActorCell, RpcReplyPort<Result<(), ChildError>>),
    /// Start the child with this id, which does not run.
    RestartChild(String, RpcReplyPort<Result<StartedChild, ChildError>>),
    /// Forget the child with this id, which does not run.
    DeleteChild(String, RpcReplyPort<Result<(), ChildError>>),
    /// Describe the supervisor and its children.
    Describe(RpcReplyPort<Description>),
    /// From the supervisor to itself: try a restart again. Other requests are
    /// served between tries.
    Retry(Retry),
}

/// The supervisor's own state.
#[derive(Debug)]
pub struct SupervisorState {
    pub(super) name: Option<String>,
    pub(super) strategy: Strategy,
    pub(super) auto_shutdown: AutoShutdown,
    pub(super) backoff: Option<Backoff>,
    pub(super) restarts: Restarts,
    /// In the order of starting.
    pub(super) children: BTreeMap<u64, Child>,
    /// To the child.
    pub(super) keys: ByActor<u64>,
    pub(super) last_key: u64,
    pub(super) tries: u64,
    /// Writes into the journal, if there is one, and its end when it is dropped.
    pub(super) incarnation: Option<Incarnation>,
}

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
        retake::restart_intensity(&myself, spec.intensity, spec.period);
        let mut state = SupervisorState {
            name: spec.name,
            strategy: spec.strategy,
            auto_shutdown: spec.auto_shutdown,
            backoff: spec.backoff,
            restarts: Restarts::new(spec.intensity, spec.period),
            children: BTreeMap::new(),
            keys: ByActor::default(),
            last_key: 0,
            tries: 0,
            incarnation: spec.journal.map(|(name, journal)| journal.begin(&name)),
        };
        for child in spec.children {
            let id = child.id.clone();
            if let Err(error) = state.add(child, &myself).await {
                state.stop_everything().await;
                return Err(format!("child `{id}` failed to start: {error}").into());
            }
        }
        if let Some(incarnation) = &state.incarnation {
            incarnation.write(Life::Started(String::new()));
        }
        Ok(state)
    }

    async fn handle(
        &self,
        myself: ActorRef<SupervisorMessage>,
        message: SupervisorMessage,
        state: &mut SupervisorState,
    ) -> Result<(), ActorProcessingErr> {
        // Who asked may be gone: then nobody hears the answer.
        match message {
            SupervisorMessage::StartChild(spec, reply) => {
                let _ = reply.send(state.start_child(*spec, &myself).await);
            }
            SupervisorMessage::TerminateChild(id, reply) => {
                let answer = match state.key_of_id(&id) {
                    Ok(key) => {
                        state.terminate(key).await;
                        Ok(())
                    }
                    Err(error) => Err(error),
                };
                let _ = reply.send(answer);
            }
            SupervisorMessage::TerminateActor(actor, reply) => {
                let _ = reply.send(state.terminate_actor(&actor).await);
            }
            SupervisorMessage::RestartChild(id, reply) => {
                let _ = reply.send(state.restart_child(&id, &myself).await);
            }
            SupervisorMessage::DeleteChild(id, reply) => {
                let answer = state.key_of_idle_child(&id).map(|key| {
                    state.children.remove(&key);
                });
                let _ = reply.send(answer);
            }
            SupervisorMessage::Describe(reply) => {
                let _ = reply.send(state.describe());
            }
            SupervisorMessage::Retry(retry) => state.retry(retry, &myself).await,
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
            SupervisionEvent::ActorTerminated(actor, last_state, reason) => {
                // What it holds must be free before its successor starts.
                drop(last_state);
                (actor, Exit::of_reason(reason.as_deref()))
            }
            SupervisionEvent::ActorFailed(actor, _) => (actor, Exit::Abnormal),
            _ => return Ok(()),
        };
        state.ended(&actor, exit, &myself).await;
        Ok(())
    }

    async fn post_stop(
        &self,
        _: ActorRef<SupervisorMessage>,
        state: &mut SupervisorState,
    ) -> Result<(), ActorProcessingErr> {
        state.stop_everything().await;
        if let Some(incarnation) = &mut state.incarnation {
            incarnation.end();
        }
        Ok(())
    }
}
