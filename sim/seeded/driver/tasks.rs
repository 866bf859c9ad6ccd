//! Runtimes and their tasks.

use std::cell::Cell;
use std::panic::Location;

use super::core::outcome::OutcomeKind;
use super::flags;
use super::kernel::{Kernel, me, with};
use super::record::Tag;
use super::state::{About, Runtime, Slot, What};
pub(crate) use super::state::NO_SLOT;
use super::threads;

/// Steps after which a runtime looks at events, though it has tasks to run, if there may be any.
const STEPS_PER_LOOK: u64 = 16;
/// Time after which it looks at its timers, which are of whole milliseconds.
const NS_PER_LOOK: u64 = 50_000;

/// What a runtime does next.
pub(crate) enum Turn {
    /// Poll the future that it blocks on.
    Main,
    /// Run the task in this slot.
    Task(u32),
    /// Look at timers and events, without waiting.
    Look,
    /// Wait for timers and events: nothing can run.
    Idle,
}

impl Kernel {
    /// The thread that runs a task of this runtime.
    #[inline]
    pub(super) fn driver_of(&mut self, runtime: u32, slot: u32) -> u32 {
        debug_assert!(matches!(
            self.entities[slot as usize].what,
            What::Task { .. }
        ));
        let runtime = &mut self.runtimes[runtime as usize];
        runtime.ready -= 1;
        match runtime.driver {
            Some(thread) => thread,
            None => unreachable!("tasks can be chosen while their runtime is driven"),
        }
    }

    /// The thread cannot take turns for its runtime: it waits in the middle of a task.
    pub(super) fn suspend(&mut self, thread: u32) {
        let it = &self.threads[thread as usize];
        if let (Some(runtime), false) = (it.runtime, it.is_parked) {
            self.deactivate(runtime);
        }
    }

    /// It can again.
    pub(super) fn resume(&mut self, thread: u32) {
        let it = &self.threads[thread as usize];
        if let (Some(runtime), false) = (it.runtime, it.is_parked) {
            self.activate(runtime);
        }
    }

    fn activate(&mut self, number: u32) {
        let runtime = &mut self.runtimes[number as usize];
        if std::mem::replace(&mut runtime.is_active, true) {
            return;
        }
        let waiting = std::mem::take(&mut runtime.waiting);
        let main = runtime.driver.filter(|_| runtime.is_main_ready);
        for slot in waiting {
            // Those that have ended since have left their slots to others.
            if self.is_polled(slot) && std::mem::take(&mut self.entities[slot as usize].is_waiting) {
                self.runtimes[number as usize].ready += 1;
                self.insert(slot);
            }
        }
        if let Some(thread) = main {
            self.insert(self.threads[thread as usize].slot);
        }
    }

    fn deactivate(&mut self, number: u32) {
        let runtime = &mut self.runtimes[number as usize];
        if !std::mem::replace(&mut runtime.is_active, false) {
            return;
        }
        let driver = runtime.driver;
        if runtime.ready > 0 {
            let all = (0..self.runnable.len()).map(|rank| self.runnable.nth(rank));
            let of_it = |slot: &u32| match self.entities[*slot as usize].what {
                What::Task { runtime } => runtime == number,
                What::Thread(_) | What::Nothing => false,
            };
            let waiting: Vec<u32> = all.filter(of_it).collect();
            for slot in &waiting {
                self.runnable.remove(*slot);
                self.entities[*slot as usize].is_waiting = true;
            }
            self.runtimes[number as usize].waiting = waiting;
            self.runtimes[number as usize].ready = 0;
        }
        if let Some(thread) = driver {
            let slot = self.threads[thread as usize].slot;
            if self.runnable.contains(slot) {
                self.runnable.remove(slot);
            }
            self.forget_held(slot);
        }
    }

    /// The slot of a task, which may be new.
    #[inline]
    pub(super) fn task(&mut self, runtime: u32, of_it: &Slot, id: impl FnOnce() -> u64) -> u32 {
        match of_it.get() {
            NO_SLOT => {
                let slot = self.new_task(runtime, take_about(id()));
                of_it.set(slot);
                slot
            }
            slot => slot,
        }
    }

