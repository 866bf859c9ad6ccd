//! The size of a pool.

use std::time::Duration;

/// Which idle worker is leased next: poolboy's `strategy`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// The one that was given back last.
    #[default]
    Lifo,
    /// The one that was given back first.
    Fifo,
}

/// How long poolboy's clients wait for a worker, if they say nothing else.
pub const CHECKOUT_TIMEOUT: Duration = Duration::from_secs(5);

/// The size of a pool: the options of `poolboy:start_link/2`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolConfig {
    /// Workers that are always there.
    pub size: u32,
    /// Workers that are started beyond these when all are leased.
    pub max_overflow: u32,
    /// Which idle worker is leased next.
    pub order: Order,
    /// Clients that may wait; more are rejected at once. `None` sets no bound, as in
    /// poolboy, which has none.
    pub max_waiting: Option<u32>,
}

impl Default for PoolConfig {
    /// Poolboy's: 5 workers, 10 more at most, last in first out.
    fn default() -> Self {
        Self {
            size: 5,
            max_overflow: 10,
            order: Order::Lifo,
            max_waiting: None,
        }
    }
}
