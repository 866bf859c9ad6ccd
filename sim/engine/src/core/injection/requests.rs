//! Faults of what the run makes requests of: services and disks.
//!
//! Such a fault lasts, and is recorded at the first request that it affects, with the name of
//! what was asked. Which requests a share of them has depends on their numbers and the seed,
//! and not on when the fault begins: a recorded fault, which begins at the request that it
//! affected first, affects the same ones.

use rand_chacha::ChaCha8Rng;
use rand_core::Rng as _;
use retake::{DiskFailure, DiskOperation, ServiceFailure, Share};
use retake_traces::fault::Effect;
use retake_traces::fault::kinds::{Action, BreakService};

use crate::core::Core;
use crate::rng::stream;

impl Core {
    /// How this request of a service fails, if it does.
    pub(crate) fn service(&mut self, name: &str) -> Option<ServiceFailure> {
        if !self.in_step() {
            // What is dropped at an actor's end is dropped in no certain order.
            return None;
        }
        let number = self.faults.requests.next(name);
        if !self.faults.has_requests {
            return None;
        }
        let broken = |effect: &Effect| match effect {
            Effect::BreakService {
                service,
                failure,
                share,
                until_ns,
            } if service.as_deref().is_none_or(|it| it == name) => {
                Some((*failure, *share, *until_ns))
            }
            _ => None,
        };
        for place in 0..self.faults.pending.len() {
            let found = broken(&self.faults.pending[place].effect);
            let Some((failure, share, until_ns)) = found else {
                continue;
            };
            let purpose = || format!("service {name} {}", failure.word());
            let is_affected = self.is_in_force(place, until_ns)
                && (share.is_all() || self.drawn(share, number, purpose).is_some());
            if !is_affected {
                continue;
            }
            let named = BreakService {
                service: Some(name.to_owned()),
                failure,
                share,
                until_ns,
            };
            let serial = self.current_serial();
            self.note_first(place, serial, named);
            return Some(failure);
        }
        None
    }

    /// How an operation on a disk fails, if it does.
    pub(crate) fn disk(&mut self, name: &str, asked: DiskOperation) -> Option<DiskFailure> {
        if !self.in_step() {
            return None;
        }
        let number = self.faults.operations.entry(asked).or_default().next(name);
        if !self.faults.has_requests {
            return None;
        }
        for place in 0..self.faults.pending.len() {
            let Effect::BreakDisk {
                disk,
                operation,
                failure,
                share,
                until_ns,
            } = &self.faults.pending[place].effect
            else {
                continue;
            };
            let is_meant = disk.as_deref().is_none_or(|it| it == name)
                && operation.is_none_or(|it| it == asked);
            let (failure, share, until_ns) = (*failure, *share, *until_ns);
            let is_once = operation.is_none();
            if !is_meant || !self.is_in_force(place, until_ns) {
                continue;
            }
            let purpose = || format!("disk {name} {} {}", asked.word(), failure.word());
            let Some(mut draws) = self.drawn(share, number, purpose) else {
                continue;
            };
            if is_once && !self.faults.crashed.insert((place, name.to_owned())) {
                continue;
            }
            let (serial, action) = (self.current_serial(), &self.faults.pending[place].fault);
            let action = action.action.clone();
            self.note_first(place, serial, action);
            return Some(DiskFailure::new(failure, draws.next_u64()));
        }
        None
    }

    /// Whether a fault that is asked for at each request lasts now.
    pub(super) fn is_in_force(&self, place: usize, until_ns: Option<u64>) -> bool {
        let is_over = until_ns.is_some_and(|until_ns| until_ns <= self.now_ns);
        let faults = &self.faults;
        !is_over
            && (faults.lasting.contains(&place)
                || faults.has_started(place, self.stats.steps, self.now_ns))
    }

    /// If a share of the requests has the one of this number: what else to draw from for it.
    pub(super) fn drawn(
        &self,
        share: Share,
        number: u64,
        purpose: impl FnOnce() -> String,
    ) -> Option<ChaCha8Rng> {
        /// Words of 32 bits that each request has: two for whether, two for how.
        const WORDS: u128 = 4;
        let mut rng = stream(self.seed(), &purpose());
        rng.set_word_pos(u128::from(number) * WORDS);
        share.has(rng.next_u64()).then_some(rng)
    }

    /// Record a fault that lasts when it has its first effect.
    pub(super) fn note_first(&mut self, place: usize, serial: u32, named: impl Into<Action>) {
        if self.faults.lasting.insert(place) {
            let action = named.into();
            let pending = &mut self.faults.pending[place];
            // From now on it is about that alone.
            pending.effect = action.effect();
            pending.is_over = true;
            self.record_fault(serial, action);
        }
    }
}
