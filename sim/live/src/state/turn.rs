//! The turn: one task has it at a time, for a step.

use std::task::Waker;

use ractor::ActorStatus;
use retake::engine::{StepEnd, StepKind, Ticket};
use retake_traces::live::{Live, Piece};
use retake_traces::record::{Choice, Record, Step};

use super::{CancelEffect, NOBODY, News, PollAnswer, SCENARIO, Slot, State, Who};
use crate::after_poll::Until;
use crate::identity::{clean, kind_of};

impl State {
    /// A gate was polled, outside any step. Gives a waker to drop as well.
    pub(crate) fn poll(
        &mut self,
        ticket: &mut Ticket,
        waker: &Waker,
        now_ns: impl FnOnce() -> u64,
    ) -> (PollAnswer, Option<Waker>) {
        let place = ticket.task.0;
        if self.writer.is_none() {
            return (PollAnswer::Pass, None);
        }
        if self.running.is_some() {
            if !ticket.waiting && !ticket.resumed {
                self.note_taken(place, ticket.part);
            }
            return (PollAnswer::Wait, self.wait(ticket, waker));
        }
        ticket.waiting = false;
        self.running = Some(place);
        if let Some(slot) = self.slot_mut(place) {
            slot.queued = false;
        }
        let now_ns = now_ns().max(self.last_ns);
        self.begin(ticket, now_ns);
        (PollAnswer::Run(now_ns), None)
    }

    /// Something urgent was taken while a step runs. What that step may have sent is written
    /// down behind it: an order to stop, or an event of the actor that runs.
    fn note_taken(&mut self, place: u32, part: StepKind) {
        if !matches!(part, StepKind::Supervision | StepKind::PostStop) {
            return;
        }
        let Some((task, news)) = self.taker(place) else {
            return;
        };
        let about = news.and_then(|(child, _)| self.actor(child));
        let may_be_new = self.running == Some(NOBODY) || self.running == about;
        let taken = news
            .and_then(|(_, started)| started)
            .into_iter()
            .chain([task]);
        if part == StepKind::PostStop || may_be_new {
            self.urgent.extend(taken);
        } else {
            taken.for_each(|task| self.write_taken(task));
        }
    }

    fn taker(&mut self, place: u32) -> Option<(u32, Option<News>)> {
        let slot = self.slot_mut(place)?;
        Some((slot.serial?, slot.news.take()))
    }

    fn write_taken(&mut self, task: u32) {
        self.write_live(Live::Took { task });
    }

    /// A supervisor is about to hear of this actor. If it has started, it has gone on to its
    /// mailbox by then.
    pub(crate) fn set_news(&mut self, supervisor: u32, pid: u64, has_started: bool) {
        let child = self.actor(pid).filter(|_| has_started);
        let started = child.and_then(|place| self.slot(place)?.serial);
        if let Some(slot) = self.slot_mut(supervisor) {
            slot.news = Some((pid, started));
        }
    }

    fn wait(&mut self, ticket: &mut Ticket, waker: &Waker) -> Option<Waker> {
        let place = ticket.task.0;
        let was_woken = std::mem::replace(&mut ticket.waiting, true);
        let slot = self.slot_mut(place)?;
        let stale = slot.waker.replace(waker.clone());
        if !std::mem::replace(&mut slot.queued, true) {
            // Who was woken and found the turn taken is next all the same.
            if was_woken {
                self.waiters.push_front(place);
            } else {
                self.waiters.push_back(place);
            }
        }
        stale
    }

