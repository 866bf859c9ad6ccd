//! Many seeds of one scenario.

use std::collections::BTreeMap;
use std::future::Future;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::case::{Case, NOT_DETERMINISTIC, signature};
use super::{Scenario, Search, boxed};
use crate::core::COUNTED;
use crate::outcome::{Coverage, Outcome, Run};
use crate::plan::FaultPlan;
use crate::rng::{below, stream};

/// How a scenario is explored.
#[derive(Clone, Debug)]
#[must_use = "an explorer does nothing until it is run"]
pub struct Explorer {
    scenario: String,
    seeds: Range<u64>,
    search: Search,
    faults: FaultPlan,
    horizon: Duration,
    step_limit: u64,
    jobs: usize,
    keep_going: bool,
    determinism: f64,
    code: String,
}

/// What one seed gave.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct SeedRun {
    /// The seed.
    pub seed: u64,
    /// Steps taken.
    pub steps: u64,
    /// Choices that first in, first out would not have made.
    pub deviations: u64,
    /// Faults that struck.
    pub faults: u64,
    /// The failure.
    pub case: Option<Case>,
    /// Goals that were seen, and whether they were reached.
    pub goals: BTreeMap<String, bool>,
    /// What state machines met.
    #[serde(default)]
    pub coverage: Coverage,
}

/// Failures of one signature.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Failure {
    /// The one of the lowest seed.
    pub case: Case,
    /// How many seeds failed so.
    pub count: u64,
    /// The first of them.
    pub seeds: Vec<u64>,
}

/// What a campaign found. The same whenever it is repeated, on every machine.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Campaign {
    /// Seeds that were run.
    pub runs: u64,
    /// Steps of all runs.
    pub steps: u64,
    /// Faults of all runs.
    pub faults: u64,
    /// Failures, those of the lowest seeds first.
    pub failures: Vec<Failure>,
    /// Goals that were seen, and in how many runs they were reached.
    pub goals: BTreeMap<String, u64>,
    /// What state machines met.
    #[serde(default)]
    pub coverage: Coverage,
}

/// Seeds that a failure lists.
const SEEDS_LISTED: usize = 10;

impl Campaign {
    /// Count a seed's run.
    pub fn add(&mut self, run: SeedRun) {
        self.runs += 1;
        self.steps += run.steps;
        self.faults += run.faults;
        for (goal, reached) in run.goals {
            *self.goals.entry(goal).or_default() += u64::from(reached);
        }
        self.add_coverage(run.coverage);
        if let Some(case) = run.case {
            self.add_failure(Failure {
                seeds: vec![case.seed],
                case,
                count: 1,
            });
        }
    }

    fn add_failure(&mut self, failure: Failure) {
        let same = |known: &&mut Failure| known.case.signature == failure.case.signature;
        match self.failures.iter_mut().find(same) {
            None => self.failures.push(failure),
            Some(known) => {
                known.count += failure.count;
                known.seeds.extend(&failure.seeds);
                known.seeds.sort_unstable();
                known.seeds.truncate(SEEDS_LISTED);
                if failure.case.seed < known.case.seed {
                    known.case = failure.case;
                }
            }
        }
        self.failures.sort_by_key(|failure| failure.case.seed);
    }

    /// Add what another part of the campaign found.
    pub fn merge(&mut self, other: Self) {
        self.runs += other.runs;
        self.steps += other.steps;
        self.faults += other.faults;
        for (goal, reached) in other.goals {
            *self.goals.entry(goal).or_default() += reached;
        }
        self.add_coverage(other.coverage);
        for failure in other.failures {
            self.add_failure(failure);
        }
    }

    fn add_coverage(&mut self, coverage: Coverage) {
        for (machine, states) in coverage {
            let known = self.coverage.entry(machine).or_default();
            for (state, events) in states {
                let known = known.entry(state).or_default();
                for (event, times) in events {
                    *known.entry(event).or_default() += times;
                }
            }
        }
    }

    /// True if nothing failed.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.failures.is_empty()
    }

    /// Goals that no run reached.
    #[must_use]
    pub fn missed_goals(&self) -> Vec<&str> {
        let missed = self.goals.iter().filter(|(_, reached)| **reached == 0);
        missed.map(|(goal, _)| goal.as_str()).collect()
    }
}

impl Explorer {
    /// Explore the scenario of this name: seeds 0 to 999, a mix of strategies, no faults,
    /// one job, to the first failure.
    pub fn new(scenario: impl Into<String>) -> Self {
        Self {
            scenario: scenario.into(),
            seeds: 0..1000,
            search: Search::Mix,
            faults: FaultPlan::default(),
            horizon: Duration::from_secs(3600),
            step_limit: 1_000_000,
            jobs: 1,
            keep_going: false,
            determinism: 0.0,
            code: String::new(),
        }
    }

    /// These seeds.
    pub fn seeds(self, seeds: Range<u64>) -> Self {
        Self { seeds, ..self }
    }

    /// How each seed's strategy is chosen.
    pub fn search(self, search: Search) -> Self {
        Self { search, ..self }
    }

    /// Faults of each run.
    pub fn faults(self, faults: FaultPlan) -> Self {
        Self { faults, ..self }
    }

    /// End of virtual time; reaching it is a failure.
    pub fn horizon(self, horizon: Duration) -> Self {
        Self { horizon, ..self }
    }

    /// Largest number of steps of a run; reaching it is a failure.
    pub fn step_limit(self, steps: u64) -> Self {
        Self {
            step_limit: steps,
            ..self
        }
    }

    /// So many runs at a time, each on a thread of its own.
    pub fn jobs(self, jobs: usize) -> Self {
        Self {
            jobs: jobs.max(1),
            ..self
        }
    }

