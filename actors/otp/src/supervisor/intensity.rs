//! Restart intensity: how many restarts within how long, and how soon.

use std::collections::VecDeque;
use std::time::Duration;

use retake::Instant;

/// The restarts within the last period.
///
/// After supervisor(3erl), "Supervision Principles" and `add_restart` of its source: a
/// restart counts as long as it is no older than the period, so that two which lie
/// exactly a period apart count together. OTP takes its times in whole seconds,
/// which makes its window up to a second longer; this one is exact.
#[derive(Debug)]
pub(super) struct Restarts {
    intensity: usize,
    period: Duration,
    recent: VecDeque<Instant>,
}

impl Restarts {
    pub(super) fn new(intensity: u32, period: Duration) -> Self {
        Self {
            intensity: intensity as usize,
            period,
            recent: VecDeque::new(),
        }
    }

    /// Count a restart now. False if that makes one too many.
    pub(super) fn allow_another(&mut self, now: Instant) -> bool {
        while self
            .recent
            .front()
            .is_some_and(|earliest| now.duration_since(*earliest) > self.period)
        {
            self.recent.pop_front();
        }
        self.recent.push_back(now);
        self.recent.len() <= self.intensity
    }
}

impl Restarts {
    /// Restarts within the last period, with the one counted last.
    pub(super) fn recent(&self) -> u32 {
        u32::try_from(self.recent.len()).unwrap_or(u32::MAX)
    }

    /// The limits, as given.
    pub(super) fn limits(&self) -> (u32, Duration) {
        (self.intensity as u32, self.period)
    }
}

/// How long to wait before a restart: `first`, and twice as long for each other
/// restart within the supervisor's period, but at most `longest`.
/// Not from OTP, which restarts at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// Before the first restart.
    pub first: Duration,
    /// Never longer than this.
    pub longest: Duration,
}

impl Backoff {
    /// Before the `n`-th restart within a period, from 1.
    pub(super) fn before(self, n: u32) -> Duration {
        let doublings = n.saturating_sub(1).min(31);
        self.first.saturating_mul(1 << doublings).min(self.longest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_slides() {
        let start = retake::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut restarts = Restarts::new(2, Duration::from_secs(1));
        let allowed: Vec<bool> = [0, 500, 1001, 1400, 1501]
            .into_iter()
            .map(|ms| restarts.allow_another(at(ms)))
            .collect();
        assert_eq!(allowed, [true, true, true, false, false]);
        assert!(!Restarts::new(0, Duration::from_secs(1)).allow_another(start));
    }

    #[test]
    fn restarts_a_period_apart_count_together() {
        let start = retake::now();
        let period = Duration::from_secs(1);
        for (apart, expected) in [(period, false), (period + Duration::from_nanos(1), true)] {
            let mut restarts = Restarts::new(1, period);
            assert!(restarts.allow_another(start));
            assert_eq!(restarts.allow_another(start + apart), expected);
        }
    }

    #[test]
    fn back_off_doubles_up_to_its_longest() {
        let backoff = Backoff {
            first: Duration::from_millis(100),
            longest: Duration::from_secs(1),
        };
        let waits = [1, 2, 3, 4, 5, 1000].map(|n| backoff.before(n).as_millis());
        assert_eq!(waits, [100, 200, 400, 800, 1000, 1000]);
    }
}
