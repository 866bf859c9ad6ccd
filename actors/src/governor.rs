//! The governor: decides for one tenant which signals ask for an action.
//!
//! ```text
//!            entitled signal        value > 60            value > 80
//!   boot ───────────────────> stable ────────> warning ───────────────┐
//!     │                         │ ^ └──────────────── value > 80 ──┐  │
//!     │ not entitled            │ │ action ended or timed out      v  v
//!     v        entitlement lost │ └─────────────────────────── intervening
//!  refusing <───────────────────┘
//! ```
//!
//! At most one action is in flight. While it is, signals are postponed; after the
//! change of state they are taken up in the order of their arrival.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use ractor::concurrency::JoinHandle;
use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort};

use crate::executor::{Action, ActionKind, ActionResult, ExecutorMessage};
use crate::ledger::{Draft, LedgerRef, Receipt, ReceiptId, ReceiptKind, Store};
use crate::names::{Names, part};
use crate::worker::ServiceTime;

/// A measurement of a tenant's system.
#[derive(Clone, Debug, PartialEq)]
pub struct Signal {
    /// Whom it is about.
    pub tenant: String,
    /// What was measured.
    pub metric: String,
    /// In percent.
    pub value: f64,
}

/// A value above this asks for an action.
pub const ACTION_ABOVE: f64 = 80.0;
/// A value above this is a warning.
pub const WARNING_ABOVE: f64 = 60.0;

/// The answer to a signal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing needs to be done.
    Stable,
    /// It is worth watching.
    Warning,
    /// An action was accepted; its attempt has this receipt.
    Acting(ReceiptId),
    /// The tenant is not entitled; the refusal has this receipt.
    Refused(ReceiptId),
}

/// The states of a governor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GovernorState {
    /// Before the first signal.
    Boot,
    /// All is well.
    Stable,
    /// A value was high.
    Warning,
    /// An action is in flight.
    Intervening,
    /// The tenant is not entitled.
    Refusing,
}

impl fmt::Display for GovernorState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Boot => "boot",
            Self::Stable => "stable",
            Self::Warning => "warning",
            Self::Intervening => "intervening",
            Self::Refusing => "refusing",
        })
    }
}

/// What a governor is asked and told.
#[derive(Debug)]
pub enum GovernorMessage {
    /// A signal has come in.
    Signal(Signal, RpcReplyPort<Verdict>),
    /// The action of this attempt has ended.
    ActionDone {
        /// The receipt of its attempt.
        attempt: ReceiptId,
        /// How it ended.
        result: ActionResult,
    },
    /// The action of this attempt has had its time.
    ActionOverdue(ReceiptId),
    /// The tenant is entitled, or not any more.
    Entitled(bool),
    /// Which state it is in.
    State(RpcReplyPort<GovernorState>),
}

/// What a governor starts with.
#[derive(Clone, Debug)]
pub struct GovernorArguments {
    /// Its tenant.
    pub tenant: String,
    /// Whether the tenant is entitled.
    pub entitled: bool,
    /// The names of the system.
    pub names: Names,
    /// What earlier incarnations wrote.
    pub store: Store,
    /// After this time without news an action has timed out.
    pub action_timeout: Duration,
    /// How long the evaluation of a signal takes, where that is simulated.
    pub signal_time: ServiceTime,
}

/// The actor.
#[derive(Clone, Copy, Debug, Default)]
pub struct Governor;

/// The governor's own state.
#[derive(Debug)]
pub struct GovernorData {
    arguments: GovernorArguments,
    ledger: LedgerRef,
    state: GovernorState,
    in_flight: Option<InFlight>,
    postponed: VecDeque<(Signal, RpcReplyPort<Verdict>)>,
}

#[derive(Debug)]
struct InFlight {
    attempt: ReceiptId,
    since: retake::Instant,
    overdue: JoinHandle<()>,
}

#[retake::simulated]
impl Actor for Governor {
    type Msg = GovernorMessage;
    type State = GovernorData;
    type Arguments = GovernorArguments;

    async fn pre_start(
        &self,
        myself: ActorRef<GovernorMessage>,
        arguments: GovernorArguments,
    ) -> Result<GovernorData, ActorProcessingErr> {
        let ledger = LedgerRef::new(&arguments.names.of(part::LEDGER));
        let mut data = GovernorData {
            ledger,
            state: GovernorState::Boot,
            in_flight: None,
            postponed: VecDeque::new(),
            arguments,
        };
        // An incarnation before this one may have died with an action in flight.
        if let Some(attempt) = data.arguments.store.open_attempt(&data.arguments.tenant) {
            data.state = GovernorState::Intervening;
            data.watch(attempt.id, &myself);
        }
        Ok(data)
    }

    async fn handle(
        &self,
        myself: ActorRef<GovernorMessage>,
        message: GovernorMessage,
        data: &mut GovernorData,
    ) -> Result<(), ActorProcessingErr> {
        let before = data.state;
        match message {
            GovernorMessage::Signal(signal, reply) => {
                data.take_signal(signal, reply, &myself).await?;
            }
            GovernorMessage::ActionDone { attempt, result } => {
                data.end_action(attempt, result).await?;
            }
            GovernorMessage::ActionOverdue(attempt) => {
                data.end_action(attempt, ActionResult::Timeout).await?;
            }
            GovernorMessage::Entitled(entitled) => data.entitle(entitled).await?,
            GovernorMessage::State(reply) => {
                let _ = reply.send(data.state);
            }
        }
        if data.state != before {
            data.retry_postponed(&myself).await?;
        }
        Ok(())
    }
}

