//! What user code asks of the C library, on Linux.
//!
//! `HashMap`'s random state, the `rand` crate's system generator, `SystemTime`
//! and `Instant` all end in functions of the C library. The feature `interpose`
//! defines these functions in the program, which then come before the library's:
//! on a simulation's thread they answer from the run, on every other thread they
//! do what the library does. `symbols` has them.
//!
//! Here is what a run's thread knows, in thread-locals that need no destructor: a
//! symbol may be called while its thread ends or from within itself, so none of
//! them panics, and reading one of these costs an instruction or two.

use std::cell::{Cell, RefCell};

use rand_chacha::ChaCha8Rng;

pub(crate) mod heap;
pub(crate) mod seeded;
#[cfg(all(feature = "interpose", target_os = "linux"))]
mod symbols;

/// How many processors a simulation has: what `available_parallelism` and `num_cpus`
/// give on its thread, whatever the machine has.
pub const PROCESSORS: usize = 4;

/// How many bytes `/dev/urandom` has on a simulation's thread, each time it is opened.
/// Then it ends, which a reader that asks for more sees as an error.
pub const DEVICE_BYTES: usize = 64 * 1024;

/// Reads of a clock within one step after which each further thousand takes a
/// millisecond of virtual time: the step waits for time to pass.
#[cfg(all(feature = "interpose", target_os = "linux"))]
const READS_WITHOUT_WAITING: u32 = 1 << 16;

/// Other clocks at the start of every run, in seconds: not 0, so that code may
/// subtract from an `Instant`.
#[cfg(all(feature = "interpose", target_os = "linux"))]
const MONOTONIC_START_S: i64 = 1_000_000;

thread_local! {
    /// This thread's entropy and clocks are those of a run.
    static ACTIVE: Cell<bool> = const { Cell::new(false) };
    static ENTROPY: RefCell<Option<ChaCha8Rng>> = const { RefCell::new(None) };
    static SEED: Cell<u64> = const { Cell::new(0) };
    static NOW_NS: Cell<u64> = const { Cell::new(0) };
    /// By how much the wall clock is ahead.
    static WALL_OFFSET_NS: Cell<i64> = const { Cell::new(0) };
    /// Threads may be started.
    static ALLOWS_THREADS: Cell<bool> = const { Cell::new(false) };
    /// A thread was started: waits may be for it.
    static HAS_THREADS: Cell<bool> = const { Cell::new(false) };
    /// Reads of clocks since virtual time moved, and the step of the last look at them.
    static CLOCK_READS: Cell<(u32, u64)> = const { Cell::new((0, 0)) };
}

/// What interposed functions ask of the engine on their thread. Without an engine they do
/// nothing else.
#[cfg(all(feature = "interpose", target_os = "linux"))]
pub(crate) struct EngineCalls {
    /// Steps of the run so far.
    pub(crate) steps_taken: fn() -> u64,
    /// The step blocks its thread for so long: virtual time moves on.
    pub(crate) block: fn(u64),
    /// The step starts another thread; the function says by which code.
    #[cfg_attr(
        not(target_env = "gnu"),
        allow(dead_code, reason = "threads are seen with glibc only")
    )]
    pub(crate) starts_thread: fn(bool, &dyn Fn() -> Option<String>),
}

#[cfg(all(feature = "interpose", target_os = "linux"))]
thread_local! {
    static ASKED: Cell<Option<&'static EngineCalls>> = const { Cell::new(None) };
}

/// From now on interposed functions on this thread ask these.
#[cfg(all(feature = "interpose", target_os = "linux"))]
pub(crate) fn ask(asked: &'static EngineCalls) {
    ASKED.set(Some(asked));
}

/// What interposed functions on this thread ask, if a run has been on it.
#[cfg(all(feature = "interpose", target_os = "linux"))]
fn asked() -> Option<&'static EngineCalls> {
    ASKED.try_with(Cell::get).ok().flatten()
}

/// True in a program whose entropy and clocks are interposed.
#[must_use]
pub fn is_active() -> bool {
    cfg!(all(feature = "interpose", target_os = "linux"))
}

/// True in a program in which a simulation sees what starts a thread.
#[must_use]
pub fn sees_threads() -> bool {
    cfg!(all(
        feature = "interpose",
        target_os = "linux",
        target_env = "gnu"
    ))
}

/// Do now what the first run of a process would do: it is the same for all runs.
pub fn prepare() {
    #[cfg(all(feature = "interpose", target_os = "linux"))]
    symbols::prepare();
}

/// Takes this thread's entropy and clocks over until it is dropped.
#[derive(Debug)]
pub(crate) struct Interposition {
    /// The whole process was simulated, from which the thread was taken out.
    is_aside: bool,
}

impl Interposition {
    pub(crate) fn start(seed: u64, allows_threads: bool) -> Self {
        let is_aside = seeded::simulates_thread();
        if is_aside {
            seeded::set_thread_aside(true);
        }
        SEED.set(seed);
        NOW_NS.set(0);
        WALL_OFFSET_NS.set(0);
        ALLOWS_THREADS.set(allows_threads);
        HAS_THREADS.set(false);
        CLOCK_READS.set((0, 0));
        ENTROPY.set(Some(crate::rng::stream(seed, "entropy")));
        #[cfg(all(feature = "interpose", target_os = "linux"))]
        symbols::start();
        ACTIVE.set(true);
        Self { is_aside }
    }
}

impl Drop for Interposition {
    fn drop(&mut self) {
        ACTIVE.set(false);
        ENTROPY.set(None);
        if self.is_aside {
            seeded::set_thread_aside(false);
        }
    }
}

/// The heap of a run, on which this thread allocates until it is dropped.
#[derive(Debug)]
pub(crate) struct RunHeap(u8);

impl RunHeap {
    /// Take one that no other run uses. If all are in use, the run has that of the C library.
    pub(crate) fn start() -> Self {
        #[cfg(all(feature = "interpose", target_os = "linux"))]
        let number = symbols::take_heap();
        #[cfg(not(all(feature = "interpose", target_os = "linux")))]
        let number = heap::LIBRARY;
        heap::leave(number);
        Self(number)
    }
}

impl Drop for RunHeap {
    fn drop(&mut self) {
        heap::enter();
        let number = self.0;
        #[cfg(all(feature = "interpose", target_os = "linux"))]
        symbols::give_heap_back(number);
        let _ = number;
    }
}

/// Do something of the simulator's own with the system's entropy, clocks, threads and heap.
pub(crate) fn outside<T>(work: impl FnOnce() -> T) -> T {
    struct Restore(bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            ACTIVE.set(self.0);
        }
    }
    let _restore = Restore(ACTIVE.replace(false));
    let _library = heap::LibraryHeap::enter();
    work()
}

/// Virtual time has moved.
pub(crate) fn set_now_ns(now_ns: u64) {
    NOW_NS.set(now_ns);
    CLOCK_READS.set((0, 0));
}

/// How far the wall clock is ahead, or behind.
pub(crate) fn set_wall_offset_ns(offset_ns: i64) {
    WALL_OFFSET_NS.set(offset_ns);
}
