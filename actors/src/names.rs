//! Who is called what in ractor's registry.

use std::sync::Arc;

use ractor::{ActorRef, Message};

/// The names of one system's actors.
///
/// Several systems in one process take different prefixes. Inside a simulation
/// the names are further scoped to the run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    prefix: Option<Arc<str>>,
}

impl Names {
    /// The names of the only system of this process.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Names that begin with `prefix` and a slash.
    #[must_use]
    pub fn with_prefix(prefix: &str) -> Self {
        Self {
            prefix: Some(prefix.into()),
        }
    }

    /// The name of this part of the system.
    #[must_use]
    pub fn of(&self, part: &str) -> String {
        match &self.prefix {
            Some(prefix) => format!("{prefix}/{part}"),
            None => part.to_owned(),
        }
    }

    /// The name of a tenant's governor.
    #[must_use]
    pub fn governor(&self, tenant: &str) -> String {
        self.of(&format!("governor/{tenant}"))
    }

    /// The name of a tenant's entitlement.
    #[must_use]
    pub fn entitlement(&self, tenant: &str) -> String {
        self.of(&format!("entitlement/{tenant}"))
    }

    /// The actor that has this name now.
    pub(crate) fn find<M: Message>(name: &str) -> Option<ActorRef<M>> {
        retake::where_is(name).map(ActorRef::from)
    }
}

/// The names of a system's parts.
pub(crate) mod part {
    pub(crate) const ROOT: &str = "root";
    pub(crate) const LEDGER: &str = "ledger";
    pub(crate) const LEDGER_SUPERVISOR: &str = "ledger-supervisor";
    pub(crate) const POOL: &str = "pool";
    pub(crate) const EXECUTOR: &str = "executor";
    pub(crate) const EXECUTOR_SUPERVISOR: &str = "executor-supervisor";
    pub(crate) const OBSERVER: &str = "observer";
    pub(crate) const OBSERVABILITY_SUPERVISOR: &str = "observability-supervisor";
    pub(crate) const GOVERNANCE: &str = "governance";
    pub(crate) const GOVERNANCE_SUPERVISOR: &str = "governance-supervisor";
}
