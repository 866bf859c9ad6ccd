//! What a governor knows apart from its state, and what it does with a signal.

use std::time::Duration;

use ractor::{ActorProcessingErr, RpcReplyPort};
use retake_otp::Names;
use retake_otp::statem::{Context, Next, StatemRef};

use super::arguments::GovernorArguments;
use super::event::{GovernorEvent, GovernorState};
use crate::action::{Action, ActionKind, ActionResult, ExecutorMessage};
use crate::ledger::{Draft, Key, LedgerRef, Receipt, ReceiptId, ReceiptKind};
use crate::part;
use crate::signal::{ACTION_ABOVE, Signal, Verdict, WARNING_ABOVE};
use crate::stages::Stage;

/// The state machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct Governor;

/// A running governor.
pub type GovernorRef = StatemRef<Governor>;

/// What a governor knows apart from its state.
#[derive(Debug)]
pub struct GovernorData {
    pub(super) arguments: GovernorArguments,
    pub(super) entitled: bool,
    pub(super) ledger: LedgerRef,
    pub(super) in_flight: Option<InFlight>,
}

#[derive(Debug)]
pub(super) struct InFlight {
    pub(super) attempt: ReceiptId,
    pub(super) signal: Option<String>,
    /// How long it had been in flight when this governor took it over.
    pub(super) before: Duration,
    pub(super) since: retake::Instant,
}

/// A governor that takes an action over gives it at least so long: its end needs a receipt,
/// and without one the governor fails and is restarted.
const TAKEN_OVER: Duration = Duration::from_secs(1);

impl GovernorData {
    /// The receipt of the first signal with this one's id.
    pub(super) fn earlier(&self, signal: &Signal) -> Option<ReceiptId> {
        Some(signal.receipt(&self.arguments.store)?.id)
    }

    /// Write down that a signal was taken, if it has an id to be known by.
    async fn record(&self, signal: &Signal, verdict: &str) -> Result<(), ActorProcessingErr> {
        if let Some(draft) = self.draft_of_signal(signal, verdict) {
            self.write(draft).await?;
        }
        Ok(())
    }

    fn draft_of_signal(&self, signal: &Signal, verdict: &str) -> Option<Draft> {
        let kind = ReceiptKind::Signal {
            verdict: verdict.to_owned(),
        };
        let key = Some(signal.key()?);
        let draft = self.draft(kind, describe(signal), signal.id.clone());
        Some(Draft { key, ..draft })
    }

    pub(super) async fn refuse(
        &mut self,
        signal: &Signal,
        reply: RpcReplyPort<Verdict>,
    ) -> Result<Next<GovernorState>, ActorProcessingErr> {
        self.arguments.signal_time.spend().await;
        let kind = ReceiptKind::Refusal {
            reason: "not entitled".to_owned(),
        };
        let draft = self.draft(kind, describe(signal), signal.id.clone());
        let key = signal.key();
        // Anybody can have as many signals refused as they like.
        let refused = self.ledger.refuse(Draft { key, ..draft });
        let receipt = self.arguments.stages.timed(Stage::Ledger, refused).await?;
        answer(reply, Verdict::Refused(receipt.id));
        Ok(Next::Goto(GovernorState::Refusing))
    }

    pub(super) async fn judge(
        &mut self,
        state: GovernorState,
        signal: Signal,
        reply: RpcReplyPort<Verdict>,
        context: &mut Context<'_, Governor>,
    ) -> Result<Next<GovernorState>, ActorProcessingErr> {
        if state == GovernorState::Boot {
            context.insert(GovernorEvent::Signal(signal, reply));
            return Ok(Next::Goto(GovernorState::Stable));
        }
        self.arguments.signal_time.spend().await;
        Ok(if signal.action.is_some() || signal.value > ACTION_ABOVE {
            context.insert(GovernorEvent::Act(signal, reply));
            Next::Goto(GovernorState::Intervening)
        } else if signal.value > WARNING_ABOVE {
            self.record(&signal, "warning").await?;
            answer(reply, Verdict::Warning);
            Next::Goto(GovernorState::Warning)
        } else {
            self.record(&signal, "stable").await?;
            answer(reply, Verdict::Stable);
            Next::Goto(GovernorState::Stable)
        })
    }

