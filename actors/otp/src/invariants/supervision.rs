//! Supervisors and the lives of actors, from a journal.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use super::violation::{Violation, violation};
use crate::journal::{Entry, Event, HandlerEnd, Lifecycle};
use crate::supervisor::{Restart, Strategy, Tree};

/// 1: the restarts of the supervisor of this name, which allows `intensity` of them
/// within any `period`.
#[must_use]
pub fn restarts(
    entries: &[Entry],
    supervisor: &str,
    intensity: u32,
    period: Duration,
) -> Vec<Violation> {
    let mut violations = Vec::new();
    let mut recent: Vec<retake::Instant> = Vec::new();
    let mut gave_up = false;
    for entry in entries.iter().filter(|entry| entry.who == supervisor) {
        match &entry.event {
            // Another incarnation counts from the beginning.
            Event::Life(_, Lifecycle::Starting) => {
                recent.clear();
                gave_up = false;
            }
            Event::Restart(child) => {
                recent.retain(|at| entry.at.duration_since(*at) <= period);
                recent.push(entry.at);
                if recent.len() > intensity as usize {
                    let number = recent.len();
                    let what = format!("{supervisor} restarts `{child}`: {number} in {period:?}");
                    violations.push(violation(1, what));
                }
                if gave_up {
                    let what = format!("{supervisor} restarts `{child}` after it gave up");
                    violations.push(violation(1, what));
                }
            }
            Event::GaveUp(child) => {
                recent.retain(|at| entry.at.duration_since(*at) <= period);
                if recent.len() < intensity as usize {
                    let number = recent.len();
                    let what = format!("{supervisor} gives up after {number} restarts (`{child}`)");
                    violations.push(violation(1, what));
                }
                if gave_up {
                    violations.push(violation(1, format!("{supervisor} gives up twice")));
                }
                gave_up = true;
            }
            _ => {}
        }
    }
    violations
}

/// 2: whom the supervisor of this name stops, and in which order. Its children are
/// [`JournaledActor`](crate::journal::JournaledActor) under their ids, which differ.
#[must_use]
pub fn restart_sets(entries: &[Entry], supervisor: &str, strategy: Strategy) -> Vec<Violation> {
    let mut violations = Vec::new();
    // In the order of starting.
    let mut children: Vec<&str> = Vec::new();
    let mut alive: BTreeMap<&str, u64> = BTreeMap::new();
    let mut group: Option<Group> = None;
    for entry in entries {
        if let Event::Life(number, life) = &entry.event
            && entry.who != supervisor
        {
            match life {
                Lifecycle::Starting => {
                    alive.insert(&entry.who, *number);
                }
                Lifecycle::Ended if alive.get(entry.who.as_str()) == Some(number) => {
                    alive.remove(entry.who.as_str());
                }
                _ => {}
            }
            continue;
        }
        if entry.who != supervisor {
            continue;
        }
        match &entry.event {
            Event::StopChild(child) => match &mut group {
                Some(group) => group.stopped.push(child.clone()),
                None => {
                    let what = format!("{supervisor} stops `{child}` for no reason");
                    violations.push(violation(2, what));
                }
            },
            other => {
                violations.extend(group.take().and_then(|group| group.wrong(supervisor)));
                match other {
                    Event::Added(child) => {
                        children.retain(|known| known != child);
                        children.push(child);
                    }
                    Event::Restart(child) => {
                        let from = children.iter().position(|known| known == child);
                        let set = match strategy {
                            Strategy::OneForOne | Strategy::SimpleOneForOne => &[][..],
                            Strategy::OneForAll => &children[..],
                            Strategy::RestForOne => &children[from.unwrap_or(0)..],
                        };
                        group = Some(Group::new(format!("restarts `{child}`"), set, &alive));
                    }
                    Event::Terminate(child) => {
                        let set = [child.as_str()];
                        group = Some(Group::new(format!("terminates `{child}`"), &set, &alive));
                    }
                    Event::ShutDown => {
                        group = Some(Group::new("shuts down".to_owned(), &children, &alive));
                    }
                    _ => {}
                }
            }
        }
    }
    violations.extend(group.and_then(|group| group.wrong(supervisor)));
    violations
}

