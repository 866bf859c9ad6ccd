//! Whether chains of receipts are whole.

use std::collections::BTreeMap;

use super::receipt::{Hash, Receipt, ReceiptId};

/// Where a chain is broken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the chain of `{tenant}` is broken at position {position} (receipt {id}): {problem}")]
pub struct Break {
    /// The tenant.
    pub tenant: String,
    /// Place in the tenant's chain, from 0.
    pub position: usize,
    /// The receipt there.
    pub id: ReceiptId,
    /// What is wrong with it.
    pub problem: &'static str,
}

/// Recompute every hash of every chain from its genesis, of receipts in the order of
/// their ledger: what a [`Store`](super::Store) does with its own, for those that came another way.
///
/// ```
/// use retake_system::ledger::{Draft, ReceiptKind, Store, verify};
///
/// let store = Store::new();
/// for payload in ["one", "two"] {
///     let kind = ReceiptKind::Attempt { action: "scale".to_owned() };
///     let tenant = "acme".to_owned();
///     store.append(Draft { tenant, kind, payload: payload.to_owned(), signal: None, key: None });
/// }
/// let mut receipts = store.all();
/// verify(&receipts).unwrap();
/// receipts[1].payload.push('!');
/// assert_eq!(verify(&receipts).unwrap_err().position, 1);
/// ```
///
/// # Errors
/// The first break.
pub fn verify<'a>(receipts: impl IntoIterator<Item = &'a Receipt>) -> Result<(), Break> {
    // By tenant: the number of its receipts so far, and the hash of the last.
    let mut chains: BTreeMap<&str, (usize, Hash)> = BTreeMap::new();
    for receipt in receipts {
        let chain = chains.entry(&receipt.tenant);
        let (position, previous) = chain.or_insert((0, Hash::GENESIS));
        if let Some(problem) = wrong_link(receipt, *previous) {
            return Err(Break {
                tenant: receipt.tenant.clone(),
                position: *position,
                id: receipt.id,
                problem,
            });
        }
        *position += 1;
        *previous = receipt.hash;
    }
    Ok(())
}

/// What is wrong with a receipt that should follow the one with this hash.
pub(super) fn wrong_link(receipt: &Receipt, previous: Hash) -> Option<&'static str> {
    if receipt.previous != previous {
        Some("it does not follow the receipt before it")
    } else if receipt.hash != receipt.expected_hash() {
        Some("its content does not match its hash")
    } else {
        None
    }
}
