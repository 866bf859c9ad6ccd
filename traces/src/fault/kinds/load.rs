use bincode::{Decode, Encode};
use retake_core::fault::{Effect, Moment};
use serde::Serialize;

use super::Kind;
use crate::fault::recipe::Recipe;
use crate::fault::words::{Tail, Words};
use crate::fault::{Fault, Target};

/// Loads (`retake::workload`) are larger, or limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Load {
    /// So many times as large.
    Times(u32),
    /// No larger than this: a smaller failing run may need less.
    AtMost(u32),
}

impl Kind for Load {
    const VERB: &'static str = "load";
    const FORM: &'static str = "load x4|at most 3 @WHEN";
    // A load is made when the scenario begins.
    const RECIPES: &'static [Recipe] = &[Recipe::usual("load", |dice| {
        let times = 2 + dice.below(3) as u32;
        vec![Fault::new(Target::Run, Load::Times(times))]
    })];

    fn parse(words: &mut Words<'_>) -> Result<Self, String> {
        let rest = words.take_rest();
        if let Some(most) = rest.strip_prefix("at most ") {
            return match most.parse() {
                Ok(0) | Err(_) => Err("write `load at most 3`, from 1".to_owned()),
                Ok(most) => Ok(Self::AtMost(most)),
            };
        }
        match rest.strip_prefix('x').and_then(|it| it.parse().ok()) {
            Some(times @ 1..=1000) => Ok(Self::Times(times)),
            _ => Err("write `load x4`, from 1 to 1000 times".to_owned()),
        }
    }

    fn tail(&self) -> Tail {
        Tail::new(match self {
            Self::Times(times) => format!(" x{times}"),
            Self::AtMost(most) => format!(" at most {most}"),
        })
    }

    fn moment(&self) -> Moment {
        Moment::Run
    }

    fn effect(&self) -> Effect {
        match *self {
            Self::Times(times) => Effect::Load { times },
            Self::AtMost(most) => Effect::LimitLoad { most },
        }
    }

    fn describe(&self) -> String {
        match self {
            Self::Times(times) => format!("{times} times the load"),
            Self::AtMost(most) => format!("loads are at most {most}"),
        }
    }
}
