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

#[cfg(all(feature = "interpose", target_os = "linux"))]
mod blocking;

use std::any::Any;
use std::cell::{Cell, RefCell, RefMut};
use std::fmt::Display;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use ractor::{ActorCell, ActorStatus, SupervisionEvent};
use rand_core::Rng;
use retake::engine::{Engine as Contract, Outside, StepEnd, TaskId, Ticket, TimerId, Turn, Wants};
use retake_traces::record::{TaskKind, Unhandled};
use tokio::runtime::RuntimeMetrics;
use tokio::task::AbortHandle;

use crate::awaits::Look;
use crate::core::{Core, Left, Next as Pick};
use crate::deadlock::{Findings, Probe};
use crate::ends::Ends;
use crate::environment::Environment;
use crate::follow::Next;
use crate::identity::scope;
use crate::outcome::Outcome;
use crate::squat::squat;
use crate::strikes::Blow;
use crate::task::Spawned;
use crate::timers::Action;

#[cfg(all(feature = "interpose", target_os = "linux"))]
pub(crate) use blocking::starts_thread;
#[cfg(all(feature = "interpose", target_os = "linux"))]
pub(crate) use blocking::{block, steps_taken};

const NS_PER_MS: u64 = 1_000_000;
/// Where time is sent when no timer of the simulation's own is pending: beyond
/// every horizon, within what tokio's timer wheel holds.
const FAR_NS: u64 = 2 * crate::sim::HORIZON_MAX.as_nanos() as u64;
/// On the way there tokio stops where its timer wheel's coarser slots begin, a few
/// times. More stops are the work of tasks that no gate guards and that wait for
/// tokio's timers without end.
const IDLES_PAST_HORIZON: u32 = 1_000;

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

/// What is done when nothing can run any more.
#[derive(Clone, Debug, Default)]
pub(crate) enum Standstill {
    /// Find out who waits for whom, by killing actors.
    #[default]
    Probe,
    /// The same, in the opposite order: who was killed before it could be seen to wait for
    /// another is killed after that.
    ProbeReversed,
    /// Leave the actors as they are.
    Leave,
}

struct Anchor {
    sleep: Pin<Box<tokio::time::Sleep>>,
    at_ns: u64,
}

/// Removes the engine from its thread.
pub(crate) struct OnThread {
    _facade: retake::engine::Installed,
}

