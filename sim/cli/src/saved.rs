//! Saved cases as tests.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use retake_sim::Outcome;
use retake_sim::explore::{self, Case, CaseError, explain};
use retake_sim::isolate::{self, Launch, WorkerError, Workers};

use crate::program::Program;
use crate::scenario::Scenario;
use crate::workers::MEMORY_LIMIT_MB;

impl Program {
    /// Run again the cases that campaigns have saved in this folder (`retake-cases`, or where
    /// `explore --cases` put them), for a test: they fail until what they show is fixed, and
    /// pass from then on. Gives how many there were; none where there is no such folder.
    ///
    /// ```no_run
    /// # fn program() -> retake_cli::Program { todo!() }
    /// #[test]
    /// fn saved_cases_pass() {
    ///     program().check_saved("retake-cases").unwrap();
    /// }
    /// ```
    ///
    /// In a test each case runs in a process of its own, for which the test binary is started
    /// again with this test alone: one that hangs or aborts, as it did in the campaign, fails
    /// like any other. Call it first in the test. Elsewhere cases run in this process.
    ///
    /// # Errors
    /// What fails and why, or is no case of this program.
    pub fn check_saved(&self, folder: impl AsRef<Path>) -> Result<usize, CheckSavedError> {
        if isolate::is_worker() {
            explore::serve(|name| {
                let scenario = self.find(name).map(Scenario::to_explore);
                scenario.ok_or_else(|| format!("this program has no scenario `{name}`"))
            });
        }
        let cases = saved(folder.as_ref())?;
        let workers = test_workers().filter(|_| !cases.is_empty());
        if let Some(workers) = &workers {
            workers.check().map_err(CheckSavedError::Workers)?;
        }
        let mut failed = Vec::new();
        for (file, case) in &cases {
            let scenario = self
                .find(&case.scenario)
                .ok_or_else(|| CheckSavedError::Unknown {
                    file: file.clone(),
                    scenario: case.scenario.clone(),
                })?;
            let mut code = scenario.to_explore();
            if let Some(workers) = &workers {
                code = code.isolated(Arc::clone(workers));
            }
            let run = case.run(&code);
            let file = file.display();
            if matches!(run.outcome, Outcome::Lost { .. }) {
                failed.push(format!("{file}:\n{}", run.outcome));
            } else if !run.passed() {
                let why = explain(case, code).to_text(120);
                failed.push(format!("{file}:\n{why}"));
            }
        }
        if let Some(error) = workers.and_then(|it| it.error()) {
            return Err(CheckSavedError::Workers(error));
        }
        if failed.is_empty() {
            Ok(cases.len())
        } else {
            Err(CheckSavedError::Failed(failed.join("\n\n")))
        }
    }
}

/// Why saved cases are not well.
#[derive(Debug, thiserror::Error)]
pub enum CheckSavedError {
    /// A file is no case.
    #[error(transparent)]
    Case(#[from] CaseError),
    /// Its scenario is not one of the program's.
    #[error("{}: this program has no scenario `{scenario}`", file.display())]
    Unknown {
        /// The case.
        file: PathBuf,
        /// What it is of.
        scenario: String,
    },
    /// They cannot be run in processes of their own.
    #[error("saved cases run in processes of this test binary: {0}")]
    Workers(WorkerError),
    /// They fail: each with its story.
    #[error("{0}")]
    Failed(String),
}

/// The cases in a folder and in those within it, in order.
fn saved(folder: &Path) -> Result<Vec<(PathBuf, Case)>, CaseError> {
    let mut cases = Case::load_all(folder)?;
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut folders: Vec<PathBuf> = entries
        .map(|it| it.path())
        .filter(|it| it.is_dir())
        .collect();
    folders.sort_unstable();
    for folder in folders {
        cases.extend(saved(&folder)?);
    }
    Ok(cases)
}

/// How long a case may take: one that hangs fails.
const CASE_TIMEOUT: Duration = Duration::from_secs(60);

/// Workers within a test: Rust's test harness names the thread after the test, by which the
/// binary can be started again for it alone. None elsewhere.
fn test_workers() -> Option<Arc<Workers>> {
    let thread = std::thread::current();
    let test = thread.name().filter(|name| *name != "main")?;
    let arguments = [
        test,
        "--exact",
        "--nocapture",
        "--test-threads=1",
        "--include-ignored",
    ];
    Some(Arc::new(Workers::new(Launch {
        arguments: arguments.map(Into::into).into(),
        timeout: CASE_TIMEOUT,
        memory_limit_mb: Some(MEMORY_LIMIT_MB),
        captures_output: true,
    })))
}
