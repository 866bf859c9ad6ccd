//! The commands: `test`, `run`, `replay` and `explain`.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use retake_sim::Run;
use retake_sim::explore::{Case, WholeProgram, signature};
use retake_sim::plan::FaultPlan;
use retake_traces::writer::TraceWriter;
use serde_json::json;

use crate::arguments::{CaseArgs, Exploration, Limits, ProgramArgs, ReplayArgs, RunArgs, TestArgs};
use crate::binary::{Binary, BuildKind};
use crate::build::{build, build_doctests};
use crate::cargo_arguments::CargoArgs;
use crate::doctests::Doctests;
use crate::error::Error;
use crate::harness::{Filter, TestList};
use crate::interrupt::Interrupt;
use crate::judge::{self, Rules, judge};
use crate::judged::{TestFindings, Verdict};
use crate::process::Folders;
use crate::progress::{Progress, now};
use crate::project::Project;
use crate::report::{self, Printer};
use crate::simulated::{Host, Settings, SimulatedProgram};
use crate::subject::{Subject, built_for, of_case, parts};
use crate::{copy, os};

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    Passed,
    Failed,
    /// Nothing failed, but a test is no function of its seed.
    NotRepeatable,
}

/// A project that was built.
struct BuiltProject {
    project: Project,
    copy: PathBuf,
    binaries: Vec<Binary>,
    doctests: Option<Doctests>,
    host: Host,
}

/// Build what is to run; of the examples of documentation those that `filter` chooses.
fn prepare(
    args: &CargoArgs,
    built: BuildKind,
    filter: &[String],
    jobs: usize,
) -> Result<BuiltProject, Error> {
    let project = Project::find(args)?;
    let copy = copy::of(&project.tokio, &project.folder)?;
    let (binaries, doctests) = match built {
        BuildKind::Doctests => {
            let doctests = build_doctests(&project, &copy, args, filter)?;
            (Vec::new(), Some(doctests))
        }
        BuildKind::Tests | BuildKind::Binary => (build(&project, &copy, args, built)?, None),
    };
    if !os::can_fix_addresses() {
        eprintln!(
            "note: this system does not let addresses be the same in each process (personality(2) \
             is refused): what depends on them may differ"
        );
    }
    let folders =
        Folders::new(jobs).map_err(Error::of("create a folder in", Path::new("TMPDIR")))?;
    let interrupt = Interrupt::listen().map_err(Error::of("listen to", Path::new("signals")))?;
    Ok(BuiltProject {
        project,
        copy,
        binaries,
        doctests,
        host: Host {
            folders: Arc::new(folders),
            interrupt,
        },
    })
}

fn settings(limits: &Limits, whole_program: WholeProgram) -> Settings {
    Settings {
        whole_program,
        time_max: limits.timeout,
        memory_max: limits.memory_limit << 20,
    }
}

fn rules(
    args: &Exploration,
    cargo: &CargoArgs,
    prepared: &BuiltProject,
    subjects: usize,
    faults: FaultPlan,
) -> Rules {
    Rules {
        seeds: args.seeds(),
        search: args.strategy.clone(),
        faults,
        config: args.config(),
        settings: settings(&args.limits, args.whole_program()),
        until_failure: args.until_failure,
        keep_going: args.keep_going,
        allow_unrepeatable: args.allow_unrepeatable,
        until: args.time_limit.map(|limit| now() + limit),
        // Several tests at a time come before several runs of one: tests may use files and
        // ports with fixed names.
        jobs: (args.jobs() / subjects.max(1)).max(1),
        copy: prepared.copy.clone(),
        tokio: prepared.project.tokio.folder.clone(),
        to_repeat: cargo.to_repeat(),
    }
}

pub(crate) fn test(args: &TestArgs, out: &mut dyn Write) -> Result<Status, Error> {
    let filter = Filter::new(args.filter.as_ref(), &args.harness);
    let jobs = args.exploration.jobs();
    let faults = args.exploration.faults()?;
    let built = match args.cargo.doc {
        true => BuildKind::Doctests,
        false => BuildKind::Tests,
    };
    let prepared = prepare(&args.cargo, built, &filter.arguments, jobs)?;
    let (mut subjects, mut ignored) = (Vec::new(), 0);
    if let Some(doctests) = &prepared.doctests {
        subjects.clone_from(&doctests.subjects);
        for name in &doctests.to_panic {
            eprintln!("note: {name} is to panic: not run");
        }
    }
    for binary in &prepared.binaries {
        let host = &prepared.host;
        let listed = filter.list(binary, &host.folders, &host.interrupt);
        match listed.map_err(Error::of("run", &binary.program.executable))? {
            TestList::Tests {
                names,
                ignored: some,
            } => {
                ignored += some;
                subjects.extend(names.iter().map(|test| Subject::test(binary, test)));
            }
            TestList::Whole => subjects.push(Subject::program(binary, Vec::new())),
            TestList::Other => eprintln!("note: {} does not list its tests: not run", binary.id),
        }
    }
    let (cargo, count) = (&args.cargo, subjects.len());
    let rules = rules(&args.exploration, cargo, &prepared, count, faults);
    let all = judge_all(&subjects, &rules, &prepared.host, jobs, out)?;
    report::failures(&all, out)?;
    report::summary(&all, ignored, out)?;
    out.flush()?;
    if let Some(path) = &args.junit {
        report::junit(&all, path)?;
    }
    finish(&all, &args.exploration, &prepared)
}

