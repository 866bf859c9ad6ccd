//! The ledger: receipts of what the system did, in one hash chain per tenant.
//!
//! Receipts are read from a [`Store`] in memory that outlives the actor, as an ETS
//! table with an heir does in Erlang: a ledger that is restarted goes on where the
//! last one was. With a [`Disk`] they survive the process as well: see
//! [`Durability`] for what an acknowledgement then means. [`LedgerRef`] is the way
//! to the actor, by its name.
//!
//! After an error of the disk nobody knows what it holds, so the ledger fails
//! without acknowledging anything more. When it is restarted it reads the disk anew.
//!
//! ```
//! use std::sync::Arc;
//!
//! use ractor::Actor;
//! use retake_actors::ledger::{
//!     Draft, Durability, FileDisk, Ledger, LedgerArguments, LedgerRef, ReceiptKind, Store,
//! };
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("receipts.log");
//! let arguments = LedgerArguments {
//!     store: Store::new(),
//!     durability: Durability::Fsync(Arc::new(FileDisk::open(path)?)),
//!     ..LedgerArguments::default()
//! };
//! let store = arguments.store.clone();
//! Actor::spawn(Some("ledger".to_owned()), Ledger, arguments).await?;
//! let receipt = LedgerRef::new("ledger")
//!     .append(Draft {
//!         tenant: "acme".to_owned(),
//!         kind: ReceiptKind::Refusal { reason: "not entitled".to_owned() },
//!         payload: "cpu 90.0".to_owned(),
//!         signal: Some("signal-1".to_owned()),
//!         key: None,
//!     })
//!     .await?; // durable from here on
//! assert_eq!(store.of_signal("signal-1"), [receipt]);
//! store.verify()?;
//! # Ok(())
//! # }
//! ```

mod disk;
mod log;
mod receipt;
mod store;

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use ractor::concurrency::JoinHandle;
use ractor::rpc::CallResult;
use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort};

pub use disk::{Disk, DiskFault, DiskFile, DiskResult, FileDisk, ReplayedDisk, SimulatedDisk};
use log::Log;
pub use log::{LogError, Recovered};
pub use receipt::{Draft, Hash, Receipt, ReceiptId, ReceiptKind};
pub use store::{Break, Store, verify};

use crate::failures::{FailureKind, Failures, Service};
use crate::names::Names;
use crate::service_time::ServiceTime;

/// The actor.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ledger;

/// What an acknowledged receipt survives.
#[derive(Clone, Debug, Default)]
pub enum Durability {
    /// The death of the ledger, not of the process.
    #[default]
    Memory,
    /// A loss of power. Each request is synced by itself.
    Fsync(Arc<dyn Disk>),
    /// A loss of power. Requests are synced together: an acknowledgement comes at
    /// most `delay` and a sync later.
    GroupCommit {
        /// Where they are written.
        disk: Arc<dyn Disk>,
        /// The longest that a receipt waits for others.
        delay: Duration,
        /// So many receipts do not wait.
        batch: usize,
    },
}

/// What a ledger starts with.
#[derive(Clone, Debug, Default)]
pub struct LedgerArguments {
    /// Where the receipts are read from. With a disk, its content takes the place
    /// of what is there.
    pub store: Store,
    /// What an acknowledgement means.
    pub durability: Durability,
    /// How long an append takes, where that is simulated.
    pub append_time: ServiceTime,
    /// Failures on purpose.
    pub failures: Failures,
}

/// A receipt or receipts, or a failure on purpose.
type Answer<T> = Result<T, FailureKind>;

