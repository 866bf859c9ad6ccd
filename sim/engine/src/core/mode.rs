//! What a run is doing: taking steps, or showing why nothing can run or what it leaves.

use retake_traces::record::UnhandledMessage;

use crate::awaits::Look;
use crate::deadlock::DeadlockProbe;

/// What a run is doing. Whether it is over is known by its outcome: also a run that is over
/// has a mode.
#[derive(Debug, Default)]
pub(crate) enum Mode {
    /// Its tasks take steps, until it is over.
    #[default]
    Steps,
    /// It is at a standstill, and tasks are polled to see what they await.
    Awaits(Look),
    /// It is at a standstill, and tasks are ended to see who waits for whom.
    Probe(DeadlockProbe),
    /// It is over, and mailboxes are emptied.
    Mailboxes(Leftovers),
    /// It is over, and idle actors are asked for their states.
    States,
}

/// What is found in mailboxes after the run.
#[derive(Debug, Default)]
pub(crate) struct Leftovers {
    /// Callbacks that have ended for it.
    pub(crate) ended: usize,
    pub(crate) messages: Vec<UnhandledMessage>,
}

impl Mode {
    /// Nothing can run any more, and it is found out why.
    pub(crate) fn is_standstill(&self) -> bool {
        matches!(self, Self::Awaits(_) | Self::Probe(_))
    }

    /// What happens is a part of the trace.
    pub(crate) fn is_recorded(&self) -> bool {
        matches!(self, Self::Steps | Self::Probe(_))
    }

    /// Back to steps; gives what was found in mailboxes.
    pub(crate) fn end_mailboxes(&mut self) -> Leftovers {
        match std::mem::take(self) {
            Self::Mailboxes(leftovers) => leftovers,
            _ => Leftovers::default(),
        }
    }
}
