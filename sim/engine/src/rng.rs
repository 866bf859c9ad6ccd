//! Random streams: one for each purpose, so that a draw added in one place
//! shifts no other.

use rand_chacha::ChaCha8Rng;
use rand_core::Rng;

pub use retake_record::rng::stream;

/// A number below `bound`; 0 if that is 0. The bias is below 2⁻³² times `bound`.
#[must_use]
pub fn below(rng: &mut ChaCha8Rng, bound: usize) -> usize {
    ((u64::from(rng.next_u32()) * bound as u64) >> 32) as usize
}