    #[inline]
    pub(super) fn make_ready(&mut self, number: u32, slot: u32, header: usize) {
        let entity = &mut self.entities[slot as usize];
        entity.cause = self.steps;
        entity.header = header;
        let runtime = &mut self.runtimes[number as usize];
        if runtime.is_active {
            if !self.runnable.contains(slot) {
                self.runtimes[number as usize].ready += 1;
                self.insert(slot);
            }
        } else if !std::mem::replace(&mut self.entities[slot as usize].is_waiting, true) {
            runtime.waiting.push(slot);
        }
    }

    #[cold]
    fn new_task(&mut self, runtime: u32, about: About) -> u32 {
        let slot = self.enter(What::Task { runtime }, about.type_name);
        let (serial, parent) = (self.entities[slot as usize].serial, self.current);
        if self.settings.records {
            let place = about.place;
            self.record.event(Tag::Task, |fields| {
                fields
                    .number(serial.into())
                    .number(2)
                    .number(u64::from(parent) + 1);
                fields
                    .text(about.type_name)
                    .text(place.map_or("", |place| place.file()))
                    .number(place.map_or(0, |place| place.line().into()))
                    .text(&about.name);
            });
        }
        self.label_task(serial, &about);
        self.abouts[slot as usize] = about;
        slot
    }
}

/// A runtime is built: its number.
pub(crate) fn new_runtime(has_threads: bool) -> u32 {
    if me().is_none() {
        return u32::MAX;
    }
    if has_threads {
        flags::see_messages();
    }
    with(|kernel| {
        kernel.record.event(Tag::Runtime, |fields| {
            fields.number(has_threads.into());
        });
        kernel.runtimes.push(Runtime {
            has_threads,
            driver: None,
            is_active: false,
            waiting: Vec::new(),
            ready: 0,
            is_main_ready: false,
            looked_at: (0, 0),
        });
        kernel.runtimes.len() as u32 - 1
    })
}

/// What is known of the next task that a thread spawns.
#[derive(Clone, Copy, Default)]
struct Spawns {
    type_name: &'static str,
    place: Option<&'static Location<'static>>,
}

thread_local! {
    static SPAWNS: Cell<Spawns> = const { Cell::new(Spawns { type_name: "", place: None }) };
    static SPAWNS_AS: Cell<String> = const { Cell::new(String::new()) };
}

/// A task will be spawned here.
#[inline]
pub(crate) fn spawns_at(place: &'static Location<'static>) {
    let _ = SPAWNS.try_with(|spawns| {
        spawns.set(Spawns {
            type_name: "",
            place: Some(place),
        });
    });
}

/// A task will be spawned, with this name.
pub(crate) fn spawns_as(name: Option<&str>) {
    let name = name.unwrap_or_default().to_owned();
    let _ = SPAWNS_AS.try_with(|spawns| spawns.set(name));
}

/// A task will be spawned whose future has this type.
#[inline]
pub(crate) fn spawns(type_name: &'static str) {
    let _ = SPAWNS.try_with(|spawns| {
        let known = spawns.get();
        spawns.set(Spawns { type_name, ..known });
    });
}

/// What is known of the task of this number, which is spawned now.
fn take_about(id: u64) -> About {
    let spawns = SPAWNS.try_with(Cell::take).unwrap_or_default();
    About {
        type_name: spawns.type_name,
        place: spawns.place,
        name: SPAWNS_AS.try_with(Cell::take).unwrap_or_default(),
        id,
    }
}

/// A task has ended.
pub(crate) fn ended(of_it: &Slot) {
    if me().is_some() {
        with(|kernel| {
            let Some(slot) = of_it.take() else { return };
            if let What::Task { runtime } = kernel.entities[slot as usize].what {
                if kernel.runnable.contains(slot) {
                    kernel.runtimes[runtime as usize].ready -= 1;
                }
            }
            kernel.leave(slot);
        });
    }
}

