//! The governor: decides for one tenant which signals ask for an action.
//!
//! A [state machine](crate::statem); [`Governor::table`](crate::statem::StateMachine::table)
//! has its transitions:
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
//! change of state they are taken up in the order of their arrival. The first
//! signal of an entitled tenant is evaluated like any other. Each transition
//! leaves a receipt.
//!
//! ```
//! use ractor::Actor;
//! use retake_actors::governor::{Governor, GovernorArguments, GovernorEvent, GovernorRef};
//! use retake_actors::ledger::{Ledger, LedgerArguments};
//! use retake_actors::{Entitlements, Names, Signal, governor::Verdict};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let names = Names::new();
//! let ledger = LedgerArguments::default();
//! let store = ledger.store.clone();
//! Actor::spawn(Some(names.of("ledger")), Ledger, ledger).await?;
//! let governor = GovernorArguments::new("acme", &names, &Entitlements::default(), &store);
//! let governor = GovernorRef::start(None, Governor, governor).await?;
//!
//! governor.cast(GovernorEvent::Entitled(true))?;
//! for (value, expected) in [(10.0, Verdict::Stable), (70.0, Verdict::Warning)] {
//!     let signal = Signal { id: None, tenant: "acme".into(), metric: "cpu".into(), value, ..Signal::default() };
//!     let verdict = governor.call(|reply| GovernorEvent::Signal(signal, reply), None).await?;
//!     assert_eq!(verdict, expected);
//! }
//! assert_eq!(store.of_tenant("acme").len(), 2, "a receipt for each transition");
//! # Ok(())
//! # }
//! ```

use std::fmt;
use std::time::Duration;

use ractor::{ActorProcessingErr, RpcReplyPort};

use crate::entitlement::Entitlements;
use crate::executor::{ACTION_TIMEOUT, Action, ActionKind, ActionResult, ExecutorMessage};
use crate::ledger::{Draft, LedgerRef, Receipt, ReceiptId, ReceiptKind, Store};
use crate::names::{Names, part};
use crate::stages::{Stage, Stages};
use crate::statem::{Context, EnterContext, Event, Next, StateMachine, StatemRef, Table};
use crate::worker::ServiceTime;

/// A measurement of a tenant's system.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Signal {
    /// Its own id, by which its receipts are found. A second signal of a tenant with
    /// the same id changes nothing.
    pub id: Option<String>,
    /// Whom it is about.
    pub tenant: String,
    /// What was measured.
    pub metric: String,
    /// In percent.
    pub value: f64,
    /// The action that is asked for outright, whatever the value.
    pub action: Option<ActionKind>,
    /// Nobody waits for the verdict after this time: it is not taken then.
    pub deadline: Option<retake::Instant>,
}

impl Signal {
    fn is_late(&self) -> bool {
        self.deadline
            .is_some_and(|deadline| deadline < retake::now())
    }

    /// The idempotency key of its receipt.
    fn key(&self) -> Option<String> {
        let id = self.id.as_ref()?;
        Some(format!("signal/{}/{id}", self.tenant))
    }

    /// The receipt of the signal with this id of this tenant, if there was one.
    #[must_use]
    pub fn receipt(store: &Store, tenant: &str, id: &str) -> Option<Receipt> {
        store.of_key(&format!("signal/{tenant}/{id}"))
    }
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
    /// A signal with its id was taken before; that one has this receipt.
    Duplicate(ReceiptId),
}

/// The states of a governor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
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
pub enum GovernorEvent {
    /// A signal has come in.
    Signal(Signal, RpcReplyPort<Verdict>),
    /// From the governor to itself: take the action that this signal asks for.
    Act(Signal, RpcReplyPort<Verdict>),
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
}

impl Event for GovernorEvent {
    fn name(&self) -> &'static str {
        match self {
            Self::Signal(..) => "signal",
            Self::Act(..) => "act",
            Self::ActionDone { .. } => "action_done",
            Self::ActionOverdue(_) => "action_overdue",
            Self::Entitled(_) => "entitled",
        }
    }
}

