//! Where receipts are kept to be read: in memory, with indices, shared by the
//! incarnations of a ledger.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::RangeBounds;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::receipt::{Draft, Hash, Receipt, ReceiptId, ReceiptKind};
use super::verify::{Break, wrong_link};

/// Receipts in memory. Clones share them. Readers see those that are acknowledged.
#[derive(Clone, Default)]
pub struct Store(Arc<Mutex<Table>>);

#[derive(Default)]
struct Table {
    /// The receipt of id `n` is at `n - 1`. Their times do not go back.
    receipts: Vec<Receipt>,
    chains: BTreeMap<String, Vec<ReceiptId>>,
    by_key: BTreeMap<String, ReceiptId>,
    by_signal: BTreeMap<String, Vec<ReceiptId>>,
    /// So many receipts are acknowledged; readers see no others.
    acknowledged: usize,
    /// What the texts of all receipts and indices take.
    text_bytes: usize,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Store({} receipts)", self.table().receipts.len())
    }
}

impl Store {
    /// No receipts.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        // A table is whole at any time, also after a panic of another holder.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Append to the tenant's chain. A draft whose key is known gives the receipt
    /// that is there, and changes nothing.
    pub fn append(&self, draft: Draft) -> Receipt {
        let receipt = self.append_new(draft, Some(retake::unix_time())).0;
        self.acknowledge();
        receipt
    }

    /// What was appended may be seen.
    pub(super) fn acknowledge(&self) {
        let mut table = self.table();
        table.acknowledged = table.receipts.len();
    }

    /// Take away what was appended and is not acknowledged.
    pub(super) fn roll_back(&self) {
        let mut table = self.table();
        while table.receipts.len() > table.acknowledged {
            table.remove_last();
        }
    }

    /// True if there is a receipt of this key, acknowledged or not.
    pub(super) fn has_key(&self, key: &str) -> bool {
        self.table().by_key.contains_key(key)
    }

    /// [`Store::append`] at this time, without an acknowledgement yet, and whether the
    /// receipt is new. Without a time, or with one that went back, it has the time
    /// of the receipt before it.
    pub(super) fn append_new(&self, draft: Draft, time: Option<Duration>) -> (Receipt, bool) {
        let mut table = self.table();
        let known = draft.key.as_ref().and_then(|key| table.by_key.get(key));
        if let Some(receipt) = known.and_then(|id| table.get(*id)) {
            return (receipt.clone(), false);
        }
        let id = table.receipts.len() as u64 + 1;
        let previous = table.last_hash(&draft.tenant);
        let latest_ns = table.receipts.last().map_or(0, |receipt| receipt.time_ns);
        let time = time.unwrap_or_default().as_nanos();
        let time_ns = u64::try_from(time).unwrap_or(u64::MAX).max(latest_ns);
        let receipt = Receipt::new(id, draft, time_ns, previous);
        table.insert(receipt.clone());
        (receipt, true)
    }

    /// Take the place of what is there.
    pub(super) fn replace(&self, receipts: Vec<Receipt>) {
        let mut table = self.table();
        *table = Table::default();
        for receipt in receipts {
            table.insert(receipt);
        }
        table.acknowledged = table.receipts.len();
    }

    /// The receipt of this id.
    #[must_use]
    pub fn get(&self, id: ReceiptId) -> Option<Receipt> {
        self.table().read(id).cloned()
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
        table.all_of(ids)
    }

    /// The last receipt of a tenant that is of this kind.
    #[must_use]
    pub fn last_of_tenant(
        &self,
        tenant: &str,
        is_it: impl Fn(&Receipt) -> bool,
    ) -> Option<Receipt> {
        let table = self.table();
        let ids = table.chains.get(tenant)?;
        let mut receipts = ids.iter().rev().filter_map(|id| table.read(*id));
        receipts.find(|receipt| is_it(receipt)).cloned()
    }

