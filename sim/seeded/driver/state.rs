//! What the state of a simulated process consists of.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::Location;
use std::sync::atomic::{AtomicU32, Ordering};

use super::core::outcome::OutcomeKind;

/// Streams of random numbers, by purpose: the hashes of their names, see `sim/live`.
pub(super) mod purpose {
    pub(in super::super) const SCHEDULE: u64 = 0x5dc2_95d8_5852_6653;
    pub(in super::super) const ENTROPY: u64 = 0x36ce_7044_f1db_3a94;
    pub(in super::super) const LOCAL: u64 = 0xf6a8_e84f_2fb3_cb31;
    pub(in super::super) const FAULT: u64 = 0xed42_9bf4_e52f_d2e0;
    pub(in super::super) const PREEMPT: u64 = 0xa38d_de67_9714_84f5;
}

/// The number of a set that is not simulated, and of tasks that are in none.
pub(super) const NO_SET: u32 = u32::MAX;

/// A `LocalSet`.
#[derive(Default)]
pub(super) struct Set {
    /// What polls it; none if that is not known.
    pub(super) host: Option<Host>,
}

#[derive(Clone, Copy, PartialEq)]
pub(super) struct Host {
    pub(super) slot: u32,
    pub(super) serial: u32,
    pub(super) runtime: u32,
}

/// A turn of a task of a set.
#[derive(Clone, Copy)]
pub(super) struct SetTurn {
    pub(super) set: u32,
    pub(super) slot: u32,
}

/// A look at what each task awaits, after the run was recorded.
pub(super) struct Look {
    pub(super) outcome: OutcomeKind,
    pub(super) why: String,
    /// Slots of those to come, the last one first.
    pub(super) left: Vec<u32>,
    /// The number of the one that is looked at.
    pub(super) now: u32,
    /// The thread that is to look at its own calls.
    pub(super) thread: Option<u32>,
    /// By numbers.
    pub(super) found: BTreeMap<u32, Vec<AwaitInfo>>,
}

/// What a task or thread waits for.
#[derive(Default, PartialEq)]
pub(super) struct AwaitInfo {
    /// In words.
    pub(super) what: String,
    /// Where in the sources; empty if that is not known.
    pub(super) place: String,
    /// The number of the task that it waits for, if that is known.
    pub(super) of: Option<u32>,
}

/// What can be chosen.
pub(super) struct Entity {
    pub(super) serial: u32,
    pub(super) what: What,
    /// The step that made it runnable.
    pub(super) cause: u64,
    pub(super) steps: u64,
    /// It can run, and its runtime cannot.
    pub(super) is_waiting: bool,
    /// Messages in the channels that it receives from, if they are counted.
    pub(super) messages: u32,
    /// The address of the header of a task; 0 before the task was woken for the first time.
    pub(super) header: usize,
    /// The number of the `LocalSet` that it is in.
    pub(super) set: u32,
}

/// The slot that a task of tokio has, in its header: [`NO_SLOT`] before it can run for the first time,
/// and after its end.
#[derive(Debug)]
pub(crate) struct Slot(AtomicU32);

pub(crate) const NO_SLOT: u32 = u32::MAX;

impl Slot {
    pub(crate) const fn new() -> Self {
        Self(AtomicU32::new(NO_SLOT))
    }

    #[inline]
    pub(crate) fn get(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }

    pub(super) fn set(&self, slot: u32) {
        self.0.store(slot, Ordering::Relaxed);
    }

    /// What it was, which it is no longer.
    pub(super) fn take(&self) -> Option<u32> {
        let slot = self.0.swap(NO_SLOT, Ordering::Relaxed);
        (slot != NO_SLOT).then_some(slot)
    }
}

/// What is known of a task, or of the future that a thread blocks on.
#[derive(Clone, Default)]
pub(super) struct About {
    /// The type of the future.
    pub(super) type_name: &'static str,
    /// Where it was spawned.
    pub(super) place: Option<&'static Location<'static>>,
    /// The name that it was given; empty without one.
    pub(super) name: String,
    /// tokio's number of a task.
    pub(super) id: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    /// Nothing: the slot is free.
    Nothing,
    /// A thread, or the future that it blocks on.
    Thread(u32),
    /// A task of a runtime.
    Task { runtime: u32 },
}

/// What a thread waits for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Wait {
    /// A wake on a word of memory, with these bits.
    Futex { word: usize, bits: u32 },
    /// A descriptor that can be read, one of epoll among others.
    File(i32),
    /// The end of a thread.
    End(u32),
    /// Time alone.
    Time,
}

/// When threads wait no longer.
pub(super) struct Deadlines {
    all: BTreeSet<(u64, u32)>,
    /// The first one, which is asked for at each step; `u64::MAX` if there is none.
    first: u64,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            all: BTreeSet::new(),
            first: u64::MAX,
        }
    }
}

impl Deadlines {
    pub(super) fn insert(&mut self, deadline: u64, thread: u32) {
        self.all.insert((deadline, thread));
        self.first = self.first.min(deadline);
    }

    pub(super) fn remove(&mut self, deadline: u64, thread: u32) {
        self.all.remove(&(deadline, thread));
        self.find_first();
    }

    pub(super) fn first(&self) -> Option<(u64, u32)> {
        self.all.first().copied()
    }

    /// A thread whose deadline has come, which is left out from now on.
    #[inline]
    pub(super) fn pop_due(&mut self, now: u64) -> Option<u32> {
        if self.first > now {
            return None;
        }
        let (_, thread) = self.all.pop_first()?;
        self.find_first();
        Some(thread)
    }

    fn find_first(&mut self) {
        self.first = self.all.first().map_or(u64::MAX, |(deadline, _)| *deadline);
    }
}

/// The part of a thread's state that it reads without the turn.
pub(super) struct Baton {
    pub(super) turn: AtomicU32,
    /// The system's number of the thread.
    pub(super) id: AtomicU32,
}

pub(super) struct Thread {
    pub(super) slot: u32,
    pub(super) baton: &'static Baton,
    /// The C library's handle.
    pub(super) handle: usize,
    pub(super) has_ended: bool,
    /// What it waits for; none while it can run.
    pub(super) wait: Option<Wait>,
    pub(super) deadline: Option<u64>,
    pub(super) timed_out: bool,
    /// The slot for which it has the turn.
    pub(super) assigned: Option<u32>,
    /// The runtime that it drives.
    pub(super) runtime: Option<u32>,
    /// It waits in the driver of that runtime, for timers and events.
    pub(super) is_parked: bool,
    /// It looks at timers and events there, without waiting.
    pub(super) is_looking: bool,
    /// Writes to descriptors, when it has looked at events last.
    pub(super) writes_seen: u64,
}

pub(super) struct Runtime {
    /// It takes the place of one with several threads.
    pub(super) has_threads: bool,
    /// The thread that drives it.
    pub(super) driver: Option<u32>,
    /// Its tasks can be chosen.
    pub(super) is_active: bool,
    /// Those that can run, while they cannot be chosen.
    pub(super) waiting: Vec<u32>,
    /// Those that can be chosen.
    pub(super) ready: u32,
    /// The future that its driver blocks on can run.
    pub(super) is_main_ready: bool,
    /// When timers and events were looked at last: the step and the time.
    pub(super) looked_at: (u64, u64),
}
