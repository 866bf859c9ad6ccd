//! What gives tasks and threads their labels, for faults that name them.

use super::core::label;
use super::kernel::Kernel;
use super::state::About;

impl Kernel {
    /// A task was spawned.
    #[inline]
    pub(super) fn label_task(&mut self, serial: u32, about: &About) {
        if self.faults.is_on() {
            let (file, line) = about.place.map_or(("", 0), |it| (it.file(), it.line()));
            let name = label::of_spawn(&about.name, about.type_name, file, line);
            self.faults.labels.name(serial, name);
        }
    }

    /// The thread in this slot, which has this name, blocks on a future: the first one is known.
    pub(super) fn label_thread(&mut self, slot: u32, name: &str, type_name: &str) {
        let serial = self.entities[slot as usize].serial;
        let is_first = self.abouts[slot as usize].place.is_none();
        if self.faults.is_on() && is_first && serial > 0 {
            // The harness of tests has one thread for the test.
            let own = if serial == 1 { name } else { "" };
            self.faults.labels.name(serial, label::of_thread(own, Some(type_name)));
        }
    }
}
