//! The records of a trace, made of a child's events.

use std::collections::BTreeMap;

use retake_core::label::short_type;
use retake_live::identity;
use retake_sim::{Outcome, Place, Stats};
use retake_traces::error::TraceError;
use retake_traces::fault::Moment;
use retake_traces::record::{
    End, Event, Injection, Panic, Record, State, Step, StepKind, Task, TaskKind,
};
use retake_traces::sink::Sink;
use retake_traces::time::nanos;
use retake_traces::{Label, Layers};

/// Passes records on to a sink, up to the first that it does not take.
pub(crate) struct Recorder<'a> {
    layers: Layers,
    sink: &'a mut dyn Sink,
    /// How many tasks have each name.
    labels: BTreeMap<String, u32>,
    next_task: u32,
    /// The last step, which waits for what it has taken.
    open: Option<OpenStep>,
    /// The last state of each actor.
    states: BTreeMap<u32, String>,
    error: Option<TraceError>,
}

struct OpenStep {
    step: Step,
    messages: Vec<String>,
    cause: Option<u64>,
    /// What follows its message and its cause.
    texts: Vec<Record>,
}

/// Tasks that have not been announced and are named by their numbers, at most.
const GAP_MAX: u32 = 1024;

impl<'a> Recorder<'a> {
    pub(crate) fn new(layers: Layers, sink: &'a mut dyn Sink) -> Self {
        Self {
            layers,
            sink,
            labels: BTreeMap::new(),
            next_task: 0,
            open: None,
            states: BTreeMap::new(),
            error: None,
        }
    }

    fn write(&mut self, record: &Record) {
        if self.error.is_none() {
            self.error = self.sink.record(record).err();
        }
    }

    /// A task was started. Gives its label, with a number if others have the same name.
    pub(crate) fn task(
        &mut self,
        id: u32,
        kind: TaskKind,
        name: String,
        parent: Option<u32>,
    ) -> String {
        self.close_step();
        // Numbers are given in order: constraints of a case name tasks by them.
        while self.next_task < id && id - self.next_task <= GAP_MAX {
            let label = format!("task {}", self.next_task);
            self.add_task(self.next_task, TaskKind::Task, label, None);
        }
        self.add_task(id, kind, name, parent)
    }

    fn add_task(&mut self, id: u32, kind: TaskKind, name: String, parent: Option<u32>) -> String {
        let number = self.labels.entry(name.clone()).or_default();
        *number += 1;
        let label = Label::new(name, *number);
        self.next_task = id.saturating_add(1);
        let text = label.to_string();
        self.write(&Record::Task(Task {
            id,
            kind,
            label,
            parent,
        }));
        text
    }

    pub(crate) fn open_step(&mut self, step: Step) {
        self.close_step();
        self.open = Some(OpenStep {
            step,
            messages: Vec::new(),
            cause: None,
            texts: Vec::new(),
        });
    }

    /// The step has taken a message of this type.
    pub(crate) fn message(&mut self, type_name: &str) {
        if let Some(open) = &mut self.open {
            open.messages.push(short_type(type_name));
        }
    }

    /// The message that it has taken last is this one, as text.
    pub(crate) fn message_text(&mut self, text: &str) {
        if let Some(open) = &mut self.open {
            open.messages.pop();
            open.messages.push(clean(text));
        }
    }

    /// The state of an actor, where it has changed.
    pub(crate) fn state(&mut self, task: u32, text: &str) {
        let text = clean(text);
        if let Some(open) = &mut self.open
            && self.layers.states
            && self.states.get(&task) != Some(&text)
        {
            self.states.insert(task, text.clone());
            open.texts.push(Record::State(State {
                task,
                text,
                at_end: false,
            }));
        }
    }

    /// A line of the story.
    pub(crate) fn line(&mut self, text: &str) {
        if let Some(open) = &mut self.open
            && self.layers.story
        {
            open.texts.push(Record::Event(Event::log(clean(text))));
        }
    }

    /// The step could be taken because of this one.
    pub(crate) fn cause(&mut self, step: u64) {
        if let Some(open) = &mut self.open {
            open.cause = Some(step);
        }
    }

    /// Write the last step: nothing more belongs to it.
    pub(crate) fn close_step(&mut self) {
        let Some(OpenStep {
            mut step,
            messages,
            cause,
            texts,
        }) = self.open.take()
        else {
            return;
        };
        if !messages.is_empty() {
            step.kind = StepKind::Handle;
        }
        self.write(&Record::Step(step));
        if self.layers.story && !messages.is_empty() {
            self.write(&Record::Detail(messages.join(", ")));
        }
        if let Some(cause) = cause.filter(|_| self.layers.causality) {
            self.write(&Record::Cause(cause));
        }
        for text in texts {
            self.write(&text);
        }
    }

    /// A fault was injected: before the next step, or in the last one.
    pub(crate) fn fault(&mut self, injected: Injection, moment: Moment) {
        let is_of_step = match moment {
            Moment::Place | Moment::Request | Moment::Packet => true,
            // Each place at which something misbehaves.
            _ => injected.action.moment() == Moment::Place,
        };
        let record = Record::Fault(injected);
        match &mut self.open {
            Some(open) if is_of_step => open.texts.push(record),
            _ => {
                self.close_step();
                self.write(&record);
            }
        }
    }

    pub(crate) fn panic(&mut self, task: u32, message: &str, place: Option<&Place>) {
        self.close_step();
        self.write(&Record::Panic(Panic {
            task,
            message: message.to_owned(),
        }));
        if let Some(place) = place.filter(|_| self.layers.story) {
            self.write(&Record::Detail(place.to_string()));
        }
    }

    /// Write how the run ended. Gives why the trace is not complete, if it is not.
    pub(crate) fn end(mut self, outcome: &Outcome, stats: &Stats) -> Option<TraceError> {
        self.close_step();
        self.write(&Record::End(End {
            outcome: outcome.kind(),
            detail: outcome.detail(),
            steps: stats.steps,
            now_ns: nanos(stats.virtual_time),
        }));
        self.error
    }
}

/// A text of an actor without addresses and the insides of ports. ractor's numbers of actors are
/// the same in each run of a process.
fn clean(text: &str) -> String {
    identity::clean(text.to_owned(), |actor| Some(format!("actor {actor}")))
}
