//! One failing run, as data.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use retake_inspect::compare;
use retake_traces::fault::Fault;
use retake_traces::file::{FileError, OutputFile, read_text};
use retake_traces::sink::Sink;
use retake_traces::{HashSink, Header, MemorySink};
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use super::determinism::{DEPENDS_ON_HISTORY, NOT_DETERMINISTIC};
use super::remote::{self, HANGS, Job, Listener, Place, Ran, Recording};
use super::scenario::{Code, Scenario};
use retake_engine::Sim;
use retake_engine::internal::COUNTED;
use retake_engine::outcome::{Outcome, Run};
use retake_engine::rng::stream;
use retake_engine::strategy::{Hold, RecordedHolds, Recorder, Strategy};

/// One run of a scenario: what makes it, and how it failed. Kept as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// Of what.
    pub scenario: String,
    /// From which every random stream derives.
    pub seed: u64,
    /// Who chooses each step. With holds it is `fifo` but for these.
    pub strategy: String,
    /// Steps that wait for others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holds: Option<Vec<Hold>>,
    /// Faults, by their texts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<Fault>,
    /// Whether these are all faults, those of the scenario's own included, see
    /// [`Sim::only_planned_faults`].
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub only_planned_faults: bool,
    /// Whether a task outside the scheduler fails the run, see [`Sim::strict`].
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub strict: bool,
    /// Whether the run may start threads, see [`Sim::allow_threads`].
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub allow_threads: bool,
    /// End of virtual time, in nanoseconds.
    pub horizon_ns: u64,
    /// Largest number of steps.
    pub step_limit: u64,
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

/// The largest file of a case, in bytes.
const CASE_BYTES_MAX: u64 = 64 << 20;
/// The longest run of which two are compared, in steps: some ten megabytes each.
const COMPARED_STEPS_MAX: u64 = 100_000;
/// Pairs of runs that are compared until one differs.
const COMPARED_PAIRS_MAX: u32 = 5;
/// Of the lines that show where two runs part.
const COMPARED_WIDTH: usize = 100;

/// Texts and causes are recorded, and states if asked for.
fn with_story(states: bool) -> Recording {
    Recording {
        causality: true,
        story: true,
        states,
        ..Recording::default()
    }
}

/// Why a case cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CaseError {
    /// The file cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file is something else.
    #[error("{0} is no saved case: {1}")]
    Malformed(PathBuf, String),
}

/// What failed, without what differs from run to run: numbers become `#`, lists and quoted
/// words `[…]` and `"…"`, and who waits where is left out.
#[must_use]
pub fn signature(outcome: &Outcome) -> String {
    let base = |label: &str| label.split('#').next().unwrap_or(label).to_owned();
    let what = match outcome {
        Outcome::Passed => return outcome.name().to_owned(),
        Outcome::Panicked { task, message, .. } => format!("{}: {message}", base(task)),
        Outcome::Violated { task, what, check } => {
            let check = super::shape::of_format(check);
            format!("{}: {}", base(task), check.as_ref().unwrap_or(what))
        }
        Outcome::Deadlock { waiting, cycle } => {
            let who = if cycle.is_empty() {
                waiting.iter().map(|wait| base(&wait.task)).collect()
            } else {
                cycle.clone()
            };
            let mut who: Vec<String> = who.iter().map(|label| base(label)).collect();
            who.sort_unstable();
            who.dedup();
            who.join(", ")
        }
        Outcome::Escaped { what, .. } => what.clone(),
        Outcome::Lost { how } => how.clone(),
        Outcome::Livelock { busy, .. } => {
            // One with a small share only comes by now and then.
            let busy = busy.iter().filter(|(_, share)| *share >= 10);
            let mut who: Vec<String> = busy.map(|(task, _)| base(task)).collect();
            who.sort_unstable();
            who.dedup();
            who.join(", ")
        }
        Outcome::Horizon { .. } | Outcome::StepLimit { .. } | Outcome::Diverged { .. } => {
            String::new()
        }
    };
    let text = format!("{}: {what}", outcome.name());
    let line = text.lines().next().unwrap_or_default();
    let signature = super::shape::shape(line);
    let signature = signature.trim_end_matches([':', ' ']);
    match outcome {
        // Two places that panic with one message are two failures. A column tells less of
        // them, and changes by formatting.
        Outcome::Panicked {
            place: Some(place), ..
        } => format!("{signature} ({}:{})", place.file, place.line),
        _ => signature.to_owned(),
    }
}

