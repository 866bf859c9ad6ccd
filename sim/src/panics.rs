//! Where code panics: the process's panic hook, as far as it concerns simulations.
//!
//! Only a panic hook is shown the place of a panic. The one installed here keeps it for the
//! simulation on its thread, and then calls the hook that was there before. A program may
//! replace it: a run that begins while no other does puts it back on top.

use std::cell::{Cell, RefCell};
use std::panic::{Location, PanicHookInfo};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::outcome::Place;

/// Panics of one step that are kept.
const SEEN_MAX: usize = 32;
/// Frames that are kept of one.
const FRAMES_MAX: usize = 8;

type Hook = Box<dyn Fn(&PanicHookInfo<'_>) + Sync + Send + 'static>;

/// One panic, as the hook was shown it.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) message: String,
    pub(crate) place: Option<Place>,
    /// Frames of the user's code, if `RUST_BACKTRACE` asks for them. They depend on it, so
    /// they are no part of a trace.
    pub(crate) frames: Vec<String>,
}

thread_local! {
    /// Panics on this thread, while a simulation runs on it.
    static SEEN: RefCell<Option<Vec<Seen>>> = const { RefCell::new(None) };
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
    pub(crate) fn start() -> Self {
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
pub(crate) fn take() -> Vec<Seen> {
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
struct Installed(u64);

impl Drop for Installed {
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
        let installed = Installed(self.last);
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
    let watched = SEEN.try_with(|seen| {
        let mut seen = seen.try_borrow_mut().ok()?;
        let seen = seen.as_mut()?;
        if seen.len() < SEEN_MAX {
            seen.push(Seen {
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

/// Calls of the user's code on the stack, innermost first, if asked for.
fn frames() -> Vec<String> {
    let asked = std::env::var_os("RUST_BACKTRACE").is_some_and(|value| value != "0");
    if !asked {
        return Vec::new();
    }
    // It reads the program's file.
    crate::interpose::outside(|| {
        user_frames(&std::backtrace::Backtrace::force_capture().to_string())
    })
}

/// Of a backtrace as text, the frames whose source is neither a dependency's nor the
/// standard library's.
fn user_frames(backtrace: &str) -> Vec<String> {
    let mut frames = Vec::new();
    let mut function = "";
    for line in backtrace.lines() {
        let line = line.trim();
        if let Some(place) = line.strip_prefix("at ") {
            let place = place.strip_prefix("./").unwrap_or(place);
            let path = place.split(':').next().unwrap_or(place);
            let is_users =
                !place.starts_with('/') && !place.starts_with('<') || short_path(path) == path;
            if is_users && !is_own(function) {
                frames.push(format!("{function} at {place}"));
            }
        } else if let Some((_, name)) = line.split_once(": ") {
            function = name;
        }
    }
    frames.truncate(FRAMES_MAX);
    frames
}

/// Of the simulator, whose calls are around every step.
fn is_own(function: &str) -> bool {
    let function = function.trim_start_matches('<');
    ["retake_sim::", "retake::gate::", "retake::checks::"]
        .iter()
        .any(|module| function.starts_with(module))
}

/// A path without what only this machine has: where the standard library, the packages of
/// a registry and checkouts of other repositories are kept.
fn short_path(path: &str) -> String {
    let plain = path.replace('\\', "/");
    let after = |mark: &str, skip: usize| {
        let (_, rest) = plain.split_once(mark)?;
        rest.splitn(skip + 1, '/').nth(skip).map(str::to_owned)
    };
    let kept = after("/registry/src/", 1)
        .or_else(|| of_checkout(&plain))
        .or_else(|| after("/rustc/", 1))
        .or_else(|| {
            let (_, rest) = plain.split_once("/lib/rustlib/src/rust/")?;
            Some(rest.to_owned())
        });
    match kept {
        Some(kept) => kept,
        None if plain.starts_with('/') || plain.get(1..3) == Some(":/") => of_package(&plain),
        None => plain,
    }
}

/// Of a path in a checkout of another repository: its name, without the hash, and the rest.
fn of_checkout(path: &str) -> Option<String> {
    let (_, rest) = path.split_once("/git/checkouts/")?;
    let mut parts = rest.splitn(3, '/');
    let name = parts.next()?;
    let (name, _) = name.rsplit_once('-').unwrap_or((name, ""));
    let _revision = parts.next()?;
    Some(format!("{name}/{}", parts.next()?))
}

/// Of an absolute path, what begins with the folder of its package.
fn of_package(path: &str) -> String {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let folder = parts
        .iter()
        .rposition(|part| ["src", "tests", "examples", "benches"].contains(part));
    let from = match folder {
        Some(folder) => folder.saturating_sub(1),
        None => parts.len().saturating_sub(2),
    };
    parts[from..].join("/")
}

#[cfg(test)]
mod tests {
    use super::{short_path, user_frames};

    #[test]
    fn a_path_has_nothing_of_the_machine() {
        for (path, short) in [
            ("src/bank.rs", "src/bank.rs"),
            ("sim/tests/outcomes.rs", "sim/tests/outcomes.rs"),
            (
                "/home/me/.cargo/registry/src/index.example-6f17d22bba15001f/bytes-1.2.3/src/buf.rs",
                "bytes-1.2.3/src/buf.rs",
            ),
            (
                "/home/me/.cargo/git/checkouts/bytes-0123abcd/9f8e7d6/src/buf.rs",
                "bytes/src/buf.rs",
            ),
            (
                "/rustc/0123456789abcdef/library/core/src/cell.rs",
                "library/core/src/cell.rs",
            ),
            (
                "/home/me/.rustup/toolchains/stable/lib/rustlib/src/rust/library/alloc/src/vec.rs",
                "library/alloc/src/vec.rs",
            ),
            (
                "/home/me/work/bank/src/rules/age.rs",
                "bank/src/rules/age.rs",
            ),
            ("C:\\work\\bank\\src\\main.rs", "bank/src/main.rs"),
        ] {
            assert_eq!(short_path(path), short);
        }
    }

    #[test]
    fn frames_are_the_users() {
        let backtrace = "   0: rust_begin_unwind\n             at /rustc/0123/library/std/src/panicking.rs:5:5\n   \
             1: bank::withdraw\n             at ./src/bank.rs:42:10\n   \
             2: retake::gate::poll_gated\n             at ./sim/gate/src/gate.rs:9:9\n   \
             3: tokio::runtime::run\n             at /home/me/.cargo/registry/src/x/tokio-1.2.3/src/run.rs:1:1\n   \
             4: bank::main\n             at ./src/main.rs:7:5\n";
        assert_eq!(
            user_frames(backtrace),
            [
                "bank::withdraw at src/bank.rs:42:10",
                "bank::main at src/main.rs:7:5"
            ]
        );
    }
}
