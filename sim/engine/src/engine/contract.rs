//! What gates and the facade ask of the engine.

use std::any::Any;
use std::fmt::Display;
use std::panic::Location;
use std::task::Waker;
use std::time::Duration;

use ractor::{ActorCell, ActorStatus, SupervisionEvent};
use rand_core::Rng;
use retake::engine::{Engine as Contract, Outside, StepEnd, TaskId, Ticket, TimerId, Turn, Wants};
use retake::{DiskFailure, DiskOperation, ServiceFailure};
use retake_traces::record::TaskKind;
use tokio::task::AbortHandle;

use super::Engine;
use super::ungated::note_spawner;
use crate::core::{Core, Mode};
use crate::identity::scope;
use crate::inject;
use crate::interpose::heap;
use crate::outcome::Outcome;
use crate::timers::Action;

const ESCAPED_TASK: &str = "a task that no gate guards uses the simulation's time or randomness";
const ESCAPED_TASK_REMEDY: &str = "spawn it with `retake::spawn` instead of `tokio::spawn`";

impl Contract for Engine {
    #[inline]
    fn enter(&self) -> u8 {
        heap::enter()
    }

    #[inline]
    fn leave(&self, entered: u8) {
        heap::leave(entered);
    }

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
        let (turn, stale, copy, picks) = {
            let mut core = self.core.borrow_mut();
            let (turn, stale) = core.poll(ticket, waker);
            let copy = core.faults.due_copy.take();
            if !matches!(turn, Turn::Wait | Turn::Pass | Turn::Look) {
                core.spawns.begin(self.alive_tasks());
            }
            (turn, stale, copy, turn == Turn::Wait && !core.has_grant())
        };
        drop(stale);
        if let Some(inject::Send(send)) = copy {
            send();
        }
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

    fn copies_message(&self, task: TaskId) -> bool {
        self.core.borrow_mut().copies_message(task.0)
    }

    fn keep_copy(&self, task: TaskId, send: Box<dyn FnOnce()>) {
        let unused = self.core.borrow_mut().keep_copy(task.0, inject::Send(send));
        drop(unused);
    }

    fn look_waker(&self, waker: &Waker) -> Waker {
        let core = self.core.borrow();
        match &core.mode {
            Mode::Awaits(look) => look.waker(waker),
            _ => waker.clone(),
        }
    }

    fn looked(&self) {
        self.core.borrow_mut().looked();
    }

    fn supervision(&self, supervisor: TaskId, event: &SupervisionEvent) {
        self.refuse_ungated_child(event);
        if matches!(
            event,
            SupervisionEvent::ActorTerminated(..) | SupervisionEvent::ActorFailed(..)
        ) {
            self.core.borrow_mut().heard_of_end(supervisor.0);
        }
        self.note_ends();
        self.core.borrow_mut().caused_by_child(supervisor.0, event);
        self.core.borrow_mut().news_of_child(supervisor.0, event);
        let core = self.core.borrow();
        if !core.layers.story && core.follow.is_none() {
            return;
        }
        let text = supervision_text(&core, event);
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
            states: core.layers.states && !matches!(core.mode, Mode::Mailboxes(_)),
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
        if !core.is_over() && !matches!(core.mode, Mode::Awaits(_)) {
            let text = core.clean(text);
            core.show_to_monitor(&text);
            core.log(text);
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

    fn service(&self, name: &str) -> Option<ServiceFailure> {
        self.core.borrow_mut().service(name)
    }

    fn disk(&self, name: &str, operation: DiskOperation) -> Option<DiskFailure> {
        self.core.borrow_mut().disk(name, operation)
    }

    fn workload(&self, full: u32) -> u32 {
        self.core.borrow_mut().load(full)
    }

    fn healed(&self, waker: &Waker) -> bool {
        self.core.borrow_mut().faults.is_healed(waker)
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

impl Engine {
    /// An actor that a supervisor has started has to be gated.
    fn refuse_ungated_child(&self, event: &SupervisionEvent) {
        let SupervisionEvent::ActorStarted(child) = event else {
            return;
        };
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
                what: format!("the actor `{name}` runs outside the simulation: no gate guards it"),
                remedy: "put `#[retake::simulated]` on its `impl Actor` block, or wrap it in \
                         `retake::SimulatedActor::new` where it is spawned"
                    .to_owned(),
            });
            self.finish_main();
        }
    }
}

/// A supervision event as a story has it.
fn supervision_text(core: &Core, event: &SupervisionEvent) -> String {
    let label = |cell: &ActorCell| {
        core.label_of_actor(cell.get_id().pid())
            .or_else(|| cell.get_name())
            .unwrap_or_else(|| "an actor that is gone".to_owned())
    };
    match event {
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
    }
}
