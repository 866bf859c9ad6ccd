//! What a campaign finds, and what parts of it find together.

use std::collections::{BTreeMap, BTreeSet};

use retake_traces::counted;
use retake_traces::fault::Fault;
use serde::{Deserialize, Serialize};

use super::{Case, Quiet, Timelines, signature};
use retake_engine::outcome::{Coverage, Outcome};

/// What one seed gave.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct SeedRun {
    /// The seed.
    pub seed: u64,
    /// Steps taken.
    pub steps: u64,
    /// Choices that first in, first out would not have made.
    pub deviations: u64,
    /// Faults that were injected.
    pub faults: u64,
    /// The failure.
    pub case: Option<Case>,
    /// Goals that were seen, and whether they were reached.
    pub goals: BTreeMap<String, bool>,
    /// What state machines met.
    #[serde(default)]
    pub coverage: Coverage,
    /// The hash of its schedule, see [`crate::Run::event_hash`].
    #[serde(default)]
    pub event_hash: u64,
    /// Its timeline, a hash, see [`Timelines`]; none if none was wanted, if no message was
    /// handled, and of a run whose process was lost.
    #[serde(default)]
    pub timeline: Option<u64>,
    /// Tasks that ran outside the scheduler, the most at one time.
    #[serde(default)]
    pub ungated_max: u64,
    /// Faults of the plan, not those of its swarm, that were not injected.
    #[serde(default)]
    pub not_injected: Vec<Fault>,
    /// It was run in a process that had run other seeds as well, and differed: from where on.
    #[serde(default)]
    pub depends_on_history: Option<String>,
}

/// Seeds that run otherwise in a process that has run others before.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct History {
    /// The lowest of these seeds.
    pub seed: u64,
    /// How many there were among those that were compared.
    pub count: u64,
    /// Where the two runs part.
    pub divergence: String,
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
    /// Seeds that were run, without the plain run before them.
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
    /// Hashes of the schedules that were run: all if there are few, else the smallest ones.
    #[serde(default)]
    pub schedules: BTreeSet<u64>,
    /// Timelines of the seeds, and what they say about those that were not seen.
    #[serde(default, skip_serializing_if = "Timelines::is_empty")]
    pub timelines: Timelines,
    /// Whether it has become quiet, if it was to end then, see
    /// [`Explorer::until_quiet`](super::Explorer::until_quiet). Not of parts put together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quiet: Option<Quiet>,
    /// Tasks that ran outside the scheduler, the most at one time of a run.
    #[serde(default)]
    pub ungated_max: u64,
    /// Faults of the plan, by their texts, and in how many runs they were not injected.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub not_injected: BTreeMap<String, u64>,
    /// Seeds that depend on what their process has run before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub history: Option<History>,
}

/// Seeds that a failure lists.
const SEEDS_LISTED: usize = 10;
/// Hashes of schedules that a campaign keeps. The smallest ones of two campaigns are among
/// the smallest ones of each, so parts of a campaign can be put together.
const SCHEDULES_KEPT: usize = 64;

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
        self.add_schedules([run.event_hash]);
        if let Some(timeline) = run.timeline {
            self.timelines.add(run.seed, timeline);
        }
        self.ungated_max = self.ungated_max.max(run.ungated_max);
        for fault in run.not_injected {
            *self.not_injected.entry(fault.to_string()).or_default() += 1;
        }
        if let Some(divergence) = run.depends_on_history {
            self.add_history(History {
                seed: run.seed,
                count: 1,
                divergence,
            });
        }
        self.add_case(run.case);
    }

    /// Count the failure of the plain run, which is of no seed's own.
    pub(super) fn add_case(&mut self, case: Option<Case>) {
        if let Some(case) = case {
            self.add_failure(Failure {
                seeds: vec![case.config.seed],
                case,
                count: 1,
            });
        }
    }

    /// What to know of the faults of the plan that no run has injected, a sentence each.
    #[must_use]
    pub fn faults_without_effect(&self) -> Vec<String> {
        let never = self.not_injected.iter();
        let never = never.filter(|(_, runs)| **runs >= self.runs);
        never
            .map(|(fault, _)| {
                format!(
                    "the fault `{fault}` was not injected in any of {}: a run of it alone says why",
                    counted(self.runs, "run")
                )
            })
            .collect()
    }

    fn add_schedules(&mut self, hashes: impl IntoIterator<Item = u64>) {
        self.schedules.extend(hashes);
        while self.schedules.len() > SCHEDULES_KEPT {
            self.schedules.pop_last();
        }
    }

    fn add_history(&mut self, mut history: History) {
        if let Some(known) = self.history.take() {
            history.count += known.count;
            if known.seed < history.seed {
                (history.seed, history.divergence) = (known.seed, known.divergence);
            }
        }
        self.history = Some(history);
    }

    /// How many different schedules there were, in words: `1 schedule`.
    #[must_use]
    pub fn schedules_in_words(&self) -> String {
        match self.schedules.len() {
            SCHEDULES_KEPT.. => format!("{SCHEDULES_KEPT} or more schedules"),
            count => counted(count, "schedule"),
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
                known.seeds.dedup();
                known.seeds.truncate(SEEDS_LISTED);
                if failure.case.config.seed < known.case.config.seed {
                    known.case = failure.case;
                }
            }
        }
        self.failures
            .sort_by_key(|failure| failure.case.config.seed);
    }

    /// A seed that has failed in both: they are no parts of one campaign, which run each seed
    /// once. The plain run is of each part.
    #[must_use]
    pub fn failing_seed_of_both(&self, other: &Self) -> Option<u64> {
        fn seeds(campaign: &Campaign) -> BTreeSet<(&str, u64)> {
            let failures = campaign.failures.iter();
            let failures = failures.filter(|failure| !failure.case.is_plain());
            failures
                .flat_map(|it| it.seeds.iter().map(|seed| (&*it.case.scenario, *seed)))
                .collect()
        }
        let (these, others) = (seeds(self), seeds(other));
        these.intersection(&others).next().map(|(_, seed)| *seed)
    }

    /// Add what another part of the campaign found.
    pub fn merge(&mut self, other: Self) {
        self.quiet = if self.runs == 0 { other.quiet } else { None };
        self.runs += other.runs;
        self.steps += other.steps;
        self.faults += other.faults;
        for (goal, reached) in other.goals {
            *self.goals.entry(goal).or_default() += reached;
        }
        self.add_coverage(other.coverage);
        self.add_schedules(other.schedules);
        self.timelines.merge(other.timelines);
        self.ungated_max = self.ungated_max.max(other.ungated_max);
        for (fault, runs) in other.not_injected {
            *self.not_injected.entry(fault).or_default() += runs;
        }
        if let Some(history) = other.history {
            self.add_history(history);
        }
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

impl Case {
    /// Whether an outcome is the failure of this case.
    pub(super) fn fails_alike(&self, outcome: &Outcome) -> bool {
        signature(outcome) == self.signature
    }
}
