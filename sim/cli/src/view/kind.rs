//! What the event of a row is, as a number: a [`StepKind`], or what is no step.

use retake_traces::record::StepKind;

const STEPS: u8 = StepKind::ALL.len() as u8;
pub(super) const NEW_TASK: u8 = STEPS;
pub(super) const FAULT: u8 = STEPS + 1;
pub(super) const PANIC: u8 = STEPS + 2;
pub(super) const LOG: u8 = STEPS + 3;
pub(super) const END: u8 = STEPS + 4;
pub(super) const UNHANDLED: u8 = STEPS + 5;
pub(super) const FAILED: u8 = STEPS + 6;
pub(super) const VIOLATED: u8 = STEPS + 7;

pub(super) fn is_step(kind: u8) -> bool {
    kind < STEPS
}

/// What is said of each kind, by number.
pub(super) fn verbs() -> Vec<&'static str> {
    let steps = StepKind::ALL.into_iter().map(StepKind::verb);
    steps.chain(OTHER_VERBS).collect()
}

/// What is said of the kinds that are no steps, by number.
const OTHER_VERBS: [&str; 8] = [
    "new",
    "FAULT:",
    "PANIC:",
    "|",
    "END:",
    "never handled:",
    "|",
    "|",
];