    fn begin(&mut self, ticket: &Ticket, now_ns: u64) {
        let place = ticket.task.0;
        self.name(place);
        if let Some((_, Some((_, Some(child))))) = self.taker(place) {
            self.write_taken(child);
        }
        let Some(slot) = self.slot_mut(place) else {
            return;
        };
        let (serial, text, input) = (slot.serial, slot.text.take(), slot.input.take());
        let elapsed_ns = now_ns - self.last_ns;
        self.last_ns = now_ns;
        self.write(&Record::Step(Step {
            elapsed_ns,
            task: serial.unwrap_or(SCENARIO),
            kind: kind_of(ticket),
            message: ticket.message,
            choice: Choice::Fifo,
        }));
        if let Some(text) = text {
            self.write(&Record::Detail(text));
        }
        if let Some((name, bytes)) = input {
            for piece in Piece::split(&name, &bytes) {
                self.write_live(Live::Input(piece));
            }
        }
    }

    /// The code of the step has run; its turn lasts until [`State::release`].
    pub(crate) fn end_step(&mut self, end: StepEnd) {
        let end = match end {
            StepEnd::Pending | StepEnd::Returned => end,
            StepEnd::Failed(error) => StepEnd::Failed(clean(error, |pid| self.label_of(pid))),
            StepEnd::Panicked(text) => StepEnd::Panicked(clean(text, |pid| self.label_of(pid))),
        };
        self.end = Some(end);
    }

    /// The turn is over. Gives the waker to wake, and with `exits` the actor, which has ended.
    pub(crate) fn release(&mut self, exits: bool) -> (Option<Waker>, Option<Slot>) {
        self.write_step_end();
        for task in std::mem::take(&mut self.urgent) {
            self.write_taken(task);
        }
        self.stop_at_limit();
        let running = self.running.take().filter(|place| *place != NOBODY);
        let gone = running.and_then(|place| {
            if self.slot(place).is_none() {
                // The task went while it had the turn.
                self.free.push(place);
                None
            } else if exits {
                self.remove(place)
            } else {
                None
            }
        });
        if self.exiting > 0 {
            self.running = Some(NOBODY);
            return (None, gone);
        }
        (self.next_waiter(), gone)
    }

    pub(super) fn write_step_end(&mut self) {
        if let Some(end) = self.end.take() {
            self.recorded.steps += 1;
            self.write_live(Live::End(end));
        }
    }

    /// That the actor at this place has this status.
    pub(crate) fn until(&self, place: u32, status: ActorStatus) -> Option<Until> {
        match &self.slot(place)?.who {
            Who::Actor(cell, _) => Some(Until::Status(cell.clone(), status)),
            Who::Scenario | Who::Task(_) => None,
        }
    }

    /// That the task at this place, which is no actor, is over for those who join it.
    pub(crate) fn until_finished(&self, place: u32) -> Option<Until> {
        self.slot(place)?.handle.clone().map(Until::Finished)
    }

    /// Somebody who waits for the turn, which is free.
    fn next_waiter(&mut self) -> Option<Waker> {
        while let Some(place) = self.waiters.pop_front() {
            if let Some(slot) = self.slot_mut(place)
                && std::mem::take(&mut slot.queued)
            {
                return slot.waker.take();
            }
        }
        None
    }

    /// A gate was dropped. Gives what happens to the turn, and a waker to drop.
    pub(crate) fn cancelled(&mut self, ticket: &mut Ticket) -> (CancelEffect, Option<Waker>) {
        let was_waiting = std::mem::take(&mut ticket.waiting);
        let place = ticket.task.0;
        let Some(slot) = self.slot_mut(place) else {
            return (CancelEffect::PassOn(None), None);
        };
        let stale = slot.waker.take();
        let was_queued = std::mem::take(&mut slot.queued);
        if let Some(until) = self.until(place, ActorStatus::Stopped) {
            self.exiting += 1;
            self.running.get_or_insert(NOBODY);
            return (CancelEffect::Killed(until), stale);
        }
        let passes_on = self.running.is_none() && was_waiting && !was_queued;
        let next = if passes_on { self.next_waiter() } else { None };
        (CancelEffect::PassOn(next), stale)
    }

    /// An actor that was killed has ended. True if the turn, which nobody had for it, is over.
    pub(crate) fn exited(&mut self) -> bool {
        self.exiting -= 1;
        self.exiting == 0 && self.running == Some(NOBODY)
    }
}
