//! What is written, and the end of it.

use std::task::Waker;

use retake_traces::live::Live;
use retake_traces::record::{End, OutcomeKind, Record};
use retake_traces::{Sink as _, TraceError, TraceWriter};

use super::RecordingReport;
use super::State;

impl State {
    pub(crate) fn write_live(&mut self, live: Live) {
        self.write(&Record::Live(Box::new(live)));
    }

    pub(super) fn write(&mut self, record: &Record) {
        let Some(writer) = &mut self.writer else {
            return;
        };
        self.is_dirty = true;
        if let Err(error) = writer.record(record) {
            // The process is worth more than its recording.
            self.gap = Some(error.to_string());
            self.error = Some(error);
            self.writer = None;
        }
    }

    pub(super) fn stop_at_limit(&mut self) {
        let bytes = self.writer.as_ref().map_or(0, TraceWriter::bytes);
        if bytes > self.bytes_max {
            let why = format!("it has reached its limit of {} bytes", self.bytes_max);
            self.gap = Some(why.clone());
            self.write_live(Live::Gap(why));
            self.close();
        }
    }

    pub(crate) fn flush(&mut self) {
        if let Some(writer) = &mut self.writer
            && std::mem::take(&mut self.is_dirty)
            && let Err(error) = writer.flush()
        {
            self.gap = Some(error.to_string());
            self.error = Some(error);
            self.writer = None;
        }
    }

    /// Write the end.
    pub(super) fn close(&mut self) {
        self.write_step_end();
        let end = End {
            outcome: OutcomeKind::Recorded,
            detail: self.gap.clone().unwrap_or_default(),
            steps: self.recorded.steps,
            now_ns: self.last_ns,
        };
        self.write(&Record::End(end));
        let Some(mut writer) = self.writer.take() else {
            return;
        };
        self.recorded.bytes = writer.bytes();
        if let Err(error) = writer.finish() {
            self.error = Some(error);
        }
    }

    /// Nothing more is recorded. Gives what was, and everybody who waits.
    pub(crate) fn finish(&mut self) -> (Result<RecordingReport, TraceError>, Vec<Waker>) {
        self.close();
        let waiters = self.slots.iter_mut().flatten();
        let wakers = waiters.filter_map(|slot| slot.waker.take()).collect();
        let recorded = RecordingReport {
            gap: self.gap.clone(),
            ..self.recorded.clone()
        };
        (self.error.take().map_or(Ok(recorded), Err), wakers)
    }

    /// True when nothing is written any more, and every task may run.
    pub(crate) fn is_over(&self) -> bool {
        self.writer.is_none()
    }
}
