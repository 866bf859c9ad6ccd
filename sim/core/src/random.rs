//! Random numbers, as a function of a seed.

/// A stream of random numbers. What draws from one is a function of the seed that it is of.
pub trait Random {
    /// The next 32 bits.
    fn next_u32(&mut self) -> u32;

    /// The next 64 bits.
    fn next_u64(&mut self) -> u64;
}

#[cfg(feature = "rand_core")]
impl<R: rand_core::Rng> Random for R {
    fn next_u32(&mut self) -> u32 {
        rand_core::Rng::next_u32(self)
    }

    fn next_u64(&mut self) -> u64 {
        rand_core::Rng::next_u64(self)
    }
}

/// A number below `bound`; 0 if that is 0. The bias is below 2⁻³² times `bound`.
#[must_use]
pub fn below(rng: &mut impl Random, bound: usize) -> usize {
    ((u64::from(rng.next_u32()) * bound as u64) >> 32) as usize
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// `SplitMix64`: Steele, Lea, Flood, "Fast Splittable Pseudorandom Number Generators",
    /// OOPSLA 2014. With the feature `rand_core` any generator of that crate is a stream, so
    /// this one is one of them there.
    #[derive(Clone, Debug)]
    pub(crate) struct SplitMix(pub(crate) u64);

    impl SplitMix {
        fn next(&mut self) -> u64 {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let bits = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            bits ^ (bits >> 31)
        }
    }

    #[cfg(not(feature = "rand_core"))]
    impl Random for SplitMix {
        fn next_u32(&mut self) -> u32 {
            (self.next() >> 32) as u32
        }

        fn next_u64(&mut self) -> u64 {
            self.next()
        }
    }

    #[cfg(feature = "rand_core")]
    impl rand_core::TryRng for SplitMix {
        type Error = std::convert::Infallible;

        fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
            Ok((self.next() >> 32) as u32)
        }

        fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
            Ok(self.next())
        }

        fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Self::Error> {
            for byte in bytes {
                *byte = self.next() as u8;
            }
            Ok(())
        }
    }

    #[test]
    fn each_number_below_a_bound_is_about_as_frequent_and_none_is_the_bound() {
        let mut rng = SplitMix(7);
        let mut counts = [0; 5];
        (0..10_000).for_each(|_| counts[below(&mut rng, 5)] += 1);
        assert!(
            counts.iter().all(|count| (1800..2200).contains(count)),
            "{counts:?}"
        );
        assert_eq!(below(&mut rng, 0), 0);
    }
}
