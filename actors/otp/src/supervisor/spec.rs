//! The spec of a supervisor and its children, as data.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use ractor::{Actor, ActorCell, SpawnErr};

use super::intensity::Backoff;
use crate::journal::Journal;

/// Which children are restarted when one dies.
///
/// After supervisor(3erl), `strategy()`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Strategy {
    /// The one that died.
    #[default]
    OneForOne,
    /// All of them.
    OneForAll,
    /// The one that died and those started after it.
    RestForOne,
    /// The one that died, in a supervisor whose children come and go: it starts
    /// with none, their ids need not differ, and it stops them all at once. OTP's
    /// `simple_one_for_one`, or a dynamic supervisor.
    SimpleOneForOne,
}

impl fmt::Display for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OneForOne => "one_for_one",
            Self::OneForAll => "one_for_all",
            Self::RestForOne => "rest_for_one",
            Self::SimpleOneForOne => "simple_one_for_one",
        })
    }
}

/// When a child is restarted.
///
/// After supervisor(3erl), `restart()`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Restart {
    /// Always.
    #[default]
    Permanent,
    /// Unless it ended normally or was shut down.
    Transient,
    /// Never; its spec goes with it.
    Temporary,
}

impl fmt::Display for Restart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Permanent => "permanent",
            Self::Transient => "transient",
            Self::Temporary => "temporary",
        })
    }
}

/// How a child is stopped.
///
/// After supervisor(3erl), `shutdown()`; by default 5 s.
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

/// What a child is, for those who list the tree.
///
/// After supervisor(3erl), the key `type` of `child_spec()`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ChildKind {
    /// An actor that does work.
    #[default]
    Worker,
    /// A supervisor.
    Supervisor,
}

/// When a supervisor stops because its significant children have ended.
///
/// After supervisor(3erl), `auto_shutdown()`, and "Automatic Shutdown" in OTP Design
/// Principles, "Supervisor Behaviour".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AutoShutdown {
    /// Not for that reason.
    #[default]
    Never,
    /// When the first of them has ended by itself and is not restarted.
    Any,
    /// When the last of them has.
    All,
}

/// The answer of a child that does not want to run: return it as the error of
/// `pre_start`. The supervisor continues, and keeps the spec without a process
/// (of a temporary child not even that). `ignore` in supervisor(3erl), key `start` of
/// `child_spec()`.
///
/// ```
/// # use ractor::ActorProcessingErr;
/// # use retake_otp::supervisor::Ignore;
/// async fn pre_start(is_enabled: bool) -> Result<(), ActorProcessingErr> {
///     if is_enabled { Ok(()) } else { Err(Ignore.into()) }
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the child does not want to run")]
pub struct Ignore;

pub(super) type StartFuture = Pin<Box<dyn Future<Output = Result<ActorCell, SpawnErr>> + Send>>;
type Start = Box<dyn Fn(Option<String>, ActorCell) -> StartFuture + Send + Sync>;

/// One child: how to start it, when to restart it, how to stop it.
///
/// After supervisor(3erl), `child_spec()`, with its defaults: permanent, a
/// worker, 5 s to shut down (a supervisor as long as it takes), not significant.
pub struct ChildSpec {
    pub(super) id: String,
    name: Option<String>,
    start: Start,
    pub(super) restart: Restart,
    pub(super) shutdown: Shutdown,
    pub(super) kind: ChildKind,
    pub(super) significant: bool,
}

impl fmt::Debug for ChildSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChildSpec")
            .field("id", &self.id)
            .field("restart", &self.restart)
            .field("shutdown", &self.shutdown)
            .field("kind", &self.kind)
            .field("significant", &self.significant)
            .finish_non_exhaustive()
    }
}

impl ChildSpec {
    /// A permanent worker, registered under `name` (which is its id as well), with
    /// 5 s to shut down. `make` gives the actor and its arguments for each start.
    pub fn new<A: Actor>(
        name: impl Into<String>,
        make: impl Fn() -> (A, A::Arguments) + Send + Sync + 'static,
    ) -> Self {
        let id = name.into();
        let start = move |name: Option<String>, supervisor: ActorCell| -> StartFuture {
            let (actor, arguments) = make();
            Box::pin(async move {
                let (actor, _) = Actor::spawn_linked(name, actor, arguments, supervisor).await?;
                Ok(actor.get_cell())
            })
        };
        Self {
            name: Some(id.clone()),
            id,
            start: Box::new(start),
            restart: Restart::default(),
            shutdown: Shutdown::default(),
            kind: ChildKind::default(),
            significant: false,
        }
    }

    /// Do not register the actor: its name is its id only. For children that come
    /// in numbers under a dynamic supervisor.
    #[must_use]
    pub fn unregistered(self) -> Self {
        Self { name: None, ..self }
    }

    /// When it is restarted: the key `restart`.
    #[must_use]
    pub fn restart(self, restart: Restart) -> Self {
        Self { restart, ..self }
    }

