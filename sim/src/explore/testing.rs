//! What `#[retake_sim::test]` expands to: a campaign as an ordinary test.

use std::ffi::OsString;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use retake_traces::HashSink;
use retake_traces::header::Header;
use retake_traces::writer::TraceWriter;

use super::binary::{Binary, CASES};
use super::remote::{Place, Recording};
use super::variables::Variables;
use super::{Campaign, Case, Explanation, Explorer, Scenario, Search};
use crate::isolate::{self, Launch, WorkerError, Workers};
use crate::plan::FaultPlan;

/// The share of the seeds that are run twice and compared.
const DETERMINISM_SHARE: f64 = 0.01;

/// A test to be.
#[derive(Clone, Debug)]
pub struct Test {
    /// The folder of the crate.
    pub crate_folder: &'static str,
    /// The name of the crate.
    pub crate_name: &'static str,
    /// The module.
    pub module: &'static str,
    /// The function.
    pub name: &'static str,
    /// How many seeds.
    pub seeds: u64,
    /// How strategies are chosen; `mix`, or one.
    pub strategy: &'static str,
    /// `none`, `swarm`, or a file beside the crate's manifest.
    pub faults: &'static str,
    /// Largest number of steps of a run.
    pub steps: u64,
    /// End of virtual time, such as `60s`.
    pub horizon: &'static str,
    /// `process`: each run in a process of its own; `shared`: all in the test's process.
    pub isolation: &'static str,
    /// A task outside the scheduler fails the test.
    pub strict: bool,
    /// Runs may start threads.
    pub allow_threads: bool,
    /// How long a run may take in real time, such as `120s`: one that takes longer hangs.
    pub timeout: &'static str,
    /// The largest address space of a run, in megabytes.
    pub memory_mb: u64,
}

/// The smallest limit of memory, in megabytes: less does not hold the test binary itself.
const MEMORY_MB_MIN: u64 = 64;

/// Steps that may be spent on making a failure small: some ten seconds of a debug build for
/// each million. Who waits for a test wants to know what failed.
const SHRINK_STEPS_MAX: u64 = 5_000_000;

/// Panics inside simulations are part of their outcomes: thousands of them on the
/// terminal help nobody.
pub(super) fn quiet_panics() {
    crate::panics::quiet();
}

impl Test {
    /// `module::name` without the crate.
    fn path(&self) -> String {
        match self.module.split_once("::") {
            Some((_, module)) => format!("{module}::{}", self.name),
            None => self.name.to_owned(),
        }
    }

    /// The name of its folders: no other test of the crate has it.
    fn folder_name(&self) -> String {
        format!("{}::{}", self.module, self.name).replace("::", "-")
    }

    /// Where its saved cases are.
    fn folder(&self) -> PathBuf {
        Path::new(self.crate_folder)
            .join(CASES)
            .join(self.folder_name())
    }

    /// Whether a case is of this test. Tests of two targets may have one name, so the folder
    /// counts where it tells.
    fn owns(&self, file: &Path, case: &Case) -> bool {
        let folder = file.parent();
        let name = |path: Option<&Path>| Some(path?.file_name()?.to_owned());
        let is_kept = name(folder.and_then(Path::parent)).is_some_and(|name| name == CASES);
        case.scenario == self.path()
            && (!is_kept || name(folder).is_some_and(|name| name == *self.folder_name()))
    }

    fn horizon(&self) -> Result<Duration, String> {
        match crate::parse_duration(self.horizon) {
            Ok(horizon) if !horizon.is_zero() && horizon <= crate::HORIZON_MAX => Ok(horizon),
            _ => Err(format!(
                "the horizon `{}` is no time up to a year: write 60s, 1500ms or 2h",
                self.horizon
            )),
        }
    }

