//! Faults: when each of them is injected, and what becomes of it.
//!
//! Faults come as data with the settings. What one does to a task is in `fault_tasks`, and to
//! the whole run in `fault_run`. What requests fail is decided where they are made.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::core::chacha::ChaCha8;
use super::core::fault::{Effect, Moment, Skew, Target, When};
use super::core::planned::PlannedFault;
use super::core::random::Random;
use super::core::service::Share;
use super::core::time::nanos;
use super::fault_files::{self, Folders};
use super::fault_gates::Order;
use super::fault_labels::Labels;
use super::kernel::{Kernel, purpose};
use super::record::Tag;

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

pub(super) struct Planned {
    pub(super) fault: PlannedFault,
    pub(super) progress: Progress,
    /// It has had its first effect, and has others.
    pub(super) lasts: bool,
}

impl Planned {
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
    pub(super) planned: Vec<Planned>,
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
    pub(super) orders: BTreeMap<u32, Order>,
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
    /// Draws of what is not asked for by name.
    pub(super) jitter: ChaCha8,
}

impl Faults {
    pub(super) fn new(planned: &[PlannedFault], seed: u64) -> Self {
        let planned = planned.iter().map(|fault| Planned {
            fault: fault.clone(),
            progress: Progress::Waiting,
            lasts: false,
        });
        fault_files::plan(planned.clone().map(|it| it.fault.effect));
        let folders = match fault_files::are_planned() {
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

impl Kernel {
    /// Inject what is due at this time, and end the delays that are over.
    #[cold]
    pub(super) fn pass_fault_time(&mut self) {
        let now_ns = self.now_ns;
        if self.faults.paused_until_ns <= now_ns {
            self.faults.paused_until_ns = 0;
        }
        while let Some((at, slot, serial)) = self.faults.releases.first().copied() {
            if at > now_ns {
                break;
            }
            self.faults.releases.pop_first();
            self.release(slot, serial);
        }
        for place in 0..self.faults.planned.len() {
            let planned = &self.faults.planned[place];
            let has_come = matches!(planned.fault.when, When::At(time) if nanos(time) <= now_ns);
            let is_asked = matches!(
                planned.fault.moment,
                Moment::Place | Moment::Request | Moment::Packet | Moment::Start
            );
            if planned.progress != Progress::Waiting || !has_come || is_asked {
                continue;
            }
            // What cannot be injected now may be at a step from now on.
            let may_wait = planned.fault.target.is_drawn() || planned.fault.moment == Moment::Await;
            self.faults.planned[place].progress = match may_wait {
                true => Progress::Due,
                false => Progress::Over,
            };
            self.inject(place);
        }
        if let Some((at, within_ns)) = self.faults.liveness.filter(|(at, _)| *at <= now_ns) {
            let _ = at;
            let within = Duration::from_nanos(within_ns);
            let what = format!("not live: it has not ended within {within:?} after the last fault");
            self.end(super::core::outcome::OutcomeKind::Violated, &what);
        }
        self.faults.plan_next();
    }

    /// Inject what is due before the next step. True if something was injected.
    #[cold]
    pub(super) fn inject_for_step(&mut self) -> bool {
        let step = self.steps + 1;
        let mut injected = false;
        for place in 0..self.faults.planned.len() {
            let planned = &self.faults.planned[place];
            let is_due = match (planned.progress, planned.fault.when) {
                (Progress::Due, _) => true,
                (Progress::Waiting, When::Step(at)) => at <= step,
                _ => false,
            };
            if is_due {
                injected |= self.inject(place);
            }
        }
        self.faults.plan_next();
        injected
    }

    /// Inject a fault, if that can be done now.
    fn inject(&mut self, place: usize) -> bool {
        let fault = &self.faults.planned[place].fault;
        match fault.moment {
            Moment::Run => self.inject_into_run(place),
            // The place asks when it is reached, and so do requests.
            Moment::Place | Moment::Request | Moment::Packet | Moment::Start => false,
            Moment::Task | Moment::Await | Moment::Callback(_) => {
                let mut injected = false;
                for slot in self.targets(place) {
                    injected |= self.inject_into_slot(place, slot);
                }
                injected
            }
        }
    }

    /// Slots of what a fault is about.
    fn targets(&mut self, place: usize) -> Vec<u32> {
        let PlannedFault { target, effect, .. } = self.faults.planned[place].fault.clone();
        match target {
            Target::Next => {
                let ready: Vec<u32> = self.runnable.in_order().collect();
                let mut ready = ready.into_iter();
                ready.find(|slot| self.can_affect(&effect, *slot)).into_iter().collect()
            }
            Target::Named(_) | Target::All(_) => {
                let slots = 0..self.entities.len() as u32;
                let mut slots: Vec<u32> = slots
                    .filter(|slot| self.can_affect(&effect, *slot) && self.is_meant(&target, *slot))
                    .collect();
                slots.sort_by_key(|slot| self.entities[*slot as usize].serial);
                // Of those with one name the latest one.
                let skipped = match target {
                    Target::All(_) => 0,
                    _ => slots.len().saturating_sub(1),
                };
                slots.split_off(skipped)
            }
            Target::Run | Target::Child | Target::Supervised => Vec::new(),
        }
    }

    fn is_meant(&self, target: &Target, slot: u32) -> bool {
        let serial = self.entities[slot as usize].serial;
        self.faults.labels.is_meant(target, serial)
    }

    /// Note and record that a fault was injected into a task, or into the run, which is task 0. What
    /// it is about has this name, if the fault does not say so itself.
    pub(super) fn note_injected(&mut self, place: usize, serial: u32, name: &str) {
        let planned = &mut self.faults.planned[place];
        planned.progress = Progress::Over;
        self.note_effect(place, serial, name);
    }

    /// The same without its end.
    pub(super) fn note_effect(&mut self, place: usize, serial: u32, name: &str) {
        let elapsed_ns = self.since_last_record();
        self.add_to_hash([place as u64, serial.into(), elapsed_ns]);
        self.record.event(Tag::Fault, |fields| {
            fields.number(serial.into()).number(elapsed_ns);
            fields.number(place as u64).text(name);
        });
    }

    /// Note the first effect of a fault that has several, and lasts.
    pub(super) fn note_first(&mut self, place: usize, name: &str) {
        let planned = &mut self.faults.planned[place];
        if !std::mem::replace(&mut planned.lasts, true) {
            let serial = self.current;
            self.note_injected(place, serial, name);
        }
    }

    /// Whether a fault that is asked for at each request lasts now.
    pub(super) fn is_in_force(&self, place: usize, until_ns: Option<u64>) -> bool {
        let planned = &self.faults.planned[place];
        let is_over = until_ns.is_some_and(|until_ns| until_ns <= self.now_ns);
        let has_come = planned.has_come(self.steps, self.now_ns);
        !is_over && (planned.lasts || (planned.progress != Progress::Over && has_come))
    }

    /// The number of the next request of this name, from 0.
    pub(super) fn next_request(&mut self, name: &str) -> u64 {
        /// Names that are kept.
        const NAMES_MAX: usize = 1 << 12;
        let requests = &mut self.faults.requests;
        if let Some(next) = requests.get_mut(name) {
            *next += 1;
            return *next - 1;
        }
        if requests.len() < NAMES_MAX {
            requests.insert(name.to_owned(), 1);
        }
        0
    }

    /// If a share of the requests has the one of this number: what else to draw from for it. It
    /// depends on the number alone, so that it is the same where other faults are left out.
    pub(super) fn drawn(&self, share: Share, purpose: &str, number: u64) -> Option<ChaCha8> {
        let mut stream = purpose::FAULT;
        for byte in purpose.bytes().chain(number.to_le_bytes()) {
            stream = (stream ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        let mut draws = ChaCha8::new(self.settings.seed, stream);
        share.has(draws.next_u64()).then_some(draws)
    }

    /// The place of the first fault for which this gives something, and what it gives.
    pub(super) fn find_fault<R>(&self, find: impl Fn(usize, &Effect) -> Option<R>) -> Option<R> {
        let planned = self.faults.planned.iter().enumerate();
        let mut found = planned.filter_map(|(place, it)| find(place, &it.fault.effect));
        found.next()
    }
}