/// A task of this runtime can run now.
#[inline]
pub(crate) fn ready(runtime: u32, of_it: &Slot, id: impl FnOnce() -> u64, header: usize) {
    if me().is_some() && runtime != u32::MAX {
        with(|kernel| {
            let slot = kernel.task(runtime, of_it, id);
            kernel.make_ready(runtime, slot, header);
        });
    }
}

/// The future that a thread blocks on in this runtime can be polled now.
pub(crate) fn main_ready(runtime: u32) {
    if me().is_some() && runtime != u32::MAX {
        with(|kernel| {
            let runtime = &mut kernel.runtimes[runtime as usize];
            runtime.is_main_ready = true;
            if let (Some(thread), true) = (runtime.driver, runtime.is_active) {
                let slot = kernel.threads[thread as usize].slot;
                kernel.entities[slot as usize].cause = kernel.steps;
                kernel.insert(slot);
            }
        });
    }
}

/// The run ends here: what follows is not simulated.
pub(crate) fn escapes(what: &str) {
    if me().is_some() {
        with(|kernel| kernel.end(OutcomeKind::Escaped, what));
    }
}

/// A socket, a pipe or the like is used, whose events come from outside.
pub(crate) fn has_event_source() {
    if me().is_some() {
        with(|kernel| kernel.use_event_source());
    }
}

/// A signal is listened to. It may come when nothing can run: a program that listens to Ctrl-C
/// is otherwise as one that does not.
pub(crate) fn listens_to_signals() {
    if me().is_some() {
        with(|kernel| kernel.has_signals = true);
    }
}

impl Kernel {
    pub(super) fn use_event_source(&mut self) {
        if !std::mem::replace(&mut self.has_event_sources, true) {
            self.note("it uses real sockets or pipes");
        }
    }
}

/// Whether a thread drives this runtime.
pub(crate) fn is_driven(runtime: u32) -> bool {
    match me() {
        Some(_) if runtime != u32::MAX => {
            with(|kernel| kernel.runtimes[runtime as usize].driver.is_some())
        }
        _ => true,
    }
}

/// This thread blocks on a future of this type.
pub(crate) fn blocks_on(type_name: &'static str, at: &'static Location<'static>) {
    let Some(me) = me() else { return };
    let name = std::thread::current().name().unwrap_or_default().to_owned();
    with(|kernel| {
        let slot = kernel.threads[me as usize].slot;
        let serial = kernel.entities[slot as usize].serial;
        kernel.label_thread(slot, &name, type_name);
        let about = &mut kernel.abouts[slot as usize];
        about.type_name = type_name;
        about.place = Some(at);
        about.name = name;
        kernel.record.event(Tag::Main, |fields| {
            fields.number(serial.into()).text(type_name);
            fields.text(at.file()).number(at.line().into());
        });
    });
}

/// This thread drives a runtime until it is dropped.
pub(crate) struct DriverGuard {
    runtime: u32,
    before: Option<u32>,
}

impl DriverGuard {
    /// None of a thread that is not simulated.
    pub(crate) fn start(runtime: u32) -> Option<Self> {
        let me = me().filter(|_| runtime != u32::MAX)?;
        with(|kernel| {
            let before = kernel.threads[me as usize].runtime.replace(runtime);
            kernel.runtimes[runtime as usize].driver = Some(me);
            kernel.activate(runtime);
            Some(Self { runtime, before })
        })
    }

    /// The thread waits in the driver of the runtime, or does so no longer.
    pub(crate) fn parks(&self, is_parked: bool) {
        let Some(me) = me() else { return };
        with(|kernel| kernel.threads[me as usize].is_parked = is_parked);
    }

    /// The thread looks at timers and events, or does so no longer.
    pub(crate) fn looks(&self, is_looking: bool) {
        let Some(me) = me() else { return };
        with(|kernel| kernel.threads[me as usize].is_looking = is_looking);
    }

