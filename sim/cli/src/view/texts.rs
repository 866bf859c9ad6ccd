//! The texts of a page, each kept once, and numbers for what is compared.

use std::hash::{DefaultHasher, Hasher as _};

/// The same for equal texts, in any program.
pub(super) fn hash(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(text.as_bytes());
    hasher.finish()
}

/// No row, no task, no parent.
pub(super) const NONE: u32 = u32::MAX;

/// What counterparts have in common: the label of the task, the kind and the text.
pub(super) fn key(who: u64, kind: u8, text: u64) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write_u64(who);
    hasher.write_u8(kind);
    hasher.write_u64(text);
    hasher.finish()
}

/// Texts, each kept once.
#[derive(Debug, Default)]
pub(super) struct Texts {
    pub(super) block: String,
    /// Where each begins in the block, in bytes.
    starts: Vec<usize>,
    pub(super) lengths: Vec<u32>,
    #[allow(
        clippy::disallowed_types,
        reason = "only looked up in: its order reaches nothing"
    )]
    known: std::collections::HashMap<u64, u32>,
}

impl Texts {
    pub(super) fn get(&self, number: u32) -> &str {
        let number = number as usize;
        let end = self.starts.get(number + 1).copied();
        &self.block[self.starts[number]..end.unwrap_or(self.block.len())]
    }

    /// The number of a text. 0 is the empty one.
    pub(super) fn number(&mut self, text: &str) -> u32 {
        let hash = hash(text);
        if let Some(number) = self.known.get(&hash)
            && self.get(*number) == text
        {
            return *number;
        }
        let number = self.starts.len() as u32;
        self.starts.push(self.block.len());
        self.lengths.push(text.encode_utf16().count() as u32);
        self.block.push_str(text);
        // Of two texts with one hash, the first is found again and the others repeat.
        self.known.entry(hash).or_insert(number);
        number
    }
}