    /// How long a run may take.
    fn timeout(&self, variables: &Variables) -> Result<Duration, String> {
        if let Some(timeout) = variables.timeout {
            return Ok(timeout);
        }
        match crate::parse_duration(self.timeout) {
            Ok(timeout) if !timeout.is_zero() => Ok(timeout),
            _ => Err(format!(
                "invalid timeout `{}`: write a time above zero, such as 120s or 5m",
                self.timeout
            )),
        }
    }

    /// The largest address space of a run.
    fn memory_mb(&self, variables: &Variables) -> Result<u64, String> {
        match variables.memory_mb.unwrap_or(self.memory_mb) {
            megabytes if megabytes >= MEMORY_MB_MIN => Ok(megabytes),
            megabytes => Err(format!(
                "invalid limit of memory, {megabytes} MB: write {MEMORY_MB_MIN} or more"
            )),
        }
    }

    fn faults(&self) -> Result<FaultPlan, String> {
        let name = match self.faults {
            "none" | "swarm" => self.faults.to_owned(),
            file => Path::new(self.crate_folder)
                .join(file)
                .display()
                .to_string(),
        };
        FaultPlan::named(&name).map_err(|error| error.to_string())
    }

    /// Run it: saved cases first, then the plain run and the seeds, one in a hundred twice.
    ///
    /// `RETAKE_SEEDS`, `RETAKE_SEED`, `RETAKE_STRATEGY`, `RETAKE_ISOLATION`, `RETAKE_TIMEOUT`
    /// and `RETAKE_MEMORY_MB` replace what the attribute says; with `RETAKE_REPLAY` the case in that file is run and nothing else.
    ///
    /// # Panics
    /// If a run fails, with its story.
    #[track_caller]
    pub fn run(&self, scenario: impl Into<Scenario>) {
        let scenario = scenario.into();
        if isolate::is_worker() {
            super::serve(|name| {
                if name == self.path() {
                    Ok(scenario.clone())
                } else {
                    Err(format!("this is the test `{}`, not `{name}`", self.path()))
                }
            });
        }
        quiet_panics();
        if let Err(what) = self.check(scenario) {
            panic!("{what}");
        }
    }

    fn check(&self, scenario: Scenario) -> Result<(), String> {
        let variables = Variables::read()?;
        let scenario = self.isolate(scenario, &variables)?;
        self.report_orphans();
        if let Some(file) = &variables.replay {
            return self.replay(file, &scenario);
        }
        let saved = Case::load_all(&self.folder()).map_err(|error| error.to_string())?;
        for (file, case) in &saved {
            let is_restricted = variables.seeds.is_some() || variables.strategy.is_some();
            self.check_saved(file, case, &scenario, is_restricted)?;
        }
        let strategy = variables.strategy.as_deref().unwrap_or(self.strategy);
        let search: Search = strategy
            .parse()
            .map_err(|error: crate::StrategyError| error.to_string())?;
        let explorer = Explorer::new(self.path())
            .search(search)
            .faults(self.faults()?)
            .step_limit(self.steps)
            .horizon(self.horizon()?)
            .check_determinism(DETERMINISM_SHARE)
            .strict(self.strict)
            .allow_threads(self.allow_threads)
            .plain_run(variables.has_plain_run());
        let seeds = variables.seeds.unwrap_or(0..self.seeds);
        let (campaign, error) = explorer.run_seeds(&scenario, seeds, &());
        if let Some(failure) = campaign.failures.first() {
            return Err(self.report(&failure.case, &scenario));
        }
        error.map_err(|error| self.cannot_isolate(&error))?;
        self.remark(
            &campaign,
            scenario.workers().is_some_and(|it| it.is_randomized()),
        );
        Ok(())
    }

