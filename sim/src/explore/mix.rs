//! Which strategy a seed is run with.

use std::fmt;
use std::str::FromStr;

use rand_core::Rng as _;

use retake_engine::rng::{below, stream};
use retake_engine::strategy::{Strategy, StrategyError};

/// How a campaign chooses the strategy of each seed. Parses from and prints as `mix`
/// or a strategy.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Search {
    /// 40 % random, 30 % `pct` of depth 2, 3 or 5, 20 % `pos`, 10 % `starve`: no
    /// strategy finds every bug soonest.
    #[default]
    Mix,
    /// Always this one, for as many steps as the scenario takes.
    Only(Strategy),
}

impl Search {
    /// The strategy of a seed, for a scenario of about so many steps.
    #[must_use]
    pub fn strategy(&self, seed: u64, steps: u64) -> Strategy {
        let steps = steps.max(1);
        match self {
            Self::Only(strategy) => strategy.clone().for_steps(steps),
            Self::Mix => {
                let rng = &mut stream(seed, "strategy");
                match below(rng, 10) {
                    0..4 => Strategy::Random,
                    4..7 => {
                        let depth = [2, 3, 5][(rng.next_u32() % 3) as usize];
                        Strategy::Pct { depth, steps }
                    }
                    7..9 => Strategy::Pos,
                    _ => Strategy::Starve {
                        steps: (steps / 4).max(4),
                    },
                }
            }
        }
    }
}

impl fmt::Display for Search {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mix => f.write_str("mix"),
            Self::Only(strategy) => strategy.fmt(f),
        }
    }
}

impl FromStr for Search {
    type Err = StrategyError;

    fn from_str(text: &str) -> Result<Self, StrategyError> {
        match text {
            "mix" => Ok(Self::Mix),
            text => text.parse().map(Self::Only),
        }
    }
}
