//! What is recorded of a run, its checks and its end.

use retake_traces::TEXT_MAX;
use retake_traces::record::{End, Event, EventKind, Panic, Record, State as StateRecord};
use xxhash_rust::xxh3::xxh3_64;

use retake_traces::Watch;

use super::{COUNTED, Core, Last, Mode};
use crate::outcome::{Messages, Outcome, WaitingTask};
use crate::panics::SeenPanic;
use crate::place::Place;

/// How the message of a panic begins that a fault made.
const INJECTED: &str = "injected panic";
/// Who has panicked where no gate guards.
const UNGATED: &str = "a task that no gate guards";
/// Longest text of a state.
const STATE_MAX: usize = TEXT_MAX - 1024;

impl Core {
    #[inline]
    pub(crate) fn write(&mut self, record: &Record) {
        if self.trace_error.is_some() || !self.mode.is_recorded() {
            return;
        }
        if let Err(error) = self.sink.record(record) {
            self.trace_error = Some(error);
        }
    }

    /// Record a panic with its place, which is given back, and what else has panicked in
    /// this step and was caught.
    pub(super) fn write_panic(
        &mut self,
        task: u32,
        message: &str,
        mut seen: Vec<SeenPanic>,
    ) -> Option<Place> {
        let last = seen
            .iter()
            .rposition(|panic| self.clean(panic.message.clone()) == message);
        let panic = last.map(|last| seen.remove(last));
        if panic.is_none() && seen.is_empty() && !message.starts_with(INJECTED) {
            crate::panics::missed();
        }
        self.log_caught(seen);
        self.write(&Record::Panic(Panic {
            task,
            message: message.to_owned(),
        }));
        let panic = panic?;
        if let (true, Some(place)) = (self.layers.story, &panic.place) {
            self.write(&Record::Detail(place.to_string()));
        }
        self.backtrace = panic.frames;
        panic.place
    }

    /// Panics that the code of a step caught itself.
    pub(super) fn log_caught(&mut self, seen: Vec<SeenPanic>) {
        for panic in seen {
            let place = panic.place.map(|place| format!(" at {place}"));
            let message = self.clean(panic.message);
            let place = place.unwrap_or_default();
            self.log(format!("a panic{place} was caught: {message}"));
        }
    }

    /// Code outside every step has panicked.
    pub(crate) fn strayed(&mut self, seen: Vec<SeenPanic>) {
        if self.is_over() || self.follow.is_some() || !matches!(self.mode, Mode::Steps) {
            return;
        }
        let Some(panic) = seen.into_iter().next() else {
            return;
        };
        let is_dropped = self.cancelled.is_some();
        let (serial, task) = match self.cancelled {
            Some((serial, label)) => (serial, self.labels.text(label)),
            None => (0, UNGATED.to_owned()),
        };
        let message = self.clean(panic.message.clone());
        let place = self.write_panic(serial, &message, vec![panic]);
        self.finish(Outcome::Panicked {
            task,
            is_dropped,
            message,
            place,
        });
    }

    /// Add an event to the story.
    pub(crate) fn log(&mut self, text: String) {
        if self.layers.story && !self.is_over() {
            self.write(&Record::Event(Event::log(text)));
        }
    }

    pub(super) fn write_detail(&mut self, slot: u32) {
        let about = self.tasks.get(slot).and_then(|task| task.about.as_ref());
        if let Some(text) = about.and_then(|about| about.text.clone()) {
            let text = self.clean(text);
            self.write(&Record::Detail(text));
        }
    }

    /// Record what a supervisor learns of a child in the step that begins.
    pub(super) fn write_child(&mut self, slot: u32) {
        let about = self.tasks.get_mut(slot).and_then(|it| it.about.as_mut());
        if let Some(child) = about.and_then(|about| about.child.take()) {
            self.write(&Record::Child(child));
        }
    }

    /// Record the state that the callback which begins has found.
    pub(super) fn write_state(&mut self, slot: u32) {
        let state = self.tasks.get_mut(slot).and_then(|task| {
            let seen = task.about.as_mut()?.state.as_mut()?;
            Some((task.serial, seen.text.take()?))
        });
        if let Some((task, text)) = state
            && let Some(text) = self.changed_state(slot, text)
        {
            self.write(&Record::State(StateRecord {
                task,
                text,
                at_end: false,
            }));
        }
    }

    /// The text of a state, made fit to be recorded, if it is not the one recorded last.
    fn changed_state(&mut self, slot: u32, text: String) -> Option<String> {
        let mut text = self.clean(text);
        if text.len() > STATE_MAX {
            // Without its length, which `clean` does not make equal where the end was cut.
            text.truncate(text.floor_char_boundary(STATE_MAX));
            text.push('…');
        }
        let hash = Some(xxh3_64(text.as_bytes()));
        let seen = self.tasks.get_mut(slot)?.about.as_mut()?.state.as_mut()?;
        if seen.recorded == hash {
            return None;
        }
        seen.recorded = hash;
        Some(text)
    }

    /// What is known of actors' states at the end of the run and is not recorded, by
    /// serial.
    pub(crate) fn last_states(&mut self) -> Vec<StateRecord> {
        let mut slots: Vec<(u32, u32)> = self
            .tasks
            .iter()
            .map(|(slot, task)| (task.serial, slot))
            .collect();
        slots.sort_unstable();
        let mut states = Vec::new();
        for (serial, slot) in slots {
            let text = self.tasks.get_mut(slot).and_then(|task| {
                let seen = task.about.as_mut()?.state.as_mut()?;
                seen.text.take()
            });
            let text = text.and_then(|text| self.changed_state(slot, text));
            states.extend(text.map(|text| StateRecord {
                task: serial,
                text,
                at_end: true,
            }));
        }
        states
    }

