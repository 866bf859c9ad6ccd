//! The ledger's actor.

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use ractor::concurrency::JoinHandle;
use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort};
use retake::ServiceFailure;

use super::disk::Disk;
use super::log::{Log, LogError, RecoveryReport};
use super::message::{Answer, DRAFT_BYTES_MAX, DRAFTS_BYTES_MAX, LedgerError, LedgerMessage};
use super::receipt::{Draft, Receipt, ReceiptKind};
use super::refusals::{self, Refusals};
use super::store::Store;
use crate::failures::{Failures, Service};
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

/// The ledger's own state.
pub struct LedgerState {
    arguments: LedgerArguments,
    log: Option<Log>,
    /// The last write found no room.
    is_full: bool,
    /// Receipts that are not written yet, and who waits for them.
    unwritten: Vec<Receipt>,
    waiting: Vec<Waiter>,
    commit: Option<JoinHandle<()>>,
    refusals: Refusals,
    write_counts: Option<JoinHandle<()>>,
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
enum Waiter {
    ForOne(Box<Receipt>, RpcReplyPort<Answer<Receipt>>),
    ForAll(Vec<Receipt>, RpcReplyPort<Answer<Vec<Receipt>>>),
}

impl Waiter {
    /// A client that does not wait any more gets no answer.
    fn answer(self, error: Option<LedgerError>) {
        match (self, error) {
            (Self::ForOne(receipt, reply), None) => drop(reply.send(Ok(*receipt))),
            (Self::ForAll(receipts, reply), None) => drop(reply.send(Ok(receipts))),
            (Self::ForOne(_, reply), Some(error)) => drop(reply.send(Err(error))),
            (Self::ForAll(_, reply), Some(error)) => drop(reply.send(Err(error))),
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
                let RecoveryReport {
                    receipts: count,
                    cut_off,
                } = found;
                retake::event!("recovered {count} receipts, {cut_off} bytes cut off");
                if cut_off > 0 {
                    tracing::warn!(
                        cut_off,
                        "bytes of a batch that was never acknowledged are cut off"
                    );
                }
                arguments.store.replace(receipts);
                Some(log)
            }
        };
        Ok(LedgerState {
            arguments,
            log,
            is_full: false,
            unwritten: Vec::new(),
            waiting: Vec::new(),
            commit: None,
            refusals: Refusals::new(),
            write_counts: None,
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
                let drafts = std::slice::from_ref(&draft);
                let Some(reply) = state.admit(drafts, reply).await else {
                    return Ok(());
                };
                let receipt = state.take(draft);
                state.answer_when_durable(receipt, reply, &myself).await?;
            }
            LedgerMessage::AppendAll(drafts, reply) => {
                let Some(reply) = state.admit(&drafts, reply).await else {
                    return Ok(());
                };
                let receipts = drafts.into_iter().map(|draft| state.take(draft)).collect();
                state.waiting.push(Waiter::ForAll(receipts, reply));
                state.write_in_time(&myself).await?;
            }
            LedgerMessage::Refuse(draft, reply) => {
                let drafts = std::slice::from_ref(&draft);
                let Some(reply) = state.admit(drafts, reply).await else {
                    return Ok(());
                };
                let receipt = state.refuse(draft, &myself);
                state.answer_when_durable(receipt, reply, &myself).await?;
            }
            LedgerMessage::Get(id, reply) => drop(reply.send(state.arguments.store.get(id))),
            LedgerMessage::OfTenant(tenant, reply) => {
                drop(reply.send(state.arguments.store.of_tenant(&tenant)));
            }
            LedgerMessage::Commit => drop(state.write().await?),
            LedgerMessage::WriteCounts => {
                state.write_counts = None;
                if !state.write_counts().await? {
                    state.count_later(&myself);
                }
            }
        }
        Ok(())
    }

    async fn post_stop(
        &self,
        _: ActorRef<LedgerMessage>,
        state: &mut LedgerState,
    ) -> Result<(), ActorProcessingErr> {
        state.write_counts().await?;
        match &mut state.log {
            // Without an end mark the log is whole all the same.
            Some(log) => match log.end().await {
                Err(error) if error.is_full() => Ok(()),
                ended => Ok(ended?),
            },
            None => Ok(()),
        }
    }
}

