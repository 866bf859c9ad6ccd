//! Ctrl-C in commands that run for long: the first one ends them in good order, with what
//! they have found; the second one ends them at once.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use retake_sim::isolate::{self, Workers};

/// Whether this command was asked to stop.
#[derive(Clone, Debug, Default)]
pub(super) struct Interrupt(Arc<AtomicBool>);

/// The exit code of a command that was stopped.
#[cfg(unix)]
const EXIT_CODE: i32 = super::Status::Interrupted as i32;

impl Interrupt {
    /// Listen from now on. Where the system has no signals, Ctrl-C ends the process as ever.
    pub(super) fn listen() -> Self {
        let interrupt = Self::default();
        #[cfg(unix)]
        {
            use signal_hook::consts::{SIGINT, SIGTERM};
            if let Ok(mut signals) = signal_hook::iterator::Signals::new([SIGINT, SIGTERM]) {
                let asked = Arc::clone(&interrupt.0);
                #[allow(
                    clippy::disallowed_methods,
                    reason = "waits for signals, outside any simulation"
                )]
                std::thread::spawn(move || {
                    for _ in signals.forever() {
                        if asked.swap(true, Ordering::Relaxed) {
                            isolate::kill_all();
                            std::process::exit(EXIT_CODE);
                        }
                        eprintln!("stopping; once more ends at once");
                    }
                });
            }
        }
        interrupt
    }

    pub(super) fn is_asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// What becomes true when it is asked, for code that knows no commands.
    pub(super) fn flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.0)
    }

    /// Have these workers begin with no further run once it is asked. Call it now and then.
    pub(super) fn pass_on(&self, workers: &Weak<Workers>) {
        if self.is_asked()
            && let Some(workers) = workers.upgrade()
        {
            workers.stop();
        }
    }
}
