use bincode::{Decode, Encode};
use retake_core::fault::{Effect, Moment};
use retake_core::time::nanos;
use serde::Serialize;

use super::{Kind, until};
use crate::fault::recipe::{Dice, Recipe};
use crate::fault::words::{Tail, Words};
use crate::fault::{Fault, Target};

/// The task does not run before a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct Delay {
    /// That time, in nanoseconds of virtual time since the start of the run.
    pub until_ns: u64,
}

impl Kind for Delay {
    const VERB: &'static str = "delay";
    const FORM: &'static str = "delay NAME @WHEN until TIME";
    const RECIPES: &'static [Recipe] = &[
        // Keep a task from running for a while of virtual time.
        Recipe::usual("delay", |dice| {
            let until_ns = dice.until_ns;
            vec![dice.fault(Delay { until_ns })]
        }),
        Recipe::usual("swizzle", swizzle),
    ];

    fn parse(words: &mut Words<'_>) -> Result<Self, String> {
        let until_ns = nanos(words.until()?);
        Ok(Self { until_ns })
    }

    fn tail(&self) -> Tail {
        Tail::new("").until(self.until_ns)
    }

    fn moment(&self) -> Moment {
        Moment::Task
    }

    fn effect(&self) -> Effect {
        let until_ns = self.until_ns;
        Effect::Delay { until_ns }
    }

    fn describe(&self) -> String {
        format!("delayed {}", until(self.until_ns))
    }
}

/// Stop tasks one by one, and resume them in another order.
fn swizzle(dice: &mut Dice<'_>) -> Vec<Fault> {
    let count = 2 + dice.below(3) as u64;
    let mut faults = Vec::new();
    for number in 0..count {
        let until_ns = 1_000 * (1 + dice.below(10_000) as u64);
        let fault = Fault::new(Target::Next, Delay { until_ns });
        faults.push(fault.at_step(dice.at + number));
    }
    faults
}
