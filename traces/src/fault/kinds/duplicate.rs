use bincode::{Decode, Encode};
use retake_core::fault::{Effect, Moment};
use retake_core::step::StepKind;
use serde::Serialize;

use super::Kind;
use crate::fault::recipe::Recipe;
use crate::fault::words::Words;

/// The actor's next message is sent to it once more, where it can be cloned: what a sender does that repeats a message after a timeout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct Duplicate;

impl Kind for Duplicate {
    const VERB: &'static str = "duplicate";
    const FORM: &'static str = "duplicate NAME @WHEN";
    // Within a process nothing repeats a message on its own.
    const RECIPES: &'static [Recipe] = &[Recipe::unusual("duplicate", |dice| {
        vec![dice.fault(Duplicate)]
    })];

    fn parse(_: &mut Words<'_>) -> Result<Self, String> {
        Ok(Self)
    }

    fn moment(&self) -> Moment {
        Moment::Callback(StepKind::Handle)
    }

    fn effect(&self) -> Effect {
        Effect::Duplicate
    }

    fn describe(&self) -> String {
        "its message is sent once more".to_owned()
    }
}
