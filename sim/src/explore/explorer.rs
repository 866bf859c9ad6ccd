//! Many seeds of one scenario.

use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use retake_traces::fault::Fault;
use retake_traces::{HashSink, RunConfig, Strategy};

use super::campaign::{Campaign, SeedRun};
use super::case::Case;
use super::determinism::{self, Finding};
use super::remote::{Place, Recording};
use super::timeline::QuietWatch;
use super::{QuietRule, Scenario, Search};
use crate::isolate::{Where, WorkerError};
use crate::plan::{FaultPlan, PlainRun};
use retake_engine::outcome::Run;
use retake_engine::rng::{below, stream};

/// How a scenario is explored.
#[derive(Clone, Debug)]
#[must_use = "an explorer does nothing until it is run"]
pub struct Explorer {
    scenario: String,
    seeds: Range<u64>,
    search: Search,
    faults: FaultPlan,
    /// What all runs have in common; its seed, strategy and faults are those of each seed.
    config: RunConfig,
    jobs: usize,
    keep_going: bool,
    determinism: f64,
    code: String,
    has_plain: bool,
    has_timelines: bool,
    until_quiet: Option<QuietRule>,
}

/// Steps that a run of a campaign may take, if nothing else is said.
pub const STEP_LIMIT: u64 = 1_000_000;

/// Seeds that a process has run before the one that is compared.
const SEEDS_BEFORE: u64 = 3;

/// Watches a campaign, and may end it.
pub trait Watch: Sync {
    /// False if no further seed is to be started.
    fn continues(&self) -> bool {
        true
    }

    /// A run has ended: of a seed, or the plain one before all seeds.
    fn ended(&self, run: &SeedRun, is_plain: bool) {
        let _ = (run, is_plain);
    }
}

/// Nobody watches.
impl Watch for () {}

