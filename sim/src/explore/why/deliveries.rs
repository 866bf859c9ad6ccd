//! Which two deliveries swap when the order of two steps does.

use std::collections::{BTreeMap, BTreeSet};

use retake_inspect::story::Line;
use retake_traces::event::Occurrence;
use retake_traces::record::StepKind;
use xxhash_rust::xxh3::xxh3_64;

use super::reason::Delivery;
use retake_engine::strategy::StepOf;

/// Longer texts of messages are cut.
const MESSAGE_MAX: usize = 60;

/// The steps of a run, found by task, by number and by what they are.
pub(super) struct Steps {
    lines: Vec<Line>,
    /// Task, and which of its steps.
    of_task: Vec<StepOf>,
    by_task: BTreeMap<StepOf, usize>,
    /// By the number of the step.
    by_number: BTreeMap<u64, usize>,
    /// What identifies a step in another run: its task, its text, its sender.
    keys: Vec<u64>,
    by_key: BTreeMap<u64, usize>,
    /// The last step that matters: the one that panicked or was the last.
    failing: Option<usize>,
}

impl Steps {
    pub(super) fn new(lines: &[Line]) -> Self {
        let panicked = lines.iter().rev().find_map(|line| match line.occurrence {
            Occurrence::Panic(_) => Some(line.step),
            _ => None,
        });
        let mut steps = Self {
            lines: Vec::new(),
            of_task: Vec::new(),
            by_task: BTreeMap::new(),
            by_number: BTreeMap::new(),
            keys: Vec::new(),
            by_key: BTreeMap::new(),
            failing: None,
        };
        let mut counts: BTreeMap<u32, u32> = BTreeMap::new();
        let mut same: BTreeMap<u64, u32> = BTreeMap::new();
        for line in lines {
            let Some(step) = line.as_step() else {
                continue;
            };
            let index = steps.lines.len();
            let count = counts.entry(step.task).or_default();
            *count += 1;
            let of_task = (step.task, *count);
            let sender = line.cause.and_then(|cause| steps.by_number.get(&cause));
            let sender = sender.map_or(0, |sender| steps.keys[*sender]);
            let text = format!("{} {:?} {} {sender}", line.who, step.kind, line.what());
            let key = xxh3_64(text.as_bytes());
            let times = same.entry(key).or_default();
            *times += 1;
            let key = key.rotate_left(17).wrapping_add(u64::from(*times));
            steps.of_task.push(of_task);
            steps.by_task.insert(of_task, index);
            steps.by_number.insert(line.step, index);
            steps.keys.push(key);
            steps.by_key.insert(key, index);
            steps.lines.push(line.clone());
        }
        steps.failing = match panicked {
            Some(step) => steps.by_number.get(&step).copied(),
            None => steps.lines.len().checked_sub(1),
        };
        steps
    }

    /// Task and which of its steps, in the order of the run.
    pub(super) fn of_task(&self, index: usize) -> StepOf {
        self.of_task[index]
    }

    pub(super) fn len(&self) -> usize {
        self.lines.len()
    }

    pub(super) fn index_of(&self, step: StepOf) -> Option<usize> {
        self.by_task.get(&step).copied()
    }

    pub(super) fn line(&self, index: usize) -> &Line {
        &self.lines[index]
    }

    /// From which step on a step could have been taken, as far as it is known.
    pub(super) fn ready_from(&self, (task, number): StepOf) -> usize {
        let own = number
            .checked_sub(1)
            .and_then(|number| self.index_of((task, number)));
        let cause = self.index_of((task, number)).and_then(|index| {
            let cause = self.lines[index].cause?;
            self.by_number.get(&cause).copied()
        });
        own.max(cause).map_or(0, |index| index + 1)
    }

    /// A step, and those that follow from it by messages, wakes and continued callbacks.
    fn descendants(&self, of: usize) -> BTreeSet<usize> {
        let mut found = BTreeSet::from([of]);
        // The last step of each task, and whether it belongs to them.
        let mut last: BTreeMap<u32, usize> = BTreeMap::from([(self.of_task[of].0, of)]);
        for (index, line) in self.lines.iter().enumerate().skip(of + 1) {
            let Some(step) = line.as_step() else {
                continue;
            };
            let cause = line.cause.and_then(|cause| self.by_number.get(&cause));
            let is_caused = cause.is_some_and(|cause| found.contains(cause));
            let goes_on = step.kind == StepKind::Resume
                && last.get(&step.task).is_some_and(|it| found.contains(it));
            if is_caused || goes_on {
                found.insert(index);
            }
            last.insert(step.task, index);
        }
        found
    }