    /// All receipts that come from a signal, in the order of their ids.
    #[must_use]
    pub fn of_signal(&self, signal: &str) -> Vec<Receipt> {
        let table = self.table();
        let ids = table.by_signal.get(signal).map(Vec::as_slice);
        table.all_of(ids.unwrap_or_default())
    }

    /// The receipt that has this idempotency key.
    #[must_use]
    pub fn of_key(&self, key: &str) -> Option<Receipt> {
        let table = self.table();
        table.read(*table.by_key.get(key)?).cloned()
    }

    /// All receipts of a time range, in nanoseconds of Unix time.
    #[must_use]
    pub fn in_time(&self, range: impl RangeBounds<u64>) -> Vec<Receipt> {
        use std::ops::Bound::{Excluded, Included, Unbounded};
        let table = self.table();
        let receipts = table.acknowledged();
        let start = match range.start_bound() {
            Included(time) => receipts.partition_point(|receipt| receipt.time_ns < *time),
            Excluded(time) => receipts.partition_point(|receipt| receipt.time_ns <= *time),
            Unbounded => 0,
        };
        let end = match range.end_bound() {
            Included(time) => receipts.partition_point(|receipt| receipt.time_ns <= *time),
            Excluded(time) => receipts.partition_point(|receipt| receipt.time_ns < *time),
            Unbounded => receipts.len(),
        };
        receipts.get(start..end).unwrap_or_default().to_vec()
    }

    /// Number of receipts.
    #[must_use]
    pub fn len(&self) -> usize {
        self.table().acknowledged().len()
    }

    /// True without receipts.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes that the receipts and their indices take in memory, roughly.
    #[must_use]
    pub fn bytes(&self) -> usize {
        /// Of an entry in each of the three indices, measured.
        const INDICES: usize = 200;
        let table = self.table();
        let receipts = table.receipts.capacity() * size_of::<Receipt>();
        receipts + table.receipts.len() * INDICES + table.text_bytes
    }

    /// All receipts in the order of their ids.
    #[must_use]
    pub fn all(&self) -> Vec<Receipt> {
        self.table().acknowledged().to_vec()
    }

    /// Receipts that wait for their acknowledgement, in the order of their ids.
    #[must_use]
    pub fn unacknowledged(&self) -> Vec<Receipt> {
        let table = self.table();
        table.receipts[table.acknowledged..].to_vec()
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
                if let Some(problem) = wrong_link(receipt, previous) {
                    return Err(wrong(problem));
                }
                previous = receipt.hash;
            }
        }
        Ok(())
    }
}

/// Bytes of a receipt's texts, here and in the indices.
fn text_bytes(receipt: &Receipt) -> usize {
    let texts = [&receipt.key, &receipt.signal].map(|text| text.as_ref().map_or(0, String::len));
    // Keys and signals are in the indices as well.
    receipt.tenant.len() + receipt.payload.len() + 2 * (texts[0] + texts[1])
}

impl Table {
    fn remove_last(&mut self) {
        let Some(receipt) = self.receipts.pop() else {
            return;
        };
        self.text_bytes -= text_bytes(&receipt);
        // Its number is the last one in each list that it is in.
        if let Some(chain) = self.chains.get_mut(&receipt.tenant) {
            chain.pop();
            if chain.is_empty() {
                self.chains.remove(&receipt.tenant);
            }
        }
        if let Some(key) = &receipt.key {
            self.by_key.remove(key);
        }
        if let Some(signal) = &receipt.signal
            && let Some(of_signal) = self.by_signal.get_mut(signal)
        {
            of_signal.pop();
            if of_signal.is_empty() {
                self.by_signal.remove(signal);
            }
        }
    }

    fn insert(&mut self, receipt: Receipt) {
        let id = receipt.id;
        let chain = self.chains.entry(receipt.tenant.clone()).or_default();
        chain.push(id);
        if let Some(key) = &receipt.key {
            self.by_key.insert(key.clone(), id);
        }
        if let Some(signal) = &receipt.signal {
            let of_signal = self.by_signal.entry(signal.clone()).or_default();
            of_signal.push(id);
        }
        self.text_bytes += text_bytes(&receipt);
        self.receipts.push(receipt);
    }

