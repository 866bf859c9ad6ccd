//! The state of a simulated process, and the choice of who runs next.
//!
//! One thread at a time has the turn, and only that one touches the state. Who gives its turn
//! away, because it waits or because it is a runtime's turn to choose a task, calls
//! [`Kernel::choose`] itself and hands the turn to the thread that is chosen.

use std::cell::{Cell, UnsafeCell};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::core::chacha::ChaCha8;
use super::core::outcome::OutcomeKind;
use super::core::runnable::Runnable;
use super::core::step::StepKind;
use super::core::strategy::{RecordedHolds, Recorder, Scheduler};
use super::core::task::{NewTask, TaskKind};
use super::fault_state::Faults;
use super::flags;
use super::ports::Ports;
use super::record::{Record, Tag};
use super::settings::Settings;
use super::state::{
    About, Deadlines, Entity, Host, Look, NO_SET, Runtime, Set, SetTurn, Thread, What, purpose,
};
use super::strategy::scheduler;

/// At the limit of steps it is said who took so many of the last ones.
const LAST_TURNS: u64 = 1_000;
/// How long a standstill lasts, in milliseconds, before nothing from outside is expected.
const OUTSIDE_MS: u64 = 3_000;

static ON: AtomicBool = AtomicBool::new(false);
static KERNEL: Cellar = Cellar(UnsafeCell::new(None));

struct Cellar(UnsafeCell<Option<Kernel>>);

// SAFETY: only the thread that has the turn looks inside, and turns are handed on by an atomic.
unsafe impl Sync for Cellar {}

