//! A tenant's entitlement: from a grant through review and suspension to its end.
//!
//! ```text
//!  unentitled ── grant ──> pending_review ── approve ──> entitled ── revoke ──> revoked
//!                               │ suspend        suspend │  ^  │ expiry           │ archive
//!                               └────────> suspended <───┘  │  v                  v
//!                                             │  └ reinstate┘ expired <─ expiry ─ archived
//!                                             └─ escalate ─> escalated ─ archive ──┘
//! ```
//!
//! Any other change is an error that names the state. What a tenant's entitlement
//! is lies in [`Entitlements`], which outlives the actor.
//!
//! ```
//! use retake_system::entitlement::{Entitlement, EntitlementArguments, EntitlementEvent, EntitlementRef};
//! use retake_otp::Names;
//! use retake_system::{Change, EntitlementState, Entitlements};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let entitlements = Entitlements::default();
//! let arguments = EntitlementArguments::new("acme", &Names::new(), &entitlements);
//! let entitlement = EntitlementRef::start(None, Entitlement, arguments).await?;
//! for change in [Change::Grant, Change::Approve] {
//!     entitlement.call(|reply| EntitlementEvent::Change(change, reply), None).await??;
//! }
//! assert!(entitlements.is_entitled("acme"));
//! let again = entitlement.call(|reply| EntitlementEvent::Change(Change::Grant, reply), None);
//! assert_eq!(again.await?.unwrap_err().to_string(), "an entitlement that is entitled cannot grant");
//! assert_eq!(entitlements.state("acme"), EntitlementState::Entitled);
//! # Ok(())
//! # }
//! ```

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ractor::{ActorProcessingErr, RpcReplyPort};

use crate::governor::{GovernorEvent, GovernorRef};
use crate::ledger::{Draft, LedgerError, LedgerRef, ReceiptKind, Store};
use crate::part;
use retake_otp::Names;
use retake_otp::statem::{
    Context, Discard, EnterContext, Event, Next, StateMachine, StatemRef, Table,
};

/// The states of an entitlement.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum EntitlementState {
    /// Nothing was granted yet.
    #[default]
    Unentitled,
    /// Granted, and not approved yet.
    PendingReview,
    /// Signals of the tenant are governed.
    Entitled,
    /// Held back for the time being.
    Suspended,
    /// A suspension that somebody has to decide about.
    Escalated,
    /// Taken back.
    Revoked,
    /// Kept for the record.
    Archived,
    /// Its time is over.
    Expired,
}

impl fmt::Display for EntitlementState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unentitled => "unentitled",
            Self::PendingReview => "pending_review",
            Self::Entitled => "entitled",
            Self::Suspended => "suspended",
            Self::Escalated => "escalated",
            Self::Revoked => "revoked",
            Self::Archived => "archived",
            Self::Expired => "expired",
        })
    }
}

impl EntitlementState {
    const ALL: [Self; 8] = [
        Self::Unentitled,
        Self::PendingReview,
        Self::Entitled,
        Self::Suspended,
        Self::Escalated,
        Self::Revoked,
        Self::Archived,
        Self::Expired,
    ];

    fn parse(word: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|state| state.to_string() == word)
    }
}

/// What can be done with an entitlement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Ask for it.
    Grant,
    /// After review.
    Approve,
    /// Take it back for good.
    Revoke,
    /// Hold it back.
    Suspend,
    /// End a suspension.
    Reinstate,
    /// Have a suspension decided.
    Escalate,
    /// Keep it for the record.
    Archive,
}