impl GovernorData {
    async fn take_signal(
        &mut self,
        signal: Signal,
        reply: RpcReplyPort<Verdict>,
        myself: &ActorRef<GovernorMessage>,
    ) -> Result<(), ActorProcessingErr> {
        if self.state == GovernorState::Intervening {
            self.postponed.push_back((signal, reply));
            return Ok(());
        }
        self.arguments.signal_time.spend().await;
        let verdict = self.judge(&signal, myself).await?;
        // The client may have given up; what was decided stands.
        let _ = reply.send(verdict);
        Ok(())
    }

    async fn judge(
        &mut self,
        signal: &Signal,
        myself: &ActorRef<GovernorMessage>,
    ) -> Result<Verdict, ActorProcessingErr> {
        if !self.arguments.entitled {
            let kind = ReceiptKind::Refusal {
                reason: "not entitled".to_owned(),
            };
            let receipt = self.append(kind, describe(signal)).await?;
            self.go_to(GovernorState::Refusing).await?;
            return Ok(Verdict::Refused(receipt.id));
        }
        if matches!(self.state, GovernorState::Boot | GovernorState::Refusing) {
            self.go_to(GovernorState::Stable).await?;
        }
        if signal.value > ACTION_ABOVE {
            return self.act(signal, myself).await.map(Verdict::Acting);
        }
        if signal.value > WARNING_ABOVE {
            self.go_to(GovernorState::Warning).await?;
            return Ok(Verdict::Warning);
        }
        self.go_to(GovernorState::Stable).await?;
        Ok(Verdict::Stable)
    }

    async fn act(
        &mut self,
        signal: &Signal,
        myself: &ActorRef<GovernorMessage>,
    ) -> Result<ReceiptId, ActorProcessingErr> {
        let kind = action_for(&signal.metric);
        self.go_to(GovernorState::Intervening).await?;
        let attempt = self
            .append(
                ReceiptKind::Attempt {
                    action: kind.to_string(),
                },
                describe(signal),
            )
            .await?;
        self.watch(attempt.id, myself);
        let action = Action {
            attempt: attempt.id,
            tenant: self.arguments.tenant.clone(),
            kind,
        };
        // Without an executor the action ends by its timeout.
        if let Some(executor) = Names::find(&self.arguments.names.of(part::EXECUTOR)) {
            let _ = executor.cast(ExecutorMessage::Execute(action));
        }
        Ok(attempt.id)
    }

    /// An action is in flight from now on; it times out when nobody reports its end.
    fn watch(&mut self, attempt: ReceiptId, myself: &ActorRef<GovernorMessage>) {
        let overdue = retake::send_after(myself, self.arguments.action_timeout, move || {
            GovernorMessage::ActionOverdue(attempt)
        });
        self.in_flight = Some(InFlight {
            attempt,
            since: retake::now(),
            overdue,
        });
    }

    async fn end_action(
        &mut self,
        attempt: ReceiptId,
        result: ActionResult,
    ) -> Result<(), ActorProcessingErr> {
        // News of an action that has ended already is late, not wrong.
        let Some(in_flight) = self
            .in_flight
            .take_if(|in_flight| in_flight.attempt == attempt)
        else {
            return Ok(());
        };
        in_flight.overdue.abort();
        let duration = in_flight.since.elapsed();
        let kind = ReceiptKind::Result {
            attempt,
            outcome: result.word().to_owned(),
            duration_ns: u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX),
        };
        self.append(kind, result.reason().to_owned()).await?;
        self.go_to(GovernorState::Stable).await
    }

    async fn entitle(&mut self, entitled: bool) -> Result<(), ActorProcessingErr> {
        self.arguments.entitled = entitled;
        match (entitled, self.state) {
            // An action in flight is seen through first.
            (false, GovernorState::Stable | GovernorState::Warning) => {
                self.go_to(GovernorState::Refusing).await
            }
            (true, GovernorState::Refusing) => self.go_to(GovernorState::Stable).await,
            _ => Ok(()),
        }
    }

    /// Take postponed signals up, oldest first, as long as the state lets them through.
    async fn retry_postponed(
        &mut self,
        myself: &ActorRef<GovernorMessage>,
    ) -> Result<(), ActorProcessingErr> {
        while self.state != GovernorState::Intervening {
            let Some((signal, reply)) = self.postponed.pop_front() else {
                break;
            };
            self.take_signal(signal, reply, myself).await?;
        }
        Ok(())
    }

    async fn go_to(&mut self, state: GovernorState) -> Result<(), ActorProcessingErr> {
        if self.state == state {
            return Ok(());
        }
        let kind = ReceiptKind::Transition {
            from: self.state.to_string(),
            to: state.to_string(),
        };
        self.append(kind, String::new()).await?;
        self.state = state;
        Ok(())
    }

    async fn append(
        &self,
        kind: ReceiptKind,
        payload: String,
    ) -> Result<Receipt, ActorProcessingErr> {
        let key = match &kind {
            ReceiptKind::Result { attempt, .. } => Some(format!("result-of-{attempt}")),
            _ => None,
        };
        let draft = Draft {
            tenant: self.arguments.tenant.clone(),
            kind,
            payload,
            key,
        };
        // A governor that cannot leave a receipt does not act: it fails, and is restarted.
        Ok(self.ledger.append(draft).await?)
    }
}

fn describe(signal: &Signal) -> String {
    format!("{} {:.1}", signal.metric, signal.value)
}

/// Which action a high metric asks for.
fn action_for(metric: &str) -> ActionKind {
    match metric {
        "errors" => ActionKind::Rollback,
        "requests" => ActionKind::Throttle,
        _ => ActionKind::Scale,
    }
}
