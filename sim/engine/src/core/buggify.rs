//! Marked places of the user's code that misbehave, see `retake::buggify!`.

use std::collections::BTreeMap;

use rand_chacha::ChaCha8Rng;

use crate::rng::{below, stream};

/// Which marked places misbehave.
pub(crate) struct Buggify {
    rng: ChaCha8Rng,
    active: BTreeMap<&'static str, bool>,
}

impl Buggify {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            rng: stream(seed, "buggify"),
            active: BTreeMap::new(),
        }
    }

    /// A quarter of the places is active, a quarter of the times.
    pub(crate) fn fires(&mut self, site: &'static str) -> bool {
        let rng = &mut self.rng;
        let active = *self
            .active
            .entry(site)
            .or_insert_with(|| below(rng, 4) == 0);
        active && below(&mut self.rng, 4) == 0
    }
}
