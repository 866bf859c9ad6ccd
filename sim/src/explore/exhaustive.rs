//! Every schedule of a small scenario, instead of a sample.
//!
//! Depth first: a run follows the choices of the one before it up to the last that had an
//! alternative, takes that, and from there the first at each choice. A bound on **delays**
//! (Emmi, Qadeer, Rakamarić: "Delay-Bounded Scheduling", POPL 2011) keeps what is too large
//! within reach: tasks take turns in a queue, and a schedule may send the one in front to
//! the end of it so many times.
//!
//! Schedules that differ only by the order of steps that do not depend on each other are
//! one **interleaving**: in both of them every task takes the same steps, for the same
//! causes, and tells the same events. With [`Exhaustive::reduce`] what leads into the
//! same state is gone through once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use retake_traces::error::TraceError;
use retake_traces::record::Record;
use retake_traces::sink::{HashSink, Sink};
use serde::Serialize;
use xxhash_rust::xxh3::xxh3_64;

use super::{Campaign, Case, Explorer, Scenario};
use crate::outcome::Outcome;
use crate::runnable::Runnable;
use crate::strategy::{Recorded, Recorder, Scheduler};

/// A search through all schedules.
#[derive(Clone, Debug)]
#[must_use = "a search does nothing until it is run"]
pub struct Exhaustive {
    explorer: Explorer,
    seed: u64,
    delays: Option<u32>,
    reduce: bool,
    limit: u64,
    keep_going: bool,
}

/// What a search through all schedules found.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Exhausted {
    /// Schedules that were run to their end.
    pub schedules: u64,
    /// Schedules that were left where they came to a known state.
    pub reduced: u64,
    /// Interleavings among them.
    pub interleavings: u64,
    /// Whether there are no more schedules, within the bound on delays if there is one.
    pub complete: bool,
    /// What failed.
    pub found: Campaign,
}

impl Exhaustive {
    /// Search through the schedules of the scenario of this name, with seed 0, without a
    /// bound on delays, up to the first failure, and no more than 1,000,000.
    pub fn new(scenario: impl Into<String>) -> Self {
        Self {
            explorer: Explorer::new(scenario),
            seed: 0,
            delays: None,
            reduce: false,
            limit: 1_000_000,
            keep_going: false,
        }
    }

    /// Those of the settings of an explorer that are not about seeds and strategies.
    pub fn of(explorer: Explorer) -> Self {
        Self {
            explorer,
            ..Self::new("")
        }
    }

    /// The seed of the scenario's own draws.
    pub fn seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }

    /// Only schedules with so many delays at most.
    pub fn delays(self, delays: Option<u32>) -> Self {
        Self { delays, ..self }
    }

    /// Go once through what leads into the same state. Tasks must then share nothing but
    /// messages, and memory whose contents they tell by `retake::event!`: a state is told
    /// by what each task has done, for which causes, and what it has told. Without effect
    /// under a bound on delays, where the queue belongs to the state.
    pub fn reduce(self, on: bool) -> Self {
        Self { reduce: on, ..self }
    }

    /// Give up after so many schedules.
    pub fn limit(self, schedules: u64) -> Self {
        Self {
            limit: schedules,
            ..self
        }
    }

    /// Go on after a failure.
    pub fn keep_going(self, on: bool) -> Self {
        Self {
            keep_going: on,
            ..self
        }
    }

    /// Search. `progress` is told after each schedule how many there were.
    ///
    /// All runs take place in this process, one after the other.
    pub fn run(&self, scenario: impl Into<Scenario>, mut progress: impl FnMut(u64)) -> Exhausted {
        let scenario = scenario.into();
        let mut found = Exhausted::default();
        let mut interleavings = BTreeSet::new();
        let search = Shared::default();
        loop {
            let (mut case, outcome, steps) = self.run_one(&scenario, &search);
            let mut search = lock(&search);
            if std::mem::take(&mut search.is_known) {
                found.reduced += 1;
            } else {
                found.schedules += 1;
                interleavings.insert(search.histories.state());
                let failed = outcome != Outcome::Passed;
                case.strategy = "fifo".to_owned();
                found.found.add(super::SeedRun {
                    seed: self.seed,
                    steps,
                    case: failed.then_some(case),
                    ..super::SeedRun::default()
                });
                if failed && !self.keep_going {
                    break;
                }
            }
            progress(found.schedules + found.reduced);
            if !search.next() {
                found.complete = true;
                break;
            }
            if found.schedules + found.reduced >= self.limit {
                break;
            }
        }
        found.interleavings = interleavings.len() as u64;
        found
    }

    fn run_one(&self, scenario: &Scenario, search: &Shared) -> (Case, Outcome, u64) {
        lock(search).begin();
        let mut case = self.explorer.plain(self.seed);
        let recorded = Recorded::default();
        let (delays, reduce) = (self.delays, self.reduce && self.delays.is_none());
        let (search, seen) = (Arc::clone(search), recorded.clone());
        let sink = Histories::sink(&search);
        let code = Arc::clone(scenario.code());
        let run = case
            .sim()
            .causality(true)
            .story(true)
            .trace(sink)
            .scheduler("exhaustive", move |_| {
                let depth_first = DepthFirst {
                    search: Arc::clone(&search),
                    queue: Vec::new(),
                    place: 0,
                    delays,
                    reduce,
                };
                Box::new(Recorder::new(Box::new(depth_first), &seen))
            })
            .run(move || code());
        case.note(&run);
        case.holds = Some(recorded.holds());
        (case, run.outcome, run.stats.steps)
    }
}