thread_local! {
    /// The number of this thread; none of those that the simulation does not run.
    static ME: Cell<Option<u32>> = const { Cell::new(None) };
    /// It is in the driver, where the C library's functions do what they always do.
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

/// Whether this process is simulated.
#[inline]
pub(crate) fn is_on() -> bool {
    ON.load(Ordering::Relaxed)
}

/// Whether this thread is simulated now.
#[inline]
pub(crate) fn is_simulated() -> bool {
    me().is_some()
}

/// The number of this thread, if it is simulated and not in the driver.
#[inline]
pub(super) fn me() -> Option<u32> {
    if !is_on() || INSIDE.try_with(Cell::get).unwrap_or(true) {
        return None;
    }
    ME.try_with(Cell::get).ok().flatten()
}

/// This process is simulated no longer.
pub(super) fn turn_off() {
    ON.store(false, Ordering::Relaxed);
}

/// This thread is simulated, or is so no longer.
pub(super) fn be(number: Option<u32>) {
    let _ = ME.try_with(|me| me.set(number));
}

/// Take this thread out of the simulation, or back in.
pub(super) fn set_aside(on: bool) {
    if is_on() {
        let _ = INSIDE.try_with(|inside| inside.set(on));
    }
}

/// Use the state. This thread has the turn, and is not in the driver yet.
#[inline]
pub(super) fn with<R>(f: impl FnOnce(&mut Kernel) -> R) -> R {
    INSIDE.with(|inside| inside.set(true));
    // SAFETY: this thread has the turn, and `INSIDE` keeps it from coming here twice.
    let kernel = unsafe { &mut *KERNEL.0.get() };
    let Some(kernel) = kernel else {
        unreachable!("it was set before `ON`")
    };
    let result = f(kernel);
    INSIDE.with(|inside| inside.set(false));
    result
}

/// Do this as a program does that is not simulated. This thread has the turn.
pub(super) fn outside<R>(f: impl FnOnce() -> R) -> R {
    INSIDE.with(|inside| inside.set(true));
    let result = f();
    INSIDE.with(|inside| inside.set(false));
    result
}

/// Start with these settings, on the first thread of the process.
pub(super) fn start(settings: Settings) {
    let kernel = Kernel::new(settings);
    // SAFETY: nobody else is here yet.
    unsafe { *KERNEL.0.get() = Some(kernel) };
    be(Some(0));
    ON.store(true, Ordering::Release);
}

pub(super) struct Kernel {
    pub(super) settings: Settings,
    scheduler: Box<dyn Scheduler>,
    pub(super) holds: Option<RecordedHolds>,
    pub(super) runnable: Runnable,
    /// By slot.
    pub(super) entities: Vec<Entity>,
    /// By slot: what is seldom asked.
    pub(super) abouts: Vec<About>,
    free: Vec<u32>,
    serials: u32,
    pub(super) threads: Vec<Thread>,
    pub(super) runtimes: Vec<Runtime>,
    pub(super) sets: Vec<Set>,
    /// What is polled next is so only for the turn of a task of a set.
    pub(super) local_turn: Option<SetTurn>,
    /// What was polled last for a turn of a task of a set.
    pub(super) polled_host: Option<Host>,
    /// Threads that wait for a word of memory, in order.
    pub(super) futexes: BTreeMap<usize, Vec<(u32, u32)>>,
    pub(super) deadlines: Deadlines,
    /// Threads that have to look at their timers before anything is chosen.
    pub(super) due: BTreeSet<u32>,
    /// The system's number of a thread that has ended, and may still free its memory.
    pub(super) exiting: Option<u32>,
    pub(super) now_ns: u64,
    last_step_ns: u64,
    pub(super) steps: u64,
    /// Who took the last steps before the limit.
    pub(super) last_turns: Vec<u32>,
    pub(super) deviations: u64,
    pub(super) hash: u64,
    /// Who took the last step, and in which slot.
    pub(super) current: u32,
    current_slot: u32,
    /// Who took it has taken a message, and takes the next one in another step.
    pub(super) gives_way: bool,
    pub(super) entropy: ChaCha8,
    pub(super) local: ChaCha8,
    pub(super) preempt: ChaCha8,
    /// Reads of clocks since the last step.
    pub(super) clock_reads: u32,
    /// Events may come from outside of the process.
    pub(super) has_event_sources: bool,
    /// A signal is listened to.
    pub(super) has_signals: bool,
    /// Another program was started.
    pub(super) starts_programs: bool,
    /// Writes to descriptors, when it was asked last what has happened outside.
    writes_seen: u64,
    pub(super) faults: Faults,
    pub(super) ports: Ports,
    pub(super) record: Record,
    pub(super) is_finished: bool,
    /// The run has ended, and what waits is looked at.
    pub(super) look: Option<Look>,
}

impl Kernel {
    fn new(settings: Settings) -> Self {
        let stream = |purpose| ChaCha8::new(settings.seed, purpose);
        let mut scheduler = scheduler(&settings, stream(purpose::SCHEDULE));
        let holds = settings.wants_holds.then(RecordedHolds::default);
        if let Some(holds) = &holds {
            scheduler = Box::new(Recorder::new(scheduler, holds));
        }
        let mut kernel = Self {
            scheduler,
            holds,
            runnable: Runnable::default(),
            entities: Vec::new(),
            abouts: Vec::new(),
            free: Vec::new(),
            serials: 0,
            threads: Vec::new(),
            runtimes: Vec::new(),
            sets: Vec::new(),
            local_turn: None,
            polled_host: None,
            futexes: BTreeMap::new(),
            deadlines: Deadlines::default(),
            due: BTreeSet::new(),
            exiting: None,
            now_ns: 0,
            last_step_ns: 0,
            steps: 0,
            last_turns: Vec::new(),
            deviations: 0,
            hash: 0,
            current: 0,
            current_slot: u32::MAX,
            gives_way: false,
            entropy: stream(purpose::ENTROPY),
            local: stream(purpose::LOCAL),
            preempt: stream(purpose::PREEMPT),
            clock_reads: 0,
            has_event_sources: false,
            has_signals: false,
            starts_programs: false,
            writes_seen: 0,
            faults: Faults::new(&settings.faults, settings.seed),
            ports: Ports::default(),
            record: Record::new(settings.answer.as_deref()),
            is_finished: false,
            look: None,
            settings,
        };
        kernel.record.event(Tag::Hello, |fields| {
            fields.text(env!("CARGO_PKG_VERSION"));
        });
        kernel.new_thread();
        flags::count_messages(kernel.scheduler.counts_messages());
        if kernel.settings.records {
            flags::see_messages();
        }
        kernel
    }

    /// A slot and a number for this.
    pub(super) fn enter(&mut self, what: What, label: &str) -> u32 {
        let serial = self.serials;
        self.serials += 1;
        let entity = Entity {
            serial,
            what,
            cause: self.steps,
            steps: 0,
            is_waiting: false,
            messages: 0,
            header: 0,
            set: NO_SET,
        };
        if self.faults.is_on() {
            let name = if serial == 0 { "main" } else { label };
            self.faults.labels.name(serial, name.to_owned());
        }
        let slot = match self.free.pop() {
            Some(slot) => {
                self.entities[slot as usize] = entity;
                self.abouts[slot as usize] = About::default();
                slot
            }
            None => {
                self.entities.push(entity);
                self.abouts.push(About::default());
                self.entities.len() as u32 - 1
            }
        };
        let kind = match what {
            What::Thread(0) => TaskKind::Scenario,
            _ => TaskKind::Task,
        };
        self.scheduler.started(&NewTask {
            slot,
            serial,
            kind,
            label: &label,
        });
        slot
    }

    /// What has this slot has ended.
    pub(super) fn leave(&mut self, slot: u32) {
        if self.runnable.contains(slot) {
            self.runnable.remove(slot);
        }
        self.forget_held(slot);
        let serial = self.entities[slot as usize].serial;
        self.entities[slot as usize].what = What::Nothing;
        self.entities[slot as usize].is_waiting = false;
        self.free.push(slot);
        if self.settings.records {
            self.record.event(Tag::TaskEnded, |fields| {
                fields.number(serial.into());
            });
        }
    }

    /// What took the last step: its slot and its number.
    pub(super) fn running(&self) -> (u32, u32) {
        (self.current_slot, self.current)
    }

    /// So many messages more, or less, wait for what has this slot.
    pub(super) fn add_messages(&mut self, slot: u32, difference: i64) {
        let messages = &mut self.entities[slot as usize].messages;
        let count = i64::from(*messages) + difference;
        *messages = u32::try_from(count.max(0)).unwrap_or(u32::MAX);
        self.scheduler.messages_wait(slot, *messages);
    }

    /// It can run now.
    #[inline]
    pub(super) fn insert(&mut self, slot: u32) {
        if self.runnable.contains(slot) || (self.faults.has_delays && self.is_held_back(slot)) {
            return;
        }
        self.insert_now(slot);
    }

    /// It can run now, whatever faults say.
    #[inline]
    pub(super) fn insert_now(&mut self, slot: u32) {
        if slot == self.current_slot && !std::mem::take(&mut self.gives_way) {
            // It was woken in its own step: it yields. First in, first out, what the step has
            // woken goes before it, as in tokio's own scheduler.
            self.scheduler.yielded(slot);
            self.runnable.close_round();
        }
        self.runnable.insert(slot);
        self.scheduler.arrived(slot);
    }

    /// The thread that has the turn next. What it was chosen for is in its place.
    pub(super) fn choose(&mut self) -> u32 {
        self.end_local_turn();
        loop {
            if self.look.is_some() {
                return self.next_look();
            }
            if flags::is_out_of_time() {
                let (steps, time) = (self.steps, Duration::from_nanos(self.now_ns));
                let why = format!("it has taken {steps} steps, and {time:?} of virtual time");
                self.begin_look(OutcomeKind::Lost, &why);
                continue;
            }
            if self.steps >= self.settings.step_limit {
                let why = "the run has reached the limit of steps";
                self.begin_look(OutcomeKind::StepLimit, why);
                continue;
            }
            self.wake_those_due();
            if self.now_ns >= self.faults.next_ns {
                self.pass_fault_time();
            }
            if !self.due.is_empty() {
                if let Some(thread) = self.due.pop_first() {
                    return thread;
                }
            }
            if !self.runnable.is_empty() && !self.is_paused() {
                if self.steps + 1 >= self.faults.next_step && self.inject_for_step() {
                    continue;
                }
                if let Some(thread) = self.pick() {
                    return thread;
                }
                continue;
            }
            // Packets to this machine itself are there at once, but for a moment.
            let moment = u64::from(self.has_event_sources);
            let has_written = std::mem::replace(&mut self.writes_seen, flags::writes()) != flags::writes();
            if (self.has_events() || has_written) && self.take_from_outside(moment) {
                continue;
            }
            match self.next_deadline() {
                Some(deadline) if deadline > self.settings.horizon_ns => {
                    self.now_ns = self.settings.horizon_ns;
                    let why = "virtual time has reached its end";
                    self.begin_look(OutcomeKind::Horizon, why);
                }
                Some(deadline) => self.now_ns = self.now_ns.max(deadline),
                None if self.steps + 1 >= self.faults.next_step && self.inject_for_step() => {}
                None if self.take_from_outside(match self.has_events() {
                    true => OUTSIDE_MS,
                    false => 0,
                }) => {}
                None => {
                    let why = "nothing can run, and nothing waits for time";
                    self.begin_look(OutcomeKind::Deadlock, why);
                }
            }
        }
    }

    /// When something happens next, as virtual time passes.
    fn next_deadline(&self) -> Option<u64> {
        let deadline = self.deadlines.first().map(|(deadline, _)| deadline);
        let fault_ns = self.faults.next_ns;
        match fault_ns <= self.settings.horizon_ns {
            true => Some(deadline.map_or(fault_ns, |deadline| deadline.min(fault_ns))),
            false => deadline,
        }
    }

    /// Virtual time since the last step or fault, which was recorded.
    pub(super) fn since_last_record(&mut self) -> u64 {
        let elapsed_ns = self.now_ns - self.last_step_ns;
        self.last_step_ns = self.now_ns;
        elapsed_ns
    }

    pub(super) fn add_to_hash(&mut self, values: [u64; 3]) {
        self.hash = values.into_iter().fold(self.hash, mix);
    }

    /// Whether events may come from outside of the process.
    pub(super) fn has_events(&self) -> bool {
        self.has_event_sources || self.has_signals
    }

    #[inline]
    fn wake_those_due(&mut self) {
        while let Some(thread) = self.deadlines.pop_due(self.now_ns) {
            self.time_out(thread);
        }
    }

    /// The thread of what is chosen. None if that cannot take its turn, so that something else is.
    fn pick(&mut self) -> Option<u32> {
        let is_watched = self.settings.records || self.settings.wants_holds;
        let first = if is_watched {
            self.runnable.oldest()
        } else {
            None
        };
        let Some(slot) = self.scheduler.pick(self.steps + 1, &mut self.runnable) else {
            let reason = self.scheduler.reason();
            self.end(OutcomeKind::Diverged, &reason);
        };
        if !self.can_take_turn(slot) {
            return None;
        }
        self.runnable.remove(slot);
        let deviates = is_watched && first != Some(slot);
        if self.faults.is_armed {
            self.fire(slot);
        }
        self.step(slot, deviates);
        let thread = match self.entities[slot as usize].what {
            What::Thread(thread) => thread,
            What::Task { runtime } => self.driver_of(runtime, slot),
            What::Nothing => unreachable!("a free slot is not runnable"),
        };
        let polled = self.polled_for(slot);
        self.threads[thread as usize].assigned = Some(polled);
        Some(thread)
    }

    #[inline]
    fn step(&mut self, slot: u32, deviates: bool) {
        self.steps += 1;
        self.now_ns += self.settings.step_ns;
        self.clock_reads = 0;
        self.deviations += u64::from(deviates);
        let elapsed_ns = self.now_ns - self.last_step_ns;
        self.last_step_ns = self.now_ns;
        let entity = &mut self.entities[slot as usize];
        entity.steps += 1;
        let serial = entity.serial;
        self.current = serial;
        self.current_slot = slot;
        if self.steps + LAST_TURNS > self.settings.step_limit {
            self.last_turns.push(serial);
        }
        flags::set_current(serial);
        self.gives_way = false;
        self.hash = mix(mix(self.hash, serial.into()), elapsed_ns);
        if self.settings.records {
            let kind = match entity.steps {
                1 => StepKind::Task,
                _ => StepKind::Resume,
            };
            let cause = entity.cause;
            self.record.event(Tag::Step, |fields| {
                fields.number(serial.into()).number(elapsed_ns);
                fields.number(kind as u64).number(deviates.into());
            });
            if cause > 0 {
                self.record.event(Tag::Cause, |fields| {
                    fields.number(cause);
                });
            }
        }
    }
}

#[inline]
fn mix(hash: u64, value: u64) -> u64 {
    let mixed = (hash ^ value).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed ^ (mixed >> 29)
}
