//! What makes an event of one run the same as one of another run.
//!
//! A step that handles a message is named by its task, the message and the step that
//! sent it, which is named the same way, up to the beginning of the run. The order in
//! which a task takes its messages does not enter, so an event keeps its name in a run
//! that orders independent steps, or a race, in another way.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use xxhash_rust::xxh3::Xxh3;

use crate::entries::Entry;
use crate::senders::Senders;
use retake_traces::event::Occurrence;
use retake_traces::live::Live;
use retake_traces::record::{StepKind, Task};

/// What both runs recorded, and so can be compared.
#[derive(Clone, Copy, Debug)]
pub(super) struct CommonLayers {
    pub(super) texts: bool,
    pub(super) causes: bool,
    pub(super) states: bool,
}

/// The first order differences that an event depends on, by their numbers, the smallest
/// first; `NONE` fills the rest.
pub(super) type Taint = [u32; 3];
pub(super) const NONE: u32 = u32::MAX;
pub(super) const CLEAN: Taint = [NONE; 3];

/// The smallest numbers of both.
pub(super) fn both(left: Taint, right: Taint) -> Taint {
    if left == right || right == CLEAN {
        return left;
    }
    let mut all: Vec<u32> = left.into_iter().chain(right).collect();
    all.sort_unstable();
    all.dedup();
    [0, 1, 2].map(|place| all.get(place).copied().unwrap_or(NONE))
}

/// An event, by names that two runs have in common.
#[derive(Clone, Copy, Debug)]
pub(super) struct Event {
    /// The task.
    pub(super) task: u64,
    pub(super) id: u64,
    pub(super) taint: Taint,
}

/// A step whose messages are still to be handled.
#[derive(Clone, Copy, Debug)]
struct Sender {
    id: u64,
    taint: Taint,
}

#[derive(Debug, Default)]
struct TaskState {
    name: u64,
    events: u64,
    /// The last step.
    step: u64,
    /// The handler that may resume, and how often it has.
    handler: u64,
    resumes: u64,
    /// Logged in the last step.
    logged: u64,
    /// Steps without a known cause, by kind and message.
    uncaused: BTreeMap<(StepKind, u16), u64>,
    taint: Taint,
}

/// Names the events of one run, which come in order.
#[derive(Debug)]
pub(super) struct Identifier {
    compared: CommonLayers,
    /// Names of which there are several incarnations in one of the runs.
    plural: Rc<BTreeSet<String>>,
    senders: Senders<Sender>,
    tasks: BTreeMap<u32, TaskState>,
    /// By task: from which of its events on the orders differ, and the difference's number.
    pub(super) races: BTreeMap<u64, (u64, u32)>,
    /// Children of one kind that the present step started.
    children: BTreeMap<u64, u64>,
}