    /// Whether there are tasks that can run, and it is not time to look at timers.
    pub(crate) fn is_busy(&self) -> bool {
        me().is_some()
            && with(|kernel| {
                let runtime = &kernel.runtimes[self.runtime as usize];
                runtime.ready > 0 || runtime.is_main_ready
            })
    }

    /// What the runtime does next, which may be long after.
    #[inline]
    pub(crate) fn next(&self) -> Turn {
        let Some(me) = me() else { return Turn::Look };
        let next = with(|kernel| {
            kernel.restore_host();
            if let Some(slot) = kernel.threads[me as usize].assigned.take() {
                return Ok(kernel.turn(self.runtime, slot));
            }
            if let Some(turn) = kernel.looks_or_idles(self.runtime) {
                return Ok(turn);
            }
            match kernel.choose() {
                next if next == me => Ok(kernel.assigned_turn(me, self.runtime)),
                next => Err(next),
            }
        });
        match next {
            Ok(turn) => turn,
            Err(next) => {
                threads::switch(me, next);
                with(|kernel| kernel.assigned_turn(me, self.runtime))
            }
        }
    }
}

impl Kernel {
    /// What a runtime does that does not choose among tasks now.
    #[inline]
    fn looks_or_idles(&mut self, number: u32) -> Option<Turn> {
        if self.look.is_some() {
            return None;
        }
        let has_events = self.has_events();
        let runtime = &mut self.runtimes[number as usize];
        if runtime.ready == 0 && !runtime.is_main_ready {
            return Some(Turn::Idle);
        }
        let (step, time) = runtime.looked_at;
        let looks_at_events = has_events && self.steps >= step + STEPS_PER_LOOK;
        if looks_at_events || self.now_ns >= time + NS_PER_LOOK {
            runtime.looked_at = (self.steps, self.now_ns);
            return Some(Turn::Look);
        }
        None
    }

    #[inline]
    fn assigned_turn(&mut self, thread: u32, runtime: u32) -> Turn {
        match self.threads[thread as usize].assigned.take() {
            Some(slot) => self.turn(runtime, slot),
            None => Turn::Look,
        }
    }

    #[inline]
    fn turn(&mut self, runtime: u32, slot: u32) -> Turn {
        match self.entities[slot as usize].what {
            What::Task { .. } => Turn::Task(slot),
            What::Thread(_) | What::Nothing => {
                if self.local_turn.is_none() {
                    self.runtimes[runtime as usize].is_main_ready = false;
                }
                Turn::Main
            }
        }
    }
}

impl Kernel {
    /// The thread drives this runtime no longer, if it did.
    fn stop_driving(&mut self, thread: u32, runtime: u32) {
        if self.runtimes[runtime as usize].driver == Some(thread) {
            self.deactivate(runtime);
            self.runtimes[runtime as usize].driver = None;
        }
        self.threads[thread as usize].runtime = None;
    }
}

/// This thread has handed over to another one what it needs to drive its runtime.
pub(crate) fn stop_driving() {
    let Some(me) = me() else { return };
    with(|kernel| {
        if let Some(runtime) = kernel.threads[me as usize].runtime {
            kernel.stop_driving(me, runtime);
        }
    });
}

thread_local! {
    static BUILDS_THREADS: Cell<bool> = const { Cell::new(false) };
}

/// Build a runtime in the place of one with several threads.
pub(crate) fn with_threads<R>(build: impl FnOnce() -> R) -> R {
    BUILDS_THREADS.with(|it| it.set(true));
    let runtime = build();
    BUILDS_THREADS.with(|it| it.set(false));
    runtime
}

/// Whether the runtime that is being built takes the place of one with several threads.
pub(crate) fn builds_threads() -> bool {
    BUILDS_THREADS.with(Cell::get)
}

impl Drop for DriverGuard {
    fn drop(&mut self) {
        let Some(me) = me() else { return };
        with(|kernel| {
            let thread = &mut kernel.threads[me as usize];
            thread.is_parked = false;
            kernel.stop_driving(me, self.runtime);
            kernel.threads[me as usize].runtime = self.before;
        });
    }
}
