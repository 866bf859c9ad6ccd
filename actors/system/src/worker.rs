//! A worker: does the work of one action at a time.
//!
//! ```
//! use ractor::Actor;
//! use retake_system::worker::{ActionWorker, Work, WorkerArguments, WorkerMessage};
//! use retake_system::{Action, ActionKind};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let (worker, _) = Actor::spawn(None, ActionWorker, WorkerArguments::default()).await?;
//! let action = Action { attempt: 1, tenant: "acme".into(), kind: ActionKind::Scale };
//! let work = ractor::call!(worker, |reply| WorkerMessage::Run(action, reply))?;
//! assert_eq!(work, Work::Done);
//! # Ok(())
//! # }
//! ```

use std::time::Duration;

use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort};
use retake::ServiceFailure;

use crate::action::Action;
use crate::failures::{Failures, Service};
use crate::service_time::ServiceTime;

/// The actor.
#[derive(Clone, Copy, Debug, Default)]
pub struct ActionWorker;

/// What a worker starts with.
#[derive(Clone, Debug, Default)]
pub struct WorkerArguments {
    /// How long its work takes.
    pub service_time: ServiceTime,
    /// Failures on purpose.
    pub failures: Failures,
}

/// What became of an action's work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Work {
    /// It is done.
    Done,
    /// A part of it is done.
    Partial(String),
    /// It is not done.
    Failed(String),
}

/// What a worker is asked.
#[derive(Debug)]
pub enum WorkerMessage {
    /// Do this action's work; the answer comes when it is done.
    Run(Action, RpcReplyPort<Work>),
}

/// By how much a job takes longer that is larger than any should be.
const OVERSIZED: Duration = Duration::from_secs(10);
/// How long a worker hangs that an injected failure makes hang.
const HANGS: Duration = Duration::from_secs(24 * 3600);

#[retake::simulated]
impl Actor for ActionWorker {
    type Msg = WorkerMessage;
    type State = WorkerArguments;
    type Arguments = WorkerArguments;

    async fn pre_start(
        &self,
        _: ActorRef<WorkerMessage>,
        arguments: WorkerArguments,
    ) -> Result<WorkerArguments, ActorProcessingErr> {
        Ok(arguments)
    }

    async fn handle(
        &self,
        _: ActorRef<WorkerMessage>,
        message: WorkerMessage,
        arguments: &mut WorkerArguments,
    ) -> Result<(), ActorProcessingErr> {
        let WorkerMessage::Run(_, reply) = message;
        arguments.service_time.spend().await;
        if retake::buggify!("worker: its job is oversized") {
            retake::sleep(OVERSIZED).await;
        }
        let work = match arguments.failures.injected(Service::Worker) {
            None => Work::Done,
            Some(ServiceFailure::Slow(time)) => {
                retake::sleep(time).await;
                Work::Done
            }
            Some(ServiceFailure::Unavailable) => return Err("injected failure".into()),
            Some(ServiceFailure::Timeout) => {
                retake::sleep(HANGS).await;
                return Ok(());
            }
            Some(kind @ ServiceFailure::Corrupt) => Work::Partial(kind.to_string()),
            Some(kind) => Work::Failed(kind.to_string()),
        };
        // The client may have given up.
        let _ = reply.send(work);
        Ok(())
    }
}
