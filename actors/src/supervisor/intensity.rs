//! Restart intensity: how many restarts within how long.

use std::collections::VecDeque;
use std::time::Duration;

use retake::Instant;

/// The restarts within the last period.
///
/// OTP counts in whole seconds, which makes its window up to a second longer
/// than the period; this one is exact.
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
            .is_some_and(|earliest| now.duration_since(*earliest) >= self.period)
        {
            self.recent.pop_front();
        }
        self.recent.push_back(now);
        self.recent.len() <= self.intensity
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
        let allowed: Vec<bool> = [0, 500, 1000, 1400, 1500]
            .into_iter()
            .map(|ms| restarts.allow_another(at(ms)))
            .collect();
        assert_eq!(allowed, [true, true, true, false, false]);
        assert!(!Restarts::new(0, Duration::from_secs(1)).allow_another(start));
    }
}