fn hash(parts: &[&[u8]]) -> u64 {
    let mut hasher = Xxh3::new();
    for part in parts {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    hasher.digest()
}

/// What the first reading of a run finds out.
#[derive(Clone, Debug, Default)]
pub(super) struct Survey {
    senders: Senders<Sender>,
    plural: BTreeSet<String>,
}

impl Survey {
    pub(super) fn add(&mut self, entry: &Entry) {
        self.senders.survey(entry);
        if let Occurrence::Task(task) = &entry.event.occurrence
            && task.label.incarnation > 1
            && !self.plural.contains(&*task.label.name)
        {
            self.plural.insert(task.label.name.to_string());
        }
    }
}

impl Identifier {
    pub(super) fn new(survey: &Survey, other: &Survey, compared: CommonLayers) -> Self {
        Self {
            compared,
            plural: Rc::new(survey.plural.union(&other.plural).cloned().collect()),
            senders: survey.senders.clone(),
            tasks: BTreeMap::new(),
            races: BTreeMap::new(),
            children: BTreeMap::new(),
        }
    }

    /// The only one of its name is known by it; another by the step that started it.
    fn begin(&mut self, task: &Task) {
        let parent = task.parent.and_then(|parent| self.tasks.get(&parent));
        let taint = parent.map_or(CLEAN, |parent| parent.taint);
        let base = &*task.label.name;
        let mut name = hash(&[b"task", base.as_bytes()]);
        if self.plural.contains(base) {
            let step = parent.map_or(0, |parent| parent.step);
            let children = self.children.entry(name).or_default();
            *children += 1;
            name = hash(&[
                &name.to_le_bytes(),
                &step.to_le_bytes(),
                &children.to_le_bytes(),
            ]);
        }
        let state = TaskState {
            name,
            taint,
            ..TaskState::default()
        };
        self.tasks.insert(task.id, state);
    }

    /// The event that this entry is, if it is one.
    pub(super) fn identify(&mut self, entry: &Entry) -> Option<Event> {
        if let Occurrence::Task(task) = &entry.event.occurrence {
            self.begin(task);
            return None;
        }
        if entry.event.is_step() {
            self.children.clear();
        }
        let sender = self.senders.of(entry).filter(|_| self.compared.causes);
        let task = self
            .tasks
            .entry(entry.event.task?)
            .or_insert_with(|| TaskState {
                name: hash(&[b"unknown", entry.event.who.as_bytes()]),
                taint: CLEAN,
                ..TaskState::default()
            });
        let id = id_of(task, entry, sender.map(|sender| sender.id), self.compared)?;
        let mut taint = task.taint;
        if let Some(sender) = sender {
            taint = both(taint, sender.taint);
        }
        let place = task.events;
        task.events += 1;
        if let Some((_, race)) = self
            .races
            .get(&task.name)
            .filter(|(from, _)| place >= *from)
        {
            taint = both(taint, [*race, NONE, NONE]);
        }
        task.taint = taint;
        let event = Event {
            task: task.name,
            id,
            taint,
        };
        if entry.event.is_step() {
            self.senders.put(entry.event.step, || Sender { id, taint });
        }
        Some(event)
    }
}

fn id_of(
    task: &mut TaskState,
    entry: &Entry,
    cause: Option<u64>,
    compared: CommonLayers,
) -> Option<u64> {
    let name = task.name.to_le_bytes();
    let logged = |task: &mut TaskState, text: &str| {
        task.logged += 1;
        let logged = task.logged.to_le_bytes();
        hash(&[b"event", &task.step.to_le_bytes(), &logged, text.as_bytes()])
    };
    Some(match &entry.event.occurrence {
        Occurrence::Step(step) => {
            let text = entry.event.detail.as_deref().filter(|_| compared.texts);
            let id = if step.kind == StepKind::Resume {
                task.resumes += 1;
                let (handler, resumes) = (task.handler.to_le_bytes(), task.resumes.to_le_bytes());
                hash(&[b"resume", &name, &handler, &resumes])
            } else {
                let which = cause.unwrap_or_else(|| {
                    let count = task.uncaused.entry((step.kind, step.message)).or_default();
                    *count += 1;
                    *count
                });
                let kind = [step.kind as u8, u8::from(cause.is_some())];
                let text = text.unwrap_or_default().as_bytes();
                hash(&[
                    &name,
                    &kind,
                    &step.message.to_le_bytes(),
                    text,
                    &which.to_le_bytes(),
                ])
            };
            if step.kind != StepKind::Resume {
                (task.handler, task.resumes) = (id, 0);
            }
            (task.step, task.logged) = (id, 0);
            id
        }
        Occurrence::Fault(fault) => {
            let action = format!("{:?}", fault.action);
            hash(&[b"fault", &name, action.as_bytes()])
        }
        Occurrence::Panic(panic) => {
            let text = panic.message.as_bytes();
            hash(&[b"panic", &name, &task.step.to_le_bytes(), text])
        }
        Occurrence::Event(event) if compared.texts => logged(task, &event.to_string()),
        Occurrence::Live(live) => match &**live {
            Live::Input(piece) | Live::External(piece) | Live::Output(piece) => {
                let text = xxhash_rust::xxh3::xxh3_64(&piece.bytes);
                logged(task, &format!("{} {text}", piece.name))
            }
            Live::End(_) | Live::Gap(_) | Live::Start(_) | Live::Took { .. } => return None,
        },
        Occurrence::State(state) if compared.states => {
            let text = state.text.as_bytes();
            hash(&[b"state", &name, &task.step.to_le_bytes(), text])
        }
        Occurrence::Event(_)
        | Occurrence::State(_)
        | Occurrence::Unhandled(_)
        | Occurrence::Ended(_)
        | Occurrence::Task(_)
        | Occurrence::End(_) => return None,
    })
}
