//! What a check finds.

use std::fmt;

/// Something that must hold and does not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The invariant's number.
    pub invariant: u32,
    /// What is wrong.
    pub what: String,
}

impl Violation {
    /// The invariant of this number does not hold.
    #[must_use]
    pub fn new(invariant: u32, what: String) -> Self {
        Self { invariant, what }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "invariant {}: {}", self.invariant, self.what)
    }
}

pub(super) fn violation(invariant: u32, what: String) -> Violation {
    Violation::new(invariant, what)
}
