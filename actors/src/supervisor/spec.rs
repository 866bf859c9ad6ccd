//! What a supervisor is told about its children, as data.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use ractor::{Actor, ActorCell, SpawnErr};

/// Which children are restarted when one dies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Strategy {
    /// The one that died.
    #[default]
    OneForOne,
    /// All of them.
    OneForAll,
    /// The one that died and those started after it.
    RestForOne,
}

/// When a child is restarted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Restart {
    /// Always.
    #[default]
    Permanent,
    /// Unless it ended normally.
    Transient,
    /// Never.
    Temporary,
}

/// How a child is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shutdown {
    /// It is killed.
    Brutal,
    /// It is asked to stop, and killed if it has not after this time.
    Timeout(Duration),
    /// It is asked to stop and waited for.
    Infinity,
}

impl Default for Shutdown {
    fn default() -> Self {
        Self::Timeout(Duration::from_secs(5))
    }
}

type Started = Pin<Box<dyn Future<Output = Result<ActorCell, SpawnErr>> + Send>>;
type Start = Box<dyn Fn(ActorCell) -> Started + Send + Sync>;

/// One child: how to start it, when to restart it, how to stop it.
pub struct ChildSpec {
    pub(super) id: String,
    start: Start,
    pub(super) restart: Restart,
    pub(super) shutdown: Shutdown,
}

impl fmt::Debug for ChildSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChildSpec")
            .field("id", &self.id)
            .field("restart", &self.restart)
            .field("shutdown", &self.shutdown)
            .finish_non_exhaustive()
    }
}

impl ChildSpec {
    /// A permanent child, registered under `name` (which is its id as well), with
    /// 5 s to shut down. `make` gives the actor and its arguments for each start.
    pub fn new<A: Actor>(
        name: impl Into<String>,
        make: impl Fn() -> (A, A::Arguments) + Send + Sync + 'static,
    ) -> Self {
        let id = name.into();
        let name = id.clone();
        let start = move |supervisor: ActorCell| -> Started {
            let (actor, arguments) = make();
            let name = retake::scoped_name(&name);
            Box::pin(async move {
                let (actor, _) =
                    Actor::spawn_linked(Some(name), actor, arguments, supervisor).await?;
                Ok(actor.get_cell())
            })
        };
        Self {
            id,
            start: Box::new(start),
            restart: Restart::default(),
            shutdown: Shutdown::default(),
        }
    }

    /// When it is restarted.
    #[must_use]
    pub fn restart(self, restart: Restart) -> Self {
        Self { restart, ..self }
    }

    /// How it is stopped.
    #[must_use]
    pub fn shutdown(self, shutdown: Shutdown) -> Self {
        Self { shutdown, ..self }
    }

    pub(super) fn start(&self, supervisor: ActorCell) -> Started {
        (self.start)(supervisor)
    }
}

/// A supervisor's strategy, limits and children.
#[derive(Debug)]
pub struct SupervisorSpec {
    pub(super) strategy: Strategy,
    pub(super) intensity: u32,
    pub(super) period: Duration,
    pub(super) children: Vec<ChildSpec>,
}

/// A mistake in a supervisor's spec.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpecError {
    /// Two children have one id.
    #[error("two children have the id `{0}`: ids of one supervisor's children differ")]
    DuplicateId(String),
    /// The period is zero.
    #[error("the restart period is zero: give a time within which restarts are counted")]
    ZeroPeriod,
}

impl SupervisorSpec {
    /// No children yet; one restart in 5 s is allowed, as in OTP.
    #[must_use]
    pub fn new(strategy: Strategy) -> Self {
        Self {
            strategy,
            intensity: 1,
            period: Duration::from_secs(5),
            children: Vec::new(),
        }
    }

    /// Allow `restarts` within any `period`; one more ends the supervisor.
    #[must_use]
    pub fn intensity(self, restarts: u32, period: Duration) -> Self {
        Self {
            intensity: restarts,
            period,
            ..self
        }
    }

    /// Add a child, started after those added before.
    #[must_use]
    pub fn child(mut self, child: ChildSpec) -> Self {
        self.children.push(child);
        self
    }

    /// Check for mistakes.
    ///
    /// # Errors
    /// The first mistake.
    pub fn check(&self) -> Result<(), SpecError> {
        if self.period.is_zero() {
            return Err(SpecError::ZeroPeriod);
        }
        for (place, child) in self.children.iter().enumerate() {
            if self.children[..place]
                .iter()
                .any(|earlier| earlier.id == child.id)
            {
                return Err(SpecError::DuplicateId(child.id.clone()));
            }
        }
        Ok(())
    }
}
