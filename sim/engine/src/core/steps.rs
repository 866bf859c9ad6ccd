//! Steps: gates ask whether their code may run, begin and end.

use std::mem;
use std::num::NonZeroU64;
use std::task::Waker;

use retake::engine::{StepEnd, StepKind, Ticket, Turn};
use retake_traces::record::{Choice, Event, EventKind, Record, Step, UnhandledMessage};

use super::{Core, Mode, ROUNDS_AFTER_EXIT};
use crate::causes;
use crate::identity::kind_of;
use crate::outcome::Outcome;
use crate::task::State;

/// Callbacks that are ended to see what is left in mailboxes.
const LEFT_MAX: usize = 1 << 16;

impl Core {
    /// A gate was polled. Gives back the turn and a waker to drop.
    #[inline]
    pub(crate) fn poll(&mut self, ticket: &mut Ticket, waker: &Waker) -> (Turn, Option<Waker>) {
        if self.current.is_some() {
            // Part of the step that runs: `pre_start` of a child, for example.
            if ticket.part == StepKind::PreStart && self.faults.await_starts() {
                return (self.start_within(ticket, waker), None);
            }
            return (Turn::Pass, None);
        }
        let slot = ticket.task.0;
        match &mut self.mode {
            Mode::Mailboxes(_) => return (self.take_left(ticket), None),
            Mode::Awaits(look) => {
                let is_turn = ticket.resumed && !ticket.waiting && look.is_turn(slot);
                if !is_turn {
                    return (Turn::Wait, None);
                }
                self.current = Some(slot);
                return (Turn::Look, None);
            }
            Mode::Steps | Mode::Probe(_) | Mode::States => {}
        }
        if ticket.waiting {
            if let Some((_, choice)) = self.granted.filter(|(granted, _)| *granted == slot) {
                self.granted = None;
                ticket.waiting = false;
                let stale = match &self.follow {
                    // It may have to be polled again without a reason.
                    Some(_) => self
                        .tasks
                        .get_mut(slot)
                        .and_then(|task| task.keep_waker(waker)),
                    None => None,
                };
                return (self.begin(ticket, choice), stale);
            }
            let stale = self
                .tasks
                .get_mut(slot)
                .and_then(|task| task.keep_waker(waker));
            return (Turn::Wait, stale);
        }
        if self.is_over() {
            return (Turn::Wait, self.keep_waker(slot, waker));
        }
        if let Mode::Probe(probe) = &mut self.mode {
            probe.woken(slot, ticket.resumed);
            return (Turn::Wait, None);
        }
        let delayed = self.faults.has_delays() && self.is_delayed(slot);
        if !delayed
            && !self.is_paused()
            // Not before everything that is due has become runnable.
            && !self.instant_is_new
            && self.scheduler.eager(slot, self.stats.steps + 1)
            && !self.must_stop()
        {
            let stale = self.keep_waker(slot, waker);
            return (self.begin(ticket, Choice::Eager), stale);
        }
        if self.layers.causality {
            self.keep_cause(ticket);
        }
        ticket.waiting = true;
        if let Some(follow) = &mut self.follow {
            follow.arrived(slot, kind_of(ticket), ticket.message);
        }
        let Some(task) = self.tasks.get_mut(slot) else {
            debug_assert!(false, "a gate outlives its task");
            return (Turn::Wait, None);
        };
        let stale = task.keep_waker(waker);
        if delayed {
            task.state = State::Delayed;
        } else {
            task.state = State::Runnable;
            self.enter_runnable(slot);
        }
        (Turn::Wait, stale)
    }

    /// A gate was polled while mailboxes are emptied: its callback ends without running, so
    /// that ractor takes the next message to one.
    fn take_left(&mut self, ticket: &Ticket) -> Turn {
        let gives_nothing = matches!(
            ticket.part,
            StepKind::PostStart | StepKind::Handle | StepKind::Supervision
        );
        let Mode::Mailboxes(left) = &mut self.mode else {
            return Turn::Wait;
        };
        if !gives_nothing || left.ended >= LEFT_MAX {
            return Turn::Wait;
        }
        left.ended += 1;
        let is_message = ticket.part == StepKind::Handle && !ticket.resumed;
        if let (true, Some(sent)) = (is_message, causes::sender())
            && let Some(task) = self.tasks.get(ticket.task.0)
        {
            let text = task.about.as_ref().and_then(|about| about.text.clone());
            let message = UnhandledMessage {
                task: task.serial,
                sent: sent.get(),
                text: self.clean(text.unwrap_or_default()),
            };
            if let Mode::Mailboxes(left) = &mut self.mode {
                left.messages.push(message);
            }
        }
        Turn::Lose
    }

