//! Which program this is: the `retake` command, or one with scenarios of your own.

use std::collections::BTreeSet;
use std::future::Future;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{LazyLock, OnceLock};
use std::time::Duration;

use retake_sim::explore::{Case, CaseError, explain};

use xxhash_rust::xxh3::Xxh3;

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
    /// a commit, for example. A hash of the executable unless it is told.
    #[must_use]
    pub fn code(self, code: &'static str) -> Self {
        Self {
            code: Some(code),
            ..self
        }
    }

    /// Run again the cases that campaigns have saved in this folder (`retake-cases`, or where
    /// `explore --cases` put them), for a test: they fail until what they show is mended, and
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
    /// # Errors
    /// What fails and why, or is no case of this program. A case that ends the process, as
    /// it did in the campaign, ends the test with it.
    pub fn check_saved(&self, folder: impl AsRef<Path>) -> Result<usize, CheckSavedError> {
        let cases = saved(folder.as_ref())?;
        let mut failed = Vec::new();
        for (file, case) in &cases {
            let scenario = self.scenarios.iter().find(|it| it.name == case.scenario);
            let code = scenario.map(Scenario::code);
            let code = code.ok_or_else(|| CheckSavedError::Unknown {
                file: file.clone(),
                scenario: case.scenario.clone(),
            })?;
            match fails(case, code.clone()) {
                None => {}
                Some(Failed::Hangs) => failed.push(format!(
                    "{}: it has not ended within {} s",
                    file.display(),
                    PATIENCE.as_secs()
                )),
                Some(Failed::Ended) => {
                    let why = explain(case, code).to_text(120);
                    failed.push(format!("{}:\n{why}", file.display()));
                }
            }
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
            LazyLock::new(|| hash_of_executable().unwrap_or_default());
        self.code.unwrap_or_else(|| &OF_EXECUTABLE)
    }
}

/// Why saved cases are not well.
#[derive(Debug, thiserror::Error)]
pub enum CheckSavedError {
    /// A file is no case.
    #[error(transparent)]
    Case(#[from] CaseError),
    /// Its scenario is none of the program.
    #[error("{}: this program has no scenario `{scenario}`", file.display())]
    Unknown {
        /// The case.
        file: PathBuf,
        /// What it is of.
        scenario: String,
    },
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

/// How long a case may take: one that hangs is not waited for.
const PATIENCE: Duration = Duration::from_secs(60);

enum Failed {
    Ended,
    Hangs,
}

/// How a case fails, if it does.
#[allow(
    clippy::disallowed_methods,
    reason = "outside of any simulation: one that hangs cannot be ended"
)]
fn fails<F, Fut>(case: &Case, code: F) -> Option<Failed>
where
    F: Fn() -> Fut + Send + Sync + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    let (ended, end) = std::sync::mpsc::channel();
    let sim = case.sim();
    std::thread::spawn(move || {
        let run = sim.run(code);
        // Nobody may wait any more.
        let _ = ended.send((!run.passed()).then_some(Failed::Ended));
    });
    end.recv_timeout(PATIENCE).unwrap_or(Some(Failed::Hangs))
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