    /// Run all seeds, whatever fails.
    pub fn keep_going(self, on: bool) -> Self {
        Self {
            keep_going: on,
            ..self
        }
    }

    /// Run this share of the seeds twice and compare: a difference is a failure. So is a
    /// message that is lost although no actor has ended, see [`crate::Sim::conservation`].
    pub fn check_determinism(self, share: f64) -> Self {
        Self {
            determinism: share,
            ..self
        }
    }

    /// What identifies the program's sources, for cases.
    pub fn code(self, code: impl Into<String>) -> Self {
        Self {
            code: code.into(),
            ..self
        }
    }

    /// The plain run, without deviations and faults.
    pub(super) fn plain(&self, seed: u64) -> Case {
        Case {
            scenario: self.scenario.clone(),
            seed,
            strategy: "fifo".to_owned(),
            holds: None,
            faults: Vec::new(),
            buggify: false,
            workload: None,
            horizon_ns: u64::try_from(self.horizon.as_nanos()).unwrap_or(u64::MAX),
            step_limit: self.step_limit,
            signature: String::new(),
            outcome: String::new(),
            steps: 0,
            virtual_time_ns: 0,
            code: self.code.clone(),
        }
    }

    /// About how many steps a run takes, for strategies that have to know.
    fn measure_steps(&self, scenario: &Scenario) -> u64 {
        self.plain(self.seeds.start).run(scenario).stats.steps
    }

    /// Measure the scenario, for [`Explorer::run_seed`].
    pub fn probe<F, Fut>(&self, scenario: F) -> u64
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        self.measure_steps(&boxed(scenario))
    }

    /// Run one seed of a scenario that takes about so many steps.
    pub fn run_seed<F, Fut>(&self, seed: u64, steps: u64, scenario: F) -> SeedRun
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        self.seed(seed, steps, &boxed(scenario))
    }

    fn seed(&self, seed: u64, steps: u64, scenario: &Scenario) -> SeedRun {
        let drawn = self.faults.draw(seed, steps);
        let mut case = Case {
            strategy: self.search.strategy(seed, steps).to_string(),
            faults: drawn.faults,
            buggify: drawn.buggify,
            ..self.plain(seed)
        };
        let run = case.run(scenario);
        case.note(&run);
        let mut failed = !run.passed();
        let is_sampled = self.determinism > 0.0 && {
            let most = 1 << 24;
            let drawn = below(&mut stream(seed, "determinism"), most);
            (drawn as f64) < self.determinism * most as f64
        };
        if !failed && is_sampled {
            let again = case.run_counted(scenario);
            // It ends otherwise, and so has another hash, where counting messages shows something.
            let is_count =
                matches!(&again.outcome, Outcome::Violated { task, .. } if task == COUNTED);
            if is_count {
                failed = true;
                case.note(&again);
            } else if again.event_hash != run.event_hash {
                failed = true;
                case.signature = NOT_DETERMINISTIC.to_owned();
                case.outcome = format!(
                    "{NOT_DETERMINISTIC}: two runs of the seed have the event hashes {:016x} and \
                     {:016x}, after {} and {} steps",
                    run.event_hash, again.event_hash, run.stats.steps, again.stats.steps
                );
                if let Some(divergence) = case.where_two_runs_part(scenario) {
                    case.outcome = format!("{}\n{divergence}", case.outcome);
                }
            }
        }
        SeedRun {
            seed,
            steps: run.stats.steps,
            deviations: run.stats.deviations,
            faults: run.stats.faults,
            goals: goals(&run),
            coverage: run.coverage,
            case: failed.then_some(case),
        }
    }

    /// Run the campaign.
    pub fn run<F, Fut>(&self, scenario: F) -> Campaign
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        self.run_boxed(&boxed(scenario))
    }

    pub(super) fn run_boxed(&self, scenario: &Scenario) -> Campaign {
        let steps = self.measure_steps(scenario);
        let next = AtomicU64::new(self.seeds.start);
        // No seed beyond this one is begun.
        let last = AtomicU64::new(self.seeds.end);
        let done = Mutex::new(Vec::new());
        let work = || {
            loop {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                if seed >= last.load(Ordering::Relaxed) {
                    break;
                }
                let run = self.seed(seed, steps, scenario);
                if run.case.is_some() && !self.keep_going {
                    last.fetch_min(seed, Ordering::Relaxed);
                }
                lock(&done).push(run);
            }
        };
        if self.jobs == 1 {
            work();
        } else {
            std::thread::scope(|scope| {
                for _ in 0..self.jobs {
                    scope.spawn(work);
                }
            });
        }
        let mut runs = std::mem::take(&mut *lock(&done));
        runs.sort_by_key(|run: &SeedRun| run.seed);
        if !self.keep_going {
            // Later ones that were under way do not count: how many depends on the machine.
            let first = runs.iter().position(|run| run.case.is_some());
            runs.truncate(first.map_or(runs.len(), |first| first + 1));
        }
        let mut campaign = Campaign::default();
        for run in runs {
            campaign.add(run);
        }
        campaign
    }
}

fn goals(run: &Run<()>) -> BTreeMap<String, bool> {
    let goals = run.goals.iter();
    goals
        .map(|(goal, reached)| ((*goal).to_owned(), *reached))
        .collect()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Case {
    /// A case for a run that its process did not survive.
    #[must_use]
    pub fn of_lost_process(explorer: &Explorer, seed: u64, what: &str) -> Self {
        Self {
            strategy: explorer.search.to_string(),
            signature: format!("lost: {what}"),
            outcome: format!("lost: {what}"),
            ..explorer.plain(seed)
        }
    }

    /// Whether an outcome is the failure of this case.
    pub(super) fn fails_alike(&self, outcome: &Outcome) -> bool {
        signature(outcome) == self.signature
    }
}