impl OnThread {
    pub(crate) fn install(engine: &Rc<Engine>) -> Self {
        let facade = retake::engine::install(Rc::clone(engine) as Rc<dyn Contract>);
        CURRENT.set(Some(Rc::clone(engine)));
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

    /// Learn what is left in mailboxes, now that the run is over.
    ///
    /// Each callback that has begun or is about to ends as it stands, like one whose message
    /// a fault loses, so that ractor takes the next message. None of the user's code runs,
    /// but that which drops what is left, and none of this is recorded.
    pub(crate) async fn look_at_mailboxes(&self) -> Vec<Unhandled> {
        let actors = {
            let mut core = self.core.borrow_mut();
            core.sealed = true;
            core.left = Some(Left::default());
            core.wakers()
        };
        actors.into_iter().for_each(Waker::wake);
        let mut seen = None;
        loop {
            // All tasks that are queued, and those that they wake, come before.
            for _ in 0..2 {
                tokio::task::yield_now().await;
            }
            let ended = self.core.borrow().left.as_ref().map(|left| left.ended);
            if ended == seen {
                break;
            }
            seen = ended;
        }
        let mut core = self.core.borrow_mut();
        core.sealed = false;
        let mut messages = core.left.take().unwrap_or_default().messages;
        messages.sort_by_key(|message| message.task);
        messages
    }

    /// Learn the states of actors that wait for a message, now that the run is over.
    ///
    /// They are asked to stop, and ractor calls their `post_stop` with the state. No gate
    /// opens any more, so nothing of theirs runs, and none of it is recorded.
    pub(crate) async fn look_at_states(&self) {
        let (idle, stats, goals) = {
            let mut core = self.core.borrow_mut();
            core.sealed = true;
            (core.idle_actors(), core.stats.clone(), core.goals.clone())
        };
        for actor in idle {
            actor.stop(None);
        }
        // Each time all tasks that are queued, and those that they wake, come before.
        for _ in 0..2 {
            tokio::task::yield_now().await;
        }
        let mut core = self.core.borrow_mut();
        core.sealed = false;
        core.stats = stats;
        core.goals = goals;
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

    pub(crate) fn set_environment(&self, environment: Option<Box<dyn Environment>>) {
        self.environment.replace(environment);
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
            if core.probe.is_some() || core.look.is_some() || core.has_grant() {
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
                Some(core.pick())
            }
        };
        self.follow(next);
    }

    #[inline]
    fn follow(&self, picked: Option<Pick>) {
        match picked {
            Some(Pick::Wait) => {}
            None => self.kick(),
            Some(Pick::Again) => {
                self.strike();
                self.kick();
            }
            Some(Pick::Finished) => {
                self.strike();
                self.finish_main();
            }
        }
    }

    /// Do what faults ask for.
    fn strike(&self) {
        let (blows, wakes, names) = {
            let faults = &mut self.core.borrow_mut().faults;
            (
                std::mem::take(&mut faults.blows),
                std::mem::take(&mut faults.wakes),
                std::mem::take(&mut faults.free_names),
            )
        };
        for (actor, blow) in blows {
            match blow {
                Blow::Kill => actor.kill(),
                Blow::Stop => actor.stop(None),
                // One that is gone needs no draining.
                Blow::Drain => drop(actor.drain()),
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
            tokio::spawn(squat(name, until));
        }
    }

    /// Called by tokio when no task is queued.
    pub(crate) fn on_park(&self) {
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
            if core.look.is_some() {
                drop(core);
                return self.next_look();
            }
            if core.probe.is_some() {
                drop(core);
                return self.next_victim();
            }
            core.reclaim_grant();
            core.rounds = 0;
            core.may_have_yielded = false;
            if core.is_timer_due() {
                drop(core);
                self.fire_due();
                return;
            }
            (!core.runnable.is_empty() && !core.is_paused()).then(|| core.pick())
        };
        match picked {
            Some(picked) => self.follow(Some(picked)),
            None => self.idle(),
        }
    }

    // --- following a recording ---

    fn is_following(&self) -> bool {
        self.core.borrow().follow.is_some()
    }

    /// [`Self::poll_sentinel`] and [`Self::on_park`] of a run that follows a recording.
    fn follow_on(&self, parks: bool) {
        let next = {
            let mut core = self.core.borrow_mut();
            if parks {
                core.reclaim_grant();
                core.rounds = 0;
            } else if core.has_grant() {
                return;
            } else if core.rounds > 0 {
                core.rounds -= 1;
                drop(core);
                return self.kick();
            } else if std::mem::take(&mut core.may_have_yielded) {
                // Parking goes on, when `yield_now` has woken who it is to wake.
                return;
            }
            core.may_have_yielded = false;
            core.follow_next(self.tokio_ns())
        };
        match next {
            Next::Granted => {}
            Next::Finished => {
                let mut core = self.core.borrow_mut();
                let held = core.follow.as_mut().map(|follow| follow.release_all());
                drop(core);
                held.into_iter().flatten().for_each(Waker::wake);
                self.finish_main();
            }
            // Parking lets time move.
            Next::Advance(_) if !parks => {}
            Next::Advance(at_ns) => self.set_anchor(at_ns),
            Next::Moved => {
                self.fire_due();
                self.kick();
            }
            Next::Wake(waker) => {
                waker.wake();
                self.kick();
            }
        }
    }

    fn tokio_ns(&self) -> u64 {
        let base = self.base.get();
        base.map_or(0, |base| {
            nanos(tokio::time::Instant::now().saturating_duration_since(base))
        })
    }

    // --- time ---

    #[inline]
    fn refresh_time(&self) {
        if self.time_is_stale.replace(false) {
            self.read_time();
        }
    }

    fn read_time(&self) {
        if self.is_following() {
            // Its time is that of the recorded steps.
            return;
        }
        if let Some(base) = self.base.get() {
            let since = tokio::time::Instant::now().saturating_duration_since(base);
            self.core.borrow_mut().moved_to(nanos(since));
        }
    }

    /// Nothing is runnable: fire what is due, or let time move to the next event.
    ///
    /// tokio's own timers tick in milliseconds. When the clock is aligned, tokio
    /// advances it by itself to its next timer, which is a timer of the user's or
    /// the *anchor*: one of ours at the millisecond of our next deadline. Within a
    /// millisecond the clock is advanced by hand. From an unaligned clock tokio
    /// would advance whole ticks and overshoot.
    fn idle(&self) {
        self.time_is_stale.set(true);
        self.refresh_time();
        self.time_is_stale.set(true);
        self.note_ungated();
        self.core.borrow_mut().forget_waker();
        let healed = self.core.borrow_mut().heal_if_awaited();
        if healed {
            self.strike();
            return self.kick();
        }
        if self.fire_due() || self.environment_acts() {
            return;
        }
        let (now_ns, next_ns, limits) = {
            let mut core = self.core.borrow_mut();
            core.stats.idles += 1;
            (core.now_ns, core.timers.next_deadline_ns(), core.limits())
        };
        let next_ns = next_ns.into_iter().chain(self.environment_next_ns()).min();
        let target_ns = match next_ns {
            Some(next_ns) => next_ns.min(limits.horizon_ns),
            // Nothing of ours is pending: if nothing of tokio's is, time gets there.
            None => {
                self.core.borrow_mut().stands_still();
                FAR_NS
            }
        };
        if now_ns >= FAR_NS {
            return self.standstill();
        }
        let past_horizon = if now_ns > limits.horizon_ns {
            self.idles_past_horizon.get() + 1
        } else {
            0
        };
        self.idles_past_horizon.set(past_horizon);
        let has_next = next_ns.is_some() || past_horizon > IDLES_PAST_HORIZON;
        if now_ns >= limits.horizon_ns && has_next {
            let (waiting, busy) = {
                let core = self.core.borrow();
                (core.waiting(), core.busy())
            };
            return self.finish(Outcome::Horizon { waiting, busy });
        }
        if target_ns / NS_PER_MS == now_ns / NS_PER_MS {
            advance(target_ns - now_ns);
            self.refresh_time();
            self.time_is_stale.set(true);
            self.fire_due();
            return;
        }
        let into_ms = now_ns % NS_PER_MS;
        if into_ms != 0 {
            return advance(NS_PER_MS - into_ms);
        }
        self.set_anchor(target_ns / NS_PER_MS * NS_PER_MS);
    }

    /// Nothing is runnable: what is beside the tasks moves, and may wake some.
    fn environment_acts(&self) -> bool {
        let mut environment = self.environment.borrow_mut();
        let Some(environment) = environment.as_mut() else {
            return false;
        };
        let (now_ns, steps) = {
            let core = self.core.borrow();
            (core.now_ns, core.stats.steps)
        };
        self.environment_instant.set(now_ns);
        // After a step it may have woken tasks without knowing.
        let after_step = self.environment_acted.replace(steps) != steps;
        let acts = environment.act(Duration::from_nanos(now_ns)) || after_step;
        for text in environment.told() {
            self.core.borrow_mut().tell(text);
        }
        if acts {
            self.kick();
        }
        acts
    }

    /// At an instant that is new, what is beside the tasks moves before the first of them
    /// runs, if it is to move then: so its doings come in any order with what timers do.
    fn environment_is_due(&self) -> bool {
        let core = self.core.borrow();
        core.instant_is_new
            && !core.is_over()
            && !core.has_grant()
            && core.probe.is_none()
            && self.environment_instant.get() != core.now_ns
            && self
                .environment_next_ns()
                .is_some_and(|next_ns| next_ns <= core.now_ns)
    }

    fn environment_next_ns(&self) -> Option<u64> {
        let environment = self.environment.borrow();
        Some(nanos(environment.as_ref()?.next()?))
    }

    fn set_anchor(&self, at_ns: u64) {
        let Some(base) = self.base.get() else { return };
        let deadline = base + Duration::from_nanos(at_ns);
        let mut anchor = self.anchor.borrow_mut();
        match &mut *anchor {
            Some(anchor) if anchor.at_ns == at_ns && !anchor.sleep.is_elapsed() => return,
            Some(anchor) => {
                anchor.sleep.as_mut().reset(deadline);
                anchor.at_ns = at_ns;
            }
            None => {
                let sleep = Box::pin(tokio::time::sleep_until(deadline));
                *anchor = Some(Anchor { sleep, at_ns });
            }
        }
        if let Some(anchor) = &mut *anchor {
            // Polling registers the timer. Nobody needs to be woken: the park ends by itself.
            let _ = anchor
                .sleep
                .as_mut()
                .poll(&mut Context::from_waker(Waker::noop()));
        }
    }

    fn fire_due(&self) -> bool {
        let mut fired = false;
        loop {
            let action = {
                let mut core = self.core.borrow_mut();
                let now_ns = core.now_ns;
                let Some(action) = core.timers.pop_due(now_ns) else {
                    break;
                };
                match action {
                    Action::Fault(place) => {
                        core.strike_at_time(place);
                        None
                    }
                    Action::Release { slot, serial } => {
                        core.release(slot, serial);
                        None
                    }
                    Action::Liveness(within) => {
                        core.liveness_ends(within);
                        None
                    }
                    Action::Wake(waker) => Some(waker),
                }
            };
            fired = true;
            match action {
                Some(waker) => waker.wake(),
                None => self.strike(),
            }
        }
        if self.core.borrow().is_over() {
            self.finish_main();
        }
        if fired {
            // Behind all of them, so that the scheduler sees all that is due at this instant.
            self.kick();
        }
        fired
    }

    // --- standstill ---

    fn standstill(&self) {
        match &self.standstill {
            Standstill::Leave => self.finish(crate::deadlock::outcome(Vec::new())),
            Standstill::Probe if crate::panics::lists_calls() => {
                let mut core = self.core.borrow_mut();
                core.look = Some(Look::new(&core));
                core.sealed = true;
                drop(core);
                self.next_look();
            }
            Standstill::Probe => self.probe(false),
            Standstill::ProbeReversed => self.probe(true),
        }
    }

    /// Have the next task polled that waits; after the last one, find out who waits for whom.
    fn next_look(&self) {
        let next = self.core.borrow_mut().next_look();
        match next {
            Some(waker) => {
                waker.wake();
                // Should nothing be polled, the thread must not park for ever.
                self.kick();
            }
            None => {
                let mut core = self.core.borrow_mut();
                core.backtrace = core.look.take().map(Look::found).unwrap_or_default();
                core.sealed = false;
                drop(core);
                self.probe(false);
            }
        }
    }

    fn probe(&self, is_reversed: bool) {
        {
            let mut core = self.core.borrow_mut();
            let waiting = core.waiting();
            let probe = Probe::new(&core, waiting, is_reversed);
            core.probe = Some(probe);
        }
        self.next_victim();
    }

    fn next_victim(&self) {
        let victim = self.core.borrow_mut().probe.as_mut().and_then(Probe::next);
        match victim {
            Some(victim) => {
                victim.kill();
                drop(victim);
                // Should nothing be woken, the thread must not park for ever.
                self.kick();
            }
            None => {
                let probe = self.core.borrow_mut().probe.take();
                let findings = probe.map(Probe::findings);
                let waiting = findings
                    .as_ref()
                    .map(|findings| findings.waiting.clone())
                    .unwrap_or_default();
                self.findings.replace(findings);
                self.finish(crate::deadlock::outcome(waiting));
            }
        }
    }

    // --- what escapes the gates ---

    #[inline]
    fn alive_tasks(&self) -> usize {
        let metrics = self.metrics.borrow();
        metrics.as_ref().map_or(0, RuntimeMetrics::num_alive_tasks)
    }

    /// Tell of actors that have ended since the last step.
    fn note_ends(&self) {
        if !self.ends.borrow().any() {
            return;
        }
        let (ended, waits) = self.ends.borrow_mut().take();
        drop(waits);
        let mut core = self.core.borrow_mut();
        for (slot, serial) in ended {
            core.actor_ended(slot, serial);
        }
    }

    /// What is known of the spawning of this task.
    fn spawned(&self, slot: u32) -> RefMut<'_, Spawned> {
        RefMut::map(self.core.borrow_mut(), |core| core.spawned(slot))
    }

