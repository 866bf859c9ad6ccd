//! The engine: answers gates, waits for quiescence, moves time.
//!
//! **Quiescence.** When a step ends and some gate waits, or else when the first
//! gate after it waits, a *sentinel* task is woken, which so queues behind every
//! task that the step woke. When it is polled, everything that the step set off
//! has reached its gate, and the next task is picked. Only when nothing is
//! runnable does tokio park the thread; its hook then moves time.
//!
//! **Borrowing.** The core is never borrowed while code of the user's may run:
//! timers' wakers are woken, actors killed and values dropped after the borrow.
//!
//! Here is the engine with the decision at quiescence; in `contract` what gates ask of it, in
//! `time` how time moves, in `surroundings` what moves besides tasks, in `standstill` and
//! `leftovers` what is found out at the end, in `following` runs that follow a recording, in
//! `ungated` what happens outside gates, in `blocking` what a step does to its thread.

#[cfg(all(feature = "interpose", target_os = "linux"))]
mod blocking;
mod contract;
mod following;
mod leftovers;
mod standstill;
mod surroundings;
mod time;
mod ungated;

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use retake::engine::Engine as Contract;
use tokio::runtime::RuntimeMetrics;

use crate::core::{Core, Mode, Next as Pick};
use crate::deadlock::Findings;
use crate::ends::Ends;
use crate::environment::Environment;
use crate::injector::Injector;
use crate::interpose::heap::LibraryHeap;
use crate::name_conflict::hold_name;
use crate::outcome::Outcome;
use retake_traces::fault::Effect;
use retake_traces::time::nanos;
pub(crate) use standstill::Standstill;
use time::Anchor;

thread_local! {
    static CURRENT: RefCell<Option<Rc<Engine>>> = const { RefCell::new(None) };
}

/// The engine of the simulation on this thread.
pub(crate) fn current() -> Option<Rc<Engine>> {
    CURRENT.with_borrow(Clone::clone)
}

pub(crate) struct Engine {
    pub(crate) core: RefCell<Core>,
    environment: RefCell<Option<Box<dyn Environment>>>,
    injectors: RefCell<Vec<Box<dyn Injector>>>,
    /// The step that they were last asked before.
    injectors_asked: Cell<u64>,
    /// The number of steps when it acted last.
    environment_acted: Cell<u64>,
    /// The virtual time when it acted last.
    environment_instant: Cell<u64>,
    sentinel: RefCell<Option<Waker>>,
    sentinel_queued: Cell<bool>,
    /// Of the future that `block_on` polls.
    main: RefCell<Option<Waker>>,
    anchor: RefCell<Option<Anchor>>,
    /// Tokio's time at the start of the run.
    base: Cell<Option<tokio::time::Instant>>,
    /// Tokio's time may have moved since `Core::now_ns` was set.
    time_is_stale: Cell<bool>,
    metrics: RefCell<Option<RuntimeMetrics>>,
    ends: RefCell<Ends>,
    /// Tokio tasks alive that no gate guards, as last seen.
    ungated: Cell<usize>,
    idles_past_horizon: Cell<u32>,
    standstill: Standstill,
    pub(crate) findings: RefCell<Option<Findings>>,
}

/// Removes the engine from its thread.
pub(crate) struct OnThread {
    _facade: retake::engine::EngineGuard,
}

impl OnThread {
    pub(crate) fn install(engine: &Rc<Engine>) -> Self {
        let facade = retake::engine::install(Rc::clone(engine) as Rc<dyn Contract>);
        CURRENT.set(Some(Rc::clone(engine)));
        #[cfg(all(feature = "interpose", target_os = "linux"))]
        crate::interpose::ask(&blocking::ASKED);
        Self { _facade: facade }
    }
}

impl Drop for OnThread {
    fn drop(&mut self) {
        CURRENT.set(None);
    }
}

impl Engine {
    pub(crate) fn new(core: Core, standstill: Standstill) -> Self {
        Self {
            core: RefCell::new(core),
            environment: RefCell::new(None),
            injectors: RefCell::default(),
            injectors_asked: Cell::new(0),
            environment_acted: Cell::new(0),
            environment_instant: Cell::new(0),
            sentinel: RefCell::new(None),
            sentinel_queued: Cell::new(false),
            main: RefCell::new(None),
            anchor: RefCell::new(None),
            base: Cell::new(None),
            time_is_stale: Cell::new(false),
            metrics: RefCell::new(None),
            ends: RefCell::default(),
            ungated: Cell::new(0),
            idles_past_horizon: Cell::new(0),
            standstill,
            findings: RefCell::new(None),
        }
    }

    /// Called on the runtime, before the scenario is spawned.
    pub(crate) fn start(&self) {
        let _library = LibraryHeap::enter();
        self.base.set(Some(tokio::time::Instant::now()));
        self.metrics
            .replace(Some(tokio::runtime::Handle::current().metrics()));
    }

