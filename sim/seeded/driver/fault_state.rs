//! The state of the faults of a run: which are planned, and what those do that were injected.
//!
//! `faults` injects them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::core::chacha::ChaCha8;
use super::core::fault::{Effect, Moment, Skew, Target, Termination, When};
use super::core::label;
use super::core::planned::PlannedFault;
use super::core::time::nanos;
use super::flags;
use super::packets::Ways;
use super::state::purpose;

/// What a panic says that a fault has let happen, as in other simulations of Retake.
pub(super) const PANIC: &str = "injected panic";

/// In the place of a step or time that never comes.
const NEVER: u64 = u64::MAX;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    /// Its time has not come.
    Waiting,
    /// Its time has come, and it is injected as soon as possible.
    Due,
    /// It is injected when the task of this number is polled next.
    Armed(u32),
    /// It was injected, or cannot be any more.
    Over,
}

pub(super) struct FaultState {
    pub(super) fault: PlannedFault,
    pub(super) progress: Progress,
    /// It has had its first effect, and has others.
    pub(super) lasts: bool,
}

impl FaultState {
    /// Whether it is about files or sockets.
    fn is_of_files(&self) -> bool {
        matches!(
            self.fault.effect,
            Effect::BreakDisk { .. } | Effect::ChangePackets { .. }
        )
    }

    /// Whether its time has come, if it is asked for where it could have its effect.
    pub(super) fn has_come(&self, steps: u64, now_ns: u64) -> bool {
        match self.fault.when {
            When::Step(at) => at <= steps,
            When::At(time) => nanos(time) <= now_ns,
        }
    }
}

/// A wall clock that is wrong.
#[derive(Clone, Copy)]
pub(super) struct WrongClock {
    pub(super) skew: Skew,
    pub(super) since_ns: u64,
    pub(super) until_ns: u64,
}

/// All about the faults of a run.
pub(super) struct Faults {
    pub(super) planned: Vec<FaultState>,
    /// Before this step there is none to be injected.
    pub(super) next_step: u64,
    /// Nor before this time, at which a delay may end as well.
    pub(super) next_ns: u64,
    pub(super) labels: Labels,
    /// Until when tasks and threads do not run, by their numbers.
    pub(super) delays: BTreeMap<u32, u64>,
    /// By how much each of their steps comes late, and until when.
    pub(super) slows: BTreeMap<u32, (u64, u64)>,
    /// There may be delays.
    pub(super) has_delays: bool,
    /// Slots of those that could run otherwise.
    pub(super) held: BTreeSet<u32>,
    /// When delays end, and whose: slots and numbers.
    pub(super) releases: BTreeSet<(u64, u32, u32)>,
    /// Tasks that are cancelled in their next turn.
    pub(super) kills: BTreeSet<u32>,
    /// Actors that are ended in their next turn.
    pub(super) orders: BTreeMap<u32, Termination>,
    /// Actors whose callbacks have gates.
    pub(super) gated: BTreeSet<u32>,
    /// Something happens to some task in its next turn.
    pub(super) is_armed: bool,
    pub(super) paused_until_ns: u64,
    pub(super) late: (u64, u64),
    pub(super) coalesce: (u64, u64),
    pub(super) clock: Option<WrongClock>,
    /// How many times as large a load is, and the largest.
    pub(super) load: Option<u32>,
    pub(super) load_max: Option<u32>,
    /// Marked places misbehave now and then: the fault that says so.
    pub(super) buggify: Option<usize>,
    /// What was asked by name, and how often.
    pub(super) requests: BTreeMap<String, u64>,
    /// When the program has to have ended, and how long after the heal that is.
    pub(super) liveness: Option<(u64, u64)>,
    /// Where the files are that faults are about.
    pub(super) folders: Folders,
    /// Packets that are held up.
    pub(super) ways: Ways,
    /// Draws of what is not asked for by name.
    pub(super) jitter: ChaCha8,
}

impl Faults {
    pub(super) fn new(planned: &[PlannedFault], seed: u64) -> Self {
        let planned = planned.iter().map(|fault| FaultState {
            fault: fault.clone(),
            progress: Progress::Waiting,
            lasts: false,
        });
        let has_files = planned.clone().any(|it| it.is_of_files());
        flags::set_file_faults(has_files);
        let folders = match has_files {
            true => Folders::of_process(),
            false => Folders::default(),
        };
        let mut faults = Self {
            planned: planned.collect(),
            next_step: NEVER,
            next_ns: NEVER,
            labels: Labels::default(),
            delays: BTreeMap::new(),
            slows: BTreeMap::new(),
            has_delays: false,
            held: BTreeSet::new(),
            releases: BTreeSet::new(),
            kills: BTreeSet::new(),
            orders: BTreeMap::new(),
            gated: BTreeSet::new(),
            is_armed: false,
            paused_until_ns: 0,
            late: (0, 0),
            coalesce: (0, 0),
            clock: None,
            load: None,
            load_max: None,
            buggify: None,
            requests: BTreeMap::new(),
            liveness: None,
            folders,
            ways: Ways::default(),
            jitter: ChaCha8::new(seed, purpose::FAULT),
        };
        faults.plan_next();
        faults
    }

