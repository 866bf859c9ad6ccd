//! A program: its name, its scenarios, and what it has in addition to every program.

use std::future::Future;
use std::io::Write;
use std::sync::LazyLock;

use clap::Parser;
use retake_sim::did_you_mean;

use crate::added::AddedCommand;
use crate::build_id;
use crate::recording::{AnyFollower, Follower, RecordedProcess};
use crate::scenario::Scenario;
use crate::status::{Error, Status};

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
///     retake_cli::Program::new("shop", env!("CARGO_PKG_VERSION"))
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
    versions: Vec<(String, String)>,
    scenarios: Vec<Scenario>,
    commands: Vec<AddedCommand<Self>>,
    recordings: Vec<RecordedProcess>,
}

impl Program {
    /// A program without a scenario yet. Traces and cases name it.
    #[must_use]
    pub fn new(name: &'static str, version: &'static str) -> Self {
        Self {
            name,
            version,
            code: None,
            versions: Vec::new(),
            scenarios: Vec::new(),
            commands: Vec::new(),
            recordings: Vec::new(),
        }
    }

    /// Adds a scenario: its name (`shop/last_one`), what it is about in a few words, and
    /// the code, which panics where something is wrong.
    #[must_use]
    pub fn scenario<F, Fut>(self, name: &'static str, about: &'static str, run: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        self.with_scenarios([Scenario::new(name, about, run)])
    }

    /// Adds scenarios, for example those that measure something.
    #[must_use]
    pub fn with_scenarios(mut self, scenarios: impl IntoIterator<Item = Scenario>) -> Self {
        self.scenarios.extend(scenarios);
        self
    }

    /// Adds a command. Its name, help and arguments are those of `A`, which derives
    /// [`clap::Parser`]; what `run` writes is the command's output. An argument `--json` says
    /// that this is JSON.
    ///
    /// ```no_run
    /// use std::io::Write;
    ///
    /// use retake_cli::Program;
    /// use retake_cli::command::{Error, Status};
    ///
    /// /// Counts the scenarios.
    /// #[derive(clap::Parser)]
    /// #[command(name = "count")]
    /// struct Count {}
    ///
    /// fn count(program: &Program, _: &Count, out: &mut dyn Write) -> Result<Status, Error> {
    ///     writeln!(out, "{}", program.scenarios().len())?;
    ///     Ok(Status::Passed)
    /// }
    ///
    /// # fn program() -> Program { todo!() }
    /// program().command(count).main();
    /// ```
    #[must_use]
    pub fn command<A, F>(mut self, run: F) -> Self
    where
        A: Parser,
        F: Fn(&Self, &A, &mut dyn Write) -> Result<Status, Error> + Send + Sync + 'static,
    {
        self.commands.push(AddedCommand::new(run));
        self
    }

    /// Lets `replay` follow recordings of a live process: those that were started under this
    /// name by `retake_live`. Each replay makes a follower of its own.
    #[must_use]
    pub fn recording<F: Follower>(
        mut self,
        name: &'static str,
        follow: impl Fn() -> F + Send + Sync + 'static,
    ) -> Self {
        self.recordings.push(RecordedProcess {
            name,
            follow: Box::new(move || Box::new(follow())),
        });
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

    /// Libraries that decide how a run goes, and their versions. Traces keep them, and a
    /// replay names those that have changed. None by default.
    #[must_use]
    pub fn versions<N, V>(self, versions: impl IntoIterator<Item = (N, V)>) -> Self
    where
        N: Into<String>,
        V: Into<String>,
    {
        let versions = versions.into_iter();
        Self {
            versions: versions
                .map(|(name, version)| (name.into(), version.into()))
                .collect(),
            ..self
        }
    }

    /// Its scenarios, in the order in which they were added.
    #[must_use]
    pub fn scenarios(&self) -> &[Scenario] {
        &self.scenarios
    }

    /// The scenario of this name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&Scenario> {
        let mut scenarios = self.scenarios.iter();
        scenarios.find(|scenario| scenario.name() == name)
    }

    /// The scenario of this name, as an argument of the program names it.
    ///
    /// # Errors
    /// That it does not exist, and what to do.
    pub fn named(&self, name: &str) -> Result<&Scenario, Error> {
        self.find(name)
            .ok_or_else(|| Error::Usage(self.unknown(name)))
    }

    /// What to do about a name that is no scenario's.
    fn unknown(&self, name: &str) -> String {
        let program = self.name;
        if self.follower(name).is_some() {
            return format!(
                "this is the trace of a replayed recording, which only the recording brings about \
                 again: `{program} replay` it. What led to a step, the trace knows: `{program} \
                 debug FILE --at STEP --print why`"
            );
        }
        let near = did_you_mean(name, self.scenarios.iter().map(Scenario::name));
        if !near.is_empty() {
            return format!("this program has no scenario `{name}`{near} See `{program} list`");
        }
        format!(
            "this program has no scenario `{name}`; see `{program} list`. Of a test of your own \
             only `cargo test` can run it again, with RETAKE_REPLAY=CASE (docs/own.md tells \
             how to make a command of yours); its trace is for \
             `{program} debug`, `show`, `view`, `export` and `diff`"
        )
    }

    /// The name that it has in traces.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    pub(crate) fn version(&self) -> &'static str {
        self.version
    }

    pub(crate) fn commands(&self) -> &[AddedCommand<Self>] {
        &self.commands
    }

    pub(crate) fn library_versions(&self) -> &[(String, String)] {
        &self.versions
    }

    /// A follower for recordings of this name.
    pub(crate) fn follower(&self, name: &str) -> Option<Box<dyn AnyFollower>> {
        let process = self.recordings.iter().find(|it| it.name == name);
        process.map(|process| (process.follow)())
    }

    /// Its name and version, as traces have them.
    #[must_use]
    pub fn name_and_version(&self) -> String {
        format!("{} {}", self.name, self.version)
    }

    /// What identifies its code, see [`code`](Self::code).
    #[must_use]
    pub fn identity(&self) -> &'static str {
        static OF_EXECUTABLE: LazyLock<String> =
            LazyLock::new(|| build_id::identity().unwrap_or_default());
        self.code.unwrap_or_else(|| &OF_EXECUTABLE)
    }
}