    /// Live actors that wait for a message, by serial.
    pub(crate) fn idle_actors(&self) -> Vec<ractor::ActorCell> {
        let mut idle: Vec<(u32, ractor::ActorCell)> = self
            .tasks
            .iter()
            .filter(|(_, task)| task.is_live_actor() && !task.suspended)
            .filter_map(|(_, task)| Some((task.serial, task.cell.clone()?)))
            .collect();
        idle.sort_unstable_by_key(|(serial, _)| *serial);
        idle.into_iter().map(|(_, cell)| cell).collect()
    }

    /// Tasks that wait inside a callback.
    pub(crate) fn waiting(&self) -> Vec<WaitingTask> {
        self.tasks
            .iter()
            .filter(|(_, task)| task.suspended)
            .map(|(_, task)| WaitingTask {
                task: self.label(task),
                doing: self.clean(task.doing()),
                spawned: task
                    .spawned
                    .as_ref()
                    .and_then(|spawned| spawned.at)
                    .map(crate::panics::place),
                waits_for: Vec::new(),
            })
            .collect()
    }

    pub(crate) fn finish(&mut self, outcome: Outcome) {
        if self.outcome.is_none() {
            self.outcome = Some(outcome);
        }
    }

    /// What to know of threads that were started.
    pub(crate) fn threads_warning(&self) -> Option<String> {
        let first = self.first_thread.as_deref().unwrap_or("by unknown code");
        (self.threads > 0).then(|| {
            format!(
                "{} thread{} started, the first {first}: this run may not repeat",
                self.threads,
                if self.threads == 1 { " was" } else { "s were" }
            )
        })
    }

    /// Write what was left in mailboxes, the last states and the end, and close the trace;
    /// gives the event hash.
    pub(crate) fn close(&mut self, last: Last) -> u64 {
        for message in last.unhandled {
            self.write(&Record::Unhandled(message));
        }
        for state in last.states {
            self.write(&Record::State(state));
        }
        self.stats.virtual_time = std::time::Duration::from_nanos(self.end_ns());
        let outcome = self
            .outcome
            .clone()
            .unwrap_or(Outcome::StepLimit { busy: Vec::new() });
        let end = End {
            outcome: outcome.kind(),
            detail: outcome.detail(),
            steps: self.stats.steps,
            now_ns: self.end_ns(),
        };
        self.write(&Record::End(end));
        if let Err(error) = self.sink.finish() {
            self.trace_error.get_or_insert(error);
        }
        self.sink.event_hash()
    }

    pub(crate) fn violated(&mut self, what: &str, check: &str) {
        let what = self.clean(what.to_owned());
        if self.is_over() || matches!(self.mode, Mode::Awaits(_)) {
            return;
        }
        let task = self.current_label();
        if self.layers.story {
            // The line is the spawner's, whose step it is.
            let of = self.within.map(|_| format!(" (in pre_start of `{task}`)"));
            let of = of.unwrap_or_default();
            let event = Event {
                kind: EventKind::Violated,
                text: format!("{what}{of}"),
            };
            self.write(&Record::Event(event));
        }
        if let Some(follow) = &mut self.follow {
            // The recorded process went on.
            follow.violated(format!("{task}: {what}"));
            return;
        }
        let check = check.to_owned();
        self.finish(Outcome::Violated {
            task,
            what,
            check,
            is_count: false,
        });
    }

    pub(crate) fn show_to_monitor(&mut self, text: &str) {
        if let Some(mut monitor) = self.monitor.take() {
            let seen = monitor(&self.current_label(), text);
            self.monitor = Some(monitor);
            if let Err(what) = seen {
                self.violated(&what, "");
            }
        }
    }

    /// A state machine has met an event in a state so many times more.
    pub(crate) fn covered(&mut self, machine: &str, state: &str, event: &str, times: u64) {
        let states = self.coverage.entry(machine.to_owned()).or_default();
        let events = states.entry(state.to_owned()).or_default();
        *events.entry(event.to_owned()).or_default() += times;
    }

    /// The run is over: see what became of its messages.
    pub(crate) fn check_messages(&mut self, messages: Option<Messages>, watch: Watch) {
        self.messages = messages;
        let Some(messages) = &self.messages else {
            return;
        };
        let live = self.tasks.iter().filter(|(_, task)| task.is_live_actor());
        let none_ended = live.count() as u64 == self.stats.actors;
        let Messages {
            sent,
            handled,
            refused,
            lost,
            first_lost,
            queued,
            ungated,
        } = messages.clone();
        if ungated > 0 && watch == Watch::Lossless && self.outcome == Some(Outcome::Passed) {
            self.outcome = Some(Outcome::Escaped {
                what: format!(
                    "{ungated} of {sent} messages were sent by tasks that no gate guards, so nothing can \
                     tell whether others were lost on their way"
                ),
                remedy: "ractor's `OutputPort` drops what a slow subscriber has not taken: send to \
                         subscribers by `cast`; use `retake::send_after` and `retake::spawn` for timers \
                         and tasks"
                    .to_owned(),
            });
            return;
        }
        let wrong = if sent != handled + refused + lost + queued {
            format!(
                "{sent} sent, but {handled} handled, {refused} refused, {lost} lost, {queued} queued"
            )
        } else if lost > 0 && (none_ended || watch == Watch::Lossless) {
            let first = first_lost.unwrap_or_default();
            format!("{lost} of {sent} messages were lost, the first one sent by step {first}")
        } else {
            return;
        };
        if self.outcome == Some(Outcome::Passed) {
            self.outcome = Some(Outcome::Violated {
                task: COUNTED.to_owned(),
                what: wrong,
                check: String::new(),
                is_count: true,
            });
        }
    }
}
