//! Runs of cases in other processes: what is asked, what is answered.
//!
//! `message` is the form of requests and answers, `parts` what a run sends before its answer.

mod message;
mod parts;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use retake_engine::internal;
use retake_traces::error::TraceError;
use retake_traces::sink::{HashSink, Sink};
use retake_traces::{Layers, Schedule, TraceReader};
use serde::{Deserialize, Serialize};

use self::message::{Answer, Request, Sends};
pub(super) use self::parts::Position;
use self::parts::{Receiver, Reporter, Sender};
use super::timeline::{TimelineSink, TimelineSlot};
use super::walk::{NewChoice, Walk, Walker};
use super::{Case, Scenario};
use crate::isolate::{self, Done, Limits, LossReason, Parts, Where, Workers};
use retake_engine::outcome::{Coverage, Outcome, Run, Stats};
use retake_engine::strategy::{Hold, RecordedHolds, Strategy};

/// By how much longer a run may take whose records are wanted.
const RECORDED_TIMES: u32 = 4;

/// What is recorded of a run, and how.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Recording {
    pub(super) layers: Layers,
    /// The calls that lead to a panic, and what tasks await at a deadlock, if `RUST_BACKTRACE`
    /// asks for them: too slow for the many runs of a campaign.
    pub(super) calls: bool,
    /// The schedule as ordering constraints.
    pub(super) holds: bool,
    /// With these, the schedule of this strategy and seed instead of the case's own.
    pub(super) schedule: Option<(Strategy, u64)>,
    /// The run's timeline. Not of a scenario that is run outside this program.
    pub(super) timeline: bool,
}

impl Recording {
    /// The timeline alone, which names senders.
    pub(super) fn for_timeline() -> Self {
        Self {
            layers: Layers {
                causality: true,
                ..Layers::default()
            },
            timeline: true,
            ..Self::default()
        }
    }

    /// Everything that a person may want to see.
    pub(super) fn for_people(states: bool) -> Self {
        let layers = Layers {
            states,
            ..Layers::STORY
        };
        Self {
            layers,
            calls: true,
            ..Self::default()
        }
    }
}

/// Which process a run takes place in, and where its prints go.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) process: Where,
    /// Cases that are run before it, in the same process.
    pub(super) before: Vec<Case>,
    /// What it prints is kept or passed on, instead of thrown away.
    pub(super) prints: bool,
}

impl Place {
    /// A process of its own, silent.
    pub(super) fn fresh() -> Self {
        Self {
            process: Where::Fresh,
            before: Vec::new(),
            prints: false,
        }
    }
}

/// One run that is asked for.
#[derive(Clone, Debug)]
pub(super) struct Job<'a> {
    pub(super) case: &'a Case,
    pub(super) place: &'a Place,
    pub(super) record: Recording,
    /// The schedule of this trace instead of the case's own.
    pub(super) schedule_of: Option<&'a Path>,
    /// This path of an exhaustive search instead of the case's own schedule.
    pub(super) walk: Option<&'a Walk>,
}

impl<'a> Job<'a> {
    /// The run of a case.
    pub(super) fn new(case: &'a Case, place: &'a Place, record: Recording) -> Self {
        Self {
            case,
            place,
            record,
            schedule_of: None,
            walk: None,
        }
    }
}

