//! What must hold, as checks: for simulations and, where they are cheap, live.
//!
//! Each check looks at what anybody can see of a part and gives all violations
//! that it finds. The numbers are those of the list below.
//!
//! | | holds | checked by |
//! |---|---|---|
//! | 8 | a permanent child runs, once the system is at rest | [`tree_at_rest`] |
//! | 15 | idle + lent = size + overflow, and overflow within its bound | [`pool`] |
//! | 19 | no worker beyond the size once all are given back | [`pool`] |
//! | 21 | governors change state as declared | [`governors`] |
//! | 24 | an action ends within its time, and once; one at a time for a tenant | [`governors`] |
//! | 25 | the hash chains verify | [`ledger`] |
//! | 26 | what was acknowledged is there, unchanged | [`acknowledged`] |
//! | 28 | ids have no gaps | [`ledger`] |
//! | 29 | one idempotency key, at most one receipt | [`ledger`] |

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use crate::governor::Governor;
use crate::ledger::{Receipt, ReceiptKind, Store};
use crate::pool::{PoolConfig, PoolStatus};
use crate::statem::{Rule, StateMachine as _};
use crate::supervisor::{Restart, Tree};

/// Something that must hold and does not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The invariant's number.
    pub invariant: u32,
    /// What is wrong.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "invariant {}: {}", self.invariant, self.what)
    }
}

fn violation(invariant: u32, what: String) -> Violation {
    Violation { invariant, what }
}

/// 25, 28 and 29, at any time. Costs a hash for each receipt.
#[must_use]
pub fn ledger(store: &Store) -> Vec<Violation> {
    let mut violations = Vec::new();
    if let Err(error) = store.verify() {
        violations.push(violation(25, error.to_string()));
    }
    violations.extend(sequence(&store.all()));
    violations
}

/// 28 and 29 for receipts in the order of the ledger.
#[must_use]
pub fn sequence(receipts: &[Receipt]) -> Vec<Violation> {
    let mut violations = Vec::new();
    let mut keys: BTreeMap<&str, u64> = BTreeMap::new();
    for (place, receipt) in receipts.iter().enumerate() {
        let expected = place as u64 + 1;
        if receipt.id != expected {
            let what = format!("receipt {} stands where {expected} should", receipt.id);
            violations.push(violation(28, what));
        }
        if let Some(key) = &receipt.key
            && let Some(earlier) = keys.insert(key, receipt.id)
        {
            let what = format!("receipts {earlier} and {} have the key `{key}`", receipt.id);
            violations.push(violation(29, what));
        }
    }
    violations
}

/// 26: what clients were told is there.
#[must_use]
pub fn acknowledged(store: &Store, acknowledged: &[Receipt]) -> Vec<Violation> {
    let wrong = acknowledged.iter().filter_map(|receipt| {
        let what = match store.get(receipt.id) {
            None => "is lost",
            Some(kept) if kept != *receipt => "has changed",
            Some(_) => return None,
        };
        Some(violation(26, format!("receipt {} {what}", receipt.id)))
    });
    wrong.collect()
}

/// 21 and 24, from the receipts of all tenants, once no action may be in flight
/// any more. `within` is the longest that an action may take.
#[must_use]
pub fn governors(receipts: &[Receipt], within: Duration) -> Vec<Violation> {
    let mut violations = Vec::new();
    let declared: BTreeSet<(String, String)> = declared_transitions();
    // By tenant: the attempt in flight.
    let mut open: BTreeMap<&str, u64> = BTreeMap::new();
    for receipt in receipts {
        let (id, tenant) = (receipt.id, receipt.tenant.as_str());
        match &receipt.kind {
            ReceiptKind::Transition { from, to } => {
                if !declared.contains(&(from.clone(), to.clone())) {
                    let what = format!("receipt {id}: {tenant} went from {from} to {to}");
                    violations.push(violation(21, what));
                }
            }
            ReceiptKind::Attempt { .. } => {
                if let Some(earlier) = open.insert(tenant, id) {
                    let what = format!("{tenant} began action {id} while {earlier} was in flight");
                    violations.push(violation(24, what));
                }
            }
            ReceiptKind::Result {
                attempt,
                duration_ns,
                ..
            } => {
                if open.get(tenant) == Some(attempt) {
                    open.remove(tenant);
                } else {
                    let what = format!("receipt {id}: {attempt} of {tenant} was not in flight");
                    violations.push(violation(24, what));
                }
                let took = Duration::from_nanos(*duration_ns);
                if took > within {
                    let what = format!("action {attempt} of {tenant} took {took:?}");
                    violations.push(violation(24, what));
                }
            }
            ReceiptKind::Refusal { .. } => {}
        }
    }
    for (tenant, attempt) in open {
        let what = format!("action {attempt} of {tenant} has no result");
        violations.push(violation(24, what));
    }
    violations
}

fn declared_transitions() -> BTreeSet<(String, String)> {
    let table = Governor::table();
    let mut declared = BTreeSet::new();
    for (from, _, rule) in table.rules() {
        if let Rule::Handle(targets) = rule {
            let targets = targets.iter().map(|to| (from.to_string(), to.to_string()));
            declared.extend(targets);
        }
    }
    declared
}

/// 15 at any time, and 19 once all workers have been given back.
#[must_use]
pub fn pool(config: &PoolConfig, status: &PoolStatus) -> Vec<Violation> {
    let mut violations = Vec::new();
    let (size, overflow) = (config.size as usize, status.overflow as usize);
    let (idle, leased) = (status.idle, status.leased);
    if idle + leased != size + overflow || status.overflow > config.max_overflow {
        let what = format!(
            "{idle} idle and {leased} lent, of {size} and {overflow} more (at most {})",
            config.max_overflow
        );
        violations.push(violation(15, what));
    }
    if leased == 0 && overflow > 0 {
        let what = format!("nothing is lent, and {overflow} workers are too many");
        violations.push(violation(19, what));
    }
    violations
}

/// 8: once nothing fails any more, every permanent child runs.
#[must_use]
pub fn tree_at_rest(tree: &Tree) -> Vec<Violation> {
    let mut violations = Vec::new();
    let mut next = vec![tree];
    while let Some(tree) = next.pop() {
        if let Some(info) = &tree.info
            && info.restart == Restart::Permanent
            && info.actor.is_none()
        {
            violations.push(violation(8, format!("`{}` does not run", tree.id)));
        }
        next.extend(&tree.children);
    }
    violations
}
