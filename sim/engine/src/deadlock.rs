//! Who waits for whom, in a system that has come to a standstill.
//!
//! ractor does not tell whose reply a caller awaits. But a caller wakes when the
//! actor that owes the reply is gone. So, once nothing can run any more, the
//! actors are killed one by one, and a task that wakes was waiting for the one
//! killed. Nothing of this is part of the run: no step is granted any more.
//!
//! Tasks are aborted in the same way. What a task holds goes with it: so it is seen as well
//! who waits for a lock, for the other end of a channel, or for the end of a task.
//!
//! One that is killed early cannot be seen to wait for a later one. If several wait, the
//! simulation repeats the run and kills them in the opposite order: for any two, one of the
//! two orders shows whether the first waits for the second.

use std::collections::{BTreeMap, BTreeSet};

use ractor::ActorCell;
use retake_core::cycle;
use tokio::task::AbortHandle;

use crate::outcome::{Outcome, Run, WaitingTask};
use crate::view::View;

/// The experiment, one victim at a time.
#[derive(Debug)]
pub(crate) struct DeadlockProbe {
    victims: Vec<Victim>,
    /// Victims killed so far; the last of them is the current one.
    killed: usize,
    waiting: BTreeMap<u32, WaitingTask>,
    /// Waiter to the labels of those it waits for.
    edges: BTreeMap<u32, BTreeSet<String>>,
}

#[derive(Debug)]
struct Victim {
    slot: u32,
    label: String,
    ender: Ender,
    waits: bool,
}

/// Ends an actor or a task.
#[derive(Clone, Debug)]
pub(crate) enum Ender {
    Actor(ActorCell),
    Task(AbortHandle),
}

impl Ender {
    pub(crate) fn kill(&self) {
        match self {
            Self::Actor(cell) => cell.kill(),
            Self::Task(handle) => handle.abort(),
        }
    }
}

impl DeadlockProbe {
    /// Plan to kill every live actor and every task that waits: leaves of the supervision
    /// tree before their supervisors (whose death takes them along), and those that wait after
    /// those that do not.
    pub(crate) fn new(view: &View<'_>, waiting: Vec<WaitingTask>, is_reversed: bool) -> Self {
        let tasks = view.tasks;
        let mut victims: Vec<Victim> = tasks
            .iter()
            .filter_map(|(slot, task)| {
                let ender = match &task.cell {
                    Some(cell) if task.is_live_actor() => Ender::Actor(cell.clone()),
                    Some(_) => return None,
                    None => Ender::Task(task.spawned.as_ref()?.handle.clone()?),
                };
                Some(Victim {
                    slot,
                    label: view.label(task),
                    ender,
                    waits: task.suspended,
                })
            })
            .collect();
        victims.sort_by_key(|victim| {
            let is_parent = match &victim.ender {
                Ender::Actor(cell) => !cell.get_children().is_empty(),
                Ender::Task(_) => false,
            };
            let slot = i64::from(victim.slot);
            let place = if is_reversed { slot } else { -slot };
            (is_parent, victim.waits, place)
        });
        let suspended = tasks
            .iter()
            .filter(|(_, task)| task.suspended)
            .map(|(slot, _)| slot);
        Self {
            victims,
            killed: 0,
            waiting: suspended.zip(waiting).collect(),
            edges: BTreeMap::new(),
        }
    }

    /// The next one to kill.
    pub(crate) fn next(&mut self) -> Option<Ender> {
        let victim = self.victims.get(self.killed)?;
        self.killed += 1;
        Some(victim.ender.clone())
    }

    /// A gate was polled during the experiment.
    pub(crate) fn woken(&mut self, slot: u32, resumed: bool) {
        let Some(victim) = self.killed.checked_sub(1).map(|place| &self.victims[place]) else {
            return;
        };
        if resumed && victim.slot != slot {
            self.edges
                .entry(slot)
                .or_default()
                .insert(victim.label.clone());
        }
    }

    /// What was learned.
    pub(crate) fn findings(self) -> Findings {
        let mut waiting = self.waiting;
        for (slot, targets) in self.edges {
            if let Some(wait) = waiting.get_mut(&slot) {
                wait.waits_for = targets.into_iter().collect();
            }
        }
        let is_unresolved = self.victims.iter().filter(|victim| victim.waits).count() > 1;
        Findings {
            waiting: waiting.into_values().collect(),
            is_unresolved,
        }
    }
}

/// What one experiment taught.
#[derive(Debug)]
pub(crate) struct Findings {
    pub(crate) waiting: Vec<WaitingTask>,
    /// Whether another order of killing may show more.
    pub(crate) is_unresolved: bool,
}

/// Add to a run that has ended in a deadlock what a repetition shows in which the actors
/// were killed in the opposite order. One that is another run, because something is not a
/// function of the seed, adds nothing.
pub fn complete<T, U>(run: &mut Run<T>, again: &Run<U>) {
    let is_same =
        run.stats.steps == again.stats.steps && run.stats.virtual_time == again.stats.virtual_time;
    if let Outcome::Deadlock { waiting, .. } = &mut run.outcome
        && let Outcome::Deadlock { waiting: more, .. } = &again.outcome
        && is_same
    {
        run.outcome = outcome(merge(std::mem::take(waiting), more));
    }
}

/// Combine what two experiments with the same run taught.
fn merge(mut first: Vec<WaitingTask>, second: &[WaitingTask]) -> Vec<WaitingTask> {
    for wait in &mut first {
        let same = second.iter().find(|other| other.task == wait.task);
        let known: BTreeSet<String> = wait
            .waits_for
            .iter()
            .chain(same.into_iter().flat_map(|other| &other.waits_for))
            .cloned()
            .collect();
        wait.waits_for = known.into_iter().collect();
    }
    first
}

/// The outcome, with a circle of waits if there is one.
pub(crate) fn outcome(waiting: Vec<WaitingTask>) -> Outcome {
    let cycle = find_cycle(&waiting);
    Outcome::Deadlock { waiting, cycle }
}

/// Depth-first search for a circle; the first in the order of tasks.
fn find_cycle(waiting: &[WaitingTask]) -> Vec<String> {
    let edges = waiting.iter().flat_map(|wait| {
        let others = wait.waits_for.iter();
        others.map(|other| (&*wait.task, &**other))
    });
    let cycle = cycle::find(&edges.collect::<Vec<(&str, &str)>>());
    cycle.into_iter().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait(task: &str, waits_for: &[&str]) -> WaitingTask {
        WaitingTask {
            task: task.to_owned(),
            doing: String::new(),
            spawned: None,
            waits_for: waits_for.iter().map(ToString::to_string).collect(),
        }
    }

    #[test]
    fn a_circle_is_found_and_a_chain_is_none() {
        let circle = [
            wait("root", &["a"]),
            wait("a", &["x", "b"]),
            wait("b", &["c"]),
            wait("c", &["a"]),
        ];
        assert_eq!(find_cycle(&circle), ["a", "b", "c"]);
        assert!(find_cycle(&circle[..3]).is_empty());
        assert_eq!(find_cycle(&[wait("a", &["a"])]), ["a"]);
    }

    #[test]
    fn two_experiments_complete_each_other() {
        let merged = merge(
            vec![wait("a", &["b"]), wait("b", &[])],
            &[wait("a", &[]), wait("b", &["a"])],
        );
        assert_eq!(merged, [wait("a", &["b"]), wait("b", &["a"])]);
    }
}