type Shared = Arc<Mutex<Search>>;

fn lock(search: &Shared) -> MutexGuard<'_, Search> {
    search.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A choice: which of how many.
#[derive(Clone, Copy, Debug)]
struct Choice {
    taken: u32,
    of: u32,
}

/// Where the search is.
#[derive(Debug, Default)]
struct Search {
    /// The choices of this run that have an alternative.
    path: Vec<Choice>,
    histories: Histories,
    /// States that were gone through.
    known: BTreeSet<u64>,
    /// The run came to one of them.
    is_known: bool,
}

impl Search {
    fn begin(&mut self) {
        self.histories = Histories::default();
    }

    /// On to the next schedule, if there is one.
    fn next(&mut self) -> bool {
        while let Some(last) = self.path.last_mut() {
            if last.taken + 1 < last.of {
                last.taken += 1;
                return true;
            }
            self.path.pop();
        }
        false
    }

    /// The choice at this place of the path, which has so many alternatives.
    fn choose(&mut self, place: usize, of: u32) -> u32 {
        match self.path.get_mut(place) {
            // A scenario that differs from run to run may have fewer now.
            Some(choice) => choice.taken.min(of - 1),
            None => {
                self.path.push(Choice { taken: 0, of });
                0
            }
        }
    }
}

/// Follows the path of the search, and extends it.
struct DepthFirst {
    search: Shared,
    /// Runnable tasks by their turns.
    queue: Vec<u32>,
    /// Choices with an alternative so far.
    place: usize,
    /// Delays left.
    delays: Option<u32>,
    reduce: bool,
}

impl Scheduler for DepthFirst {
    fn pick(&mut self, _step: u64, runnable: &mut Runnable) -> Option<u32> {
        self.queue.retain(|slot| runnable.contains(*slot));
        for slot in runnable.in_order() {
            if !self.queue.contains(&slot) {
                self.queue.push(slot);
            }
        }
        let count = u32::try_from(self.queue.len()).unwrap_or(u32::MAX);
        let of = self.delays.map_or(count, |left| count.min(left + 1));
        let mut taken = 0;
        if of > 1 {
            let mut search = lock(&self.search);
            let is_new = self.place >= search.path.len();
            if self.reduce && is_new {
                let state = search.histories.state();
                if !search.known.insert(state) {
                    search.is_known = true;
                    return None;
                }
            }
            taken = search.choose(self.place, of);
            self.place += 1;
        }
        if let Some(left) = &mut self.delays {
            *left -= taken;
        }
        self.queue.rotate_left(taken as usize);
        Some(self.queue.remove(0))
    }

    fn reason(&self) -> String {
        "the search knows this state".to_owned()
    }
}

/// What each task has done, from the records of a run.
#[derive(Clone, Debug, Default)]
struct Histories {
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
    fn sink(search: &Shared) -> HistorySink {
        HistorySink {
            search: Arc::clone(search),
            hash: HashSink::new(),
        }
    }

    /// The same for schedules that differ only by the order of independent steps.
    fn state(&self) -> u64 {
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

    fn note(&mut self, record: &Record) {
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
            Record::Detail(text) | Record::Event(text) => {
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
            | Record::Ended(_) => {}
        }
    }
}

/// Keeps the histories up to date.
struct HistorySink {
    search: Shared,
    hash: HashSink,
}

impl Sink for HistorySink {
    fn record(&mut self, record: &Record) -> Result<(), TraceError> {
        lock(&self.search).histories.note(record);
        self.hash.record(record)
    }

    fn event_hash(&self) -> u64 {
        self.hash.event_hash()
    }

    fn finish(&mut self) -> Result<(), TraceError> {
        self.hash.finish()
    }
}
