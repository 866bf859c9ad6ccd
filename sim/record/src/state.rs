//! Who has the turn, who waits for it, and what has been written.
//!
//! No code of the user's runs in here: wakers are handed back, to be woken or dropped after
//! letting go of the lock.

use std::collections::{BTreeMap, VecDeque};
use std::task::Waker;

use ractor::{ActorCell, ActorStatus};
use rand_chacha::ChaCha8Rng;
use retake::engine::{Part, StepEnd, TaskId, Ticket};
use retake_traces::live::{Live, Piece, Start, StepEnd as LiveEnd};
use retake_traces::record::{Choice, End, Record, Step, Task, TaskKind};
use retake_traces::{Sink as _, TraceError, TraceWriter};
use tokio::task::AbortHandle;

use crate::identity::{Label, Labels, clean, kind_of};
use crate::recording::Recorded;

/// The task that starts everything has this place and this number.
pub(crate) const SCENARIO: u32 = 0;

/// An actor or another task, in a place that is used again when it is gone.
pub(crate) struct Slot {
    /// Its number in the recording, from its first part in it.
    serial: Option<u32>,
    label: Option<Label>,
    who: Who,
    waker: Option<Waker>,
    /// It is among those who wait.
    queued: bool,
    /// What it was started with from outside, until it runs.
    input: Option<(String, Vec<u8>)>,
    /// The message that it is about to handle.
    text: Option<String>,
    /// Of whom it is about to hear.
    news: Option<News>,
    /// Of a task that is no actor: whether it is over for those who join it.
    handle: Option<AbortHandle>,
}

enum Who {
    Scenario,
    Actor(ActorCell, &'static str),
    Task(String),
}

/// Ractor's id of the actor that it is about, and its number if it has started.
type News = (u64, Option<u32>);

pub(crate) struct State {
    /// None when nothing more is written.
    writer: Option<TraceWriter>,
    error: Option<TraceError>,
    gap: Option<String>,
    bytes_max: u64,
    recorded: Recorded,
    slots: Vec<Option<Slot>>,
    free: Vec<u32>,
    by_actor: BTreeMap<u64, u32>,
    /// Actors started since the last look for those that have ended.
    started: usize,
    labels: Labels,
    /// Who has the turn.
    running: Option<u32>,
    /// The actor of which `pre_start` runs as a part of that step.
    within: Option<TaskId>,
    waiters: VecDeque<u32>,
    /// Numbers of those who took something urgent during the step that runs.
    urgent: Vec<u32>,
    /// Actors that were killed and have not ended.
    exits: Vec<ActorCell>,
    /// How the step ended whose turn is not over yet.
    end: Option<LiveEnd>,
    /// A task whose last step is over, and which may not be over yet for those who join it.
    ended: Option<AbortHandle>,
    last_ns: u64,
    is_dirty: bool,
    pub(crate) rng: ChaCha8Rng,
}

/// Has the turn while an actor ends that was killed.
const NOBODY: u32 = u32::MAX;

/// Who is next when a turn is over.
pub(crate) enum Freed {
    /// The waker to wake, if a task waits.
    Next(Option<Waker>),
    /// Nobody before this actor has ended.
    For(ActorCell),
}

/// A poll of a gate.
pub(crate) enum Polled {
    /// Run; the step begins at this time.
    Run(u64),
    Wait,
    /// Ask again: a task is not over yet, which it is when it has ended here.
    Again,
    /// Nothing is recorded any more.
    Pass,
}

impl State {
    pub(crate) fn new(
        writer: TraceWriter,
        rng: ChaCha8Rng,
        bytes_max: Option<u64>,
        start: Start,
    ) -> Self {
        let origin_ns = start.origin_ns;
        let scenario = Slot::new(Who::Scenario);
        let mut state = Self {
            writer: Some(writer),
            error: None,
            gap: None,
            bytes_max: bytes_max.unwrap_or(u64::MAX),
            recorded: Recorded::default(),
            slots: vec![Some(scenario)],
            free: Vec::new(),
            by_actor: BTreeMap::new(),
            started: 0,
            labels: Labels::default(),
            running: None,
            within: None,
            waiters: VecDeque::new(),
            urgent: Vec::new(),
            exits: Vec::new(),
            end: None,
            ended: None,
            last_ns: origin_ns,
            is_dirty: false,
            rng,
        };
        state.write_live(Live::Start(start));
        // It has its number whether it takes part or not, as in a simulation.
        state.name(SCENARIO);
        state
    }

