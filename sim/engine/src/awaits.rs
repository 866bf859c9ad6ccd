//! What suspended code awaits.
//!
//! tokio does not say it. But a future that has to wait keeps the waker of its context, and so
//! clones it. At a standstill the code of each task is polled once more, with a waker that looks
//! at the stack when it is cloned: the calls lead from the code of the task to what it awaits.
//!
//! It costs a backtrace for each task and depends on debug information, so it is done only if
//! `RUST_BACKTRACE` asks for it, and what is found is no part of a trace.

use std::backtrace::Backtrace;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{RawWaker, RawWakerVTable, Waker};

use crate::view::View;

/// Tasks that are looked at.
const TASKS_MAX: usize = 32;
/// What one task awaits at one time, by `select!` for example, that is named.
const NAMED_MAX: usize = 4;

/// What was seen of one task.
type AwaitTexts = Arc<Mutex<Vec<String>>>;

/// The tasks that are looked at, one after the other.
#[derive(Debug)]
pub(crate) struct Look {
    /// The slots of those to come, the last one first.
    left: Vec<u32>,
    /// The one that is to be polled, with what is seen of it.
    now: Option<u32>,
    label: String,
    seen: AwaitTexts,
    found: Vec<String>,
}

impl Look {
    /// Look at every task that waits.
    pub(crate) fn new(view: &View<'_>) -> Self {
        let waiting = view.tasks.iter().filter(|(_, task)| task.suspended);
        let mut left: Vec<u32> = waiting.map(|(slot, _)| slot).take(TASKS_MAX).collect();
        left.reverse();
        Self {
            left,
            now: None,
            label: String::new(),
            seen: AwaitTexts::default(),
            found: Vec::new(),
        }
    }

    /// Whether the gate of this task is to let its code be polled, now and not again.
    pub(crate) fn is_turn(&mut self, slot: u32) -> bool {
        self.now.take_if(|now| *now == slot).is_some()
    }

    /// A waker for the task that is polled now.
    pub(crate) fn waker(&self, waker: &Waker) -> Waker {
        let watching = Arc::new(StackWaker {
            waker: waker.clone(),
            seen: Arc::clone(&self.seen),
        });
        let waker = RawWaker::new(Arc::into_raw(watching).cast(), &VTABLE);
        // SAFETY: the functions of the table keep what `RawWakerVTable` asks for: the data is
        // a pointer of `Arc::into_raw`, each clone counts as one more, and what it points to
        // may be used by any thread.
        #[allow(unsafe_code)]
        unsafe {
            Waker::from_raw(waker)
        }
    }

    /// What was found of all, one line each.
    pub(crate) fn found(self) -> Vec<String> {
        self.found
    }

    /// Note what was seen of the last task; gives the waker of the next one.
    pub(crate) fn next(&mut self, view: &View<'_>) -> Option<Waker> {
        self.note();
        while let Some(slot) = self.left.pop() {
            if let Some(task) = view.tasks.get(slot)
                && task.waker.is_some()
            {
                self.label = view.label(task);
                self.now = Some(slot);
                return task.waker.clone();
            }
        }
        None
    }

    fn note(&mut self) {
        let seen = std::mem::take(&mut *lock(&self.seen));
        let label = &self.label;
        let lines = seen
            .into_iter()
            .map(|awaited| format!("{label} awaits {awaited}"));
        self.found.extend(lines);
    }
}

/// Looks at the stack when it is cloned.
struct StackWaker {
    waker: Waker,
    seen: AwaitTexts,
}

fn lock(seen: &AwaitTexts) -> std::sync::MutexGuard<'_, Vec<String>> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

impl StackWaker {
    fn see(&self) {
        if lock(&self.seen).len() >= NAMED_MAX {
            return;
        }
        // It reads the program's file.
        let trace = crate::interpose::outside(|| Backtrace::force_capture().to_string());
        let mut seen = lock(&self.seen);
        if let Some(awaited) = crate::panics::awaited(&trace).filter(|it| !seen.contains(it)) {
            seen.push(awaited);
        }
    }
}

#[allow(unsafe_code)]
mod table {
    use super::{Arc, RawWaker, RawWakerVTable, StackWaker};

    pub(super) static VTABLE: RawWakerVTable =
        RawWakerVTable::new(clone, wake, wake_by_ref, forget);

    unsafe fn clone(data: *const ()) -> RawWaker {
        let watching = data.cast::<StackWaker>();
        // SAFETY: by the caller `data` is that of a waker which is alive, so it is from
        // `Arc::into_raw`, and its count is at least one.
        unsafe {
            Arc::increment_strong_count(watching);
            (*watching).see();
        }
        RawWaker::new(data, &VTABLE)
    }

    unsafe fn wake(data: *const ()) {
        // SAFETY: as above; the caller gives its count away.
        let watching = unsafe { Arc::from_raw(data.cast::<StackWaker>()) };
        watching.waker.wake_by_ref();
    }

    unsafe fn wake_by_ref(data: *const ()) {
        // SAFETY: as above; the caller keeps its count.
        unsafe { (*data.cast::<StackWaker>()).waker.wake_by_ref() };
    }

    unsafe fn forget(data: *const ()) {
        // SAFETY: as above; the caller gives its count away.
        drop(unsafe { Arc::from_raw(data.cast::<StackWaker>()) });
    }
}

use table::VTABLE;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_waker_wakes_the_one_that_it_stands_for_and_lets_it_go() {
        struct Count(std::sync::atomic::AtomicU32);
        impl std::task::Wake for Count {
            fn wake(self: Arc<Self>) {
                self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            }
        }
        let count = Arc::new(Count(0.into()));
        let look = Look {
            left: Vec::new(),
            now: None,
            label: "a".to_owned(),
            seen: AwaitTexts::default(),
            found: Vec::new(),
        };
        let waker = look.waker(&Waker::from(Arc::clone(&count)));
        let other = waker.clone();
        waker.wake_by_ref();
        waker.wake();
        other.wake_by_ref();
        drop(other);
        assert_eq!(count.0.load(std::sync::atomic::Ordering::Relaxed), 3);
        assert_eq!(Arc::strong_count(&count), 1);
    }
}