    /// Have the runs take place where the attribute or the environment says.
    fn isolate(&self, scenario: Scenario, variables: &Variables) -> Result<Scenario, String> {
        match variables.isolation.as_deref().unwrap_or(self.isolation) {
            "shared" => Ok(scenario),
            "process" => {
                let workers = Workers::new(Launch {
                    arguments: self.worker_arguments(),
                    timeout: self.timeout(variables)?,
                    memory_limit_mb: Some(self.memory_mb(variables)?),
                    captures_output: true,
                });
                let checked = workers.check();
                checked.map_err(|error| self.cannot_isolate(&error))?;
                Ok(scenario.isolated(Arc::new(workers)))
            }
            other => Err(format!(
                "invalid isolation `{other}`: write `process` or `shared`"
            )),
        }
    }

    /// What makes the test binary run this test alone, on a thread of its own.
    fn worker_arguments(&self) -> Vec<OsString> {
        let path = self.path();
        let fixed = [
            "--exact",
            "--nocapture",
            "--test-threads=1",
            "--include-ignored",
        ];
        let all = std::iter::once(&*path).chain(fixed);
        all.map(OsString::from).collect()
    }

    fn cannot_isolate(&self, error: &WorkerError) -> String {
        format!(
            "{}: its runs cannot be isolated by processes: {error}\nThe test binary is started \
             again, with the arguments of Rust's own test harness. Where it has another one, or \
             processes are not allowed, write `isolation = \"shared\"` in the attribute or set \
             RETAKE_ISOLATION=shared: all runs then share this process, and what one leaves in \
             statics and registries, the next one meets",
            self.path()
        )
    }

    /// Run the case that `RETAKE_REPLAY` names, if it is of this test.
    fn replay(&self, file: &Path, scenario: &Scenario) -> Result<(), String> {
        let case = Case::load(file).map_err(|error| format!("RETAKE_REPLAY: {error}"))?;
        if self.owns(file, &case) {
            return self.check_saved(file, &case, scenario, false);
        }
        self.binary().check_owner(file, &case)?;
        say(&format!(
            "{}: not run, because RETAKE_REPLAY names a case of `{}`",
            self.path(),
            case.scenario
        ));
        Ok(())
    }

    fn binary(&self) -> Binary {
        Binary {
            crate_folder: Path::new(self.crate_folder),
            target: self.module.split("::").next().unwrap_or(self.module),
        }
    }

    /// Say which saved cases are of no test of this binary, once.
    fn report_orphans(&self) {
        static ONCE: std::sync::Once = std::sync::Once::new();
        ONCE.call_once(|| {
            for folder in self.binary().orphans() {
                say(&format!(
                    "warning: the saved cases in {} are of no test of this binary, so nobody \
                     runs them: rename the folder as the test was renamed, or delete it",
                    folder.display()
                ));
            }
        });
    }

    /// What is to be known of a test that has passed.
    fn remark(&self, campaign: &Campaign, is_randomized: bool) {
        let path = self.path();
        if campaign.runs > 1 && campaign.schedules.len() == 1 {
            say(&format!(
                "{path}: 1 schedule in {} seeds: there was nothing to choose. Start tasks by \
                 `retake::spawn` and put `#[retake::simulated]` on actors",
                campaign.runs
            ));
        }
        if campaign.ungated_max > 0 {
            say(&format!(
                "{path}: up to {} tokio tasks ran outside the scheduler at one time: ractor's own \
                 timers and helpers, or tasks of `tokio::spawn`, which `retake::spawn` would have \
                 scheduled; `strict = true` makes them a failure",
                campaign.ungated_max
            ));
        }
        if let Some(history) = &campaign.history {
            say(&format!(
                "{path}: seed {} depends on earlier runs of its process, if there are any \
                 ({} of the seeds that were compared): {}",
                history.seed, history.count, history.divergence
            ));
        }
        if is_randomized {
            static ONCE: std::sync::Once = std::sync::Once::new();
            ONCE.call_once(|| {
                say(
                    "note: this system does not let addresses be the same in each process \
                     (personality(2) is refused): what depends on them may differ",
                );
            });
        }
    }