    // --- tasks ---

    pub(crate) fn start_actor(&mut self, cell: &ActorCell, type_name: &'static str) -> u32 {
        self.sweep();
        let slot = self.add(Who::Actor(cell.clone(), type_name));
        self.by_actor.insert(cell.get_id().pid(), slot);
        self.started += 1;
        slot
    }

    pub(crate) fn start_task(&mut self, name: &str) -> u32 {
        self.add(Who::Task(name.to_owned()))
    }

    pub(crate) fn actor(&self, pid: u64) -> Option<u32> {
        self.by_actor.get(&pid).copied()
    }

    fn add(&mut self, who: Who) -> u32 {
        let slot = Slot::new(who);
        let place = match self.free.pop() {
            Some(place) => {
                self.slots[place as usize] = Some(slot);
                place
            }
            None => {
                self.slots.push(Some(slot));
                (self.slots.len() - 1) as u32
            }
        };
        // What is started outside any step is given its number when it runs.
        if self.running.is_some() && crate::recorder::in_step() {
            self.name(place);
        }
        place
    }

    /// See [`retake::engine::Engine::within`].
    pub(crate) fn within(&mut self, actor: Option<TaskId>) -> Option<TaskId> {
        std::mem::replace(&mut self.within, actor)
    }

    /// Give a task its number and label, and write them down.
    fn name(&mut self, place: u32) {
        let parent = self.within.map(|actor| actor.0).or(self.running);
        let parent = parent.filter(|parent| *parent != place);
        let parent = parent.and_then(|running| self.slot(running));
        let parent = parent.and_then(|parent| Some((parent.serial?, parent.label?)));
        let Some(slot) = self.slots.get_mut(place as usize).and_then(Option::as_mut) else {
            return;
        };
        if slot.serial.is_some() {
            return;
        }
        let (kind, label) = match &slot.who {
            Who::Scenario => (TaskKind::Scenario, self.labels.of_task("scenario")),
            Who::Task(name) => (TaskKind::Task, self.labels.of_task(name)),
            Who::Actor(cell, type_name) => {
                let name = cell.get_name();
                let above = parent.map(|(_, label)| label);
                let label = self.labels.of_actor(name.as_deref(), type_name, above);
                (TaskKind::Actor, label)
            }
        };
        let serial = self.recorded.tasks;
        self.recorded.tasks += 1;
        slot.serial = Some(serial);
        slot.label = Some(label);
        let label = self.labels.text(label);
        let parent = parent.map(|(serial, _)| serial);
        let task = Task {
            id: serial,
            kind,
            label,
            parent,
        };
        self.write(&Record::Task(task));
    }

    fn slot(&self, place: u32) -> Option<&Slot> {
        self.slots.get(place as usize)?.as_ref()
    }

    fn slot_mut(&mut self, place: u32) -> Option<&mut Slot> {
        self.slots.get_mut(place as usize)?.as_mut()
    }

    /// A task is gone; to be dropped outside.
    pub(crate) fn remove(&mut self, place: u32) -> Option<Slot> {
        if place == SCENARIO {
            return None;
        }
        let slot = self.slots.get_mut(place as usize)?.take()?;
        if let Who::Actor(cell, _) = &slot.who {
            self.by_actor.remove(&cell.get_id().pid());
        }
        self.free.push(place);
        Some(slot)
    }

