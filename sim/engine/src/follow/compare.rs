//! Whether a step does what the recorded one did.

use std::mem::discriminant;

use retake::engine::{Outside, StepEnd, Ticket};

use super::{Act, Follow};
use crate::outcome::Outcome;

impl Follow {
    /// A step has ended, in a run that `is_over` by now or not. True if its actor must not
    /// continue by itself.
    ///
    /// # Errors
    /// With the outcome, if the step is not the recorded one.
    pub(crate) fn end_step(
        &mut self,
        ticket: &Ticket,
        end: &StepEnd,
        is_over: bool,
    ) -> Result<bool, Outcome> {
        self.arrived.remove(&ticket.task.0);
        if std::mem::take(&mut self.off_script) || is_over {
            return Ok(false);
        }
        self.in_act = false;
        let Some(act) = self.act.take() else {
            return Ok(false);
        };
        if let Some(reason) = difference(self, &act, end) {
            let reason = format!("{} as recorded, but {reason}", self.describe(&act));
            return Err(self.diverged(Some(&act), &reason));
        }
        let mut report = self.report.get();
        report.honoured += 1;
        let label = self.label(act.step.task);
        report.by_task.entry(label).or_default().0 += 1;
        use retake::engine::StepKind::{Handle, PostStart, Supervision};
        Ok(matches!(end, StepEnd::Returned)
            && matches!(ticket.part, PostStart | Handle | Supervision)
            && !self.mailboxes.is_message_next(act.step.task))
    }

    /// The recorded value that the step takes from outside.
    ///
    /// # Errors
    /// What it does instead, if it `must` be one that was recorded.
    pub(crate) fn outside(&mut self, name: &str, must: bool) -> Result<Outside, String> {
        let act = self.act.as_mut().filter(|_| self.in_act);
        let Some(act) = act else {
            return Ok(Outside::Replayed(None));
        };
        if act.external.front().is_some_and(|(next, _)| next == name) {
            let value = act.external.pop_front().map(|(_, value)| value);
            return Ok(Outside::Replayed(value));
        }
        if must {
            return Err(format!(
                "it takes `{name}` from outside, as it did not there"
            ));
        }
        Ok(Outside::Replayed(None))
    }

    /// The step has made a value.
    ///
    /// # Errors
    /// What it does instead, if it is not the recorded one.
    pub(crate) fn output(&mut self, name: &str, bytes: &[u8]) -> Result<(), String> {
        let Some(act) = self.act.as_mut().filter(|_| self.in_act) else {
            return Ok(());
        };
        Err(match act.output.pop_front() {
            Some((next, value)) if next == name && value == bytes => {
                let mut report = self.report.get();
                report.outputs.entry(next).or_default().0 += 1;
                return Ok(());
            }
            Some((next, value)) => format!(
                "it makes {name} {} where it made {next} {}",
                show(bytes),
                show(&value)
            ),
            None => format!("it makes {name} {}, as it did not there", show(bytes)),
        })
    }

    /// The step that runs is not the recorded one: `what` it does instead.
    pub(crate) fn break_off(&self, what: &str) -> Outcome {
        let act = self.act.as_ref();
        let step = act.map(|act| self.describe(act)).unwrap_or_default();
        self.diverged(act, &format!("{step} as recorded, but {what}"))
    }
}

/// In what a step that has run differs from the recorded one.
fn difference(follow: &mut Follow, act: &Act, end: &StepEnd) -> Option<String> {
    while let (Some(expected), Some(started)) = (
        follow.expected_labels.front(),
        follow.started_labels.front(),
    ) {
        if expected != started {
            return Some(format!(
                "it starts `{started}` where it started `{expected}`"
            ));
        }
        follow.compared += 1;
        follow.expected_labels.pop_front();
        follow.started_labels.pop_front();
    }
    if let Some(started) = follow.started_labels.front() {
        return Some(format!("it starts `{started}`, as it did not there"));
    }
    if let Some((name, value)) = act.output.front() {
        return Some(format!("it does not make {name} {}", show(value)));
    }
    if let Some((name, _)) = act.external.front() {
        return Some(format!("it does not take `{name}` from outside"));
    }
    // Texts of errors may name what differs between processes.
    let same = discriminant(&act.end) == discriminant(end);
    (!same).then(|| format!("it {end} where it {}", act.end))
}

fn show(bytes: &[u8]) -> String {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => format!("`{text}`"),
        Err(_) => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
    };
    match text.char_indices().nth(200) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
