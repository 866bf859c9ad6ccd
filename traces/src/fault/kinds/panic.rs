use bincode::{Decode, Encode};
use retake_core::fault::{Effect, Moment};
use retake_core::step::StepKind;
use serde::Serialize;

use super::Kind;
use crate::fault::recipe::Recipe;
use crate::fault::words::{Tail, Words, callback_moment, callback_words};

/// A callback of the actor panics instead of running.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct Panic {
    /// Which one.
    pub callback: StepKind,
}

impl Default for Panic {
    /// The next message handler.
    fn default() -> Self {
        let callback = StepKind::Handle;
        Self { callback }
    }
}

impl Kind for Panic {
    const VERB: &'static str = "panic";
    const FORM: &'static str = "panic NAME [in PART] [with N siblings] @WHEN";
    const ENDS_AN_ACTOR: bool = true;
    const RECIPES: &'static [Recipe] = &[Recipe::usual("panic", |dice| {
        let callback = dice.callback();
        vec![dice.fault(Panic { callback })]
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
        Effect::Panic
    }

    fn describe(&self) -> String {
        match self.callback {
            StepKind::Handle => "the next handler panics".to_owned(),
            callback => format!("its {} panics", callback_words(callback)),
        }
    }
}