    /// Code that no gate guards has panicked: tokio would keep that to itself.
    fn note_stray_panics(&self) {
        if !crate::panics::any() || self.core.borrow().in_step() {
            return;
        }
        let seen = crate::panics::take();
        let mut core = self.core.borrow_mut();
        core.strayed(seen);
        if core.is_over() {
            drop(core);
            self.finish_main();
        }
    }

    /// Compare tokio's count of tasks with the known ones.
    fn note_ungated(&self) {
        let alive = self.alive_tasks();
        let mut core = self.core.borrow_mut();
        // The sentinel is a task as well, and so is what a fault has take a name.
        let own = 1 + crate::squat::alive();
        let mut known = core.tasks.alive() + own;
        if alive != known + self.ungated.get() {
            let swept = core.tasks.sweep();
            known = core.tasks.alive() + own;
            drop(core);
            drop(swept);
        } else {
            return;
        }
        let ungated = alive.saturating_sub(known);
        self.ungated.set(ungated);
        let mut core = self.core.borrow_mut();
        core.stats.ungated_max = core.stats.ungated_max.max(ungated);
        core.found_ungated(ungated);
        if core.is_over() {
            drop(core);
            self.finish_main();
        }
    }

    fn escaped(&self, what: &str, remedy: &str) {
        let mut core = self.core.borrow_mut();
        if core.in_step() || core.is_over() || core.probe.is_some() {
            return;
        }
        core.finish(Outcome::Escaped {
            what: what.to_owned(),
            remedy: remedy.to_owned(),
        });
        drop(core);
        self.finish_main();
    }
}