    /// Keep the waker of a gate that is not picked, where mailboxes are looked into at the
    /// end.
    fn keep_waker(&mut self, slot: u32, waker: &Waker) -> Option<Waker> {
        if !self.layers.causality {
            return None;
        }
        let task = self.tasks.get_mut(slot).filter(|task| task.is_actor());
        task?.keep_waker(waker)
    }

    /// The wakers of live actors, by serial.
    pub(crate) fn wakers(&self) -> Vec<Waker> {
        let mut wakers: Vec<(u32, Waker)> = self
            .tasks
            .iter()
            .filter(|(_, task)| task.is_live_actor())
            .filter_map(|(_, task)| Some((task.serial, task.waker.clone()?)))
            .collect();
        wakers.sort_unstable_by_key(|(serial, _)| *serial);
        wakers.into_iter().map(|(_, waker)| waker).collect()
    }

    /// Keep the step that led to the one for which this gate waits: for a message the one
    /// that sent it, whose span is entered only while the handler is polled; for all else
    /// the one that woke the task.
    fn keep_cause(&mut self, ticket: &Ticket) {
        let slot = ticket.task.0;
        let cause = if !ticket.resumed && ticket.part == StepKind::Handle {
            causes::sender()
        } else {
            self.woken_by
                .filter(|(by, _)| *by != slot)
                .map(|(_, step)| step)
        };
        if let Some(task) = self.tasks.get_mut(slot) {
            let about = task.about.get_or_insert_default();
            // Of the end of a child it is known already.
            let is_known = !ticket.resumed && ticket.part == StepKind::Supervision;
            if !(is_known && about.cause.is_some()) {
                about.cause = cause;
            }
        }
    }

    #[inline]
    fn begin(&mut self, ticket: &mut Ticket, choice: Choice) -> Turn {
        let slot = ticket.task.0;
        let injected = self.injected(ticket);
        self.stats.steps += 1;
        self.current = Some(slot);
        self.cancelled = None;
        if self.layers.causality {
            if choice == Choice::Eager {
                self.keep_cause(ticket);
            }
            // With steps run eagerly there are several that may have woken a task.
            self.woken_by = NonZeroU64::new(self.stats.steps)
                .filter(|_| choice != Choice::Eager)
                .map(|step| (slot, step));
        }
        let Some(task) = self.tasks.get_mut(slot) else {
            return Turn::Wait;
        };
        task.state = State::Idle;
        task.suspended = false;
        let serial = task.serial;
        self.progress.begin(self.stats.steps, task.label);
        self.note_turn(slot, kind_of(ticket), ticket.message);
        let Some(task) = self.tasks.get_mut(slot) else {
            return Turn::Wait;
        };
        let cause = task.about.as_mut().and_then(|about| about.cause.take());
        if !ticket.resumed {
            task.doing = ticket.part;
            if let Some(about) = &mut task.about
                && !matches!(ticket.part, StepKind::Handle | StepKind::Supervision)
            {
                about.text = None;
            }
        }
        let step = Step {
            elapsed_ns: self.elapsed_ns(),
            task: serial,
            kind: kind_of(ticket),
            message: ticket.message,
            choice,
        };
        self.write(&Record::Step(step));
        if self.layers.story && !ticket.resumed {
            self.write_detail(slot);
            self.write_child(slot);
        }
        if self.layers.causality {
            causes::set_running(self.stats.steps);
            if let Some(cause) = cause {
                self.write(&Record::Cause(cause.get()));
            }
        }
        if self.layers.states && !ticket.resumed {
            self.write_state(slot);
        }
        injected.unwrap_or(Turn::Run)
    }

    /// What a fault makes of the callback that is about to begin.
    #[inline]
    fn injected(&mut self, ticket: &Ticket) -> Option<Turn> {
        let slot = ticket.task.0;
        if ticket.resumed {
            return None;
        }
        if self.tasks.get(slot)?.is_armed {
            return self.fire_armed(slot, kind_of(ticket));
        }
        if ticket.part == StepKind::PreStart && self.faults.await_starts() {
            return self.fire_start(slot);
        }
        None
    }