/// A running governor.
pub type GovernorRef = StatemRef<Governor>;

/// What a governor starts with.
#[derive(Clone, Debug)]
pub struct GovernorArguments {
    /// Its tenant.
    pub tenant: String,
    /// Whether the tenant is entitled.
    pub entitlements: Entitlements,
    /// The names of the system.
    pub names: Names,
    /// What earlier incarnations wrote.
    pub store: Store,
    /// After this time without news an action has timed out.
    pub action_timeout: Duration,
    /// How long the evaluation of a signal takes, where that is simulated.
    pub signal_time: ServiceTime,
    /// Where its waits for the ledger are counted.
    pub stages: Stages,
}

impl GovernorArguments {
    /// For this tenant, in the system of these names. An action times out after 30 s;
    /// the evaluation of a signal takes as long as the code takes.
    #[must_use]
    pub fn new(tenant: &str, names: &Names, entitlements: &Entitlements, store: &Store) -> Self {
        Self {
            tenant: tenant.to_owned(),
            entitlements: entitlements.clone(),
            names: names.clone(),
            store: store.clone(),
            action_timeout: ACTION_TIMEOUT,
            signal_time: ServiceTime::None,
            stages: Stages::default(),
        }
    }
}

/// The state machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct Governor;

/// What a governor knows beside its state.
#[derive(Debug)]
pub struct GovernorData {
    arguments: GovernorArguments,
    entitled: bool,
    ledger: LedgerRef,
    in_flight: Option<InFlight>,
}

#[derive(Debug)]
struct InFlight {
    attempt: ReceiptId,
    signal: Option<String>,
    since: retake::Instant,
}

impl StateMachine for Governor {
    type State = GovernorState;
    type Event = GovernorEvent;
    type Data = GovernorData;
    type Arguments = GovernorArguments;

    fn table() -> Table<GovernorState> {
        use GovernorState::{Boot, Intervening, Refusing, Stable, Warning};
        let table = Table::new([Boot, Intervening])
            .on(Boot, "signal", [Stable, Refusing])
            .on(Boot, "entitled", [])
            .on(Stable, "signal", [Warning, Intervening])
            .on(Stable, "entitled", [Refusing])
            .on(Warning, "signal", [Stable, Intervening])
            .on(Warning, "entitled", [Refusing])
            .on(Intervening, "act", [])
            .on(Intervening, "action_done", [Stable])
            .on(Intervening, "action_overdue", [Stable])
            .on(Intervening, "entitled", [])
            .postpone(Intervening, "signal")
            .on(Refusing, "signal", [])
            .on(Refusing, "entitled", [Stable]);
        // News of an action that has ended already is late, not wrong.
        [Boot, Stable, Warning, Refusing]
            .into_iter()
            .fold(table, |table, state| table.ignore(state, "action_done"))
    }

    async fn init(
        &self,
        arguments: GovernorArguments,
        context: &mut Context<'_, Self>,
    ) -> Result<(GovernorState, GovernorData), ActorProcessingErr> {
        let ledger = LedgerRef::new(&arguments.names.of(part::LEDGER));
        // Read when this governor has its name: who changes it later finds it and tells it.
        let entitled = arguments.entitlements.is_entitled(&arguments.tenant);
        let mut data = GovernorData {
            entitled,
            ledger,
            in_flight: None,
            arguments,
        };
        // An incarnation before this one may have died with an action in flight.
        let open = data.arguments.store.open_attempt(&data.arguments.tenant);
        let Some(attempt) = open else {
            return Ok((GovernorState::Boot, data));
        };
        data.watch(&attempt, context);
        Ok((GovernorState::Intervening, data))
    }