    /// Ready when the run has its outcome.
    pub(crate) fn wait_for_outcome(&self) -> impl Future<Output = ()> + '_ {
        std::future::poll_fn(|context| {
            if self.core.borrow().is_over() {
                return Poll::Ready(());
            }
            self.main.replace(Some(context.waker().clone()));
            Poll::Pending
        })
    }

    /// Let go of everything that holds on to the runtime or the user's values.
    pub(crate) fn release(&self) {
        self.sentinel.replace(None);
        self.main.replace(None);
        self.anchor.replace(None);
        self.metrics.replace(None);
        let waits = self.ends.borrow_mut().clear();
        drop(waits);
        let timers = self.core.borrow_mut().timers.clear();
        drop(timers);
    }

    fn finish_main(&self) {
        let main = self.main.borrow_mut().take();
        if let Some(main) = main {
            main.wake();
        }
    }

    fn finish(&self, outcome: Outcome) {
        self.core.borrow_mut().finish(outcome);
        self.finish_main();
    }

    /// Queue the sentinel behind every task that is queued now.
    #[inline]
    fn kick(&self) {
        if !self.sentinel_queued.get()
            && let Some(sentinel) = &*self.sentinel.borrow()
        {
            self.sentinel_queued.set(true);
            sentinel.wake_by_ref();
        }
    }

    fn poll_sentinel(&self, context: &Context<'_>) {
        self.sentinel_queued.set(false);
        if self.sentinel.borrow().is_none() {
            self.sentinel.replace(Some(context.waker().clone()));
        }
        if self.is_following() {
            return self.follow_on(false);
        }
        self.refresh_time();
        self.note_stray_panics();
        self.note_ends();
        if self.environment_is_due() && self.environment_acts() {
            return;
        }
        let next = {
            let mut core = self.core.borrow_mut();
            if core.mode.is_standstill() || core.has_grant() {
                // A granted task is queued and will wake the sentinel after its step.
                return;
            }
            if core.is_over() {
                Some(Pick::Finished)
            } else if core.is_timer_due() {
                drop(core);
                self.fire_due();
                return;
            } else if std::mem::take(&mut core.may_have_yielded) {
                // `tokio::task::yield_now` wakes its task when nothing is queued: it
                // is runnable like any other only then, or it would come last always.
                // Parking picks, if nobody had yielded.
                Some(Pick::Wait)
            } else if core.rounds > 0 {
                core.rounds -= 1;
                None
            } else {
                drop(core);
                Some(self.pick())
            }
        };
        self.act_on(next);
    }

    #[inline]
    fn act_on(&self, picked: Option<Pick>) {
        match picked {
            Some(Pick::Wait) => {}
            None => self.kick(),
            Some(Pick::Again) => {
                self.apply_effects();
                self.kick();
            }
            Some(Pick::Finished) => {
                self.apply_effects();
                self.finish_main();
            }
        }
    }

    /// Do what faults ask for.
    fn apply_effects(&self) {
        let (effects, wakes, names) = {
            let faults = &mut self.core.borrow_mut().faults;
            (
                std::mem::take(&mut faults.effects),
                std::mem::take(&mut faults.wakes),
                std::mem::take(&mut faults.free_names),
            )
        };
        for (actor, effect) in effects {
            match effect {
                Effect::Kill => actor.kill(),
                Effect::Stop => actor.stop(None),
                // One that is gone needs no draining.
                Effect::Drain => drop(actor.drain()),
                // No other effect is one on an actor from outside.
                _ => {}
            }
        }
        for waker in wakes {
            waker.wake();
        }
        for (name, until_ns) in names {
            let Some(base) = self.base.get() else { break };
            let until = base + Duration::from_nanos(until_ns);
            #[allow(
                clippy::disallowed_methods,
                reason = "a fault, which no gate is to guard"
            )]
            tokio::spawn(hold_name(name, until));
        }
    }

    /// Called by tokio when no task is queued.
    pub(crate) fn on_park(&self) {
        let _library = LibraryHeap::enter();
        if self.core.borrow().is_over() {
            return;
        }
        if self.is_following() {
            return self.follow_on(true);
        }
        self.refresh_time();
        self.note_stray_panics();
        self.note_ends();
        let picked = {
            let mut core = self.core.borrow_mut();
            match core.mode {
                Mode::Awaits(_) => {
                    drop(core);
                    return self.next_look();
                }
                Mode::Probe(_) => {
                    drop(core);
                    return self.next_victim();
                }
                Mode::Steps | Mode::Mailboxes(_) | Mode::States => {}
            }
            core.reclaim_grant();
            core.rounds = 0;
            core.may_have_yielded = false;
            if core.is_timer_due() {
                drop(core);
                self.fire_due();
                return;
            }
            let can_pick = !core.runnable.is_empty() && !core.is_paused();
            drop(core);
            can_pick.then(|| self.pick())
        };
        match picked {
            Some(picked) => self.act_on(Some(picked)),
            None => self.idle(),
        }
    }
}

/// Queued behind everything that a step woke, see the module documentation.
pub(crate) struct Sentinel;

impl Future for Sentinel {
    type Output = ();

    #[inline]
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let _library = LibraryHeap::enter();
        CURRENT.with_borrow(|engine| {
            if let Some(engine) = engine {
                engine.poll_sentinel(context);
            }
        });
        Poll::Pending
    }
}
