//! How others talk to a ledger.

use std::sync::Arc;
use std::time::Duration;

use ractor::RpcReplyPort;

use retake_otp::{CallError, Names, call_in_full};

use super::message::{LedgerError, LedgerMessage};
use super::receipt::{Draft, Receipt, ReceiptId};

/// How long callers wait for a ledger.
const CALL_TIMEOUT: Duration = Duration::from_secs(5);

/// A way to a ledger, by its name: it stays good when the ledger is restarted.
#[derive(Clone, Debug)]
pub struct LedgerRef {
    name: Arc<str>,
}

impl LedgerRef {
    /// The ledger that is registered under this name.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self { name: name.into() }
    }

    async fn call<T: Send + 'static>(
        &self,
        message: impl FnOnce(RpcReplyPort<T>) -> LedgerMessage,
    ) -> Result<T, LedgerError> {
        let ledger = Names::find(&self.name).ok_or(LedgerError::Closed)?;
        let answer = call_in_full(&ledger, message, Some(CALL_TIMEOUT)).await;
        answer.map_err(|error| match error {
            CallError::Timeout(timeout) => LedgerError::Timeout(timeout),
            CallError::Closed => LedgerError::Closed,
        })
    }

    /// Append a receipt.
    ///
    /// # Errors
    /// If the ledger does not answer.
    pub async fn append(&self, draft: Draft) -> Result<Receipt, LedgerError> {
        // What has a key may be appended again by a client that got no answer.
        if draft.key.is_some() && retake::buggify!("ledger client: appends again") {
            let unanswered = self.call(|reply| LedgerMessage::Append(draft.clone(), reply));
            let _ = retake::timeout(Duration::ZERO, unanswered).await;
        }
        self.call(|reply| LedgerMessage::Append(draft, reply))
            .await?
    }

    /// Leave a receipt for what is refused, at a bounded cost: 1,000 refusals, and one more
    /// each second, have a receipt of their own. Beyond that the last receipt of the same
    /// tenant and reason is given, and how many were refused with it is appended once a
    /// minute. Such a count is lost with the process; a receipt is not. The tenants that
    /// this is called for must be bounded: use
    /// [`NO_TENANT`](super::NO_TENANT) for made-up names.
    ///
    /// # Errors
    /// If the ledger does not answer.
    pub async fn refuse(&self, draft: Draft) -> Result<Receipt, LedgerError> {
        self.call(|reply| LedgerMessage::Refuse(draft, reply))
            .await?
    }

    /// Append receipts in this order, together.
    ///
    /// # Errors
    /// If the ledger does not answer.
    pub async fn append_all(&self, drafts: Vec<Draft>) -> Result<Vec<Receipt>, LedgerError> {
        self.call(|reply| LedgerMessage::AppendAll(drafts, reply))
            .await?
    }

    /// The receipt of this id.
    ///
    /// # Errors
    /// If the ledger does not answer.
    pub async fn get(&self, id: ReceiptId) -> Result<Option<Receipt>, LedgerError> {
        self.call(|reply| LedgerMessage::Get(id, reply)).await
    }

    /// All receipts of a tenant, in the order of its chain.
    ///
    /// # Errors
    /// If the ledger does not answer.
    pub async fn of_tenant(&self, tenant: &str) -> Result<Vec<Receipt>, LedgerError> {
        let tenant = tenant.to_owned();
        self.call(|reply| LedgerMessage::OfTenant(tenant, reply))
            .await
    }
}