    fn last_hash(&self, tenant: &str) -> Hash {
        let last = self.chains.get(tenant).and_then(|chain| chain.last());
        let last = last.and_then(|id| self.get(*id));
        last.map_or(Hash::GENESIS, |receipt| receipt.hash)
    }

    fn acknowledged(&self) -> &[Receipt] {
        &self.receipts[..self.acknowledged]
    }

    fn read(&self, id: ReceiptId) -> Option<&Receipt> {
        let place = usize::try_from(id).ok()?.checked_sub(1)?;
        self.acknowledged().get(place)
    }

    fn all_of(&self, ids: &[ReceiptId]) -> Vec<Receipt> {
        ids.iter()
            .filter_map(|id| self.read(*id))
            .cloned()
            .collect()
    }

    fn get(&self, id: ReceiptId) -> Option<&Receipt> {
        self.receipts.get(usize::try_from(id).ok()?.checked_sub(1)?)
    }

    fn open_attempt(&self, tenant: &str) -> Option<&Receipt> {
        let chain = self.chains.get(tenant)?;
        // At most one is open, so the last of either kind decides.
        let last = chain
            .iter()
            .rev()
            .filter_map(|id| self.read(*id))
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
            signal: None,
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
        for (place, tamper) in [
            (
                2,
                (|receipt: &mut Receipt| receipt.payload.push('x')) as fn(&mut Receipt),
            ),
            (2, |receipt| receipt.time_ns += 1),
            (2, |receipt| {
                receipt.kind = ReceiptKind::Refusal { reason: "n".into() }
            }),
            (2, |receipt| receipt.tenant.push('x')),
            (2, |receipt| receipt.previous = Hash([1; 32])),
            (2, |receipt| receipt.hash = Hash([1; 32])),
            (2, |receipt| receipt.id += 1),
            (3, |receipt| {
                // A forger who also writes a new hash is found out by the next link.
                receipt.payload.push('x');
                receipt.hash = receipt.expected_hash();
            }),
        ] {
            let store = Store::new();
            for _ in 0..5 {
                store.append(draft("a", None));
            }
            tamper(&mut store.0.lock().unwrap().receipts[2]);
            assert_eq!(store.verify().unwrap_err().position, place);
            let found = crate::invariants::ledger(&store);
            assert_eq!(found[0].invariant, 25);
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

    #[test]
    fn receipts_are_found_by_id_key_signal_tenant_and_time() {
        let store = Store::new();
        for number in 0..6_u64 {
            store.append(Draft {
                signal: Some(format!("signal-{}", number / 2)),
                key: Some(format!("key-{number}")),
                ..draft(["a", "b"][number as usize % 2], None)
            });
        }
        let times = {
            let mut table = store.0.lock().unwrap();
            for (place, receipt) in table.receipts.iter_mut().enumerate() {
                receipt.time_ns = 10 * (place as u64 / 2);
            }
            table
                .receipts
                .iter()
                .map(|it| it.time_ns)
                .collect::<Vec<_>>()
        };
        assert_eq!(times, [0, 0, 10, 10, 20, 20]);
        let ids = |receipts: Vec<Receipt>| receipts.iter().map(|it| it.id).collect::<Vec<_>>();
        assert_eq!(ids(store.of_signal("signal-1")), [3, 4]);
        assert!(ids(store.of_signal("none")).is_empty());
        assert_eq!(store.of_key("key-4").unwrap().id, 5);
        assert_eq!(ids(store.of_tenant("b")), [2, 4, 6]);
        assert_eq!(ids(store.in_time(..)), [1, 2, 3, 4, 5, 6]);
        assert_eq!(ids(store.in_time(1..20)), [3, 4]);
        assert_eq!(ids(store.in_time(10..=20)), [3, 4, 5, 6]);
        assert!(ids(store.in_time(21..)).is_empty());
    }
}
