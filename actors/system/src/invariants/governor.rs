//! What governors write into the ledger.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::governor::Governor;
use crate::ledger::{Receipt, ReceiptKind};
use retake_otp::invariants::Violation;
use retake_otp::statem::{Rule, StateMachine};

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
                    violations.push(Violation::new(21, what));
                }
            }
            ReceiptKind::Attempt { .. } => {
                if let Some(earlier) = open.insert(tenant, id) {
                    let what = format!("{tenant} began action {id} while {earlier} was in flight");
                    violations.push(Violation::new(24, what));
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
                    violations.push(Violation::new(24, what));
                }
                let took = Duration::from_nanos(*duration_ns);
                if took > within {
                    let what = format!("action {attempt} of {tenant} took {took:?}");
                    violations.push(Violation::new(24, what));
                }
            }
            ReceiptKind::Refusal { .. }
            | ReceiptKind::Refusals { .. }
            | ReceiptKind::Signal { .. }
            | ReceiptKind::Entitlement { .. } => {}
        }
    }
    for (tenant, attempt) in open {
        let what = format!("action {attempt} of {tenant} has no result");
        violations.push(Violation::new(24, what));
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