    /// Run a saved case. `is_restricted` if the environment asks for certain seeds.
    fn check_saved(
        &self,
        file: &Path,
        case: &Case,
        scenario: &Scenario,
        is_restricted: bool,
    ) -> Result<(), String> {
        let run = case.run(scenario);
        if run.passed() {
            return Ok(());
        }
        let mut case = case.clone();
        case.note(&run);
        if case.hangs() {
            let file_name = for_shell(file);
            let outcome = &case.outcome;
            return Err(format!("the saved case {file_name} still fails: {outcome}"));
        }
        let explanation = super::why::explain_boxed(&case, scenario);
        let trace = self.trace(file);
        let trace = write_trace(&trace, &case, &explanation, scenario).map(|()| trace);
        let asked = if is_restricted {
            "the seeds and the strategy that the environment asks for were not run"
        } else {
            "no seed was run"
        };
        let file_name = for_shell(file);
        Err(format!(
            "the saved case {file_name} still fails; {asked}\nIt passes once the bug is fixed. If \
             it does not apply any more, delete it: rm {file_name}\n{}\n{}",
            self.story(&case, &explanation),
            self.footer(file, trace.ok().as_deref())
        ))
    }

    /// Where the trace of a case is written.
    fn trace(&self, case: &Path) -> PathBuf {
        let folder = Path::new(self.crate_folder).join("target/retake");
        let name = Path::new(case.file_name().unwrap_or_default()).with_extension("retake");
        folder.join(self.folder_name()).join(name)
    }

    /// Shrink, save and explain a failure.
    fn report(&self, case: &Case, scenario: &Scenario) -> String {
        let seed = case.seed;
        let mut head = if case.is_plain() {
            "the plain run fails (first in, first out, without faults)".to_owned()
        } else {
            format!("seed {seed} fails (strategy {})", case.strategy)
        };
        if case.hangs() {
            // Each further run would take as long.
            let file = self.folder().join(case.file_name());
            let footer = match case.save(&file) {
                Ok(()) => self.footer(&file, None),
                Err(error) => format!("not saved: {error}"),
            };
            return format!("{head}\n{}: {}\n{footer}", self.path(), case.outcome);
        }
        let case = match super::shrink::shrink_boxed(case, scenario, SHRINK_STEPS_MAX, |_| {}) {
            Ok(shrunk) => {
                head.push_str(&format!("; {shrunk}"));
                shrunk.case
            }
            Err(error) => {
                let path = self.path();
                // A seed that was run twice on purpose has told already where the runs part.
                let (outcome, parting) = match case.outcome.split_once('\n') {
                    Some((outcome, parting)) if !case.is_deterministic() => {
                        (outcome, Some(parting.to_owned()))
                    }
                    _ => (&*case.outcome, case.where_two_runs_part(scenario)),
                };
                let parting = no_function_of_the_seed(parting.as_deref());
                return format!("{head}\n{path}: {outcome}\nrun again, {error}\n{parting}");
            }
        };
        let file = self.folder().join(case.file_name());
        let trace = self.trace(&file);
        let saved = case.save(&file).map_err(|error| error.to_string());
        let explanation = super::why::explain_boxed(&case, scenario);
        let trace = write_trace(&trace, &case, &explanation, scenario).map(|()| trace);
        let footer = match saved {
            Ok(()) => self.footer(&file, trace.ok().as_deref()),
            Err(error) => format!("not saved: {error}"),
        };
        let printed = printed(&case, scenario);
        format!(
            "{head}\n{}{printed}\n{footer}",
            self.story(&case, &explanation)
        )
    }

    fn story(&self, case: &Case, explanation: &Explanation) -> String {
        let seconds = case.virtual_time_ns as f64 / 1e9;
        format!(
            "{} at step {}, virtual time {seconds} s:\n{}",
            self.path(),
            case.steps,
            explanation.to_text(120)
        )
    }

