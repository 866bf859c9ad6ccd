//! What `#[retake_sim::test]` expands to: a campaign as an ordinary test.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::time::Duration;

use retake_traces::header::Header;
use retake_traces::writer::TraceWriter;

use super::{Case, Explanation, Explorer, Scenario, Search, boxed};
use crate::plan::FaultPlan;

/// The share of the seeds that are run twice and compared.
const DETERMINISM_SHARE: f64 = 0.01;

/// The folder of the crate in which failures are kept.
const CASES: &str = "retake-cases";

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
}

/// Steps that may be spent on making a failure small: some ten seconds of a debug build for
/// each million. Who waits for a test wants to know what failed.
const SHRINK_STEPS_MAX: u64 = 5_000_000;

/// What a test may give: nothing, or a result.
pub trait Ended {
    /// Nothing if it is well.
    ///
    /// # Panics
    /// With the error.
    fn check(self);
}

impl Ended for () {
    fn check(self) {}
}

impl<E: std::fmt::Debug> Ended for Result<(), E> {
    fn check(self) {
        if let Err(error) = self {
            panic!("the test ends with an error: {error:?}");
        }
    }
}

/// Panics inside simulations are part of their outcomes: thousands of them on the
/// terminal help nobody.
fn quiet_panics() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let report = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if !retake::is_simulated() {
                report(panic);
            }
        }));
    });
}

/// A number of seeds, or a first and a last: `200`, `17..=17`, `0..5000`.
fn seeds(text: &str) -> Result<std::ops::Range<u64>, String> {
    let wrong = || format!("RETAKE_SEEDS is `{text}`: write a number, or a range such as 0..5000");
    let number = |text: &str| text.trim().parse::<u64>().map_err(|_| wrong());
    let range = match text.split_once("..") {
        None => 0..number(text)?,
        Some((first, last)) => match last.strip_prefix('=') {
            Some(last) => number(first)?..number(last)?.saturating_add(1),
            None => number(first)?..number(last)?,
        },
    };
    if range.is_empty() {
        return Err(wrong());
    }
    Ok(range)
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

    /// Run it: saved cases first, then the seeds, one in a hundred twice.
    ///
    /// `RETAKE_SEEDS` and `RETAKE_STRATEGY` take the place of what the attribute says;
    /// with `RETAKE_REPLAY` the case in that file is run and nothing else.
    ///
    /// # Panics
    /// If a run fails, with its story.
    #[track_caller]
    pub fn run<F, Fut>(&self, scenario: F)
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        quiet_panics();
        if let Err(what) = self.check(&boxed(scenario)) {
            panic!("{what}");
        }
    }

    fn check(&self, scenario: &Scenario) -> Result<(), String> {
        let variable = |name: &str| std::env::var(name).ok().filter(|it| !it.is_empty());
        if let Some(file) = variable("RETAKE_REPLAY") {
            let case = Case::load(Path::new(&file)).map_err(|error| error.to_string())?;
            if !self.owns(Path::new(&file), &case) {
                return Ok(());
            }
            return self.check_saved(Path::new(&file), &case, scenario);
        }
        let saved = Case::load_all(&self.folder()).map_err(|error| error.to_string())?;
        for (file, case) in &saved {
            self.check_saved(file, case, scenario)?;
        }
        let seeds = match variable("RETAKE_SEEDS") {
            Some(text) => seeds(&text)?,
            None => 0..self.seeds,
        };
        let strategy = variable("RETAKE_STRATEGY").unwrap_or_else(|| self.strategy.to_owned());
        let search: Search = strategy
            .parse()
            .map_err(|error: crate::StrategyError| error.to_string())?;
        let campaign = Explorer::new(self.path())
            .seeds(seeds)
            .search(search)
            .faults(self.faults()?)
            .step_limit(self.steps)
            .horizon(self.horizon()?)
            .check_determinism(DETERMINISM_SHARE)
            .run_boxed(scenario);
        match campaign.failures.into_iter().next() {
            None => Ok(()),
            Some(failure) => Err(self.report(&failure.case, scenario)),
        }
    }

    fn check_saved(&self, file: &Path, case: &Case, scenario: &Scenario) -> Result<(), String> {
        let run = case.run(scenario);
        if run.passed() {
            return Ok(());
        }
        let mut case = case.clone();
        case.note(&run);
        let explanation = super::why::explain_boxed(&case, scenario);
        let trace = self.trace(file);
        let trace = write_trace(&trace, &case, &explanation, scenario).map(|()| trace);
        Err(format!(
            "{}\n{}",
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
        let mut head = format!("seed {seed} fails (strategy {})", case.strategy);
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
        format!("{head}\n{}\n{footer}", self.story(&case, &explanation))
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
        "\nit may be a static, tokio::spawn, a clock, or the order of a HashMap, of a process \
         group or of a factory's workers: see docs/determinism.md, and the feature \
         `interpose` of retake-sim",
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
            faults: case.faults.iter().map(ToString::to_string).collect(),
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

    use super::{for_shell, seeds};

    #[test]
    fn a_path_is_one_word_for_a_shell() {
        let of = |path| for_shell(Path::new(path));
        assert_eq!(of("/a/b-c_1.json"), "/a/b-c_1.json");
        assert_eq!(of("my cases/$HOME.json"), "'my cases/$HOME.json'");
        assert_eq!(of("it's"), r"'it'\''s'");
    }

    #[test]
    fn seeds_are_a_number_or_a_range() {
        assert_eq!(seeds("200"), Ok(0..200));
        assert_eq!(seeds("17..=17"), Ok(17..18));
        assert_eq!(seeds("3..5"), Ok(3..5));
        for wrong in ["", "0", "x", "5..3", "1..x"] {
            assert!(
                seeds(wrong).unwrap_err().contains("RETAKE_SEEDS"),
                "{wrong}"
            );
        }
    }
}
