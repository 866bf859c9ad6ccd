//! Where requests spend their time: a clock for each stage of their way.
//!
//! ```
//! use retake_system::stages::{Stage, Stages};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let stages = Stages::default();
//! let answer = stages.timed(Stage::Work, async { 42 }).await;
//! assert_eq!(answer, 42);
//! # }
//! ```

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A part of a request's or an action's way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Reading a request's body.
    Body,
    /// From a signal's sending to its verdict: the governor, and its queue. Includes
    /// the ledger's time.
    Governor,
    /// From a receipt's sending to its acknowledgement, as governors see it.
    Ledger,
    /// An action's wait for a worker. Behind the verdict.
    PoolWait,
    /// An action's work. Behind the verdict.
    Work,
}

impl Stage {
    /// All stages, in the order of a request's way.
    pub const ALL: [Self; 5] = [
        Self::Body,
        Self::Governor,
        Self::Ledger,
        Self::PoolWait,
        Self::Work,
    ];

    /// In one word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Body => "body",
            Self::Governor => "governor",
            Self::Ledger => "ledger",
            Self::PoolWait => "pool_wait",
            Self::Work => "work",
        }
    }
}

/// Total time by stage. Clones share it.
#[derive(Clone, Default)]
pub struct Stages(Arc<[AtomicU64; Stage::ALL.len()]>);

impl Stages {
    /// Add a time that was spent in a stage.
    pub fn add(&self, stage: Stage, time: Duration) {
        let ns = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.0[stage as usize].fetch_add(ns, Ordering::Relaxed);
    }

    /// All time that was spent in a stage.
    #[must_use]
    pub fn total(&self, stage: Stage) -> Duration {
        Duration::from_nanos(self.0[stage as usize].load(Ordering::Relaxed))
    }

    /// Do something, and add the time that it takes to a stage.
    pub async fn timed<T>(&self, stage: Stage, work: impl Future<Output = T>) -> T {
        let start = retake::now();
        let result = work.await;
        self.add(stage, start.elapsed());
        result
    }
}

impl fmt::Debug for Stages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stages = Stage::ALL.map(|stage| (stage.word(), self.total(stage)));
        f.debug_map().entries(stages).finish()
    }
}