    fn footer(&self, file: &Path, trace: Option<&Path>) -> String {
        let mut text = format!("case: {}", file.display());
        if let Some(trace) = trace {
            text.push_str(&format!("\ntrace: {}", trace.display()));
        }
        let path = self.path();
        text.push_str(&format!(
            "\nreplay: RETAKE_REPLAY={} cargo test -p {} {path} -- --exact",
            for_shell(file),
            self.crate_name,
        ));
        if let Some(trace) = trace {
            text.push_str(&format!("\nlook inside: retake debug {}", for_shell(trace)));
        }
        text
    }
}

/// What the run of a case prints.
fn printed(case: &Case, scenario: &Scenario) -> String {
    let place = Place {
        prints: true,
        ..Place::fresh()
    };
    let ran = case.run_in(scenario, &place, Recording::default(), HashSink::new());
    match ran.printed.trim_end() {
        "" => String::new(),
        printed => format!("\nit prints:\n{printed}"),
    }
}

/// Write a line to the standard error as it is: what a test prints is thrown away if it
/// passes.
fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// A path as a shell takes it for one word.
fn for_shell(path: &Path) -> String {
    let text = path.display().to_string();
    let is_plain = |c: char| c.is_alphanumeric() || "/._-+:@%,=".contains(c);
    if text.chars().all(is_plain) {
        text
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

/// What to make of two runs of a seed that are not the same, and part there.
fn no_function_of_the_seed(parting: Option<&str>) -> String {
    let mut text = "so something in it is not a function of the seed".to_owned();
    match parting {
        None => text.push_str("; two further runs were the same, or too long to be compared"),
        Some(parting) => {
            text.push_str(". Two further runs part here:");
            for line in parting.lines() {
                text.push_str(&format!("\n  {line}"));
            }
        }
    }
    text.push_str(
        "\nit may be: a static; tokio::spawn or a thread; select! without `biased`; a clock; the \
         order of a HashMap, of a process group or of a factory's workers; names or groups that \
         an earlier run left in ractor's registry; available_parallelism. See \
         docs/determinism.md, and the feature `interpose` of retake-sim",
    );
    text
}

fn write_trace(
    path: &Path,
    case: &Case,
    explanation: &Explanation,
    scenario: &Scenario,
) -> Result<(), String> {
    let write = || -> Result<TraceWriter, Box<dyn std::error::Error>> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let mut header = Header {
            program: format!("retake-sim {}", env!("CARGO_PKG_VERSION")),
            scenario: case.scenario.clone(),
            seed: case.seed,
            strategy: case.strategy.clone(),
            horizon_ns: case.horizon_ns,
            step_limit: case.step_limit,
            causality: true,
            story: true,
            states: true,
            faults: case.drawn().to_lines(),
            code: case.code.clone(),
            ..Header::default()
        };
        explanation.note_in(&mut header);
        Ok(TraceWriter::create(path, &header)?)
    };
    let writer = write().map_err(|error| error.to_string())?;
    match case.run_into(scenario, writer, true).trace_error {
        None => Ok(()),
        Some(error) => Err(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{for_shell, no_function_of_the_seed};

    #[test]
    fn the_hint_at_nondeterminism_names_what_a_run_may_depend_on() {
        let hint = no_function_of_the_seed(None);
        for source in [
            "static",
            "tokio::spawn",
            "thread",
            "select! without `biased`",
            "clock",
            "HashMap",
            "process group",
            "registry",
            "available_parallelism",
            "docs/determinism.md",
            "`interpose`",
        ] {
            assert!(hint.contains(source), "{source}: {hint}");
        }
    }

    #[test]
    fn a_path_is_one_word_for_a_shell() {
        let of = |path| for_shell(Path::new(path));
        assert_eq!(of("/a/b-c_1.json"), "/a/b-c_1.json");
        assert_eq!(of("my cases/$HOME.json"), "'my cases/$HOME.json'");
        assert_eq!(of("it's"), r"'it'\''s'");
    }
}
