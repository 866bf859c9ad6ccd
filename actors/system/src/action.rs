//! Actions: what can be done for a tenant, and how it ended.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::ledger::ReceiptId;

/// What can be done for a tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActionKind {
    /// Add or remove capacity.
    Scale,
    /// Go back to an earlier version.
    Rollback,
    /// Slow intake down.
    Throttle,
}

impl fmt::Display for ActionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Scale => "scale",
            Self::Rollback => "rollback",
            Self::Throttle => "throttle",
        })
    }
}

/// An accepted action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Action {
    /// The receipt of its attempt, which names it.
    pub attempt: ReceiptId,
    /// Whom it is for.
    pub tenant: String,
    /// What is done.
    pub kind: ActionKind,
}

/// How an action ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ActionResult {
    /// The work is done.
    Success,
    /// The work was not done in time.
    Timeout,
    /// The work was not done.
    Error(String),
    /// A part of the work was done.
    Partial(String),
}

impl ActionResult {
    /// The word that receipts use.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Timeout => "timeout",
            Self::Error(_) => "error",
            Self::Partial(_) => "partial",
        }
    }

    /// Why it was not a success.
    #[must_use]
    pub fn reason(&self) -> &str {
        match self {
            Self::Error(reason) | Self::Partial(reason) => reason,
            Self::Success | Self::Timeout => "",
        }
    }
}

/// How long an action may take, if nothing else is said.
pub(crate) const ACTION_TIMEOUT: Duration = Duration::from_secs(30);

/// What an executor is asked.
#[derive(Debug)]
pub enum ExecutorMessage {
    /// Run this action; the tenant's governor receives its end.
    Execute(Action),
}
