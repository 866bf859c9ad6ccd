//! How the code behind a gate is polled, written without its types: what depends on them is
//! compiled again for each callback of each actor.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::task::{Context, Waker};

use crate::engine::{self, Engine, StepEnd, StepKind, Ticket, Turn};

/// The code behind a gate, which keeps what it has returned.
pub(super) trait Code {
    /// Poll it; true if it has returned.
    fn poll(&mut self, context: &mut Context<'_>) -> bool;

    /// The text of the error that it has returned.
    fn failure(&self) -> Option<String> {
        None
    }

    /// Return what a fault wants instead of running; false for code that cannot.
    fn inject(&mut self, turn: Turn) -> bool {
        let _ = turn;
        false
    }

    /// What it has returned, for the engine to keep; `None` for code that returns at once.
    fn take_output(&mut self) -> Option<Box<dyn Any>> {
        None
    }

    /// Return what the engine has kept.
    fn return_output(&mut self, output: Box<dyn Any>) {
        let _ = output;
    }
}

/// Poll code behind a gate; its ticket goes when it returns. Without a ticket there is nothing
/// to do.
pub(super) fn poll_gated(
    code: &mut dyn Code,
    ticket: &mut Option<Ticket>,
    context: &mut Context<'_>,
) {
    let Some(open) = ticket else {
        return;
    };
    let turn = engine::gating(|engine| engine.poll(open, context.waker())).unwrap_or(Turn::Pass);
    let has_returned = match turn {
        Turn::Wait => false,
        Turn::Pass | Turn::Run | Turn::Look if open.stopped => false,
        Turn::Look => {
            look(code, open, context.waker());
            false
        }
        Turn::Pass => poll_within(code, open, context),
        Turn::Run | Turn::Panic | Turn::Fail | Turn::Lose => {
            match catch_unwind(AssertUnwindSafe(|| run(code, turn, context))) {
                Ok(has_returned) => end_step(code, open, context.waker(), has_returned),
                Err(payload) if payload.is::<StopUnwind>() => {
                    open.stopped = true;
                    open.resumed = true;
                    engine::gating(|engine| engine.end_step(open, StepEnd::Pending));
                    false
                }
                Err(payload) => {
                    open.stopped = false;
                    open.resumed = true;
                    let end = StepEnd::Panicked(panic_text(payload.as_ref()));
                    engine::gating(|engine| engine.end_step(open, end));
                    *ticket = None;
                    resume_unwind(payload)
                }
            }
        }
    };
    if has_returned {
        *ticket = None;
    }
}

/// Run a step, or what a fault wants instead; true if the code has returned.
fn run(code: &mut dyn Code, turn: Turn, context: &mut Context<'_>) -> bool {
    if turn == Turn::Panic {
        // Unlike `panic!` this leaves stderr alone: the fault was asked for.
        resume_unwind(Box::new(String::from("injected panic")));
    }
    (turn != Turn::Run && code.inject(turn)) || code.poll(context)
}

/// Report how a step has ended without a panic; true if what the code has returned may be used
/// at once.
fn end_step(code: &mut dyn Code, open: &mut Ticket, waker: &Waker, has_returned: bool) -> bool {
    let end = match has_returned {
        true => code.failure().map_or(StepEnd::Returned, StepEnd::Failed),
        false => StepEnd::Pending,
    };
    open.stopped = false;
    open.resumed = true;
    let holds = engine::gating(|engine| engine.end_step(open, end)).unwrap_or(false);
    if has_returned
        && holds
        && let Some(output) = code.take_output()
    {
        hold(open, waker, output);
        return false;
    }
    has_returned
}

/// Let the engine keep what a callback returned: ractor takes the actor's next message
/// only when it has that.
#[cold]
fn hold(ticket: &mut Ticket, waker: &Waker, output: Box<dyn Any>) {
    ticket.held = true;
    engine::gating(|engine| engine.hold(ticket.task, waker, output));
}

/// Return what the engine has kept, if ractor may continue; the ticket goes with it.
#[cold]
pub(super) fn let_go(code: &mut dyn Code, ticket: &mut Option<Ticket>, context: &mut Context<'_>) {
    let Some(held) = ticket else {
        return;
    };
    let kept = engine::gating(|engine| engine.let_go(held.task, context.waker())).flatten();
    if let Some(output) = kept {
        code.return_output(output);
        *ticket = None;
    }
}

/// Poll code to see what it awaits. What it does without having been woken is no part of the
/// run, so code that resumes by that is stopped.
#[cold]
fn look(code: &mut dyn Code, ticket: &mut Ticket, waker: &Waker) {
    if let Some(waker) = engine::gating(|engine| engine.look_waker(waker)) {
        let mut context = Context::from_waker(&waker);
        let polled = catch_unwind(AssertUnwindSafe(|| code.poll(&mut context)));
        engine::gating(Engine::looked);
        ticket.stopped = !matches!(polled, Ok(false));
    }
}

/// Poll code as a part of the step that runs; true if it has returned.
fn poll_within(code: &mut dyn Code, ticket: &mut Ticket, context: &mut Context<'_>) -> bool {
    // What a `pre_start` does is its actor's, not that of who spawns it.
    let actor = Some(ticket.task).filter(|_| ticket.part == StepKind::PreStart);
    let outer = actor.and_then(|_| engine::gating(|engine| engine.within(actor)).flatten());
    let polled = catch_unwind(AssertUnwindSafe(|| code.poll(context)));
    if actor.is_some() {
        engine::gating(|engine| engine.within(outer));
    }
    match polled {
        Ok(has_returned) => {
            if has_returned && actor.is_some() && code.failure().is_none() {
                engine::gating(|engine| engine.started_within(ticket.task));
            }
            has_returned
        }
        // A violated check has ended it.
        Err(payload) if payload.is::<StopUnwind>() => {
            ticket.stopped = true;
            false
        }
        Err(payload) => resume_unwind(payload),
    }
}

/// What unwinds from a violated check to the gate of its step.
struct StopUnwind;

/// End the step that runs if a violated check has ended the run: what it would do after
/// that is no part of the run, and a loop until the check holds would not end.
///
/// Code that unwinds already continues, since a second panic would abort the process.
pub(crate) fn stop_step() {
    if cfg!(panic = "unwind")
        && !std::thread::panicking()
        && engine::with(Engine::ends_step) == Some(true)
    {
        // Unlike `panic!` this calls no panic hook.
        resume_unwind(Box::new(StopUnwind));
    }
}

fn panic_text(payload: &(dyn Any + Send)) -> String {
    if let Some(text) = payload.downcast_ref::<String>() {
        text.clone()
    } else if let Some(text) = payload.downcast_ref::<&str>() {
        (*text).to_owned()
    } else {
        String::from("a panic whose payload is not text")
    }
}
