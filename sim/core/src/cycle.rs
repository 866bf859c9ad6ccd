//! Circles of tasks that wait for each other.

use std::collections::{BTreeMap, BTreeSet};

/// The first circle among these waits, each of a task for another one: its tasks in order, the
/// first one not repeated; empty without a circle. Waits are followed in the order given.
#[must_use]
pub fn find<T: Copy + Ord>(waits: &[(T, T)]) -> Vec<T> {
    let mut edges: BTreeMap<T, Vec<T>> = BTreeMap::new();
    for (task, waits_for) in waits {
        edges.entry(*task).or_default().push(*waits_for);
    }
    let mut done = BTreeSet::new();
    for (start, _) in waits {
        if done.contains(start) {
            continue;
        }
        // The path from the start, each task with the number of its waits that were followed.
        let mut path = vec![(*start, 0)];
        while let Some((task, followed)) = path.last_mut() {
            let next = edges.get(task).and_then(|targets| targets.get(*followed));
            *followed += 1;
            let Some(next) = next.copied() else {
                done.insert(*task);
                path.pop();
                continue;
            };
            if let Some(index) = path.iter().position(|(task, _)| *task == next) {
                return path[index..].iter().map(|(task, _)| *task).collect();
            }
            if !done.contains(&next) {
                path.push((next, 0));
            }
        }
    }
    Vec::new()
}

#[cfg(test)]
mod tests {
    use super::find;

    #[test]
    fn a_circle_is_found_behind_what_leads_to_it_and_a_chain_is_none() {
        assert_eq!(find::<u32>(&[]), [0; 0]);
        assert_eq!(find(&[(1, 2), (2, 3), (1, 3), (3, 4)]), [0; 0]);
        assert_eq!(find(&[(1, 2), (2, 3), (3, 5), (3, 2)]), [2, 3]);
        assert_eq!(find(&[(7, 7)]), [7]);
        assert_eq!(find(&[(0, 9), (4, 5), (5, 6), (6, 4)]), [4, 5, 6]);
    }
}
