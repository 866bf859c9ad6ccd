//! The whole system: a supervision tree, and a handle for its clients.
//!
//! ```
//! use retake_system::{Signal, System, SystemConfig, Verdict};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let system = System::start(SystemConfig::default()).await?;
//! system.entitle("acme", true).await?;
//! let signal = Signal {
//!     id: None,
//!     tenant: "acme".to_owned(),
//!     metric: "cpu".to_owned(),
//!     value: 90.0,
//!     ..Signal::default()
//! };
//! assert!(matches!(system.signal(signal).await?, Verdict::Acting(_)));
//! for receipt in system.store().of_tenant("acme") {
//!     println!("{receipt}");
//! }
//! system.stop().await;
//! # Ok(())
//! # }
//! ```

use std::time::Duration;

use ractor::{ActorRef, RpcReplyPort, SpawnErr};

use crate::action::ACTION_TIMEOUT;
use crate::entitlement::{EntitlementEvent, EntitlementRef};
use crate::entitlements::{
    Change, ChangeError, ChangeOrder, EntitlementState, Entitlements, Terms,
};
use crate::executor::{Executor, ExecutorArguments};
use crate::failures::Failures;
use crate::governance::{Governance, GovernanceArguments, GovernanceMessage};
use crate::governor::{Governor, GovernorArguments, GovernorEvent, GovernorRef, GovernorState};
use crate::ledger::{Durability, Ledger, LedgerArguments, LedgerRef, Store};
use crate::observer::{Observations, Observer, ObserverArguments};
use crate::part;
use crate::service_time::ServiceTime;
use crate::signal::{Signal, Verdict};
use crate::stages::{Stage, Stages};
use crate::worker::{ActionWorker, WorkerArguments, WorkerMessage};
use retake_otp::Names;
use retake_otp::pool::{Pool, PoolConfig, PoolRef};
use retake_otp::statem::InspectionOf;
use retake_otp::supervisor::{ChildSpec, Shutdown, Strategy, SupervisorRef, SupervisorSpec};
use retake_otp::{CallError, STORM, call};

/// How a system is set up.
#[derive(Clone, Debug)]
pub struct SystemConfig {
    /// The names of its actors.
    pub names: Names,
    /// The worker pool.
    pub pool: PoolConfig,
    /// How long a worker takes for an action.
    pub action_time: ServiceTime,
    /// How long an append to the ledger takes, where that is simulated.
    pub append_time: ServiceTime,
    /// How long the evaluation of a signal takes, where that is simulated.
    pub signal_time: ServiceTime,
    /// How long an action may take before it counts as timed out.
    pub action_timeout: Duration,
    /// How long entitlements last.
    pub terms: Terms,
    /// What an acknowledged receipt survives.
    pub durability: Durability,
    /// Failures on purpose.
    pub failures: Failures,
    /// Where the time goes.
    pub stages: Stages,
}

impl Default for SystemConfig {
    /// 10 workers and 5 more on demand, 20 ms of work for an action on average, 30 s at most.
    fn default() -> Self {
        Self {
            names: Names::new(),
            pool: PoolConfig {
                size: 10,
                max_overflow: 5,
                ..PoolConfig::default()
            },
            action_time: ServiceTime::Exponential(Duration::from_millis(20)),
            append_time: ServiceTime::None,
            signal_time: ServiceTime::None,
            action_timeout: ACTION_TIMEOUT,
            terms: Terms::default(),
            durability: Durability::default(),
            failures: Failures::default(),
            stages: Stages::default(),
        }
    }
}

/// Restarts allowed below the root, and their period.
const INTENSITY: (u32, Duration) = (5, Duration::from_secs(60));
/// How long each supervisor below the root may take to shut down.
const SHUTDOWN: Duration = Duration::from_secs(5);
/// How long a supervisor may take to say how it is.
const HEALTH_TIMEOUT: Duration = Duration::from_secs(1);
/// How long clients wait for an answer, beyond an action's timeout.
const CALL_TIMEOUT: Duration = Duration::from_secs(60);

/// A running system. Clones stand for the same one.
#[derive(Clone, Debug)]
pub struct System {
    config: SystemConfig,
    store: Store,
    entitlements: Entitlements,
    observations: Observations,
    root: SupervisorRef,
}