/// Who is called while a run takes place in another process.
pub(super) enum Listener<'a> {
    /// Nobody.
    None,
    /// Takes steps and virtual time in nanoseconds, now and then.
    Progress(&'a mut dyn FnMut(u64, u64)),
    /// Takes choices of a search, each when it was made.
    Choices(&'a mut dyn FnMut(NewChoice)),
}

/// What a process has been asked to run, oldest first.
#[derive(Debug, Default)]
pub(super) struct History(Vec<Arc<[u8]>>);

impl History {
    /// Read it, which takes longer than a short run: for runs that fail.
    pub(super) fn cases(&self) -> Vec<Case> {
        let requests = self.0.iter();
        let requests = requests.filter_map(|it| serde_json::from_slice::<Request>(it).ok());
        requests.map(|it| it.case.into_owned()).collect()
    }
}

/// What a run gives.
#[derive(Debug)]
pub(super) struct Ran {
    pub(super) run: Run<String>,
    pub(super) holds: Vec<Hold>,
    /// What it printed, where that is kept.
    pub(super) printed: String,
    /// What its process had run before, oldest first.
    pub(super) history: History,
    /// What the scenario leaves in addition to its output.
    pub(super) report: Option<String>,
    /// A hash over what each task has done, of a walk that came to its end.
    pub(super) interleaving: Option<u64>,
    /// Its timeline, if that was wanted and the run has ended in its process.
    pub(super) timeline: Option<u64>,
    /// There was no run, because none is wanted any more or there is no worker.
    pub(super) is_refused: bool,
}

impl Ran {
    /// What a run in this process gives.
    pub(super) fn here(run: Run<String>, holds: Vec<Hold>) -> Self {
        Self {
            run,
            holds,
            printed: String::new(),
            history: History::default(),
            report: None,
            interleaving: None,
            timeline: None,
            is_refused: false,
        }
    }
}

/// Serve as a worker: run cases for the process that started this one, until it ends. `find`
/// gives the scenario of a name, or says in words why it does not exist.
///
/// Call it where [`isolate::is_worker`], and early: what this process has done before is the
/// state from which every run starts.
pub fn serve(find: impl Fn(&str) -> Result<Scenario, String>) -> ! {
    // Thousands of them on the terminal help nobody.
    retake_engine::panics::quiet();
    isolate::serve(&|request, parts| {
        let request: Request = serde_json::from_slice(request)
            .map_err(|error| format!("it does not understand the request: {error}"))?;
        let scenario = find(&request.case.scenario)?;
        for case in &*request.before {
            drop(case.run_here(scenario.code(), Recording::default(), HashSink::new()));
        }
        let answer = answer(request, parts, &scenario)?;
        serde_json::to_vec(&answer).map_err(|error| error.to_string())
    })
}

/// Run what is asked for, in this process.
fn answer(request: Request<'_>, parts: Parts<'_>, scenario: &Scenario) -> Result<Answer, String> {
    let case = &request.case;
    let timeline = TimelineSlot::default();
    let (sim, recorded, walker) = match &request.walk {
        Some(walk) => {
            let on_choice: Option<Box<dyn FnMut(NewChoice) -> bool + Send>> = match request.sends {
                Sends::Choices => {
                    let mut send = parts.sender()?;
                    Some(Box::new(move |choice| {
                        send(&choice.to_bytes());
                        true
                    }))
                }
                _ => None,
            };
            let walker = Walker::new(walk.clone().into_owned(), on_choice);
            let recorded = RecordedHolds::default();
            (walker.sim(case, &recorded), recorded, Some(walker))
        }
        None => {
            let schedule = request.schedule_of.as_deref().map(read_schedule);
            let schedule = schedule.transpose().map_err(|error| error.to_string())?;
            let has_timeline = request.record.timeline;
            let (sim, recorded) = case.prepared(request.record, schedule);
            let sim = match request.sends {
                Sends::Records => sim.trace(Sender::new(parts)?),
                Sends::Progress => sim.trace(Reporter::new(parts)?),
                Sends::Nothing if has_timeline => {
                    sim.trace(TimelineSink::new(HashSink::new(), &timeline))
                }
                Sends::Nothing | Sends::Choices => sim,
            };
            (sim, recorded, None)
        }
    };
    let code = Arc::clone(scenario.code());
    let (run, is_unresolved) = internal::run_once(&sim, request.probes_reversed, move || code());
    let mut answer = Answer::new(run, recorded.holds());
    answer.is_unresolved = is_unresolved;
    answer.report = scenario.take_report();
    answer.timeline = timeline.get();
    answer.interleaving = walker.map_or(0, |it| it.interleaving());
    Ok(answer)
}

/// The schedule of a trace.
pub(super) fn read_schedule(trace: &Path) -> Result<Strategy, TraceError> {
    let schedule = Schedule::read(TraceReader::open(trace)?)?;
    Ok(Strategy::Replay(Arc::new(schedule)))
}

impl Job<'_> {
    fn request(&self, sends: Sends, probes_reversed: bool) -> Vec<u8> {
        let request = Request {
            case: Cow::Borrowed(self.case),
            before: Cow::Borrowed(&self.place.before),
            record: self.record.clone(),
            sends,
            schedule_of: self.schedule_of.map(Path::to_owned),
            walk: self.walk.map(Cow::Borrowed),
            probes_reversed,
        };
        serde_json::to_vec(&request).unwrap_or_default()
    }

    fn limits(&self, workers: &Workers, sends: Sends) -> Limits {
        let mut times = u32::try_from(self.place.before.len()).unwrap_or(u32::MAX);
        times = times.saturating_add(match sends {
            Sends::Records => RECORDED_TIMES,
            Sends::Nothing | Sends::Progress | Sends::Choices => 1,
        });
        Limits {
            timeout: workers.timeout().saturating_mul(times),
            prints: self.place.prints,
        }
    }

    /// Repeat a run that has ended in a deadlock, in a process of the same kind, and add who
    /// waits for whom.
    fn probe_again(&self, workers: &Workers, run: &mut Run<String>) {
        let request = self.request(Sends::Nothing, true);
        let limits = Limits {
            prints: false,
            ..self.limits(workers, Sends::Nothing)
        };
        let done = workers.run(&request, self.place.process, limits, |_| {});
        if let Ok(answer) = read(done.answer) {
            internal::complete_deadlock(run, &answer.into_run());
        }
    }
}

