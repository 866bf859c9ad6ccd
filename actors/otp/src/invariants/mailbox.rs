//! Messages and calls of any actors, from a journal.

use std::collections::{BTreeMap, BTreeSet};

use super::violation::{Violation, violation};
use crate::journal::{Entry, Event, Lifecycle, Tag};

/// 9 and 11, for messages that carry a [`Tag`], once nothing is on its way.
///
/// A message that is not handled must have a receiver of which an incarnation has
/// ended since it was sent: then it was lost with the mailbox, or came too late.
#[must_use]
pub fn messages(entries: &[Entry]) -> Vec<Violation> {
    let mut violations = Vec::new();
    // By number: sender, receiver and place.
    let mut open: BTreeMap<u64, (&str, &str, usize)> = BTreeMap::new();
    let mut sent: BTreeSet<u64> = BTreeSet::new();
    // By sender and receiver: the last number that was handled.
    let mut last: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    let mut ended: BTreeMap<&str, usize> = BTreeMap::new();
    for (place, entry) in entries.iter().enumerate() {
        let who = entry.who.as_str();
        match &entry.event {
            Event::Sent(to, number) => {
                sent.insert(*number);
                open.insert(*number, (who, to, place));
            }
            Event::Life(_, Lifecycle::Handling(Some(Tag { from, number }))) => {
                if open.remove(number).is_none() {
                    let how = if sent.contains(number) {
                        "twice"
                    } else {
                        "though nobody sent it"
                    };
                    let what = format!("{who} handles message {number} of {from} {how}");
                    violations.push(violation(11, what));
                }
                if let Some(later) = last.insert((from, who), *number)
                    && later > *number
                {
                    let what = format!("{who} handles message {number} of {from} after {later}");
                    violations.push(violation(9, what));
                }
            }
            Event::Life(_, Lifecycle::Ended) => {
                ended.insert(who, place);
            }
            _ => {}
        }
    }
    for (number, (from, to, place)) in open {
        if ended.get(to).is_none_or(|end| *end < place) {
            let what = format!("message {number} of {from} to {to} is lost");
            violations.push(violation(11, what));
        }
    }
    violations
}

/// 12: never more than `bound` messages with a tag wait for this actor.
#[must_use]
pub fn mailbox_depth(entries: &[Entry], who: &str, bound: usize) -> Vec<Violation> {
    let mut waiting: BTreeSet<u64> = BTreeSet::new();
    let mut most = 0;
    for entry in entries {
        match &entry.event {
            Event::Sent(to, number) if to == who => {
                waiting.insert(*number);
                most = most.max(waiting.len());
            }
            Event::Life(_, life) if entry.who == who => match life {
                Lifecycle::Handling(Some(tag)) => {
                    waiting.remove(&tag.number);
                }
                Lifecycle::Ended => waiting.clear(),
                _ => {}
            },
            _ => {}
        }
    }
    if most <= bound {
        return Vec::new();
    }
    let what = format!("{most} messages waited for {who}, {bound} may");
    vec![violation(12, what)]
}

/// 10: each call comes to one end, once nothing is on its way.
#[must_use]
pub fn calls(entries: &[Entry]) -> Vec<Violation> {
    let mut violations = Vec::new();
    let mut open: BTreeMap<u64, (&str, &str)> = BTreeMap::new();
    for entry in entries {
        match &entry.event {
            Event::Asked(to, call) => {
                open.insert(*call, (&entry.who, to));
            }
            Event::Resolved(call) if open.remove(call).is_none() => {
                let what = format!("call {call} of {} ends again", entry.who);
                violations.push(violation(10, what));
            }
            _ => {}
        }
    }
    for (call, (from, to)) in open {
        let what = format!("call {call} of {from} to {to} has no end");
        violations.push(violation(10, what));
    }
    violations
}

/// 14: nobody waits in a circle, at the end of the journal. Each circle is reported once.
#[must_use]
pub fn wait_cycles(entries: &[Entry]) -> Vec<Violation> {
    let mut open: BTreeMap<u64, (&str, &str)> = BTreeMap::new();
    for entry in entries {
        match &entry.event {
            Event::Asked(to, call) => {
                open.insert(*call, (&entry.who, to));
            }
            Event::Resolved(call) => {
                open.remove(call);
            }
            _ => {}
        }
    }
    let mut waits_for: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (from, to) in open.into_values() {
        waits_for.entry(from).or_default().insert(to);
    }
    let mut violations = Vec::new();
    let mut done: BTreeSet<&str> = BTreeSet::new();
    for start in waits_for.keys() {
        let mut path = Vec::new();
        walk(start, &waits_for, &mut path, &mut done, &mut violations);
    }
    violations
}

fn walk<'a>(
    who: &'a str,
    waits_for: &BTreeMap<&'a str, BTreeSet<&'a str>>,
    path: &mut Vec<&'a str>,
    done: &mut BTreeSet<&'a str>,
    violations: &mut Vec<Violation>,
) {
    if let Some(place) = path.iter().position(|earlier| *earlier == who) {
        let mut circle: Vec<&str> = path[place..].to_vec();
        circle.push(who);
        violations.push(violation(14, circle.join(" waits for ")));
        return;
    }
    if !done.insert(who) {
        return;
    }
    path.push(who);
    for next in waits_for.get(who).into_iter().flatten() {
        walk(next, waits_for, path, done, violations);
    }
    path.pop();
}
