//! What a recording of a live process has in addition to its steps.
//!
//! A live recording is a trace whose steps were not chosen by a simulator: each is a poll of
//! gated code in a real process, in the order in which they took place. In addition to the records
//! that every trace has it holds what a simulator cannot know by itself: when actors took
//! their messages, what came from outside, and how each step ended.

use bincode::{Decode, Encode};
use serde::Serialize;

pub use retake_core::step::StepEnd;

/// Pieces of values that came from outside are at most this long, in bytes.
pub const PIECE_MAX: usize = 256 << 10;

/// One entry of a live recording that other traces do not have.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Live {
    /// The first record: where and how the process stood.
    Start(Start),
    /// An actor took something that comes before messages: the end of a child, or the order to
    /// stop. It acts upon it in a later step.
    Took {
        /// The actor.
        task: u32,
    },
    /// What the task of the preceding step was started with from outside: a request.
    Input(Piece),
    /// A value that came from outside during the preceding step.
    External(Piece),
    /// Something that the preceding step made, to compare a replay with.
    Output(Piece),
    /// How the preceding step ended.
    End(StepEnd),
    /// The recording stops here although the process went on, and why.
    Gap(String),
}

/// The beginning of a live recording.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct Start {
    /// Unix time then, in nanoseconds.
    pub unix_ns: u64,
    /// Monotonic time then, in nanoseconds: what the process's clocks count from.
    pub origin_ns: u64,
    /// How the recorded system was set up, in a form that its program knows.
    pub config: Vec<u8>,
}

/// A value, or one of several parts of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct Piece {
    /// What the value is.
    pub name: String,
    /// The value, or a part of it.
    pub bytes: Vec<u8>,
    /// Another part follows.
    pub more: bool,
}

impl Piece {
    /// A value as pieces of bounded length.
    pub fn split<'a>(name: &'a str, value: &'a [u8]) -> impl Iterator<Item = Self> + 'a {
        let pieces = value.len().div_ceil(PIECE_MAX).max(1);
        (0..pieces).map(move |number| {
            let start = number * PIECE_MAX;
            let end = value.len().min(start + PIECE_MAX);
            Self {
                name: name.to_owned(),
                bytes: value[start..end].to_vec(),
                more: number + 1 < pieces,
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_value_is_split_and_a_short_or_empty_one_is_one_piece() {
        for length in [0, 1, PIECE_MAX, PIECE_MAX + 1, 3 * PIECE_MAX] {
            let value: Vec<u8> = (0..length).map(|number| number as u8).collect();
            let pieces: Vec<Piece> = Piece::split("disk", &value).collect();
            assert_eq!(pieces.len(), length.div_ceil(PIECE_MAX).max(1));
            assert!(pieces.iter().all(|piece| piece.bytes.len() <= PIECE_MAX));
            let (last, others) = pieces.split_last().unwrap();
            assert!(!last.more && others.iter().all(|piece| piece.more));
            let whole: Vec<u8> = pieces
                .iter()
                .flat_map(|piece| piece.bytes.clone())
                .collect();
            assert_eq!(whole, value);
        }
    }
}
