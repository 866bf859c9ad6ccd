//! Tasks of a `LocalSet`: each is a task of the run, and takes its turns by the strategy.
//!
//! They run only while what has the set, its host, is polled. So a turn of such a task is a poll
//! of the host, in which the set runs this task and nothing else. Hosts that are known are tasks
//! and futures that a runtime's thread blocks on, where the set is polled with their own waker.
//! In others, such as a `FuturesUnordered`, a set is polled when its tasks are woken and runs one of them,
//! chosen by the seed.

use std::cell::Cell;
use std::task::Waker;

use super::core::random::below;
use super::kernel::{Kernel, me, with};
use super::messages;
use super::state::{Host, NO_SET, Set, SetTurn, Slot, What};
use super::waits;

/// What a set runs when it is polled.
pub(crate) enum LocalTurn {
    /// The task in this slot.
    Task(u32),
    /// Nothing: its tasks take turns of their own.
    Nothing,
    /// One of those that can run.
    Any,
}

thread_local! {
    /// The set that is polled next is polled with the own waker of what runs.
    static IS_OWN: Cell<bool> = const { Cell::new(false) };
}

/// A set is made: its number.
pub(crate) fn new_local_set() -> u32 {
    if me().is_none() {
        return NO_SET;
    }
    with(|kernel| {
        kernel.sets.push(Set::default());
        kernel.sets.len() as u32 - 1
    })
}

/// A set is polled with this waker.
pub(crate) fn polls_set(waker: &Waker) {
    let _ = IS_OWN.try_with(|it| it.set(messages::is_own(waker)));
    waits::keeps_waker();
}

/// A task of a set can run. Whether the set need not be polled for that.
pub(crate) fn local_ready(set: u32, of_it: &Slot, id: u64, header: usize) -> bool {
    if me().is_none() || set == NO_SET {
        return false;
    }
    with(|kernel| {
        let host = kernel.sets[set as usize].host;
        let runtime = host.map_or(u32::MAX, |host| host.runtime);
        let slot = kernel.task(runtime, of_it, || id);
        kernel.entities[slot as usize].set = set;
        if host.is_some() {
            kernel.make_ready(runtime, slot, header);
        } else {
            let entity = &mut kernel.entities[slot as usize];
            entity.cause = kernel.steps;
            entity.header = header;
            entity.is_waiting = true;
        }
        host.is_some()
    })
}

/// Whether this set is polled only to run one of its tasks.
pub(crate) fn has_local_turn(set: u32) -> bool {
    me().is_some() && with(|kernel| kernel.local_turn.is_some_and(|turn| turn.set == set))
}

/// Whether what is polled next is polled only to run a task of a set.
pub(crate) fn is_local_turn() -> bool {
    me().is_some() && with(|kernel| kernel.local_turn.is_some())
}

/// What this set runs, which is polled.
pub(crate) fn local_turn(set: u32) -> LocalTurn {
    let is_own = IS_OWN.try_with(Cell::take).unwrap_or(false);
    if me().is_none() || set == NO_SET {
        return LocalTurn::Any;
    }
    with(|kernel| {
        let turn = kernel.local_turn.take_if(|turn| turn.set == set);
        if let Some(turn) = turn {
            return LocalTurn::Task(turn.slot);
        }
        if waits::looks() {
            return LocalTurn::Nothing;
        }
        let host = if is_own { kernel.host() } else { None };
        if host != kernel.sets[set as usize].host {
            kernel.stop_set(set);
            if let Some(host) = host {
                kernel.start_set(set, host);
            }
        }
        match host {
            Some(_) => LocalTurn::Nothing,
            None => LocalTurn::Any,
        }
    })
}

/// Which of so many tasks of a set runs, where nothing else chooses.
pub(crate) fn choose_local(count: usize) -> usize {
    if count < 2 || me().is_none() {
        return 0;
    }
    with(|kernel| match kernel.settings.strategy == "fifo" {
        true => 0,
        false => below(&mut kernel.local, count),
    })
}

impl Kernel {
    /// What runs now, if it can be a host.
    fn host(&self) -> Option<Host> {
        let (slot, serial) = self.running();
        let entity = self.entities.get(slot as usize)?;
        let runtime = match entity.what {
            // A set in a task of another set is not told apart from that one.
            What::Task { runtime } => (entity.set == NO_SET).then_some(runtime)?,
            What::Thread(thread) => {
                let runtime = self.threads[thread as usize].runtime?;
                let is_driver = self.runtimes[runtime as usize].driver == Some(thread);
                is_driver.then_some(runtime)?
            }
            What::Nothing => return None,
        };
        let host = Host {
            slot,
            serial,
            runtime,
        };
        self.is_there(&host).then_some(host)
    }

