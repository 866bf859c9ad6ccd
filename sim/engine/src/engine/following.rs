//! What comes next in a run that follows a recording.

use std::task::Waker;

use super::{Engine, nanos};
use crate::follow::Next;

impl Engine {
    pub(super) fn is_following(&self) -> bool {
        self.core.borrow().follow.is_some()
    }

    /// [`Self::poll_sentinel`] and [`Self::on_park`] of a run that follows a recording.
    pub(super) fn follow_on(&self, parks: bool) {
        let next = {
            let mut core = self.core.borrow_mut();
            if parks {
                core.reclaim_grant();
                core.rounds = 0;
            } else if core.has_grant() {
                return;
            } else if core.rounds > 0 {
                core.rounds -= 1;
                drop(core);
                return self.kick();
            } else if std::mem::take(&mut core.may_have_yielded) {
                // Parking continues, when `yield_now` has woken who it is to wake.
                return;
            }
            core.may_have_yielded = false;
            core.follow_next(self.tokio_ns())
        };
        match next {
            Some(Next::Grant(_)) => {}
            Some(Next::Finish(_)) | None => {
                let mut core = self.core.borrow_mut();
                let held = core.follow.as_mut().map(|follow| follow.release_all());
                drop(core);
                held.into_iter().flatten().for_each(Waker::wake);
                self.finish_main();
            }
            // Parking lets time move.
            Some(Next::Advance(_)) if !parks => {}
            Some(Next::Advance(at_ns)) => self.set_anchor(at_ns),
            Some(Next::Move(_)) => {
                self.fire_due();
                self.kick();
            }
            Some(Next::Wake(waker)) => {
                waker.wake();
                self.kick();
            }
        }
    }

    pub(super) fn tokio_ns(&self) -> u64 {
        let base = self.base.get();
        base.map_or(0, |base| {
            nanos(tokio::time::Instant::now().saturating_duration_since(base))
        })
    }
}
