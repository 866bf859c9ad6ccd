//! Runs of cases in other processes: what is asked, what is answered.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use retake_traces::error::TraceError;
use retake_traces::record::{End, Record};
use retake_traces::sink::{HashSink, Sink};
use serde::{Deserialize, Serialize};

use super::{Case, Scenario};
use crate::isolate::{self, Limits, Lost, PartSender, Parts, Where, Workers};
use crate::outcome::{Coverage, Messages, Outcome, Run, Stats};
use crate::strategy::Hold;

/// Records are sent in parts of about this size, in bytes.
const PART_SIZE: usize = 64 << 10;

/// By how much longer a run may take whose records are wanted.
const RECORDED_TIMES: u32 = 4;

/// How the outcome of a run ends that did not end in time.
pub(super) const HANGS: &str = "it hangs";

/// What is recorded of a run, and how.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Recording {
    /// Count what becomes of messages.
    pub(super) counts_messages: bool,
    /// Texts of messages and events, and which step sent each message.
    pub(super) causality: bool,
    /// Texts of messages and events.
    pub(super) story: bool,
    /// States of actors.
    pub(super) states: bool,
    /// The calls that lead to a panic, and what tasks await at a deadlock, if `RUST_BACKTRACE`
    /// asks for them: too slow for the many runs of a campaign.
    pub(super) calls: bool,
    /// The schedule as ordering constraints.
    pub(super) holds: bool,
    /// With these, the schedule of this strategy and seed instead of the case's own.
    pub(super) schedule: Option<(String, u64)>,
}

/// Which process a run takes place in, and what becomes of what it prints.
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

/// One run.
#[derive(Debug, Serialize, Deserialize)]
struct Request<'a> {
    case: Cow<'a, Case>,
    before: Cow<'a, [Case]>,
    record: Recording,
    /// Whether somebody takes the records.
    sends_records: bool,
}

/// How a run went.
#[derive(Debug, Serialize, Deserialize)]
struct Answer {
    seed: u64,
    strategy: String,
    outcome: Outcome,
    output: Option<String>,
    stats: Stats,
    event_hash: u64,
    goals: BTreeMap<String, bool>,
    coverage: Coverage,
    messages: Option<Messages>,
    warnings: Vec<String>,
    #[serde(default)]
    backtrace: Vec<String>,
    holds: Vec<Hold>,
}

/// What a run gives.
#[derive(Debug)]
pub(super) struct Ran {
    pub(super) run: Run<String>,
    pub(super) holds: Vec<Hold>,
    /// What it printed, where that is kept.
    pub(super) printed: String,
    /// What its process had run before, oldest first.
    pub(super) history: Vec<Case>,
}

/// Serve as a worker: run cases for the process that started this one, until it ends. `find`
/// gives the scenario of a name, or says in words why there is none.
///
/// Call it where [`isolate::is_worker`], and early: what this process has done before is the
/// state from which every run starts.
pub fn serve(find: impl Fn(&str) -> Result<Scenario, String>) -> ! {
    super::testing::quiet_panics();
    isolate::serve(&|request, parts| {
        let request: Request = serde_json::from_slice(request)
            .map_err(|error| format!("it does not understand the request: {error}"))?;
        let scenario = find(&request.case.scenario)?;
        let code = scenario.code();
        for case in &*request.before {
            drop(case.run_here(code, Recording::default(), HashSink::new()));
        }
        let (run, holds) = if request.sends_records {
            let sink = Sender::new(parts)?;
            request.case.run_here(code, request.record.clone(), sink)
        } else {
            request
                .case
                .run_here(code, request.record.clone(), HashSink::new())
        };
        serde_json::to_vec(&Answer::new(run, holds)).map_err(|error| error.to_string())
    })
}

/// Run a case in a process of these workers. `sink` gets its records.
pub(super) fn run(
    workers: &Workers,
    case: &Case,
    place: &Place,
    record: Recording,
    sink: impl Sink,
) -> Ran {
    let request = Request {
        case: Cow::Borrowed(case),
        before: Cow::Borrowed(&place.before),
        record,
        sends_records: sink.keeps_records(),
    };
    let request = serde_json::to_vec(&request).unwrap_or_default();
    let mut times = u32::try_from(place.before.len()).unwrap_or(u32::MAX);
    times = times.saturating_add(if sink.keeps_records() {
        RECORDED_TIMES
    } else {
        1
    });
    let limits = Limits {
        timeout: workers.timeout().saturating_mul(times),
        prints: place.prints,
    };
    let mut receiver = Receiver::new(sink);
    let done = workers.run(&request, place.process, limits, |part| receiver.take(part));
    let answer = done.answer.and_then(|answer| {
        serde_json::from_slice::<Answer>(&answer)
            .map_err(|error| Lost::Refused(format!("its answer is damaged: {error}")))
    });
    let (mut run, holds) = match answer {
        Ok(answer) => answer.into_run(),
        Err(lost) => {
            let run = lost_run(case, lost, &receiver);
            receiver.end(&run);
            (run, Vec::new())
        }
    };
    run.trace_error = receiver.finish();
    let history = done.history.iter();
    let history = history.filter_map(|it| serde_json::from_slice::<Request>(it).ok());
    Ran {
        run,
        holds,
        printed: done.printed,
        history: history.map(|it| it.case.into_owned()).collect(),
    }
}