/// What a ledger is asked.
#[derive(Debug)]
pub enum LedgerMessage {
    /// Append a receipt; the answer acknowledges it.
    Append(Draft, RpcReplyPort<Answer<Receipt>>),
    /// Append receipts in this order; the answer acknowledges them all.
    AppendAll(Vec<Draft>, RpcReplyPort<Answer<Vec<Receipt>>>),
    /// The receipt of this id.
    Get(ReceiptId, RpcReplyPort<Option<Receipt>>),
    /// All receipts of a tenant, in the order of its chain.
    OfTenant(String, RpcReplyPort<Vec<Receipt>>),
    /// From the ledger to itself: write what waits for others.
    Commit,
}

/// The ledger's own state.
pub struct LedgerState {
    arguments: LedgerArguments,
    log: Option<Log>,
    /// Receipts that are not written yet, and who waits for them.
    unwritten: Vec<Receipt>,
    waiting: Vec<Waiting>,
    commit: Option<JoinHandle<()>>,
    /// Reply ports of questions that an injected failure leaves without an answer:
    /// held, so that who asked waits.
    unanswered: Vec<Box<dyn Any + Send>>,
}

impl fmt::Debug for LedgerState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LedgerState")
            .field("arguments", &self.arguments)
            .field("unwritten", &self.unwritten.len())
            .finish_non_exhaustive()
    }
}

#[derive(Debug)]
enum Waiting {
    ForOne(Box<Receipt>, RpcReplyPort<Answer<Receipt>>),
    ForAll(Vec<Receipt>, RpcReplyPort<Answer<Vec<Receipt>>>),
}

impl Waiting {
    /// Nobody is left to be told when an answer cannot be sent.
    fn acknowledge(self) {
        match self {
            Self::ForOne(receipt, reply) => drop(reply.send(Ok(*receipt))),
            Self::ForAll(receipts, reply) => drop(reply.send(Ok(receipts))),
        }
    }
}

#[retake::simulated]
impl Actor for Ledger {
    type Msg = LedgerMessage;
    type State = LedgerState;
    type Arguments = LedgerArguments;

    async fn pre_start(
        &self,
        _: ActorRef<LedgerMessage>,
        arguments: LedgerArguments,
    ) -> Result<LedgerState, ActorProcessingErr> {
        let disk = match &arguments.durability {
            Durability::Memory => None,
            Durability::Fsync(disk) | Durability::GroupCommit { disk, .. } => Some(disk),
        };
        let log = match disk {
            None => None,
            Some(disk) => {
                let (log, receipts, found) = Log::recover(Arc::clone(disk)).await?;
                let Recovered {
                    receipts: count,
                    cut_off,
                } = found;
                retake::event!("recovered {count} receipts, {cut_off} bytes cut off");
                arguments.store.replace(receipts);
                Some(log)
            }
        };
        Ok(LedgerState {
            arguments,
            log,
            unwritten: Vec::new(),
            waiting: Vec::new(),
            commit: None,
            unanswered: Vec::new(),
        })
    }

    async fn handle(
        &self,
        myself: ActorRef<LedgerMessage>,
        message: LedgerMessage,
        state: &mut LedgerState,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            LedgerMessage::Append(draft, reply) => {
                state.arguments.append_time.spend().await;
                let Some(reply) = state.admit(reply).await else {
                    return Ok(());
                };
                let receipt = state.take(draft);
                state
                    .waiting
                    .push(Waiting::ForOne(Box::new(receipt), reply));
                state.write_in_time(&myself).await?;
            }
            LedgerMessage::AppendAll(drafts, reply) => {
                state.arguments.append_time.spend().await;
                let Some(reply) = state.admit(reply).await else {
                    return Ok(());
                };
                let receipts = drafts.into_iter().map(|draft| state.take(draft)).collect();
                state.waiting.push(Waiting::ForAll(receipts, reply));
                state.write_in_time(&myself).await?;
            }
            LedgerMessage::Get(id, reply) => drop(reply.send(state.arguments.store.get(id))),
            LedgerMessage::OfTenant(tenant, reply) => {
                drop(reply.send(state.arguments.store.of_tenant(&tenant)));
            }
            LedgerMessage::Commit => state.write().await?,
        }
        Ok(())
    }

    async fn post_stop(
        &self,
        _: ActorRef<LedgerMessage>,
        state: &mut LedgerState,
    ) -> Result<(), ActorProcessingErr> {
        Ok(state.write().await?)
    }
}

