//! How far all tests are, on a terminal; nothing in a pipe.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use indicatif::{ProgressBar, ProgressStyle};
use retake_traces::counted;

/// The real time: of people who wait, and never of what is simulated.
#[allow(
    clippy::disallowed_methods,
    reason = "real time, outside any simulation"
)]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Tests, seeds and failures so far.
#[derive(Debug)]
pub(crate) struct Progress {
    bar: ProgressBar,
    start: Instant,
    seeds: AtomicU64,
    failures: AtomicU64,
}

impl Progress {
    /// Of so many tests.
    pub(crate) fn new(tests: usize) -> Self {
        let bar = if console::user_attended_stderr() {
            ProgressBar::new(tests as u64)
        } else {
            ProgressBar::hidden()
        };
        let style = ProgressStyle::with_template("{bar:20} {pos}/{len} tests, {wide_msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Self {
            bar,
            start: now(),
            seeds: AtomicU64::new(0),
            failures: AtomicU64::new(0),
        }
    }

    /// A seed was run.
    pub(crate) fn seed(&self, has_failed: bool) {
        let seeds = self.seeds.fetch_add(1, Ordering::Relaxed) + 1;
        let failures = u64::from(has_failed);
        let failures = self.failures.fetch_add(failures, Ordering::Relaxed) + failures;
        let seconds = self.start.elapsed().as_secs_f64().max(1e-3);
        self.bar.set_message(format!(
            "{:.0} seeds/s, {}",
            seeds as f64 / seconds,
            counted(failures, "failing seed")
        ));
    }

    /// Show what takes place now.
    pub(crate) fn say(&self, text: &str) {
        self.bar.set_message(text.to_owned());
        self.bar.tick();
    }

    /// A test was judged.
    pub(crate) fn test(&self) {
        self.bar.inc(1);
    }

    /// Print above the bar.
    pub(crate) fn print(&self, print: impl FnOnce()) {
        self.bar.suspend(print);
    }

    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