    /// The step of this gate is over. The engine kicks the sentinel. True if what its code
    /// returned is to be held.
    pub(crate) fn end_step(&mut self, ticket: &Ticket, end: StepEnd) -> bool {
        if self.current != Some(ticket.task.0) {
            // A start that a fault ended, as a part of its parent's step.
            return false;
        }
        self.current = None;
        self.within = None;
        self.progress.end();
        if self.layers.causality {
            causes::set_running(0);
        }
        let holds = self.follow.is_some() && self.follow_end(ticket, &end);
        if crate::panics::any() && !matches!(end, StepEnd::Panicked(_)) {
            self.log_caught(crate::panics::take());
        }
        self.note_end(ticket, end);
        holds
    }

    fn note_end(&mut self, ticket: &Ticket, end: StepEnd) {
        let slot = ticket.task.0;
        let Some(task) = self.tasks.get_mut(slot) else {
            return;
        };
        task.suspended = matches!(end, StepEnd::Pending);
        let is_scenario = task.is_scenario();
        let is_actor = task.is_actor();
        let exits = ticket.part == StepKind::PostStop || !is_actor;
        if is_actor && (self.layers.story || self.layers.causality) {
            self.note_life(slot, ticket.part, &end);
        }
        match end {
            StepEnd::Pending => self.may_have_yielded = true,
            StepEnd::Returned if exits => self.rounds = ROUNDS_AFTER_EXIT,
            StepEnd::Returned => {}
            StepEnd::Failed(error) => {
                self.rounds = ROUNDS_AFTER_EXIT;
                if self.layers.story {
                    let event = Event {
                        kind: EventKind::Failed,
                        text: self.clean(error),
                    };
                    self.write(&Record::Event(event));
                }
            }
            StepEnd::Panicked(message) => {
                self.rounds = ROUNDS_AFTER_EXIT;
                self.panicked(slot, message);
                return;
            }
        }
        // A recorded process may have gone on after that.
        let is_last = is_scenario && self.follow.is_none();
        if is_last && !matches!(self.tasks.get(slot), Some(task) if task.suspended) {
            self.finish(Outcome::Passed);
        }
    }

    fn panicked(&mut self, slot: u32, message: String) {
        let message = self.clean(message);
        let Some(task) = self.tasks.get(slot) else {
            return;
        };
        let (serial, label) = (task.serial, self.label(task));
        let supervised = task
            .cell
            .as_ref()
            .is_some_and(|cell| cell.try_get_supervisor().is_some());
        let seen = crate::panics::take();
        let place = self.write_panic(serial, &message, seen);
        if message.starts_with(crate::limits::NO_THREADS) {
            self.finish(Outcome::Escaped {
                what: format!(
                    "{label} called `spawn_blocking` or something built on it, such as `tokio::fs`"
                ),
                remedy: "its thread would run outside the simulation: do the work in the task, or put it \
                         behind a seam that the simulation replaces (see `retake::is_simulated`)"
                    .to_owned(),
            });
        } else if message.starts_with(crate::limits::NO_POOL) {
            self.finish(Outcome::Escaped {
                what: format!("{label} uses rayon, which has no threads in a simulation"),
                remedy: "do the work in the step, or put it behind a seam that the simulation replaces (see \
                         `retake::is_simulated`). In this process rayon was refused its threads before"
                    .to_owned(),
            });
        } else if !supervised && self.follow.is_none() {
            self.finish(Outcome::Panicked {
                task: label,
                is_dropped: false,
                message,
                place,
            });
        }
    }

    /// A gate was dropped before its code returned.
    pub(crate) fn cancelled(&mut self, ticket: &mut Ticket) {
        let slot = ticket.task.0;
        if self.current == Some(slot) {
            return;
        }
        self.cancelled = self.tasks.get(slot).map(|task| (task.serial, task.label));
        if mem::take(&mut ticket.waiting) {
            self.leave_runnable(slot);
        }
        if let Some(task) = self.tasks.get_mut(slot) {
            task.suspended = false;
        }
        self.rounds = ROUNDS_AFTER_EXIT;
    }
}
