//! What a step does to its thread: block it, or start another one.
//!
//! Called by interposed functions of the C library, so from anywhere: where the engine is
//! busy or does not exist, nothing happens.

#![cfg_attr(
    not(target_env = "gnu"),
    allow(dead_code, reason = "threads are seen with glibc only")
)]

use std::rc::Rc;

use super::time::{FAR_NS, advance};
use super::{CURRENT, Engine};
use crate::interpose::EngineCalls;
use crate::interpose::heap::LibraryHeap;
use crate::outcome::Outcome;

/// What interposed functions ask.
pub(super) static ASKED: EngineCalls = EngineCalls {
    steps_taken,
    block,
    starts_thread,
};

/// The engine on this thread, also while the thread ends.
fn current() -> Option<Rc<Engine>> {
    CURRENT
        .try_with(|engine| engine.try_borrow().ok()?.clone())
        .ok()?
}

/// Steps of the run on this thread so far.
fn steps_taken() -> u64 {
    let steps = |engine: Rc<Engine>| Some(engine.core.try_borrow().ok()?.stats.steps);
    current().and_then(steps).unwrap_or(0)
}

/// The step on this thread blocks it for so long: virtual time moves on.
fn block(ns: u64) {
    let _library = LibraryHeap::enter();
    if let Some(engine) = current() {
        // Should tokio's clock have been resumed by hand, moving it panics, and the caller
        // is C.
        let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| engine.block(ns)));
    }
}

/// The step on this thread starts another one; `place` says by which code.
fn starts_thread(is_allowed: bool, place: &dyn Fn() -> Option<String>) {
    let _library = LibraryHeap::enter();
    if let Some(engine) = current() {
        engine.starts_thread(is_allowed, place);
    }
}

impl Engine {
    fn block(&self, ns: u64) {
        let Ok(core) = self.core.try_borrow_mut() else {
            return;
        };
        // The time of a recording is that of its steps.
        let is_fixed = core.is_over() || core.follow.is_some();
        let (now_ns, horizon_ns) = (core.now_ns, core.config.horizon_ns);
        drop(core);
        // Short of where time is sent when nothing waits for it.
        let ns = ns.min(FAR_NS.saturating_sub(now_ns + 1));
        if is_fixed || ns == 0 || tokio::runtime::Handle::try_current().is_err() {
            return;
        }
        advance(ns);
        self.time_is_stale.set(true);
        self.refresh_time();
        if now_ns + ns > horizon_ns {
            let (waiting, busy) = {
                let core = self.core.borrow();
                (core.waiting(), core.busy())
            };
            self.finish(Outcome::Horizon { waiting, busy });
        }
    }

    fn starts_thread(&self, is_allowed: bool, place: &dyn Fn() -> Option<String>) {
        let Ok(mut core) = self.core.try_borrow_mut() else {
            return;
        };
        if is_allowed {
            core.threads += 1;
            if core.threads > 1 {
                return;
            }
        } else if core.is_over() {
            return;
        }
        drop(core);
        // It takes long, and may run code of the user's: the panic hook, an allocator.
        let place = place();
        if is_allowed {
            self.core.borrow_mut().first_thread = place;
            return;
        }
        let what = match place {
            Some(place) => format!("a thread was started {place}"),
            None => "a thread was started".to_owned(),
        };
        self.finish(Outcome::Escaped {
            what,
            remedy: "a thread runs outside the simulation: start a task with `retake::spawn`, do the work in \
                     the step, or put it behind a seam that the simulation replaces (see \
                     `retake::is_simulated`). `Sim::allow_threads` lets threads start; such a run may not \
                     repeat"
                .to_owned(),
        });
    }
}
