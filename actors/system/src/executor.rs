//! The executor: runs accepted actions on the worker pool.
//!
//! Each action gets a *runner*, a temporary child that borrows a worker, has it
//! do the work and tells the governor. Whatever happens to runner or worker, the
//! governor receives exactly one end: a runner that dies is reported by the
//! executor in its stead.
//!
//! ```
//! use ractor::Actor;
//! use retake_system::action::ExecutorMessage;
//! use retake_system::executor::ExecutorArguments;
//! use retake_system::worker::WorkerArguments;
//! use retake_otp::{Names, PoolConfig, PoolRef};
//! use retake_system::{Action, ActionKind, ActionWorker, Executor};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let worker = |_| (ActionWorker, WorkerArguments::default());
//! let pool = PoolRef::start("pool", PoolConfig::default(), worker).await?;
//! let arguments = ExecutorArguments::new(&Names::new(), &pool);
//! let (executor, _) = Actor::spawn(None, Executor, arguments).await?;
//! // The governor of `acme` receives the end, if there is one.
//! let action = Action { attempt: 1, tenant: "acme".into(), kind: ActionKind::Scale };
//! executor.cast(ExecutorMessage::Execute(action))?;
//! # while pool.status().await?.counts.at_once == 0 { tokio::task::yield_now().await; }
//! assert_eq!(pool.status().await?.counts.at_once, 1);
//! # Ok(())
//! # }
//! ```

use std::time::Duration;

use ractor::{Actor, ActorProcessingErr, ActorRef, SupervisionEvent};

use crate::action::{ACTION_TIMEOUT, Action, ActionResult, ExecutorMessage};
use crate::failures::{Failures, Service};
use crate::governor::{GovernorEvent, GovernorRef};
use crate::part;
use crate::stages::{Stage, Stages};
use crate::worker::{Work, WorkerMessage};
use retake_otp::ActorMap;
use retake_otp::Names;
use retake_otp::pool::{CheckoutError, PoolRef};
use retake_otp::{CallError, EARLY, call_in_full};

/// How long a runner waits for a worker, where an action has that long.
const QUEUE_TIMEOUT: Duration = Duration::from_secs(5);

/// The actor.
#[derive(Clone, Copy, Debug, Default)]
pub struct Executor;

/// What an executor starts with.
#[derive(Clone, Debug)]
pub struct ExecutorArguments {
    /// The names of the system.
    pub names: Names,
    /// Where workers are borrowed.
    pub pool: PoolRef<WorkerMessage>,
    /// How long an action may take, with its wait for a worker.
    pub action_timeout: Duration,
    /// Where waits and work are counted.
    pub stages: Stages,
    /// Failures on purpose.
    pub failures: Failures,
}

impl ExecutorArguments {
    /// In the system of these names. An action may take 30 s.
    #[must_use]
    pub fn new(names: &Names, pool: &PoolRef<WorkerMessage>) -> Self {
        Self {
            names: names.clone(),
            pool: pool.clone(),
            action_timeout: ACTION_TIMEOUT,
            stages: Stages::default(),
            failures: Failures::default(),
        }
    }
}

/// The executor's own state.
#[derive(Debug)]
pub struct ExecutorState {
    arguments: ExecutorArguments,
    /// By its runner.
    running: ActorMap<Action>,
}

#[retake::simulated]
impl Actor for Executor {
    type Msg = ExecutorMessage;
    type State = ExecutorState;
    type Arguments = ExecutorArguments;

    async fn pre_start(
        &self,
        _: ActorRef<ExecutorMessage>,
        arguments: ExecutorArguments,
    ) -> Result<ExecutorState, ActorProcessingErr> {
        Ok(ExecutorState {
            arguments,
            running: ActorMap::default(),
        })
    }

