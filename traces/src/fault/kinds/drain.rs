use bincode::{Decode, Encode};
use retake_core::fault::{Effect, Moment};
use serde::Serialize;

use super::Kind;
use crate::fault::words::Words;

/// The actor stops after the messages that it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct Drain;

impl Kind for Drain {
    const VERB: &'static str = "drain";
    const FORM: &'static str = "drain NAME [with N siblings] @WHEN";
    const ENDS_AN_ACTOR: bool = true;

    fn parse(_: &mut Words<'_>) -> Result<Self, String> {
        Ok(Self)
    }

    fn moment(&self) -> Moment {
        Moment::Task
    }

    fn effect(&self) -> Effect {
        Effect::Drain
    }

    fn describe(&self) -> String {
        "ordered to drain".to_owned()
    }
}
