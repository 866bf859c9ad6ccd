//! Who is asked: the engine of a thread, or the recorder, or the simulation of the whole process.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use super::contract::Engine;
use super::whole_program::{self, WholeProgram};

thread_local! {
    static ENGINE: RefCell<Option<Rc<dyn Engine>>> = const { RefCell::new(None) };
}

/// Uninstalls the engine when dropped.
#[derive(Debug)]
#[must_use = "dropping the guard uninstalls the engine"]
pub struct EngineGuard(std::marker::PhantomData<Rc<()>>);

/// Install an engine for the current thread.
///
/// # Panics
/// If an engine is installed on this thread already: simulations do not nest.
pub fn install(engine: Rc<dyn Engine>) -> EngineGuard {
    ENGINE.with_borrow_mut(|slot| {
        assert!(
            slot.is_none(),
            "a simulation is already running on this thread"
        );
        *slot = Some(engine);
    });
    EngineGuard(std::marker::PhantomData)
}

impl Drop for EngineGuard {
    fn drop(&mut self) {
        // The engine may own user values whose drop asks for it: let go of the borrow first.
        let engine = ENGINE.with_borrow_mut(Option::take);
        drop(engine);
    }
}

/// The engine of this thread, or what is asked without one, while it is asked: what it does until
/// this is dropped is its own work. Without the type of the question, which is compiled often.
enum EngineInUse {
    Engine(Rc<dyn Engine>, u8),
    Recorder(Recorder),
    WholeProgram,
}

impl EngineInUse {
    /// The engine of this thread, if there is one.
    #[inline]
    fn engine() -> Option<Self> {
        ENGINE.try_with(Self::installed).ok()?
    }

    /// The engine of this thread, or else what threads without one ask; none of a thread that
    /// has ended.
    #[inline]
    fn any() -> Option<Self> {
        match ENGINE.try_with(Self::installed).ok()? {
            None if WITHOUT_ENGINE.load(Ordering::Relaxed) != NOTHING => Self::without_engine(),
            engine => engine,
        }
    }

    /// The engine of this thread, or else the simulation of the whole process.
    #[inline]
    fn simulation() -> Option<Self> {
        Self::any().filter(|asked| !matches!(asked, Self::Recorder(_)))
    }

    #[cold]
    fn without_engine() -> Option<Self> {
        match WITHOUT_ENGINE.load(Ordering::SeqCst) {
            NOTHING => None,
            RECORDER => Self::recorder(),
            WHOLE_PROGRAM => Some(Self::WholeProgram),
            _ => {
                let found = match whole_program::is_on() {
                    true => WHOLE_PROGRAM,
                    false => NOTHING,
                };
                // A recorder may have been installed meanwhile.
                let order = Ordering::SeqCst;
                let _ = WITHOUT_ENGINE.compare_exchange(UNKNOWN, found, order, order);
                Self::without_engine()
            }
        }
    }

    #[inline]
    fn installed(slot: &RefCell<Option<Rc<dyn Engine>>>) -> Option<Self> {
        let engine = slot.borrow().clone()?;
        let entered = engine.enter();
        Some(Self::Engine(engine, entered))
    }

    #[cold]
    fn recorder() -> Option<Self> {
        let recorder = INSTALLED.read().unwrap_or_else(PoisonError::into_inner);
        recorder.clone().map(Self::Recorder)
    }

    #[inline]
    fn get(&self) -> &(dyn Engine + 'static) {
        match self {
            Self::Engine(engine, _) => &**engine,
            Self::Recorder(recorder) => &**recorder,
            Self::WholeProgram => &WholeProgram,
        }
    }
}

impl Drop for EngineInUse {
    #[inline]
    fn drop(&mut self) {
        if let Self::Engine(engine, entered) = self {
            engine.leave(*entered);
        }
    }
}

/// Ask the engine of this thread, if there is one.
#[inline]
pub fn with<R>(ask: impl FnOnce(&(dyn Engine + 'static)) -> R) -> Option<R> {
    let asked = EngineInUse::engine()?;
    Some(ask(asked.get()))
}

/// Ask the engine of this thread, or else the simulation of the whole process, if there is either.
#[inline]
pub fn simulating<R>(ask: impl FnOnce(&(dyn Engine + 'static)) -> R) -> Option<R> {
    let asked = EngineInUse::simulation()?;
    Some(ask(asked.get()))
}

/// An engine that records a live process: asked by all threads without a simulation.
pub type Recorder = Arc<dyn Engine + Send + Sync>;

/// What threads without an engine ask. Where it is nothing, reading this is the whole cost of a
/// gate.
static WITHOUT_ENGINE: AtomicU8 = AtomicU8::new(UNKNOWN);
/// It is found out by the first question.
const UNKNOWN: u8 = 0;
const NOTHING: u8 = 1;
const RECORDER: u8 = 2;
/// The process is simulated as a whole.
const WHOLE_PROGRAM: u8 = 3;
static INSTALLED: RwLock<Option<Recorder>> = RwLock::new(None);

/// Take a recorder in for the whole process; false if there is one already.
#[must_use]
pub fn install_recorder(recorder: Recorder) -> bool {
    let mut slot = INSTALLED.write().unwrap_or_else(PoisonError::into_inner);
    if slot.is_some() {
        return false;
    }
    *slot = Some(recorder);
    WITHOUT_ENGINE.store(RECORDER, Ordering::SeqCst);
    true
}

/// Let the recorder go.
pub fn uninstall_recorder() {
    WITHOUT_ENGINE.store(UNKNOWN, Ordering::SeqCst);
    let mut slot = INSTALLED.write().unwrap_or_else(PoisonError::into_inner);
    let recorder = slot.take();
    drop(slot);
    drop(recorder);
}

/// Ask the engine of this thread, or else the recorder or the simulation of the whole process, if
/// there is one of them.
#[inline]
pub fn gating<R>(ask: impl FnOnce(&(dyn Engine + 'static)) -> R) -> Option<R> {
    let asked = EngineInUse::any()?;
    Some(ask(asked.get()))
}

/// Ask the recorder, where no simulation runs.
#[inline]
pub fn recording<R>(ask: impl FnOnce(&(dyn Engine + 'static)) -> R) -> Option<R> {
    if WITHOUT_ENGINE.load(Ordering::Relaxed) != RECORDER || EngineInUse::engine().is_some() {
        return None;
    }
    let asked = EngineInUse::recorder()?;
    Some(ask(asked.get()))
}
