//! What tells interleavings and states apart: what each task has done, and for which causes.

use std::collections::BTreeMap;

use retake_traces::record::Record;
use xxhash_rust::xxh3::xxh3_64;

/// What each task has done, from the records of a run.
#[derive(Clone, Debug, Default)]
pub(super) struct Histories {
    /// By the task's number in this run: a name that it has in every run, and a hash over
    /// what it did.
    tasks: Vec<(u64, u64)>,
    /// Children of each task so far.
    children: BTreeMap<u32, u64>,
    /// Who took each step, and which of its own it was, as a hash.
    steps: Vec<u64>,
    running: Option<u32>,
    now_ns: u64,
}

fn mix(numbers: &[u64]) -> u64 {
    let bytes: Vec<u8> = numbers.iter().flat_map(|it| it.to_le_bytes()).collect();
    xxh3_64(&bytes)
}

impl Histories {
    /// The same for schedules that differ only by the order of independent steps.
    pub(super) fn state(&self) -> u64 {
        let mut tasks = self.tasks.clone();
        tasks.sort_unstable();
        let all: Vec<u64> = tasks
            .iter()
            .flat_map(|(name, done)| [*name, *done])
            .collect();
        mix(&all)
    }

    fn does(&mut self, task: Option<u32>, what: u64) {
        let task = task.and_then(|task| self.tasks.get_mut(task as usize));
        if let Some((_, done)) = task {
            *done = mix(&[*done, what]);
        }
    }

    pub(super) fn note(&mut self, record: &Record) {
        match record {
            Record::Task(task) => {
                // Numbers and labels depend on the order of starting: this name does not.
                let parent = task.parent.and_then(|it| self.tasks.get(it as usize));
                let parent = parent.map_or(0, |(name, _)| *name);
                let brothers = self.children.entry(task.parent.unwrap_or(u32::MAX));
                let brothers = brothers.or_default();
                *brothers += 1;
                let name = mix(&[parent, *brothers]);
                self.tasks.push((name, 0));
            }
            Record::Step(step) => {
                self.now_ns += step.elapsed_ns;
                self.running = Some(step.task);
                let what = mix(&[self.now_ns, step.kind as u64, u64::from(step.message)]);
                self.does(self.running, what);
                let id = self.tasks.get(step.task as usize).copied();
                self.steps
                    .push(id.map_or(0, |(name, done)| mix(&[name, done])));
            }
            Record::Cause(step) => {
                let cause = usize::try_from(*step).ok().and_then(|it| it.checked_sub(1));
                let cause = cause.and_then(|it| self.steps.get(it)).copied();
                self.does(self.running, cause.unwrap_or_default());
            }
            Record::Detail(text) => self.does(self.running, xxh3_64(text.as_bytes())),
            Record::Event(event) => {
                let text = event.to_string();
                self.does(self.running, xxh3_64(text.as_bytes()));
            }
            Record::Fault(fault) => {
                self.now_ns += fault.elapsed_ns;
                self.does(Some(fault.task), 1);
            }
            Record::Panic(panic) => self.does(Some(panic.task), 2),
            Record::End(_)
            | Record::Live(_)
            | Record::State(_)
            | Record::Unhandled(_)
            | Record::Ended(_)
            | Record::Child(_) => {}
        }
    }
}
