//! The supervisor itself.

use std::collections::BTreeMap;

use ractor::{Actor, ActorProcessingErr, ActorRef, SupervisionEvent};

use super::children::SupervisorState;
use super::intensity::Restarts;
use super::message::SupervisorMessage;
use super::restart::Exit;
use super::spec::{ChildKind, ChildSpec, Shutdown, SupervisorSpec};
use crate::actor_map::ActorMap;
use crate::journal::Lifecycle;

/// The actor. Its arguments are a [`SupervisorSpec`]; talk to it through a
/// [`SupervisorRef`](super::SupervisorRef).
#[derive(Clone, Copy, Debug, Default)]
pub struct Supervisor;

impl ChildSpec {
    /// A permanent child that is a supervisor; it gets the time that it takes to
    /// shut down. `make` gives its spec for each start.
    pub fn supervisor(
        name: impl Into<String>,
        make: impl Fn() -> SupervisorSpec + Send + Sync + 'static,
    ) -> Self {
        let mut spec = Self::new(name, move || (Supervisor, make()));
        spec.kind = ChildKind::Supervisor;
        spec.shutdown(Shutdown::Infinity)
    }
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
            keys: ActorMap::default(),
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
            incarnation.write(Lifecycle::Started(String::new()));
        }
        Ok(state)
    }

    async fn handle(
        &self,
        myself: ActorRef<SupervisorMessage>,
        message: SupervisorMessage,
        state: &mut SupervisorState,
    ) -> Result<(), ActorProcessingErr> {
        // A client that is gone gets no answer.
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
