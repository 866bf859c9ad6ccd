//! Receipts and their hashes.

use std::fmt;

use bincode::{Decode, Encode};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Number of a receipt in its ledger, from 1 without gaps.
pub type ReceiptId = u64;

/// A SHA-256 hash.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
pub struct Hash(pub [u8; 32]);

impl Hash {
    /// What the first receipt of a chain has for its previous hash.
    pub const GENESIS: Self = Self([0; 32]);
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0[..4]
            .iter()
            .try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str("…")
    }
}

/// What a receipt is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
#[serde(rename_all = "snake_case")]
pub enum ReceiptKind {
    /// A governor went from one state to another.
    Transition {
        /// The state before.
        from: String,
        /// The state after.
        to: String,
    },
    /// A signal was refused.
    Refusal {
        /// Why.
        reason: String,
    },
    /// More signals were refused than have receipts of their own: see
    /// [`LedgerRef::refuse`](super::LedgerRef::refuse).
    Refusals {
        /// Why.
        reason: String,
        /// How many.
        count: u64,
    },
    /// An action was accepted and is about to run.
    Attempt {
        /// The kind of action.
        action: String,
    },
    /// An action has ended.
    Result {
        /// The receipt of its attempt.
        attempt: ReceiptId,
        /// `success`, `timeout`, `error` or `partial`.
        outcome: String,
        /// Time from attempt to result, in nanoseconds.
        duration_ns: u64,
    },
    /// A signal was taken: a second one of its id changes nothing.
    Signal {
        /// What came of it.
        verdict: String,
    },
    /// An entitlement went from one state to another.
    Entitlement {
        /// The state before.
        from: String,
        /// The state after.
        to: String,
        /// The entitlement that the signed order names; none for a change without an order.
        entitlement_id: Option<String>,
        /// When the order was made, in milliseconds of Unix time; 0 without an order.
        ordered_ms: u64,
    },
}

/// The tenant of receipts that belong to no tenant that is known. No tenant has an empty name.
pub const NO_TENANT: &str = "";

/// A receipt to be: what its writer knows of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// The tenant, whose chain it joins.
    pub tenant: String,
    /// What it is about.
    pub kind: ReceiptKind,
    /// More about it.
    pub payload: String,
    /// The signal that it comes from.
    pub signal: Option<String>,
    /// Two drafts with one key give one receipt; the text of a [`Key`](super::Key).
    pub key: Option<String>,
}

/// One link of a tenant's chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
pub struct Receipt {
    /// Its number in the ledger.
    pub id: ReceiptId,
    /// The tenant.
    pub tenant: String,
    /// What it is about.
    pub kind: ReceiptKind,
    /// More about it.
    pub payload: String,
    /// The signal that it comes from.
    pub signal: Option<String>,
    /// No other receipt has this key.
    pub key: Option<String>,
    /// When it was appended, in nanoseconds of Unix time, which never go back.
    pub time_ns: u64,
    /// The hash of the receipt before it, [`Hash::GENESIS`] for the first.
    pub previous: Hash,
    /// The hash over everything above.
    pub hash: Hash,
}

impl Draft {
    /// Bytes of its texts.
    pub(super) fn text_bytes(&self) -> usize {
        let of_kind = match &self.kind {
            ReceiptKind::Transition { from, to } => from.len() + to.len(),
            ReceiptKind::Refusal { reason } | ReceiptKind::Refusals { reason, .. } => reason.len(),
            ReceiptKind::Attempt { action } => action.len(),
            ReceiptKind::Result { outcome, .. } => outcome.len(),
            ReceiptKind::Signal { verdict } => verdict.len(),
            ReceiptKind::Entitlement {
                from,
                to,
                entitlement_id,
                ..
            } => from.len() + to.len() + entitlement_id.as_ref().map_or(0, String::len),
        };
        let optional = [&self.signal, &self.key].map(|text| text.as_ref().map_or(0, String::len));
        of_kind + self.tenant.len() + self.payload.len() + optional[0] + optional[1]
    }
}

impl Receipt {
    pub(super) fn new(id: ReceiptId, draft: Draft, time_ns: u64, previous: Hash) -> Self {
        let Draft {
            tenant,
            kind,
            payload,
            signal,
            key,
        } = draft;
        let mut receipt = Self {
            id,
            tenant,
            kind,
            payload,
            signal,
            key,
            time_ns,
            previous,
            hash: Hash::GENESIS,
        };
        receipt.hash = receipt.expected_hash();
        receipt
    }

    /// The hash that its content should have.
    #[must_use]
    pub fn expected_hash(&self) -> Hash {
        let mut content = Content(Sha256::new());
        content.number(self.id);
        content.text(&self.tenant);
        match &self.kind {
            ReceiptKind::Transition { from, to } => {
                content.text("transition");
                content.text(from);
                content.text(to);
            }
            ReceiptKind::Refusal { reason } => {
                content.text("refusal");
                content.text(reason);
            }
            ReceiptKind::Refusals { reason, count } => {
                content.text("refusals");
                content.text(reason);
                content.number(*count);
            }
            ReceiptKind::Attempt { action } => {
                content.text("attempt");
                content.text(action);
            }
            ReceiptKind::Result {
                attempt,
                outcome,
                duration_ns,
            } => {
                content.text("result");
                content.number(*attempt);
                content.text(outcome);
                content.number(*duration_ns);
            }
            ReceiptKind::Signal { verdict } => {
                content.text("signal");
                content.text(verdict);
            }
            ReceiptKind::Entitlement {
                from,
                to,
                entitlement_id,
                ordered_ms,
            } => {
                content.text("entitlement");
                content.text(from);
                content.text(to);
                content.optional(entitlement_id.as_deref());
                content.number(*ordered_ms);
            }
        }
        content.text(&self.payload);
        content.optional(self.signal.as_deref());
        content.optional(self.key.as_deref());
        content.number(self.time_ns);
        content.0.update(self.previous.0);
        Hash(content.0.finalize().into())
    }
}

/// Fields with their lengths, so that no two contents give the same bytes.
struct Content(Sha256);

impl Content {
    fn text(&mut self, text: &str) {
        self.number(text.len() as u64);
        self.0.update(text);
    }

    fn optional(&mut self, text: Option<&str>) {
        self.number(u64::from(text.is_some()));
        self.text(text.unwrap_or_default());
    }

    fn number(&mut self, number: u64) {
        self.0.update(number.to_le_bytes());
    }
}

impl fmt::Display for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tenant = match self.tenant.as_str() {
            NO_TENANT => "(no tenant)",
            tenant => tenant,
        };
        write!(f, "{} {tenant} ", self.id)?;
        match &self.kind {
            ReceiptKind::Transition { from, to } => write!(f, "{from} -> {to}"),
            ReceiptKind::Refusal { reason } => write!(f, "refused: {reason}"),
            ReceiptKind::Refusals { reason, count } => {
                write!(f, "refused {count} times more: {reason}")
            }
            ReceiptKind::Attempt { action } => write!(f, "attempt {action}"),
            ReceiptKind::Result {
                attempt, outcome, ..
            } => write!(f, "result of {attempt}: {outcome}"),
            ReceiptKind::Signal { verdict } => write!(f, "signal: {verdict}"),
            ReceiptKind::Entitlement { from, to, .. } => {
                write!(f, "entitlement: {from} -> {to}")
            }
        }
    }
}
