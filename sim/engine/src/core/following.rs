//! A run that follows a recording: what the follower decides is done here.

use retake::engine::{Outside, StepEnd, Ticket};

use super::Core;
use crate::follow::Next;
use crate::outcome::Outcome;

impl Core {
    /// What comes next, in a quiescent system; see [`Follow::next`](crate::follow::Follow::next).
    /// None when the run is over.
    pub(crate) fn follow_next(&mut self, tokio_ns: u64) -> Option<Next> {
        if self.is_over() {
            return None;
        }
        let mut follow = self.follow.take()?;
        let next = follow.next(&self.view(), tokio_ns);
        self.follow = Some(follow);
        match &next {
            Next::Move(at_ns) => self.moved_to(*at_ns),
            Next::Grant(slot) => self.grant_to(*slot),
            Next::Finish(outcome) => self.finish(outcome.clone()),
            Next::Advance(_) | Next::Wake(_) => {}
        }
        Some(next)
    }

    /// A step has ended. True if its actor must not continue by itself.
    pub(super) fn follow_end(&mut self, ticket: &Ticket, end: &StepEnd) -> bool {
        let is_over = self.is_over();
        let Some(follow) = &mut self.follow else {
            return false;
        };
        let holds = follow.end_step(ticket, end, is_over);
        if is_over || holds.is_err() {
            follow.read_on();
        }
        holds.unwrap_or_else(|outcome| {
            self.finish(outcome);
            false
        })
    }

    pub(crate) fn follow_outside(&mut self, name: &str, must: bool) -> Outside {
        let Some(follow) = &mut self.follow else {
            return Outside::Unseen;
        };
        follow.outside(name, must).unwrap_or_else(|what| {
            self.break_off(&what);
            Outside::Replayed(None)
        })
    }

    pub(crate) fn follow_output(&mut self, name: &str, bytes: &[u8]) {
        let Some(follow) = &mut self.follow else {
            return;
        };
        if let Err(what) = follow.output(name, bytes) {
            self.break_off(&what);
        }
    }

    /// The step that runs is not what was recorded.
    fn break_off(&mut self, what: &str) {
        if self.is_over() {
            return;
        }
        let outcome: Option<Outcome> = self.follow.as_ref().map(|follow| follow.break_off(what));
        if let Some(outcome) = outcome {
            self.finish(outcome);
        }
    }
}
