//! A governor's states, and the events that it receives.

use ractor::RpcReplyPort;
use retake_otp::named_enum;
use retake_otp::statem::Event;

use crate::action::ActionResult;
use crate::ledger::ReceiptId;
use crate::signal::{Signal, Verdict};

named_enum! {
    /// The states of a governor.
    pub enum GovernorState {
        /// Before the first signal.
        Boot = "boot",
        /// All is well.
        Stable = "stable",
        /// A value was high.
        Warning = "warning",
        /// An action is in flight.
        Intervening = "intervening",
        /// The tenant is not entitled.
        Refusing = "refusing",
    }
}

/// An event of a governor.
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

named_enum! {
    /// The kinds of [`GovernorEvent`].
    pub enum GovernorEventKind {
        /// From the governor to itself: take an action.
        Act = "act",
        /// An action has ended.
        ActionDone = "action_done",
        /// An action has had its time.
        ActionOverdue = "action_overdue",
        /// The tenant is entitled, or not any more.
        Entitled = "entitled",
        /// A signal has come in.
        Signal = "signal",
    }
}

impl Event for GovernorEvent {
    type Kind = GovernorEventKind;

    fn kind(&self) -> GovernorEventKind {
        match self {
            Self::Act(..) => GovernorEventKind::Act,
            Self::ActionDone { .. } => GovernorEventKind::ActionDone,
            Self::ActionOverdue(_) => GovernorEventKind::ActionOverdue,
            Self::Entitled(_) => GovernorEventKind::Entitled,
            Self::Signal(..) => GovernorEventKind::Signal,
        }
    }
}
