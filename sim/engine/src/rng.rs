//! Random streams: one for each purpose, so that a draw added in one place
//! shifts no other.

pub use retake_core::random::below;
pub use retake_live::rng::stream;
