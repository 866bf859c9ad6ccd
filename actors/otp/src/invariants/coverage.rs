//! Which events each state of a machine has met.

use std::collections::BTreeMap;
use std::fmt::{self, Debug, Display};

use super::violation::{Violation, violation};
use crate::statem::{Inspection, Rule, Table};

/// 23: which of its declared pairs of state and event a machine has met, summed up
/// over as many machines and runs as are [added](Coverage::add).
///
/// Prints as a table with a row for each pair, those that were never met marked.
#[derive(Clone, Debug)]
pub struct Coverage<S, K> {
    declared: BTreeMap<(S, K), Declaration>,
    met: BTreeMap<(S, K), u64>,
}

#[derive(Clone, Copy, Debug)]
enum Declaration {
    Handles,
    Postpones,
    Ignores,
}

impl<S: Copy + Ord + Debug + Display, K: Copy + Ord + Display> Coverage<S, K> {
    /// Nothing has been met of this table.
    #[must_use]
    pub fn new(table: &Table<S, K>) -> Self {
        let declared = table.rules().map(|(state, event, rule)| {
            let rule = match rule {
                Rule::Handle(_) => Declaration::Handles,
                Rule::Postpone => Declaration::Postpones,
                Rule::Ignore => Declaration::Ignores,
            };
            ((state, event), rule)
        });
        Self {
            declared: declared.collect(),
            met: BTreeMap::new(),
        }
    }

    /// Add what a machine has met.
    pub fn add(&mut self, machine: &Inspection<S, K>) {
        for (pair, times) in &machine.met {
            *self.met.entry(*pair).or_default() += times;
        }
    }

    /// Declared pairs that were never met.
    #[must_use]
    pub fn missing(&self) -> Vec<(S, K)> {
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

impl<S: Copy + Ord + Debug + Display, K: Copy + Ord + Display> fmt::Display for Coverage<S, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let met = self.declared.len() - self.missing().len();
        writeln!(f, "{met} of {} declared pairs met", self.declared.len())?;
        for ((state, event), declared) in &self.declared {
            let rule = match declared {
                Declaration::Handles => "",
                Declaration::Postpones => " (postponed)",
                Declaration::Ignores => " (ignored)",
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
