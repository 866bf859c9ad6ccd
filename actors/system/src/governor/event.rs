//! A governor's states, and what it is asked and told.

use std::fmt;

use ractor::RpcReplyPort;

use super::signal::{Signal, Verdict};
use crate::executor::ActionResult;
use crate::ledger::ReceiptId;
use retake_otp::statem::Event;

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