/// Why an entitlement was not changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EntitleError {
    /// There was no answer.
    #[error(transparent)]
    Call(#[from] CallError),
    /// Its state does not allow it, or the order does not fit it.
    #[error(transparent)]
    Change(#[from] ChangeError),
}

impl System {
    /// Start the whole tree.
    ///
    /// # Errors
    /// If a part fails to start, for example because its name is taken.
    pub async fn start(config: SystemConfig) -> Result<Self, SpawnErr> {
        let store = Store::new();
        let entitlements = Entitlements::default();
        let observations = Observations::new(&config.names.of(part::OBSERVER));
        let spec = root(&config, &store, &entitlements, &observations);
        let root = SupervisorRef::start(Some(&config.names.of(part::ROOT)), spec).await?;
        Ok(Self {
            config,
            store,
            entitlements,
            observations,
            root,
        })
    }

    /// Stop all parts in reverse order of their start.
    pub async fn stop(self) {
        self.root.stop().await;
    }

    /// Waits until the root of the supervision tree has ended: it was stopped, or it has
    /// given up and nothing is left that could start its parts again.
    pub async fn ended(&self) {
        // An error means that it has ended.
        let _ = self.root.actor().get_cell().wait(None).await;
    }

    /// The root of the supervision tree.
    #[must_use]
    pub fn root(&self) -> &SupervisorRef {
        &self.root
    }

    /// Where failures are injected.
    #[must_use]
    pub fn failures(&self) -> &Failures {
        &self.config.failures
    }

    /// Where the time goes.
    #[must_use]
    pub fn stages(&self) -> &Stages {
        &self.config.stages
    }

    /// What clients were answered, for the observer.
    #[must_use]
    pub fn observations(&self) -> &Observations {
        &self.observations
    }

    /// The receipts.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The way to the ledger's actor.
    #[must_use]
    pub fn ledger(&self) -> LedgerRef {
        LedgerRef::new(&self.config.names.of(part::LEDGER))
    }

    /// The way to the worker pool.
    #[must_use]
    pub fn pool(&self) -> PoolRef<WorkerMessage> {
        PoolRef::new(&self.config.names.of(part::POOL))
    }

    async fn ask_governance<T: Send + 'static>(
        &self,
        message: impl FnOnce(RpcReplyPort<T>) -> GovernanceMessage,
    ) -> Result<T, CallError> {
        let governance = Names::find(&self.config.names.of(part::GOVERNANCE));
        let governance: ActorRef<GovernanceMessage> = governance.ok_or(CallError::Closed)?;
        call(&governance, message, Some(CALL_TIMEOUT)).await
    }

    async fn governor(&self, tenant: &str) -> Result<GovernorRef, CallError> {
        match Names::find(&self.config.names.of(&part::governor(tenant))) {
            Some(governor) => Ok(GovernorRef::from(governor)),
            None => {
                let tenant = tenant.to_owned();
                self.ask_governance(|reply| GovernanceMessage::GovernorOf(tenant, reply))
                    .await
            }
        }
    }

    /// Whether the supervisors of governance and ledger answer, and their children run.
    ///
    /// # Errors
    /// What does not.
    pub async fn health(&self) -> Result<(), String> {
        for part in [part::GOVERNANCE_SUPERVISOR, part::LEDGER_SUPERVISOR] {
            let name = self.config.names.of(part);
            let supervisor = Names::find(&name).ok_or_else(|| format!("{part} is not running"))?;
            let supervisor = SupervisorRef::from(supervisor);
            let children = retake::timeout(HEALTH_TIMEOUT, supervisor.count_children()).await;
            match children {
                Ok(Ok(count)) if count.active == count.specs => {}
                Ok(Ok(count)) => return Err(format!("below {part}: {count}")),
                Ok(Err(error)) => return Err(format!("{part}: {error}")),
                Err(_) => return Err(format!("{part} does not answer")),
            }
        }
        Ok(())
    }

    /// All tenants' entitlements.
    #[must_use]
    pub fn entitlements(&self) -> &Entitlements {
        &self.entitlements
    }

    async fn entitlement(&self, tenant: &str) -> Result<EntitlementRef, CallError> {
        match Names::find(&self.config.names.of(&part::entitlement(tenant))) {
            Some(entitlement) => Ok(EntitlementRef::from(entitlement)),
            None => {
                let tenant = tenant.to_owned();
                self.ask_governance(|reply| GovernanceMessage::EntitlementOf(tenant, reply))
                    .await
            }
        }
    }

    /// Change a tenant's entitlement; gives its new state. The tenant's governor
    /// knows it by then.
    ///
    /// # Errors
    /// If the entitlement does not answer, or does not allow the change.
    pub async fn change_entitlement(
        &self,
        tenant: &str,
        change: Change,
    ) -> Result<EntitlementState, EntitleError> {
        let entitlement = self.entitlement(tenant).await?;
        let event = |reply| EntitlementEvent::Change(change, reply);
        Ok(entitlement.call(event, Some(CALL_TIMEOUT)).await??)
    }

    /// Change a tenant's entitlement by a signed order; gives its new state.
    ///
    /// # Errors
    /// If the entitlement does not answer, does not allow the change, or the order does not
    /// fit it.
    pub async fn order_change(
        &self,
        tenant: &str,
        order: ChangeOrder,
    ) -> Result<EntitlementState, EntitleError> {
        let entitlement = self.entitlement(tenant).await?;
        let event = |reply| EntitlementEvent::Order(order, reply);
        Ok(entitlement.call(event, Some(CALL_TIMEOUT)).await??)
    }

    /// Entitle a tenant, by whatever changes lead there, or suspend it.
    ///
    /// # Errors
    /// If the entitlement does not answer, or there is no way from its state.
    pub async fn entitle(&self, tenant: &str, entitled: bool) -> Result<(), EntitleError> {
        let changes: &[Change] = match (entitled, self.entitlements.state(tenant)) {
            (true, EntitlementState::Unentitled) => &[Change::Grant, Change::Approve],
            (true, EntitlementState::PendingReview) => &[Change::Approve],
            (true, EntitlementState::Entitled) => &[],
            (true, _) => &[Change::Reinstate],
            (false, EntitlementState::Unentitled | EntitlementState::Suspended) => &[],
            (false, _) => &[Change::Suspend],
        };
        for change in changes {
            self.change_entitlement(tenant, *change).await?;
        }
        Ok(())
    }

    /// Hand a signal in and wait for the verdict.
    ///
    /// # Errors
    /// If the tenant's governor does not answer; the signal may have been taken.
    pub async fn signal(&self, signal: Signal) -> Result<Verdict, CallError> {
        let governor = self.governor(&signal.tenant).await?;
        // What has an id may be sent again by a client that got no answer.
        if signal.id.is_some() {
            let retries = if retake::buggify!("client: a storm of retries") {
                STORM
            } else {
                u32::from(retake::buggify!("client: sends its signal again"))
            };
            for _ in 0..retries {
                let event = |reply| GovernorEvent::Signal(signal.clone(), reply);
                let unanswered = governor.call(event, None);
                let _ = retake::timeout(Duration::ZERO, unanswered).await;
            }
        }
        let event = |reply| GovernorEvent::Signal(signal, reply);
        let asked = governor.call(event, Some(CALL_TIMEOUT));
        self.config.stages.timed(Stage::Governor, asked).await
    }

    /// The state of a tenant's governor.
    ///
    /// # Errors
    /// If it does not answer.
    pub async fn governor_state(&self, tenant: &str) -> Result<GovernorState, CallError> {
        Ok(self.inspect_governor(tenant).await?.state)
    }

    /// The state of a tenant's governor, and what it has met.
    ///
    /// # Errors
    /// If it does not answer.
    pub async fn inspect_governor(
        &self,
        tenant: &str,
    ) -> Result<InspectionOf<Governor>, CallError> {
        self.governor(tenant).await?.inspect().await
    }

    /// All tenants that have a governor.
    ///
    /// # Errors
    /// If governance does not answer.
    pub async fn tenants(&self) -> Result<Vec<String>, CallError> {
        self.ask_governance(GovernanceMessage::Tenants).await
    }
}

