use bincode::{Decode, Encode};
use retake_core::fault::{Effect, Moment};
use retake_core::time::nanos;
use serde::Serialize;

use super::{Kind, until};
use crate::fault::recipe::Recipe;
use crate::fault::words::{Tail, Words};
use crate::fault::{Fault, Target};

/// Nothing runs, while time moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct Pause {
    /// Until this time, in nanoseconds of virtual time since the start of the run.
    pub until_ns: u64,
}

impl Kind for Pause {
    const VERB: &'static str = "pause";
    const FORM: &'static str = "pause @WHEN until TIME";
    const RECIPES: &'static [Recipe] = &[Recipe::usual("pause", |dice| {
        let until_ns = dice.until_ns;
        vec![Fault::new(Target::Run, Pause { until_ns }).at_step(dice.at)]
    })];

    fn parse(words: &mut Words<'_>) -> Result<Self, String> {
        let until_ns = nanos(words.until()?);
        Ok(Self { until_ns })
    }

    fn tail(&self) -> Tail {
        Tail::new("").until(self.until_ns)
    }

    fn moment(&self) -> Moment {
        Moment::Run
    }

    fn effect(&self) -> Effect {
        let until_ns = self.until_ns;
        Effect::Pause { until_ns }
    }

    fn describe(&self) -> String {
        format!("nothing runs {}", until(self.until_ns))
    }
}
