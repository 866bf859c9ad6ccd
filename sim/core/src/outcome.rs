//! How a run ends, in a word.

use std::fmt;

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OutcomeKind {
    /// The scenario returned, and nothing failed.
    Passed,
    /// A task panicked.
    Panicked,
    /// A check failed.
    Violated,
    /// Nothing could run, and nothing waited for time.
    Deadlock,
    /// Tasks took turns without progress of virtual time.
    Livelock,
    /// Virtual time reached the horizon.
    Horizon,
    /// The run took too many steps.
    StepLimit,
    /// Code ran where the scheduler has no hold of it.
    Escaped,
    /// The process of the run ended, or did not end in time.
    Lost,
    /// The run could not follow its schedule.
    Diverged,
    /// It was a live process, whose recording was finished.
    Recorded,
    /// The trace has no end. No trace says so of itself.
    CutShort,
}

/// The signal by which a simulated process is asked to end, because it takes too long: `SIGSTKFLT`,
/// which nothing else sends. It says then what waits.
pub const OUT_OF_TIME: i32 = 16;

const WORDS: [(OutcomeKind, &str); 12] = [
    (OutcomeKind::Passed, "passed"),
    (OutcomeKind::Panicked, "panicked"),
    (OutcomeKind::Violated, "violated"),
    (OutcomeKind::Deadlock, "deadlock"),
    (OutcomeKind::Livelock, "livelock"),
    (OutcomeKind::Horizon, "horizon"),
    (OutcomeKind::StepLimit, "step limit"),
    (OutcomeKind::Escaped, "escaped"),
    (OutcomeKind::Lost, "lost"),
    (OutcomeKind::Diverged, "diverged"),
    (OutcomeKind::Recorded, "recorded"),
    (OutcomeKind::CutShort, "cut short"),
];

impl OutcomeKind {
    /// The word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        // The table has each kind at its number, see the test.
        WORDS[self as usize].1
    }

    /// The kind of this word, if a trace may say so.
    #[must_use]
    pub fn of_word(word: &str) -> Option<Self> {
        Self::all().find(|kind| kind.word() == word)
    }

    /// Those that a trace may have.
    pub fn all() -> impl Iterator<Item = Self> {
        let kinds = WORDS.iter().map(|(kind, _)| *kind);
        kinds.filter(|kind| *kind != Self::CutShort)
    }
}

impl fmt::Display for OutcomeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for OutcomeKind {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.word())
    }
}

#[cfg(feature = "bincode")]
impl bincode::Encode for OutcomeKind {
    fn encode<E: bincode::enc::Encoder>(
        &self,
        encoder: &mut E,
    ) -> Result<(), bincode::error::EncodeError> {
        self.word().encode(encoder)
    }
}

#[cfg(feature = "bincode")]
impl<C> bincode::Decode<C> for OutcomeKind {
    fn decode<D: bincode::de::Decoder<Context = C>>(
        decoder: &mut D,
    ) -> Result<Self, bincode::error::DecodeError> {
        let word = <String as bincode::Decode<C>>::decode(decoder)?;
        let unknown = bincode::error::DecodeError::Other("there is no such outcome");
        Self::of_word(&word).ok_or(unknown)
    }
}

#[cfg(feature = "bincode")]
bincode::impl_borrow_decode!(OutcomeKind);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outcome_is_found_by_its_word() {
        for (place, (kind, word)) in WORDS.iter().enumerate() {
            assert_eq!((*kind as usize, kind.word()), (place, *word));
        }
        for kind in OutcomeKind::all() {
            assert_eq!(OutcomeKind::of_word(kind.word()), Some(kind));
        }
        assert_eq!(OutcomeKind::of_word("cut short"), None);
        assert_eq!(OutcomeKind::of_word("Passed"), None);
    }
}
