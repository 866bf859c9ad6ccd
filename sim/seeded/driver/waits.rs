//! What a task awaits, and where: what tokio's futures say of it when they are polled for a
//! [look](super::look).

use std::backtrace::Backtrace;
use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, Ordering};
use std::task::{Poll, RawWaker, RawWakerVTable, Waker};

use super::flags;
use super::kernel::{is_on, me, outside, with};
use super::state::{AwaitInfo, What};

/// What a thread awaits whose calls wait for something.
pub(super) const BLOCKED: &str = "something that blocks its thread";

/// Futures are polled to see what they await.
static LOOKS: AtomicBool = AtomicBool::new(false);
/// The waker of a look is kept next for something that is looked at by itself.
static KEEPS: AtomicBool = AtomicBool::new(false);

pub(super) fn set_looks() {
    LOOKS.store(true, Ordering::Relaxed);
}

/// Whether futures are polled to see what they await.
#[inline]
pub(crate) fn looks() -> bool {
    LOOKS.load(Ordering::Relaxed)
}

/// A future of tokio that may have to wait is polled for a look.
#[track_caller]
pub(super) fn leaf() {
    if let Some(kind) = of_file(Location::caller().file()) {
        found(kind, None);
    }
}

/// The future that is polled next waits for the end of this task.
#[inline]
pub(crate) fn joins(id: u64) {
    if looks() && me().is_some() {
        let of = with(|kernel| {
            let alive = kernel.entities.iter().zip(&kernel.abouts);
            let mut tasks = alive.filter(|(it, _)| matches!(it.what, What::Task { .. }));
            tasks.find(|(_, about)| about.id == id).map(|(it, _)| it.serial)
        });
        match of {
            Some(of) => found("the end of a task", Some(of)),
            None => found("the end of blocking work", None),
        }
    }
}

#[cold]
fn found(what: &str, of: Option<u32>) {
    if me().is_none() {
        return;
    }
    let trace = trace();
    with(|kernel| {
        kernel.found(AwaitInfo {
            what: what.to_owned(),
            place: users_place(&trace).unwrap_or_default(),
            of,
        });
    });
}

/// The calls that have led here, if they are wanted.
fn trace() -> String {
    match with(|kernel| kernel.settings.backtraces) {
        // It reads the program's file.
        true => outside(|| Backtrace::force_capture().to_string()),
        false => String::new(),
    }
}

/// This thread waits, and looks at its own calls.
pub(super) fn look_at_calls() {
    let trace = trace();
    if let Some(place) = users_place(&trace) {
        with(|kernel| {
            kernel.found(AwaitInfo {
                what: BLOCKED.to_owned(),
                place,
                of: None,
            });
        });
    }
}

/// What the futures of a file of tokio wait for.
fn of_file(file: &str) -> Option<&'static str> {
    const KINDS: &[(&str, &str)] = &[
        ("sync/mpsc/chan.rs", "a message of an mpsc channel"),
        ("sync/mpsc/bounded.rs", "room in an mpsc channel"),
        ("sync/mpsc/unbounded.rs", "the end of an mpsc channel"),
        ("sync/oneshot.rs", "a oneshot channel"),
        ("sync/broadcast.rs", "a message of a broadcast channel"),
        ("sync/watch.rs", "a change of a watch channel"),
        ("task/join_set.rs", "the end of a task of a JoinSet"),
        ("sync/barrier.rs", "a Barrier"),
        ("sync/notify.rs", "a Notify"),
        ("sync/mutex.rs", "a Mutex"),
        ("sync/rwlock.rs", "an RwLock"),
        ("sync/once_cell.rs", "a OnceCell"),
        ("sync/set_once.rs", "a SetOnce"),
        ("sync/semaphore.rs", "a Semaphore"),
        ("sync/batch_semaphore.rs", "a Semaphore"),
        ("time/sleep.rs", "a timer"),
        ("io/registration.rs", "a socket, a pipe or a signal"),
        ("io/scheduled_io.rs", "a socket, a pipe or a signal"),
        ("io/util/mem.rs", "the other end of a pipe"),
        ("fs/file.rs", "an operation on a file"),
    ];
    let file = file.replace('\\', "/");
    let of_it = KINDS.iter().find(|(end, _)| file.ends_with(end));
    of_it.map(|(_, kind)| *kind)
}

/// The part of a primitive that knows of what it is a part, and who has it.
#[derive(Debug)]
pub(crate) struct Use {
    /// Where in tokio something began to wait for it last.
    place: AtomicPtr<Location<'static>>,
    /// The number of the task that was the last one to acquire it, plus 1; 0 for none.
    holder: AtomicU32,
}

impl Use {
    pub(crate) const fn new() -> Self {
        Self {
            place: AtomicPtr::new(std::ptr::null_mut()),
            holder: AtomicU32::new(0),
        }
    }

    /// The caller may have to wait for it.
    #[inline]
    #[track_caller]
    pub(crate) fn begins(&self) {
        let place: *const Location<'static> = Location::caller();
        self.place.store(place.cast_mut(), Ordering::Relaxed);
    }

    /// A task has tried to acquire it.
    #[inline]
    pub(crate) fn polled<E>(&self, result: Poll<Result<(), E>>) -> Poll<Result<(), E>> {
        match &result {
            Poll::Ready(Ok(())) => self.acquired(),
            Poll::Pending if looks() => self.waits(),
            _ => {}
        }
        result
    }

