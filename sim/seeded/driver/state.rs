//! What the state of a simulated process consists of.

use std::collections::BTreeMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::panic::Location;
use std::sync::atomic::AtomicU32;

use super::core::outcome::OutcomeKind;

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
    /// tokio's number of the task.
    pub(super) id: u64,
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
    pub(super) found: BTreeMap<u32, Vec<Awaited>>,
}

/// What a task or thread waits for.
#[derive(Default, PartialEq)]
pub(super) struct Awaited {
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
    pub(super) about: About,
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
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    /// Nothing: the slot is free.
    Nothing,
    /// A thread, or the future that it blocks on.
    Thread(u32),
    /// A task of a runtime, by tokio's number.
    Task { runtime: u32, id: u64 },
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

/// For maps by numbers of tasks.
pub(crate) type HashNumbers = BuildHasherDefault<Numbers>;

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

/// Hashes tokio's numbers of tasks. They come from a counter, and need no key.
#[derive(Default)]
pub(crate) struct Numbers(u64);

impl Hasher for Numbers {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    #[inline]
    fn write_u64(&mut self, number: u64) {
        self.0 = (self.0 ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}
