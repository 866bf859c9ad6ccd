use bincode::{Decode, Encode};
use retake_core::fault::{Effect, Moment};
use serde::Serialize;

use super::Kind;
use crate::fault::recipe::Recipe;
use crate::fault::words::Words;

/// The actor stops after its present message, whatever it still has to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct Stop;

impl Kind for Stop {
    const VERB: &'static str = "stop";
    const FORM: &'static str = "stop NAME [with N siblings] @WHEN";
    const ENDS_AN_ACTOR: bool = true;
    const RECIPES: &'static [Recipe] = &[Recipe::usual("stop", |dice| vec![dice.fault(Stop)])];

    fn parse(_: &mut Words<'_>) -> Result<Self, String> {
        Ok(Self)
    }

    fn moment(&self) -> Moment {
        Moment::Task
    }

    fn effect(&self) -> Effect {
        Effect::Stop
    }

    fn describe(&self) -> String {
        "ordered to stop".to_owned()
    }
}
