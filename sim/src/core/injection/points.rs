//! Marked places that misbehave, and names that are taken.

use retake_traces::record::{FaultKind, Record};
use xxhash_rust::xxh3::xxh3_64;

use crate::core::Core;
use crate::fault::{Fault, FaultAction};
use crate::inject::POINT;

impl Core {
    /// Whether the marked place misbehaves now.
    pub(crate) fn buggify(&mut self, site: &'static str) -> bool {
        if !self.in_step() {
            // What is dropped at an actor's end is dropped in no certain order.
            return false;
        }
        let step = self.stats.steps;
        let asked = (0..self.faults.pending.len()).find(|place| {
            let Fault { target, action, .. } = &self.faults.pending[*place].fault;
            *action == FaultAction::Point && target == site && self.faults.is_due(*place, step)
        });
        if let Some(place) = asked {
            self.faults.pending[place].is_over = true;
        }
        let fires = asked.is_some()
            || self
                .buggify
                .as_mut()
                .is_some_and(|buggify| buggify.fires(site));
        if fires {
            let serial = self.current_serial();
            let hash = xxh3_64(site.as_bytes());
            self.record_fault(serial, FaultKind::Point { site: hash });
            if self.layers.story {
                self.write(&Record::Event(format!("{POINT}{site}")));
            }
        }
        fires
    }

    /// Find which of the names to be taken are free now.
    pub(crate) fn find_free_names(&mut self) -> bool {
        self.faults.find_free_names(self.now_ns)
    }
}
