//! One run of an exhaustive search: follows a path of choices, and takes the first alternative from there.
//! `histories` tells interleavings and states apart.

mod histories;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use retake_traces::error::TraceError;
use retake_traces::record::Record;
use retake_traces::sink::{HashSink, Sink};
use serde::{Deserialize, Serialize};

use self::histories::Histories;
use super::Case;
use retake_engine::Sim;
use retake_engine::runnable::Runnable;
use retake_engine::strategy::{NewTask, RecordedHolds, Recorder, Scheduler};

/// The path that a run follows.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Walk {
    /// The alternative at each choice that has one, from 0.
    pub(super) path: Vec<u32>,
    /// The largest number of delays, if there is a bound.
    pub(super) delays: Option<u32>,
    /// Whether the states at new choices are wanted.
    pub(super) has_states: bool,
    /// End the run at the end of the path, before the step that is chosen there.
    pub(super) stops: bool,
}

/// A choice behind the path of a walk, where the first alternative was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NewChoice {
    /// The number of alternatives.
    pub(super) of: u32,
    /// A hash over the state in which it was made; 0 unless states are wanted.
    pub(super) state: u64,
}

impl NewChoice {
    pub(super) fn to_bytes(self) -> [u8; 12] {
        let mut bytes = [0; 12];
        bytes[..4].copy_from_slice(&self.of.to_le_bytes());
        bytes[4..].copy_from_slice(&self.state.to_le_bytes());
        bytes
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (of, state) = bytes.split_first_chunk::<4>()?;
        Some(Self {
            of: u32::from_le_bytes(*of),
            state: u64::from_le_bytes(state.try_into().ok()?),
        })
    }
}

/// Is called at each new choice; false ends the run there.
type OnChoice = Box<dyn FnMut(NewChoice) -> bool + Send>;

/// Takes a walk. Clones share it.
#[derive(Clone)]
pub(super) struct Walker(Arc<Mutex<State>>);

struct State {
    /// Grows by the new choices.
    path: Vec<u32>,
    walk: Walk,
    histories: Histories,
    on_choice: Option<OnChoice>,
    /// Choices with an alternative that the run has come to.
    reached: usize,
    is_cut: bool,
}

impl Walker {
    pub(super) fn new(mut walk: Walk, on_choice: Option<OnChoice>) -> Self {
        Self(Arc::new(Mutex::new(State {
            path: std::mem::take(&mut walk.path),
            walk,
            histories: Histories::default(),
            on_choice,
            reached: 0,
            is_cut: false,
        })))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The simulation of the case on this walk, with its schedule in `recorded`.
    pub(super) fn sim(&self, case: &Case, recorded: &RecordedHolds) -> Sim {
        let (walker, recorded) = (self.clone(), recorded.clone());
        let sink = HistorySink {
            walker: self.clone(),
            hash: HashSink::new(),
        };
        case.sim()
            .causality(true)
            .story(true)
            .trace(sink)
            .scheduler("exhaustive", move |_| {
                let depth_first = DepthFirst {
                    walker: walker.clone(),
                    queue: Vec::new(),
                    place: 0,
                    delays: walker.lock().walk.delays,
                };
                Box::new(Stopper {
                    inner: Recorder::new(Box::new(depth_first), &recorded),
                    walker: walker.clone(),
                })
            })
    }

    /// A hash over what each task has done: the same for schedules that differ only by the
    /// order of independent steps.
    pub(super) fn interleaving(&self) -> u64 {
        self.lock().histories.state()
    }

    /// Whether the run was ended at a new choice.
    pub(super) fn is_cut(&self) -> bool {
        self.lock().is_cut
    }
}

impl State {
    /// The alternative that is taken at this choice of the path, which has so many; none if
    /// the run ends there.
    fn choose(&mut self, place: usize, of: u32) -> Option<u32> {
        self.reached = place + 1;
        if let Some(taken) = self.path.get(place) {
            // A scenario that differs from run to run may have fewer now.
            return Some((*taken).min(of - 1));
        }
        let state = if self.walk.has_states {
            self.histories.state()
        } else {
            0
        };
        let choice = NewChoice { of, state };
        if let Some(on_choice) = &mut self.on_choice
            && !on_choice(choice)
        {
            self.is_cut = true;
            return None;
        }
        self.path.push(0);
        Some(0)
    }
}

/// Chooses along the path.
struct DepthFirst {
    walker: Walker,
    /// Runnable tasks by their turns.
    queue: Vec<u32>,
    /// Choices with an alternative so far.
    place: usize,
    /// Delays left.
    delays: Option<u32>,
}

impl Scheduler for DepthFirst {
    fn pick(&mut self, _step: u64, runnable: &mut Runnable) -> Option<u32> {
        self.queue.retain(|slot| runnable.contains(*slot));
        for slot in runnable.in_order() {
            if !self.queue.contains(&slot) {
                self.queue.push(slot);
            }
        }
        let count = u32::try_from(self.queue.len()).unwrap_or(u32::MAX);
        let of = self.delays.map_or(count, |left| count.min(left + 1));
        let mut taken = 0;
        if of > 1 {
            taken = self.walker.lock().choose(self.place, of)?;
            self.place += 1;
        }
        if let Some(left) = &mut self.delays {
            *left -= taken;
        }
        self.queue.rotate_left(taken as usize);
        Some(self.queue.remove(0))
    }

    fn reason(&self) -> String {
        "the search knows this state".to_owned()
    }
}

/// Ends a run behind the last choice of its path, if that is wanted.
struct Stopper {
    inner: Recorder,
    walker: Walker,
}

impl Scheduler for Stopper {
    fn started(&mut self, task: &NewTask<'_>) {
        self.inner.started(task);
    }

    fn eager(&mut self, slot: u32, step: u64) -> bool {
        self.inner.eager(slot, step)
    }

    fn arrived(&mut self, slot: u32) {
        self.inner.arrived(slot);
    }

    fn pick(&mut self, step: u64, runnable: &mut Runnable) -> Option<u32> {
        let chosen = self.inner.pick(step, runnable)?;
        let state = self.walker.lock();
        let stops = state.walk.stops && state.reached >= state.path.len();
        (!stops).then_some(chosen)
    }

    fn reason(&self) -> String {
        self.inner.reason()
    }
}

/// Keeps the histories up to date.
struct HistorySink {
    walker: Walker,
    hash: HashSink,
}

impl Sink for HistorySink {
    fn record(&mut self, record: &Record) -> Result<(), TraceError> {
        self.walker.lock().histories.note(record);
        self.hash.record(record)
    }

    fn event_hash(&self) -> u64 {
        self.hash.event_hash()
    }

    fn finish(&mut self) -> Result<(), TraceError> {
        self.hash.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_survives_the_way() {
        let choice = NewChoice {
            of: 3,
            state: u64::MAX - 1,
        };
        assert_eq!(NewChoice::from_bytes(&choice.to_bytes()), Some(choice));
        assert_eq!(NewChoice::from_bytes(b"short"), None);
    }
}