impl Explorer {
    /// Explore the scenario of this name: the plain run and seeds 0 to 999, a mix of
    /// strategies, no faults, one job, to the first failure.
    pub fn new(scenario: impl Into<String>) -> Self {
        Self {
            scenario: scenario.into(),
            seeds: 0..1000,
            search: Search::Mix,
            faults: FaultPlan::default(),
            config: RunConfig {
                strategy: Strategy::Fifo,
                step_limit: STEP_LIMIT,
                ..RunConfig::default()
            },
            jobs: 1,
            keep_going: false,
            determinism: 0.0,
            code: String::new(),
            has_plain: true,
            has_timelines: false,
            until_quiet: None,
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

    /// What all runs have in common, but for their seeds, strategies and faults.
    pub fn config(self, mut config: RunConfig) -> Self {
        config.strategy = Strategy::Fifo;
        config.faults.clear();
        Self { config, ..self }
    }

    /// End of virtual time; reaching it is a failure.
    pub fn horizon(mut self, horizon: Duration) -> Self {
        self.config.horizon_ns = retake_traces::time::nanos(horizon);
        self
    }

    /// Largest number of steps of a run; reaching it is a failure.
    pub fn step_limit(mut self, steps: u64) -> Self {
        self.config.step_limit = steps;
        self
    }

    /// So many runs at a time.
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
    ///
    /// Where runs have processes of their own, the second one takes place in a process with
    /// another environment that has run other seeds before. If only these make a difference, it is
    /// reported, see [`Campaign::history`].
    pub fn check_determinism(self, share: f64) -> Self {
        Self {
            determinism: share,
            ..self
        }
    }

    /// A task outside the scheduler fails the run, see [`crate::Sim::strict`].
    pub fn strict(mut self, on: bool) -> Self {
        self.config.strict = on;
        self
    }

    /// Let runs start threads, see [`crate::Sim::allow_threads`].
    pub fn allow_threads(mut self, on: bool) -> Self {
        self.config.allow_threads = on;
        self
    }

    /// Whether the plain run, first in, first out without any fault, is part of the campaign.
    /// It is unless this says otherwise: one of several parts of a campaign is enough.
    pub fn plain_run(self, on: bool) -> Self {
        Self {
            has_plain: on,
            ..self
        }
    }

    /// End the campaign once a new timeline is improbable. The seeds have to increase: after
    /// which one it ends is a function of the seeds alone. [`Campaign::quiet`] says whether it
    /// came to that. Each seed has a timeline then, see [`Self::timelines`].
    pub fn until_quiet(self, rule: QuietRule) -> Self {
        Self {
            has_timelines: true,
            until_quiet: Some(rule),
            ..self
        }
    }

    /// Whether each seed has a timeline, from which the campaign estimates how many it has not
    /// seen, see [`Timelines`](super::Timelines). Not unless this says so: a run takes some 5 %
    /// longer with it. A scenario that is run outside this program has none.
    pub fn timelines(self, on: bool) -> Self {
        Self {
            has_timelines: on,
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
        let config = RunConfig {
            seed,
            ..self.config.clone()
        };
        Case {
            code: self.code.clone(),
            ..Case::new(&self.scenario, config)
        }
    }

    /// The case of a seed, for a scenario whose runs take about as long as the plain one.
    fn draw(&self, seed: u64, plain: PlainRun) -> Case {
        let mut case = self.plain(seed);
        case.config.strategy = self.search.strategy(seed, plain.steps);
        case.config.faults = self.faults.draw(seed, plain);
        case
    }

    /// The plain run, which also measures how many steps a run takes. Its seed is always the
    /// same, so that what a seed does depends on no other one.
    fn run_plain(&self, scenario: &Scenario) -> (SeedRun, PlainRun) {
        let mut case = self.plain(0);
        let place = Place {
            prints: self.has_plain,
            ..Place::fresh()
        };
        let ran = case.run_in(scenario, &place, Recording::default(), HashSink::new());
        case.note(&ran.run);
        let failed = !ran.run.passed();
        let plain = ran.run.stats.plain();
        (seed_run(case, &ran.run, failed), plain)
    }

    fn is_sampled(&self, seed: u64) -> bool {
        let most = 1 << 24;
        let drawn = below(&mut stream(seed, "determinism"), most);
        self.determinism > 0.0 && (drawn as f64) < self.determinism * most as f64
    }

    /// Run one seed of a scenario whose runs take about as long as the plain one.
    fn run_seed(&self, seed: u64, plain: PlainRun, scenario: &Scenario) -> SeedRun {
        let case = self.draw(seed, plain);
        let has_shared_worker = scenario.is_shared() && scenario.workers().is_some();
        let place = Place {
            process: if has_shared_worker {
                Where::Shared
            } else {
                Where::Fresh
            },
            prints: true,
            ..Place::fresh()
        };
        let record = match self.has_timelines {
            true => Recording::for_timeline(),
            false => Recording::default(),
        };
        let ran = case.run_in(scenario, &place, record, HashSink::new());
        let failed = !ran.run.passed();
        let mut noted = case.clone();
        noted.note(&ran.run);
        let mut result = seed_run(noted, &ran.run, failed);
        result.timeline = ran.timeline;
        let planned = |fault: &Fault| self.faults.faults.contains(fault);
        result.not_injected = ran
            .run
            .not_injected
            .iter()
            .filter(|it| planned(it))
            .cloned()
            .collect();
        let mut finding = None;
        if failed && has_shared_worker {
            finding = determinism::repeat_alone(&case, &ran.run, ran.history.cases(), scenario);
        }
        if finding.is_none() && self.is_sampled(seed) {
            let others = (1..=SEEDS_BEFORE).map(|more| self.draw(seed.wrapping_add(more), plain));
            finding = determinism::check(&case, &ran.run, others.collect(), scenario);
        }
        match finding {
            None => {}
            Some(Finding::Failure(case)) => result.case = Some(*case),
            Some(Finding::History(divergence)) => result.depends_on_history = Some(divergence),
        }
        result
    }

    /// Run the campaign.
    ///
    /// Made of a closure, the scenario runs in this process, see [`Scenario`].
    pub fn run(&self, scenario: impl Into<Scenario>) -> Campaign {
        let seeds = self.seeds.clone();
        let (campaign, _) = self.run_seeds(&scenario.into(), seeds, &());
        campaign
    }

    /// Run the campaign over these seeds instead of its own, in this order. The result does
    /// not depend on the order. Gives what was found also where there was an error.
    ///
    /// # Errors
    /// If there were no worker processes for some runs.
    pub fn run_seeds(
        &self,
        scenario: &Scenario,
        seeds: impl Iterator<Item = u64> + Send,
        watch: &impl Watch,
    ) -> (Campaign, Result<(), WorkerError>) {
        let (plain, about) = self.run_plain(scenario);
        let mut campaign = Campaign::default();
        let mut is_over = false;
        if self.has_plain {
            watch.ended(&plain, true);
            is_over = plain.case.is_some() && !self.keep_going;
            campaign.add_case(plain.case);
        }
        let progress = Mutex::new(Progress {
            seeds,
            last: if is_over { None } else { Some(u64::MAX) },
            quiet: self.until_quiet.map(QuietWatch::new),
            runs: Vec::new(),
        });
        let has_error = || scenario.workers().is_some_and(|it| it.error().is_some());
        let next = || {
            let mut progress = lock(&progress);
            if !watch.continues() || has_error() {
                return None;
            }
            progress.start()
        };
        let work = || {
            while let Some(seed) = next() {
                let run = self.run_seed(seed, about, scenario);
                if has_error() {
                    break;
                }
                watch.ended(&run, false);
                let is_last = run.case.is_some() && !self.keep_going;
                lock(&progress).end(run, is_last);
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
        let progress = progress.into_inner();
        let Progress {
            last,
            mut runs,
            quiet,
            ..
        } = progress.unwrap_or_else(PoisonError::into_inner);
        runs.sort_by_key(|run| run.seed);
        // Later ones that were under way do not count: how many depends on the machine.
        runs.retain(|run| last.is_some_and(|last| run.seed <= last));
        for run in runs {
            campaign.add(run);
        }
        campaign.quiet = quiet.map(|it| it.result());
        let error = scenario.workers().and_then(|it| it.error());
        (campaign, error.map_or(Ok(()), Err))
    }
}

/// How far a campaign is.
struct Progress<S> {
    seeds: S,
    /// No seed above this one is started; none if no seed is.
    last: Option<u64>,
    quiet: Option<QuietWatch>,
    runs: Vec<SeedRun>,
}

impl<S: Iterator<Item = u64>> Progress<S> {
    /// The next seed.
    fn start(&mut self) -> Option<u64> {
        let last = self.last?;
        let seed = self.seeds.by_ref().find(|seed| *seed <= last)?;
        if let Some(quiet) = &mut self.quiet {
            quiet.start(seed);
        }
        Some(seed)
    }

    /// No seed above this one counts.
    fn end_with(&mut self, seed: u64) {
        self.last = self.last.map(|last| last.min(seed));
    }

    /// A seed has ended, with which the campaign ends if `is_last`.
    fn end(&mut self, run: SeedRun, is_last: bool) {
        if is_last {
            self.end_with(run.seed);
        }
        let last = self.last.unwrap_or_default();
        let quiet = self.quiet.as_mut();
        if let Some(seed) = quiet.and_then(|it| it.end(run.seed, run.timeline, last)) {
            self.end_with(seed);
        }
        self.runs.push(run);
    }
}

fn seed_run(case: Case, run: &Run<String>, failed: bool) -> SeedRun {
    let goals = run.goals.iter();
    SeedRun {
        seed: case.config.seed,
        steps: run.stats.steps,
        deviations: run.stats.deviations,
        faults: run.stats.faults,
        goals: goals
            .map(|(goal, reached)| ((*goal).to_owned(), *reached))
            .collect(),
        coverage: run.coverage.clone(),
        event_hash: run.event_hash,
        timeline: None,
        ungated_max: run.stats.ungated_max as u64,
        not_injected: Vec::new(),
        depends_on_history: None,
        case: failed.then_some(case),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
