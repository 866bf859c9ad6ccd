//! Judges one test: as it is, its saved cases, and then many seeds.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use retake_sim::explore::{
    self, Campaign, Case, Explorer, Scenario, Search, SeedRun, Watch, explain, shrink_within,
};
use retake_sim::plan::FaultPlan;
use retake_sim::{Outcome, Run, RunConfig};

use crate::build::{self, LinkedTokio};
use crate::error::Error;
use crate::judged::{Failure, TestFindings, Verdict};
use crate::outcome::{PRINTED_TOO_MUCH, signal_in_words};
use crate::process::Exit;
use crate::progress::{Progress, now};
use crate::simulated::{Host, Settings, SimulatedProgram};
use crate::subject::Subject;

/// Real time that may be spent on making a failure small.
const SHRINK_TIME_MAX: Duration = Duration::from_secs(20);
/// Failures of one test that are made small and explained: those of the lowest seeds.
const EXPLAINED_MAX: usize = 3;
/// Threads of a test binary that runs one test.
const HARNESS_THREADS: u64 = 2;
/// How much longer than a run a test may take that is only run as it is.
const STOCK_TIMES: u32 = 15;
/// Steps that a run is expected to take before one was run.
const STEPS_EXPECTED: u64 = 1000;

/// How all tests are judged.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    pub(crate) seeds: std::ops::Range<u64>,
    pub(crate) search: Search,
    pub(crate) faults: FaultPlan,
    pub(crate) config: RunConfig,
    pub(crate) settings: Settings,
    /// A test ends with its first failure.
    pub(crate) until_failure: bool,
    /// It does not end with a run that hangs either.
    pub(crate) keep_going: bool,
    /// One that is not repeatable passes.
    pub(crate) allow_unrepeatable: bool,
    /// No seed begins later.
    pub(crate) until: Option<Instant>,
    /// Runs of one test at a time.
    pub(crate) jobs: usize,
    /// The seeded copy, and the tokio that it is of.
    pub(crate) copy: PathBuf,
    pub(crate) tokio: PathBuf,
    /// Arguments that build the same programs.
    pub(crate) to_repeat: Vec<String>,
}

/// Judge a test.
///
/// # Errors
/// If nothing can be said about it.
pub(crate) fn judge(
    subject: &Subject,
    rules: &Rules,
    host: &Host,
    progress: &Progress,
) -> Result<TestFindings, Error> {
    let start = now();
    let settings = rules.settings.clone();
    let simulated = SimulatedProgram::new(subject, settings, host.clone());
    let mut judge = Judge {
        subject,
        rules,
        host,
        progress,
        scenario: simulated.scenario(),
        simulated,
        judged: TestFindings::new(&subject.binary, subject.test.as_deref()),
    };
    judge.judge()?;
    let Judge {
        mut judged,
        simulated,
        ..
    } = judge;
    let found = simulated.found();
    if host.interrupt.is_asked() && !judged.failed() {
        judged.verdict = Verdict::Interrupted;
    } else if let Some(error) = found.error {
        return Err(Error::Project(format!("{}: {error}", subject.name())));
    }
    judged.notes.extend(found.notes);
    judged.seconds = start.elapsed().as_secs_f64();
    Ok(judged)
}

/// How a test ends without a seed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum AsItIs {
    Passes,
    Fails,
    /// It takes longer than a run may.
    Hangs,
}

struct Judge<'a> {
    subject: &'a Subject,
    rules: &'a Rules,
    host: &'a Host,
    progress: &'a Progress,
    simulated: Arc<SimulatedProgram>,
    scenario: Scenario,
    judged: TestFindings,
}

