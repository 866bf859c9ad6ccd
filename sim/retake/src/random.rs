//! Randomness that a simulation can take over.

use std::convert::Infallible;

use rand_core::TryRng;

use crate::{engine, live};

/// A source of random numbers: the run's own stream inside a simulation, the
/// operating system's generator outside. Works with everything of the `rand`
/// crate.
///
/// ```
/// use rand::RngExt;
/// let die = retake::rng().random_range(1..=6);
/// assert!((1..=6).contains(&die));
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Rng;

/// The random numbers of this run.
#[must_use]
pub fn rng() -> Rng {
    Rng
}

impl TryRng for Rng {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        if engine::gating(|engine| engine.fill_random(bytes)).is_none() {
            live::random(bytes);
        }
        Ok(())
    }
}
