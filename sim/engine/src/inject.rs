//! The faults of a run: those asked for, what became of each, and what lasts.
//!
//! Nothing here changes a run: the core injects, and hands actors to be killed or stopped and
//! wakers to be woken to the engine.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::mem;
use std::task::Waker;

use ractor::ActorCell;
use rand_chacha::ChaCha8Rng;
use retake_traces::fault::{DiskOperation, Effect, Fault, Moment, Skew, When};
use retake_traces::time::nanos;

use crate::rng::{below, stream};

/// A planned fault, and what became of it.
#[derive(Debug)]
pub(crate) struct PendingFault {
    pub(crate) fault: Fault,
    pub(crate) moment: Moment,
    pub(crate) effect: Effect,
    /// Its time has come, and it is injected as soon as possible.
    pub(crate) has_come: bool,
    pub(crate) is_over: bool,
}

/// A callback that is to go wrong when it runs.
#[derive(Debug)]
pub(crate) struct ArmedCallback {
    pub(crate) place: usize,
    pub(crate) serial: u32,
}

/// Sends a message.
pub(crate) struct Send(pub(crate) Box<dyn FnOnce()>);

impl fmt::Debug for Send {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Send")
    }
}

/// How many ends of children a supervisor survives.
#[derive(Debug)]
pub(crate) struct Tolerance {
    pub(crate) intensity: u32,
    pub(crate) period_ns: u64,
    /// When children ended, within the period.
    pub(crate) ends: VecDeque<u64>,
    /// Injected, and not seen by a supervisor yet.
    pub(crate) expected: u32,
}

/// A wall clock that is wrong.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WrongClock {
    pub(crate) skew: Skew,
    pub(crate) since_ns: u64,
    pub(crate) until_ns: u64,
}

/// What was asked, and how often, by name.
#[derive(Debug, Default)]
pub(crate) struct Requests(BTreeMap<String, u64>);

/// Names that are kept.
const NAMES_MAX: usize = 1 << 12;

impl Requests {
    /// The number of the next request of this name, from 0.
    pub(crate) fn next(&mut self, name: &str) -> u64 {
        if let Some(next) = self.0.get_mut(name) {
            *next += 1;
            return *next - 1;
        }
        if self.0.len() < NAMES_MAX {
            self.0.insert(name.to_owned(), 1);
        }
        0
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

/// The network of a run.
#[derive(Debug)]
pub(crate) struct Network {
    pub(crate) hosts: Vec<String>,
    /// It sends again what is lost.
    pub(crate) resends: bool,
}

/// All about the faults of a run.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    pub(crate) pending: Vec<PendingFault>,
    /// Some fault waits for a step.
    pub(crate) wait_for_steps: bool,
    /// Some fault is about requests.
    pub(crate) has_requests: bool,
    /// Of services.
    pub(crate) requests: Requests,
    /// On disks, which count each kind of operation by itself.
    pub(crate) operations: BTreeMap<DiskOperation, Requests>,
    /// Which faults have crashed which disks.
    pub(crate) crashed: BTreeSet<(usize, String)>,
    /// Some fault is about packets.
    pub(crate) has_packets: bool,
    pub(crate) network: Option<Network>,
    /// Faults about requests or packets that have had their first effect.
    pub(crate) lasting: BTreeSet<usize>,
    /// Until when tasks are delayed, by serial.
    pub(crate) delays: BTreeMap<u32, u64>,
    /// By how much each step of a task is, and until when, by serial.
    pub(crate) slows: BTreeMap<u32, (u64, u64)>,
    pub(crate) armed: Vec<ArmedCallback>,
    /// Faults that would send a message once more, which cannot be cloned.
    pub(crate) uncloned: BTreeSet<usize>,
    /// Some fault is about a marked place.
    pub(crate) has_places: bool,
    /// Marked places that were reached.
    pub(crate) places: BTreeSet<&'static str>,
    /// What sends a message once more, by the actor's serial.
    pub(crate) copies: BTreeMap<u32, Send>,
    /// Of these, the one that is sent in the step that begins.
    pub(crate) due_copy: Option<Send>,
    /// Faults that wait for an actor to start.
    pub(crate) starts: Vec<usize>,
    /// Actors that start late, by slot.
    pub(crate) slow_starts: BTreeMap<u32, u64>,
    pub(crate) paused_until_ns: u64,
    pub(crate) late: (u64, u64),
    pub(crate) coalesce: (u64, u64),
    pub(crate) clock: Option<WrongClock>,
    /// How many times as large a load is, and the largest.
    pub(crate) load: Option<u32>,
    pub(crate) load_max: Option<u32>,
    /// A heal was asked for and has not come.
    pub(crate) awaits_heal: bool,
    pub(crate) heal_wakers: Vec<Waker>,
    /// To be woken by the engine.
    pub(crate) wakes: Vec<Waker>,
    /// Actors that the engine has to kill, stop or drain.
    pub(crate) effects: Vec<(ActorCell, Effect)>,
    /// Names to be taken when they are free, and until when.
    pub(crate) name_conflicts: Vec<(String, u64)>,
    /// Names that are free now: the engine takes them.
    pub(crate) free_names: Vec<(String, u64)>,
    pub(crate) tolerances: BTreeMap<u32, Tolerance>,
    pub(crate) jitter: Option<Box<ChaCha8Rng>>,
}

impl Faults {
    /// Some fault may let an actor start otherwise than it would.
    pub(crate) fn await_starts(&self) -> bool {
        !self.starts.is_empty() || !self.slow_starts.is_empty()
    }

