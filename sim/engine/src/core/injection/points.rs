//! Marked places that misbehave, and names that are taken.

use retake_traces::fault::Effect;
use retake_traces::fault::kinds::Point;

use crate::core::Core;

impl Core {
    /// Whether the marked place misbehaves now.
    pub(crate) fn buggify(&mut self, site: &'static str) -> bool {
        if !self.in_step() {
            // What is dropped at an actor's end is dropped in no certain order.
            return false;
        }
        if self.faults.has_places {
            self.faults.places.insert(site);
        }
        let step = self.stats.steps;
        let asked = (0..self.faults.pending.len()).find(|place| {
            let effect = &self.faults.pending[*place].effect;
            let is_meant = matches!(effect, Effect::Misbehave { place } if place == site);
            is_meant && self.faults.is_due(*place, step)
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
            let place = site.to_owned();
            self.record_fault(serial, Point { place }.into());
        }
        fires
    }

    /// Find which of the names to be taken are free now.
    pub(crate) fn find_free_names(&mut self) -> bool {
        self.faults.find_free_names(self.now_ns)
    }
}
