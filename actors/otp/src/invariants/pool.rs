//! The pool.

use std::collections::{BTreeMap, BTreeSet};

use super::violation::{Violation, violation};
use crate::journal::{Entry, Event, Lifecycle};
use crate::pool::{PoolConfig, PoolStatus};

/// 12, 15 and 20 at any time, and 19 once all workers have been given back.
#[must_use]
pub fn pool(config: &PoolConfig, status: &PoolStatus) -> Vec<Violation> {
    let mut violations = Vec::new();
    let (size, overflow) = (config.size as usize, status.overflow as usize);
    let (idle, leased) = (status.idle, status.leased);
    if let Some(bound) = config.max_waiting
        && status.waiting_max > bound as usize
    {
        let what = format!("{} clients waited, {bound} may", status.waiting_max);
        violations.push(violation(12, what));
    }
    if idle + leased != size + overflow || status.overflow > config.max_overflow {
        let what = format!(
            "{idle} idle and {leased} leased, of {size} and {overflow} more (at most {})",
            config.max_overflow
        );
        violations.push(violation(15, what));
    }
    if leased == 0 && overflow > 0 {
        let what = format!("nothing is leased, and {overflow} workers are too many");
        violations.push(violation(19, what));
    }
    if status.waiting > 0 && (idle > 0 || status.overflow < config.max_overflow) {
        let what = format!(
            "{} clients wait, with {idle} workers idle and {overflow} of {} more started",
            status.waiting, config.max_overflow
        );
        violations.push(violation(20, what));
    }
    violations
}

/// 16: `held` is how many leases clients that live hold, at a moment when the pool
/// knows of each one that was given back.
#[must_use]
pub fn pool_leases(status: &PoolStatus, held: usize) -> Vec<Violation> {
    if status.leased <= held {
        return Vec::new();
    }
    let what = format!("{} workers are leased, {held} are held", status.leased);
    vec![violation(16, what)]
}

/// 17 and 18, from the entries of the pool of this name.
#[must_use]
pub fn pool_journal(entries: &[Entry], pool: &str) -> Vec<Violation> {
    let mut violations = Vec::new();
    let mut leased: BTreeMap<&str, u64> = BTreeMap::new();
    let mut waiting: BTreeSet<u64> = BTreeSet::new();
    for entry in entries.iter().filter(|entry| entry.who == pool) {
        match &entry.event {
            // Another incarnation starts without any.
            Event::Life(_, Lifecycle::Starting) => {
                leased.clear();
                waiting.clear();
            }
            Event::Waits(client) => {
                waiting.insert(*client);
            }
            Event::Withdrew(client) => {
                waiting.remove(client);
            }
            Event::Leased(worker, client) => {
                if let Some(earlier) = leased.insert(worker, *client) {
                    let what = format!("{worker} is leased to {earlier} and to {client}");
                    violations.push(violation(17, what));
                }
                waiting.remove(client);
                if let Some(first) = waiting.first().filter(|first| *first < client) {
                    let what = format!("client {client} is served before {first}, who waits");
                    violations.push(violation(18, what));
                }
            }
            Event::Returned(worker) if leased.remove(worker.as_str()).is_none() => {
                let what = format!("{worker} is given back, and was not leased");
                violations.push(violation(17, what));
            }
            _ => {}
        }
    }
    if leased.is_empty() && !waiting.is_empty() {
        let what = format!("all workers are given back, and {waiting:?} still wait");
        violations.push(violation(18, what));
    }
    violations
}