    async fn enter(
        &self,
        from: Option<GovernorState>,
        state: GovernorState,
        data: &mut GovernorData,
        _: &mut EnterContext<'_, Self>,
    ) -> Result<(), ActorProcessingErr> {
        if let Some(from) = from {
            let kind = ReceiptKind::Transition {
                from: from.to_string(),
                to: state.to_string(),
            };
            data.append(kind, String::new(), None).await?;
        }
        Ok(())
    }

    async fn handle(
        &self,
        state: GovernorState,
        event: GovernorEvent,
        data: &mut GovernorData,
        context: &mut Context<'_, Self>,
    ) -> Result<Next<GovernorState>, ActorProcessingErr> {
        match event {
            // Its reply port is dropped: the client has given up.
            GovernorEvent::Signal(signal, _) if signal.is_late() => Ok(Next::Keep),
            GovernorEvent::Signal(signal, reply) => {
                if let Some(earlier) = data.earlier(&signal) {
                    answer(reply, Verdict::Duplicate(earlier));
                    Ok(Next::Keep)
                } else if data.entitled {
                    data.judge(state, signal, reply, context).await
                } else {
                    data.refuse(&signal, reply).await
                }
            }
            GovernorEvent::Act(signal, reply) => data.act(&signal, reply, context).await,
            GovernorEvent::ActionDone { attempt, result } => {
                data.end_action(attempt, result, context).await
            }
            GovernorEvent::ActionOverdue(attempt) => {
                data.end_action(attempt, ActionResult::Timeout, context)
                    .await
            }
            GovernorEvent::Entitled(entitled) => {
                data.entitled = entitled;
                Ok(match (entitled, state) {
                    (false, GovernorState::Stable | GovernorState::Warning) => {
                        Next::Goto(GovernorState::Refusing)
                    }
                    (true, GovernorState::Refusing) => Next::Goto(GovernorState::Stable),
                    // An action in flight is seen through first.
                    _ => Next::Keep,
                })
            }
        }
    }
}

impl GovernorData {
    /// The receipt of the first signal with this one's id.
    fn earlier(&self, signal: &Signal) -> Option<ReceiptId> {
        let key = signal.key()?;
        Some(self.arguments.store.of_key(&key)?.id)
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

    async fn refuse(
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
        let receipt = self.write(Draft { key, ..draft }).await?;
        answer(reply, Verdict::Refused(receipt.id));
        Ok(Next::Goto(GovernorState::Refusing))
    }

    async fn judge(
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

    async fn act(
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
        self.watch(&attempt, context);
        let action = Action {
            attempt: attempt.id,
            tenant: self.arguments.tenant.clone(),
            kind,
        };
        // Without an executor the action ends by its timeout.
        if let Some(executor) = Names::find(&self.arguments.names.of(part::EXECUTOR)) {
            let _ = executor.cast(ExecutorMessage::Execute(action));
        }
        answer(reply, Verdict::Acting(attempt.id));
        Ok(Next::Keep)
    }

    /// An action is in flight from now on; it times out when nobody reports its end.
    fn watch(&mut self, attempt: &Receipt, context: &mut Context<'_, Governor>) {
        let overdue = GovernorEvent::ActionOverdue(attempt.id);
        context.state_timeout(self.arguments.action_timeout, overdue);
        self.in_flight = Some(InFlight {
            attempt: attempt.id,
            signal: attempt.signal.clone(),
            since: retake::now(),
        });
    }

    async fn end_action(
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
        let duration = in_flight.since.elapsed();
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

    async fn append(
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
            ReceiptKind::Result { attempt, .. } => Some(format!("result-of-{attempt}")),
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

/// The client may have given up; what was decided stands.
fn answer(reply: RpcReplyPort<Verdict>, verdict: Verdict) {
    let _ = reply.send(verdict);
}

fn describe(signal: &Signal) -> String {
    if let Some(action) = signal.action {
        return format!("{action} as asked");
    }
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