/// Advance tokio's paused clock. `advance` moves it when first polled and then
/// only yields.
///
/// Called before the thread parks, this needs two things of tokio. It must not park when the
/// hook has deferred a waker, as the yield does, or it waits for ever where it has no timer:
/// since 1.50 (tokio's pull request 7835). And it must poll its timers when it does not park, or
/// those that are due then come after the simulation's: since 1.52.4 (8222).
fn advance(ns: u64) {
    let mut advance = std::pin::pin!(tokio::time::advance(Duration::from_nanos(ns)));
    let _ = advance
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()));
}

/// Remember that the step has spawned tasks that no gate guards: they have lower ids than
/// one that is spawned now.
#[cold]
fn note_spawner(step: u64) {
    #[allow(
        clippy::disallowed_methods,
        reason = "it is over before anything is picked, and runs no code"
    )]
    let next = tokio::spawn(std::future::ready(()));
    crate::causes::spawned_before(next.id(), step);
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Queued behind everything that a step woke, see the module documentation.
pub(crate) struct Sentinel;

impl Future for Sentinel {
    type Output = ();

    #[inline]
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        CURRENT.with_borrow(|engine| {
            if let Some(engine) = engine {
                engine.poll_sentinel(context);
            }
        });
        Poll::Pending
    }
}