    pub(super) async fn act(
        &mut self,
        signal: &Signal,
        reply: RpcReplyPort<Verdict>,
        context: &mut Context<'_, Governor>,
    ) -> Result<Next<GovernorState>, ActorProcessingErr> {
        let kind = signal.action.unwrap_or_else(|| action_for(&signal.metric));
        let attempt = ReceiptKind::Attempt {
            action: kind.to_string(),
        };
        let mut drafts = vec![self.draft(attempt, describe(signal), signal.id.clone())];
        // Together: a signal is not taken without its action, nor the other way round.
        drafts.extend(self.draft_of_signal(signal, "acting"));
        let appended = self.ledger.append_all(drafts);
        let receipts = self.arguments.stages.timed(Stage::Ledger, appended).await?;
        let Some(attempt) = receipts.into_iter().next() else {
            return Err("the ledger gave no receipt".into());
        };
        let timeout = self.arguments.action_timeout;
        self.watch(&attempt, Duration::ZERO, timeout, context);
        let action = Action {
            attempt: attempt.id,
            tenant: self.arguments.tenant.clone(),
            kind,
        };
        // Without an executor the action ends by its timeout.
        if let Some(executor) = Names::find(&self.arguments.names.of(part::EXECUTOR)) {
            if retake::buggify!("governor: asks for its action twice") {
                let _ = executor.cast(ExecutorMessage::Execute(action.clone()));
            }
            let _ = executor.cast(ExecutorMessage::Execute(action));
        }
        answer(reply, Verdict::Acting(attempt.id));
        Ok(Next::Keep)
    }

    /// An action of an earlier governor is in flight: it has what is left of its time.
    pub(super) fn take_over(&mut self, attempt: &Receipt, context: &mut Context<'_, Governor>) {
        let began = Duration::from_nanos(attempt.time_ns);
        let before = retake::unix_time().saturating_sub(began);
        let left = self.arguments.action_timeout.saturating_sub(before);
        self.watch(attempt, before, left.max(TAKEN_OVER), context);
    }

    /// An action is in flight; it times out when nobody reports its end.
    fn watch(
        &mut self,
        attempt: &Receipt,
        before: Duration,
        left: Duration,
        context: &mut Context<'_, Governor>,
    ) {
        context.state_timeout(left, GovernorEvent::ActionOverdue(attempt.id));
        self.in_flight = Some(InFlight {
            attempt: attempt.id,
            signal: attempt.signal.clone(),
            before,
            since: retake::now(),
        });
    }

    pub(super) async fn end_action(
        &mut self,
        attempt: ReceiptId,
        result: ActionResult,
        context: &mut Context<'_, Governor>,
    ) -> Result<Next<GovernorState>, ActorProcessingErr> {
        let Some(in_flight) = self
            .in_flight
            .take_if(|in_flight| in_flight.attempt == attempt)
        else {
            return Ok(Next::Keep);
        };
        let duration = in_flight.before + in_flight.since.elapsed();
        let kind = ReceiptKind::Result {
            attempt,
            outcome: result.word().to_owned(),
            duration_ns: u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX),
        };
        let reason = result.reason().to_owned();
        self.append(kind, reason, in_flight.signal).await?;
        if !self.entitled {
            // Lost while the action was in flight: it takes effect now.
            context.insert(GovernorEvent::Entitled(false));
        }
        Ok(Next::Goto(GovernorState::Stable))
    }

    pub(super) async fn append(
        &self,
        kind: ReceiptKind,
        payload: String,
        signal: Option<String>,
    ) -> Result<Receipt, ActorProcessingErr> {
        let draft = self.draft(kind, payload, signal);
        self.write(draft).await
    }

    /// A governor that cannot leave a receipt does not act: it fails, and is restarted.
    async fn write(&self, draft: Draft) -> Result<Receipt, ActorProcessingErr> {
        let appended = self.ledger.append(draft);
        Ok(self.arguments.stages.timed(Stage::Ledger, appended).await?)
    }

    fn draft(&self, kind: ReceiptKind, payload: String, signal: Option<String>) -> Draft {
        let key = match &kind {
            ReceiptKind::Result { attempt, .. } => {
                Some(Key::Result { attempt: *attempt }.to_string())
            }
            _ => None,
        };
        Draft {
            tenant: self.arguments.tenant.clone(),
            kind,
            payload,
            signal,
            key,
        }
    }
}

/// The client may have given up; the decision holds.
pub(super) fn answer(reply: RpcReplyPort<Verdict>, verdict: Verdict) {
    let _ = reply.send(verdict);
}

fn describe(signal: &Signal) -> String {
    let time = signal.timestamp_ms;
    if let Some(action) = signal.action {
        return format!("{action} as asked at {time}");
    }
    // The very value that was judged, and in few digits also where it is huge.
    format!("{} {:?} at {time}", signal.metric, signal.value)
}

/// Which action a high metric asks for.
fn action_for(metric: &str) -> ActionKind {
    match metric {
        "errors" => ActionKind::Rollback,
        "requests" => ActionKind::Throttle,
        _ => ActionKind::Scale,
    }
}