    /// Whether any fault is planned.
    #[inline]
    pub(super) fn is_on(&self) -> bool {
        !self.planned.is_empty()
    }

    /// Find when to look at the faults again.
    pub(super) fn plan_next(&mut self) {
        let (mut step, mut ns) = (NEVER, NEVER);
        for planned in &self.planned {
            let is_asked = matches!(
                planned.fault.moment,
                Moment::Place | Moment::Request | Moment::Packet | Moment::Start
            );
            match (planned.progress, planned.fault.when) {
                _ if is_asked => {}
                (Progress::Waiting, When::Step(at)) => step = step.min(at),
                (Progress::Waiting, When::At(time)) => ns = ns.min(nanos(time)),
                (Progress::Due, _) => step = 0,
                (Progress::Armed(_) | Progress::Over, _) => {}
            }
        }
        if let Some((at, _, _)) = self.releases.first() {
            ns = ns.min(*at);
        }
        if let Some(at) = self.ways.next_ns() {
            ns = ns.min(at);
        }
        if self.paused_until_ns > 0 {
            ns = ns.min(self.paused_until_ns);
        }
        if let Some((at, _)) = self.liveness {
            ns = ns.min(at);
        }
        (self.next_step, self.next_ns) = (step, ns);
    }

    pub(super) fn find_armed(&mut self) {
        let mut planned = self.planned.iter();
        let is_armed = planned.any(|it| matches!(it.progress, Progress::Armed(_)));
        self.is_armed = is_armed || !self.kills.is_empty() || !self.orders.is_empty();
    }
}

/// The folders whose files are the program's own.
#[derive(Default)]
pub(super) struct Folders(Vec<PathBuf>);

impl Folders {
    pub(super) fn of_process() -> Self {
        let temporary = std::env::temp_dir();
        let folders = [std::env::current_dir().ok(), Some(temporary)];
        let folders = folders.into_iter().flatten();
        Self(folders.map(|it| it.canonicalize().unwrap_or(it)).collect())
    }

    pub(super) fn have(&self, path: &Path) -> bool {
        let program = std::fs::read_link("/proc/self/exe");
        self.0.iter().any(|folder| path.starts_with(folder))
            && program.map_or(true, |program| program != path)
    }
}

/// The labels of all that was started, by numbers. Kept only where faults are planned.
#[derive(Default)]
pub(super) struct Labels {
    names: Vec<String>,
    numbers: BTreeMap<String, u32>,
    /// The place of its name in `names`, by number.
    of: Vec<u32>,
}

impl Labels {
    /// This one is called so, or is so from now on.
    pub(super) fn name(&mut self, serial: u32, name: String) {
        let place = match self.numbers.get(&name) {
            Some(place) => *place,
            None => {
                let place = self.names.len() as u32;
                self.names.push(name.clone());
                self.numbers.insert(name, place);
                place
            }
        };
        let index = serial as usize;
        if index >= self.of.len() {
            self.of.resize(index + 1, u32::MAX);
        }
        self.of[index] = place;
    }

    /// Whether a target names this one.
    pub(super) fn is_meant(&self, target: &Target, serial: u32) -> bool {
        let Some(place) = self.of.get(serial as usize).filter(|place| **place != u32::MAX) else {
            return false;
        };
        let name = &self.names[*place as usize];
        match target {
            Target::Named(text) if text == name => true,
            Target::Named(text) => {
                // Its number is counted where the text may be about it.
                let is_of_name = label::numbered(text).is_some_and(|(it, _)| it == name);
                is_of_name && label::is_meant(name, self.number(serial, *place), text)
            }
            Target::All(prefix) => name.starts_with(&**prefix),
            Target::Run | Target::Next | Target::Child | Target::Supervised => false,
        }
    }

    /// Which of those with its name it is, from 1.
    fn number(&self, serial: u32, place: u32) -> u32 {
        let earlier = &self.of[..serial as usize];
        1 + earlier.iter().filter(|it| **it == place).count() as u32
    }
}