impl Judge<'_> {
    fn judge(&mut self) -> Result<(), Error> {
        let stock = self.run_as_it_is(1)?;
        if stock == AsItIs::Fails {
            self.judged.verdict = Verdict::FailsAsItIs;
            return Ok(());
        }
        if !self.has_tasks()? {
            // Nothing else is known of it.
            let ends = stock == AsItIs::Passes || self.run_as_it_is(STOCK_TIMES)? == AsItIs::Passes;
            self.judged.verdict = match ends {
                true => Verdict::WithoutTasks,
                false => Verdict::FailsAsItIs,
            };
            return Ok(());
        }
        if stock == AsItIs::Hangs {
            self.judged.notes.push(format!(
                "without Retake it takes longer than {:?}, so it is not known whether it passes \
                 there",
                self.rules.settings.time_max
            ));
        }
        if !self.saved_cases()? {
            self.seeds();
        }
        if !self.judged.failures.is_empty() {
            self.judged.verdict = Verdict::Failed;
        } else if !self.judged.is_repeatable && !self.rules.allow_unrepeatable {
            self.judged.verdict = Verdict::NotRepeatable;
        }
        Ok(())
    }

    /// How it ends on the scheduler that tokio has by itself, within so many times the time of
    /// a run.
    fn run_as_it_is(&mut self, times: u32) -> Result<AsItIs, Error> {
        let program = &self.subject.program.executable;
        let done = self.simulated.run_stock(times);
        let done = done.map_err(Error::of("run", program))?;
        let how = match done.exit {
            Exit::Code(0) | Exit::Interrupted => return Ok(AsItIs::Passes),
            Exit::Code(_) => String::new(),
            Exit::Signal(signal) => {
                format!("\nits process ended: {}", signal_in_words(signal))
            }
            Exit::TimedOut(limit) => format!("\nit did not end within {limit:?}"),
            Exit::PrintedTooMuch => format!("\n{PRINTED_TOO_MUCH}"),
        };
        self.judged.printed = done.printed + &how;
        Ok(match done.exit {
            Exit::TimedOut(_) => AsItIs::Hangs,
            _ => AsItIs::Fails,
        })
    }

    /// Run the first seed twice: whether the runs are the same, and whether a seeded tokio has
    /// anything to put in order.
    fn has_tasks(&mut self) -> Result<bool, Error> {
        let seed = self.rules.seeds.start;
        let strategy = self.rules.search.strategy(seed, STEPS_EXPECTED);
        let mut case = Case::new(self.subject.name(), self.rules.config.clone());
        (case.config.seed, case.config.strategy) = (seed, strategy);
        case.whole_program = Some(self.rules.settings.whole_program);
        case.config.faults.clone_from(&self.rules.faults.faults);
        let first = case.run(&self.scenario);
        let found = self.simulated.found();
        if found.error.is_some() {
            return Ok(true);
        }
        if !found.has_tokio && !self.host.interrupt.is_asked() {
            return self.check_linked().map(|()| false);
        }
        // The threads of the harness and of the test alone have one order.
        if !found.has_runtime && first.stats.tasks <= HARNESS_THREADS {
            if !first.passed() && !hangs(&first) {
                let outcome = &first.outcome;
                self.judged.notes.push(format!("with a seed: {outcome}"));
            }
            return Ok(false);
        }
        let mut is_same_again = true;
        // How far a run comes that hangs is no function of its seed.
        if (first.event_hash != 0 || first.passed()) && !hangs(&first) {
            let second = case.run(&self.scenario);
            is_same_again = is_same(&first, &second) || self.host.interrupt.is_asked();
        }
        // Without a runtime there are no tasks to put in order, and time that the seed moves would
        // only be too short for other processes.
        let found = self.simulated.found();
        if !found.has_runtime && !found.notes.is_empty() {
            let note = "it has no runtime: run as it is";
            self.judged.notes.push(note.to_owned());
            return Ok(false);
        }
        self.judged.is_repeatable = is_same_again;
        if !is_same_again {
            case.note(&first);
            self.judged.parting = case.where_two_runs_part(&self.scenario);
        }
        Ok(true)
    }

    /// No seeded tokio has answered. That is an error unless none is linked.
    fn check_linked(&mut self) -> Result<(), Error> {
        let executable = &self.subject.program.executable;
        match build::linked(executable, &self.rules.copy, &self.rules.tokio)? {
            LinkedTokio::None => Ok(()),
            LinkedTokio::Seeded => Err(Error::Project(format!(
                "{}: its program has the seeded tokio, which has not answered: nothing can be \
                 said about it. Does the test replace its environment, or start another program?",
                self.subject.name()
            ))),
            LinkedTokio::Stock => Err(Error::Project(format!(
                "{} was built with the project's own tokio instead of the seeded copy: does a \
                 configuration of cargo replace the setting `paths`?",
                executable.display()
            ))),
        }
    }

    /// Run what was saved before. True if one of them fails.
    fn saved_cases(&mut self) -> Result<bool, Error> {
        for (file, case) in self.subject.saved()? {
            let run = case.run(&self.scenario);
            if run.passed() || self.host.interrupt.is_asked() {
                continue;
            }
            let mut case = case;
            case.note(&run);
            let head = format!("the saved case {} still fails", file.display());
            let story = self.story(&head, &case);
            self.judged.failures.push(Failure {
                replay: Some(self.replay(&file)),
                under_faults_only: self.needs_faults(&case),
                case,
                seed: None,
                count: 1,
                story,
                file: Some(file),
                is_saved: true,
            });
        }
        Ok(!self.judged.failures.is_empty())
    }

    fn seeds(&mut self) {
        let explorer = Explorer::new(self.subject.name())
            .config(self.rules.config.clone())
            .search(self.rules.search.clone())
            .faults(self.rules.faults.clone())
            .seeds(self.rules.seeds.clone())
            .jobs(self.rules.jobs)
            .keep_going(!self.rules.until_failure);
        let watch = Counter {
            rules: self.rules,
            host: self.host,
            progress: self.progress,
            simulated: &self.simulated,
            orders: Mutex::default(),
            hangs: AtomicBool::new(false),
        };
        let seeds = self.rules.seeds.clone();
        // There are no workers that could be missing.
        let (campaign, _) = explorer.run_seeds(&self.scenario, seeds, &watch);
        let orders = watch.orders.into_inner();
        let hangs = watch.hangs.into_inner() && !self.rules.keep_going;
        self.judged.is_cut = hangs || (self.rules.until_failure && !campaign.passed());
        self.judged.orders = orders.unwrap_or_else(PoisonError::into_inner).len();
        self.judged.seeds = campaign.runs;
        self.judged.steps = campaign.steps;
        self.judged.notes.extend(campaign.faults_without_effect());
        if self.host.interrupt.is_asked() || self.simulated.found().error.is_some() {
            // Runs that were killed are no failures.
            return;
        }
        self.failures(campaign);
    }

    fn failures(&mut self, campaign: Campaign) {
        let of_seeds = |failure: &explore::Failure| {
            let is_plain = failure.case.is_plain();
            failure.count - u64::from(is_plain)
        };
        self.judged.failing = campaign.failures.iter().map(of_seeds).sum();
        for (number, failure) in campaign.failures.into_iter().enumerate() {
            let count = of_seeds(&failure);
            let is_explained = number < EXPLAINED_MAX && !self.host.interrupt.is_asked();
            let failure = self.failure(failure.case, count, is_explained);
            self.judged.failures.push(failure);
        }
    }

    /// Save a failure; make it small before and explain it, if it is one of few.
    fn failure(&self, case: Case, count: u64, is_explained: bool) -> Failure {
        let seed = (!case.is_plain()).then_some(case.config.seed);
        let mut head = match seed {
            Some(seed) => format!("seed {seed} fails (strategy {})", case.config.strategy),
            None => "it fails first in, first out".to_owned(),
        };
        let mut small = case;
        let under_faults_only = self.needs_faults(&small);
        if under_faults_only {
            head.push_str("; it passes without faults");
        }
        small.whole_program = Some(self.rules.settings.whole_program);
        if is_explained && !small.hangs() {
            self.progress.say(&format!("shrinking {}", small.scenario));
            let shrunk = shrink_within(&small, self.scenario.clone(), SHRINK_TIME_MAX, |far| {
                self.progress
                    .say(&format!("shrinking {}: {far}", self.subject.name()));
            });
            match shrunk {
                Ok(shrunk) => {
                    head.push_str(&format!("; shrunk {shrunk}"));
                    small = shrunk.case;
                }
                Err(error) => {
                    head.push_str(&format!("; run again, {error}: {}", self.why_not()));
                    if let Some(parting) = small.where_two_runs_part(&self.scenario) {
                        head.push_str(&format!("\n{parting}"));
                    }
                }
            }
        }
        let file = self.subject.file(&small);
        let saved = small.save(&file);
        let mut story = match is_explained {
            true => self.story(&head, &small),
            false => format!("{head}\n{}", small.outcome),
        };
        if let Err(error) = &saved {
            story.push_str(&format!("\nnot saved: {error}"));
        }
        let is_saved = saved.is_ok();
        Failure {
            case: small,
            seed,
            under_faults_only,
            count,
            story,
            replay: is_saved.then(|| self.replay(&file)),
            file: is_saved.then_some(file),
            is_saved: false,
        }
    }

    /// Whether a case that fails passes where no fault is injected.
    fn needs_faults(&self, case: &Case) -> bool {
        if case.harmful_faults() == 0 {
            return false;
        }
        let mut without = case.clone();
        without.config.faults.clear();
        without.run(&self.scenario).passed()
    }

    /// What to make of a seed that does not fail again.
    fn why_not(&self) -> &'static str {
        if self.rules.jobs > 1 {
            "it is not a function of the seed, or runs that share a file or a port were in each \
             other's way, which --jobs 1 avoids"
        } else {
            "it is not a function of the seed"
        }
    }

    /// What is known about a failing case.
    fn story(&self, head: &str, case: &Case) -> String {
        if case.hangs() || !case.is_deterministic() {
            // Each further run would take as long, or be another one.
            return format!("{head}\n{}", case.outcome);
        }
        self.progress.say(&format!("explaining {}", case.scenario));
        format!("{head}\n{}", story(case, &self.scenario))
    }

    fn replay(&self, file: &Path) -> String {
        let mut words = vec!["cargo retake replay".to_owned(), shown(file)];
        words.extend(self.rules.to_repeat.iter().map(|word| for_shell(word)));
        words.join(" ")
    }
}

