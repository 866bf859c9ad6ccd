//! How others talk to a state machine.

use std::fmt;
use std::time::Duration;

use ractor::{Actor, ActorCell, ActorRef, MessagingErr, RpcReplyPort, SpawnErr};

use super::actor::Statem;
use super::machine::{InspectionOf, StateMachine, StatemMessage};
use crate::call::{CallError, call};

/// A running state machine.
pub struct StatemRef<M: StateMachine>(ActorRef<StatemMessage<M>>);

impl<M: StateMachine> Clone for StatemRef<M> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<M: StateMachine> fmt::Debug for StatemRef<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("StatemRef").field(&self.0).finish()
    }
}

impl<M: StateMachine> From<ActorRef<StatemMessage<M>>> for StatemRef<M> {
    fn from(actor: ActorRef<StatemMessage<M>>) -> Self {
        Self(actor)
    }
}

impl<M: StateMachine> StatemRef<M> {
    /// Start a machine without a supervisor: `gen_statem:start/3,4`.
    ///
    /// # Errors
    /// If its table has a mistake or its `init` fails.
    pub async fn start(
        name: Option<&str>,
        machine: M,
        arguments: M::Arguments,
    ) -> Result<Self, SpawnErr> {
        let name = name.map(retake::scoped_name);
        let (actor, _) = Actor::spawn(name, Statem(machine), arguments).await?;
        Ok(Self(actor))
    }

    /// Start a machine below a supervisor: `gen_statem:start_link/3,4`.
    ///
    /// # Errors
    /// If its table has a mistake or its `init` fails.
    pub async fn start_linked(
        name: Option<&str>,
        machine: M,
        arguments: M::Arguments,
        supervisor: ActorCell,
    ) -> Result<Self, SpawnErr> {
        let name = name.map(retake::scoped_name);
        let started = Actor::spawn_linked(name, Statem(machine), arguments, supervisor);
        Ok(Self(started.await?.0))
    }

    /// The actor.
    #[must_use]
    pub fn actor(&self) -> &ActorRef<StatemMessage<M>> {
        &self.0
    }

    /// Send an event: `gen_statem:cast/2`.
    ///
    /// # Errors
    /// If the machine is not running.
    pub fn cast(&self, event: M::Event) -> Result<(), MessagingErr<StatemMessage<M>>> {
        self.0.cast(StatemMessage::Event(event))
    }

    /// Send an event that asks for an answer, and wait for it at most `timeout`:
    /// `gen_statem:call/3`.
    ///
    /// # Errors
    /// If the machine is not running, drops the question, or takes too long.
    pub async fn call<T: Send + 'static>(
        &self,
        event: impl FnOnce(RpcReplyPort<T>) -> M::Event,
        timeout: Option<Duration>,
    ) -> Result<T, CallError> {
        let message = |reply| StatemMessage::Event(event(reply));
        call(&self.0, message, timeout).await
    }

    /// The state of the machine. Read between two events, and no event to it:
    /// `sys:get_state/1`.
    ///
    /// # Errors
    /// If the machine is not running.
    pub async fn inspect(&self) -> Result<InspectionOf<M>, CallError> {
        call(&self.0, StatemMessage::Inspect, None).await
    }
}
