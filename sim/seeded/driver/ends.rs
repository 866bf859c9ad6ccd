//! The end of a run: what is recorded of it, and what the program says.

use super::core::outcome::OutcomeKind;
use super::kernel::Kernel;
use super::record::Tag;
use super::sys;

/// The exit code of a run that the driver ends.
const ENDED: i32 = 70;

impl Kernel {
    /// End the process, because the run cannot continue.
    pub(super) fn end(&mut self, outcome: OutcomeKind, why: &str) -> ! {
        self.record_end(outcome, why);
        self.finish();
        self.exit(outcome, why)
    }

    pub(super) fn record_end(&mut self, outcome: OutcomeKind, why: &str) {
        self.record.event(Tag::Ended, |fields| {
            fields.number(outcome as u64).text(why);
        });
    }

    /// Say so, and end the process.
    pub(super) fn exit(&self, outcome: OutcomeKind, why: &str) -> ! {
        let text = format!("retake: {outcome} at step {}: {why}\n", self.steps);
        sys::print_error(&text);
        // SAFETY: what is left to do is nobody's: all other threads wait.
        unsafe { sys::_exit(ENDED) }
    }

    /// Record what is known at the end only.
    pub(super) fn finish(&mut self) {
        self.finish_record();
        self.record.unmute();
        self.record.finish();
    }

    /// The same, without giving the file its length.
    pub(super) fn finish_record(&mut self) {
        if std::mem::replace(&mut self.is_finished, true) {
            return;
        }
        let holds = self.holds.take().map(|holds| holds.holds());
        for hold in holds.unwrap_or_default() {
            let numbers = [hold.step.0, hold.step.1, hold.until.0, hold.until.1];
            self.record.event(Tag::Hold, |fields| {
                numbers.into_iter().for_each(|it| {
                    fields.number(it.into());
                });
            });
        }
        let numbers = [self.steps, self.deviations, self.hash, self.now_ns];
        self.record.event(Tag::Stats, |fields| {
            numbers.into_iter().for_each(|it| {
                fields.number(it);
            });
        });
        self.record.mute();
    }
}
