//! In a process that `cargo retake` simulates as a whole, gates wait for nothing: the tokio that
//! it has made schedules all tasks, with and without gates. What gates, checks and events know
//! in addition goes to the run that the process records.
//!
//! The functions of that tokio (`sim/seeded/driver/program.rs`) are found by the linker, if the
//! program was built with it.
#![allow(unsafe_code, reason = "calls functions of C by their address")]

use std::task::Waker;

use ractor::{ActorCell, SupervisionEvent};

use super::contract::{Engine, StepEnd, TaskId, Ticket, TimerId, Turn, Wants};
use crate::live;
use crate::names::short_name_of;

crate::linked_functions! {
    fn is_simulated = "retake_seeded_is_simulated" as extern "C" fn() -> bool;
    fn records_texts = "retake_seeded_records_texts" as extern "C" fn() -> bool;
    fn text = "retake_seeded_text" as unsafe extern "C" fn(u32, *const u8, usize);
    fn violated = "retake_seeded_violated" as unsafe extern "C" fn(*const u8, usize);
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
    fn actor_starting(&self, _: &ActorCell, _: &'static str) -> TaskId {
        TaskId(0)
    }

    fn actor_task(&self, actor: &ActorCell, type_name: &'static str) -> TaskId {
        if self.wants().messages {
            let name = actor.get_name();
            record(
                Kind::Name,
                name.as_deref().unwrap_or(short_name_of(type_name)),
            );
        }
        TaskId(0)
    }

    fn task_starting(&self, _: &str) -> TaskId {
        TaskId(0)
    }

    fn task_gone(&self, _: TaskId) {}

    fn poll(&self, _: &mut Ticket, _: &Waker) -> Turn {
        Turn::Pass
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

    fn buggify(&self, _: &'static str) -> bool {
        false
    }

    fn unix_time(&self) -> Option<std::time::Duration> {
        None
    }
}
