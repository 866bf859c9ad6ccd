//! One failing run, as data.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use retake_traces::file::{FileError, OutputFile, read_text};
use retake_traces::sink::Sink;
use retake_traces::{MemorySink, compare};
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use super::Scenario;
use crate::core::COUNTED;
use crate::fault::Fault;
use crate::outcome::{Outcome, Run};
use crate::rng::stream;
use crate::sim::Sim;
use crate::strategy::{Hold, Recorded, Recorder, Strategy};

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
    /// Whether places marked with `buggify!` misbehave.
    #[serde(default)]
    pub buggify: bool,
    /// The most that a load may be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workload: Option<u32>,
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

/// The signature of a seed of which two runs differ.
pub(super) const NOT_DETERMINISTIC: &str = "not deterministic";
/// The largest file of a case, in bytes.
const CASE_BYTES_MAX: u64 = 64 << 20;
/// The longest run of which two are compared, in steps: some ten megabytes each.
const COMPARED_STEPS_MAX: u64 = 100_000;
/// Of the lines that show where two runs part.
const COMPARED_WIDTH: usize = 100;

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
        Outcome::Panicked { task, message } => format!("{}: {message}", base(task)),
        Outcome::Violated { task, what } => format!("{}: {what}", base(task)),
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
        Outcome::Livelock { .. }
        | Outcome::Horizon { .. }
        | Outcome::StepLimit
        | Outcome::Diverged { .. } => String::new(),
    };
    let text = format!("{}: {what}", outcome.name());
    let line = text.lines().next().unwrap_or_default();
    let signature = super::shape::shape(line);
    signature.trim_end_matches([':', ' ']).to_owned()
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
        self.signature != NOT_DETERMINISTIC
    }

    /// How many of its faults do harm: all but the heal.
    #[must_use]
    pub fn strikes(&self) -> usize {
        self.faults.iter().filter(|fault| !fault.heals()).count()
    }

    /// How many things make it differ from a plain run: holds, and faults that do harm.
    #[must_use]
    pub fn size(&self) -> usize {
        self.holds().len() + self.strikes()
    }

    /// The strategy.
    ///
    /// An unknown one, of a later version, is first in, first out.
    fn chooser(&self) -> Strategy {
        match &self.holds {
            Some(holds) => Strategy::Holds(Arc::from(holds.as_slice())),
            None => self.strategy.parse().unwrap_or(Strategy::Fifo),
        }
    }

    /// The simulation of this case. It counts messages where that is what failed.
    pub fn sim(&self) -> Sim {
        let horizon = Duration::from_nanos(self.horizon_ns);
        let is_count = self
            .signature
            .starts_with(&format!("violated: {COUNTED}: "));
        let sim = if is_count {
            Sim::new().conservation()
        } else {
            Sim::new()
        };
        sim.seed(self.seed)
            .strategy(self.chooser())
            .horizon(horizon.clamp(Duration::from_nanos(1), crate::HORIZON_MAX))
            .step_limit(self.step_limit)
            .faults(self.faults.iter().cloned())
            .buggify(self.buggify)
            .workload(self.workload)
    }

    pub(super) fn run(&self, scenario: &Scenario) -> Run<()> {
        let scenario = Arc::clone(scenario);
        self.sim().run(move || scenario())
    }

    /// Run it, and count what becomes of messages.
    pub(super) fn run_counted(&self, scenario: &Scenario) -> Run<()> {
        let scenario = Arc::clone(scenario);
        self.sim().conservation().run(move || scenario())
    }

    /// Where two more runs of a case part that is not deterministic. They need not, and
    /// long ones are not kept in memory to be compared.
    pub(super) fn where_two_runs_part(&self, scenario: &Scenario) -> Option<String> {
        if self.steps > COMPARED_STEPS_MAX {
            return None;
        }
        let sinks = [MemorySink::new(), MemorySink::new()];
        for sink in &sinks {
            self.run_into(scenario, sink.clone(), false);
        }
        let [one, other] = sinks.map(|sink| sink.records());
        let divergence = compare(("one run", "another run"), &one, &other)?;
        Some(divergence.to_text(COMPARED_WIDTH))
    }

    /// Run it with its story and causes, and its states as well if asked for.
    pub(super) fn run_into(
        &self,
        scenario: &Scenario,
        sink: impl Sink + Send + 'static,
        states: bool,
    ) -> Run<()> {
        let scenario = Arc::clone(scenario);
        self.sim()
            .story(true)
            .causality(true)
            .states(states)
            .trace(sink)
            .run(move || scenario())
    }

    /// Run it, and tell its schedule by holds.
    pub(super) fn run_recorded(
        &self,
        scenario: &Scenario,
        sink: impl Sink + Send + 'static,
        story: bool,
    ) -> (Run<()>, Vec<Hold>) {
        self.run_scheduled(scenario, self.chooser(), self.seed, sink, story)
    }

    /// The same, with the schedule of another strategy and seed. All else derives from the
    /// case's own seed.
    pub(super) fn run_scheduled(
        &self,
        scenario: &Scenario,
        strategy: Strategy,
        schedule_seed: u64,
        sink: impl Sink + Send + 'static,
        story: bool,
    ) -> (Run<()>, Vec<Hold>) {
        let (scenario, recorded) = (Arc::clone(scenario), Recorded::default());
        let seen = recorded.clone();
        let name = strategy.to_string();
        let run = self
            .sim()
            .scheduler(name, move |_| {
                let inner = strategy.scheduler(stream(schedule_seed, "schedule"));
                Box::new(Recorder::new(inner, &seen))
            })
            .story(story)
            .trace(sink)
            .run(move || scenario());
        (run, recorded.holds())
    }

    /// Note how a run of it ended.
    pub(super) fn note(&mut self, run: &Run<()>) {
        self.signature = signature(&run.outcome);
        self.outcome = run.outcome.to_string();
        self.steps = run.stats.steps;
        self.virtual_time_ns = u64::try_from(run.stats.virtual_time.as_nanos()).unwrap_or(u64::MAX);
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
