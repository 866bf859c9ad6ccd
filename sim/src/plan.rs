//! Fault plans: faults as data, explicit ones and those that a swarm draws.
//!
//! A swarm draws for each run which kinds of faults are active in it, and how many
//! strike when: runs differ more from one another than if everything could happen in
//! all of them (Groce and others, "Swarm Testing", ISSTA 2012). Faults strike in the
//! first two thirds of a run, with quiet times between them; after that the system has
//! to come to its end. Only actors with a supervisor are struck, and no more often than
//! the budget says: what a supervision tree is not meant to survive is not injected.
//!
//! In a file (TOML):
//!
//! ```toml
//! faults = ["kill pool/worker-3 @1.5s", "panic ledger @step 120"]
//!
//! [swarm]
//! kinds = ["kill", "panic", "delay", "buggify"]
//! budget = 3
//! quiet_steps = 20
//! ```

use std::path::Path;
use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::fault::{Fault, SUPERVISED};
use crate::rng::{below, stream};

/// The faults of a run: see the module documentation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultPlan {
    /// Faults that strike in every run.
    #[serde(default)]
    pub faults: Vec<Fault>,
    /// What is drawn for each run.
    pub swarm: Option<Swarm>,
}

/// A kind of fault that a swarm draws.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SwarmKind {
    /// Kill a supervised actor.
    Kill,
    /// Let a supervised actor's next handler panic.
    Panic,
    /// Keep a supervised actor from running for a while of virtual time.
    Delay,
    /// Let places marked with `retake::buggify!` misbehave.
    Buggify,
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
}

impl Default for Swarm {
    /// Every kind, 3 faults, 20 steps.
    fn default() -> Self {
        use SwarmKind::{Buggify, Delay, Kill, Panic};
        Self {
            kinds: vec![Kill, Panic, Delay, Buggify],
            budget: 3,
            quiet_steps: 20,
        }
    }
}

/// What was drawn for a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Drawn {
    /// The faults.
    pub faults: Vec<Fault>,
    /// Whether marked places misbehave.
    pub buggify: bool,
}

/// Why a plan cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The file cannot be read.
    #[error("cannot read the fault plan {0}: {1}")]
    Read(String, std::io::Error),
    /// It is something else.
    #[error("{0} is no fault plan: {1}")]
    Malformed(String, String),
}

impl FaultPlan {
    /// The usual swarm.
    #[must_use]
    pub fn swarm() -> Self {
        Self {
            faults: Vec::new(),
            swarm: Some(Swarm::default()),
        }
    }

    /// `none`, `swarm`, or the name of a file.
    ///
    /// # Errors
    /// If the file cannot be read, or is no plan.
    pub fn named(name: &str) -> Result<Self, PlanError> {
        match name {
            "none" => Ok(Self::default()),
            "swarm" => Ok(Self::swarm()),
            file => Self::read(Path::new(file)),
        }
    }

    /// Read a plan from a TOML file.
    ///
    /// # Errors
    /// If it cannot be read, or is no plan.
    pub fn read(file: &Path) -> Result<Self, PlanError> {
        let name = file.display().to_string();
        let text =
            std::fs::read_to_string(file).map_err(|error| PlanError::Read(name.clone(), error))?;
        toml::from_str(&text)
            .map_err(|error: toml::de::Error| PlanError::Malformed(name, error.to_string()))
    }

    /// The faults of the run of this seed, which takes about so many steps. One run in
    /// ten of a swarm has none.
    #[must_use]
    pub fn draw(&self, seed: u64, steps: u64) -> Drawn {
        let mut drawn = Drawn {
            faults: self.faults.clone(),
            buggify: false,
        };
        let Some(swarm) = &self.swarm else {
            return drawn;
        };
        let rng = &mut stream(seed, "swarm");
        if below(rng, 10) == 0 {
            return drawn;
        }
        let active: Vec<SwarmKind> = swarm
            .kinds
            .iter()
            .copied()
            .filter(|_| below(rng, 2) == 0)
            .collect();
        drawn.buggify = active.contains(&SwarmKind::Buggify);
        let lifecycle: Vec<SwarmKind> = active
            .into_iter()
            .filter(|kind| *kind != SwarmKind::Buggify)
            .collect();
        if lifecycle.is_empty() || swarm.budget == 0 {
            return drawn;
        }
        let count = 1 + below(rng, swarm.budget as usize);
        let chaos = (steps * 2 / 3).max(1);
        let mut at: Vec<u64> = (0..count).map(|_| 1 + draw_below(rng, chaos)).collect();
        at.sort_unstable();
        let mut earliest = 0;
        for at in at {
            let at = at.max(earliest);
            earliest = at + swarm.quiet_steps;
            let kind = lifecycle[below(rng, lifecycle.len())];
            let until = Duration::from_millis(1 << below(rng, 12));
            let fault = match kind {
                SwarmKind::Kill => Fault::kill(SUPERVISED),
                SwarmKind::Panic => Fault::panic(SUPERVISED),
                SwarmKind::Delay | SwarmKind::Buggify => Fault::delay(SUPERVISED, until),
            };
            drawn.faults.push(fault.at_step(at));
        }
        drawn
    }
}

fn draw_below(rng: &mut ChaCha8Rng, bound: u64) -> u64 {
    below(rng, usize::try_from(bound).unwrap_or(usize::MAX).max(1)) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_in_a_file_is_read_and_a_wrong_one_refused() {
        let text = "faults = [\"kill a @1s\"]\n[swarm]\nkinds = [\"kill\"]\nbudget = 1\n";
        let plan: FaultPlan = toml::from_str(text).unwrap();
        assert_eq!(plan.faults, [Fault::kill("a").at(Duration::from_secs(1))]);
        assert_eq!(plan.swarm.unwrap().kinds, [SwarmKind::Kill]);
        for (text, what) in [
            (
                "faults = [\"kill a\"]",
                "`@` with a step or time is missing",
            ),
            ("faulst = []", "unknown field `faulst`"),
            (
                "[swarm]\nkinds = [\"explode\"]",
                "unknown variant `explode`",
            ),
        ] {
            let error = toml::from_str::<FaultPlan>(text).unwrap_err().to_string();
            assert!(error.contains(what), "{error}");
        }
        assert!(FaultPlan::named("/nowhere.toml").is_err());
        assert_eq!(FaultPlan::named("none").unwrap(), FaultPlan::default());
    }

    #[test]
    fn a_swarm_keeps_its_budget_and_its_quiet_times_and_some_runs_have_no_fault() {
        let plan = FaultPlan::swarm();
        let (mut quiet, mut full) = (0, 0);
        for seed in 0..1000 {
            let drawn = plan.draw(seed, 300);
            assert_eq!(drawn, plan.draw(seed, 300));
            assert!(drawn.faults.len() <= 3);
            quiet += u32::from(drawn == Drawn::default());
            full += u32::from(drawn.faults.len() == 3);
            let at: Vec<u64> = drawn
                .faults
                .iter()
                .map(|fault| match fault.when {
                    crate::When::Step(at) => at,
                    crate::When::At(_) => 0,
                })
                .collect();
            assert!(at.windows(2).all(|two| two[1] >= two[0] + 20), "{at:?}");
        }
        assert!((100..300).contains(&quiet), "{quiet}");
        assert!((100..600).contains(&full), "{full}");
    }
}
