//! Governance: starts a governor and an entitlement for each tenant when they are
//! first needed, and restarts those that die.
//!
//! How often is not limited here: a tenant whose governor dies of its signals must not
//! end the governors of others, and each of these deaths takes a signal. One that
//! does not even start fails governance, and its supervisor counts that.
//!
//! ```
//! use ractor::Actor;
//! use retake_system::governance::{Governance, GovernanceArguments, GovernanceMessage};
//! use retake_system::governor::GovernorState;
//! use retake_otp::Names;
//! use retake_system::{Entitlements, Store};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let arguments = GovernanceArguments::new(&Names::new(), &Entitlements::default(), &Store::new());
//! let (governance, _) = Actor::spawn(None, Governance, arguments).await?;
//! let governor_of = |reply| GovernanceMessage::GovernorOf("acme".to_owned(), reply);
//! let governor = ractor::call!(governance, governor_of)?;
//! assert_eq!(governor.inspect().await?.state, GovernorState::Boot);
//! governor.actor().kill_and_wait(None).await?;
//! let again = ractor::call!(governance, governor_of)?;
//! assert_eq!(again.inspect().await?.state, GovernorState::Boot, "another incarnation");
//! # Ok(())
//! # }
//! ```

use std::collections::BTreeMap;
use std::time::Duration;

use ractor::{Actor, ActorCell, ActorProcessingErr, ActorRef, RpcReplyPort, SupervisionEvent};

use crate::entitlement::{Entitlement, EntitlementArguments, EntitlementRef};
use crate::entitlements::{Entitlements, Terms};
use crate::governor::{Governor, GovernorArguments, GovernorRef};
use crate::ledger::{LedgerRef, Store};
use crate::part;
use retake_otp::ActorMap;
use retake_otp::Names;
use retake_otp::supervisor::stop_all;

/// How long a tenant's actors may take to stop.
const TENANT_SHUTDOWN: Duration = Duration::from_secs(5);

/// The actor.
#[derive(Clone, Copy, Debug, Default)]
pub struct Governance;

/// What governance starts with.
#[derive(Clone, Debug)]
pub struct GovernanceArguments {
    /// What each governor starts with, but for its tenant.
    pub governor: GovernorArguments,
    /// Who is entitled.
    pub entitlements: Entitlements,
    /// How long entitlements last.
    pub terms: Terms,
}

impl GovernanceArguments {
    /// In the system of these names. See [`GovernorArguments::new`].
    #[must_use]
    pub fn new(names: &Names, entitlements: &Entitlements, store: &Store) -> Self {
        Self {
            governor: GovernorArguments::new("", names, entitlements, store),
            entitlements: entitlements.clone(),
            terms: Terms::default(),
        }
    }
}

/// What governance is asked.
#[derive(Debug)]
pub enum GovernanceMessage {
    /// The governor of this tenant, started if it is not running.
    GovernorOf(String, RpcReplyPort<GovernorRef>),
    /// The entitlement of this tenant, started if it is not running.
    EntitlementOf(String, RpcReplyPort<EntitlementRef>),
    /// All tenants whose governors have been started.
    Tenants(RpcReplyPort<Vec<String>>),
}

/// Governance's own state.
#[derive(Debug)]
pub struct GovernanceState {
    arguments: GovernanceArguments,
    governors: BTreeMap<String, GovernorRef>,
    entitlements: BTreeMap<String, EntitlementRef>,
    /// To what it is.
    roles: ActorMap<Role>,
}

#[derive(Clone, Debug)]
enum Role {
    GovernorOf(String),
    EntitlementOf(String),
}

#[retake::simulated]
impl Actor for Governance {
    type Msg = GovernanceMessage;
    type State = GovernanceState;
    type Arguments = GovernanceArguments;

    async fn pre_start(
        &self,
        myself: ActorRef<GovernanceMessage>,
        arguments: GovernanceArguments,
    ) -> Result<GovernanceState, ActorProcessingErr> {
        // Governors die with their governance; actions that were in flight then
        // need somebody to see them through.
        let orphaned = arguments.governor.store.open_attempts();
        // And so do entitlements that expire.
        arguments.entitlements.restore(&arguments.governor.store);
        let entitled = arguments.entitlements.tenants();
        let mut state = GovernanceState {
            arguments,
            governors: BTreeMap::new(),
            entitlements: BTreeMap::new(),
            roles: ActorMap::default(),
        };
        for attempt in orphaned {
            state.start_governor(attempt.tenant, &myself).await?;
        }
        for tenant in entitled {
            state.start_entitlement(tenant, &myself).await?;
        }
        Ok(state)
    }

