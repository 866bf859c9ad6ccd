//! What can be seen of a run: its tasks, and which of them can run. Nothing can be changed by it.

use crate::identity::{Labels, clean};
use crate::runnable::Runnable;
use crate::task::{Task, Tasks};

/// A run as it is now.
pub(crate) struct View<'a> {
    pub(crate) tasks: &'a Tasks,
    pub(crate) runnable: &'a Runnable,
    pub(crate) labels: &'a Labels,
    /// Virtual time since the start of the run.
    pub(crate) now_ns: u64,
}

impl View<'_> {
    pub(crate) fn label(&self, task: &Task) -> String {
        self.labels.text(task.label)
    }

    /// The label of the actor with this number of ractor's.
    pub(crate) fn label_of_actor(&self, pid: u64) -> Option<String> {
        let slot = self.tasks.slot_of_actor(pid)?;
        self.tasks.get(slot).map(|task| self.label(task))
    }

    /// A text with labels in the place of what differs between processes.
    pub(crate) fn clean(&self, text: String) -> String {
        clean(text, |pid| self.label_of_actor(pid))
    }
}