impl LedgerState {
    /// Let a request through, unless it is too large or a failure is injected.
    async fn admit<T: Send + 'static>(
        &mut self,
        drafts: &[Draft],
        reply: RpcReplyPort<Answer<T>>,
    ) -> Option<RpcReplyPort<Answer<T>>> {
        self.arguments.append_time.spend().await;
        let bytes = || drafts.iter().map(Draft::text_bytes);
        if bytes().any(|bytes| bytes > DRAFT_BYTES_MAX) || bytes().sum::<usize>() > DRAFTS_BYTES_MAX
        {
            let _ = reply.send(Err(LedgerError::TooLarge));
            return None;
        }
        match self.arguments.failures.injected(Service::Ledger) {
            None => return Some(reply),
            Some(ServiceFailure::Slow(time)) => {
                retake::sleep(time).await;
                return Some(reply);
            }
            Some(ServiceFailure::Timeout) => self.unanswered.push(Box::new(reply)),
            Some(kind) => drop(reply.send(Err(LedgerError::Refused(kind)))),
        }
        None
    }

    /// The wall clock, unless it fails on purpose.
    fn read_clock(&self) -> Option<Duration> {
        match self.arguments.failures.injected(Service::Clock) {
            None | Some(ServiceFailure::Slow(_)) => Some(retake::unix_time()),
            Some(ServiceFailure::Corrupt) => Some(retake::unix_time().saturating_sub(CLOCK_LEAP)),
            Some(_) => None,
        }
    }

    fn take(&mut self, draft: Draft) -> Receipt {
        let time = self.read_clock();
        let (receipt, is_new) = self.arguments.store.append_new(draft, time);
        retake::event!("receipt {receipt}");
        if is_new {
            // Its hash covers its content and the chain before it.
            let name = || format!("{} {} {}", receipt.id, receipt.tenant, receipt.hash);
            retake::record::output("receipt", || name().into_bytes());
        }
        if is_new && self.log.is_some() {
            self.unwritten.push(receipt.clone());
        }
        receipt
    }

    /// The receipt of a refusal: its own, or the one that it is counted with.
    fn refuse(&mut self, draft: Draft, myself: &ActorRef<LedgerMessage>) -> Receipt {
        let ReceiptKind::Refusal { reason } = &draft.kind else {
            return self.take(draft);
        };
        let key = draft.key.as_deref();
        if key.is_some_and(|key| self.arguments.store.has_key(key)) {
            return self.take(draft);
        }
        if let Some(receipt) = self.refusals.count(&draft.tenant, reason) {
            self.count_later(myself);
            return receipt;
        }
        if self.refusals.is_full() {
            self.take_counts();
            self.refusals.clear();
        }
        let reason = reason.clone();
        let receipt = self.take(draft);
        self.refusals.wrote(&reason, &receipt);
        receipt
    }

    fn count_later(&mut self, myself: &ActorRef<LedgerMessage>) {
        if self.write_counts.is_none() {
            let later = retake::send_after(myself, refusals::PERIOD, || LedgerMessage::WriteCounts);
            self.write_counts = Some(later);
        }
    }

    fn take_counts(&mut self) {
        for draft in self.refusals.drafts() {
            self.take(draft);
        }
    }

    /// Write what waits, and how many refusals were counted; false if the disk is full.
    async fn write_counts(&mut self) -> Result<bool, LogError> {
        if let Some(later) = self.write_counts.take() {
            later.abort();
        }
        self.take_counts();
        let is_written = self.write().await?;
        if is_written {
            self.refusals.clear();
        }
        Ok(is_written)
    }

    /// Acknowledge a receipt, now if it is durable already.
    async fn answer_when_durable(
        &mut self,
        receipt: Receipt,
        reply: RpcReplyPort<Answer<Receipt>>,
        myself: &ActorRef<LedgerMessage>,
    ) -> Result<(), LogError> {
        let waiting = Waiter::ForOne(Box::new(receipt), reply);
        self.waiting.push(waiting);
        self.write_in_time(myself).await
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
            _ => self.write().await.map(drop),
        }
    }

    /// Write what waits, and acknowledge it; false if the disk is full: what waits is then
    /// taken back, and the client that waits for it gets an error.
    async fn write(&mut self) -> Result<bool, LogError> {
        if let Some(commit) = self.commit.take() {
            commit.abort();
        }
        if let Some(log) = &mut self.log
            && !self.unwritten.is_empty()
        {
            match log.commit(&self.unwritten).await {
                Ok(()) => {
                    self.unwritten.clear();
                    if std::mem::take(&mut self.is_full) {
                        tracing::warn!("there is room on the ledger's disk again");
                    }
                }
                Err(error) if error.is_full() => {
                    self.roll_back(&error);
                    return Ok(false);
                }
                Err(error) => return Err(error),
            }
        }
        self.arguments.store.acknowledge();
        for waiting in self.waiting.drain(..) {
            waiting.answer(None);
        }
        Ok(true)
    }

    fn roll_back(&mut self, error: &LogError) {
        retake::event!("takes back {} receipts: {error}", self.unwritten.len());
        if !self.is_full {
            tracing::error!(%error, "nothing is acknowledged until there is room again");
        }
        self.is_full = true;
        self.unwritten.clear();
        self.arguments.store.roll_back();
        self.refusals.roll_back(self.arguments.store.len() as u64);
        for waiting in self.waiting.drain(..) {
            waiting.answer(Some(LedgerError::Full));
        }
    }
}

/// How far a clock goes back that fails.
const CLOCK_LEAP: Duration = Duration::from_secs(3600);
