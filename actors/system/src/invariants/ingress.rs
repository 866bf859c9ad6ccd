//! The HTTP ingress.

use std::collections::BTreeMap;

use crate::ledger::{Receipt, ReceiptId, ReceiptKind, Store};
use retake_otp::invariants::Violation;

/// 32: `answers` are the status and receipt of what clients got. 200 has a receipt
/// that is there; what has another status changed nothing but a refusal.
#[must_use]
pub fn answers(store: &Store, answers: &[(u16, Option<ReceiptId>)]) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (status, receipt) in answers {
        let kept = receipt.and_then(|id| store.get(id));
        let is_refusal = |kept: &Receipt| matches!(kept.kind, ReceiptKind::Refusal { .. });
        let what = match (status, receipt, kept) {
            (200, None, _) => "200 without a receipt".to_owned(),
            (_, Some(id), None) => format!("{status} with receipt {id}, which is not there"),
            (200, Some(id), Some(kept)) if is_refusal(&kept) => {
                format!("200 with receipt {id}, which is a refusal")
            }
            (400.., Some(id), Some(kept)) if !is_refusal(&kept) => {
                format!("{status} with receipt {id}, which is no refusal")
            }
            _ => continue,
        };
        violations.push(Violation::new(32, what));
    }
    violations
}

/// 33: `shed` requests were turned away as too many, `most` were worked on at once,
/// and `max` may be.
#[must_use]
pub fn shedding(shed: usize, most: usize, max: usize) -> Vec<Violation> {
    let what = if most > max {
        format!("{most} requests were worked on at once, {max} may be")
    } else if shed > 0 && most < max {
        format!("{shed} requests were shed, with {most} of {max} at once")
    } else {
        return Vec::new();
    };
    vec![Violation::new(33, what)]
}

/// 34: nothing is taken after its client's deadline, in nanoseconds of Unix time by
/// the signal's id.
#[must_use]
pub fn late_work(receipts: &[Receipt], deadlines_ns: &BTreeMap<String, u64>) -> Vec<Violation> {
    let late = receipts.iter().filter_map(|receipt| {
        let ReceiptKind::Signal { .. } = receipt.kind else {
            return None;
        };
        let id = receipt.signal.as_ref()?;
        let deadline_ns = *deadlines_ns.get(id)?;
        (receipt.time_ns > deadline_ns).then(|| {
            let late = std::time::Duration::from_nanos(receipt.time_ns - deadline_ns);
            Violation::new(
                34,
                format!("signal {id} was taken {late:?} after its deadline"),
            )
        })
    });
    late.collect()
}

/// 35: nothing is worked on any more, some time after the load has ended.
#[must_use]
pub fn drained(in_flight: usize) -> Vec<Violation> {
    if in_flight == 0 {
        return Vec::new();
    }
    vec![Violation::new(
        35,
        format!("{in_flight} requests are still worked on"),
    )]
}
