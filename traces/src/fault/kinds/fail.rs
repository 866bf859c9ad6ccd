use bincode::{Decode, Encode};
use retake_core::fault::{Effect, Moment};
use retake_core::step::StepKind;
use serde::Serialize;

use super::Kind;
use crate::fault::recipe::Recipe;
use crate::fault::words::{Tail, Words, callback_moment, callback_words};

/// A callback of the actor returns an error instead of running.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct Fail {
    /// Which one.
    pub callback: StepKind,
}

impl Kind for Fail {
    const VERB: &'static str = "fail";
    const FORM: &'static str = "fail NAME [in PART] [with N siblings] @WHEN";
    const ENDS_AN_ACTOR: bool = true;
    const RECIPES: &'static [Recipe] = &[Recipe::usual("fail", |dice| {
        let callback = dice.callback();
        vec![dice.fault(Fail { callback })]
    })];

    fn parse(words: &mut Words<'_>) -> Result<Self, String> {
        let callback = words.callback()?;
        Ok(Self { callback })
    }

    fn tail(&self) -> Tail {
        Tail::callback(self.callback)
    }

    fn moment(&self) -> Moment {
        callback_moment(self.callback)
    }

    fn effect(&self) -> Effect {
        Effect::Fail
    }

    fn describe(&self) -> String {
        format!("its {} fails", callback_words(self.callback))
    }
}
