//! Where receipts are kept: in memory, shared by the incarnations of a ledger.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::receipt::{Draft, Hash, Receipt, ReceiptId, ReceiptKind};

/// Receipts in memory, acknowledged as soon as they are appended. Clones share them.
#[derive(Clone, Default)]
pub struct Store(Arc<Mutex<Table>>);

#[derive(Default)]
struct Table {
    /// The receipt of id `n` is at `n - 1`.
    receipts: Vec<Receipt>,
    chains: BTreeMap<String, Vec<ReceiptId>>,
    by_key: BTreeMap<String, ReceiptId>,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Store({} receipts)", self.table().receipts.len())
    }
}

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

impl Store {
    /// No receipts.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        // A table is whole at any time, also when somebody panicked beside it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Append to the tenant's chain. A draft whose key is known gives the receipt
    /// that is there, and changes nothing.
    pub fn append(&self, draft: Draft) -> Receipt {
        let mut table = self.table();
        let known = draft
            .key
            .as_ref()
            .and_then(|key| table.by_key.get(key))
            .copied();
        if let Some(receipt) = known.and_then(|id| table.get(id)) {
            return receipt.clone();
        }
        let id = table.receipts.len() as u64 + 1;
        if let Some(key) = &draft.key {
            table.by_key.insert(key.clone(), id);
        }
        let last = table
            .chains
            .get(&draft.tenant)
            .and_then(|chain| chain.last())
            .copied();
        let previous = last
            .and_then(|id| table.get(id))
            .map_or(Hash::GENESIS, |receipt| receipt.hash);
        let receipt = Receipt::new(id, draft, retake::now().as_nanos(), previous);
        table
            .chains
            .entry(receipt.tenant.clone())
            .or_default()
            .push(id);
        table.receipts.push(receipt.clone());
        receipt
    }

    /// The receipt of this id.
    #[must_use]
    pub fn get(&self, id: ReceiptId) -> Option<Receipt> {
        self.table().get(id).cloned()
    }

    /// All receipts of a tenant, in the order of its chain.
    #[must_use]
    pub fn of_tenant(&self, tenant: &str) -> Vec<Receipt> {
        let table = self.table();
        let ids = table
            .chains
            .get(tenant)
            .map(Vec::as_slice)
            .unwrap_or_default();
        ids.iter()
            .filter_map(|id| table.get(*id))
            .cloned()
            .collect()
    }

    /// All receipts in the order of their ids.
    #[must_use]
    pub fn all(&self) -> Vec<Receipt> {
        self.table().receipts.clone()
    }

    /// The attempt of a tenant that has no result yet.
    #[must_use]
    pub fn open_attempt(&self, tenant: &str) -> Option<Receipt> {
        self.table().open_attempt(tenant).cloned()
    }

    /// The attempts of all tenants that have no result yet, by tenant.
    #[must_use]
    pub fn open_attempts(&self) -> Vec<Receipt> {
        let table = self.table();
        table
            .chains
            .keys()
            .filter_map(|tenant| table.open_attempt(tenant))
            .cloned()
            .collect()
    }

    /// Recompute every hash of every chain from its genesis.
    ///
    /// # Errors
    /// The first break, by tenant.
    pub fn verify(&self) -> Result<(), Break> {
        let table = self.table();
        for (tenant, chain) in &table.chains {
            let mut previous = Hash::GENESIS;
            for (position, id) in chain.iter().enumerate() {
                let wrong = |problem| Break {
                    tenant: tenant.clone(),
                    position,
                    id: *id,
                    problem,
                };
                let receipt = table
                    .get(*id)
                    .ok_or_else(|| wrong("the receipt is missing"))?;
                if receipt.tenant != *tenant {
                    return Err(wrong("the receipt belongs to another tenant"));
                }
                if receipt.previous != previous {
                    return Err(wrong("it does not follow the receipt before it"));
                }
                if receipt.hash != receipt.expected_hash() {
                    return Err(wrong("its content does not match its hash"));
                }
                previous = receipt.hash;
            }
        }
        Ok(())
    }
}

impl Table {
    fn get(&self, id: ReceiptId) -> Option<&Receipt> {
        self.receipts.get(usize::try_from(id).ok()?.checked_sub(1)?)
    }

    fn open_attempt(&self, tenant: &str) -> Option<&Receipt> {
        let chain = self.chains.get(tenant)?;
        // At most one is open, so the last of either kind decides.
        let last = chain
            .iter()
            .rev()
            .filter_map(|id| self.get(*id))
            .find(|receipt| {
                matches!(
                    receipt.kind,
                    ReceiptKind::Attempt { .. } | ReceiptKind::Result { .. }
                )
            })?;
        matches!(last.kind, ReceiptKind::Attempt { .. }).then_some(last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft(tenant: &str, key: Option<&str>) -> Draft {
        Draft {
            tenant: tenant.into(),
            kind: ReceiptKind::Refusal {
                reason: "no".into(),
            },
            payload: String::new(),
            key: key.map(Into::into),
        }
    }

    #[test]
    fn chains_of_tenants_are_separate_and_verify() {
        let store = Store::new();
        for i in 0..10 {
            store.append(draft(["a", "b", "c"][i % 3], None));
        }
        assert_eq!(store.verify(), Ok(()));
        let chain = store.of_tenant("b");
        assert_eq!(
            chain.iter().map(|receipt| receipt.id).collect::<Vec<_>>(),
            [2, 5, 8]
        );
        assert_eq!(chain[0].previous, Hash::GENESIS);
        assert_eq!(chain[2].previous, chain[1].hash);
    }

    #[test]
    fn a_change_to_any_receipt_breaks_its_chain_there() {
        for tamper in [
            (|receipt: &mut Receipt| receipt.payload.push('x')) as fn(&mut Receipt),
            |receipt| receipt.time_ns += 1,
            |receipt| receipt.kind = ReceiptKind::Refusal { reason: "n".into() },
            |receipt| receipt.previous = Hash([1; 32]),
            |receipt| receipt.id += 1,
            |receipt| {
                // A forger who also writes the hash anew is found out by the next link.
                receipt.payload.push('x');
                receipt.hash = receipt.expected_hash();
            },
        ] {
            let store = Store::new();
            for _ in 0..5 {
                store.append(draft("a", None));
            }
            tamper(&mut store.0.lock().unwrap().receipts[2]);
            let position = store.verify().unwrap_err().position;
            assert!((2..=3).contains(&position), "{position}");
        }
    }

    #[test]
    fn one_key_gives_one_receipt() {
        let store = Store::new();
        let first = store.append(draft("a", Some("k")));
        assert_eq!(store.append(draft("a", Some("k"))), first);
        assert_eq!(store.append(draft("a", None)).id, 2);
        assert_eq!(store.all().len(), 2);
    }
}
