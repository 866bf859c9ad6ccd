//! Receipts.

use std::collections::BTreeMap;

use crate::ledger::{Receipt, Store, verify};
use retake_otp::invariants::Violation;

/// 25, 28 and 29, at any time. Costs a hash for each receipt.
#[must_use]
pub fn ledger(store: &Store) -> Vec<Violation> {
    let mut violations = Vec::new();
    if let Err(error) = store.verify() {
        violations.push(Violation::new(25, error.to_string()));
    }
    violations.extend(sequence(&store.all()));
    violations
}

/// 25 for receipts in the order of their ledger, wherever they come from.
#[must_use]
pub fn chains(receipts: &[Receipt]) -> Vec<Violation> {
    let broken = verify(receipts).err();
    broken
        .map(|broken| Violation::new(25, broken.to_string()))
        .into_iter()
        .collect()
}

/// 28 and 29 for receipts in the order of the ledger.
#[must_use]
pub fn sequence(receipts: &[Receipt]) -> Vec<Violation> {
    let mut violations = Vec::new();
    let mut keys: BTreeMap<&str, u64> = BTreeMap::new();
    for (place, receipt) in receipts.iter().enumerate() {
        let expected = place as u64 + 1;
        if receipt.id != expected {
            let what = format!("receipt {} is where {expected} should be", receipt.id);
            violations.push(Violation::new(28, what));
        }
        if let Some(key) = &receipt.key
            && let Some(earlier) = keys.insert(key, receipt.id)
        {
            let what = format!("receipts {earlier} and {} have the key `{key}`", receipt.id);
            violations.push(Violation::new(29, what));
        }
    }
    violations
}

/// 26: what was acknowledged to clients is there.
#[must_use]
pub fn acknowledged(store: &Store, acknowledged: &[Receipt]) -> Vec<Violation> {
    let wrong = acknowledged.iter().filter_map(|receipt| {
        let what = match store.get(receipt.id) {
            None => "is lost",
            Some(kept) if kept != *receipt => "has changed",
            Some(_) => return None,
        };
        Some(Violation::new(26, format!("receipt {} {what}", receipt.id)))
    });
    wrong.collect()
}

/// 27 and 30, after a recovery. `written` is what was handed to the disk, in order;
/// the first `acknowledged` of it were acknowledged.
#[must_use]
pub fn recovery(written: &[Receipt], acknowledged: usize, recovered: &Store) -> Vec<Violation> {
    let mut violations = Vec::new();
    let there = recovered.all();
    if there.len() < acknowledged {
        let what = format!(
            "{} receipts are there of {acknowledged} that were acknowledged",
            there.len()
        );
        violations.push(Violation::new(27, what));
    }
    for (place, receipt) in there.iter().enumerate() {
        if written.get(place) != Some(receipt) {
            let what = format!("receipt {} is served, but was not written so", receipt.id);
            violations.push(Violation::new(30, what));
        }
    }
    violations
}

/// 31: two recoveries of one disk, also when the first was cut short and tried again.
#[must_use]
pub fn same_recovery(first: &Store, second: &Store) -> Vec<Violation> {
    let (first, second) = (first.all(), second.all());
    let same = first
        .iter()
        .zip(&second)
        .take_while(|(a, b)| a == b)
        .count();
    if same == first.len() && same == second.len() {
        return Vec::new();
    }
    let what = format!(
        "{} receipts, then {}: they differ from receipt {} on",
        first.len(),
        second.len(),
        same + 1
    );
    vec![Violation::new(31, what)]
}