    async fn handle(
        &self,
        myself: ActorRef<ExecutorMessage>,
        message: ExecutorMessage,
        state: &mut ExecutorState,
    ) -> Result<(), ActorProcessingErr> {
        let ExecutorMessage::Execute(action) = message;
        let start = (action.clone(), state.arguments.clone());
        match myself.spawn_linked(None, Runner, start).await {
            Ok((runner, _)) => {
                state.running.insert(runner.get_id().pid(), action);
            }
            Err(error) => report(
                &state.arguments.names,
                &action,
                ActionResult::Error(error.to_string()),
            ),
        }
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        _: ActorRef<ExecutorMessage>,
        event: SupervisionEvent,
        state: &mut ExecutorState,
    ) -> Result<(), ActorProcessingErr> {
        let (runner, reason) = match event {
            SupervisionEvent::ActorTerminated(runner, _, reason) => (runner, reason),
            SupervisionEvent::ActorFailed(runner, error) => (runner, Some(error.to_string())),
            _ => return Ok(()),
        };
        let Some(action) = state.running.remove(&runner.get_id().pid()) else {
            return Ok(());
        };
        // A runner that ended without a reason has reported.
        if let Some(reason) = reason {
            report(
                &state.arguments.names,
                &action,
                ActionResult::Error(format!("runner: {reason}")),
            );
        }
        Ok(())
    }
}

/// Tell the tenant's governor that an action ended. One that is being restarted
/// does not hear it: its action then ends by its timeout.
fn report(names: &Names, action: &Action, result: ActionResult) {
    if let Some(governor) = Names::find(&names.of(&part::governor(&action.tenant))) {
        let _ = GovernorRef::from(governor).cast(GovernorEvent::ActionDone {
            attempt: action.attempt,
            result,
        });
    }
}

/// Sees one action through.
struct Runner;

#[derive(Debug)]
struct Go;

#[retake::simulated]
impl Actor for Runner {
    type Msg = Go;
    type State = (Action, ExecutorArguments);
    type Arguments = (Action, ExecutorArguments);

    async fn pre_start(
        &self,
        myself: ActorRef<Go>,
        start: Self::Arguments,
    ) -> Result<Self::State, ActorProcessingErr> {
        myself.cast(Go)?;
        Ok(start)
    }

    async fn handle(
        &self,
        myself: ActorRef<Go>,
        _: Go,
        (action, arguments): &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        let result = run(action, arguments).await;
        report(&arguments.names, action, result);
        myself.stop(None);
        Ok(())
    }
}

async fn run(action: &Action, arguments: &ExecutorArguments) -> ActionResult {
    let start = retake::now();
    let timeout = arguments.action_timeout;
    let checkout = arguments.pool.checkout(QUEUE_TIMEOUT.min(timeout));
    let worker = match arguments.stages.timed(Stage::PoolWait, checkout).await {
        Ok(worker) => worker,
        Err(CheckoutError::Timeout(_)) => return ActionResult::Timeout,
        Err(error) => return ActionResult::Error(error.to_string()),
    };
    // Not longer than the governor waits: it may begin the next action then.
    let left = if retake::buggify!("executor: gives up early") {
        EARLY
    } else {
        timeout.saturating_sub(start.elapsed())
    };
    let run = |reply| WorkerMessage::Run(action.clone(), reply);
    let work = call_in_full(&worker, run, Some(left));
    let result = match arguments.stages.timed(Stage::Work, work).await {
        Ok(Work::Done) => ActionResult::Success,
        Ok(Work::Partial(reason)) => ActionResult::Partial(reason),
        Ok(Work::Failed(reason)) => ActionResult::Error(reason),
        Err(CallError::Timeout(_)) => {
            // It may be stuck: a worker that is given back must be able to work.
            worker.kill();
            ActionResult::Timeout
        }
        Err(CallError::Closed) => ActionResult::Error("the worker died".to_owned()),
    };
    if arguments.failures.injected(Service::CheckIn).is_some() {
        // Nobody gives it back.
        drop(worker.into_worker());
    }
    result
}
