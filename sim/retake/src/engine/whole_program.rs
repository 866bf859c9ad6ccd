//! In a process that `cargo retake` simulates as a whole, gates wait for nothing: the tokio that
//! it has made schedules all tasks, with and without gates. What gates, checks and events know
//! in addition goes to the run that the process records.
//!
//! The functions of that tokio (`sim/seeded/driver/program.rs`) are found by the linker, if the
//! program was built with it.
#![allow(unsafe_code, reason = "calls functions of C by their address")]

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Duration;

use ractor::{ActorCell, SupervisionEvent};
use retake_core::fault::{Instead, Termination};
use retake_core::service::ServiceFailure;

use super::contract::{Engine, StepEnd, StepKind, TaskId, Ticket, TimerId, Turn, Wants};
use crate::live;
use crate::names::short_name_of;

crate::linked_functions! {
    fn is_simulated = "retake_seeded_is_simulated" as extern "C" fn() -> bool;
    fn records_texts = "retake_seeded_records_texts" as extern "C" fn() -> bool;
    fn text = "retake_seeded_text" as unsafe extern "C" fn(u32, *const u8, usize);
    fn violated = "retake_seeded_violated" as unsafe extern "C" fn(*const u8, usize);
    fn ends_actors = "retake_seeded_ends_actors" as extern "C" fn(extern "C" fn(u32, u32));
    fn is_actor = "retake_seeded_is_actor" as unsafe extern "C" fn(*const u8, usize) -> u32;
    fn callback = "retake_seeded_callback" as extern "C" fn(u32) -> u32;
    fn starts = "retake_seeded_starts" as unsafe extern "C" fn(*const u8, usize) -> u32;
    fn copies = "retake_seeded_copies" as extern "C" fn(bool) -> bool;
    fn misbehaves = "retake_seeded_misbehaves" as unsafe extern "C" fn(*const u8, usize) -> bool;
    fn awaits_heal = "retake_seeded_awaits_heal" as extern "C" fn() -> bool;
    fn load = "retake_seeded_load" as extern "C" fn(u32) -> u32;
    fn service = "retake_seeded_service" as unsafe extern "C" fn(*const u8, usize, *mut u64) -> u32;
}

/// What a text is: `TextKind` of `sim/seeded` has these numbers.
#[derive(Clone, Copy)]
enum Kind {
    Name,
    Message,
    State,
    Line,
}

fn record(kind: Kind, words: &str) {
    if let Some(text) = text() {
        // SAFETY: it is a text of this length.
        unsafe { text(kind as u32, words.as_ptr(), words.len()) };
    }
}

/// Actors that faults may end, by the numbers of their tasks. Empty where no fault is planned.
static ACTORS: Mutex<BTreeMap<u32, ActorCell>> = Mutex::new(BTreeMap::new());

/// Names of tasks that are no actors, by their numbers here, until the tasks are gone. The generated
/// tokio knows types and places of tasks only.
static TASK_NAMES: Mutex<BTreeMap<u32, String>> = Mutex::new(BTreeMap::new());

fn task_names() -> MutexGuard<'static, BTreeMap<u32, String>> {
    TASK_NAMES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The callback of an actor of this name begins: keep the actor, if a fault may end it.
fn keep(actor: &ActorCell, name: &str) {
    let Some(is_actor) = is_actor() else { return };
    // SAFETY: it is a text of this length.
    let number = unsafe { is_actor(name.as_ptr(), name.len()) };
    if number == u32::MAX {
        return;
    }
    let mut actors = ACTORS.lock().unwrap_or_else(PoisonError::into_inner);
    if actors.insert(number, actor.clone()).is_none()
        && let Some(ends_actors) = ends_actors()
    {
        ends_actors(end_actor);
    }
}

/// End an actor as a fault says: kill it, stop it after its present message, or after all that it has.
extern "C" fn end_actor(number: u32, how: u32) {
    let actors = ACTORS.lock().unwrap_or_else(PoisonError::into_inner);
    let actor = actors.get(&number).cloned();
    drop(actors);
    let Some(actor) = actor else { return };
    match Termination::of_number(how) {
        Some(Termination::Kill) => actor.kill(),
        Some(Termination::Stop) => actor.stop(None),
        // An error says that it has ended meanwhile.
        Some(Termination::Drain) => drop(actor.drain()),
        None => {}
    }
}

/// What the driver says happens instead of a callback, by its number.
fn turn_of(number: u32) -> Turn {
    match Instead::of_number(number) {
        Some(Instead::Panic) => Turn::Panic,
        Some(Instead::Fail) => Turn::Fail,
        Some(Instead::Lose) => Turn::Lose,
        Some(Instead::Nothing) | None => Turn::Pass,
    }
}

/// Whether the process is simulated as a whole, on this thread.
#[inline]
pub(super) fn is_on() -> bool {
    is_simulated().is_some_and(|is_simulated| is_simulated())
}

