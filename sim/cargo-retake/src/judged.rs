//! What was found about one test.

use std::path::PathBuf;

use retake_sim::explore::Case;
use serde::Serialize;

/// How a test was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Verdict {
    /// It passes under all seeds that were run.
    Passed,
    /// It passes, and has nothing that a seed could put in another order.
    WithoutTasks,
    /// It passes, and two runs of one seed are not the same.
    NotRepeatable,
    /// It fails without a seed as well.
    FailsAsItIs,
    /// It fails under a seed.
    Failed,
    /// It was not judged, or not to the end: this program is to end.
    Interrupted,
}

/// One way in which a test fails.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Failure {
    /// The case, small where that could be done.
    pub(crate) case: Case,
    /// The lowest seed that fails so; none for a saved case and for the plain order.
    pub(crate) seed: Option<u64>,
    /// Its run passes where no fault is injected.
    pub(crate) under_faults_only: bool,
    /// How many seeds fail so.
    pub(crate) count: u64,
    /// What was found about it, as text for people.
    pub(crate) story: String,
    /// Where it is saved.
    pub(crate) file: Option<PathBuf>,
    /// It was saved before.
    pub(crate) is_saved: bool,
    /// The command that runs it again.
    pub(crate) replay: Option<String>,
}

/// What was found about one test.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct TestFindings {
    pub(crate) binary: String,
    pub(crate) test: Option<String>,
    pub(crate) verdict: Verdict,
    /// Seeds that were run.
    pub(crate) seeds: u64,
    /// Different orders of steps among them.
    pub(crate) orders: usize,
    /// Seeds that fail.
    pub(crate) failing: u64,
    /// The seeds after the first one that fails were not run.
    pub(crate) is_cut: bool,
    pub(crate) steps: u64,
    pub(crate) failures: Vec<Failure>,
    /// What it printed, where it fails as it is.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) printed: String,
    /// Two runs of one seed are the same.
    pub(crate) is_repeatable: bool,
    /// Where two runs part that are not the same, if that was seen.
    pub(crate) parting: Option<String>,
    /// Things to know.
    pub(crate) notes: Vec<String>,
    /// Real time.
    pub(crate) seconds: f64,
}

impl TestFindings {
    /// Nothing is known about it yet.
    pub(crate) fn new(binary: &str, test: Option<&str>) -> Self {
        Self {
            binary: binary.to_owned(),
            test: test.map(str::to_owned),
            verdict: Verdict::Passed,
            seeds: 0,
            orders: 0,
            failing: 0,
            is_cut: false,
            steps: 0,
            failures: Vec::new(),
            printed: String::new(),
            is_repeatable: true,
            parting: None,
            notes: Vec::new(),
            seconds: 0.0,
        }
    }

    /// Each failure that was found needs faults.
    pub(crate) fn fails_under_faults_only(&self) -> bool {
        !self.failures.is_empty() && self.failures.iter().all(|it| it.under_faults_only)
    }

    /// Its name among those of its program.
    pub(crate) fn name(&self) -> &str {
        self.test.as_deref().unwrap_or(&self.binary)
    }

    pub(crate) fn failed(&self) -> bool {
        matches!(self.verdict, Verdict::Failed | Verdict::FailsAsItIs)
    }
}