pub(crate) fn run(args: &RunArgs, out: &mut dyn Write) -> Result<Status, Error> {
    let jobs = args.exploration.jobs();
    let faults = args.exploration.faults()?;
    let ProgramArgs { arguments, cargo } = &args.program;
    let prepared = prepare(cargo, BuildKind::Binary, &[], jobs)?;
    let subjects: Vec<Subject> = prepared
        .binaries
        .iter()
        .map(|binary| Subject::program(binary, arguments.clone()))
        .collect();
    let count = subjects.len();
    let mut rules = rules(&args.exploration, cargo, &prepared, count, faults);
    if !arguments.is_empty() {
        let arguments = arguments.iter().map(|it| it.to_string_lossy());
        rules.to_repeat.push("--".to_owned());
        rules.to_repeat.extend(arguments.map(String::from));
    }
    let all = judge_all(&subjects, &rules, &prepared.host, jobs, out)?;
    report::failures(&all, out)?;
    out.flush()?;
    finish(&all, &args.exploration, &prepared)
}

fn finish(
    all: &[TestFindings],
    args: &Exploration,
    prepared: &BuiltProject,
) -> Result<Status, Error> {
    if let Some(path) = &args.json {
        report::json(all, &prepared.project.tokio.version, path)?;
    }
    if prepared.host.interrupt.is_asked() {
        return Err(Error::Interrupted);
    }
    let is_repeatable = |judged: &TestFindings| judged.verdict != Verdict::NotRepeatable;
    Ok(if all.iter().any(TestFindings::failed) {
        Status::Failed
    } else if all.iter().all(is_repeatable) {
        Status::Passed
    } else {
        Status::NotRepeatable
    })
}

/// Judge several tests at a time; what is printed has their order.
fn judge_all(
    subjects: &[Subject],
    rules: &Rules,
    host: &Host,
    jobs: usize,
    out: &mut dyn Write,
) -> Result<Vec<TestFindings>, Error> {
    let progress = Progress::new(subjects.len());
    let next = AtomicUsize::new(0);
    let is_over = AtomicBool::new(false);
    let (send, results) = std::sync::mpsc::channel();
    let work = |send: std::sync::mpsc::Sender<(usize, Result<TestFindings, Error>)>| {
        while !is_over.load(Ordering::Relaxed) && !host.interrupt.is_asked() {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some(subject) = subjects.get(number) else {
                return;
            };
            let judged = judge(subject, rules, host, &progress);
            // Where nothing can be said about one, the others are not judged.
            is_over.fetch_or(judged.is_err(), Ordering::Relaxed);
            progress.test();
            if send.send((number, judged)).is_err() {
                return;
            }
        }
    };
    let all = std::thread::scope(|scope| {
        for _ in 0..jobs.min(subjects.len()) {
            let (work, send) = (&work, send.clone());
            scope.spawn(move || work(send));
        }
        drop(send);
        let mut sorted = ResultOrder::default();
        for (number, judged) in results {
            sorted.add(number, judged, &progress, out);
        }
        sorted.finish()
    });
    progress.finish();
    all
}

/// Results in the order of their tests.
#[derive(Default)]
struct ResultOrder {
    printer: Printer,
    waiting: std::collections::BTreeMap<usize, TestFindings>,
    done: Vec<TestFindings>,
    error: Option<Error>,
}

impl ResultOrder {
    fn add(
        &mut self,
        number: usize,
        judged: Result<TestFindings, Error>,
        progress: &Progress,
        out: &mut dyn Write,
    ) {
        match judged {
            Ok(judged) => drop(self.waiting.insert(number, judged)),
            Err(error) => drop(self.error.get_or_insert(error)),
        }
        while let Some(judged) = self.waiting.remove(&self.done.len()) {
            let mut printed = Ok(());
            progress.print(|| {
                printed = self.printer.print(&judged, out).and_then(|()| out.flush());
            });
            if let Err(error) = printed {
                self.error.get_or_insert(error.into());
            }
            self.done.push(judged);
        }
    }

