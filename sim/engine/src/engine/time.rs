//! Virtual time: it moves when nothing can run, to the next timer.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Waker};
use std::time::Duration;

use super::{Engine, nanos};
use crate::outcome::Outcome;
use crate::timers::Action;

const NS_PER_MS: u64 = 1_000_000;
/// Where time is sent when no timer of the simulation's own is pending: beyond
/// every horizon, within what tokio's timer wheel holds.
pub(super) const FAR_NS: u64 = 2 * crate::limits::HORIZON_MAX.as_nanos() as u64;
/// On the way there tokio stops where its timer wheel's coarser slots begin, a few
/// times. More stops are the work of tasks that no gate guards and that wait for
/// tokio's timers without end.
const IDLES_PAST_HORIZON: u32 = 1_000;

/// A timer of tokio's at the millisecond of the simulation's next deadline.
pub(super) struct Anchor {
    sleep: Pin<Box<tokio::time::Sleep>>,
    at_ns: u64,
}

impl Engine {
    #[inline]
    pub(super) fn refresh_time(&self) {
        if self.time_is_stale.replace(false) {
            self.read_time();
        }
    }

    pub(super) fn read_time(&self) {
        if self.is_following() {
            // Its time is that of the recorded steps.
            return;
        }
        if let Some(base) = self.base.get() {
            let since = tokio::time::Instant::now().saturating_duration_since(base);
            self.core.borrow_mut().moved_to(nanos(since));
        }
    }

    /// Nothing is runnable: fire what is due, or let time move to the next event.
    ///
    /// tokio's own timers tick in milliseconds. When the clock is aligned, tokio
    /// advances it by itself to its next timer, which is a timer of the user's or
    /// the *anchor*: one of ours at the millisecond of our next deadline. Within a
    /// millisecond the clock is advanced by hand. From an unaligned clock tokio
    /// would advance whole ticks and overshoot.
    pub(super) fn idle(&self) {
        self.time_is_stale.set(true);
        self.refresh_time();
        self.time_is_stale.set(true);
        self.note_ungated();
        self.core.borrow_mut().forget_waker();
        let healed = self.core.borrow_mut().heal_if_awaited();
        if healed {
            self.apply_effects();
            return self.kick();
        }
        if self.fire_due() || self.environment_acts() {
            return;
        }
        let (now_ns, next_ns, horizon_ns) = {
            let mut core = self.core.borrow_mut();
            core.stats.idles += 1;
            (
                core.now_ns,
                core.timers.next_deadline_ns(),
                core.config.horizon_ns,
            )
        };
        let next_ns = next_ns.into_iter().chain(self.environment_next_ns()).min();
        let target_ns = match next_ns {
            Some(next_ns) => next_ns.min(horizon_ns),
            // Nothing of ours is pending: if nothing of tokio's is, time gets there.
            None => {
                self.core.borrow_mut().stands_still();
                FAR_NS
            }
        };
        if now_ns >= FAR_NS {
            return self.standstill();
        }
        let past_horizon = if now_ns > horizon_ns {
            self.idles_past_horizon.get() + 1
        } else {
            0
        };
        self.idles_past_horizon.set(past_horizon);
        let has_next = next_ns.is_some() || past_horizon > IDLES_PAST_HORIZON;
        if now_ns >= horizon_ns && has_next {
            let (waiting, busy) = {
                let core = self.core.borrow();
                (core.waiting(), core.busy())
            };
            return self.finish(Outcome::Horizon { waiting, busy });
        }
        if target_ns / NS_PER_MS == now_ns / NS_PER_MS {
            advance(target_ns - now_ns);
            self.refresh_time();
            self.time_is_stale.set(true);
            self.fire_due();
            return;
        }
        let into_ms = now_ns % NS_PER_MS;
        if into_ms != 0 {
            return advance(NS_PER_MS - into_ms);
        }
        self.set_anchor(target_ns / NS_PER_MS * NS_PER_MS);
    }

    pub(super) fn set_anchor(&self, at_ns: u64) {
        let Some(base) = self.base.get() else { return };
        let deadline = base + Duration::from_nanos(at_ns);
        let mut anchor = self.anchor.borrow_mut();
        match &mut *anchor {
            Some(anchor) if anchor.at_ns == at_ns && !anchor.sleep.is_elapsed() => return,
            Some(anchor) => {
                anchor.sleep.as_mut().reset(deadline);
                anchor.at_ns = at_ns;
            }
            None => {
                let sleep = Box::pin(tokio::time::sleep_until(deadline));
                *anchor = Some(Anchor { sleep, at_ns });
            }
        }
        if let Some(anchor) = &mut *anchor {
            // Polling registers the timer. Nobody needs to be woken: the park ends by itself.
            let _ = anchor
                .sleep
                .as_mut()
                .poll(&mut Context::from_waker(Waker::noop()));
        }
    }

    pub(super) fn fire_due(&self) -> bool {
        let mut fired = false;
        loop {
            let action = {
                let mut core = self.core.borrow_mut();
                let now_ns = core.now_ns;
                let Some(action) = core.timers.pop_due(now_ns) else {
                    break;
                };
                match action {
                    Action::Fault(place) => {
                        core.inject_at_time(place);
                        None
                    }
                    Action::Release { slot, serial } => {
                        core.release(slot, serial);
                        None
                    }
                    Action::Liveness(within) => {
                        core.liveness_ends(within);
                        None
                    }
                    Action::Wake(waker) => Some(waker),
                }
            };
            fired = true;
            match action {
                Some(waker) => waker.wake(),
                None => self.apply_effects(),
            }
        }
        if self.core.borrow().is_over() {
            self.finish_main();
        }
        if fired {
            // Behind all of them, so that the scheduler sees everything due at this instant.
            self.kick();
        }
        fired
    }
}

/// Advance tokio's paused clock. `advance` moves it when first polled and then
/// only yields.
///
/// Called before the thread parks, this needs two things of tokio. It must not park when the
/// hook has deferred a waker, as the yield does, or it waits for ever where it has no timer:
/// since 1.50 (tokio's pull request 7835). And it must poll its timers when it does not park, or
/// those that are due then come after the simulation's: since 1.52.4 (8222).
pub(super) fn advance(ns: u64) {
    let mut advance = std::pin::pin!(tokio::time::advance(Duration::from_nanos(ns)));
    let _ = advance
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()));
}