    async fn handle(
        &self,
        myself: ActorRef<GovernanceMessage>,
        message: GovernanceMessage,
        state: &mut GovernanceState,
    ) -> Result<(), ActorProcessingErr> {
        // A client that does not wait any more gets no answer.
        match message {
            GovernanceMessage::GovernorOf(tenant, reply) => {
                let governor = match state.governors.get(&tenant) {
                    Some(governor) => governor.clone(),
                    None => state.start_governor(tenant, &myself).await?,
                };
                let _ = reply.send(governor);
            }
            GovernanceMessage::EntitlementOf(tenant, reply) => {
                let entitlement = match state.entitlements.get(&tenant) {
                    Some(entitlement) => entitlement.clone(),
                    None => state.start_entitlement(tenant, &myself).await?,
                };
                let _ = reply.send(entitlement);
            }
            GovernanceMessage::Tenants(reply) => {
                let _ = reply.send(state.governors.keys().cloned().collect());
            }
        }
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        myself: ActorRef<GovernanceMessage>,
        event: SupervisionEvent,
        state: &mut GovernanceState,
    ) -> Result<(), ActorProcessingErr> {
        let (SupervisionEvent::ActorTerminated(actor, ..)
        | SupervisionEvent::ActorFailed(actor, _)) = event
        else {
            return Ok(());
        };
        match state.roles.remove(&actor.get_id().pid()) {
            Some(Role::GovernorOf(tenant)) => {
                state.start_governor(tenant, &myself).await?;
            }
            Some(Role::EntitlementOf(tenant)) => {
                state.start_entitlement(tenant, &myself).await?;
            }
            None => {}
        }
        Ok(())
    }

    async fn post_stop(
        &self,
        _: ActorRef<GovernanceMessage>,
        state: &mut GovernanceState,
    ) -> Result<(), ActorProcessingErr> {
        let governors = state.governors.values().map(|it| it.actor().get_cell());
        let entitlements = state.entitlements.values().map(|it| it.actor().get_cell());
        let all: Vec<ActorCell> = governors.chain(entitlements).collect();
        stop_all(&all, TENANT_SHUTDOWN).await;
        Ok(())
    }
}

impl GovernanceState {
    async fn start_governor(
        &mut self,
        tenant: String,
        myself: &ActorRef<GovernanceMessage>,
    ) -> Result<GovernorRef, ActorProcessingErr> {
        let arguments = GovernorArguments {
            tenant: tenant.clone(),
            ..self.arguments.governor.clone()
        };
        let name = arguments.names.of(&part::governor(&tenant));
        let started =
            GovernorRef::start_linked(Some(&name), Governor, arguments, myself.get_cell());
        let governor = started.await?;
        let pid = governor.actor().get_id().pid();
        self.roles.insert(pid, Role::GovernorOf(tenant.clone()));
        self.governors.insert(tenant, governor.clone());
        Ok(governor)
    }

    async fn start_entitlement(
        &mut self,
        tenant: String,
        myself: &ActorRef<GovernanceMessage>,
    ) -> Result<EntitlementRef, ActorProcessingErr> {
        let arguments = EntitlementArguments {
            tenant: tenant.clone(),
            names: self.arguments.governor.names.clone(),
            entitlements: self.arguments.entitlements.clone(),
            terms: self.arguments.terms,
            ledger: Some(LedgerRef::new(
                &self.arguments.governor.names.of(part::LEDGER),
            )),
        };
        let name = arguments.names.of(&part::entitlement(&tenant));
        let started =
            EntitlementRef::start_linked(Some(&name), Entitlement, arguments, myself.get_cell());
        let entitlement = started.await?;
        let pid = entitlement.actor().get_id().pid();
        self.roles.insert(pid, Role::EntitlementOf(tenant.clone()));
        self.entitlements.insert(tenant, entitlement.clone());
        Ok(entitlement)
    }
}
