//! What is done when nothing can run any more: find out what tasks await, and who waits for
//! whom.

use super::Engine;
use crate::awaits::Look;
use crate::core::Mode;
use crate::deadlock::DeadlockProbe;

/// What is done when nothing can run any more.
#[derive(Clone, Debug, Default)]
pub(crate) enum Standstill {
    /// Find out who waits for whom, by killing actors.
    #[default]
    Probe,
    /// The same, in the opposite order: who was killed before it could be seen to wait for
    /// another is killed after that.
    ProbeReversed,
    /// Leave the actors as they are.
    Leave,
}

impl Engine {
    pub(super) fn standstill(&self) {
        match &self.standstill {
            Standstill::Leave => self.finish(crate::deadlock::outcome(Vec::new())),
            Standstill::Probe if crate::panics::lists_calls() => {
                let mut core = self.core.borrow_mut();
                core.mode = Mode::Awaits(Look::new(&core.view()));
                drop(core);
                self.next_look();
            }
            Standstill::Probe => self.probe(false),
            Standstill::ProbeReversed => self.probe(true),
        }
    }

    /// Have the next task polled that waits; after the last one, find out who waits for whom.
    pub(super) fn next_look(&self) {
        let next = self.core.borrow_mut().next_look();
        match next {
            Some(waker) => {
                waker.wake();
                // Should nothing be polled, the thread must not park for ever.
                self.kick();
            }
            None => {
                let mut core = self.core.borrow_mut();
                core.backtrace = match std::mem::take(&mut core.mode) {
                    Mode::Awaits(look) => look.found(),
                    _ => Vec::new(),
                };
                drop(core);
                self.probe(false);
            }
        }
    }

    pub(super) fn probe(&self, is_reversed: bool) {
        {
            let mut core = self.core.borrow_mut();
            let waiting = core.waiting();
            core.mode = Mode::Probe(DeadlockProbe::new(&core.view(), waiting, is_reversed));
        }
        self.next_victim();
    }

    pub(super) fn next_victim(&self) {
        let victim = match &mut self.core.borrow_mut().mode {
            Mode::Probe(probe) => probe.next(),
            _ => None,
        };
        match victim {
            Some(victim) => {
                victim.kill();
                drop(victim);
                // Should nothing be woken, the thread must not park for ever.
                self.kick();
            }
            None => {
                let findings = match std::mem::take(&mut self.core.borrow_mut().mode) {
                    Mode::Probe(probe) => Some(probe.findings()),
                    _ => None,
                };
                let waiting = findings
                    .as_ref()
                    .map(|findings| findings.waiting.clone())
                    .unwrap_or_default();
                self.findings.replace(findings);
                self.finish(crate::deadlock::outcome(waiting));
            }
        }
    }
}
