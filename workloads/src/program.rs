//! Which program this is: the `retake` command, or one with scenarios of your own.

use std::collections::BTreeSet;
use std::future::Future;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, LazyLock, OnceLock};
use std::time::Duration;

use retake_sim::Outcome;
use retake_sim::explore::{self, Case, CaseError, explain};
use retake_sim::isolate::{self, Launch, WorkerError, Workers};

use xxhash_rust::xxh3::Xxh3;

use crate::build_id;
use crate::scenario::{self, Scenario};

/// A command with scenarios of your own: `run`, `explore`, `shrink`, `why`, `replay`,
/// `debug`, `view` and all others that take a scenario, a trace or a case.
///
/// Campaigns run each seed in a process of its own program, so one that hangs, aborts or
/// eats memory is a failure with a seed like any other. Make it a binary or an example of
/// your crate:
///
/// ```no_run
/// use std::process::ExitCode;
///
/// async fn two_buy_the_last_one() {
///     // start actors, use them, check
/// }
///
/// fn main() -> ExitCode {
///     retake_workloads::Program::new("shop", env!("CARGO_PKG_VERSION"))
///         .scenario("shop/last_one", "two buy the last one", two_buy_the_last_one)
///         .main()
/// }
/// ```
///
/// and then, for example, `cargo run --release --bin shop -- explore shop/last_one`.
#[derive(Debug)]
pub struct Program {
    name: &'static str,
    version: &'static str,
    code: Option<&'static str>,
    scenarios: Vec<Scenario>,
    /// It has the system of this repository, and what is about it alone.
    is_retake: bool,
}

static THIS: OnceLock<Program> = OnceLock::new();

/// The program that runs.
pub(crate) fn this() -> &'static Program {
    THIS.get_or_init(Program::retake)
}

impl Program {
    /// The `retake` command itself.
    #[must_use]
    pub fn retake() -> Self {
        Self {
            name: "retake",
            version: env!("CARGO_PKG_VERSION"),
            code: Some(env!("RETAKE_CODE")),
            scenarios: scenario::brought_along(),
            is_retake: true,
        }
    }

    /// A program without a scenario yet. Traces and cases name it.
    #[must_use]
    pub fn new(name: &'static str, version: &'static str) -> Self {
        Self {
            name,
            version,
            code: None,
            scenarios: Vec::new(),
            is_retake: false,
        }
    }

    /// One more scenario: its name (`shop/last_one`), what it is about in a few words, and
    /// the code, which panics where something is wrong.
    #[must_use]
    pub fn scenario<F, Fut>(mut self, name: &'static str, about: &'static str, run: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        self.scenarios.push(Scenario::new(name, about, run));
        self
    }

    /// What identifies the program's code in traces and cases, to tell that it has changed:
    /// a commit, for example. By default it is the build id that the linker puts into the
    /// executable, or without one a hash of the executable.
    #[must_use]
    pub fn code(self, code: &'static str) -> Self {
        Self {
            code: Some(code),
            ..self
        }
    }

    /// Run again the cases that campaigns have saved in this folder (`retake-cases`, or where
    /// `explore --cases` put them), for a test: they fail until what they show is fixed, and
    /// pass from then on. Gives how many there were; none where there is no such folder.
    ///
    /// ```no_run
    /// # fn program() -> retake_workloads::Program { todo!() }
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
        let find = |name: &str| self.scenarios.iter().find(|it| it.name == name);
        if isolate::is_worker() {
            explore::serve(|name| {
                let scenario = find(name).map(Scenario::to_explore);
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
            let scenario = find(&case.scenario).ok_or_else(|| CheckSavedError::Unknown {
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

    /// Run the command line of this process.
    #[must_use]
    pub fn main(self) -> ExitCode {
        let mut names = BTreeSet::new();
        let again = self.scenarios.iter().find(|it| !names.insert(it.name));
        if let Some(Scenario { name, .. }) = again {
            eprintln!("error: two scenarios of this program are named `{name}`");
            return ExitCode::from(2);
        }
        if THIS.set(self).is_err() {
            eprintln!("error: this process has a program already");
            return ExitCode::from(2);
        }
        crate::cli::main()
    }

    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    pub(crate) fn version(&self) -> &'static str {
        self.version
    }

    pub(crate) fn scenarios(&self) -> &[Scenario] {
        &self.scenarios
    }

    pub(crate) fn is_retake(&self) -> bool {
        self.is_retake
    }

    /// Its name and version, as traces have them.
    pub(crate) fn with_version(&self) -> String {
        format!("{} {}", self.name, self.version)
    }

    /// What identifies its code.
    pub(crate) fn identity(&self) -> &'static str {
        static OF_EXECUTABLE: LazyLock<String> =
            LazyLock::new(|| identity_of_executable().unwrap_or_default());
        self.code.unwrap_or_else(|| &OF_EXECUTABLE)
    }
}

/// Workers of this program: each run in a process of its own.
pub(crate) fn workers(timeout: Duration, memory_limit_mb: Option<u64>) -> Arc<Workers> {
    Arc::new(Workers::new(Launch {
        arguments: Vec::new(),
        timeout,
        memory_limit_mb,
        captures_output: false,
    }))
}

/// How long one run may take in a command that has no setting for it: one that hangs is
/// noticed, and one that is only long is not taken for it.
const RUN_TIMEOUT: Duration = Duration::from_secs(300);

/// Workers of a command that has no setting for them.
pub(crate) fn run_workers() -> Arc<Workers> {
    workers(RUN_TIMEOUT, Some(MEMORY_LIMIT_MB))
}

/// A scenario of this program, with each run in a process of its own.
pub(crate) fn isolated(scenario: &Scenario) -> explore::Scenario {
    scenario.isolated(run_workers())
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

/// The largest address space of a case's run, in megabytes.
const MEMORY_LIMIT_MB: u64 = 4096;

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

/// What tells this executable from others: the linker's hash of it where there is one, since
/// without optimization a hash of our own takes seconds for a large executable.
fn identity_of_executable() -> std::io::Result<String> {
    match build_id::of_executable() {
        Some(id) => Ok(id),
        None => hash_of_executable(),
    }
}

fn hash_of_executable() -> std::io::Result<String> {
    let mut hash = Xxh3::new();
    let mut file = std::fs::File::open(std::env::current_exe()?)?;
    let mut part = vec![0; 1 << 20];
    loop {
        match file.read(&mut part)? {
            0 => break,
            count => hash.update(&part[..count]),
        }
    }
    Ok(format!("{:016x}", hash.digest()))
}
