//! What faults do to the whole run, to marked places and to services, and their end.

use std::mem;

use super::core::fault::Effect;
use super::core::random::{Random, below};
use super::core::service::{ServiceFailure, Share};
use super::fault_state::{Progress, WrongClock};
use super::kernel::Kernel;

impl Kernel {
    pub(super) fn inject_into_run(&mut self, place: usize) -> bool {
        let now_ns = self.now_ns;
        let faults = &mut self.faults;
        match faults.planned[place].fault.effect {
            Effect::Pause { until_ns } => faults.paused_until_ns = until_ns,
            Effect::LateTimers { by_ns, until_ns } => faults.late = (by_ns, until_ns),
            Effect::CoalescedTimers { to_ns, until_ns } => faults.coalesce = (to_ns, until_ns),
            Effect::WallClock { skew, until_ns } => {
                faults.clock = Some(WrongClock {
                    skew,
                    since_ns: now_ns,
                    until_ns: until_ns.unwrap_or(u64::MAX),
                });
            }
            Effect::Load { times } => faults.load = Some(times),
            Effect::LimitLoad { most } => faults.load_max = Some(most),
            Effect::Buggify => faults.buggify = Some(place),
            Effect::Heal { within_ns } => {
                self.note_injected(place, 0, "");
                self.heal(within_ns);
                return true;
            }
            _ => return false,
        }
        self.note_injected(place, 0, "");
        true
    }

    /// Lasting effects end, and no further fault has one.
    fn heal(&mut self, within_ns: Option<u64>) {
        let now_ns = self.now_ns;
        let faults = &mut self.faults;
        for planned in &mut faults.planned {
            (planned.progress, planned.lasts) = (Progress::Over, false);
        }
        faults.delays.clear();
        faults.slows.clear();
        faults.releases.clear();
        faults.ways.release();
        faults.paused_until_ns = 0;
        (faults.late, faults.coalesce) = ((0, 0), (0, 0));
        (faults.clock, faults.load, faults.buggify) = (None, None, None);
        faults.liveness = within_ns.map(|within| (now_ns.saturating_add(within), within));
        for slot in mem::take(&mut faults.held) {
            self.let_run(slot);
        }
        self.deliver_packets();
        self.faults.find_armed();
    }

    /// Whether a heal is planned that has not come.
    pub(super) fn awaits_heal(&self) -> bool {
        self.faults.planned.iter().any(|it| {
            let heals = matches!(it.fault.effect, Effect::Heal { .. });
            heals && it.progress != Progress::Over
        })
    }

    /// Nothing runs now.
    #[inline]
    pub(super) fn is_paused(&self) -> bool {
        self.now_ns < self.faults.paused_until_ns
    }

    /// When a timer fires that is set to this time.
    #[inline]
    pub(super) fn timer_deadline(&mut self, deadline_ns: u64) -> u64 {
        match (self.faults.late.1 | self.faults.coalesce.1) > self.now_ns {
            true => self.late_deadline(deadline_ns),
            false => deadline_ns,
        }
    }

    #[cold]
    fn late_deadline(&mut self, mut deadline_ns: u64) -> u64 {
        let now_ns = self.now_ns;
        let faults = &mut self.faults;
        let (by_ns, until_ns) = faults.late;
        if now_ns < until_ns && by_ns > 0 {
            let most = usize::try_from(by_ns).unwrap_or(usize::MAX).saturating_add(1);
            let late = below(&mut faults.jitter, most) as u64;
            deadline_ns = deadline_ns.saturating_add(late);
        }
        let (to_ns, until_ns) = faults.coalesce;
        if now_ns < until_ns && to_ns > 0 {
            deadline_ns = deadline_ns.checked_next_multiple_of(to_ns).unwrap_or(u64::MAX);
        }
        deadline_ns
    }

    /// Nanoseconds by which the wall clock is ahead.
    pub(super) fn wall_offset_ns(&self) -> i64 {
        let now_ns = self.now_ns;
        let clock = self.faults.clock.filter(|clock| now_ns < clock.until_ns);
        clock.map_or(0, |clock| clock.skew.offset_ns(now_ns - clock.since_ns))
    }

    /// How much of a load to make.
    pub(super) fn load(&self, full: u32) -> u32 {
        let faults = &self.faults;
        let full = full.saturating_mul(faults.load.unwrap_or(1));
        full.min(faults.load_max.unwrap_or(u32::MAX)).max(1)
    }

    /// Whether the marked place of this name misbehaves now.
    pub(super) fn misbehaves(&mut self, site: &str) -> bool {
        if !self.faults.is_on() {
            return false;
        }
        let asked = self.find_fault(|place, effect| match effect {
            Effect::Misbehave { place: it } if it == site => {
                self.is_in_force(place, None).then_some(place)
            }
            _ => None,
        });
        if let Some(place) = asked {
            let serial = self.current;
            self.note_injected(place, serial, "");
            return true;
        }
        let Some(place) = self.faults.buggify else {
            return false;
        };
        // A quarter of the places is active, a quarter of the times.
        let quarter = Share::of_millionths(250_000).unwrap_or(Share::ALL);
        let number = self.next_request(&format!("place {site}"));
        let is_active = self.drawn(quarter, &format!("place {site}"), u64::MAX).is_some();
        let fires = is_active && self.drawn(quarter, &format!("place {site}"), number).is_some();
        if fires {
            let serial = self.current;
            self.note_effect(place, serial, site);
        }
        fires
    }

    /// How this request of a service fails, if it does.
    pub(super) fn service(&mut self, name: &str) -> Option<ServiceFailure> {
        if !self.faults.is_on() {
            return None;
        }
        let number = self.next_request(&format!("service {name}"));
        let (place, failure) = self.find_fault(|place, effect| match effect {
            Effect::BreakService {
                service,
                failure,
                share,
                until_ns,
            } if service.as_deref().is_none_or(|it| it == name) => {
                let purpose = format!("service {name} {}", failure.word());
                let is_affected = self.is_in_force(place, *until_ns)
                    && (share.is_all() || self.drawn(*share, &purpose, number).is_some());
                is_affected.then_some((place, *failure))
            }
            _ => None,
        })?;
        if let Effect::BreakService { service, .. } = &mut self.faults.planned[place].fault.effect {
            // From now on it is about that alone.
            *service = Some(name.to_owned());
        }
        self.note_first(place, name);
        Some(failure)
    }
}
