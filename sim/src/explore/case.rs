//! One failing run, as data.

use std::sync::Arc;

use retake_inspect::compare;
use retake_traces::sink::Sink;
use retake_traces::{HashSink, Header, Layers, MemorySink, RunConfig};
use serde::{Deserialize, Serialize};

use super::external;
use super::failure::{FailureKind, signature};
use super::remote::{self, Job, Listener, Place, Ran, Recording};
use super::scenario::{Code, Scenario};
use super::timeline::{TimelineSink, TimelineSlot};
use retake_engine::Sim;
use retake_engine::outcome::{OutcomeKind, Run};
use retake_engine::rng::stream;
use retake_engine::strategy::{Hold, RecordedHolds, Recorder, Strategy, scheduler};

/// One run of a scenario: what makes it, and how it failed. Kept as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// Of what.
    pub scenario: String,
    /// What makes the run. A shrunk case has its schedule as holds.
    #[serde(flatten)]
    pub config: RunConfig,
    /// What else makes a run of a whole program; none for scenarios of actors, and in files of
    /// earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub whole_program: Option<WholeProgram>,
    /// The kind of its failure; none before it has run, and in files of earlier versions.
    #[serde(default)]
    pub failure: Option<FailureKind>,
    /// What failed, without what differs from run to run.
    pub signature: String,
    /// How the run ended, in full.
    pub outcome: String,
    /// The step at which it ended.
    pub steps: u64,
    /// Virtual time at the end, in nanoseconds.
    pub virtual_time_ns: u64,
    /// A hash over the sources of the program that found it; empty when unknown.
    #[serde(default)]
    pub code: String,
}

/// Settings that only runs of whole programs have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WholeProgram {
    /// Virtual time that a step takes, in nanoseconds. With 0 time moves only when nothing can
    /// run.
    pub step_ns: u64,
    /// On a runtime of several threads one in so many messages is held up between being taken
    /// and being handled; 0 for none.
    pub preempt: u64,
}

impl Default for WholeProgram {
    /// A microsecond, and one in 16 messages.
    fn default() -> Self {
        Self {
            step_ns: 1000,
            preempt: 16,
        }
    }
}

/// The longest run of which two are compared, in steps: some ten megabytes each.
const COMPARED_STEPS_MAX: u64 = 100_000;
/// Pairs of runs that are compared until one differs.
const COMPARED_PAIRS_MAX: u32 = 5;
/// Of the lines that show where two runs part.
const COMPARED_WIDTH: usize = 100;

/// These layers are recorded.
fn layers(layers: Layers) -> Recording {
    Recording {
        layers,
        ..Recording::default()
    }
}

impl Case {
    /// A run that did not take place yet.
    #[must_use]
    pub fn new(scenario: impl Into<String>, config: RunConfig) -> Self {
        Self {
            scenario: scenario.into(),
            config,
            whole_program: None,
            failure: None,
            signature: String::new(),
            outcome: String::new(),
            steps: 0,
            virtual_time_ns: 0,
            code: String::new(),
        }
    }

    /// The same with another strategy.
    #[must_use]
    pub fn with_strategy(&self, strategy: Strategy) -> Self {
        let mut case = self.clone();
        case.config.strategy = strategy;
        case
    }

    /// The steps that wait for others; none where another strategy chooses.
    #[must_use]
    pub fn holds(&self) -> &[Hold] {
        match &self.config.strategy {
            Strategy::Holds(holds) => holds,
            _ => &[],
        }
    }

    /// True if its schedule is written down as steps that wait for others.
    #[must_use]
    pub fn has_holds(&self) -> bool {
        matches!(self.config.strategy, Strategy::Holds(_))
    }

    /// False if what failed is that two runs of its seed differ.
    #[must_use]
    pub fn is_deterministic(&self) -> bool {
        let differs = [FailureKind::NotDeterministic, FailureKind::DependsOnHistory];
        self.failure.is_none_or(|kind| !differs.contains(&kind))
    }

    /// True if what failed is that the run did not end.
    #[must_use]
    pub fn hangs(&self) -> bool {
        self.failure == Some(FailureKind::Hangs)
    }