impl Case {
    /// The holds; none where a strategy chooses.
    #[must_use]
    pub fn holds(&self) -> &[Hold] {
        self.holds.as_deref().unwrap_or_default()
    }

    /// False if what failed is that two runs of its seed differ.
    #[must_use]
    pub fn is_deterministic(&self) -> bool {
        ![NOT_DETERMINISTIC, DEPENDS_ON_HISTORY].contains(&&*self.signature)
    }

    /// True if what failed is that the run did not end.
    #[must_use]
    pub fn hangs(&self) -> bool {
        self.is_lost() && self.outcome.ends_with(HANGS)
    }

    /// True if what failed is that its process did not survive the run.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.signature.starts_with("lost: ")
    }

    /// True for the plain run of a scenario: first in, first out, without any fault.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        let is_fifo = self.holds.is_none() && self.strategy == "fifo";
        is_fifo && self.faults.is_empty() && !self.only_planned_faults
    }

    /// How many of its faults do harm.
    #[must_use]
    pub fn harmful_faults(&self) -> usize {
        self.faults.iter().filter(|it| it.is_harmful()).count()
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
            seed: self.seed,
            strategy: self.strategy.clone(),
            horizon_ns: self.horizon_ns,
            step_limit: self.step_limit,
            causality: true,
            story: true,
            states: true,
            faults: self.faults.clone(),
            only_planned_faults: self.only_planned_faults,
            code: code.into(),
            ..Header::default()
        }
    }

    /// The strategy.
    ///
    /// An unknown one, of a later version, is first in, first out.
    fn chooser(&self) -> Strategy {
        match &self.holds {
            Some(holds) => Strategy::Holds(Arc::from(holds.as_slice())),
            None => self.strategy.parse().unwrap_or(Strategy::fifo()),
        }
    }

    /// Whether what failed is the count of messages.
    fn counts_messages(&self) -> bool {
        self.signature
            .starts_with(&format!("violated: {COUNTED}: "))
    }

    /// The simulation of this case. It counts messages where that is what failed.
    pub fn sim(&self) -> Sim {
        let horizon = Duration::from_nanos(self.horizon_ns);
        let sim = if self.counts_messages() {
            Sim::new().conservation()
        } else {
            Sim::new()
        };
        sim.seed(self.seed)
            .strategy(self.chooser())
            .horizon(horizon.clamp(Duration::from_nanos(1), retake_engine::HORIZON_MAX))
            .step_limit(self.step_limit)
            .faults(self.faults.iter().cloned())
            .only_planned_faults(self.only_planned_faults)
            .strict(self.strict)
            .allow_threads(self.allow_threads)
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
        let ran = self.run_in(scenario, &Place::fresh(), with_story(false), sink);
        ran.run.without_output()
    }

    /// Where two more runs of a case part that is not deterministic. They need not, and
    /// long ones are not kept in memory to be compared.
    pub(super) fn where_two_runs_part(&self, scenario: &Scenario) -> Option<String> {
        let places = [Place::fresh(), Place::fresh()];
        let names = ("one run", "another run");
        // Runs that depend on chance may be equal by chance.
        (0..COMPARED_PAIRS_MAX).find_map(|_| self.where_runs_part(scenario, names, &places))
    }

    /// Where two runs in these places part.
    pub(super) fn where_runs_part(
        &self,
        scenario: &Scenario,
        names: (&'static str, &'static str),
        places: &[Place; 2],
    ) -> Option<String> {
        if self.steps > COMPARED_STEPS_MAX {
            return None;
        }
        let [one, other] = [0, 1].map(|number: usize| {
            let sink = MemorySink::new();
            self.run_in(scenario, &places[number], with_story(false), sink.clone());
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
        let record = Recording {
            calls: true,
            ..with_story(states)
        };
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
        let schedule = Some((strategy.to_string(), schedule_seed));
        self.run_holding(scenario, schedule, sink, story)
    }

    fn run_holding(
        &self,
        scenario: &Scenario,
        schedule: Option<(String, u64)>,
        sink: impl Sink + Send + 'static,
        story: bool,
    ) -> (Run<()>, Vec<Hold>) {
        let record = Recording {
            story,
            holds: true,
            schedule,
            ..Recording::default()
        };
        let ran = self.run_in(scenario, &Place::fresh(), record, sink);
        (ran.run.without_output(), ran.holds)
    }

    /// Run it in this place: in another process, if the scenario has such, or here.
    pub(super) fn run_in(
        &self,
        scenario: &Scenario,
        place: &Place,
        record: Recording,
        sink: impl Sink + Send + 'static,
    ) -> Ran {
        if let Some(workers) = scenario.workers() {
            let job = Job::new(self, place, record);
            return remote::run(workers, &job, sink, Listener::None);
        }
        for case in &place.before {
            drop(case.run_here(scenario.code(), Recording::default(), HashSink::new()));
        }
        let (run, holds) = self.run_here(scenario.code(), record, sink);
        Ran::here(run, holds)
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
        let mut sim = self
            .sim()
            .story(record.story)
            .causality(record.causality)
            .states(record.states)
            .lists_calls(record.calls);
        if record.counts_messages || self.counts_messages() {
            sim = sim.conservation();
        }
        if let Some(schedule) = schedule {
            sim = sim.strategy(schedule);
        } else if record.holds {
            let (strategy, schedule_seed) = match record.schedule {
                // An unknown one, of a later version, is first in, first out.
                Some((text, seed)) => (text.parse().unwrap_or(Strategy::fifo()), seed),
                None => (self.chooser(), self.seed),
            };
            let seen = recorded.clone();
            sim = sim.scheduler(strategy.to_string(), move |_| {
                let inner = strategy.scheduler(stream(schedule_seed, "schedule"));
                Box::new(Recorder::new(inner, &seen))
            });
        }
        (sim, recorded)
    }

    /// Note how a run of it ended.
    pub(super) fn note<T>(&mut self, run: &Run<T>) {
        self.signature = signature(&run.outcome);
        self.outcome = run.outcome.to_string();
        self.steps = run.stats.steps;
        self.virtual_time_ns = retake_traces::time::nanos(run.stats.virtual_time);
    }

    /// The name of its file: the same for all cases of one signature.
    #[must_use]
    pub fn file_name(&self) -> String {
        let word: String = self
            .signature
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
            .take(40)
            .collect();
        let hash = xxh3_64(self.signature.as_bytes()) as u32;
        format!("{}-{hash:08x}.json", word.trim_end_matches('-'))
    }

    /// Write it to a file, as a whole or not at all.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), CaseError> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(FileError::of("create", folder))?;
        }
        let text = serde_json::to_string_pretty(self)
            .map_err(|error| CaseError::Malformed(path.to_owned(), error.to_string()))?;
        Ok(OutputFile::write_all_to(path, text + "\n")?)
    }

    /// Read it from a file.
    ///
    /// # Errors
    /// If it cannot be read, or is no case.
    pub fn load(path: &Path) -> Result<Self, CaseError> {
        let text = read_text(path, CASE_BYTES_MAX)?;
        let malformed = |what: String| CaseError::Malformed(path.to_owned(), what);
        let case: Self =
            serde_json::from_str(&text).map_err(|error| malformed(error.to_string()))?;
        if case.holds.is_none() {
            let strategy = case.strategy.parse::<Strategy>();
            strategy.map_err(|error| malformed(error.to_string()))?;
        }
        Ok(case)
    }

    /// The cases in a folder, by name; none if there is no such folder.
    ///
    /// # Errors
    /// If one cannot be read.
    pub fn load_all(folder: &Path) -> Result<Vec<(PathBuf, Self)>, CaseError> {
        let Ok(entries) = fs::read_dir(folder) else {
            return Ok(Vec::new());
        };
        let mut paths: Vec<PathBuf> = entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.extension().is_some_and(|it| it == "json"))
            .collect();
        paths.sort_unstable();
        let load = |path: PathBuf| Ok((path.clone(), Self::load(&path)?));
        paths.into_iter().map(load).collect()
    }
}
