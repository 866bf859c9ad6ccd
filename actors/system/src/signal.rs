//! Signals and verdicts.

use crate::action::ActionKind;
use crate::ledger::{Key, Receipt, ReceiptId, Store};

/// A measurement of a tenant's system.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Signal {
    /// Its own id, by which its receipts are found. A second signal of a tenant with
    /// the same id changes nothing. Ids of signals with and without an `action` are apart.
    pub id: Option<String>,
    /// Whom it is about.
    pub tenant: String,
    /// What was measured.
    pub metric: String,
    /// In percent.
    pub value: f64,
    /// When it was measured, in milliseconds of Unix time.
    pub timestamp_ms: u64,
    /// The action that is asked for outright, whatever the value.
    pub action: Option<ActionKind>,
    /// Nobody waits for the verdict after this time: it is not taken then.
    pub deadline: Option<retake::Instant>,
}

impl Signal {
    pub(crate) fn is_late(&self) -> bool {
        self.deadline
            .is_some_and(|deadline| deadline < retake::now())
    }

    /// The idempotency key of its receipt. Only what is signed asks for an action outright,
    /// so it has keys of its own, which nobody else can take.
    pub(crate) fn key(&self) -> Option<String> {
        let (tenant, id) = (&self.tenant, self.id.as_ref()?);
        let key = match self.action {
            None => Key::Signal { tenant, id },
            Some(_) => Key::Order { tenant, id },
        };
        Some(key.to_string())
    }

    /// The receipt of the first signal with this one's id, if there was one.
    #[must_use]
    pub fn receipt(&self, store: &Store) -> Option<Receipt> {
        store.of_key(&self.key()?)
    }
}

/// A value above this asks for an action.
pub const ACTION_ABOVE: f64 = 80.0;
/// A value above this is a warning.
pub const WARNING_ABOVE: f64 = 60.0;

/// The answer to a signal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing needs to be done.
    Stable,
    /// It is worth watching.
    Warning,
    /// An action was accepted; its attempt has this receipt.
    Acting(ReceiptId),
    /// The tenant is not entitled; the refusal has this receipt.
    Refused(ReceiptId),
    /// A signal with its id was taken before; that one has this receipt.
    Duplicate(ReceiptId),
}
