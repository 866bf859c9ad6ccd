//! What a campaign shows while it runs, and how it keeps what it finds.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use retake_sim::explore::{self, Case, Failure, SeedRun, Watch};
use retake_traces::counted;

use super::run::wall_clock;
use crate::scenario::Scenario;
use crate::signals::Interrupt;

/// A line that is said of a failure.
#[derive(Debug)]
pub(super) enum Remark {
    /// Words, which are wrapped.
    Words(String),
    /// A command or a path, which is copied as it is.
    Exact(String),
}

/// Where failures are kept, and how.
#[derive(Debug)]
pub(super) struct Keeper {
    /// The program's name.
    pub(super) program: &'static str,
    /// The folder of their cases.
    pub(super) folder: PathBuf,
    /// Make each small.
    pub(super) shrinks: bool,
}

impl Keeper {
    fn path(&self, case: &Case) -> PathBuf {
        self.folder.join(case.file_name())
    }

    /// Shrink a failure and save it; gives what there is to say.
    pub(crate) fn keep(
        &self,
        scenario: &Scenario,
        isolated: &explore::Scenario,
        interrupt: &Interrupt,
        failure: &mut Failure,
    ) -> Vec<Remark> {
        let mut lines = Vec::new();
        if failure.case.is_plain() {
            let what = "found by the plain run: first in, first out, without faults";
            lines.push(Remark::Words(what.to_owned()));
        }
        let case = &failure.case;
        if self.shrinks && !case.hangs() && case.is_deterministic() && !interrupt.is_asked() {
            let shrunk = self.shrink(isolated, interrupt, failure);
            lines.extend(shrunk.into_iter().map(Remark::Words));
        }
        let case = &failure.case;
        let path = self.path(case);
        match case.save(&path) {
            Ok(()) => {
                lines.push(Remark::Exact(format!("case: {}", path.display())));
                if !case.is_lost() {
                    let program = self.program;
                    let command = format!("why:  {program} why {}", path.display());
                    lines.push(Remark::Exact(command));
                }
            }
            Err(error) => lines.push(Remark::Words(format!(
                "not saved: {error}; `{} explore {} --seeds {2}..={2}` with the same settings finds \
                 it again",
                self.program,
                scenario.name(),
                case.config.seed
            ))),
        }
        lines
    }

    fn shrink(
        &self,
        isolated: &explore::Scenario,
        interrupt: &Interrupt,
        failure: &mut Failure,
    ) -> Vec<String> {
        let bar = super::progress::spinner();
        let workers = isolated.workers().map_or_else(Weak::new, Arc::downgrade);
        let shrunk = explore::shrink(&failure.case, isolated.clone(), |far| {
            interrupt.pass_on(&workers);
            bar.set_message(format!(
                "shrinking seed {}: {far}",
                failure.case.config.seed
            ));
            bar.tick();
        });
        bar.finish_and_clear();
        match shrunk {
            Ok(shrunk) => {
                let mut lines = vec![format!("shrunk {shrunk}")];
                failure.case = shrunk.case;
                if !interrupt.is_asked() {
                    let why = explore::explain(&failure.case, isolated.clone());
                    lines.extend(why.sentences());
                }
                lines
            }
            Err(error) => vec![format!("not shrunk: {error}")],
        }
    }
}

/// Shows how far a campaign is, saves what it finds at once, and ends it in time.
pub(super) struct Progress<'a> {
    bar: ProgressBar,
    start: Instant,
    time_limit: Option<Duration>,
    interrupt: Interrupt,
    keeper: &'a Keeper,
    counts: Mutex<Counts>,
}

#[derive(Default)]
struct Counts {
    seeds: u64,
    steps: u64,
    failures: u64,
    /// Goals that were seen, and whether they were reached.
    goals: BTreeMap<String, bool>,
    /// Signatures of failures that are saved.
    saved: BTreeSet<String>,
}

impl<'a> Progress<'a> {
    pub(crate) fn new(
        seeds: u64,
        time_limit: Option<Duration>,
        interrupt: Interrupt,
        keeper: &'a Keeper,
    ) -> Self {
        Self {
            bar: bar(seeds),
            start: wall_clock(),
            time_limit,
            interrupt,
            keeper,
            counts: Mutex::default(),
        }
    }

    /// The campaign is over; gives how many seconds it took.
    pub(crate) fn finish(self) -> f64 {
        self.bar.finish_and_clear();
        self.start.elapsed().as_secs_f64().max(1e-9)
    }
}

impl Watch for Progress<'_> {
    fn continues(&self) -> bool {
        let is_late = self
            .time_limit
            .is_some_and(|limit| self.start.elapsed() >= limit);
        !is_late && !self.interrupt.is_asked()
    }

    fn ended(&self, run: &SeedRun, is_plain: bool) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.seeds += u64::from(!is_plain);
        counts.steps += run.steps;
        if let Some(case) = &run.case {
            counts.failures += 1;
            if counts.saved.insert(case.signature.clone()) {
                // If it cannot be saved, that is said at the end.
                let _ = case.save(&self.keeper.path(case));
            }
        }
        for (goal, reached) in &run.goals {
            match counts.goals.get_mut(goal) {
                Some(known) => *known |= reached,
                None => drop(counts.goals.insert(goal.clone(), *reached)),
            }
        }
        let seconds = self.start.elapsed().as_secs_f64().max(1e-9);
        self.bar.set_position(counts.seeds);
        self.bar.set_message(format!(
            "{:.0} seeds/s, {:.0} steps/s, {}, {} of {}",
            counts.seeds as f64 / seconds,
            counts.steps as f64 / seconds,
            counted(counts.failures, "failure"),
            counts.goals.values().filter(|it| **it).count(),
            counted(counts.goals.len(), "goal")
        ));
    }
}

fn bar(count: u64) -> ProgressBar {
    if !console::user_attended_stderr() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(count);
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} {msg}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}