/// The result of a run whose process was lost.
fn lost_run<S>(case: &Case, lost: Lost, received: &Receiver<S>) -> Run<String> {
    let how = match lost {
        Lost::Ended(how) => format!("its process ended: {how}"),
        Lost::Hangs(timeout) => format!("it did not end within {timeout:?}: {HANGS}"),
        Lost::NotStarted(what) | Lost::Refused(what) => what,
    };
    Run {
        seed: case.seed,
        strategy: case.strategy.clone(),
        outcome: Outcome::Lost { how },
        output: None,
        stats: Stats {
            steps: received.steps,
            virtual_time: std::time::Duration::from_nanos(received.now_ns),
            ..Stats::default()
        },
        event_hash: 0,
        goals: BTreeMap::new(),
        coverage: Coverage::new(),
        messages: None,
        warnings: Vec::new(),
        backtrace: Vec::new(),
        trace_error: None,
    }
}

impl Answer {
    fn new(run: Run<String>, holds: Vec<Hold>) -> Self {
        let goals = run.goals.into_iter();
        Self {
            seed: run.seed,
            strategy: run.strategy,
            outcome: run.outcome,
            output: run.output,
            stats: run.stats,
            event_hash: run.event_hash,
            goals: goals
                .map(|(goal, reached)| (goal.to_owned(), reached))
                .collect(),
            coverage: run.coverage,
            messages: run.messages,
            warnings: run.warnings,
            backtrace: run.backtrace,
            holds,
        }
    }

    fn into_run(self) -> (Run<String>, Vec<Hold>) {
        let goals = self.goals.into_iter();
        let run = Run {
            seed: self.seed,
            strategy: self.strategy,
            outcome: self.outcome,
            output: self.output,
            stats: self.stats,
            event_hash: self.event_hash,
            goals: goals
                .map(|(goal, reached)| (name_of_goal(goal), reached))
                .collect(),
            coverage: self.coverage,
            messages: self.messages,
            warnings: self.warnings,
            backtrace: self.backtrace,
            trace_error: None,
        };
        (run, self.holds)
    }
}

/// The name of a goal, which user code has as a literal. Another process tells it by its
/// letters; each is kept once, and a program has not many.
fn name_of_goal(name: String) -> &'static str {
    static NAMES: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = names.get(&*name) {
        return known;
    }
    let name: &'static str = name.leak();
    names.insert(name);
    name
}

/// Sends records from the process of the run.
struct Sender {
    parts: PartSender,
    hash: HashSink,
    bytes: Vec<u8>,
}

impl Sender {
    fn new(parts: Parts<'_>) -> Result<Self, String> {
        Ok(Self {
            parts: parts.sender()?,
            hash: HashSink::new(),
            bytes: Vec::with_capacity(PART_SIZE),
        })
    }

    fn flush(&mut self) {
        (self.parts)(&self.bytes);
        self.bytes.clear();
    }
}

impl Sink for Sender {
    fn record(&mut self, record: &Record) -> Result<(), TraceError> {
        self.hash.record(record)?;
        record.encode(&mut self.bytes);
        if self.bytes.len() >= PART_SIZE {
            self.flush();
        }
        Ok(())
    }

    fn event_hash(&self) -> u64 {
        self.hash.event_hash()
    }

    fn finish(&mut self) -> Result<(), TraceError> {
        self.flush();
        Ok(())
    }
}

/// Takes records in the process that asked.
struct Receiver<S> {
    sink: S,
    steps: u64,
    now_ns: u64,
    error: Option<TraceError>,
}

impl<S> Receiver<S> {
    fn new(sink: S) -> Self {
        Self {
            sink,
            steps: 0,
            now_ns: 0,
            error: None,
        }
    }
}

impl<S: Sink> Receiver<S> {
    fn take(&mut self, mut part: &[u8]) {
        while self.error.is_none() && !part.is_empty() {
            let record = Record::decode(part);
            // The same program has encoded it.
            debug_assert!(record.is_ok(), "{record:?}");
            let Ok((record, length)) = record else { return };
            part = &part[length..];
            if let Record::Step(step) = &record {
                self.steps += 1;
                self.now_ns = self.now_ns.saturating_add(step.elapsed_ns);
            }
            self.error = self.sink.record(&record).err();
        }
    }

    /// The last record of a run whose process could not write it.
    fn end(&mut self, run: &Run<String>) {
        if self.error.is_none() && self.sink.keeps_records() {
            let end = Record::End(End {
                outcome: run.outcome.name().into(),
                detail: run.outcome.detail(),
                steps: self.steps,
                now_ns: self.now_ns,
            });
            self.error = self.sink.record(&end).err();
        }
    }

    fn finish(mut self) -> Option<TraceError> {
        self.error.take().or_else(|| self.sink.finish().err())
    }
}