const ESCAPED_TASK: &str = "a task that no gate guards uses the simulation's time or randomness";
const ESCAPED_TASK_REMEDY: &str = "spawn it with `retake::spawn` instead of `tokio::spawn`";

impl Contract for Engine {
    fn actor_starting(&self, actor: &ActorCell, type_name: &'static str) -> TaskId {
        let (slot, swept, watched) = {
            let mut core = self.core.borrow_mut();
            let (slot, swept) = core.start_actor(actor, type_name);
            (slot, swept, core.watches_ends(slot))
        };
        drop(swept);
        if let Some(serial) = watched {
            self.ends.borrow_mut().watch(slot, serial, actor.clone());
        }
        TaskId(slot)
    }

    #[inline]
    fn actor_task(&self, actor: &ActorCell, type_name: &'static str) -> TaskId {
        let known = self.core.borrow().tasks.slot_of_actor(actor.get_id().pid());
        match known {
            Some(slot) => TaskId(slot),
            None => self.actor_starting(actor, type_name),
        }
    }

    fn task_starting(&self, name: &str) -> TaskId {
        TaskId(self.core.borrow_mut().start_task(TaskKind::Task, name))
    }

    fn spawned_at(&self, task: TaskId, place: &'static Location<'static>) {
        self.spawned(task.0).at = Some(place);
    }

