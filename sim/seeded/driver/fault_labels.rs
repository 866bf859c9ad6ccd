//! Labels of tasks and threads, as the records of a run have them, for faults that name them.

use std::collections::BTreeMap;

use super::core::fault::Target;
use super::core::label;
use super::kernel::Kernel;
use super::state::About;

/// The labels of all that was started, by numbers. Kept only where faults are planned.
#[derive(Default)]
pub(super) struct Labels {
    names: Vec<String>,
    numbers: BTreeMap<String, u32>,
    /// The place of its name in `names`, by number.
    of: Vec<u32>,
}

impl Labels {
    /// This one is called so, or is so from now on.
    pub(super) fn name(&mut self, serial: u32, name: String) {
        let place = match self.numbers.get(&name) {
            Some(place) => *place,
            None => {
                let place = self.names.len() as u32;
                self.names.push(name.clone());
                self.numbers.insert(name, place);
                place
            }
        };
        let index = serial as usize;
        if index >= self.of.len() {
            self.of.resize(index + 1, u32::MAX);
        }
        self.of[index] = place;
    }

    /// Whether a target names this one.
    pub(super) fn is_meant(&self, target: &Target, serial: u32) -> bool {
        let Some(place) = self.of.get(serial as usize).filter(|place| **place != u32::MAX) else {
            return false;
        };
        let name = &self.names[*place as usize];
        match target {
            Target::Named(text) if text == name => true,
            Target::Named(text) => {
                // Its number is counted where the text may be about it.
                let is_of_name = label::numbered(text).is_some_and(|(it, _)| it == name);
                is_of_name && label::is_meant(name, self.number(serial, *place), text)
            }
            Target::All(prefix) => name.starts_with(&**prefix),
            Target::Run | Target::Next | Target::Child | Target::Supervised => false,
        }
    }

    /// Which of those with its name it is, from 1.
    fn number(&self, serial: u32, place: u32) -> u32 {
        let earlier = &self.of[..serial as usize];
        1 + earlier.iter().filter(|it| **it == place).count() as u32
    }
}

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