    /// What runs now has acquired it.
    #[inline]
    pub(crate) fn acquired(&self) {
        if is_on() {
            let current = flags::current();
            self.holder.store(current.wrapping_add(1), Ordering::Relaxed);
        }
    }

    /// It is free again, or a part of it is.
    #[inline]
    pub(crate) fn released(&self) {
        self.holder.store(0, Ordering::Relaxed);
    }

    /// The future that was polled last waits for this.
    #[cold]
    pub(crate) fn waits(&self) {
        if !looks() || me().is_none() {
            return;
        }
        // SAFETY: it is null or one that lives for ever.
        let place = unsafe { self.place.load(Ordering::Relaxed).as_ref() };
        let kind = place.and_then(|place| of_file(place.file()));
        let of = self.holder.load(Ordering::Relaxed).checked_sub(1);
        with(|kernel| {
            kernel.found_more(|it| {
                if let Some(kind) = kind {
                    it.what = kind.to_owned();
                }
                it.of = of.filter(|_| kind == Some("a Mutex") || kind == Some("an RwLock"));
            });
        });
    }
}

/// The waker with which a future is polled: in a look, one that sees when it is kept.
#[inline]
pub(crate) fn look_waker(waker: &Waker) -> &Waker {
    match looks() {
        true => watched(waker),
        false => waker,
    }
}

/// For futures of others than tokio. It is never freed: the process ends soon.
#[cold]
fn watched(waker: &Waker) -> &'static Waker {
    let data: *const Waker = Arc::into_raw(Arc::new(waker.clone()));
    // SAFETY: the functions of the table keep what `RawWakerVTable` asks for: the data is a
    // waker that is never freed, and that any thread may use.
    let watched = unsafe { Waker::from_raw(RawWaker::new(data.cast(), &TABLE)) };
    Box::leak(Box::new(watched))
}

/// What is polled keeps its waker next, for others to use.
pub(super) fn keeps_waker() {
    KEEPS.store(looks(), Ordering::Relaxed);
}

static TABLE: RawWakerVTable = RawWakerVTable::new(clone, wake_kept, wake_kept, |_| {});

unsafe fn clone(data: *const ()) -> RawWaker {
    if !KEEPS.swap(false, Ordering::Relaxed) && me().is_some() {
        let is_known = with(|kernel| kernel.has_found());
        if !is_known {
            found("something", None);
        }
    }
    RawWaker::new(data, &TABLE)
}

unsafe fn wake_kept(data: *const ()) {
    // SAFETY: the data is a waker that is never freed.
    unsafe { (*data.cast::<Waker>()).wake_by_ref() };
}

/// Have tokio poll this task again.
///
/// # Safety
/// The address is that of the header of a task that has not been freed.
pub(super) unsafe fn wake(header: usize) {
    #[cfg(feature = "rt")]
    // SAFETY: as the caller promises.
    unsafe {
        crate::runtime::task::retake_wake(header);
    }
}

/// Have tokio cancel this task, as its handle does.
///
/// # Safety
/// The address is that of the header of a task that has not been freed.
pub(super) unsafe fn cancel(header: usize) {
    #[cfg(feature = "rt")]
    // SAFETY: as the caller promises.
    unsafe {
        crate::runtime::task::retake_cancel(header);
    }
}

/// The innermost call of a backtrace whose source is of no library, or else of a library
/// other than tokio and the standard library.
fn users_place(trace: &str) -> Option<String> {
    let mut function = "";
    let mut of_library = None;
    for line in trace.lines() {
        let line = line.trim();
        let Some(place) = line.strip_prefix("at ") else {
            if let Some((_, name)) = line.split_once(": ") {
                function = name;
            }
            continue;
        };
        let place = place.replace('\\', "/");
        // The harness of tests has its calls at no place.
        if !place.contains(".rs:") || place.ends_with(":1:0") || is_around(function, &place) {
            continue;
        }
        let place = place.strip_prefix("./").unwrap_or(&place).to_owned();
        match library_place(&place) {
            None => return Some(place),
            Some(place) => of_library = of_library.or(Some(place)),
        }
    }
    of_library
}

/// Whether a call is one of tokio or the standard library.
fn is_around(function: &str, place: &str) -> bool {
    let copy = file!().replace('\\', "/");
    let copy = copy.rsplit_once("src/retake/").map_or("", |(folder, _)| folder);
    let is_of_copy = copy.starts_with('/') && place.starts_with(copy);
    let function = function.trim_start_matches('<');
    const LIBRARIES: [&str; 4] = ["tokio::", "core::", "std::", "alloc::"];
    is_of_copy
        || place.starts_with("src/retake/")
        || place.starts_with("./src/retake/")
        || place.contains("/rustc/")
        || place.contains("/rustlib/")
        || place.contains("/retake/tokio-1.")
        || LIBRARIES.iter().any(|it| function.starts_with(it))
}

/// A place in a package of a registry or in another repository, without what only this machine has.
fn library_place(place: &str) -> Option<String> {
    let after = |mark: &str| {
        let (_, rest) = place.split_once(mark)?;
        rest.split_once('/').map(|(_, rest)| rest.to_owned())
    };
    after("/registry/src/").or_else(|| after("/git/checkouts/"))
}
