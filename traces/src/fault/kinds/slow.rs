use bincode::{Decode, Encode};
use retake_core::fault::{Effect, Moment};
use retake_core::step::StepKind;
use retake_core::time::{Exact, Seconds, nanos};
use serde::Serialize;

use super::fail::Fail;
use super::kill::Kill;
use super::panic::Panic;
use super::{Kind, until};
use crate::fault::Fault;
use crate::fault::recipe::{Dice, Recipe};
use crate::fault::words::{Part, Tail, Words};

/// Each step of the task comes later than it could, or its next incarnation starts late.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct Slow {
    /// By so many nanoseconds of virtual time.
    pub by_ns: u64,
    /// Until this time, in nanoseconds of virtual time since the start of the run; without
    /// it, only the next start.
    pub until_ns: Option<u64>,
}

impl Kind for Slow {
    const VERB: &'static str = "slow";
    const FORM: &'static str = "slow NAME [in pre_start] by TIME @WHEN [until TIME]";
    const RECIPES: &'static [Recipe] = &[
        Recipe::usual("restart", restart),
        // Let each step of a task take time.
        Recipe::usual("slow", |dice| {
            let (by_ns, until_ns) = (dice.by_ns, Some(dice.until_ns));
            vec![dice.fault(Slow { by_ns, until_ns })]
        }),
    ];

    fn parse(words: &mut Words<'_>) -> Result<Self, String> {
        let by_ns = nanos(words.by()?);
        let until_ns = match words.part() {
            Some(Part::Callback(StepKind::PreStart)) => None,
            None => Some(nanos(words.until()?)),
            Some(_) => return Err("a slow may be `in pre_start` only".to_owned()),
        };
        Ok(Self { by_ns, until_ns })
    }

    fn tail(&self) -> Tail {
        let by = Exact(self.by_ns);
        match self.until_ns {
            Some(until_ns) => Tail::new(format!(" by {by}")).until(until_ns),
            None => Tail::new(format!(" in pre_start by {by}")),
        }
    }

    fn moment(&self) -> Moment {
        match self.until_ns {
            Some(_) => Moment::Task,
            None => Moment::Start,
        }
    }

    fn effect(&self) -> Effect {
        let by_ns = self.by_ns;
        match self.until_ns {
            Some(until_ns) => Effect::Slow { by_ns, until_ns },
            None => Effect::StartLate { by_ns },
        }
    }

    fn describe(&self) -> String {
        let by = Seconds(self.by_ns);
        match self.until_ns {
            Some(until_ns) => format!("slowed by {by} s {}", until(until_ns)),
            None => format!("starts {by} s late"),
        }
    }
}

/// Let an actor crash while it is restarted, or take long for it. It has to end first.
fn restart(dice: &mut Dice<'_>) -> Vec<Fault> {
    let callback = StepKind::PreStart;
    let start = match dice.below(3) {
        0 => dice.fault(Panic { callback }),
        1 => dice.fault(Fail { callback }),
        _ => dice.fault(Slow {
            by_ns: 16 * dice.by_ns,
            until_ns: None,
        }),
    };
    vec![dice.fault(Kill { awaiting: false }), start]
}