    /// Of actors that were killed nobody tells that they have ended: look, now and then.
    fn sweep(&mut self) {
        if self.started <= self.slots.len() / 2 + 64 {
            return;
        }
        self.started = 0;
        for place in 0..self.slots.len() as u32 {
            let has_ended = self.slot(place).is_some_and(|slot| {
                matches!(&slot.who, Who::Actor(cell, _) if cell.get_status() == ActorStatus::Stopped)
                    && !slot.queued
                    && self.running != Some(place)
            });
            if has_ended {
                // An actor's waker and cell are dropped here: its task is gone already.
                drop(self.remove(place));
            }
        }
    }

    pub(crate) fn set_text(&mut self, place: u32, text: String) {
        let text = clean(text, |pid| {
            let label = self.slot(self.actor(pid)?)?.label?;
            Some(self.labels.text(label))
        });
        if let Some(slot) = self.slot_mut(place) {
            slot.text = Some(text);
        }
    }

    pub(crate) fn set_handle(&mut self, place: u32, handle: AbortHandle) {
        if let Some(slot) = self.slot_mut(place) {
            slot.handle = Some(handle);
        }
    }

    pub(crate) fn set_input(&mut self, place: u32, name: &str, bytes: Vec<u8>) {
        if let Some(slot) = self.slot_mut(place) {
            slot.input = Some((name.to_owned(), bytes));
        }
    }

    pub(crate) fn label_of(&self, pid: u64) -> Option<String> {
        let label = self.slot(self.actor(pid)?)?.label?;
        Some(self.labels.text(label))
    }

    // --- the turn ---

    /// A gate was polled, outside any step. Gives a waker to drop as well.
    pub(crate) fn poll(
        &mut self,
        ticket: &mut Ticket,
        waker: &Waker,
        now_ns: impl FnOnce() -> u64,
        may_ask_again: bool,
    ) -> (Polled, Option<Waker>) {
        let place = ticket.task.0;
        if self.writer.is_none() {
            return (Polled::Pass, None);
        }
        if self.running.is_none()
            && let Some(ended) = self.ended.take()
            && !ended.is_finished()
            && may_ask_again
        {
            self.ended = Some(ended);
            return (Polled::Again, None);
        }
        if self.running.is_some() {
            if !ticket.waiting && !ticket.resumed {
                self.note_taken(place, ticket.part);
            }
            return (Polled::Wait, self.wait(ticket, waker));
        }
        ticket.waiting = false;
        self.running = Some(place);
        if let Some(slot) = self.slot_mut(place) {
            slot.queued = false;
        }
        let now_ns = now_ns().max(self.last_ns);
        self.begin(ticket, now_ns);
        (Polled::Run(now_ns), None)
    }