    /// Whether a host can be polled when its runtime has the turn.
    fn is_there(&self, host: &Host) -> bool {
        let entity = &self.entities[host.slot as usize];
        entity.serial == host.serial
            && match entity.what {
                What::Task { runtime } => runtime == host.runtime,
                What::Thread(thread) => {
                    self.runtimes[host.runtime as usize].driver == Some(thread)
                }
                What::Nothing => false,
            }
    }

    fn of_set(&self, set: u32) -> Vec<u32> {
        let slots = 0..self.entities.len() as u32;
        let of_it = |slot: &u32| {
            let entity = &self.entities[*slot as usize];
            entity.set == set && entity.what != What::Nothing
        };
        slots.filter(of_it).collect()
    }

    /// The tasks of a set can be chosen.
    fn start_set(&mut self, set: u32, host: Host) {
        self.sets[set as usize].host = Some(host);
        for slot in self.of_set(set) {
            let entity = &mut self.entities[slot as usize];
            if let What::Task { runtime } = &mut entity.what {
                *runtime = host.runtime;
            }
            if std::mem::take(&mut entity.is_waiting) {
                self.runtimes[host.runtime as usize].ready += 1;
                self.insert(slot);
            }
        }
    }

    /// The tasks of a set cannot be chosen: what polled it does so no longer.
    fn stop_set(&mut self, set: u32) {
        let Some(host) = self.sets[set as usize].host.take() else {
            return;
        };
        for slot in self.of_set(set) {
            if self.runnable.contains(slot) {
                self.runnable.remove(slot);
                self.runtimes[host.runtime as usize].ready -= 1;
                self.entities[slot as usize].is_waiting = true;
            }
        }
    }

    /// Whether the tasks of what is in this slot can be chosen; true of what is in no set.
    pub(super) fn is_polled(&self, slot: u32) -> bool {
        let set = self.entities[slot as usize].set;
        set == NO_SET || self.sets[set as usize].host.is_some()
    }

    /// Whether the task that was chosen can take its turn, if it is one of a set.
    #[inline]
    pub(super) fn can_take_turn(&mut self, slot: u32) -> bool {
        match self.entities[slot as usize].set {
            NO_SET => true,
            set => self.has_host(set),
        }
    }

    #[cold]
    fn has_host(&mut self, set: u32) -> bool {
        let host = self.sets[set as usize].host;
        let is_there = host.is_some_and(|host| self.is_there(&host));
        if !is_there {
            self.stop_set(set);
        }
        is_there
    }

    /// The slot that is polled for a turn of this one: that of the host, if it is a task of a set.
    #[inline]
    pub(super) fn polled_for(&mut self, slot: u32) -> u32 {
        match self.entities[slot as usize].set {
            NO_SET => slot,
            set => self.host_polled_for(set, slot),
        }
    }

    #[cold]
    fn host_polled_for(&mut self, set: u32, slot: u32) -> u32 {
        let Some(host) = self.sets[set as usize].host else {
            return slot;
        };
        self.local_turn = Some(SetTurn { set, slot });
        let header = self.entities[host.slot as usize].header;
        if let (What::Task { .. }, 1..) = (self.entities[host.slot as usize].what, header) {
            // SAFETY: the host has not ended, and the address is of its header.
            unsafe { waits::wake(header) };
            self.polled_host = Some(host);
        }
        host.slot
    }

    /// The set was not polled in the turn of one of its tasks.
    #[inline]
    pub(super) fn end_local_turn(&mut self) {
        if let Some(turn) = self.local_turn.take() {
            self.stop_set(turn.set);
        }
    }

    /// A host that was polled for the turn of a task can run itself: tokio has to know it again.
    #[inline]
    pub(super) fn restore_host(&mut self) {
        if self.polled_host.is_some() {
            self.wake_polled_host();
        }
    }

    #[cold]
    fn wake_polled_host(&mut self) {
        let Some(host) = self.polled_host.take() else {
            return;
        };
        if self.is_there(&host) && self.runnable.contains(host.slot) {
            // SAFETY: the host has not ended, and the address is of its header.
            unsafe { waits::wake(self.entities[host.slot as usize].header) };
        }
    }
}
