use bincode::{Decode, Encode};
use retake_core::fault::{Effect, Moment};
use retake_core::time::{Exact, Seconds, nanos};
use serde::Serialize;

use super::coalesce::Coalesce;
use super::{Kind, until};
use crate::fault::recipe::{Dice, Recipe};
use crate::fault::words::{Tail, Words};
use crate::fault::{Fault, Target};

/// Timers fire late.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct Late {
    /// By at most so many nanoseconds of virtual time, drawn for each.
    pub by_ns: u64,
    /// Until this time, in nanoseconds of virtual time since the start of the run.
    pub until_ns: u64,
}

impl Kind for Late {
    const VERB: &'static str = "late";
    const FORM: &'static str = "late by TIME @WHEN until TIME";
    const RECIPES: &'static [Recipe] = &[Recipe::usual("timers", timers)];

    fn parse(words: &mut Words<'_>) -> Result<Self, String> {
        let (by_ns, until_ns) = (nanos(words.by()?), nanos(words.until()?));
        Ok(Self { by_ns, until_ns })
    }

    fn tail(&self) -> Tail {
        Tail::new(format!(" by {}", Exact(self.by_ns))).until(self.until_ns)
    }

    fn moment(&self) -> Moment {
        Moment::Run
    }

    fn effect(&self) -> Effect {
        let Self { by_ns, until_ns } = *self;
        Effect::LateTimers { by_ns, until_ns }
    }

    fn describe(&self) -> String {
        let by = Seconds(self.by_ns);
        format!("timers are up to {by} s late {}", until(self.until_ns))
    }
}

/// Let timers be late, or fire together.
fn timers(dice: &mut Dice<'_>) -> Vec<Fault> {
    let (by_ns, until_ns) = (dice.by_ns, dice.until_ns);
    let fault = if dice.coin {
        Fault::new(Target::Run, Late { by_ns, until_ns })
    } else {
        let to_ns = by_ns;
        Fault::new(Target::Run, Coalesce { to_ns, until_ns })
    };
    vec![fault.at_step(dice.at)]
}