/// The root, with a supervisor for each part below it.
fn root(
    config: &SystemConfig,
    store: &Store,
    entitlements: &Entitlements,
    observations: &Observations,
) -> SupervisorSpec {
    let parts = [
        (part::LEDGER_SUPERVISOR, ledger(config, store)),
        (part::EXECUTOR_SUPERVISOR, pool_and_executor(config)),
        (
            part::GOVERNANCE_SUPERVISOR,
            governance(config, store, entitlements),
        ),
        (
            part::OBSERVABILITY_SUPERVISOR,
            observer(config, observations),
        ),
    ];
    let mut root = SupervisorSpec::new(Strategy::OneForAll).intensity(INTENSITY.0, INTENSITY.1);
    for (name, children) in parts {
        let part = ChildSpec::supervisor(config.names.of(name), move || below_root(children()));
        root = root.child(part.shutdown(Shutdown::Timeout(SHUTDOWN)));
    }
    root
}

/// The children of a part's supervisor, for each of its starts.
type MakeChildren = Box<dyn Fn() -> Vec<ChildSpec> + Send + Sync>;

fn below_root(children: Vec<ChildSpec>) -> SupervisorSpec {
    let spec = SupervisorSpec::new(Strategy::OneForOne).intensity(INTENSITY.0, INTENSITY.1);
    children.into_iter().fold(spec, SupervisorSpec::child)
}

