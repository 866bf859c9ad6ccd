//! What `#[retake_sim::test]` expands to: a campaign as an ordinary test.

mod report;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use retake_engine::{HORIZON_MAX, StrategyError, whole_program};
use retake_traces::RunConfig;
use retake_traces::time::{nanos, parse_duration};

use super::binary::{Binary, CASES};
use super::variables::Variables;
use super::{Case, Explorer, STEP_LIMIT, Scenario, Search};
use crate::isolate::{self, Launch, WorkerError, Workers};
use crate::plan::FaultPlan;
use report::{for_shell, say, write_trace};

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
    /// `none`, `swarm`, or a file relative to the crate's manifest.
    pub faults: &'static str,
    /// End of virtual time, such as `60s`.
    pub horizon: &'static str,
    /// `process`: each run in a process of its own; `shared`: all in the test's process.
    pub isolation: &'static str,
    /// Sets what else the attribute says of each run.
    pub config: fn(&mut RunConfig),
    /// How long a run may take in real time, such as `120s`: one that takes longer hangs.
    pub timeout: &'static str,
    /// The largest address space of a run, in megabytes.
    pub memory_mb: u64,
}

/// The smallest limit of memory, in megabytes: less does not hold the test binary itself.
const MEMORY_MB_MIN: u64 = 64;

/// Steps that may be spent on making a failure small: some ten seconds of a debug build for
/// each million. Who waits for a test wants to know what failed.
const SHRINK_STEPS_MAX: u64 = 2_000_000;
/// The same in real time, where runs are slow for their steps.
const SHRINK_TIME_MAX: Duration = Duration::from_secs(20);

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

    /// What all runs have in common.
    fn run_config(&self) -> Result<RunConfig, String> {
        let mut config = RunConfig {
            horizon_ns: nanos(self.horizon()?),
            step_limit: STEP_LIMIT,
            ..RunConfig::default()
        };
        (self.config)(&mut config);
        Ok(config)
    }

    fn horizon(&self) -> Result<Duration, String> {
        match parse_duration(self.horizon) {
            Ok(horizon) if !horizon.is_zero() && horizon <= HORIZON_MAX => Ok(horizon),
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
        match parse_duration(self.timeout) {
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
    /// and `RETAKE_MEMORY_MB` replace what the attribute says; with `RETAKE_REPLAY` the case in that
    /// file is run and nothing else. With `RETAKE_LIVE=1` the test runs once without a simulation,
    /// and so it does in a process that `cargo retake` simulates as a whole.
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
        if whole_program::is_simulated() {
            // Who simulates the process chooses seeds, shrinks and reports.
            return run_plainly(&scenario);
        }
        if let Err(what) = self.check(scenario) {
            panic!("{what}");
        }
    }

    fn check(&self, scenario: Scenario) -> Result<(), String> {
        let variables = Variables::read()?;
        if variables.is_live {
            run_plainly(&scenario);
            return Ok(());
        }
        // They are part of outcomes: thousands of them on the terminal help nobody.
        retake_engine::panics::quiet();
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
            .map_err(|error: StrategyError| error.to_string())?;
        let explorer = Explorer::new(self.path())
            .config(self.run_config()?)
            .search(search)
            .faults(self.faults()?)
            .check_determinism(DETERMINISM_SHARE)
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
        let trace = write_trace(&trace, &case, &explanation, scenario).map(|_| trace);
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
}

/// Run it once, as any other asynchronous test.
fn run_plainly(scenario: &Scenario) {
    if let Err(error) = whole_program::block_on(scenario.code()()) {
        panic!("no runtime can be built: {error}");
    }
}