    /// Something urgent was taken while a step runs. What that step may have sent is written
    /// down behind it: an order to stop, or an event of the actor that runs.
    fn note_taken(&mut self, place: u32, part: Part) {
        if !matches!(part, Part::Supervision | Part::PostStop) {
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
        if part == Part::PostStop || may_be_new {
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
        if !matches!(end, StepEnd::Pending)
            && let Some(handle) = self.running.and_then(|it| self.slot_mut(it)?.handle.take())
        {
            self.ended = Some(handle);
        }
        let end = match end {
            StepEnd::Pending => LiveEnd::Pending,
            StepEnd::Returned => LiveEnd::Returned,
            StepEnd::Failed(error) => LiveEnd::Failed(clean(error, |pid| self.label_of(pid))),
            StepEnd::Panicked(text) => LiveEnd::Panicked(clean(text, |pid| self.label_of(pid))),
        };
        self.end = Some(end);
    }

    /// The turn is over. Gives who is to be woken, and with `gone` the task, which has ended.
    pub(crate) fn release(&mut self, gone: bool) -> (Freed, Option<Slot>) {
        self.write_step_end();
        for task in std::mem::take(&mut self.urgent) {
            self.write_taken(task);
        }
        self.stop_at_limit();
        let running = self.running.take();
        let gone = running
            .filter(|_| gone)
            .and_then(|place| self.remove(place));
        if let Some(actor) = self.exits.pop() {
            self.running = Some(NOBODY);
            return (Freed::For(actor), gone);
        }
        (Freed::Next(self.next_waiter()), gone)
    }

    fn write_step_end(&mut self) {
        if let Some(end) = self.end.take() {
            self.recorded.steps += 1;
            self.write_live(Live::End(end));
        }
    }

    /// The cell of the actor at this place.
    pub(crate) fn cell(&self, place: u32) -> Option<ActorCell> {
        match &self.slot(place)?.who {
            Who::Actor(cell, _) => Some(cell.clone()),
            Who::Scenario | Who::Task(_) => None,
        }
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

    /// A gate was dropped. Gives who has the turn in its place, and a waker to drop.
    pub(crate) fn cancelled(&mut self, ticket: &mut Ticket) -> (Freed, Option<Waker>) {
        let was_waiting = std::mem::take(&mut ticket.waiting);
        if let Some(actor) = self.cell(ticket.task.0) {
            // It was killed: until it has ended nobody else runs.
            self.exits.push(actor);
        }
        let Some(slot) = self.slot_mut(ticket.task.0) else {
            return (Freed::Next(None), None);
        };
        let stale = slot.waker.take();
        let was_queued = std::mem::take(&mut slot.queued);
        if self.running.is_some() {
            return (Freed::Next(None), stale);
        }
        if let Some(actor) = self.exits.pop() {
            self.running = Some(NOBODY);
            return (Freed::For(actor), stale);
        }
        let passes_on = was_waiting && !was_queued;
        let next = if passes_on { self.next_waiter() } else { None };
        (Freed::Next(next), stale)
    }

    // --- writing ---

    pub(crate) fn write_live(&mut self, live: Live) {
        self.write(&Record::Live(Box::new(live)));
    }

    fn write(&mut self, record: &Record) {
        let Some(writer) = &mut self.writer else {
            return;
        };
        self.is_dirty = true;
        if let Err(error) = writer.record(record) {
            // The process is worth more than its recording.
            self.gap = Some(error.to_string());
            self.error = Some(error);
            self.writer = None;
        }
    }

    fn stop_at_limit(&mut self) {
        let bytes = self.writer.as_ref().map_or(0, TraceWriter::bytes);
        if bytes > self.bytes_max {
            let why = format!("it has reached its limit of {} bytes", self.bytes_max);
            self.gap = Some(why.clone());
            self.write_live(Live::Gap(why));
            self.close();
        }
    }

    pub(crate) fn flush(&mut self) {
        if let Some(writer) = &mut self.writer
            && std::mem::take(&mut self.is_dirty)
            && let Err(error) = writer.flush()
        {
            self.gap = Some(error.to_string());
            self.error = Some(error);
            self.writer = None;
        }
    }

    /// Write the end.
    fn close(&mut self) {
        self.write_step_end();
        let end = End {
            outcome: "recorded".to_owned(),
            detail: self.gap.clone().unwrap_or_default(),
            steps: self.recorded.steps,
            now_ns: self.last_ns,
        };
        self.write(&Record::End(end));
        let Some(mut writer) = self.writer.take() else {
            return;
        };
        self.recorded.bytes = writer.bytes();
        if let Err(error) = writer.finish() {
            self.error = Some(error);
        }
    }

    /// Nothing more is recorded. Gives what was, and everybody who waits.
    pub(crate) fn finish(&mut self) -> (Result<Recorded, TraceError>, Vec<Waker>) {
        self.close();
        let waiters = self.slots.iter_mut().flatten();
        let wakers = waiters.filter_map(|slot| slot.waker.take()).collect();
        let recorded = Recorded {
            gap: self.gap.clone(),
            ..self.recorded.clone()
        };
        (self.error.take().map_or(Ok(recorded), Err), wakers)
    }

    /// True when nothing is written any more, and every task may run.
    pub(crate) fn is_over(&self) -> bool {
        self.writer.is_none()
    }
}

impl Slot {
    fn new(who: Who) -> Self {
        Self {
            serial: None,
            label: None,
            who,
            waker: None,
            queued: false,
            input: None,
            text: None,
            news: None,
            handle: None,
        }
    }
}
