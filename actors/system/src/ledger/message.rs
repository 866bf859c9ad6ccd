//! What a ledger is asked, and why it does not answer.

use std::time::Duration;

use ractor::RpcReplyPort;
use retake::ServiceFailure;

use super::log::RECEIPT_MAX;
use super::receipt::{Draft, Receipt, ReceiptId};

/// Why a ledger did not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LedgerError {
    /// It is not running, or ended before it answered.
    #[error("the ledger is not running")]
    Closed,
    /// It did not answer in time; the receipt may have been appended.
    #[error("the ledger did not answer within {0:?}")]
    Timeout(Duration),
    /// An injected failure.
    #[error("the ledger refuses: {0}")]
    Refused(ServiceFailure),
    /// There is no room on its disk; nothing was appended.
    #[error("the ledger's disk is full")]
    Full,
    /// The draft is above [`DRAFT_BYTES_MAX`], or all of them above
    /// [`DRAFTS_BYTES_MAX`].
    #[error("a receipt has at most {DRAFT_BYTES_MAX} bytes of text")]
    TooLarge,
}

/// A receipt or receipts, or the reason for their absence.
pub(super) type Answer<T> = Result<T, LedgerError>;

/// Largest sum of a draft's texts, in bytes: a receipt that has them can be read again.
pub const DRAFT_BYTES_MAX: usize = RECEIPT_MAX / 2;
/// Largest sum of the texts of drafts that are appended together, in bytes.
pub const DRAFTS_BYTES_MAX: usize = 64 * RECEIPT_MAX;

/// What a ledger is asked.
#[derive(Debug)]
pub enum LedgerMessage {
    /// Append a receipt; the answer acknowledges it.
    Append(Draft, RpcReplyPort<Answer<Receipt>>),
    /// Append receipts in this order; the answer acknowledges them all.
    AppendAll(Vec<Draft>, RpcReplyPort<Answer<Vec<Receipt>>>),
    /// Leave a receipt for what is refused, or count it: see [`LedgerRef::refuse`](super::LedgerRef::refuse).
    Refuse(Draft, RpcReplyPort<Answer<Receipt>>),
    /// The receipt of this id.
    Get(ReceiptId, RpcReplyPort<Option<Receipt>>),
    /// All receipts of a tenant, in the order of its chain.
    OfTenant(String, RpcReplyPort<Vec<Receipt>>),
    /// From the ledger to itself: write what waits for others.
    Commit,
    /// From the ledger to itself: write how many refusals were counted.
    WriteCounts,
}