    /// The steps that the failing one depends on by messages and by what its tasks did before.
    fn causes_of_failure(&self) -> BTreeSet<usize> {
        let mut found = BTreeSet::new();
        let Some(failing) = self.failing else {
            return found;
        };
        found.insert(failing);
        let mut tasks = BTreeSet::from([self.of_task[failing].0]);
        for index in (0..=failing).rev() {
            if found.contains(&index) || tasks.contains(&self.of_task[index].0) {
                found.insert(index);
                tasks.insert(self.of_task[index].0);
                let cause = self.lines[index].cause;
                found.extend(cause.and_then(|cause| self.by_number.get(&cause)));
            }
        }
        found
    }

    fn delivery(&self, index: usize, shown: &Self) -> Delivery {
        let line = &self.lines[index];
        let message = line.message().map(|text| format!("`{}`", shorten(&text)));
        let sender = line.cause.and_then(|cause| self.by_number.get(&cause));
        let sender = sender.filter(|_| message.is_some());
        Delivery {
            who: line.who.to_string(),
            what: match &message {
                Some(message) => format!("{} {message}", StepKind::Handle.verb()),
                None => line.what(),
            },
            message,
            sender: sender.map(|sender| self.lines[*sender].who.to_string()),
            step: shown
                .by_key
                .get(&self.keys[index])
                .map(|index| shown.lines[*index].step),
            task_step: self.of_task[index],
        }
    }
}

/// A message as short as its sense allows.
fn shorten(message: &str) -> String {
    if message.chars().count() <= MESSAGE_MAX {
        return message.to_owned();
    }
    let mut short: String = message.chars().take(MESSAGE_MAX).collect();
    short.push('…');
    short
}

/// The two deliveries to one task that swap between a run that passes, where `first` comes
/// before `second`, and one that fails, where it does not. Where none do, which is so where
/// tasks share memory, the two steps themselves. Step numbers are those of `shown`.
pub(super) fn swapped(
    passes: &Steps,
    fails: &Steps,
    shown: &Steps,
    (first, second): (StepOf, StepOf),
) -> Option<(Delivery, Delivery)> {
    let (first, second) = match (passes.index_of(first), passes.index_of(second)) {
        (Some(first), Some(second)) => (first, second),
        // The passing run can do without the second: tell both by the failing run.
        (Some(first), None) => {
            let second = fails.index_of(second)?;
            return Some((passes.delivery(first, shown), fails.delivery(second, shown)));
        }
        (None, _) => {
            let (first, second) = (fails.index_of(first)?, fails.index_of(second)?);
            return Some((fails.delivery(first, shown), fails.delivery(second, shown)));
        }
    };
    let after_first = passes.descendants(first);
    let after_second = passes.descendants(second);
    let mut of_task: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    for index in after_first.difference(&after_second) {
        let task = passes.of_task[*index].0;
        of_task.entry(task).or_default().push(*index);
    }
    let matters = fails.causes_of_failure();
    let key_in_failing = |index: usize| fails.by_key.get(&passes.keys[index]).copied();
    // What comes first in the failing run is the best pair: the others follow from it.
    let mut best: Option<((bool, usize, usize), usize, usize)> = None;
    for later in after_second.difference(&after_first) {
        let Some(earlier) = of_task.get(&passes.of_task[*later].0) else {
            continue;
        };
        let Some(in_failing) = key_in_failing(*later) else {
            continue;
        };
        for earlier in earlier.iter().filter(|earlier| *earlier < later) {
            let place = key_in_failing(*earlier);
            if place.is_some_and(|place| place < in_failing) {
                continue;
            }
            let rank = (!matters.contains(&in_failing), in_failing, later - earlier);
            if best.is_none_or(|(known, ..)| rank < known) {
                best = Some((rank, *earlier, *later));
            }
        }
    }
    let (first, second) = best.map_or((first, second), |(_, first, second)| (first, second));
    Some((
        passes.delivery(first, shown),
        passes.delivery(second, shown),
    ))
}

/// The name of a task's step, for what is said of changes that do not help.
pub(super) fn in_words(steps: &Steps, step: StepOf) -> Option<String> {
    let delivery = steps.delivery(steps.index_of(step)?, steps);
    Some(delivery.to_string())
}