impl LedgerState {
    /// Let a request through, unless an injected failure strikes it.
    async fn admit<T: Send + 'static>(
        &mut self,
        reply: RpcReplyPort<Answer<T>>,
    ) -> Option<RpcReplyPort<Answer<T>>> {
        match self.arguments.failures.strike(Service::Ledger) {
            None => return Some(reply),
            Some(FailureKind::Slow(time)) => {
                retake::sleep(time).await;
                return Some(reply);
            }
            Some(FailureKind::Timeout) => self.unanswered.push(Box::new(reply)),
            Some(kind) => drop(reply.send(Err(kind))),
        }
        None
    }

    /// The wall clock, unless it fails on purpose.
    fn read_clock(&self) -> Option<Duration> {
        match self.arguments.failures.strike(Service::Clock) {
            None | Some(FailureKind::Slow(_)) => Some(retake::unix_time()),
            Some(FailureKind::Corrupt) => Some(retake::unix_time().saturating_sub(CLOCK_LEAP)),
            Some(_) => None,
        }
    }

    fn take(&mut self, draft: Draft) -> Receipt {
        let time = self.read_clock();
        let (receipt, is_new) = self.arguments.store.append_new(draft, time);
        retake::event!("receipt {receipt}");
        if is_new {
            // Its hash is over all that is in it and in the chain before it.
            let name = || format!("{} {} {}", receipt.id, receipt.tenant, receipt.hash);
            retake::record::output("receipt", || name().into_bytes());
        }
        if is_new && self.log.is_some() {
            self.unwritten.push(receipt.clone());
        }
        receipt
    }

    /// Write now, or when others have come or the time is over.
    async fn write_in_time(&mut self, myself: &ActorRef<LedgerMessage>) -> Result<(), LogError> {
        match &self.arguments.durability {
            Durability::GroupCommit { delay, batch, .. } if self.unwritten.len() < *batch => {
                if self.commit.is_none() {
                    let commit = retake::send_after(myself, *delay, || LedgerMessage::Commit);
                    self.commit = Some(commit);
                }
                Ok(())
            }
            _ => self.write().await,
        }
    }

    /// Write what waits, and acknowledge it.
    async fn write(&mut self) -> Result<(), LogError> {
        if let Some(commit) = self.commit.take() {
            commit.abort();
        }
        if let Some(log) = &mut self.log
            && !self.unwritten.is_empty()
        {
            log.append(&self.unwritten).await?;
            log.sync().await?;
            self.unwritten.clear();
        }
        self.arguments.store.acknowledge();
        for waiting in self.waiting.drain(..) {
            waiting.acknowledge();
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
    /// It was told to fail.
    #[error("the ledger refuses: {0}")]
    Refused(FailureKind),
}

/// How far a clock goes back that fails.
const CLOCK_LEAP: Duration = Duration::from_secs(3600);
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
        // What has a key may be appended again by whoever got no answer.
        if draft.key.is_some() && retake::buggify!("ledger client: appends again") {
            let unanswered = self.call(|reply| LedgerMessage::Append(draft.clone(), reply));
            let _ = retake::timeout(Duration::ZERO, unanswered).await;
        }
        self.call(|reply| LedgerMessage::Append(draft, reply))
            .await?
            .map_err(LedgerError::Refused)
    }

    /// Append receipts in this order, together.
    ///
    /// # Errors
    /// If the ledger does not answer.
    pub async fn append_all(&self, drafts: Vec<Draft>) -> Result<Vec<Receipt>, LedgerError> {
        self.call(|reply| LedgerMessage::AppendAll(drafts, reply))
            .await?
            .map_err(LedgerError::Refused)
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
