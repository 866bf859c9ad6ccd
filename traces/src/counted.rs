//! Counts in sentences.

use std::fmt::Display;

/// A count with its noun: `1 step`, `2 steps`, `0 steps`. The noun is given in the singular,
/// and its plural ends in `s`.
///
/// ```
/// use retake_traces::counted;
///
/// assert_eq!(counted(1, "fault"), "1 fault");
/// assert_eq!(counted(0_u64, "fault"), "0 faults");
/// ```
pub fn counted<N: Copy + Display + PartialEq + From<u8>>(count: N, noun: &str) -> String {
    let s = if count == N::from(1) { "" } else { "s" };
    format!("{count} {noun}{s}")
}
