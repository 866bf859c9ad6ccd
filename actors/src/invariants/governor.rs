//! State machines, and what governors write into the ledger.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Debug, Display};
use std::time::Duration;

use super::{Violation, violation};
use crate::governor::Governor;
use crate::ledger::{Receipt, ReceiptKind};
use crate::statem::{Inspection, Rule, StateMachine, Table};

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
            ReceiptKind::Refusal { .. }
            | ReceiptKind::Refusals { .. }
            | ReceiptKind::Signal { .. }
            | ReceiptKind::Entitlement { .. } => {}
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

/// 23: which of its declared pairs of state and event a machine has met, summed up
/// over as many machines and runs as are [added](Coverage::add).
///
/// Prints as a table with a row for each pair, those that were never met marked.
#[derive(Clone, Debug)]
pub struct Coverage<S> {
    declared: BTreeMap<(S, &'static str), Declared>,
    met: BTreeMap<(S, &'static str), u64>,
}

#[derive(Clone, Copy, Debug)]
enum Declared {
    Handles,
    Postpones,
    Ignores,
}

impl<S: Copy + Ord + Debug + Display> Coverage<S> {
    /// Nothing has been met of this table.
    #[must_use]
    pub fn new(table: &Table<S>) -> Self {
        let declared = table.rules().map(|(state, event, rule)| {
            let rule = match rule {
                Rule::Handle(_) => Declared::Handles,
                Rule::Postpone => Declared::Postpones,
                Rule::Ignore => Declared::Ignores,
            };
            ((state, event), rule)
        });
        Self {
            declared: declared.collect(),
            met: BTreeMap::new(),
        }
    }

    /// Add what a machine has met.
    pub fn add(&mut self, machine: &Inspection<S>) {
        for (pair, times) in &machine.met {
            *self.met.entry(*pair).or_default() += times;
        }
    }

    /// Declared pairs that were never met.
    #[must_use]
    pub fn missing(&self) -> Vec<(S, &'static str)> {
        let declared = self.declared.keys().copied();
        declared
            .filter(|pair| !self.met.contains_key(pair))
            .collect()
    }

    /// 22: events that a state met and does not declare.
    #[must_use]
    pub fn violations(&self) -> Vec<Violation> {
        let undeclared = self
            .met
            .iter()
            .filter(|(pair, _)| !self.declared.contains_key(pair));
        undeclared
            .map(|((state, event), times)| {
                let what =
                    format!("state {state} does not declare `{event}`, which came {times} times");
                violation(22, what)
            })
            .collect()
    }
}

impl<S: Copy + Ord + Debug + Display> fmt::Display for Coverage<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let met = self.declared.len() - self.missing().len();
        writeln!(f, "{met} of {} declared pairs met", self.declared.len())?;
        for ((state, event), declared) in &self.declared {
            let rule = match declared {
                Declared::Handles => "",
                Declared::Postpones => " (postponed)",
                Declared::Ignores => " (ignored)",
            };
            let times = match self.met.get(&(*state, *event)) {
                Some(times) => times.to_string(),
                None => "NEVER".to_owned(),
            };
            writeln!(f, "{times:>8}  {state}: {event}{rule}")?;
        }
        Ok(())
    }
}