    pub(crate) fn has_delays(&self) -> bool {
        !self.delays.is_empty() || !self.slows.is_empty()
    }

    pub(crate) fn is_due(&self, place: usize, step: u64) -> bool {
        let pending = &self.pending[place];
        // Eager steps may have passed the exact number.
        let has_come = matches!(pending.fault.when, When::Step(at) if at <= step);
        (has_come || pending.has_come) && !pending.is_over
    }

    /// Whether the time of a fault has come that is asked for when it could have its effect.
    pub(crate) fn has_started(&self, place: usize, step: u64, now_ns: u64) -> bool {
        let pending = &self.pending[place];
        let has_come = match pending.fault.when {
            When::Step(at) => at <= step,
            When::At(time) => nanos(time) <= now_ns,
        };
        has_come && !pending.is_over
    }

    /// The deadline of a timer that is set to this one.
    pub(crate) fn late_deadline(&mut self, deadline_ns: u64, now_ns: u64, seed: u64) -> u64 {
        let mut deadline_ns = deadline_ns;
        let (by_ns, until_ns) = self.late;
        if now_ns < until_ns && by_ns > 0 {
            let rng = self
                .jitter
                .get_or_insert_with(|| Box::new(stream(seed, "jitter")));
            let most = usize::try_from(by_ns)
                .unwrap_or(usize::MAX)
                .saturating_add(1);
            deadline_ns = deadline_ns.saturating_add(below(rng, most) as u64);
        }
        let (to_ns, until_ns) = self.coalesce;
        if now_ns < until_ns && to_ns > 0 {
            deadline_ns = deadline_ns
                .checked_next_multiple_of(to_ns)
                .unwrap_or(u64::MAX);
        }
        deadline_ns
    }

    /// Nanoseconds by which the wall clock is ahead.
    pub(crate) fn wall_offset_ns(&self, now_ns: u64) -> i64 {
        self.clock.map_or(0, |clock| {
            if now_ns < clock.until_ns {
                clock.skew.offset_ns(now_ns - clock.since_ns)
            } else {
                0
            }
        })
    }

    /// True if nothing goes wrong any more; otherwise the waker is woken when it is so.
    pub(crate) fn is_healed(&mut self, waker: &Waker) -> bool {
        if !self.awaits_heal {
            return true;
        }
        self.heal_wakers.push(waker.clone());
        false
    }

    /// Find which of the names to be taken are free now.
    pub(crate) fn find_free_names(&mut self, now_ns: u64) -> bool {
        if self.name_conflicts.is_empty() {
            return false;
        }
        self.name_conflicts
            .retain(|(_, until_ns)| *until_ns > now_ns);
        let is_free = |(name, _): &(String, u64)| ractor::registry::where_is(name).is_none();
        let (free, taken) = mem::take(&mut self.name_conflicts)
            .into_iter()
            .partition(is_free);
        self.name_conflicts = taken;
        self.free_names = free;
        !self.free_names.is_empty()
    }
}
