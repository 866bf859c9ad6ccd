//! Idempotency keys.

use std::fmt;

use super::receipt::ReceiptId;

/// What a receipt is the only one for. As text it begins with its kind, and names have their
/// lengths before them, so two keys are equal only if they are of one kind and all their
/// names are equal, whatever is in the names.
///
/// ```
/// use retake_system::ledger::Key;
///
/// let key = Key::Signal { tenant: "a", id: "b 1:c" };
/// assert_eq!(key.to_string(), "signal 1:a 5:b 1:c");
/// assert_ne!(key.to_string(), Key::Signal { tenant: "a 1:b", id: "c" }.to_string());
/// assert_ne!(key.to_string(), Key::Order { tenant: "a", id: "b 1:c" }.to_string());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key<'a> {
    /// The verdict on a signal.
    Signal {
        /// Whose signal it is.
        tenant: &'a str,
        /// The id that its sender gave it.
        id: &'a str,
    },
    /// The verdict on a signed order of an action.
    Order {
        /// The tenant that it is for.
        tenant: &'a str,
        /// What distinguishes it from other orders.
        id: &'a str,
    },
    /// A change of an entitlement, by a signed order.
    Change {
        /// The tenant that it is for.
        tenant: &'a str,
        /// What distinguishes it from other orders.
        id: &'a str,
    },
    /// The refusal of a push whose tenant cannot be read.
    Push {
        /// The id of its message.
        id: &'a str,
    },
    /// The result of an action.
    Result {
        /// The receipt of its attempt.
        attempt: ReceiptId,
    },
}

impl fmt::Display for Key<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, names) = match self {
            Self::Signal { tenant, id } => ("signal", [Some(*tenant), Some(*id)]),
            Self::Order { tenant, id } => ("order", [Some(*tenant), Some(*id)]),
            Self::Change { tenant, id } => ("change", [Some(*tenant), Some(*id)]),
            Self::Push { id } => ("push", [None, Some(*id)]),
            Self::Result { attempt } => return write!(f, "result {attempt}"),
        };
        f.write_str(kind)?;
        names
            .into_iter()
            .flatten()
            .try_for_each(|name| write!(f, " {}:{name}", name.len()))
    }
}
