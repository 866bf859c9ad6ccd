//! What the scheduler knows of each task, kept in slots that are reused.

use std::hash::{BuildHasherDefault, Hasher};
use std::num::NonZeroU64;
use std::panic::Location;
use std::task::Waker;

use ractor::{ActorCell, ActorStatus};
use retake::engine::StepKind;
use retake_traces::record::Child;
use tokio::task::AbortHandle;

use crate::identity::LabelId;

/// One task: an actor, the scenario, or a task that it spawned.
#[derive(Debug)]
pub(crate) struct Task {
    /// Its number in traces.
    pub(crate) serial: u32,
    pub(crate) label: LabelId,
    /// Of an actor: to kill it, and to tell whether it has ended.
    pub(crate) cell: Option<ActorCell>,
    pub(crate) waker: Option<Waker>,
    pub(crate) state: State,
    /// Awaiting something inside a callback.
    pub(crate) suspended: bool,
    /// What it did last, for reports.
    pub(crate) doing: StepKind,
    /// More about that, when the story or causality is recorded.
    pub(crate) about: Option<Box<About>>,
    /// A fault waits for one of its callbacks.
    pub(crate) is_armed: bool,
    pub(crate) deeds: Deeds,
    /// Of a task that is no actor.
    pub(crate) spawned: Option<SpawnInfo>,
}

/// What a task has done at this instant.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Deeds {
    pub(crate) instant: u32,
    pub(crate) window: u32,
    /// One bit for each kind of step and message, by chance shared by several.
    pub(crate) kinds: u32,
}

/// What is known of a task's spawning.
#[derive(Debug)]
pub(crate) struct SpawnInfo {
    pub(crate) at: Option<&'static Location<'static>>,
    pub(crate) handle: Option<AbortHandle>,
}

/// The message that a task handles, or is about to.
#[derive(Debug, Default)]
pub(crate) struct About {
    pub(crate) text: Option<String>,
    /// The step that sent it.
    pub(crate) cause: Option<NonZeroU64>,
    /// Of an actor, when states are recorded.
    pub(crate) state: Option<Box<SeenState>>,
    /// Of an actor: slot and number of its supervisor.
    pub(crate) supervisor: Option<(u32, u32)>,
    /// Its last callback has ended the actor.
    pub(crate) is_over: bool,
    /// Of a supervisor: what it is about to hear.
    pub(crate) child: Option<Child>,
    /// The step of its `post_start`.
    pub(crate) started_at: Option<NonZeroU64>,
}

/// What was seen of an actor's state.
#[derive(Debug, Default)]
pub(crate) struct SeenState {
    /// Its text as the callback that comes next finds it, not recorded yet.
    pub(crate) text: Option<String>,
    /// The hash of the text that was recorded last.
    pub(crate) recorded: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Has nothing to run.
    Idle,
    /// In the runnable set.
    Runnable,
    /// Chosen, and woken to take its step.
    Granted,
    /// Could run, but a fault delays it.
    Delayed,
    /// An actor that the last sweep found ended.
    Ended,
}

impl Task {
    /// Keep the waker of the gate that waits; gives back the one it takes the place of.
    #[inline]
    pub(crate) fn keep_waker(&mut self, waker: &Waker) -> Option<Waker> {
        match &self.waker {
            Some(kept) if kept.will_wake(waker) => None,
            _ => self.waker.replace(waker.clone()),
        }
    }

    pub(crate) fn is_actor(&self) -> bool {
        self.cell.is_some()
    }

    /// The scenario is what a run starts first.
    pub(crate) fn is_scenario(&self) -> bool {
        self.serial == 0
    }

    pub(crate) fn is_live_actor(&self) -> bool {
        self.cell
            .as_ref()
            .is_some_and(|cell| cell.get_status() < ActorStatus::Stopping)
    }

    pub(crate) fn doing(&self) -> String {
        let part = match self.doing {
            StepKind::PreStart => "pre_start",
            StepKind::PostStart => "post_start",
            StepKind::Handle => "handle",
            StepKind::Supervision => "handle_supervisor_evt",
            StepKind::PostStop => "post_stop",
            StepKind::Task | StepKind::Resume => "its code",
        };
        match self.about.as_ref().and_then(|about| about.text.as_ref()) {
            Some(text) => format!("{part} {text}"),
            None => part.to_owned(),
        }
    }
}