/// What gates, checks and events ask there.
#[derive(Debug)]
pub(super) struct WholeProgram;

impl Engine for WholeProgram {
    // Its first callback runs as a part of the step that starts the actor.
    // The number of it is that of what happens instead.
    fn actor_starting(&self, actor: &ActorCell, type_name: &'static str) -> TaskId {
        let name = actor.get_name();
        let name = name.as_deref().unwrap_or(short_name_of(type_name));
        // SAFETY: it is a text of this length.
        let turn = starts().map_or(0, |starts| unsafe { starts(name.as_ptr(), name.len()) });
        TaskId(turn)
    }

    fn actor_task(&self, actor: &ActorCell, type_name: &'static str) -> TaskId {
        let name = actor.get_name();
        let name = name.as_deref().unwrap_or(short_name_of(type_name));
        if self.wants().messages {
            record(Kind::Name, name);
        }
        keep(actor, name);
        TaskId(0)
    }

    // Without a name it is 0.
    fn task_starting(&self, name: &str) -> TaskId {
        if name == crate::UNNAMED {
            return TaskId(0);
        }
        let mut names = task_names();
        let number = names.last_key_value().map_or(1, |(last, _)| last + 1);
        names.insert(number, name.to_owned());
        TaskId(number)
    }

    fn task_gone(&self, task: TaskId) {
        task_names().remove(&task.0);
    }

    // A callback that begins may go wrong.
    fn poll(&self, ticket: &mut Ticket, _: &Waker) -> Turn {
        if std::mem::replace(&mut ticket.waiting, true) {
            return Turn::Pass;
        }
        match ticket.part {
            StepKind::PreStart => turn_of(ticket.task.0),
            StepKind::Task => {
                let name = task_names().get(&ticket.task.0).cloned();
                if let Some(name) = name {
                    record(Kind::Name, &name);
                }
                Turn::Pass
            }
            StepKind::Resume => Turn::Pass,
            part => turn_of(callback().map_or(0, |callback| callback(part as u32))),
        }
    }

    fn copies_message(&self, _: TaskId) -> bool {
        copies().is_some_and(|copies| copies(false))
    }

    // It is sent before the one that is handled now.
    fn keep_copy(&self, _: TaskId, send: Box<dyn FnOnce()>) {
        if copies().is_some_and(|copies| copies(true)) {
            send();
        }
    }

    fn end_step(&self, _: &Ticket, _: StepEnd) -> bool {
        false
    }

    fn cancelled(&self, _: &mut Ticket) {}

    fn supervision(&self, _: TaskId, event: &SupervisionEvent) {
        if self.wants().messages {
            record(Kind::Message, &event.to_string());
        }
    }

    fn wants(&self) -> Wants {
        let wants = records_texts().is_some_and(|records_texts| records_texts());
        Wants {
            messages: wants,
            states: wants,
        }
    }

    fn state_text(&self, _: TaskId, text: String) {
        record(Kind::State, &text);
    }

    fn message_text(&self, _: TaskId, text: String) {
        record(Kind::Message, &text);
    }

    fn event(&self, text: String) {
        record(Kind::Line, &text);
    }

    fn now_ns(&self) -> u64 {
        live::now_ns()
    }

    // Sleeps are tokio's.
    fn timer(&self, _: u64, _: &Waker) -> TimerId {
        TimerId {
            slot: 0,
            sequence: 0,
        }
    }

    fn cancel_timer(&self, _: TimerId) {}

    fn fill_random(&self, bytes: &mut [u8]) {
        live::random(bytes);
    }

    fn scoped_name(&self, name: &str) -> String {
        name.to_owned()
    }

    fn violated(&self, what: &str, _: &str) {
        if let Some(violated) = violated() {
            // SAFETY: it is a text of this length.
            unsafe { violated(what.as_ptr(), what.len()) };
        }
    }

    fn goal(&self, _: &'static str, _: bool) {}

    fn buggify(&self, site: &'static str) -> bool {
        // SAFETY: it is a text of this length.
        misbehaves().is_some_and(|misbehaves| unsafe { misbehaves(site.as_ptr(), site.len()) })
    }

    fn awaits_heal(&self) -> bool {
        awaits_heal().is_some_and(|awaits_heal| awaits_heal())
    }

    fn workload(&self, full: u32) -> u32 {
        load().map_or(full, |load| load(full))
    }

    fn service(&self, name: &str) -> Option<ServiceFailure> {
        let mut late_ns = 0;
        // SAFETY: it is a text of this length, and the place is valid.
        let number = unsafe { service()?(name.as_ptr(), name.len(), &raw mut late_ns) };
        let word = ServiceFailure::words().nth(usize::try_from(number).ok()?)?;
        let slow = || ServiceFailure::Slow(Duration::from_nanos(late_ns));
        Some(ServiceFailure::of_word(word).unwrap_or_else(slow))
    }

    fn unix_time(&self) -> Option<std::time::Duration> {
        None
    }
}
