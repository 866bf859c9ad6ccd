//! Faults: when each of them is injected, and where.
//!
//! Faults come as data with the settings, and their state is in `fault_state`. What one does to a
//! task is in `fault_tasks`, and to the whole run in `fault_run`. Which requests fail is decided where
//! they are made.

use std::time::Duration;

use super::core::chacha::ChaCha8;
use super::core::fault::{Effect, Moment, Target, When};
use super::core::planned::PlannedFault;
use super::core::random::Random;
use super::core::service::Share;
use super::core::time::nanos;
use super::fault_state::Progress;
use super::kernel::Kernel;
use super::record::Tag;
use super::state::purpose;

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
        self.deliver_packets();
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