impl Change {
    /// Its name in the machine's table.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Grant => "grant",
            Self::Approve => "approve",
            Self::Revoke => "revoke",
            Self::Suspend => "suspend",
            Self::Reinstate => "reinstate",
            Self::Escalate => "escalate",
            Self::Archive => "archive",
        }
    }

    /// Where it leads; each leads to one state, wherever it is possible.
    fn target(self) -> EntitlementState {
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

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
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
    fn of(self, state: EntitlementState) -> Option<Duration> {
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
struct Entry {
    state: EntitlementState,
    /// Unix time: it lasts longer than a process.
    since: Duration,
    /// The entitlement's id; none before the first order.
    id: Option<String>,
    /// When the last order was made that changed it, in milliseconds of Unix time.
    ordered_ms: u64,
}

impl Entitlements {
    fn table(&self) -> MutexGuard<'_, BTreeMap<String, Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn entry(&self, tenant: &str) -> Entry {
        self.table().get(tenant).cloned().unwrap_or_else(|| Entry {
            state: EntitlementState::default(),
            since: retake::unix_time(),
            id: None,
            ordered_ms: 0,
        })
    }

    /// A change was made, by an order or without one.
    fn set(
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
                && let Some(state) = EntitlementState::parse(to)
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

/// What an entitlement is told.
#[derive(Debug)]
pub enum EntitlementEvent {
    /// Change it; the answer is the new state.
    Change(Change, RpcReplyPort<Result<EntitlementState, ChangeError>>),
    /// Change it by a signed order; the answer is the new state.
    Order(
        ChangeOrder,
        RpcReplyPort<Result<EntitlementState, ChangeError>>,
    ),
    /// Its time is over.
    Expire,
}

impl Event for EntitlementEvent {
    fn name(&self) -> &'static str {
        match self {
            Self::Change(change, _) => change.name(),
            Self::Order(order, _) => order.change.name(),
            Self::Expire => "expiry",
        }
    }
}

/// The state machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct Entitlement;

/// A running entitlement.
pub type EntitlementRef = StatemRef<Entitlement>;

/// When an expiry is tried again that left no receipt.
const EXPIRY_RETRY: Duration = Duration::from_secs(1);

/// What an entitlement starts with.
#[derive(Clone, Debug)]
pub struct EntitlementArguments {
    /// Whose it is.
    pub tenant: String,
    /// The names of the system.
    pub names: Names,
    /// Where it is kept.
    pub entitlements: Entitlements,
    /// How long it lasts.
    pub terms: Terms,
    /// Where each change leaves a receipt before it is made, if anywhere.
    pub ledger: Option<LedgerRef>,
}

impl EntitlementArguments {
    /// For this tenant, in the system of these names, without an end.
    #[must_use]
    pub fn new(tenant: &str, names: &Names, entitlements: &Entitlements) -> Self {
        Self {
            tenant: tenant.to_owned(),
            names: names.clone(),
            entitlements: entitlements.clone(),
            terms: Terms::default(),
            ledger: None,
        }
    }
}

impl StateMachine for Entitlement {
    type State = EntitlementState;
    type Event = EntitlementEvent;
    type Data = EntitlementArguments;
    type Arguments = EntitlementArguments;

    fn table() -> Table<EntitlementState> {
        use EntitlementState::{
            Archived, Entitled, Escalated, Expired, PendingReview, Revoked, Suspended, Unentitled,
        };
        // An actor that is restarted goes on in the state that was reached.
        Table::new(EntitlementState::ALL)
            .on(Unentitled, "grant", [PendingReview])
            .on(PendingReview, "approve", [Entitled])
            .on(PendingReview, "suspend", [Suspended])
            .on(Entitled, "revoke", [Revoked])
            .on(Entitled, "suspend", [Suspended])
            .on(Entitled, "expiry", [Expired])
            .on(Suspended, "reinstate", [Entitled])
            .on(Suspended, "escalate", [Escalated])
            .on(Escalated, "archive", [Archived])
            .on(Revoked, "archive", [Archived])
            .on(Archived, "expiry", [Expired])
    }

    async fn init(
        &self,
        arguments: EntitlementArguments,
        context: &mut Context<'_, Self>,
    ) -> Result<(EntitlementState, EntitlementArguments), ActorProcessingErr> {
        let Entry { state, since, .. } = arguments.entitlements.entry(&arguments.tenant);
        if let Some(term) = arguments.terms.of(state) {
            let left = term.saturating_sub(retake::unix_time().saturating_sub(since));
            context.state_timeout(left, EntitlementEvent::Expire);
        }
        Ok((state, arguments))
    }

    async fn enter(
        &self,
        from: Option<EntitlementState>,
        state: EntitlementState,
        data: &mut EntitlementArguments,
        context: &mut EnterContext<'_, Self>,
    ) -> Result<(), ActorProcessingErr> {
        if let (Some(_), Some(term)) = (from, data.terms.of(state)) {
            context.state_timeout(term, EntitlementEvent::Expire);
        }
        Ok(())
    }

    async fn handle(
        &self,
        state: EntitlementState,
        event: EntitlementEvent,
        data: &mut EntitlementArguments,
        context: &mut Context<'_, Self>,
    ) -> Result<Next<EntitlementState>, ActorProcessingErr> {
        let (target, order, reply) = match event {
            EntitlementEvent::Change(change, reply) => (change.target(), None, Some(reply)),
            EntitlementEvent::Order(order, reply) => {
                if let Err(error) = data.check(&order) {
                    let _ = reply.send(Err(error));
                    return Ok(Next::Keep);
                }
                (order.change.target(), Some(order), Some(reply))
            }
            EntitlementEvent::Expire => (EntitlementState::Expired, None, None),
        };
        let since = match data.record(state, target, order.as_ref()).await {
            Ok(since) => since,
            Err(error) => {
                // Nothing changes without a receipt. Who asked learns it by the
                // reply port being dropped; time that is over stays over.
                retake::event!("no receipt for {state} -> {target}: {error}");
                if reply.is_none() {
                    context.state_timeout(EXPIRY_RETRY, EntitlementEvent::Expire);
                }
                return Ok(Next::Keep);
            }
        };
        let order = order
            .as_ref()
            .map(|order| (&*order.entitlement_id, order.ordered_ms));
        data.entitlements.set(&data.tenant, target, since, order);
        let entitled = EntitlementState::Entitled;
        if (state == entitled) != (target == entitled) {
            data.tell_governor(target == entitled);
        }
        if let Some(reply) = reply {
            let _ = reply.send(Ok(target));
        }
        Ok(Next::Goto(target))
    }

    fn discard(&self, event: EntitlementEvent, why: Discard<EntitlementState>) {
        let Discard::Undeclared(state) = why else {
            return;
        };
        let (change, reply) = match event {
            EntitlementEvent::Change(change, reply) => (change, reply),
            EntitlementEvent::Order(order, reply) => (order.change, reply),
            EntitlementEvent::Expire => return,
        };
        let _ = reply.send(Err(ChangeError::NotAllowed { state, change }));
    }
}

impl EntitlementArguments {
    /// Whether an order may change this entitlement, as far as its state allows it.
    fn check(&self, order: &ChangeOrder) -> Result<(), ChangeError> {
        if !self
            .entitlements
            .may_be(&self.tenant, &order.entitlement_id)
        {
            let id = order.entitlement_id.clone();
            return Err(ChangeError::OtherEntitlement(id));
        }
        let last_ms = self.entitlements.entry(&self.tenant).ordered_ms;
        let ordered_ms = order.ordered_ms;
        if ordered_ms <= last_ms {
            return Err(ChangeError::OutOfOrder {
                ordered_ms,
                last_ms,
            });
        }
        Ok(())
    }

    /// Leave a receipt; gives its time.
    async fn record(
        &self,
        from: EntitlementState,
        to: EntitlementState,
        order: Option<&ChangeOrder>,
    ) -> Result<Duration, LedgerError> {
        let Some(ledger) = &self.ledger else {
            return Ok(retake::unix_time());
        };
        let kind = ReceiptKind::Entitlement {
            from: from.to_string(),
            to: to.to_string(),
            entitlement_id: order.map(|order| order.entitlement_id.clone()),
            ordered_ms: order.map_or(0, |order| order.ordered_ms),
        };
        let draft = Draft {
            tenant: self.tenant.clone(),
            kind,
            payload: String::new(),
            signal: None,
            key: order.map(|order| order.key.clone()),
        };
        let receipt = ledger.append(draft).await?;
        Ok(Duration::from_nanos(receipt.time_ns))
    }

    /// A governor that starts later reads the table.
    fn tell_governor(&self, entitled: bool) {
        if let Some(governor) = Names::find(&self.names.of(&part::governor(&self.tenant))) {
            let _ = GovernorRef::from(governor).cast(GovernorEvent::Entitled(entitled));
        }
    }
}
