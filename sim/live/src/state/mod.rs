//! Who has the turn, who waits for it, and what has been written.
//!
//! No code of the user's runs in here: wakers are handed back, to be woken or dropped after
//! letting go of the lock.

mod tasks;
mod turn;
mod writing;

use std::collections::{BTreeMap, VecDeque};
use std::task::Waker;

use ractor::ActorCell;
use rand_chacha::ChaCha8Rng;
use retake::engine::TaskId;
use retake_traces::live::{Live, Start, StepEnd};
use retake_traces::{TraceError, TraceWriter};
use tokio::task::AbortHandle;

use crate::after_poll::Until;
use crate::identity::{LabelId, Labels};

/// What a recording came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecordingReport {
    /// Steps in it.
    pub steps: u64,
    /// Actors and other tasks that took part.
    pub tasks: u32,
    /// Size of the file.
    pub bytes: u64,
    /// Why it stopped before the process did, if so.
    pub gap: Option<String>,
}

/// The task that starts everything has this place and this number.
pub(crate) const SCENARIO: u32 = 0;

/// An actor or another task, in a place that is used again when it is gone.
pub(crate) struct Slot {
    /// Its number in the recording, from its first part in it.
    serial: Option<u32>,
    label: Option<LabelId>,
    who: Who,
    waker: Option<Waker>,
    /// It is among those who wait.
    queued: bool,
    /// What it was started with from outside, until it runs.
    input: Option<(String, Vec<u8>)>,
    /// The message that it is about to handle.
    text: Option<String>,
    /// Of whom it is about to hear.
    news: Option<News>,
    /// Of a task that is no actor: whether it is over for those who join it.
    handle: Option<AbortHandle>,
}

enum Who {
    Scenario,
    Actor(ActorCell, &'static str),
    Task(String),
}

/// Ractor's id of the actor that it is about, and its number if it has started.
type News = (u64, Option<u32>);

pub(crate) struct State {
    /// None when nothing more is written.
    writer: Option<TraceWriter>,
    error: Option<TraceError>,
    gap: Option<String>,
    bytes_max: u64,
    recorded: RecordingReport,
    slots: Vec<Option<Slot>>,
    free: Vec<u32>,
    by_actor: BTreeMap<u64, u32>,
    /// Actors started since the last look for those that have ended.
    started: usize,
    labels: Labels,
    /// Who has the turn.
    running: Option<u32>,
    /// The actor of which `pre_start` runs as a part of that step.
    within: Option<TaskId>,
    waiters: VecDeque<u32>,
    /// Numbers of those who took something urgent during the step that runs.
    urgent: Vec<u32>,
    /// How many actors were killed and have not ended.
    exiting: usize,
    /// How the step ended whose turn is not over yet.
    end: Option<StepEnd>,
    last_ns: u64,
    is_dirty: bool,
    pub(crate) rng: ChaCha8Rng,
}

/// Has the turn while actors end that were killed.
const NOBODY: u32 = u32::MAX;

/// What happens to the turn when a gate is dropped.
pub(crate) enum CancelEffect {
    /// Its actor was killed: nobody runs before it has ended.
    Killed(Until),
    /// The task to wake, if the gate had been woken to take the turn and another waits.
    PassOn(Option<Waker>),
}

/// A poll of a gate.
pub(crate) enum PollAnswer {
    /// Run; the step begins at this time.
    Run(u64),
    Wait,
    /// Nothing is recorded any more.
    Pass,
}

impl State {
    pub(crate) fn new(
        writer: TraceWriter,
        rng: ChaCha8Rng,
        bytes_max: Option<u64>,
        start: Start,
    ) -> Self {
        let origin_ns = start.origin_ns;
        let scenario = Slot::new(Who::Scenario);
        let mut state = Self {
            writer: Some(writer),
            error: None,
            gap: None,
            bytes_max: bytes_max.unwrap_or(u64::MAX),
            recorded: RecordingReport::default(),
            slots: vec![Some(scenario)],
            free: Vec::new(),
            by_actor: BTreeMap::new(),
            started: 0,
            labels: Labels::default(),
            running: None,
            within: None,
            waiters: VecDeque::new(),
            urgent: Vec::new(),
            exiting: 0,
            end: None,
            last_ns: origin_ns,
            is_dirty: false,
            rng,
        };
        state.write_live(Live::Start(start));
        // It has its number whether it takes part or not, as in a simulation.
        state.name(SCENARIO);
        state
    }
}

impl Slot {
    fn new(who: Who) -> Self {
        Self {
            serial: None,
            label: None,
            who,
            waker: None,
            queued: false,
            input: None,
            text: None,
            news: None,
            handle: None,
        }
    }
}
