//! Random streams: one for each purpose, so that a draw added in one place
//! shifts no other.

use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;
use xxhash_rust::xxh3::xxh3_64;

/// The stream of a seed for a purpose: `ChaCha`'s key is the seed, its stream
/// number the hash of the purpose.
#[must_use]
pub fn stream(seed: u64, purpose: &str) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(xxh3_64(purpose.as_bytes()));
    rng
}

#[cfg(test)]
mod tests {
    use rand_core::Rng;

    use super::*;

    #[test]
    fn streams_of_one_seed_differ_and_repeat() {
        let draw = |seed, purpose| stream(seed, purpose).next_u64();
        assert_eq!(draw(1, "schedule"), draw(1, "schedule"));
        assert_ne!(draw(1, "schedule"), draw(1, "user"));
        assert_ne!(draw(1, "schedule"), draw(2, "schedule"));
    }
}
