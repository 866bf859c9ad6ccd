//! A swarm: for each run, some kinds of faults are drawn, and when they are injected.
//!
//! A swarm draws for each run which kinds of faults are active in it, and how many
//! are injected when: runs differ more from one another than if everything could happen in
//! all of them (Groce and others, "Swarm Testing", ISSTA 2012). Faults are injected in the
//! first two thirds of a run, with quiet times between them. Then the system is healed:
//! what lasts ends, no further fault is injected, and it has to come to its end; a scenario
//! waits for that with `retake::healed`, and `liveness` bounds it. One run in eight has no
//! fault at all.
//!
//! Only actors with a supervisor are chosen, no more often than the budget says, and not
//! if their supervisor would not survive it, where it says what it survives with
//! `retake::restart_intensity`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use retake_core::time::{nanos, parse_duration};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::kinds::{Heal, RECIPES};
use super::recipe::{Dice, Recipe};
use super::{Action, Fault, Target, When};
use crate::near::did_you_mean;

/// Recipes of all kinds.
fn recipes() -> impl Iterator<Item = &'static Recipe> {
    RECIPES.iter().copied().flatten()
}

/// A recipe, by its name.
#[derive(Clone, Copy)]
pub struct SwarmKind(&'static Recipe);

impl SwarmKind {
    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.0.name
    }
}

impl PartialEq for SwarmKind {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl Eq for SwarmKind {}

impl fmt::Debug for SwarmKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for SwarmKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = recipes().find(|it| it.name == text);
        found.map(Self).ok_or_else(|| {
            let names: Vec<&str> = recipes().map(|it| it.name).collect();
            let near = did_you_mean(text, names.iter().copied());
            let names = names.join(", ");
            format!("a swarm draws no `{text}`{near}; it draws {names}")
        })
    }
}

impl<'de> Deserialize<'de> for SwarmKind {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl Serialize for SwarmKind {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.name())
    }
}

/// What may be drawn.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Swarm {
    /// Kinds of which each run has some.
    pub kinds: Vec<SwarmKind>,
    /// The most faults of a run.
    pub budget: u32,
    /// Steps without a fault after each.
    pub quiet_steps: u64,
    /// After the last fault the scenario has to return within this time.
    #[serde(
        skip_serializing_if = "Option::is_none",
        serialize_with = "write_time",
        deserialize_with = "read_time"
    )]
    pub liveness: Option<Duration>,
    /// Choose children also where their supervisor would not survive it.
    pub beyond_intensity: bool,
    /// It is of a whole program, in which nothing is known of supervisors: any task is chosen.
    #[serde(skip)]
    pub whole_program: bool,
}

fn write_time<S: Serializer>(time: &Option<Duration>, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&format!("{}ns", time.unwrap_or_default().as_nanos()))
}

fn read_time<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
    let text = String::deserialize(from)?;
    let time = parse_duration(&text).map_err(serde::de::Error::custom)?;
    Ok(Some(time))
}

impl Default for Swarm {
    /// Every kind that a system has to survive, 3 faults, 20 steps.
    fn default() -> Self {
        Self {
            kinds: recipes().filter(|it| it.is_usual).map(SwarmKind).collect(),
            budget: 3,
            quiet_steps: 20,
            liveness: None,
            beyond_intensity: false,
            whole_program: false,
        }
    }
}

/// What the plain run, without faults, says about other runs of its scenario.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PlainRun {
    /// How many steps it took.
    pub steps: u64,
    /// How much virtual time it took.
    pub time: Duration,
    /// How many packets went from one host to another.
    pub packets: u64,
}

impl Swarm {
    /// The faults of a run that takes about as long as the plain one, drawn from numbers below
    /// a bound. One run in eight has none.
    pub fn draw(&self, plain: PlainRun, below: &mut dyn FnMut(usize) -> usize) -> Vec<Fault> {
        let mut drawn = Vec::new();
        if below(8) == 0 {
            return drawn;
        }
        // What is never drawn for a scenario shifts nothing of what is. Packets of a whole program
        // are not counted.
        let kinds = self.kinds.iter();
        let has_network = self.whole_program || plain.packets > 0;
        let kinds = kinds.filter(|kind| !kind.0.needs_network || has_network);
        let active = kinds.filter(|_| below(2) == 0);
        let (once, others): (Vec<SwarmKind>, Vec<SwarmKind>) =
            active.copied().partition(|kind| kind.0.is_once);
        let child = if self.whole_program {
            Target::Next
        } else if self.beyond_intensity {
            Target::Child
        } else {
            Target::Supervised
        };
        let draw = |kind: SwarmKind, at: u64, below: &mut dyn FnMut(usize) -> usize| {
            let mut dice = Dice::new(child.clone(), at, plain.time * 2 / 3, below);
            let mut faults = (kind.0.draw)(&mut dice);
            // The files of a whole program are real ones.
            let is_crash = |fault: &Fault| matches!(fault.action, Action::CrashDisk(_));
            faults.retain(|fault| !self.whole_program || !is_crash(fault));
            faults
        };
        for kind in once {
            // From no stream: there is nothing to draw.
            drawn.extend(draw(kind, 1, &mut |_| 0));
        }
        let chaos = (plain.steps * 2 / 3).max(1);
        let mut earliest = 0;
        if !others.is_empty() && self.budget > 0 {
            let count = 1 + below(self.budget as usize);
            let bound = usize::try_from(chaos).unwrap_or(usize::MAX);
            let mut at: Vec<u64> = (0..count).map(|_| 1 + below(bound) as u64).collect();
            at.sort_unstable();
            for at in at {
                let at = at.max(earliest);
                let kind = others[below(others.len())];
                let faults = draw(kind, at, below);
                let last = faults.iter().map(step).fold(at, u64::max);
                drawn.extend(faults);
                earliest = last + self.quiet_steps;
            }
        }
        if !drawn.is_empty() {
            let within_ns = self.liveness.map(nanos);
            let heal = Fault::new(Target::Run, Heal { within_ns });
            drawn.push(heal.at_step(chaos.max(earliest)));
        }
        drawn
    }
}

fn step(fault: &Fault) -> u64 {
    match fault.when {
        When::Step(step) => step,
        When::At(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recipes_are_found_by_their_names_and_a_wrong_name_is_refused() {
        for recipe in recipes() {
            let found: SwarmKind = recipe.name.parse().unwrap();
            assert!(std::ptr::eq(found.0, recipe), "two are called {found:?}");
        }
        let error = "kil".parse::<SwarmKind>().unwrap_err();
        assert!(
            error.starts_with("a swarm draws no `kil`: did you mean `kill`"),
            "{error}"
        );
    }
}
