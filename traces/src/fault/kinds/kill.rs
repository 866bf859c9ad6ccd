use bincode::{Decode, Encode};
use retake_core::fault::{Effect, Moment};
use serde::Serialize;

use super::Kind;
use crate::fault::Fault;
use crate::fault::recipe::{Dice, Recipe};
use crate::fault::words::{Part, Tail, Words};

/// Kill the actor: what it is doing is dropped at its await.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct Kill {
    /// Only when it awaits something within a callback.
    pub awaiting: bool,
}

impl Kind for Kill {
    const VERB: &'static str = "kill";
    const FORM: &'static str = "kill NAME [in await] [with N siblings] @WHEN";
    const ENDS_AN_ACTOR: bool = true;
    const RECIPES: &'static [Recipe] = &[
        // Kill a supervised actor.
        Recipe::usual("kill", |dice| vec![dice.fault(Kill { awaiting: false })]),
        // Kill one while it awaits something.
        Recipe::usual("kill_awaiting", |dice| {
            vec![dice.fault(Kill { awaiting: true })]
        }),
        Recipe::usual("siblings", siblings),
    ];

    fn parse(words: &mut Words<'_>) -> Result<Self, String> {
        let awaiting = match words.part() {
            None => false,
            Some(Part::Await) => true,
            Some(Part::Callback(_)) => return Err("a kill may be `in await` only".to_owned()),
        };
        Ok(Self { awaiting })
    }

    fn tail(&self) -> Tail {
        Tail::new(if self.awaiting { " in await" } else { "" })
    }

    fn moment(&self) -> Moment {
        if self.awaiting {
            Moment::Await
        } else {
            Moment::Task
        }
    }

    fn effect(&self) -> Effect {
        Effect::Kill
    }

    fn describe(&self) -> String {
        "killed".to_owned()
    }
}

/// Kill an actor and some of its siblings.
fn siblings(dice: &mut Dice<'_>) -> Vec<Fault> {
    let count = 1 + dice.below(2) as u32;
    vec![dice.fault(Kill { awaiting: false }).with_siblings(count)]
}
