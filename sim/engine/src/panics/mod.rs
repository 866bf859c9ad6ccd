//! Where code panics: the process's panic hook, as far as it concerns simulations.
//!
//! Only a panic hook is shown the place of a panic. The one installed here keeps it for the
//! simulation on its thread, and then calls the hook that was there before. A program may
//! replace it: a run that begins while no other does puts it back on top.

mod calls;

use std::cell::{Cell, RefCell};
use std::panic::{Location, PanicHookInfo};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::interpose::heap::LibraryHeap;
use crate::place::Place;
pub(crate) use calls::awaited;
use calls::short_path;
pub use calls::user_calls;

/// Panics of one step that are kept.
const SEEN_MAX: usize = 32;
/// Frames that are kept of one.
const FRAMES_MAX: usize = 8;

type Hook = Box<dyn Fn(&PanicHookInfo<'_>) + Sync + Send + 'static>;

/// One panic, as the hook was shown it.
#[derive(Clone, Debug)]
pub(crate) struct SeenPanic {
    pub(crate) message: String,
    pub(crate) place: Option<Place>,
    /// Frames of the user's code, if `RUST_BACKTRACE` asks for them. They depend on it, so
    /// they are no part of a trace.
    pub(crate) frames: Vec<String>,
}

thread_local! {
    /// Panics on this thread, while a simulation runs on it.
    static SEEN: RefCell<Option<Vec<SeenPanic>>> = const { RefCell::new(None) };
    /// Whether the calls that lead to them are kept.
    static LISTS_CALLS: Cell<bool> = const { Cell::new(false) };
    /// Whether there is one: read after every step.
    static ANY: Cell<bool> = const { Cell::new(false) };
    /// The hook runs: one that is called by another of ours sees the same panic.
    static IN_HOOK: Cell<bool> = const { Cell::new(false) };
}

static IS_QUIET: AtomicBool = AtomicBool::new(false);
static HOOKS: Mutex<Hooks> = Mutex::new(Hooks {
    running: 0,
    installed: Vec::new(),
    last: 0,
});

/// Which hooks are of this module.
struct Hooks {
    /// Simulations that run.
    running: usize,
    /// The number of each, and the address of its closure.
    installed: Vec<(u64, usize)>,
    last: u64,
}

fn hooks() -> MutexGuard<'static, Hooks> {
    HOOKS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Do not print panics inside simulations from now on: they are part of the outcome, and
/// thousands of them help nobody.
pub fn quiet() {
    IS_QUIET.store(true, Ordering::Relaxed);
}

/// Watches the panics of this thread until it is dropped.
pub(crate) struct Watch(());

impl Watch {
    /// `lists_calls` if `RUST_BACKTRACE` may ask for the calls that lead to a panic.
    pub(crate) fn start(lists_calls: bool) -> Self {
        LISTS_CALLS.set(lists_calls && wants_calls());
        SEEN.set(Some(Vec::new()));
        ANY.set(false);
        let mut hooks = hooks();
        // While another simulation runs, its panic could meet the moment without a hook.
        if hooks.running == 0 {
            hooks.install();
        }
        hooks.running += 1;
        Self(())
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        SEEN.set(None);
        ANY.set(false);
        hooks().running -= 1;
    }
}

/// True if there are panics that nobody has taken.
#[inline]
pub(crate) fn any() -> bool {
    ANY.get()
}

/// The panics since the last call.
pub(crate) fn take() -> Vec<SeenPanic> {
    ANY.set(false);
    SEEN.with_borrow_mut(|seen| seen.as_mut().map(std::mem::take))
        .unwrap_or_default()
}

/// Forget the last panic: no code of the run saw it.
pub(crate) fn ignore_last() {
    let is_empty = SEEN.with_borrow_mut(|seen| {
        let Some(seen) = seen else { return true };
        seen.pop();
        seen.is_empty()
    });
    ANY.set(!is_empty);
}

/// A panic was not shown to the hook: somebody has replaced it.
pub(crate) fn missed() {
    hooks().install();
}

/// Taken off the list of hooks when its closure is dropped.
struct HookEntry(u64);

impl Drop for HookEntry {
    fn drop(&mut self) {
        hooks().installed.retain(|(number, _)| *number != self.0);
    }
}

fn address(hook: &Hook) -> usize {
    (&raw const **hook).cast::<()>().addr()
}

impl Hooks {
    /// Put a hook on top of those that are there, unless one of ours is.
    fn install(&mut self) {
        if std::thread::panicking() {
            // Hooks cannot be replaced then.
            return;
        }
        let present = std::panic::take_hook();
        let is_ours = self
            .installed
            .iter()
            .any(|(_, installed)| *installed == address(&present));
        if is_ours {
            return std::panic::set_hook(present);
        }
        self.last += 1;
        let installed = HookEntry(self.last);
        let hook: Hook = Box::new(move |panic| {
            let _ = &installed;
            if IN_HOOK.replace(true) {
                return present(panic);
            }
            let is_simulated = see(panic);
            if !(is_simulated && IS_QUIET.load(Ordering::Relaxed)) {
                present(panic);
            }
            IN_HOOK.set(false);
        });
        self.installed.push((self.last, address(&hook)));
        std::panic::set_hook(hook);
    }
}

/// Keep what the simulation on this thread, if there is one, has to know. True if there is.
fn see(panic: &PanicHookInfo<'_>) -> bool {
    let _library = LibraryHeap::enter();
    let watched = SEEN.try_with(|seen| {
        let mut seen = seen.try_borrow_mut().ok()?;
        let seen = seen.as_mut()?;
        if seen.len() < SEEN_MAX {
            seen.push(SeenPanic {
                message: message(panic),
                place: panic.location().map(place),
                frames: frames(),
            });
        }
        ANY.set(true);
        Some(())
    });
    matches!(watched, Ok(Some(())))
}

/// A place in the sources, as it is shown.
pub(crate) fn place(location: &Location<'_>) -> Place {
    Place {
        file: short_path(location.file()),
        line: location.line(),
        column: location.column(),
    }
}

fn message(panic: &PanicHookInfo<'_>) -> String {
    let payload = panic.payload();
    let text = payload.downcast_ref::<String>().cloned();
    text.or_else(|| payload.downcast_ref::<&str>().map(ToString::to_string))
        .unwrap_or_else(|| "a panic whose payload is not text".to_owned())
}

/// Whether the run on this thread lists calls.
pub(crate) fn lists_calls() -> bool {
    LISTS_CALLS.get()
}

/// Whether `RUST_BACKTRACE` asks for the calls that led to a panic.
#[must_use]
pub fn wants_calls() -> bool {
    std::env::var_os("RUST_BACKTRACE").is_some_and(|value| value != "0")
}

/// Calls of the user's code on the stack, innermost first, if asked for.
fn frames() -> Vec<String> {
    if !lists_calls() {
        return Vec::new();
    }
    // It reads the program's file.
    crate::interpose::outside(|| {
        user_calls(&std::backtrace::Backtrace::force_capture().to_string())
    })
}