/// How a case fails, what avoids that and what led to it.
pub(crate) fn story(case: &Case, scenario: &Scenario) -> String {
    explain(case, scenario.clone()).to_text(WIDTH)
}

/// Longer lines of stories are cut.
const WIDTH: usize = 120;

fn hangs(run: &Run<()>) -> bool {
    matches!(run.outcome, Outcome::Lost { hangs: true, .. })
}

fn is_same(first: &Run<()>, second: &Run<()>) -> bool {
    first.event_hash == second.event_hash
        && first.outcome == second.outcome
        && first.stats == second.stats
}

/// A path below the present folder as it is typed, for a shell.
fn shown(path: &Path) -> String {
    let present = std::env::current_dir().unwrap_or_default();
    let path = path.strip_prefix(present).unwrap_or(path);
    for_shell(&path.display().to_string())
}

/// A text as one word for a shell.
fn for_shell(text: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "/._-+:@%,=".contains(c);
    if text.chars().all(is_plain) && !text.is_empty() {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

/// Counts what the seeds of a test give, and ends them in time.
struct Counter<'a> {
    rules: &'a Rules,
    host: &'a Host,
    progress: &'a Progress,
    simulated: &'a SimulatedProgram,
    orders: Mutex<BTreeSet<u64>>,
    /// A run took as long as it may: others would as well.
    hangs: AtomicBool,
}

impl Watch for Counter<'_> {
    fn continues(&self) -> bool {
        let is_late = self.rules.until.is_some_and(|until| now() >= until);
        let hangs = self.hangs.load(Ordering::Relaxed) && !self.rules.keep_going;
        !is_late
            && !hangs
            && !self.host.interrupt.is_asked()
            && self.simulated.found().error.is_none()
    }

    fn ended(&self, run: &SeedRun, is_plain: bool) {
        let hangs = run.case.as_ref().is_some_and(Case::hangs);
        self.hangs.fetch_or(hangs, Ordering::Relaxed);
        if !is_plain {
            let mut orders = self.orders.lock().unwrap_or_else(PoisonError::into_inner);
            orders.insert(run.event_hash);
            self.progress.seed(run.case.is_some());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_for_a_shell_is_quoted_where_it_has_to_be() {
        assert_eq!(for_shell("--features"), "--features");
        assert_eq!(for_shell("a b"), "'a b'");
        assert_eq!(for_shell(""), "''");
        assert_eq!(for_shell("it's"), r"'it'\''s'");
    }
}