/// Actor ids count up, so their low bits place neighbours side by side; the
/// table tells entries of one group apart by the highest seven bits.
#[derive(Debug, Default)]
pub(crate) struct IdHasher(u64);

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }
    fn write_u64(&mut self, id: u64) {
        let spread = id.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 ^= id ^ (spread & (0x7f << 57));
    }
}

#[allow(
    clippy::disallowed_types,
    reason = "its hasher has no random state, and it is never iterated"
)]
type SlotByActor = std::collections::HashMap<u64, u32, BuildHasherDefault<IdHasher>>;

/// The table of tasks.
#[derive(Debug, Default)]
pub(crate) struct Tasks {
    slots: Vec<Option<Task>>,
    free: Vec<u32>,
    slot_by_actor: SlotByActor,
    /// Tasks ever started.
    started: u32,
    /// Actors started since the last sweep.
    actors_since_sweep: usize,
    actors: usize,
    others: usize,
}

impl Tasks {
    #[inline]
    pub(crate) fn get(&self, slot: u32) -> Option<&Task> {
        self.slots.get(slot as usize)?.as_ref()
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, slot: u32) -> Option<&mut Task> {
        self.slots.get_mut(slot as usize)?.as_mut()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &Task)> {
        self.slots
            .iter()
            .enumerate()
            .filter_map(|(slot, task)| Some((slot as u32, task.as_ref()?)))
    }

    #[inline]
    pub(crate) fn slot_of_actor(&self, pid: u64) -> Option<u32> {
        self.slot_by_actor.get(&pid).copied()
    }

    /// Actors that have not been found ended, and other tasks.
    pub(crate) fn alive(&self) -> usize {
        self.actors + self.others
    }

    pub(crate) fn add(&mut self, label: LabelId, cell: Option<ActorCell>) -> u32 {
        let task = Task {
            serial: self.started,
            label,
            waker: None,
            state: State::Idle,
            suspended: false,
            doing: StepKind::Task,
            about: None,
            is_armed: false,
            deeds: Deeds::default(),
            spawned: None,
            cell,
        };
        self.started += 1;
        let pid = task.cell.as_ref().map(|cell| cell.get_id().pid());
        let slot = match self.free.pop() {
            Some(slot) => {
                self.slots[slot as usize] = Some(task);
                slot
            }
            None => {
                if self.slots.len() == self.slots.capacity() {
                    // By a quarter, not to the double: systems of many actors live here.
                    self.slots.reserve_exact(self.slots.len() / 4 + 16);
                }
                self.slots.push(Some(task));
                (self.slots.len() - 1) as u32
            }
        };
        match pid {
            Some(pid) => {
                self.slot_by_actor.insert(pid, slot);
                self.actors += 1;
                self.actors_since_sweep += 1;
            }
            None => self.others += 1,
        }
        slot
    }

    /// Take a task that is no actor out; the caller drops it where it wants.
    pub(crate) fn remove(&mut self, slot: u32) -> Option<Task> {
        let task = self.slots.get_mut(slot as usize)?.take()?;
        match &task.cell {
            Some(cell) => {
                self.slot_by_actor.remove(&cell.get_id().pid());
                self.actors -= usize::from(task.state != State::Ended);
            }
            None => self.others -= 1,
        }
        self.free.push(slot);
        Some(task)
    }

    /// True when enough actors have started since the last sweep that another is
    /// paid for.
    pub(crate) fn sweep_is_due(&self) -> bool {
        self.actors_since_sweep > self.slots.len() / 2 + 64
    }

    /// Ractor does not tell when an actor has ended: look. An actor that is found
    /// ended by two sweeps is removed; one sweep longer its label is known, for
    /// supervisors that have yet to hear of it.
    pub(crate) fn sweep(&mut self) -> Vec<Task> {
        self.actors_since_sweep = 0;
        let mut removed = Vec::new();
        for slot in 0..self.slots.len() as u32 {
            let Some(task) = self.slots[slot as usize].as_mut() else {
                continue;
            };
            let stopped = task
                .cell
                .as_ref()
                .is_some_and(|cell| cell.get_status() == ActorStatus::Stopped);
            match task.state {
                State::Ended => removed.extend(self.remove(slot)),
                State::Idle if stopped => {
                    task.state = State::Ended;
                    self.actors -= 1;
                }
                _ => {}
            }
        }
        removed
    }
}
