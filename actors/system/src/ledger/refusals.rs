//! A bound on what refused requests cost.
//!
//! Anybody can send requests that are refused, and each refusal leaves a receipt, which is
//! kept for ever. So only [`BURST`] of them, and one more each [`REFILL`], leave a receipt of
//! their own. Those beyond are answered with the last receipt of the same tenant and reason,
//! and counted; each [`PERIOD`] the counts become receipts.

use std::collections::BTreeMap;
use std::time::Duration;

use super::receipt::{Draft, Receipt, ReceiptId, ReceiptKind};

/// Refusals with a receipt of their own, at once.
pub(super) const BURST: u32 = 1_000;
/// One more may have a receipt of its own after this time.
pub(super) const REFILL: Duration = Duration::from_secs(1);
/// Counted refusals have a receipt after this time.
pub(super) const PERIOD: Duration = Duration::from_secs(60);
/// Tenants with reasons that are counted at once; the counts become receipts before there
/// are more.
const PAIRS_MAX: usize = 1_024;

#[derive(Debug)]
pub(super) struct Refusals {
    left: u32,
    refilled: retake::Instant,
    /// By tenant and reason.
    last: BTreeMap<(String, String), Last>,
}

#[derive(Debug)]
struct Last {
    receipt: Receipt,
    /// Refusals that were answered with it and not written yet.
    counted: u64,
}

impl Refusals {
    pub(super) fn new() -> Self {
        Self {
            left: BURST,
            refilled: retake::now(),
            last: BTreeMap::new(),
        }
    }

    /// The receipt that covers a refusal beyond the limit; none if it has one of
    /// its own. Counts it either way.
    pub(super) fn count(&mut self, tenant: &str, reason: &str) -> Option<Receipt> {
        self.refill();
        if self.left > 0 {
            self.left -= 1;
            return None;
        }
        let pair = (tenant.to_owned(), reason.to_owned());
        // The first of its kind has one in any case, to be answered with.
        let last = self.last.get_mut(&pair)?;
        last.counted += 1;
        Some(last.receipt.clone())
    }

    fn refill(&mut self) {
        let since = retake::now().duration_since(self.refilled);
        let more = since.as_nanos() / REFILL.as_nanos();
        let more = u32::try_from(more).unwrap_or(BURST).min(BURST);
        if more > 0 {
            self.left = self.left.saturating_add(more).min(BURST);
            self.refilled = retake::now();
        }
    }

    /// A refusal has this receipt of its own.
    pub(super) fn wrote(&mut self, reason: &str, receipt: &Receipt) {
        let pair = (receipt.tenant.clone(), reason.to_owned());
        match self.last.get_mut(&pair) {
            Some(last) => last.receipt = receipt.clone(),
            None => {
                let receipt = receipt.clone();
                let last = Last {
                    receipt,
                    counted: 0,
                };
                self.last.insert(pair, last);
            }
        }
    }

    /// True if the counts have to become receipts before another one is kept.
    pub(super) fn is_full(&self) -> bool {
        self.last.len() >= PAIRS_MAX
    }

    /// The counts as receipts to be.
    pub(super) fn drafts(&self) -> Vec<Draft> {
        let counted = self.last.iter().filter(|(_, last)| last.counted > 0);
        let drafts = counted.map(|((tenant, reason), last)| Draft {
            tenant: tenant.clone(),
            kind: ReceiptKind::Refusals {
                reason: reason.clone(),
                count: last.counted,
            },
            payload: format!("answered with receipt {}", last.receipt.id),
            signal: None,
            key: None,
        });
        drafts.collect()
    }

    /// The counts have been written.
    pub(super) fn clear(&mut self) {
        if self.is_full() {
            self.last.clear();
        }
        for last in self.last.values_mut() {
            last.counted = 0;
        }
    }

    /// Receipts above this one were not written after all. Who was to be answered with one
    /// gets an error.
    pub(super) fn roll_back(&mut self, last_id: ReceiptId) {
        self.last.retain(|_, last| last.receipt.id <= last_id);
    }
}