    /// True if what failed is that its process did not survive the run.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        let is_lost = self.failure == Some(FailureKind::Ended(OutcomeKind::Lost));
        is_lost || self.hangs()
    }

    /// True for the plain run of a scenario: first in, first out, without any fault.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        let config = &self.config;
        let is_fifo = config.strategy == Strategy::Fifo;
        is_fifo && config.faults.is_empty() && !config.only_planned_faults
    }

    /// How many of its faults do harm.
    #[must_use]
    pub fn harmful_faults(&self) -> usize {
        self.config
            .faults
            .iter()
            .filter(|it| it.is_harmful())
            .count()
    }

    /// How many things make it differ from a plain run: holds, and faults that do harm.
    #[must_use]
    pub fn size(&self) -> usize {
        self.holds().len() + self.harmful_faults()
    }

    /// The header of a trace of its run with all layers, recorded by this program from sources
    /// of this identity.
    #[must_use]
    pub fn header(&self, program: impl Into<String>, code: impl Into<String>) -> Header {
        Header {
            program: program.into(),
            scenario: self.scenario.clone(),
            config: self.config.clone(),
            layers: Layers::ALL,
            code: code.into(),
            ..Header::default()
        }
    }

    /// The simulation of this case.
    pub fn sim(&self) -> Sim {
        Sim::of(self.config.clone())
    }

    /// Run it in a process of its own, if the scenario has such.
    pub fn run(&self, scenario: &Scenario) -> Run<()> {
        let record = Recording {
            calls: true,
            ..Recording::default()
        };
        let ran = self.run_in(scenario, &Place::fresh(), record, HashSink::new());
        ran.run.without_output()
    }

    /// The same for the outcome alone, without the calls that led to it: one of many trials.
    pub(super) fn trial(&self, scenario: &Scenario) -> Run<()> {
        let (place, record) = (Place::fresh(), Recording::default());
        let ran = self.run_in(scenario, &place, record, HashSink::new());
        ran.run.without_output()
    }

    /// A trial with its story and causes.
    pub(super) fn trial_into(
        &self,
        scenario: &Scenario,
        sink: impl Sink + Send + 'static,
    ) -> Run<()> {
        let ran = self.run_in(scenario, &Place::fresh(), layers(Layers::STORY), sink);
        ran.run.without_output()
    }

    /// Where two more runs of a case part that is not deterministic, as text. They need not, and
    /// long ones are not kept in memory to be compared.
    #[must_use]
    pub fn where_two_runs_part(&self, scenario: &Scenario) -> Option<String> {
        let places = [Place::fresh(), Place::fresh()];
        self.where_runs_part(scenario, ("one run", "another run"), &places)
    }

    /// Where two runs in these places part. Runs that depend on chance may be equal by chance, so
    /// several pairs are compared.
    pub(super) fn where_runs_part(
        &self,
        scenario: &Scenario,
        names: (&'static str, &'static str),
        places: &[Place; 2],
    ) -> Option<String> {
        if self.steps > COMPARED_STEPS_MAX {
            return None;
        }
        (0..COMPARED_PAIRS_MAX).find_map(|_| self.where_a_pair_parts(scenario, names, places))
    }

    fn where_a_pair_parts(
        &self,
        scenario: &Scenario,
        names: (&'static str, &'static str),
        places: &[Place; 2],
    ) -> Option<String> {
        let [one, other] = [0, 1].map(|number: usize| {
            let sink = MemorySink::new();
            self.run_in(
                scenario,
                &places[number],
                layers(Layers::STORY),
                sink.clone(),
            );
            sink.records()
        });
        let divergence = compare(names, &one, &other)?;
        Some(divergence.to_text(COMPARED_WIDTH))
    }

    /// Run it with its story and causes, and its states as well if asked for.
    pub fn run_into(
        &self,
        scenario: &Scenario,
        sink: impl Sink + Send + 'static,
        states: bool,
    ) -> Run<()> {
        let record = Recording::for_people(states);
        let ran = self.run_in(scenario, &Place::fresh(), record, sink);
        ran.run.without_output()
    }

    /// Run it, and express its schedule by ordering constraints.
    pub(super) fn run_recorded(
        &self,
        scenario: &Scenario,
        sink: impl Sink + Send + 'static,
        story: bool,
    ) -> (Run<()>, Vec<Hold>) {
        self.run_holding(scenario, None, sink, story)
    }

    /// The same, with the schedule of another strategy and seed. All else derives from the
    /// case's own seed.
    pub(super) fn run_scheduled(
        &self,
        scenario: &Scenario,
        strategy: &Strategy,
        schedule_seed: u64,
        sink: impl Sink + Send + 'static,
        story: bool,
    ) -> (Run<()>, Vec<Hold>) {
        let schedule = Some((strategy.clone(), schedule_seed));
        self.run_holding(scenario, schedule, sink, story)
    }

    fn run_holding(
        &self,
        scenario: &Scenario,
        schedule: Option<(Strategy, u64)>,
        sink: impl Sink + Send + 'static,
        story: bool,
    ) -> (Run<()>, Vec<Hold>) {
        let record = Recording {
            layers: Layers {
                story,
                ..Layers::default()
            },
            holds: true,
            schedule,
            ..Recording::default()
        };
        let ran = self.run_in(scenario, &Place::fresh(), record, sink);
        (ran.run.without_output(), ran.holds)
    }

    /// Run it in this place: outside this program, in another process, if the scenario has such,
    /// or here.
    pub(super) fn run_in(
        &self,
        scenario: &Scenario,
        place: &Place,
        record: Recording,
        sink: impl Sink + Send + 'static,
    ) -> Ran {
        if let Some(runner) = scenario.runner() {
            return external::run(runner, self, place, record, sink);
        }
        if let Some(workers) = scenario.workers() {
            let job = Job::new(self, place, record);
            return remote::run(workers, &job, sink, Listener::None);
        }
        for case in &place.before {
            drop(case.run_here(scenario.code(), Recording::default(), HashSink::new()));
        }
        let timeline = TimelineSlot::default();
        let (run, holds) = if record.timeline {
            let sink = TimelineSink::new(sink, &timeline);
            self.run_here(scenario.code(), record, sink)
        } else {
            self.run_here(scenario.code(), record, sink)
        };
        Ran {
            timeline: timeline.get(),
            ..Ran::here(run, holds)
        }
    }

    /// Run it in this process.
    pub(super) fn run_here(
        &self,
        code: &Code,
        record: Recording,
        sink: impl Sink + Send + 'static,
    ) -> (Run<String>, Vec<Hold>) {
        let code = Arc::clone(code);
        let (sim, recorded) = self.prepared(record, None);
        let run = sim.trace(sink).run(move || code());
        (run, recorded.holds())
    }

    /// The simulation of this case with what is recorded of it, and where its ordering
    /// constraints will be. `schedule` takes the place of the case's own.
    pub(super) fn prepared(
        &self,
        record: Recording,
        schedule: Option<Strategy>,
    ) -> (Sim, RecordedHolds) {
        let recorded = RecordedHolds::default();
        let mut sim = self.sim().record(record.layers).lists_calls(record.calls);
        if let Some(schedule) = schedule {
            sim = sim.strategy(schedule);
        } else if record.holds {
            let own = || (self.config.strategy.clone(), self.config.seed);
            let (strategy, schedule_seed) = record.schedule.unwrap_or_else(own);
            let seen = recorded.clone();
            sim = sim.scheduler(strategy.to_string(), move |_| {
                let inner = scheduler(&strategy, stream(schedule_seed, "schedule"));
                Box::new(Recorder::new(inner, &seen))
            });
        }
        (sim, recorded)
    }

    /// Note how a run of it ended.
    pub fn note<T>(&mut self, run: &Run<T>) {
        self.failure = FailureKind::of(&run.outcome);
        self.signature = signature(&run.outcome);
        self.outcome = run.outcome.to_string();
        self.steps = run.stats.steps;
        self.virtual_time_ns = retake_traces::time::nanos(run.stats.virtual_time);
    }
}
