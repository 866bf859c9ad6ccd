//! What a governor starts with.

use std::time::Duration;

use retake_otp::Names;

use crate::action::ACTION_TIMEOUT;
use crate::entitlements::Entitlements;
use crate::ledger::Store;
use crate::service_time::ServiceTime;
use crate::stages::Stages;

/// What a governor starts with.
#[derive(Clone, Debug)]
pub struct GovernorArguments {
    /// Its tenant.
    pub tenant: String,
    /// Whether the tenant is entitled.
    pub entitlements: Entitlements,
    /// The names of the system.
    pub names: Names,
    /// What earlier incarnations wrote.
    pub store: Store,
    /// After this time without a result an action has timed out.
    pub action_timeout: Duration,
    /// How long the evaluation of a signal takes, where that is simulated.
    pub signal_time: ServiceTime,
    /// Where its waits for the ledger are counted.
    pub stages: Stages,
}

impl GovernorArguments {
    /// For this tenant, in the system of these names. An action times out after 30 s;
    /// the evaluation of a signal takes as long as the code takes.
    #[must_use]
    pub fn new(tenant: &str, names: &Names, entitlements: &Entitlements, store: &Store) -> Self {
        Self {
            tenant: tenant.to_owned(),
            entitlements: entitlements.clone(),
            names: names.clone(),
            store: store.clone(),
            action_timeout: ACTION_TIMEOUT,
            signal_time: ServiceTime::None,
            stages: Stages::default(),
        }
    }
}
