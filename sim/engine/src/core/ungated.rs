//! Tokio tasks that no gate guards: how many there are, and which step spawned them.
//!
//! Tokio reports how many tasks are alive, and no task ends while a step runs. So what
//! the count has grown by in a step, less the tasks and actors that a gate has announced,
//! is what the step has spawned past the gates. An actor that `spawn_instant` started is at
//! its first gate only when the next task is picked, and is taken off again then.

use super::Core;
use crate::identity::LabelId;
use crate::outcome::{Outcome, UngatedTask};

/// What steps spawn.
#[derive(Debug, Default)]
pub(crate) struct Spawns {
    /// Tokio tasks alive when the step began.
    alive: usize,
    /// Tasks and actors that gates have announced since.
    pub(crate) known: usize,
    /// Spawned past the gates since the last pick.
    unknown: usize,
    /// Actors that have come to a gate since, outside a step.
    pub(crate) announced: usize,
    /// The last step that spawned past the gates, or the last step.
    suspect: Option<(LabelId, u64)>,
}

impl Spawns {
    #[inline]
    pub(crate) fn begin(&mut self, alive: usize) {
        self.alive = alive;
        self.known = 0;
    }
}

impl Core {
    /// The step of this task ends, with so many tokio tasks alive. True if it has spawned
    /// some past the gates.
    #[inline]
    pub(crate) fn count_spawned(&mut self, ticket: &retake::engine::Ticket, alive: usize) -> bool {
        let slot = ticket.task.0;
        if self.current != Some(slot) {
            return false;
        }
        let spawned = alive.saturating_sub(self.spawns.alive);
        let unknown = spawned.saturating_sub(self.spawns.known);
        if unknown > 0 || self.spawns.unknown == 0 {
            let task = self.tasks.get(slot);
            self.spawns.suspect = task.map(|task| (task.label, self.stats.steps));
        }
        self.spawns.unknown += unknown;
        unknown > 0
    }

    /// The system is quiescent: what the last steps have spawned past the gates is known.
    /// True if that ends the run.
    #[inline]
    pub(crate) fn report_ungated(&mut self) -> bool {
        let announced = std::mem::take(&mut self.spawns.announced);
        if self.spawns.unknown == 0 {
            return false;
        }
        let unknown = std::mem::take(&mut self.spawns.unknown);
        self.add_ungated(unknown.saturating_sub(announced));
        self.is_over()
    }

    /// So many tasks are alive that no gate guards, of which others may have spawned some.
    pub(crate) fn found_ungated(&mut self, alive: usize) {
        self.report_ungated();
        let seen = usize::try_from(self.stats.ungated).unwrap_or(usize::MAX);
        self.add_ungated(alive.saturating_sub(seen));
    }

    fn add_ungated(&mut self, count: usize) {
        if count == 0 {
            return;
        }
        self.stats.ungated += count as u64;
        self.stats.ungated_max = self.stats.ungated_max.max(count);
        let first = match self.spawns.suspect {
            Some((label, step)) => UngatedTask {
                task: self.labels.text(label),
                step,
            },
            None => UngatedTask {
                task: "nobody".to_owned(),
                step: 0,
            },
        };
        let first = self.stats.first_ungated.get_or_insert(first).clone();
        if self.config.strict {
            self.finish(Outcome::Escaped {
                what: format!(
                    "{count} tokio task{} no gate guards, from {first}",
                    if count == 1 { " that" } else { "s that" }
                ),
                remedy:
                    "spawn it with `retake::spawn`, or put `#[retake::simulated]` on the actor; a \
                         strict run has no place for ractor's own helpers, such as `send_after`, \
                         either: use `retake::send_after`"
                        .to_owned(),
            });
        }
    }
}
