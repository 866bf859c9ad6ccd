//! How busy a pool is.

use std::time::Duration;

/// How busy a pool is: `poolboy:status/1`, and who waits, which poolboy does not show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolStatus {
    /// In one word.
    pub state: PoolState,
    /// Workers that can be leased at once.
    pub idle: usize,
    /// Workers beyond the pool's size.
    pub overflow: u32,
    /// Workers that are leased.
    pub leased: usize,
    /// Clients in the queue.
    pub waiting: usize,
    /// Longest queue since the start.
    pub waiting_max: usize,
    /// What became of checkouts since the start.
    pub counts: CheckoutCounts,
}

/// What became of checkouts since a pool's start. All clients wait in one queue,
/// so no client is passed over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CheckoutCounts {
    /// Those that got a worker at once.
    pub at_once: u64,
    /// Those that got a worker after waiting.
    pub after_waiting: u64,
    /// Those whose client gave up or died waiting.
    pub given_up: u64,
    /// Those that were refused.
    pub refused: u64,
    /// Waiting time of those that waited and got a worker, summed up.
    pub waited: Duration,
    /// The longest of these.
    pub waited_longest: Duration,
}

impl CheckoutCounts {
    pub(super) fn note_wait(&mut self, wait: Duration) {
        self.after_waiting += 1;
        self.waited += wait;
        self.waited_longest = self.waited_longest.max(wait);
    }

    /// The mean waiting time of those that waited and got a worker.
    #[must_use]
    pub fn mean_wait(&self) -> Duration {
        let waited = self.waited.as_secs_f64() / (self.after_waiting.max(1) as f64);
        Duration::from_secs_f64(waited)
    }
}

/// A pool's state, in the words of `poolboy:status/1`, and by its rules: `state_name` in
/// its source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PoolState {
    /// A worker can be leased at once.
    Ready,
    /// The next worker leased is started beyond the pool's size.
    Overflow,
    /// Every worker that may be leased is.
    Full,
}
