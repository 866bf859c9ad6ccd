//! Governance: starts a governor for each tenant when it is first needed,
//! restarts those that die, and knows who is entitled.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ractor::{Actor, ActorCell, ActorProcessingErr, ActorRef, RpcReplyPort, SupervisionEvent};

use crate::governor::{Governor, GovernorArguments, GovernorEvent, GovernorRef};
use crate::supervisor::stop_all;

/// How long a governor may take to stop.
const GOVERNOR_SHUTDOWN: Duration = Duration::from_secs(5);

/// Who is entitled. Clones share it, so it outlives the actor as an ETS table
/// with an heir does in Erlang.
#[derive(Clone, Debug, Default)]
pub struct Entitlements(Arc<Mutex<BTreeMap<String, bool>>>);

impl Entitlements {
    fn table(&self) -> MutexGuard<'_, BTreeMap<String, bool>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// True if the tenant is entitled.
    #[must_use]
    pub fn is_entitled(&self, tenant: &str) -> bool {
        self.table().get(tenant).copied().unwrap_or(false)
    }

    fn set(&self, tenant: &str, entitled: bool) {
        self.table().insert(tenant.to_owned(), entitled);
    }
}

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
}

/// What governance is asked.
#[derive(Debug)]
pub enum GovernanceMessage {
    /// The governor of this tenant, started if it is not running.
    GovernorOf(String, RpcReplyPort<GovernorRef>),
    /// Entitle a tenant, or end that; answered when its governor has been told.
    Entitle(String, bool, RpcReplyPort<()>),
    /// All tenants whose governors have been started.
    Tenants(RpcReplyPort<Vec<String>>),
}

/// Governance's own state.
#[derive(Debug)]
pub struct GovernanceState {
    arguments: GovernanceArguments,
    governors: BTreeMap<String, GovernorRef>,
    /// From ractor's actor id to the tenant; never iterated.
    tenants: BTreeMap<u64, String>,
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
        let mut state = GovernanceState {
            arguments,
            governors: BTreeMap::new(),
            tenants: BTreeMap::new(),
        };
        for attempt in orphaned {
            state.start(attempt.tenant, &myself).await?;
        }
        Ok(state)
    }

    async fn handle(
        &self,
        myself: ActorRef<GovernanceMessage>,
        message: GovernanceMessage,
        state: &mut GovernanceState,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            GovernanceMessage::GovernorOf(tenant, reply) => {
                let governor = match state.governors.get(&tenant) {
                    Some(governor) => governor.clone(),
                    None => state.start(tenant, &myself).await?,
                };
                let _ = reply.send(governor);
            }
            GovernanceMessage::Entitle(tenant, entitled, reply) => {
                state.arguments.entitlements.set(&tenant, entitled);
                if let Some(governor) = state.governors.get(&tenant) {
                    // One that is gone reads the table when it is restarted.
                    let _ = governor.cast(GovernorEvent::Entitled(entitled));
                }
                let _ = reply.send(());
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
        if let Some(tenant) = state.tenants.remove(&actor.get_id().pid()) {
            state.start(tenant, &myself).await?;
        }
        Ok(())
    }

    async fn post_stop(
        &self,
        _: ActorRef<GovernanceMessage>,
        state: &mut GovernanceState,
    ) -> Result<(), ActorProcessingErr> {
        let governors: Vec<ActorCell> = state
            .governors
            .values()
            .map(|governor| governor.actor().get_cell())
            .collect();
        stop_all(&governors, GOVERNOR_SHUTDOWN).await;
        Ok(())
    }
}

impl GovernanceState {
    async fn start(
        &mut self,
        tenant: String,
        myself: &ActorRef<GovernanceMessage>,
    ) -> Result<GovernorRef, ActorProcessingErr> {
        let arguments = GovernorArguments {
            entitled: self.arguments.entitlements.is_entitled(&tenant),
            tenant: tenant.clone(),
            ..self.arguments.governor.clone()
        };
        let name = arguments.names.governor(&tenant);
        let governor =
            GovernorRef::start_linked(Some(&name), Governor, arguments, myself.get_cell()).await?;
        let pid = governor.actor().get_id().pid();
        self.tenants.insert(pid, tenant.clone());
        self.governors.insert(tenant, governor.clone());
        Ok(governor)
    }
}
