//! `ChaCha8` without a dependency, for sources that are compiled as a part of another crate.
//!
//! After Bernstein, "`ChaCha`, a variant of Salsa20", 2008, with 8 rounds, a counter and a stream number
//! of 64 bits each. A [`ChaCha8`] gives the same numbers as the generator of the crate
//! `rand_chacha` that was seeded in the same way, so that one seed means one thing everywhere.

use crate::random::Random;

const ROUNDS: usize = 8;
/// "expand 32-byte k" in four words.
const CONSTANTS: [u32; 4] = [0x6170_7865, 0x3320_646e, 0x7962_2d32, 0x6b20_6574];

/// A stream of random numbers: a function of its seed and of its stream number.
#[derive(Clone, Debug)]
pub struct ChaCha8 {
    key: [u32; 8],
    stream: u64,
    /// The next block.
    counter: u64,
    block: [u32; 16],
    /// The next word of the block; 16 when all are used.
    place: usize,
}

impl ChaCha8 {
    /// The stream of this number, of this seed.
    #[must_use]
    pub fn new(seed: u64, stream: u64) -> Self {
        let mut state = seed;
        Self {
            key: std::array::from_fn(|_| expand(&mut state)),
            stream,
            counter: 0,
            block: [0; 16],
            place: 16,
        }
    }

    /// Fill these bytes, four for each number that is drawn.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(4) {
            let drawn = self.draw().to_le_bytes();
            chunk.copy_from_slice(&drawn[..chunk.len()]);
        }
    }

    #[inline]
    fn draw(&mut self) -> u32 {
        if self.place == 16 {
            self.next_block();
        }
        let word = self.block[self.place];
        self.place += 1;
        word
    }

    fn draw_two(&mut self) -> u64 {
        let low = self.draw();
        u64::from(self.draw()) << 32 | u64::from(low)
    }

    fn next_block(&mut self) {
        let mut start = [0; 16];
        start[..4].copy_from_slice(&CONSTANTS);
        start[4..12].copy_from_slice(&self.key);
        start[12] = self.counter as u32;
        start[13] = (self.counter >> 32) as u32;
        start[14] = self.stream as u32;
        start[15] = (self.stream >> 32) as u32;
        let mut words = start;
        for _ in 0..ROUNDS / 2 {
            quarter_round(&mut words, [0, 4, 8, 12]);
            quarter_round(&mut words, [1, 5, 9, 13]);
            quarter_round(&mut words, [2, 6, 10, 14]);
            quarter_round(&mut words, [3, 7, 11, 15]);
            quarter_round(&mut words, [0, 5, 10, 15]);
            quarter_round(&mut words, [1, 6, 11, 12]);
            quarter_round(&mut words, [2, 7, 8, 13]);
            quarter_round(&mut words, [3, 4, 9, 14]);
        }
        for (word, start) in words.iter_mut().zip(start) {
            *word = word.wrapping_add(start);
        }
        self.block = words;
        self.counter = self.counter.wrapping_add(1);
        self.place = 0;
    }
}

#[inline]
fn quarter_round(words: &mut [u32; 16], [a, b, c, d]: [usize; 4]) {
    for (turn_d, turn_b) in [(16, 12), (8, 7)] {
        words[a] = words[a].wrapping_add(words[b]);
        words[d] = (words[d] ^ words[a]).rotate_left(turn_d);
        words[c] = words[c].wrapping_add(words[d]);
        words[b] = (words[b] ^ words[c]).rotate_left(turn_b);
    }
}

/// A word of the key, by the generator PCG32 that `rand_core` expands small seeds with (O'Neill:
/// "PCG: A Family of Simple Fast Space-Efficient Statistically Good Algorithms for Random Number
/// Generation", 2014).
fn expand(state: &mut u64) -> u32 {
    *state = state
        .wrapping_mul(0x5851_f42d_4c95_7f2d)
        .wrapping_add(0xa176_54e4_6fbe_17f3);
    let shifted = (((*state >> 18) ^ *state) >> 27) as u32;
    shifted.rotate_right((*state >> 59) as u32)
}

#[cfg(not(feature = "rand_core"))]
impl Random for ChaCha8 {
    #[inline]
    fn next_u32(&mut self) -> u32 {
        self.draw()
    }

    fn next_u64(&mut self) -> u64 {
        self.draw_two()
    }
}

// Every generator of `rand_core` is a stream there.
#[cfg(feature = "rand_core")]
impl rand_core::TryRng for ChaCha8 {
    type Error = std::convert::Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        Ok(self.draw())
    }

    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        Ok(self.draw_two())
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Self::Error> {
        self.fill(bytes);
        Ok(())
    }
}

#[cfg(feature = "rand_core")]
const _: fn(&mut ChaCha8) -> u32 = Random::next_u32;

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha8Rng;
    use rand_chacha::rand_core::{Rng, SeedableRng};

    use super::ChaCha8;

    #[test]
    fn a_stream_gives_the_numbers_of_rand_chacha() {
        for (seed, stream) in [(0, 0), (42, 1), (u64::MAX, 0x9e37_79b9_7f4a_7c15)] {
            let mut theirs = ChaCha8Rng::seed_from_u64(seed);
            theirs.set_stream(stream);
            let mut ours = ChaCha8::new(seed, stream);
            for round in 0..1_000 {
                // Words of 64 bits across the end of a block as well.
                if round % 3 == 0 {
                    assert_eq!(ours.draw_two(), Rng::next_u64(&mut theirs));
                } else {
                    assert_eq!(ours.draw(), Rng::next_u32(&mut theirs));
                }
            }
            let (mut these, mut those) = ([0; 23], [0; 23]);
            ours.fill(&mut these);
            theirs.fill_bytes(&mut those);
            assert_eq!(these, those);
        }
    }
}