fn ledger(config: &SystemConfig, store: &Store) -> MakeChildren {
    let ledger = LedgerArguments {
        store: store.clone(),
        durability: config.durability.clone(),
        append_time: config.append_time.clone(),
        failures: config.failures.clone(),
    };
    let name = config.names.of(part::LEDGER);
    Box::new(move || {
        let ledger = ledger.clone();
        vec![ChildSpec::new(name.clone(), move || {
            (Ledger, ledger.clone())
        })]
    })
}

fn pool_and_executor(config: &SystemConfig) -> MakeChildren {
    let pool_name = config.names.of(part::POOL);
    let executor_name = config.names.of(part::EXECUTOR);
    let executor = ExecutorArguments {
        action_timeout: config.action_timeout,
        stages: config.stages.clone(),
        failures: config.failures.clone(),
        ..ExecutorArguments::new(&config.names, &PoolRef::new(&pool_name))
    };
    let pool = config.pool.clone();
    let worker = WorkerArguments {
        service_time: config.action_time.clone(),
        failures: config.failures.clone(),
    };
    Box::new(move || {
        let (pool, executor) = (pool.clone(), executor.clone());
        let (worker, pool_name) = (worker.clone(), pool_name.clone());
        vec![
            ChildSpec::new(pool_name.clone(), move || {
                let worker = worker.clone();
                (
                    Pool::new(pool_name.clone(), move |_| (ActionWorker, worker.clone())),
                    pool.clone(),
                )
            }),
            ChildSpec::new(executor_name.clone(), move || (Executor, executor.clone())),
        ]
    })
}

fn governance(config: &SystemConfig, store: &Store, entitlements: &Entitlements) -> MakeChildren {
    let governance = GovernanceArguments {
        governor: GovernorArguments {
            action_timeout: config.action_timeout,
            signal_time: config.signal_time.clone(),
            stages: config.stages.clone(),
            ..GovernorArguments::new("", &config.names, entitlements, store)
        },
        terms: config.terms,
        ..GovernanceArguments::new(&config.names, entitlements, store)
    };
    let name = config.names.of(part::GOVERNANCE);
    Box::new(move || {
        let governance = governance.clone();
        vec![ChildSpec::new(name.clone(), move || {
            (Governance, governance.clone())
        })]
    })
}

fn observer(config: &SystemConfig, observations: &Observations) -> MakeChildren {
    let pool = PoolRef::new(&config.names.of(part::POOL));
    let observer = ObserverArguments::new(observations, Some(&pool));
    let name = config.names.of(part::OBSERVER);
    Box::new(move || {
        let observer = observer.clone();
        vec![ChildSpec::new(name.clone(), move || {
            (Observer, observer.clone())
        })]
    })
}
