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

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use retake_traces::sink::HashSink;
use serde::Serialize;

use super::remote::{self, Job, Listener, Place, Ran, Recording};
use super::walk::{NewChoice, Walk, Walker};
use super::{Campaign, Case, Explorer, Scenario};
use crate::isolate::Where;
use retake_engine::outcome::Outcome;
use retake_engine::strategy::{Hold, RecordedHolds, Strategy};

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
pub struct ExhaustiveReport {
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
    /// messages, and memory whose contents they report by `retake::event!`: a state is known
    /// by what each task has done, for which causes, and which events it reported. Without effect
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

    /// Continue after a failure.
    pub fn keep_going(self, on: bool) -> Self {
        Self {
            keep_going: on,
            ..self
        }
    }

    /// Search. `progress` is called after each schedule with the number of schedules so far.
    ///
    /// Each schedule is run where the seeds of a campaign are: in a process of its own, in one
    /// worker after others, or in this process, see [`Scenario`]. It ends early where no
    /// process can run a schedule: [`Workers::error`](crate::isolate::Workers::error) says why.
    pub fn run(
        &self,
        scenario: impl Into<Scenario>,
        mut progress: impl FnMut(u64),
    ) -> ExhaustiveReport {
        let scenario = scenario.into();
        let mut found = ExhaustiveReport::default();
        let mut interleavings = BTreeSet::new();
        let search = Arc::new(Mutex::new(Search {
            known: self.has_states().then(BTreeSet::new),
            ..Search::default()
        }));
        loop {
            let (case, ran) = self.run_one(&scenario, &search);
            if ran.is_refused {
                break;
            }
            let mut search = lock(&search);
            if std::mem::take(&mut search.is_known) {
                found.reduced += 1;
            } else {
                found.schedules += 1;
                interleavings.extend(ran.interleaving);
                let failed = ran.run.outcome != Outcome::Passed;
                found.found.add(super::SeedRun {
                    seed: self.seed,
                    steps: ran.run.stats.steps,
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

    fn has_states(&self) -> bool {
        self.reduce && self.delays.is_none()
    }

    /// Run the next schedule of the search.
    fn run_one(&self, scenario: &Scenario, search: &Arc<Mutex<Search>>) -> (Case, Ran) {
        let mut case = self.explorer.plain(self.seed);
        let walk = Walk {
            path: lock(search).path.iter().map(|it| it.taken).collect(),
            delays: self.delays,
            has_states: self.has_states(),
            stops: false,
        };
        let mut ran = if scenario.workers().is_some() {
            let on_choice = |choice| lock(search).add(choice);
            run_isolated(scenario, &case, &walk, on_choice)
        } else {
            run_here(scenario, &case, walk, Arc::clone(search))
        };
        case.note(&ran.run);
        let is_lost = matches!(ran.run.outcome, Outcome::Lost { .. });
        if is_lost && !ran.is_refused && !lock(search).is_known {
            ran.holds = self.holds_of_lost(scenario, &case, search);
        }
        case.config.strategy = Strategy::Holds(std::mem::take(&mut ran.holds).into());
        (case, ran)
    }

    /// The ordering constraints of the present path, whose run has not survived its last step.
    fn holds_of_lost(
        &self,
        scenario: &Scenario,
        case: &Case,
        search: &Arc<Mutex<Search>>,
    ) -> Vec<Hold> {
        let walk = Walk {
            path: lock(search).path.iter().map(|it| it.taken).collect(),
            delays: self.delays,
            has_states: false,
            stops: true,
        };
        run_isolated(scenario, case, &walk, |_| {}).holds
    }
}

/// Take a walk in a process of the scenario's workers.
fn run_isolated(
    scenario: &Scenario,
    case: &Case,
    walk: &Walk,
    mut on_choice: impl FnMut(NewChoice),
) -> Ran {
    let Some(workers) = scenario.workers() else {
        return run_here(scenario, case, walk.clone(), Arc::default());
    };
    let place = Place {
        process: if scenario.is_shared() {
            Where::Shared
        } else {
            Where::Fresh
        },
        prints: !walk.stops,
        ..Place::fresh()
    };
    let job = Job {
        walk: Some(walk),
        ..Job::new(case, &place, Recording::default())
    };
    let listener = Listener::Choices(&mut on_choice);
    remote::run(workers, &job, HashSink::new(), listener)
}

/// Take a walk in this process. It ends where it comes to a known state.
fn run_here(scenario: &Scenario, case: &Case, walk: Walk, search: Arc<Mutex<Search>>) -> Ran {
    let on_choice = move |choice| {
        let mut search = lock(&search);
        search.add(choice);
        !search.is_known
    };
    let walker = Walker::new(walk, Some(Box::new(on_choice)));
    let (recorded, code) = (RecordedHolds::default(), Arc::clone(scenario.code()));
    let run = walker.sim(case, &recorded).run(move || code());
    Ran {
        interleaving: (!walker.is_cut()).then(|| walker.interleaving()),
        ..Ran::here(run, recorded.holds())
    }
}

fn lock(search: &Mutex<Search>) -> MutexGuard<'_, Search> {
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
    /// States that were gone through, if the search reduces by them.
    known: Option<BTreeSet<u64>>,
    /// The run came to one of them.
    is_known: bool,
}

impl Search {
    /// Add a choice of the run that is behind its path. What comes after a known state is left
    /// out.
    fn add(&mut self, choice: NewChoice) {
        let known = self.known.as_mut();
        self.is_known = self.is_known || known.is_some_and(|it| !it.insert(choice.state));
        if !self.is_known {
            self.path.push(Choice {
                taken: 0,
                of: choice.of,
            });
        }
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
}
