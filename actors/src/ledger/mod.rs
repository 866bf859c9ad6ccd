//! The ledger: receipts of what the system did, in one hash chain per tenant.
//!
//! The receipts live in a [`Store`] that outlives the actor, as an ETS table with
//! an heir does in Erlang: a ledger that is restarted goes on where the last one
//! was. [`LedgerRef`] is the way to the actor, by its name.

mod receipt;
mod store;

use std::sync::Arc;
use std::time::Duration;

use ractor::rpc::CallResult;
use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort};

pub use receipt::{Draft, Hash, Receipt, ReceiptId, ReceiptKind};
pub use store::{Break, Store};

use crate::names::Names;
use crate::worker::ServiceTime;

/// The actor.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ledger;

/// What a ledger starts with.
#[derive(Clone, Debug)]
pub struct LedgerArguments {
    /// Where the receipts are.
    pub store: Store,
    /// How long an append takes, where that is simulated.
    pub append_time: ServiceTime,
}

/// What a ledger is asked.
#[derive(Debug)]
pub enum LedgerMessage {
    /// Append a receipt; the answer acknowledges it.
    Append(Draft, RpcReplyPort<Receipt>),
    /// The receipt of this id.
    Get(ReceiptId, RpcReplyPort<Option<Receipt>>),
    /// All receipts of a tenant, in the order of its chain.
    OfTenant(String, RpcReplyPort<Vec<Receipt>>),
}

#[retake::simulated]
impl Actor for Ledger {
    type Msg = LedgerMessage;
    type State = LedgerArguments;
    type Arguments = LedgerArguments;

    async fn pre_start(
        &self,
        _: ActorRef<LedgerMessage>,
        arguments: LedgerArguments,
    ) -> Result<LedgerArguments, ActorProcessingErr> {
        Ok(arguments)
    }

    async fn handle(
        &self,
        _: ActorRef<LedgerMessage>,
        message: LedgerMessage,
        state: &mut LedgerArguments,
    ) -> Result<(), ActorProcessingErr> {
        // Nobody is left to be told when an answer cannot be sent.
        match message {
            LedgerMessage::Append(draft, reply) => {
                state.append_time.spend().await;
                let receipt = state.store.append(draft);
                retake::event!("receipt {receipt}");
                let _ = reply.send(receipt);
            }
            LedgerMessage::Get(id, reply) => {
                let _ = reply.send(state.store.get(id));
            }
            LedgerMessage::OfTenant(tenant, reply) => {
                let _ = reply.send(state.store.of_tenant(&tenant));
            }
        }
        Ok(())
    }
}

/// Why a ledger did not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LedgerError {
    /// It is not running, or ended before it answered.
    #[error("the ledger is not running")]
    Gone,
    /// It did not answer in time; the receipt may have been appended.
    #[error("the ledger did not answer within {0:?}")]
    Timeout(Duration),
}

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
        let ledger = Names::find::<LedgerMessage>(&self.name).ok_or(LedgerError::Gone)?;
        match ledger.call(message, Some(CALL_TIMEOUT)).await {
            Ok(CallResult::Success(answer)) => Ok(answer),
            Ok(CallResult::Timeout) => Err(LedgerError::Timeout(CALL_TIMEOUT)),
            Ok(CallResult::SenderError) | Err(_) => Err(LedgerError::Gone),
        }
    }

    /// Append a receipt.
    ///
    /// # Errors
    /// If the ledger does not answer.
    pub async fn append(&self, draft: Draft) -> Result<Receipt, LedgerError> {
        self.call(|reply| LedgerMessage::Append(draft, reply)).await
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
