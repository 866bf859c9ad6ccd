//! What goes wrong on disks on purpose.

use std::io;

/// What is done with a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "bincode", derive(bincode::Encode, bincode::Decode))]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum DiskOperation {
    /// Bytes are read.
    Read,
    /// Bytes are written, or a file gets another length.
    Write,
    /// What was written is made durable.
    Sync,
    /// A file is opened or made: only a crash affects that.
    Open,
}

/// The words for operations that fail.
const OPERATIONS: [(&str, DiskOperation); 3] = [
    ("reads", DiskOperation::Read),
    ("writes", DiskOperation::Write),
    ("syncs", DiskOperation::Sync),
];

impl DiskOperation {
    /// The operations of this word, `reads`, `writes` or `syncs`.
    #[must_use]
    pub fn of_word(word: &str) -> Option<Self> {
        let found = OPERATIONS.iter().find(|(it, _)| *it == word);
        found.map(|(_, operation)| *operation)
    }

    /// The word for such operations.
    #[must_use]
    pub fn word(self) -> &'static str {
        let found = OPERATIONS.iter().find(|(_, it)| *it == self);
        found.map_or("opens", |(word, _)| word)
    }
}

/// How an operation fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskFailureKind {
    /// The machine loses its power before it: what was not synced is lost, and what was open
    /// stays unusable.
    Crash,
    /// It fails. Of a write nothing gets through, and a sync makes nothing durable.
    Error,
    /// A write fails, and nothing of it gets through: there is no room.
    Full,
    /// A part of the bytes is read or written.
    Short,
    /// A bit of what is read is wrong.
    Corrupt,
}

impl DiskFailureKind {
    const ALL: [Self; 5] = [
        Self::Crash,
        Self::Error,
        Self::Full,
        Self::Short,
        Self::Corrupt,
    ];

    /// The kind of this word.
    #[must_use]
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.word() == word)
    }

    /// A word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Crash => "crash",
            Self::Error => "error",
            Self::Full => "full",
            Self::Short => "short",
            Self::Corrupt => "corrupt",
        }
    }
}

/// How one operation fails, see [`DiskFailureKind`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiskFailure {
    kind: DiskFailureKind,
    drawn: u64,
}

impl DiskFailure {
    /// A failure; what else has to be chosen comes from a number that was drawn.
    #[must_use]
    pub const fn new(kind: DiskFailureKind, drawn: u64) -> Self {
        Self { kind, drawn }
    }

    /// How the operation fails.
    #[must_use]
    pub const fn kind(self) -> DiskFailureKind {
        self.kind
    }

    /// A part of so many bytes: at least one, and not all of them if there are two or more.
    #[must_use]
    pub fn part_of(self, length: usize) -> usize {
        match length {
            0 | 1 => length,
            _ => 1 + self.below(length - 1),
        }
    }

    /// Make one bit of the bytes wrong.
    pub fn flip_bit(self, bytes: &mut [u8]) {
        if !bytes.is_empty() {
            let bit = self.below(bytes.len().saturating_mul(8));
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
    }

    fn below(self, bound: usize) -> usize {
        ((u128::from(self.drawn) * bound as u128) >> 64) as usize
    }
}

impl From<DiskFailure> for io::Error {
    fn from(failure: DiskFailure) -> Self {
        match failure.kind {
            DiskFailureKind::Full => io::ErrorKind::StorageFull.into(),
            DiskFailureKind::Crash => Self::other("the machine has crashed"),
            _ => Self::other("input/output error"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_never_all_of_it_and_one_bit_is_wrong() {
        for drawn in [0, 1, u64::MAX / 3, u64::MAX / 2, u64::MAX] {
            let short = DiskFailure::new(DiskFailureKind::Short, drawn);
            assert_eq!((short.part_of(0), short.part_of(1)), (0, 1));
            for length in 2..20 {
                assert!((1..length).contains(&short.part_of(length)));
                let mut bytes = vec![0_u8; length];
                DiskFailure::new(DiskFailureKind::Corrupt, drawn).flip_bit(&mut bytes);
                let wrong: u32 = bytes.iter().map(|byte| byte.count_ones()).sum();
                assert_eq!(wrong, 1);
            }
        }
        DiskFailure::new(DiskFailureKind::Corrupt, 7).flip_bit(&mut []);
    }
}