    /// How it is stopped: the key `shutdown`.
    #[must_use]
    pub fn shutdown(self, shutdown: Shutdown) -> Self {
        Self { shutdown, ..self }
    }

    /// Its end, unless it is restarted, may end the supervisor: see [`AutoShutdown`].
    /// The key `significant`.
    #[must_use]
    pub fn significant(self) -> Self {
        Self {
            significant: true,
            ..self
        }
    }

    pub(super) fn start(&self, supervisor: ActorCell) -> StartFuture {
        let name = self.name.as_deref().map(retake::scoped_name);
        (self.start)(name, supervisor)
    }

    pub(super) fn check(&self, auto_shutdown: AutoShutdown) -> Result<(), SpecError> {
        if self.significant && auto_shutdown == AutoShutdown::Never {
            return Err(SpecError::SignificantWithoutAutoShutdown(self.id.clone()));
        }
        if self.significant && self.restart == Restart::Permanent {
            return Err(SpecError::SignificantPermanent(self.id.clone()));
        }
        Ok(())
    }
}

/// A supervisor's strategy, limits and children.
///
/// After supervisor(3erl), `sup_flags()` and `Module:init/1`.
#[derive(Debug)]
pub struct SupervisorSpec {
    pub(super) name: Option<String>,
    pub(super) strategy: Strategy,
    pub(super) intensity: u32,
    pub(super) period: Duration,
    pub(super) auto_shutdown: AutoShutdown,
    pub(super) backoff: Option<Backoff>,
    pub(super) journal: Option<(String, Journal)>,
    pub(super) children: Vec<ChildSpec>,
}

/// A mistake in a supervisor's spec.
///
/// The checks are those of `check_supflags` and `check_childspecs` in OTP's
/// `supervisor.erl`, and some for what OTP does not have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpecError {
    /// Two children have one id.
    #[error("two children have the id `{0}`: ids of one supervisor's children differ")]
    DuplicateId(String),
    /// The period is zero.
    #[error("the restart period is zero: give a time within which restarts are counted")]
    ZeroPeriod,
    /// A significant child under a supervisor that never shuts down for one.
    #[error(
        "the child `{0}` is significant, but the supervisor's auto shutdown is `Never`: \
         choose `Any` or `All`"
    )]
    SignificantWithoutAutoShutdown(String),
    /// A significant child that is always restarted.
    #[error("the child `{0}` is significant and permanent: its end would never count")]
    SignificantPermanent(String),
    /// A dynamic supervisor with children from the start.
    #[error(
        "a dynamic supervisor starts with no children, but `{0}` is given: start it with \
         `start_child`"
    )]
    StaticChildOfDynamic(String),
    /// A back-off that does not wait.
    #[error("the first back-off is zero: leave the back-off out instead")]
    ZeroBackoff,
}

impl SupervisorSpec {
    /// No children yet; one restart in 5 s is allowed, as in OTP.
    #[must_use]
    pub fn new(strategy: Strategy) -> Self {
        Self {
            name: None,
            strategy,
            intensity: 1,
            period: Duration::from_secs(5),
            auto_shutdown: AutoShutdown::default(),
            backoff: None,
            journal: None,
            children: Vec::new(),
        }
    }

    /// Allow `restarts` within any `period`; one more ends the supervisor. The keys
    /// `intensity` and `period` of `sup_flags()`.
    #[must_use]
    pub fn intensity(self, restarts: u32, period: Duration) -> Self {
        Self {
            intensity: restarts,
            period,
            ..self
        }
    }

    /// Stop when significant children have ended: the key `auto_shutdown`.
    #[must_use]
    pub fn auto_shutdown(self, auto_shutdown: AutoShutdown) -> Self {
        Self {
            auto_shutdown,
            ..self
        }
    }

    /// Wait before restarts. OTP does not; off unless asked for.
    #[must_use]
    pub fn backoff(self, backoff: Backoff) -> Self {
        Self {
            backoff: Some(backoff),
            ..self
        }
    }

    /// Write what the supervisor does into a journal, under this name.
    #[must_use]
    pub fn journal(self, name: &str, journal: &Journal) -> Self {
        Self {
            journal: Some((name.to_owned(), journal.clone())),
            ..self
        }
    }

    /// Add a child, started after those added before.
    #[must_use]
    pub fn child(mut self, child: ChildSpec) -> Self {
        self.children.push(child);
        self
    }

    /// Check for mistakes: `supervisor:check_childspecs/2`.
    ///
    /// # Errors
    /// The first mistake.
    pub fn check(&self) -> Result<(), SpecError> {
        if self.period.is_zero() {
            return Err(SpecError::ZeroPeriod);
        }
        if self.backoff.is_some_and(|backoff| backoff.first.is_zero()) {
            return Err(SpecError::ZeroBackoff);
        }
        for (place, child) in self.children.iter().enumerate() {
            if self.strategy == Strategy::SimpleOneForOne {
                return Err(SpecError::StaticChildOfDynamic(child.id.clone()));
            }
            child.check(self.auto_shutdown)?;
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
