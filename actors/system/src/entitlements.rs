//! All tenants' entitlements: their states, and what can be done with them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use retake_otp::named_enum;

use crate::ledger::{ReceiptKind, Store};

named_enum! {
    /// The states of an entitlement.
    #[derive(Default)]
    pub enum EntitlementState {
        /// Nothing was granted yet.
        #[default]
        Unentitled = "unentitled",
        /// Granted, and not approved yet.
        PendingReview = "pending_review",
        /// Signals of the tenant are governed.
        Entitled = "entitled",
        /// Held back for the time being.
        Suspended = "suspended",
        /// A suspension that somebody has to decide about.
        Escalated = "escalated",
        /// Taken back.
        Revoked = "revoked",
        /// Kept for the record.
        Archived = "archived",
        /// Its time is over.
        Expired = "expired",
    }
}

named_enum! {
    /// What can be done with an entitlement.
    pub enum Change {
        /// Ask for it.
        Grant = "grant",
        /// After review.
        Approve = "approve",
        /// Take it back for good.
        Revoke = "revoke",
        /// Hold it back.
        Suspend = "suspend",
        /// End a suspension.
        Reinstate = "reinstate",
        /// Have a suspension decided.
        Escalate = "escalate",
        /// Keep it for the record.
        Archive = "archive",
    }
}

impl Change {
    /// Where it leads; each leads to one state, wherever it is possible.
    pub(crate) fn target(self) -> EntitlementState {
        match self {
            Self::Grant => EntitlementState::PendingReview,
            Self::Approve | Self::Reinstate => EntitlementState::Entitled,
            Self::Revoke => EntitlementState::Revoked,
            Self::Suspend => EntitlementState::Suspended,
            Self::Escalate => EntitlementState::Escalated,
            Self::Archive => EntitlementState::Archived,
        }
    }
}

/// Why an entitlement is not changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChangeError {
    /// Its state does not allow the change.
    #[error("an entitlement that is {state} cannot {change}")]
    NotAllowed {
        /// The state that it is in.
        state: EntitlementState,
        /// The change.
        change: Change,
    },
    /// An order that is not younger than the last one that changed it.
    #[error(
        "the order was made at {ordered_ms}, and the last change was ordered at {last_ms}: \
         orders apply in the order of their timestamps"
    )]
    OutOfOrder {
        /// When the order was made, in milliseconds of Unix time.
        ordered_ms: u64,
        /// When the last one was made.
        last_ms: u64,
    },
    /// An order for another entitlement than that of the tenant.
    #[error("`{0}` is not the entitlement of this tenant")]
    OtherEntitlement(String),
}

/// A signed order of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeOrder {
    /// What is ordered.
    pub change: Change,
    /// The entitlement that it is about. The first order that changes a tenant's entitlement
    /// gives it its id; later ones have to name it.
    pub entitlement_id: String,
    /// When the order was made, in milliseconds of Unix time: younger than the one before.
    pub ordered_ms: u64,
    /// The idempotency key of the receipt that it leaves.
    pub key: String,
}

/// How long entitlements last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    /// An entitlement expires after this time; never without it.
    pub entitled_for: Option<Duration>,
    /// An archived one expires after this time; never without it.
    pub archived_for: Option<Duration>,
}

impl Terms {
    pub(crate) fn of(self, state: EntitlementState) -> Option<Duration> {
        match state {
            EntitlementState::Entitled => self.entitled_for,
            EntitlementState::Archived => self.archived_for,
            _ => None,
        }
    }
}

/// All tenants' entitlements. Clones share them, so they outlive the actors as an
/// ETS table with an heir does in Erlang.
#[derive(Clone, Debug, Default)]
pub struct Entitlements(Arc<Mutex<BTreeMap<String, Entry>>>);

/// A state and since when it lasts.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) state: EntitlementState,
    /// Unix time: it lasts longer than a process.
    pub(crate) since: Duration,
    /// The entitlement's id; none before the first order.
    id: Option<String>,
    /// When the last order was made that changed it, in milliseconds of Unix time.
    pub(crate) ordered_ms: u64,
}

impl Entitlements {
    fn table(&self) -> MutexGuard<'_, BTreeMap<String, Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn entry(&self, tenant: &str) -> Entry {
        self.table().get(tenant).cloned().unwrap_or_else(|| Entry {
            state: EntitlementState::default(),
            since: retake::unix_time(),
            id: None,
            ordered_ms: 0,
        })
    }

    /// A change was made, by an order or without one.
    pub(crate) fn set(
        &self,
        tenant: &str,
        state: EntitlementState,
        since: Duration,
        order: Option<(&str, u64)>,
    ) {
        let before = self.entry(tenant);
        let (id, ordered_ms) = match order {
            Some((id, ordered_ms)) => (
                before.id.or_else(|| Some(id.to_owned())),
                before.ordered_ms.max(ordered_ms),
            ),
            None => (before.id, before.ordered_ms),
        };
        let entry = Entry {
            state,
            since,
            id,
            ordered_ms,
        };
        self.table().insert(tenant.to_owned(), entry);
    }

    /// True unless the tenant's entitlement is known by another id.
    #[must_use]
    pub fn may_be(&self, tenant: &str, entitlement_id: &str) -> bool {
        let entry = self.table().get(tenant).and_then(|entry| entry.id.clone());
        entry.is_none_or(|id| id == entitlement_id)
    }

    /// Take over what the receipts say.
    pub(crate) fn restore(&self, store: &Store) {
        for receipt in store.all() {
            if let ReceiptKind::Entitlement {
                to,
                entitlement_id,
                ordered_ms,
                ..
            } = &receipt.kind
                && let Some(state) = EntitlementState::of_word(to)
            {
                let since = Duration::from_nanos(receipt.time_ns);
                let order = entitlement_id.as_deref().map(|id| (id, *ordered_ms));
                self.set(&receipt.tenant, state, since, order);
            }
        }
    }

    /// All tenants that were ever granted anything.
    pub(crate) fn tenants(&self) -> Vec<String> {
        self.table().keys().cloned().collect()
    }

    /// True if the tenant was ever granted anything.
    #[must_use]
    pub fn knows(&self, tenant: &str) -> bool {
        self.table().contains_key(tenant)
    }

    /// The state of a tenant's entitlement.
    #[must_use]
    pub fn state(&self, tenant: &str) -> EntitlementState {
        self.entry(tenant).state
    }

    /// True if the tenant is entitled.
    #[must_use]
    pub fn is_entitled(&self, tenant: &str) -> bool {
        self.state(tenant) == EntitlementState::Entitled
    }
}
