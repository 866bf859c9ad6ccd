use bincode::{Decode, Encode};
use retake_core::fault::{Effect, Moment};
use serde::Serialize;

use super::Kind;
use crate::fault::recipe::Recipe;
use crate::fault::words::Words;
use crate::fault::{Fault, Target};

/// Marked places misbehave now and then; which and when the seed draws.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct Buggify;

impl Kind for Buggify {
    const VERB: &'static str = "buggify";
    const FORM: &'static str = "buggify @WHEN";
    const RECIPES: &'static [Recipe] = &[Recipe::once("buggify", |_| {
        vec![Fault::new(Target::Run, Buggify)]
    })];

    fn parse(_: &mut Words<'_>) -> Result<Self, String> {
        Ok(Self)
    }

    fn moment(&self) -> Moment {
        Moment::Run
    }

    fn effect(&self) -> Effect {
        Effect::Buggify
    }

    fn describe(&self) -> String {
        "marked places misbehave now and then".to_owned()
    }
}