fn read(answer: Result<Vec<u8>, LossReason>) -> Result<Answer, LossReason> {
    serde_json::from_slice(&answer?)
        .map_err(|error| LossReason::Refused(format!("its answer is damaged: {error}")))
}

/// Run a case in a process of these workers. `sink` gets its records.
pub(super) fn run(
    workers: &Workers,
    job: &Job<'_>,
    sink: impl Sink,
    mut listener: Listener<'_>,
) -> Ran {
    let sends = match (&listener, sink.keeps_records()) {
        (Listener::Choices(_), _) => Sends::Choices,
        (_, true) => Sends::Records,
        (Listener::Progress(_), false) => Sends::Progress,
        (Listener::None, false) => Sends::Nothing,
    };
    let mut receiver = Receiver::new(sink);
    let take = |part: &[u8]| {
        match sends {
            Sends::Records => receiver.take(part),
            Sends::Progress => receiver.reach(part),
            Sends::Nothing | Sends::Choices => {}
        }
        match &mut listener {
            Listener::None => {}
            Listener::Progress(reach) => {
                let Position { steps, now_ns } = receiver.position;
                reach(steps, now_ns);
            }
            Listener::Choices(take) => {
                if let Some(choice) = NewChoice::from_bytes(part) {
                    take(choice);
                }
            }
        }
    };
    let limits = job.limits(workers, sends);
    let request = job.request(sends, false);
    let Done {
        answer,
        printed,
        history,
    } = workers.run(&request, job.place.process, limits, take);
    let mut ran = match read(answer) {
        Ok(mut answer) => {
            let is_unresolved = answer.is_unresolved;
            let (report, holds) = (answer.report.take(), std::mem::take(&mut answer.holds));
            let interleaving = job.walk.map(|_| answer.interleaving);
            let timeline = answer.timeline;
            let mut run = answer.into_run();
            if is_unresolved {
                job.probe_again(workers, &mut run);
            }
            Ran {
                report,
                interleaving,
                timeline,
                ..Ran::here(run, holds)
            }
        }
        Err(lost) => {
            let is_stopped = matches!(lost, LossReason::Stopped);
            let is_refused = is_stopped || matches!(lost, LossReason::Refused(_));
            let ran = Ran {
                is_refused,
                ..Ran::here(lost_run(job.case, lost, receiver.position), Vec::new())
            };
            if is_stopped {
                // What was recorded is left as a part.
                return ran;
            }
            receiver.end(&ran.run);
            ran
        }
    };
    ran.run.trace_error = receiver.finish();
    ran.printed = printed;
    ran.history = History(history);
    ran
}

/// The result of a run whose process was lost.
fn lost_run(case: &Case, lost: LossReason, reached: Position) -> Run<String> {
    let hangs = matches!(lost, LossReason::Hangs(_));
    let how = match lost {
        LossReason::Ended(how) => format!("its process ended: {how}"),
        LossReason::Hangs(timeout) => format!("it did not end within {timeout:?}: it hangs"),
        LossReason::Stopped => "it was stopped".to_owned(),
        LossReason::NotStarted(what) | LossReason::Refused(what) => what,
    };
    let mut run = no_run(case, Outcome::Lost { how, hangs });
    run.stats.steps = reached.steps;
    run.stats.virtual_time = std::time::Duration::from_nanos(reached.now_ns);
    run
}

/// The result of a case that ended so in no step, because it was not run for example.
pub(super) fn no_run(case: &Case, outcome: Outcome) -> Run<String> {
    Run {
        seed: case.config.seed,
        strategy: case.config.strategy.to_string(),
        outcome,
        output: None,
        stats: Stats::default(),
        event_hash: 0,
        goals: BTreeMap::new(),
        coverage: Coverage::new(),
        messages: None,
        warnings: Vec::new(),
        not_injected: Vec::new(),
        backtrace: Vec::new(),
        trace_error: None,
    }
}