/// Children that a supervisor stops for one reason.
struct Group {
    why: String,
    /// Those that may be stopped, in the order of starting.
    set: Vec<String>,
    /// Those of the set that lived.
    alive: BTreeSet<String>,
    stopped: Vec<String>,
}

impl Group {
    fn new(why: String, set: &[&str], alive: &BTreeMap<&str, u64>) -> Self {
        let lives = set.iter().filter(|child| alive.contains_key(*child));
        Self {
            why,
            alive: lives.map(|child| (*child).to_owned()).collect(),
            set: set.iter().map(|child| (*child).to_owned()).collect(),
            stopped: Vec::new(),
        }
    }

    fn wrong(self, supervisor: &str) -> Option<Violation> {
        let expected: Vec<&String> = self
            .set
            .iter()
            .rev()
            .filter(|child| self.alive.contains(*child) || self.stopped.contains(child))
            .collect();
        if self.stopped.iter().eq(expected.iter().copied()) {
            return None;
        }
        let what = format!(
            "{supervisor} {}, and stops {:?} instead of {expected:?}",
            self.why, self.stopped
        );
        Some(violation(2, what))
    }
}

/// 3: at the end of the journal, none of these lives on after the supervisor of this
/// name has ended.
#[must_use]
pub fn orphans(entries: &[Entry], supervisor: &str, children: &[&str]) -> Vec<Violation> {
    let living = living(entries);
    if living.contains_key(supervisor) {
        return Vec::new();
    }
    let orphans = children.iter().filter(|child| living.contains_key(*child));
    orphans
        .map(|child| violation(3, format!("`{child}` outlives {supervisor}")))
        .collect()
}

/// Incarnations that have not ended, by name.
fn living(entries: &[Entry]) -> BTreeMap<&str, BTreeSet<u64>> {
    let mut living: BTreeMap<&str, BTreeSet<u64>> = BTreeMap::new();
    for entry in entries {
        let who = entry.who.as_str();
        match &entry.event {
            Event::Life(number, Lifecycle::Starting) => {
                living.entry(who).or_default().insert(*number);
            }
            Event::Life(number, Lifecycle::Ended) => {
                if let Some(numbers) = living.get_mut(who) {
                    numbers.remove(number);
                    if numbers.is_empty() {
                        living.remove(who);
                    }
                }
            }
            _ => {}
        }
    }
    living
}

/// 4, 7 and 13, for all incarnations.
///
/// The state of an actor that was killed may be dropped after its successor has
/// started: ractor hands it to the supervisor, who may be busy. So an end that
/// comes late is no second life, and anything else that the earlier one does is.
#[must_use]
pub fn lives(entries: &[Entry]) -> Vec<Violation> {
    let mut violations = Vec::new();
    let mut state: BTreeMap<u64, LifeSoFar> = BTreeMap::new();
    let mut latest: BTreeMap<&str, u64> = BTreeMap::new();
    for entry in entries {
        let Event::Life(number, life) = &entry.event else {
            continue;
        };
        let who = entry.who.as_str();
        let so_far = state.entry(*number).or_insert_with(|| LifeSoFar {
            who: who.to_owned(),
            ..LifeSoFar::default()
        });
        if so_far.ended {
            let what = format!("{who}, incarnation {number}, has ended, and then: {life:?}");
            let invariant = if *life == Lifecycle::Ended { 4 } else { 13 };
            violations.push(violation(invariant, what));
            continue;
        }
        let successor = latest.get(who).copied().unwrap_or(*number);
        if successor > *number && *life != Lifecycle::Ended {
            let what =
                format!("{who} lives twice: {life:?} of {number} after {successor} has started");
            violations.push(violation(4, what));
        }
        match life {
            Lifecycle::Starting => {
                latest.insert(who, *number);
            }
            Lifecycle::Handling(_) if so_far.stopping => {
                let what = format!("{who}, incarnation {number}, handles a message after its stop");
                violations.push(violation(13, what));
            }
            Lifecycle::Handled(HandlerEnd::Failed | HandlerEnd::Panicked | HandlerEnd::Cut) => {
                so_far.failed = true;
            }
            Lifecycle::Stopping => {
                if so_far.failed {
                    let what = format!("{who}, incarnation {number}, failed and runs post_stop");
                    violations.push(violation(7, what));
                }
                so_far.stopping = true;
            }
            Lifecycle::Ended => so_far.ended = true,
            _ => {}
        }
    }
    for (number, so_far) in state {
        let who = so_far.who;
        if !so_far.ended && latest.get(who.as_str()) > Some(&number) {
            let what = format!("{who}, incarnation {number}, has a successor and no end");
            violations.push(violation(4, what));
        }
    }
    violations
}

