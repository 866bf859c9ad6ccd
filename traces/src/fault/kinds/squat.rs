use bincode::{Decode, Encode};
use retake_core::fault::{Effect, Moment};
use retake_core::time::nanos;
use serde::Serialize;

use super::kill::Kill;
use super::{Kind, until};
use crate::fault::recipe::Recipe;
use crate::fault::words::{Tail, Words};

/// The actor's name is taken as soon as it is free.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct Squat {
    /// Until this time, in nanoseconds of virtual time since the start of the run.
    pub until_ns: u64,
}

impl Kind for Squat {
    const VERB: &'static str = "squat";
    const FORM: &'static str = "squat NAME @WHEN until TIME";
    // A supervisor that tries again at once exceeds its intensity by it.
    const RECIPES: &'static [Recipe] = &[Recipe::unusual("squat", |dice| {
        let until_ns = dice.until_ns;
        vec![
            dice.fault(Squat { until_ns }),
            dice.fault(Kill { awaiting: false }),
        ]
    })];

    fn parse(words: &mut Words<'_>) -> Result<Self, String> {
        let until_ns = nanos(words.until()?);
        Ok(Self { until_ns })
    }

    fn tail(&self) -> Tail {
        Tail::new("").until(self.until_ns)
    }

    fn moment(&self) -> Moment {
        Moment::Task
    }

    fn effect(&self) -> Effect {
        let until_ns = self.until_ns;
        Effect::TakeName { until_ns }
    }

    fn describe(&self) -> String {
        format!("its name is taken {}", until(self.until_ns))
    }
}