    fn finish(mut self) -> Result<Vec<TestFindings>, Error> {
        if let Some(error) = self.error {
            return Err(error);
        }
        // Behind one that was not judged, since it was interrupted.
        self.done.extend(self.waiting.into_values());
        Ok(self.done)
    }
}

/// A saved case, ready to run.
pub(crate) struct LoadedCase {
    pub(crate) case: Case,
    simulated: Arc<SimulatedProgram>,
    interrupt: Interrupt,
    /// Its program is there for as long.
    _doctests: Option<Doctests>,
}

impl LoadedCase {
    /// Build the program of a case.
    pub(crate) fn new(args: &CaseArgs) -> Result<Self, Error> {
        let file = &args.case;
        let case = Case::load(file)?;
        let ProgramArgs { arguments, cargo } = &args.program;
        // rustdoc divides a filter at its blanks: the file of an example has none.
        let words = parts(&case).1.and_then(|test| test.split(' ').next());
        let filter: Vec<String> = words.into_iter().map(str::to_owned).collect();
        let prepared = prepare(cargo, built_for(&case), &filter, 1)?;
        let subject = match &prepared.doctests {
            Some(doctests) => doctests.of_case(file, &case)?,
            None => of_case(file, &case, arguments, &prepared.binaries)?,
        };
        let interrupt = prepared.host.interrupt.clone();
        let simulated = SimulatedProgram::new(
            &subject,
            // Cases of earlier versions were made with what is usual.
            settings(&args.limits, case.whole_program.unwrap_or_default()),
            prepared.host,
        );
        Ok(Self {
            case,
            simulated,
            interrupt,
            _doctests: prepared.doctests,
        })
    }

    fn check(&self) -> Result<(), Error> {
        if self.interrupt.is_asked() {
            return Err(Error::Interrupted);
        }
        match self.simulated.found() {
            found if !found.has_tokio && found.error.is_none() => Err(Error::Project(format!(
                "{}: no seeded tokio has answered",
                self.case.scenario
            ))),
            found => found
                .error
                .map_or(Ok(()), |error| Err(Error::Project(error))),
        }
    }

    /// Run it into a trace.
    pub(crate) fn record(&self, path: &Path) -> Result<Run<()>, Error> {
        let program = format!("cargo-retake {}", env!("CARGO_PKG_VERSION"));
        let mut header = self.case.header(program, self.case.code.clone());
        let scenario = self.simulated.scenario();
        retake_sim::explore::explain(&self.case, scenario.clone()).note_in(&mut header);
        self.check()?;
        let writer = TraceWriter::create(path, &header)?;
        let mut run = self.case.run_into(&scenario, writer, false);
        self.check()?;
        match run.trace_error.take() {
            Some(error) => Err(error.into()),
            None => Ok(run),
        }
    }
}

pub(crate) fn replay(args: &ReplayArgs, out: &mut dyn Write) -> Result<Status, Error> {
    let loaded = LoadedCase::new(&args.of)?;
    let run = match &args.trace {
        Some(path) => loaded.record(path)?,
        None => {
            let run = loaded.case.run(&loaded.simulated.scenario());
            loaded.check()?;
            run
        }
    };
    let fails_alike = signature(&run.outcome) == loaded.case.signature;
    if args.json {
        let report = json!({
            "fails_alike": fails_alike,
            "passed": run.passed(),
            "signature": loaded.case.signature,
            "outcome": run.outcome,
            "steps": run.stats.steps,
            "event_hash": format!("{:016x}", run.event_hash),
        });
        let text = serde_json::to_string_pretty(&report).map_err(std::io::Error::from)?;
        writeln!(out, "{text}")?;
    } else {
        let word = match (fails_alike, run.passed()) {
            (true, _) => "fails as it did",
            (false, true) => "passes now",
            (false, false) => "fails in another way",
        };
        writeln!(out, "{word}: {}", run.outcome)?;
        for warning in &run.warnings {
            writeln!(out, "note: {warning}")?;
        }
        if let Some(path) = &args.trace {
            writeln!(out, "trace: {}", path.display())?;
        }
    }
    Ok(if run.passed() {
        Status::Passed
    } else {
        Status::Failed
    })
}

pub(crate) fn explain(args: &CaseArgs, out: &mut dyn Write) -> Result<Status, Error> {
    let loaded = LoadedCase::new(args)?;
    let story = judge::story(&loaded.case, &loaded.simulated.scenario());
    loaded.check()?;
    writeln!(out, "{story}")?;
    Ok(Status::Passed)
}
