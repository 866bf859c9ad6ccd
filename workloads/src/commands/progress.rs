//! How far a command is, on a terminal.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// How often a bar is drawn.
const EVERY: Duration = Duration::from_millis(100);

/// A bar for so many benchmarks; hidden in a pipe.
pub(super) fn progress_bar(count: usize) -> ProgressBar {
    if !console::user_attended_stderr() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(count as u64);
    let style = ProgressStyle::with_template("{bar:20} {pos}/{len} {wide_msg}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    // Drawn from a thread of its own, so that it moves while the work is busy.
    bar.enable_steady_tick(EVERY);
    bar
}
