//! How others talk to a supervisor.

use std::fmt;
use std::time::Duration;

use ractor::{Actor, ActorCell, ActorRef, RpcReplyPort, SpawnErr};

use super::spec::{ChildKind, ChildSpec, Restart, Shutdown, SpecError, Strategy, SupervisorSpec};
use super::tree::Tree;
use super::{SHUTDOWN, Supervisor, SupervisorMessage};

/// A running supervisor. The functions are those of supervisor(3erl).
#[derive(Clone, Debug)]
pub struct SupervisorRef(ActorRef<SupervisorMessage>);

impl From<ActorRef<SupervisorMessage>> for SupervisorRef {
    fn from(actor: ActorRef<SupervisorMessage>) -> Self {
        Self(actor)
    }
}

/// One child, as a supervisor lists it: what `which_children/1` and `get_childspec/2`
/// of supervisor(3erl) give.
#[derive(Clone, Debug)]
pub struct ChildInfo {
    /// The id from its spec.
    pub id: String,
    /// The running actor; none while it is not running.
    pub actor: Option<ActorCell>,
    /// It is being restarted: its last start failed, or a back-off is waited for.
    pub restarting: bool,
    /// Worker or supervisor.
    pub kind: ChildKind,
    /// When it is restarted.
    pub restart: Restart,
    /// How it is stopped.
    pub shutdown: Shutdown,
    /// Whether its end may end the supervisor.
    pub significant: bool,
}

/// How many children there are.
///
/// After supervisor(3erl), `count_children/1`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChildCount {
    /// Children with a spec, running or not.
    pub specs: usize,
    /// Children that run.
    pub active: usize,
    /// Children that are supervisors, running or not.
    pub supervisors: usize,
    /// Children that are workers, running or not.
    pub workers: usize,
}

/// A supervisor and its direct children.
#[derive(Clone, Debug)]
pub struct Description {
    /// The name that it was started with, if it was started by [`SupervisorRef::start`].
    pub name: Option<String>,
    /// Whom it restarts.
    pub strategy: Strategy,
    /// Restarts that it allows within the period.
    pub intensity: u32,
    /// The period.
    pub period: Duration,
    /// Its children in the order of starting.
    pub children: Vec<ChildInfo>,
}

/// What came of starting a child.
///
/// After supervisor(3erl), `startchild_ret()`: `{ok, Pid}` and `{ok, undefined}`.
#[derive(Clone, Debug)]
pub enum StartedChild {
    /// It runs.
    Running(ActorCell),
    /// It did not want to, see [`Ignore`](super::Ignore).
    Ignored,
}

impl StartedChild {
    /// The actor, if it runs.
    #[must_use]
    pub fn actor(self) -> Option<ActorCell> {
        match self {
            Self::Running(actor) => Some(actor),
            Self::Ignored => None,
        }
    }
}

/// Why a supervisor did not do what it was asked.
///
/// The errors of `start_child/2`, `terminate_child/2`, `restart_child/2` and
/// `delete_child/2` in supervisor(3erl).
#[derive(Clone, Debug, thiserror::Error)]
pub enum ChildError {
    /// There is no such child: `not_found`.
    #[error("there is no child `{0}`")]
    NotFound(String),
    /// The child runs: `running`.
    #[error("the child `{0}` is running")]
    Running(String),
    /// The child is being restarted: `restarting`.
    #[error("the child `{0}` is being restarted")]
    Restarting(String),
    /// A child with this id runs already: `already_started`.
    #[error("the child `{id}` is already started")]
    AlreadyStarted {
        /// The id.
        id: String,
        /// The one that runs.
        actor: ActorCell,
    },
    /// A child with this id has a spec already, and does not run: `already_present`.
    #[error("the child `{0}` is already present; restart or delete it")]
    AlreadyPresent(String),
    /// The child did not start. Its spec is not kept.
    #[error("the child `{id}` did not start: {reason}")]
    Start {
        /// The id.
        id: String,
        /// What its `pre_start` said.
        reason: String,
    },
    /// Children of a dynamic supervisor have no ids to go by: `simple_one_for_one`.
    #[error("a dynamic supervisor does not know its children by id")]
    Dynamic,
    /// Only a dynamic supervisor ends children by actor.
    #[error("this supervisor knows its children by id, not by actor")]
    NotDynamic,
    /// The spec has a mistake.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// The supervisor does not run.
    #[error("the supervisor is not running")]
    Gone,
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

    /// The whole tree below this supervisor, to print.
    ///
    /// # Errors
    /// If the supervisor is not running.
    pub async fn tree(&self) -> Result<Tree, ChildError> {
        Tree::of(self).await
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
        match self.0.call(question, None).await {
            Ok(ractor::rpc::CallResult::Success(answer)) => Ok(answer),
            _ => Err(ChildError::Gone),
        }
    }
}

impl fmt::Display for ChildCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} specs, {} active, {} supervisors, {} workers",
            self.specs, self.active, self.supervisors, self.workers
        )
    }
}
