use bincode::{Decode, Encode};
use retake_core::fault::{Effect, Moment};
use retake_core::step::StepKind;
use serde::Serialize;

use super::Kind;
use crate::fault::recipe::Recipe;
use crate::fault::words::Words;

/// The actor's next message is dropped unhandled, with its reply port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct Lose;

impl Kind for Lose {
    const VERB: &'static str = "lose";
    const FORM: &'static str = "lose NAME @WHEN";
    // Messages within a process are not lost.
    const RECIPES: &'static [Recipe] = &[Recipe::unusual("lose", |dice| vec![dice.fault(Lose)])];

    fn parse(_: &mut Words<'_>) -> Result<Self, String> {
        Ok(Self)
    }

    fn moment(&self) -> Moment {
        Moment::Callback(StepKind::Handle)
    }

    fn effect(&self) -> Effect {
        Effect::Lose
    }

    fn describe(&self) -> String {
        "its message is lost".to_owned()
    }
}