    fn task_spawned(&self, task: TaskId, handle: &dyn Fn() -> AbortHandle) {
        let handle = handle();
        self.spawned(task.0).handle = Some(handle);
    }

    fn task_gone(&self, task: TaskId) {
        let gone = self.core.borrow_mut().end_task(task.0);
        drop(gone);
    }

    #[inline]
    fn poll(&self, ticket: &mut Ticket, waker: &Waker) -> Turn {
        self.refresh_time();
        let (turn, stale, picks) = {
            let mut core = self.core.borrow_mut();
            let (turn, stale) = core.poll(ticket, waker);
            if !matches!(turn, Turn::Wait | Turn::Pass | Turn::Look) {
                core.spawns.begin(self.alive_tasks());
            }
            (turn, stale, turn == Turn::Wait && !core.has_grant())
        };
        drop(stale);
        if picks {
            self.kick();
        }
        turn
    }

    #[inline]
    fn end_step(&self, ticket: &Ticket, end: StepEnd) -> bool {
        let alive = self.alive_tasks();
        let (over, awaits, holds) = {
            let mut core = self.core.borrow_mut();
            if core.count_spawned(ticket, alive) && core.layers.causality {
                note_spawner(core.stats.steps);
            }
            let holds = core.end_step(ticket, end);
            let awaits = core.awaits_quiescence() || core.follow.is_some();
            (core.is_over(), awaits, holds)
        };
        if over {
            self.finish_main();
        }
        // Otherwise the first gate that waits does so.
        if awaits {
            self.kick();
        }
        holds
    }

    fn cancelled(&self, ticket: &mut Ticket) {
        let held = {
            let mut core = self.core.borrow_mut();
            core.cancelled(ticket);
            core.follow
                .as_mut()
                .and_then(|follow| follow.forget(ticket.task.0))
        };
        drop(held);
        self.kick();
    }

    fn look_waker(&self, waker: &Waker) -> Waker {
        let core = self.core.borrow();
        let watching = core.look.as_ref().map(|look| look.waker(waker));
        watching.unwrap_or_else(|| waker.clone())
    }

    fn looked(&self) {
        self.core.borrow_mut().looked();
    }