#[derive(Default)]
struct LifeSoFar {
    who: String,
    failed: bool,
    stopping: bool,
    ended: bool,
}

/// 5: `is_declared` says whether an actor of this name may begin with this state,
/// for all incarnations but the first.
#[must_use]
pub fn recovered_states(
    entries: &[Entry],
    is_declared: impl Fn(&str, &str) -> bool,
) -> Vec<Violation> {
    let mut violations = Vec::new();
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    for entry in entries {
        let Event::Life(_, Lifecycle::Started(state)) = &entry.event else {
            continue;
        };
        if !seen.insert(&entry.who) && !is_declared(&entry.who, state) {
            let what = format!("{} is restarted with the state {state}", entry.who);
            violations.push(violation(5, what));
        }
    }
    violations
}

/// 6: the supervisor of this name receives the end of each of these children that failed within
/// this time, which is as long as it may be busy with another one, unless it ends itself.
#[must_use]
pub fn unheard(
    entries: &[Entry],
    supervisor: &str,
    children: &[&str],
    within: Duration,
) -> Vec<Violation> {
    let mut violations = Vec::new();
    // By child: when it failed.
    let mut failed: BTreeMap<&str, VecDeque<retake::Instant>> = BTreeMap::new();
    let mut is_late = |child: &str, at: retake::Instant, now: retake::Instant| {
        if now.duration_since(at) > within {
            let what = format!("{supervisor} has not heard of `{child}`, which failed, in time");
            violations.push(violation(6, what));
        }
    };
    for entry in entries {
        let who = entry.who.as_str();
        match &entry.event {
            Event::Life(_, Lifecycle::Handled(HandlerEnd::Failed | HandlerEnd::Panicked))
                if children.contains(&who) =>
            {
                failed.entry(who).or_default().push_back(entry.at);
            }
            // One that is stopped was not heard of before.
            Event::ChildExited(child) | Event::StopChild(child) if who == supervisor => {
                let at = failed.get_mut(child.as_str()).and_then(VecDeque::pop_front);
                if let Some(at) = at {
                    is_late(child, at, entry.at);
                }
            }
            Event::Life(_, Lifecycle::Ended) if who == supervisor => {
                for (child, at) in std::mem::take(&mut failed) {
                    at.into_iter().for_each(|at| is_late(child, at, entry.at));
                }
            }
            _ => {}
        }
    }
    for (child, at) in failed {
        for _ in at {
            let what = format!("{supervisor} has not heard of `{child}`, which failed");
            violations.push(violation(6, what));
        }
    }
    violations
}

/// 39: nobody was restarted, for runs in which nothing failed on purpose.
#[must_use]
pub fn undisturbed(entries: &[Entry]) -> Vec<Violation> {
    let restarts = entries.iter().filter_map(|entry| match &entry.event {
        Event::Restart(child) => {
            let what = format!(
                "{} restarts `{child}`, and no fault was injected",
                entry.who
            );
            Some(violation(39, what))
        }
        _ => None,
    });
    restarts.collect()
}

/// 8: once nothing fails any more, every permanent child runs.
#[must_use]
pub fn tree_at_rest(tree: &Tree) -> Vec<Violation> {
    let mut violations = Vec::new();
    let mut next = vec![tree];
    while let Some(tree) = next.pop() {
        if let Some(info) = &tree.info
            && info.restart == Restart::Permanent
            && info.actor.is_none()
        {
            violations.push(violation(8, format!("`{}` does not run", tree.id)));
        }
        next.extend(&tree.children);
    }
    violations
}
