//! What a supervisor answers: its children, and why it did not do what it was asked.

use std::fmt;
use std::time::Duration;

use ractor::ActorCell;

use super::spec::{ChildKind, Restart, Shutdown, SpecError, Strategy};

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
    /// The name that it was started with, if it was started by [`SupervisorRef::start`](super::SupervisorRef::start).
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
    Closed,
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
