//! Progress of a run on a terminal; nothing in a pipe.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use retake_traces::counted;

use crate::run::Progress;

const EVERY: Duration = Duration::from_millis(100);

/// Do `work`, showing how far it is. `expected` is the virtual time that it will
/// take, roughly.
pub(crate) fn shown<T: Send>(expected: Duration, work: impl FnOnce(&Progress) -> T + Send) -> T {
    let progress = Progress::default();
    if !console::user_attended_stderr() {
        return work(&progress);
    }
    let bar = ProgressBar::new(u64::try_from(expected.as_millis()).unwrap_or(u64::MAX));
    let style = ProgressStyle::with_template("{bar:20} {wide_msg}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    // The bar is drawn from a thread of its own: the simulation's clock is not this one's.
    let (done, wait) = mpsc::channel::<()>();
    thread::scope(|scope| {
        let (bar, progress_seen) = (&bar, &progress);
        scope.spawn(move || {
            while wait.recv_timeout(EVERY) == Err(RecvTimeoutError::Timeout) {
                let now = progress_seen.now();
                bar.set_position(u64::try_from(now.as_millis()).unwrap_or(u64::MAX));
                bar.set_message(format!(
                    "{:.1} s virtual, {}",
                    now.as_secs_f64(),
                    counted(progress_seen.steps(), "step")
                ));
            }
            bar.finish_and_clear();
        });
        let result = work(&progress);
        drop(done);
        result
    })
}

/// For work of unknown length; hidden in a pipe.
pub(crate) fn spinner() -> ProgressBar {
    if console::user_attended_stderr() {
        // A message that is wider than the terminal is cut, not wrapped.
        let style = ProgressStyle::with_template("{spinner} {wide_msg}");
        ProgressBar::new_spinner()
            .with_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()))
    } else {
        ProgressBar::hidden()
    }
}
