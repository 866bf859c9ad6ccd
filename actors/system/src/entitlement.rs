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

use std::fmt;
use std::time::Duration;

use ractor::{ActorProcessingErr, RpcReplyPort};
use retake_otp::Names;
use retake_otp::statem::{
    Context, Discard, EnterContext, Event, Next, StateMachine, StatemRef, Table,
};

use crate::entitlements::Entry;
use crate::governor::{GovernorEvent, GovernorRef};
use crate::ledger::{Draft, LedgerError, LedgerRef, ReceiptKind};
use crate::part;

pub use crate::entitlements::{
    Change, ChangeError, ChangeOrder, EntitlementState, Entitlements, Terms,
};

/// What an entitlement receives.
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

/// The kinds of [`EntitlementEvent`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EntitlementEventKind {
    /// A change, with or without an order.
    Change(Change),
    /// The end of its time.
    Expiry,
}

impl From<Change> for EntitlementEventKind {
    fn from(change: Change) -> Self {
        Self::Change(change)
    }
}

impl fmt::Display for EntitlementEventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Change(change) => change.fmt(f),
            Self::Expiry => f.write_str("expiry"),
        }
    }
}

impl Event for EntitlementEvent {
    type Kind = EntitlementEventKind;

    fn kind(&self) -> EntitlementEventKind {
        match self {
            Self::Change(change, _) => EntitlementEventKind::Change(*change),
            Self::Order(order, _) => EntitlementEventKind::Change(order.change),
            Self::Expire => EntitlementEventKind::Expiry,
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
    type Timeout = std::convert::Infallible;
    type Data = EntitlementArguments;
    type Arguments = EntitlementArguments;

    fn table() -> Table<EntitlementState, EntitlementEventKind> {
        use Change::{Approve, Archive, Escalate, Grant, Reinstate, Revoke, Suspend};
        use EntitlementEventKind::Expiry;
        use EntitlementState::{
            Archived, Entitled, Escalated, Expired, PendingReview, Revoked, Suspended, Unentitled,
        };
        // An actor that is restarted starts in the state that was reached.
        Table::new(EntitlementState::ALL)
            .on(Unentitled, Grant, [PendingReview])
            .on(PendingReview, Approve, [Entitled])
            .on(PendingReview, Suspend, [Suspended])
            .on(Entitled, Revoke, [Revoked])
            .on(Entitled, Suspend, [Suspended])
            .on(Entitled, Expiry, [Expired])
            .on(Suspended, Reinstate, [Entitled])
            .on(Suspended, Escalate, [Escalated])
            .on(Escalated, Archive, [Archived])
            .on(Revoked, Archive, [Archived])
            .on(Archived, Expiry, [Expired])
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
