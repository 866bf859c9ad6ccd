//! What a supervisor is sent.

use ractor::{ActorCell, RpcReplyPort};

use super::info::{ChildError, Description, StartedChild};
use super::spec::ChildSpec;

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

/// Which restart to try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    pub(super) key: u64,
    /// Tells a retry whose child has been terminated or started since.
    pub(super) try_number: u64,
    /// A back-off is over: this try is counted already.
    pub(super) is_counted: bool,
}
