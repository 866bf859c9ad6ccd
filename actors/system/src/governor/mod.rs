//! The governor: decides for one tenant which signals ask for an action.
//!
//! A [state machine](retake_otp::statem); [`Governor::table`](retake_otp::statem::StateMachine::table)
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
//! use retake_system::governor::{Governor, GovernorArguments, GovernorEvent, GovernorRef};
//! use retake_system::ledger::{Ledger, LedgerArguments};
//! use retake_otp::Names;
//! use retake_system::{Entitlements, Signal, governor::Verdict};
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

mod data;
mod event;
mod signal;

use std::time::Duration;

use ractor::ActorProcessingErr;

use crate::entitlement::Entitlements;
use crate::executor::{ACTION_TIMEOUT, ActionResult};
use crate::ledger::{LedgerRef, ReceiptKind, Store};
use crate::part;
use crate::service_time::ServiceTime;
use crate::stages::Stages;
use retake_otp::Names;
use retake_otp::statem::{Context, EnterContext, Next, StateMachine, StatemRef, Table};

pub use data::GovernorData;
use data::answer;
pub use event::{GovernorEvent, GovernorState};
pub use signal::{ACTION_ABOVE, Signal, Verdict, WARNING_ABOVE};

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
        data.take_over(&attempt, context);
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