    fn supervision(&self, supervisor: TaskId, event: &SupervisionEvent) {
        if let SupervisionEvent::ActorStarted(child) = event {
            let known = self
                .core
                .borrow()
                .tasks
                .slot_of_actor(child.get_id().pid())
                .is_some();
            if !known && child.get_status() < ActorStatus::Stopping {
                let name = child
                    .get_name()
                    .unwrap_or_else(|| "without a name".to_owned());
                let name = self.core.borrow().clean(name);
                self.core.borrow_mut().finish(Outcome::Escaped {
                    what: format!(
                        "the actor `{name}` runs outside the simulation: no gate guards it"
                    ),
                    remedy: "put `#[retake::simulated]` on its `impl Actor` block, or wrap it in \
                             `retake::Simulated::new` where it is spawned"
                        .to_owned(),
                });
                self.finish_main();
            }
        }
        if matches!(
            event,
            SupervisionEvent::ActorTerminated(..) | SupervisionEvent::ActorFailed(..)
        ) {
            self.core.borrow_mut().heard_of_end(supervisor.0);
        }
        self.note_ends();
        self.core.borrow_mut().caused_by_child(supervisor.0, event);
        let core = self.core.borrow();
        if !core.layers.story && core.follow.is_none() {
            return;
        }
        let label = |cell: &ActorCell| {
            core.label_of_actor(cell.get_id().pid())
                .or_else(|| cell.get_name())
                .unwrap_or_else(|| "an actor that is gone".to_owned())
        };
        let text = match event {
            SupervisionEvent::ActorStarted(child) => format!("ActorStarted({})", label(child)),
            SupervisionEvent::ActorTerminated(child, _, reason) => {
                format!(
                    "ActorTerminated({}, {})",
                    label(child),
                    reason.as_deref().unwrap_or("normal")
                )
            }
            SupervisionEvent::ActorFailed(child, error) => {
                format!("ActorFailed({}, {error})", label(child))
            }
            SupervisionEvent::ProcessGroupChanged(_) => "ProcessGroupChanged".to_owned(),
            #[allow(
                unreachable_patterns,
                reason = "ractor has more events with other features"
            )]
            _ => "SupervisionEvent".to_owned(),
        };
        drop(core);
        self.message_text(supervisor, text);
    }

    fn wants(&self) -> Wants {
        let core = self.core.borrow();
        Wants {
            messages: core.layers.story
                || core.monitor.is_some()
                || core.follow.is_some()
                || core.turns.wants_texts(),
            // Who finds it then is not one that would have.
            states: core.layers.states && core.left.is_none(),
        }
    }

    fn state_text(&self, actor: TaskId, text: String) {
        if let Some(task) = self.core.borrow_mut().tasks.get_mut(actor.0) {
            let about = task.about.get_or_insert_default();
            about.state.get_or_insert_default().text = Some(text);
        }
    }

    fn message_text(&self, actor: TaskId, text: String) {
        if let Some(task) = self.core.borrow_mut().tasks.get_mut(actor.0) {
            task.about.get_or_insert_default().text = Some(text);
        }
    }

    fn event(&self, text: String) {
        let mut core = self.core.borrow_mut();
        if !core.is_over() && core.look.is_none() {
            let text = core.clean(text);
            core.show_to_monitor(&text);
            core.tell(text);
        }
    }

    fn now_ns(&self) -> u64 {
        self.refresh_time();
        let core = self.core.borrow();
        // A recording may say anything.
        core.now_ns.saturating_add(core.origin_ns())
    }

    fn timer(&self, deadline_ns: u64, waker: &Waker) -> TimerId {
        self.escaped(ESCAPED_TASK, ESCAPED_TASK_REMEDY);
        let waker = waker.clone();
        let mut core = self.core.borrow_mut();
        let deadline_ns = deadline_ns.saturating_sub(core.origin_ns());
        let deadline_ns = core.late_deadline(deadline_ns);
        core.timers.add(deadline_ns, Action::Wake(waker))
    }

    fn due_sleep_yields(&self) -> bool {
        !self.is_following()
    }

    fn cancel_timer(&self, timer: TimerId) {
        let action = self.core.borrow_mut().cancel_timer(timer);
        drop(action);
    }

    fn fill_random(&self, bytes: &mut [u8]) {
        self.escaped(ESCAPED_TASK, ESCAPED_TASK_REMEDY);
        self.core.borrow_mut().user_random().fill_bytes(bytes);
    }

    fn scoped_name(&self, name: &str) -> String {
        scope(name, self.core.borrow().run_number)
    }

    fn violated(&self, what: &str, check: &str) {
        let mut core = self.core.borrow_mut();
        core.violated(what, check);
    }

    fn within(&self, actor: Option<TaskId>) -> Option<TaskId> {
        let mut core = self.core.borrow_mut();
        std::mem::replace(&mut core.within, actor.map(|actor| actor.0)).map(TaskId)
    }

    fn ends_step(&self) -> bool {
        let core = self.core.borrow();
        core.in_step() && matches!(core.outcome, Some(Outcome::Violated { .. }))
    }

    fn started_within(&self, _actor: TaskId) {
        self.core.borrow_mut().spawns.known += 1;
    }

    fn ignore_panic(&self) {
        crate::panics::ignore_last();
    }

    fn goal(&self, name: &'static str, reached: bool) {
        *self.core.borrow_mut().goals.entry(name).or_default() |= reached;
    }

    fn buggify(&self, site: &'static str) -> bool {
        self.core.borrow_mut().buggify(site)
    }

    fn workload(&self, full: u32) -> u32 {
        self.core.borrow().load(full)
    }

    fn healed(&self, waker: &Waker) -> bool {
        self.core.borrow_mut().is_healed(waker)
    }

    fn restart_intensity(&self, supervisor: &ActorCell, intensity: u32, period_ns: u64) {
        let mut core = self.core.borrow_mut();
        if let Some(slot) = core.tasks.slot_of_actor(supervisor.get_id().pid()) {
            core.tolerates(slot, intensity, period_ns);
        }
    }

    fn knows_machine(&self, machine: &str) -> bool {
        self.core.borrow().coverage.contains_key(machine)
    }

    fn covered(&self, machine: &str, state: &dyn Display, event: &str, times: u64) {
        let state = state.to_string();
        self.core
            .borrow_mut()
            .covered(machine, &state, event, times);
    }

    fn hold(&self, task: TaskId, waker: &Waker, output: Box<dyn Any>) {
        let mut core = self.core.borrow_mut();
        if let Some(follow) = &mut core.follow {
            follow.hold(task.0, waker.clone(), output);
        }
    }

    fn let_go(&self, task: TaskId, waker: &Waker) -> Option<Box<dyn Any>> {
        let mut core = self.core.borrow_mut();
        core.follow.as_mut()?.let_go(task.0, waker)
    }

    fn unix_time(&self) -> Option<Duration> {
        self.refresh_time();
        let core = self.core.borrow();
        // A wall clock that faults make wrong may be behind, but not before 1970.
        let since_start = Duration::from_nanos(core.now_ns);
        let offset_ns = core.wall_offset_ns();
        let offset = Duration::from_nanos(offset_ns.unsigned_abs());
        let right = match &core.follow {
            Some(follow) => Duration::from_nanos(follow.unix_ns) + since_start,
            None => retake::SIMULATED_UNIX_START + since_start,
        };
        Some(if offset_ns < 0 {
            right.saturating_sub(offset)
        } else {
            right.saturating_add(offset)
        })
    }

    fn outside(&self, name: &str, must: bool) -> Outside {
        self.core.borrow_mut().follow_outside(name, must)
    }

    fn output(&self, name: &str, bytes: &[u8]) {
        self.core.borrow_mut().follow_output(name, bytes);
    }

    fn wants_output(&self) -> bool {
        self.is_following()
    }
}
