//! How others talk to a supervisor.

use ractor::{Actor, ActorCell, ActorRef, RpcReplyPort, SpawnErr};

use super::actor::Supervisor;
use super::info::{ChildCount, ChildError, ChildInfo, Description, StartedChild};
use super::message::SupervisorMessage;
use super::reason::SHUTDOWN;
use super::spec::{ChildKind, ChildSpec, SupervisorSpec};
use crate::call::call;

/// A running supervisor. The functions are those of supervisor(3erl).
#[derive(Clone, Debug)]
pub struct SupervisorRef(ActorRef<SupervisorMessage>);

impl From<ActorRef<SupervisorMessage>> for SupervisorRef {
    fn from(actor: ActorRef<SupervisorMessage>) -> Self {
        Self(actor)
    }
}

impl SupervisorRef {
    /// Start a supervisor without a supervisor of its own, and its children, in their
    /// order, each when the one before has started.
    ///
    /// # Errors
    /// If its spec has a mistake or a child does not start.
    pub async fn start(name: Option<&str>, spec: SupervisorSpec) -> Result<Self, SpawnErr> {
        let spec = SupervisorSpec {
            name: name.map(str::to_owned),
            ..spec
        };
        let name = name.map(retake::scoped_name);
        Ok(Self(Actor::spawn(name, Supervisor, spec).await?.0))
    }

    /// Start a supervisor below another one, or below any actor:
    /// `supervisor:start_link/2,3`.
    ///
    /// # Errors
    /// If its spec has a mistake or a child does not start.
    pub async fn start_linked(
        name: Option<&str>,
        spec: SupervisorSpec,
        supervisor: ActorCell,
    ) -> Result<Self, SpawnErr> {
        let spec = SupervisorSpec {
            name: name.map(str::to_owned),
            ..spec
        };
        let name = name.map(retake::scoped_name);
        let started = Actor::spawn_linked(name, Supervisor, spec, supervisor);
        Ok(Self(started.await?.0))
    }

    /// The actor.
    #[must_use]
    pub fn actor(&self) -> &ActorRef<SupervisorMessage> {
        &self.0
    }

    /// Add a child and start it: `supervisor:start_child/2`.
    ///
    /// # Errors
    /// If its id is taken, its spec has a mistake, or it does not start.
    pub async fn start_child(&self, spec: ChildSpec) -> Result<StartedChild, ChildError> {
        self.ask(|reply| SupervisorMessage::StartChild(Box::new(spec), reply))
            .await?
    }

    /// Stop a child as its spec says: `supervisor:terminate_child/2`. Its spec stays
    /// (that of a temporary child does not). A child that does not run, or is being
    /// restarted, stays down.
    ///
    /// # Errors
    /// If there is no such child, or the supervisor is dynamic.
    pub async fn terminate_child(&self, id: &str) -> Result<(), ChildError> {
        let id = id.to_owned();
        self.ask(|reply| SupervisorMessage::TerminateChild(id, reply))
            .await?
    }

    /// Stop a child of a dynamic supervisor and forget it:
    /// `supervisor:terminate_child/2` with a pid. One that has ended is
    /// no error; when it is being restarted, that ends.
    ///
    /// # Errors
    /// If it runs and is no child of this supervisor, or the supervisor is not dynamic.
    pub async fn terminate_actor(&self, actor: ActorCell) -> Result<(), ChildError> {
        self.ask(|reply| SupervisorMessage::TerminateActor(actor, reply))
            .await?
    }

    /// Start a child that does not run: `supervisor:restart_child/2`.
    ///
    /// # Errors
    /// If there is no such child, it runs or is being restarted, it does not
    /// start, or the supervisor is dynamic.
    pub async fn restart_child(&self, id: &str) -> Result<StartedChild, ChildError> {
        let id = id.to_owned();
        self.ask(|reply| SupervisorMessage::RestartChild(id, reply))
            .await?
    }

    /// Forget a child that does not run: `supervisor:delete_child/2`.
    ///
    /// # Errors
    /// If there is no such child, it runs or is being restarted, or the
    /// supervisor is dynamic.
    pub async fn delete_child(&self, id: &str) -> Result<(), ChildError> {
        let id = id.to_owned();
        self.ask(|reply| SupervisorMessage::DeleteChild(id, reply))
            .await?
    }

    /// The children, those started last first: `supervisor:which_children/1`.
    ///
    /// # Errors
    /// If the supervisor is not running.
    pub async fn which_children(&self) -> Result<Vec<ChildInfo>, ChildError> {
        let mut children = self.describe().await?.children;
        children.reverse();
        Ok(children)
    }

    /// One child: `supervisor:get_childspec/2`.
    ///
    /// # Errors
    /// If there is no such child, or the supervisor is not running.
    pub async fn child(&self, id: &str) -> Result<ChildInfo, ChildError> {
        let children = self.describe().await?.children;
        let child = children.into_iter().find(|child| child.id == id);
        child.ok_or_else(|| ChildError::NotFound(id.to_owned()))
    }

    /// How many children there are: `supervisor:count_children/1`.
    ///
    /// # Errors
    /// If the supervisor is not running.
    pub async fn count_children(&self) -> Result<ChildCount, ChildError> {
        let mut count = ChildCount::default();
        for child in self.describe().await?.children {
            count.specs += 1;
            count.active += usize::from(child.actor.is_some());
            match child.kind {
                ChildKind::Supervisor => count.supervisors += 1,
                ChildKind::Worker => count.workers += 1,
            }
        }
        Ok(count)
    }

    /// The supervisor and its direct children.
    ///
    /// # Errors
    /// If the supervisor is not running.
    pub async fn describe(&self) -> Result<Description, ChildError> {
        self.ask(SupervisorMessage::Describe).await
    }

    /// Stop the supervisor and its children, and wait until they have ended.
    pub async fn stop(&self) {
        // An error means that it has ended already.
        let _ = self.0.stop_and_wait(Some(SHUTDOWN.to_owned()), None).await;
    }

    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(RpcReplyPort<T>) -> SupervisorMessage,
    ) -> Result<T, ChildError> {
        let answer = call(&self.0, question, None).await;
        // Without a timeout there is no other error.
        answer.map_err(|_| ChildError::Closed)
    }
}
